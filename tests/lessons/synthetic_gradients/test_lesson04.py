"""The checkers of lesson 04: planted mistakes, and what is said to each."""

from __future__ import annotations

import numpy as np
import pytest

from dnilab.lessons.synthetic_gradients.lesson04 import check_best_guess, check_cosine

norm = np.linalg.norm


def cosine(g_hat, g):
    lengths = norm(g_hat) * norm(g)
    return (g_hat * g).sum() / lengths if lengths else 0.0


def of_rows(g_hat, g):
    lengths = norm(g_hat, axis=1) * norm(g, axis=1)
    return ((g_hat * g).sum(axis=1) / lengths).mean()


def for_zeros(answer):
    """A cosine that is right for every guess but zeros."""
    return lambda g_hat, g: cosine(g_hat, g) if g_hat.any() else answer


class TestCosine:
    def test_right(self):
        assert check_cosine(cosine)

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (lambda g_hat, g: None, "is None"),
            (lambda g_hat, g: -cosine(g_hat, g), "wrong sign"),
            (lambda g_hat, g: (g_hat * g).sum(axis=1), "should be ()"),
            (of_rows, "mean of the cosines of the rows"),
            (lambda g_hat, g: (g_hat * g).sum(), "it is the dot product"),
            (lambda g_hat, g: (g_hat * g).sum() / (norm(g_hat) * norm(g)) ** 2, "take the roots"),
            (lambda g_hat, g: (g_hat * g).sum() / norm(g_hat), "only one of the two"),
            (lambda g_hat, g: (g_hat * g).sum() / norm(g) ** 2, "length of g twice"),
            (lambda g_hat, g: (g_hat * g).sum() / (norm(g_hat) * norm(g)), "guess of zeros"),
            (lambda g_hat, g: np.corrcoef(g_hat.ravel(), g.ravel())[0, 1], "the correlation"),
            (lambda g_hat, g: np.arccos(cosine(g_hat, g)), "it is the angle"),
            (for_zeros([]), "guess of zeros"),
            (for_zeros([[0], [0, 0]]), "guess of zeros"),
            (lambda g_hat, g: g_hat @ g, "stopped with ValueError"),
        ],
    )
    def test_wrong(self, answer, said):
        verdict = check_cosine(answer)
        assert not verdict
        assert said in verdict.message


def with_one(s):
    return np.hstack([s, np.ones((len(s), 1))])


def weights(s, g):
    return np.linalg.lstsq(s, g, rcond=None)[0]


def best_guess(s, g):
    return with_one(s) @ weights(with_one(s), g)


class TestBestGuess:
    def test_right(self):
        assert check_best_guess(best_guess)

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (lambda s, g: None, "is None"),
            (lambda s, g: weights(with_one(s), g), "returns the weights"),
            (lambda s, g: weights(s, g), "returns the weights"),
            (lambda s, g: s @ weights(s, g), "the constant is missing"),
            (lambda s, g: np.zeros_like(g) + g.mean(axis=0), "it is the mean of g"),
            (lambda s, g: g.copy(), "it is g itself"),
            (lambda s, g: g - best_guess(s, g), "what is left over"),
            (lambda s, g: -best_guess(s, g), "wrong sign"),
            (lambda s, g: np.linalg.lstsq(s, g, rcond=None), "returns 4 things"),
            (lambda s, g: best_guess(s, g).T, "Transpose it?"),
            (lambda s, g: [best_guess(s, g), 0.5], "is list"),
            (lambda s, g: s @ g, "stopped with ValueError"),
        ],
    )
    def test_wrong(self, answer, said):
        verdict = check_best_guess(answer)
        assert not verdict
        assert said in verdict.message
