"""The checkers of lesson 01: planted mistakes, and what is said to each."""

from __future__ import annotations

import numpy as np
import pytest

from dnilab.lessons.synthetic_gradients.lesson01 import (
    BATCH,
    check_gradient_of_W2,
    check_gradient_sent_below,
)
from dnilab.network import complex_step, relative_error


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


class TestGradientOfW2:
    def test_right(self):
        verdict = check_gradient_of_W2(lambda h1, h2, g2: h1.T @ (g2 * h2 * (1 - h2)))
        assert verdict
        assert "agrees" in verdict.message

    def test_its_truth_is_the_derivative(self):
        """The formula that the checker compares with, against a derivative that is measured."""
        rng = np.random.default_rng(5)
        h1, W2, c = rng.normal(size=(7, 5)), rng.normal(size=(5, 3)), rng.normal(size=(7, 3))
        measured = complex_step(lambda W: (c * sigmoid(h1 @ W)).sum(), W2)
        h2 = sigmoid(h1 @ W2)
        assert relative_error(measured, h1.T @ (c * h2 * (1 - h2))) < 1e-12

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (lambda h1, h2, g2: None, "is None"),
            (lambda h1, h2, g2: "later", "is str"),
            (lambda h1, h2, g2: -h1.T @ (g2 * h2 * (1 - h2)), "wrong sign"),
            (lambda h1, h2, g2: (g2 * h2 * (1 - h2)).T @ h1, "Transpose it?"),
            (lambda h1, h2, g2: g2 * h2 * (1 - h2), "should be (5, 3)"),
            (lambda h1, h2, g2: h1.T @ (g2 * h2 * (1 - h2)) / len(h1), "too small by a factor 7"),
            (lambda h1, h2, g2: h1.T @ (g2 * h2 * (1 - h2)) * len(h1), "too large by a factor 7"),
            (lambda h1, h2, g2: 4 * h1.T @ (g2 * h2 * (1 - h2)), "4 times too large"),
            (lambda h1, h2, g2: h1.T @ g2, "dh2/da2, is missing"),
            (lambda h1, h2, g2: h1.T @ (g2 * (1 - h2**2)), "that of tanh"),
            (
                lambda h1, h2, g2: h1.T @ (g2 * sigmoid(h2) * (1 - sigmoid(h2))),
                "takes the sigmoid of h2",
            ),
            (lambda h1, h2, g2: h1.T @ (g2 * h2), "differs from the true value"),
            (lambda h1, h2, g2: h1 @ g2, "stopped with ValueError"),
            (lambda h1, h2, g2: np.log(-1.0 * h2**0) @ g2.T, "stopped with RuntimeWarning"),
            (7, "should be a function"),
        ],
    )
    def test_wrong(self, answer, said):
        verdict = check_gradient_of_W2(answer)
        assert not verdict
        assert said in verdict.message

    def test_writes_into_g2(self):
        def careless(h1, h2, g2):
            g2 *= h2 * (1 - h2)
            return h1.T @ g2

        assert "argument number 3 in place" in check_gradient_of_W2(careless).message


class TestGradientSentBelow:
    def test_right(self):
        assert check_gradient_sent_below(lambda h2, g2, W2: (g2 * h2 * (1 - h2)) @ W2.T)

    def test_its_truth_is_the_derivative(self):
        rng = np.random.default_rng(6)
        h1, W2, c = rng.normal(size=(7, 5)), rng.normal(size=(5, 3)), rng.normal(size=(7, 3))
        measured = complex_step(lambda h: (c * sigmoid(h @ W2)).sum(), h1)
        h2 = sigmoid(h1 @ W2)
        assert relative_error(measured, (c * h2 * (1 - h2)) @ W2.T) < 1e-12

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (lambda h2, g2, W2: None, "is None"),
            (lambda h2, g2, W2: -(g2 * h2 * (1 - h2)) @ W2.T, "wrong sign"),
            (lambda h2, g2, W2: W2 @ (g2 * h2 * (1 - h2)).T, "Transpose it?"),
            (lambda h2, g2, W2: (g2 * h2 * (1 - h2)) @ W2, "W2 is not transposed"),
            (lambda h2, g2, W2: g2 @ W2.T, "dh2/da2, is missing"),
            (lambda h2, g2, W2: (g2 * (1 - h2**2)) @ W2.T, "that of tanh"),
            (lambda h2, g2, W2: (g2 @ W2.T) * h2 * (1 - h2), "comes too late"),
            (lambda h2, g2, W2: (g2 * h2 * (1 - h2)) @ W2.T / BATCH, "too small by a factor 7"),
            # right for a square W2 alone
            (
                lambda h2, g2, W2: (g2 * h2 * (1 - h2)) @ W2.T[:, :3],
                "should be (7, 5)",
            ),
        ],
    )
    def test_wrong(self, answer, said):
        verdict = check_gradient_sent_below(answer)
        assert not verdict
        assert said in verdict.message
