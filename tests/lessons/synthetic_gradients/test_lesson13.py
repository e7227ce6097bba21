"""The checkers of lesson 13: planted mistakes, and what is said to each."""

from __future__ import annotations

import numpy as np
import pytest

from dnilab.lessons.synthetic_gradients.lesson13 import check_corrected, check_layer_above


def above(W, b):
    return np.vstack([W @ W.T, -W.T, b @ W.T])


class TestLayerAbove:
    def test_right(self):
        assert check_layer_above(above)
        assert check_layer_above(lambda W, b: np.vstack([W, -np.eye(len(b)), b]) @ W.T)

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (lambda W, b: None, "is None"),
            (lambda W, b: (W @ W.T, -W.T, b @ W.T), "np.vstack"),
            (lambda W, b: above(W, b)[:-1], "no row for the constant"),
            (lambda W, b: above(W, b).T, "has a row for each entry"),
            (lambda W, b: np.vstack([W, -np.eye(len(b)), b]), "multiply by W.T."),
            (lambda W, b: np.vstack([W @ W.T, W.T, b @ W.T]), "rows of y have the wrong sign"),
            (lambda W, b: np.vstack([-W.T, W @ W.T, b @ W.T]), "rows of y stand first"),
            (lambda W, b: np.vstack([W @ W.T, -W.T, -b @ W.T]), "constant has the wrong sign"),
            (lambda W, b: np.vstack([W @ W.T, -W.T, 0 * b @ W.T]), "constant is 0"),
            (lambda W, b: np.vstack([b @ W.T, W @ W.T, -W.T]), "row stands first"),
            (lambda W, b: -above(W, b), "wrong sign"),
            (lambda W, b: np.vstack([W.T @ W, -W.T, b]), "stopped with ValueError"),
        ],
    )
    def test_wrong(self, answer, said):
        verdict = check_layer_above(answer)
        assert not verdict
        assert said in verdict.message


def corrected(g_hat, g, known, p):
    return g_hat + np.where(known[:, None], (g - g_hat) / p, 0)


def in_place(g_hat, g, known, p):
    g_hat[known] += (g[known] - g_hat[known]) / p
    return g_hat


def row_by_row(g_hat, g, known, p):
    rows = zip(g_hat, g, known, strict=True)
    return [guess + (truth - guess) / p if told else guess for guess, truth, told in rows]


def with_known(change):
    """An answer that changes the known rows alone, by ``change(guess, truth, p)``."""

    def answer(g_hat, g, known, p):
        out = g_hat.copy()
        out[known] = change(g_hat[known], g[known], p)
        return out

    return answer


class TestCorrected:
    def test_right(self):
        assert check_corrected(corrected)
        assert check_corrected(row_by_row)
        assert check_corrected(lambda g_hat, g, known, p: g_hat + (g - known[:, None] * g_hat) / p)

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (lambda g_hat, g, known, p: None, "is None"),
            (lambda g_hat, g, known, p: g_hat + (g - g_hat) / p, "towards the 0"),
            (with_known(lambda guess, truth, p: truth), "divide g - g_hat by p"),
            (with_known(lambda guess, truth, p: guess + p * (truth - guess)), "divide by it"),
            (with_known(lambda guess, truth, p: guess - (truth - guess) / p), "wrong sign"),
            (with_known(lambda guess, truth, p: guess + truth / p), "counts twice"),
            (lambda *given: corrected(*given) - given[0], "the guess is left out"),
            (with_known(lambda guess, truth, p: truth / p), "without the guess's part"),
            (
                lambda g_hat, g, known, p: np.where(known[:, None], g / p, 0),
                "unbiased, but no guess",
            ),
            (lambda g_hat, g, known, p: g_hat, "as it was"),
            (in_place, "in place"),
            (
                lambda g_hat, g, known, p: corrected(g_hat, g, known, known.mean()),
                "happen to be known",
            ),
        ],
    )
    @pytest.mark.filterwarnings("ignore:invalid value")
    def test_wrong(self, answer, said):
        verdict = check_corrected(answer)
        assert not verdict
        assert said in verdict.message
