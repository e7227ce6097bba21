"""Lesson 04: how good a guess is, and how good it could be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dnilab.exercises.asking import NotYet, ask, judge_with_mistakes, shape_of
from dnilab.exercises.feedback import Verdict

BATCH, WIDTH, SEEN = 40, 4, 3  # all different, so that a wrong shape shows


def check_cosine(cosine: Callable[..., Any]) -> Verdict:
    """Check ``cosine(g_hat, g)`` -> one number, all rows taken as one long vector.

    Shapes: g_hat and g (batch, width).  A guess of zeros has the cosine 0.
    """
    rng = np.random.default_rng(5)
    g = rng.normal(size=(BATCH, WIDTH)) * rng.uniform(0.1, 3, size=(BATCH, 1))
    g_hat = 0.5 * g + rng.normal(size=g.shape)
    dot, left, right = float(np.sum(g_hat * g)), *map(np.linalg.norm, (g_hat, g))
    rows = np.sum(g_hat * g, axis=1)
    lengths = np.linalg.norm(g_hat, axis=1) * np.linalg.norm(g, axis=1)
    name = "cosine(g_hat, g)"
    try:
        verdict = judge_with_mistakes(
            name,
            ask("cosine", cosine, g_hat, g),
            np.array(dot / (left * right)),
            {},
            {
                "it is the mean of the cosines of the rows. Take all rows as one long vector: a "
                "row with a long gradient then counts more, as it does in the update.": np.array(
                    np.mean(rows / lengths)
                ),
                "it is the dot product: divide it by both lengths.": np.array(dot),
                "it is divided by the squared lengths: take the roots.": np.array(
                    dot / (left * right) ** 2
                ),
                "it is divided by the length of only one of the two.": np.array(dot / left),
                "it is divided by the length of g twice.": np.array(dot / right**2),
            },
        )
        if not verdict:
            return verdict
        with np.errstate(all="ignore"):
            of_zeros = ask("cosine", cosine, np.zeros_like(g), g)
    except NotYet as stop:
        return stop.verdict
    if shape_of(of_zeros) != () or of_zeros != 0:
        return Verdict(
            False,
            "cosine of a guess of zeros should be 0: generators start there, and 0 / 0 is no "
            f"number. Yours gives {of_zeros}.",
        )
    return verdict


def check_best_guess(best_guess: Callable[..., Any]) -> Verdict:
    """Check ``best_guess(s, g)`` -> the least-squares guess for the same rows.

    Shapes: s (batch, n_s), g (batch, width), answer (batch, width): g regressed on the columns
    of s and a constant.
    """
    rng = np.random.default_rng(6)
    s = rng.normal(size=(BATCH, SEEN)) + 1.0
    g = s @ rng.normal(size=(SEEN, WIDTH)) + rng.normal(size=(BATCH, WIDTH)) + 2.0
    with_one = np.hstack([s, np.ones((BATCH, 1))])

    def fit(columns: np.ndarray, target: np.ndarray) -> np.ndarray:
        guess: np.ndarray = columns @ np.linalg.lstsq(columns, target, rcond=None)[0]
        return guess

    weights = np.linalg.lstsq(with_one, g, rcond=None)[0]
    name = "best_guess(s, g)"
    try:
        got = ask("best_guess", best_guess, s, g)
    except NotYet as stop:
        return stop.verdict
    if isinstance(got, tuple):
        return Verdict(
            False,
            f"{name} returns {len(got)} things. np.linalg.lstsq returns several as well; its "
            "first, [0], are the weights. Multiply the context by them.",
        )
    if shape_of(got) in (weights.shape, (SEEN, WIDTH)):
        return Verdict(
            False, f"{name} returns the weights of the fit. Multiply the context by them."
        )
    return judge_with_mistakes(
        name,
        got,
        with_one @ weights,
        {},
        {
            "the constant is missing: put a column of ones beside s.": fit(s, g),
            "it is the mean of g in every row: the context is not used.": np.broadcast_to(
                g.mean(axis=0), g.shape
            ),
            "it is g itself, not a guess of it.": g,
            "it is what is left over, g minus the guess.": g - with_one @ weights,
        },
    )
