"""The checkers of lesson 08: planted mistakes, and what is said to each."""

from __future__ import annotations

import numpy as np
import pytest

from dnilab.lessons.through_time.lesson08 import check_back_one_step, check_target_of_the_guess


def back_one_step(h_before, x, W, U, b, dh):
    h = np.tanh(x @ W + h_before @ U + b)
    return (dh * (1 - h**2)) @ U.T


class TestBackOneStep:
    def test_right(self):
        assert check_back_one_step(back_one_step)

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (lambda *a: None, "is None"),
            (lambda *a: -back_one_step(*a), "wrong sign"),
            (lambda *a: back_one_step(*a) / 7, "batch size"),
            (lambda *a: back_one_step(*a).T, "Transpose"),
            (lambda h, x, W, U, b, dh: dh @ U.T, "slope of the tanh is missing"),
            (lambda h, x, W, U, b, dh: (dh * (1 - h**2)) @ U.T, "state before"),
            (lambda h, x, W, U, b, dh: (dh @ U.T) * (1 - h**2), "state before"),
            (lambda h, x, W, U, b, dh: dh @ U, "missing, and U is not transposed"),
            (
                lambda h, x, W, U, b, dh: (dh @ U.T) * (1 - np.tanh(x @ W + h @ U + b) ** 2),
                "wrong order",
            ),
            (
                lambda h, x, W, U, b, dh: (dh * (1 - np.tanh(x @ W + h @ U) ** 2)) @ U.T,
                "bias is forgotten",
            ),
            (
                lambda h, x, W, U, b, dh: (dh * (1 - np.tanh(x @ W + h @ U + b))) @ U.T,
                "not 1 - h",
            ),
            (lambda h, x, W, U, b, dh: back_one_step(h, x, W, U, b, dh @ U), "right shape"),
            (
                lambda h, x, W, U, b, dh: (dh * (1 - np.tanh(x @ W + h @ U + b) ** 2)) @ U,
                "U is not transposed",
            ),
            (
                lambda h, x, W, U, b, dh: dh * (1 - np.tanh(x @ W + h @ U + b) ** 2),
                "before the product with U",
            ),
            (lambda h, x, W, U, b, dh: h @ W, "stopped with ValueError"),
        ],
    )
    def test_wrong(self, answer, said):
        verdict = check_back_one_step(answer)
        assert not verdict
        assert said in verdict.message


def target(dhs, slopes, U, g_hat):
    g = g_hat
    for t in reversed(range(len(dhs))):
        g = ((g + dhs[t]) * slopes[t]) @ U.T
    return g


def stepwise(step, order=reversed):
    """Back through the segment by another step, or in another order."""

    def answer(dhs, slopes, U, g_hat):
        g = g_hat
        for t in order(range(len(dhs))):
            g = step(g, dhs[t], slopes[t], U)
        return g

    return answer


def right_step(g, dh, slope, U):
    return ((g + dh) * slope) @ U.T


def in_place(dhs, slopes, U, g_hat):
    g_hat += 1
    return g_hat


def by_a_matrix_for_each_step(dhs, slopes, U, g_hat):
    g = g_hat
    for dh, slope in zip(dhs[::-1], slopes[::-1], strict=True):
        g = np.einsum("bi,bi,ji->bj", g + dh, slope, U)
    return g


class TestTarget:
    @pytest.mark.parametrize("answer", [target, by_a_matrix_for_each_step, stepwise(right_step)])
    def test_right(self, answer):
        assert check_target_of_the_guess(answer)

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (lambda *a: None, "is None"),
            (lambda *a: -target(*a), "wrong sign"),
            (lambda *a: target(*a) / 7, "batch size"),
            (lambda d, s, U, g: target(d, s, U, 0 * g), "guess at its end is missing"),
            (lambda d, s, U, g: target(0 * d, s, U, g), "losses of the segment itself"),
            (stepwise(right_step, order=list), "backwards in time"),
            (stepwise(lambda g, dh, slope, U: ((g + dh) * slope) @ U), "U is not transposed"),
            (stepwise(lambda g, dh, slope, U: (g * slope) @ U.T + dh), "added after the product"),
            (stepwise(lambda g, dh, slope, U: (g * slope + dh) @ U.T), "without its slope"),
            (stepwise(lambda g, dh, slope, U: (g + dh) @ U.T), "no slope is in it"),
            (stepwise(lambda g, dh, slope, U: ((g + dh) @ U.T) * slope), "wrong order"),
            (stepwise(right_step, order=lambda ts: ts[:0:-1]), "first step is left out"),
            (stepwise(right_step, order=lambda ts: ts[-2::-1]), "last step is left out"),
            (lambda d, s, U, g: target(d, s, U, 0 * g) + g, "added at the start"),
            (lambda d, s, U, g: target(d, s, U, g) - g, "difference to the guess"),
            (lambda d, s, U, g: target(d[1:], s[1:], U, g) + d[0], "one more step"),
            (in_place, "in place"),
            (lambda d, s, U, g: d @ s, "stopped with ValueError"),
        ],
    )
    def test_wrong(self, answer, said):
        verdict = check_target_of_the_guess(answer)
        assert not verdict
        assert said in verdict.message
