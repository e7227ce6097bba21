"""Lesson 04: how good a guess is, and how good it could be."""

from __future__ import annotations

import numpy as np

from dnilab.exercises import (
    Function,
    NotYet,
    Verdict,
    ask,
    checker,
    judge,
    judge_call,
    require,
    shape_of,
)

BATCH, WIDTH, SEEN = 40, 4, 3  # all different, so that a wrong shape shows


@checker
def check_cosine(cosine: Function) -> Verdict:
    """Check ``cosine(g_hat, g)`` -> one number, all rows taken as one long vector.

    Shapes: g_hat and g (batch, width).  A guess of zeros has the cosine 0.
    """
    rng = np.random.default_rng(5)
    g = rng.normal(size=(BATCH, WIDTH)) * rng.uniform(0.1, 3, size=(BATCH, 1)) + 0.5
    g_hat = 0.5 * g + rng.normal(size=g.shape)
    dot, left, right = np.sum(g_hat * g), np.linalg.norm(g_hat), np.linalg.norm(g)
    rows = np.sum(g_hat * g, axis=1)
    lengths = np.linalg.norm(g_hat, axis=1) * np.linalg.norm(g, axis=1)
    mistakes = {
        "it is the mean of the cosines of the rows. Take all rows as one long vector: a row with "
        "a long gradient then counts more, as it does in the update.": np.mean(rows / lengths),
        "it is the dot product: divide it by both lengths.": dot,
        "it is divided by the squared lengths: take the roots.": dot / (left * right) ** 2,
        "it is divided by the length of only one of the two.": dot / left,
        "it is divided by the length of g twice.": dot / right**2,
        "the mean was subtracted first: that is the correlation.": (
            np.corrcoef(g_hat.ravel(), g.ravel())[0, 1]
        ),
        "it is the angle: leave the arccos out.": np.arccos(dot / (left * right)),
    }
    verdict = require(
        judge_call("cosine(g_hat, g)", cosine, (g_hat, g), dot / (left * right), mistakes)
    )
    with np.errstate(all="ignore"):
        of_zeros = ask("cosine", cosine, np.zeros_like(g), g)
    if shape_of(of_zeros) != () or of_zeros != 0:
        raise NotYet(
            "cosine of a guess of zeros should be 0: generators start there, and 0 / 0 is no "
            f"number. Yours gives {of_zeros}."
        )
    return verdict


@checker
def check_best_guess(best_guess: Function) -> Verdict:
    """Check ``best_guess(s, g)`` -> the least-squares guess for the same rows.

    Shapes: s (batch, n_s), g (batch, width), answer (batch, width): g regressed on the columns
    of s and a constant.
    """
    rng = np.random.default_rng(6)
    s = rng.normal(size=(BATCH, SEEN)) + 1.0
    g = s @ rng.normal(size=(SEEN, WIDTH)) + rng.normal(size=(BATCH, WIDTH)) + 2.0
    with_one = np.hstack([s, np.ones((BATCH, 1))])

    def fit(columns: np.ndarray) -> np.ndarray:
        return columns @ np.linalg.lstsq(columns, g, rcond=None)[0]

    call = "best_guess(s, g)"
    got = ask(call, best_guess, s, g)
    if isinstance(got, tuple):
        raise NotYet(
            f"{call} returns {len(got)} things. np.linalg.lstsq returns several as well; its "
            "first, [0], are the weights. Multiply the context by them."
        )
    if shape_of(got) in ((SEEN + 1, WIDTH), (SEEN, WIDTH)):
        raise NotYet(f"{call} returns the weights of the fit. Multiply the context by them.")
    mistakes = {
        "the constant is missing: put a column of ones beside s.": fit(s),
        "it is the mean of g in every row: the context is not used.": (
            np.zeros_like(g) + g.mean(axis=0)
        ),
        "it is g itself, not a guess of it.": g,
        "it is what is left over, g minus the guess.": g - fit(with_one),
    }
    return judge(call, got, fit(with_one), mistakes)
