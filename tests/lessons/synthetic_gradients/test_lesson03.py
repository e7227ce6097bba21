"""The checkers of lesson 03: planted mistakes, and what is said to each."""

from __future__ import annotations

import numpy as np
import pytest

from dnilab.lessons.synthetic_gradients.lesson03 import (
    BATCH,
    check_fitted_generator,
    check_message_below,
)
from dnilab.network import complex_step, relative_error


def parts(x, y, W, b, M):
    a = x @ W + b
    h = np.maximum(a, 0)
    return a, h, np.hstack([h, y]) @ M


def message(x, y, W, b, M):
    a, _, g_hat = parts(x, y, W, b, M)
    return (g_hat * (a > 0)) @ W.T


def altered(change):
    """An answer made of a, h, g_hat and W."""

    def answer(x, y, W, b, M):
        a, h, g_hat = parts(x, y, W, b, M)
        return change(a, h, g_hat, W)

    return answer


class TestMessageBelow:
    def test_right(self):
        verdict = check_message_below(message)
        assert verdict
        assert "agrees" in verdict.message

    def test_its_truth_is_the_derivative(self):
        rng = np.random.default_rng(5)
        x, y = rng.normal(size=(6, 5)), rng.normal(size=(6, 3))
        W, b, M = rng.normal(size=(5, 4)), rng.normal(size=4), rng.normal(size=(7, 4))
        _, _, g_hat = parts(x, y, W, b, M)

        def agreement(x):  # <g_hat, h(x)>, with g_hat held fixed
            a = x @ W + b
            return (g_hat * np.where(a.real > 0, a, 0)).sum()

        assert relative_error(complex_step(agreement, x), message(x, y, W, b, M)) < 1e-12

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (lambda *_: None, "is None"),
            (altered(lambda a, h, g_hat, W: -(g_hat * (a > 0)) @ W.T), "wrong sign"),
            (altered(lambda a, h, g_hat, W: g_hat * (a > 0)), "should be (8, 5)"),
            (altered(lambda a, h, g_hat, W: W @ (g_hat * (a > 0)).T), "Transpose it?"),
            (
                altered(lambda a, h, g_hat, W: (g_hat * (a > 0)) @ W.T / BATCH),
                "too small by a factor 8",
            ),
            (altered(lambda a, h, g_hat, W: g_hat @ W.T), "slope dh/da is missing"),
            (altered(lambda a, h, g_hat, W: (g_hat * (1 - h**2)) @ W.T), "that of tanh"),
            (altered(lambda a, h, g_hat, W: (g_hat * h) @ W.T), "not by a"),
            (
                lambda x, y, W, b, M: (np.hstack([x @ W + b, y]) @ M * (x @ W + b > 0)) @ W.T,
                "before the ReLU",
            ),
            (altered(lambda a, h, g_hat, W: (g_hat * (a > 0)) @ W), "stopped with ValueError"),
            ("no function", "should be a function"),
        ],
    )
    def test_wrong(self, answer, said):
        verdict = check_message_below(answer)
        assert not verdict
        assert said in verdict.message

    def test_inputs_must_not_change(self):
        def careless(x, y, W, b, M):
            b += 1
            return message(x, y, W, b, M)

        assert "in place" in check_message_below(careless).message


def fitted(M, s, g, rate):
    return M - rate / len(s) * s.T @ (s @ M - g)


class TestFittedGenerator:
    def test_right(self):
        assert check_fitted_generator(fitted)

    def test_its_truth_goes_down_the_squared_error(self):
        rng = np.random.default_rng(6)
        s, g, M = rng.normal(size=(6, 5)), rng.normal(size=(6, 3)), rng.normal(size=(5, 3))
        slope = complex_step(lambda M: 0.5 * ((s @ M - g) ** 2).sum(), M)
        assert relative_error(fitted(M, s, g, 6.0), M - slope) < 1e-12

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (lambda *_: None, "is None"),
            (lambda M, s, g, rate: "later", "is str"),
            (lambda M, s, g, rate: (fitted(M, s, g, rate), 0.5), "is tuple"),
            (lambda M, s, g, rate: fitted(M, s, g, rate) + 1j, "complex numbers"),
            (lambda M, s, g, rate: [fitted(M, s, g, rate), g], "is list"),
            (lambda M, s, g, rate: np.full(M.shape, "x"), "array of numbers"),
            (lambda M, s, g, rate: M.T, "Transpose it?"),
            (lambda M, s, g, rate: M, "returns M as it was"),
            (lambda M, s, g, rate: 2 * M - fitted(M, s, g, rate), "wrong sign"),
            (lambda M, s, g, rate: M - rate * s.T @ (s @ M - g), "too large by a factor 8"),
            # the width of the context, 7, is not the number of rows
            (lambda M, s, g, rate: M - rate * s.T @ (s @ M - g) / len(M), "too large"),
            (
                lambda M, s, g, rate: M - rate / len(s) ** 2 * s.T @ (s @ M - g),
                "too small by a factor 8",
            ),
            (
                lambda M, s, g, rate: M - s.T @ (s @ M - g) / len(s),
                "too small by a factor 3: the rate",
            ),
            (
                lambda M, s, g, rate: M - rate / len(s) * s.T @ (s @ M - g / len(s)),
                "target is divided",
            ),
            (lambda M, s, g, rate: -rate / len(s) * s.T @ (s @ M - g), "without M"),
            (lambda M, s, g, rate: rate / len(s) * s.T @ (s @ M - g), "M is left out"),
            (lambda M, s, g, rate: M @ s, "stopped with ValueError"),
        ],
    )
    def test_wrong(self, answer, said):
        verdict = check_fitted_generator(answer)
        assert not verdict
        assert said in verdict.message
