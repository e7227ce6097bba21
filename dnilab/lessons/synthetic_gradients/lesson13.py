"""Lesson 13: what a linear generator has to represent, and how a bad guess is made unbiased."""

from __future__ import annotations

import numpy as np

from dnilab.exercises import (
    Function,
    NotYet,
    Verdict,
    ask,
    checker,
    judge,
    shape_of,
)

WIDTH, OUTPUTS = 4, 3  # different, so that a wrong shape shows
ROWS, CHANCE = 12, 0.2  # of which 3 happen to be known


@checker
def check_layer_above(layer_above: Function) -> Verdict:
    """Check ``layer_above(W, b)`` -> what a linear generator of [h, y, 1] has to represent.

    The layer above is z = hW + b, judged by half the squared error.  Shapes: W (width, outputs),
    b (outputs,), answer (width + outputs + 1, width).
    """
    rng = np.random.default_rng(13)
    W, b = rng.normal(size=(WIDTH, OUTPUTS)), rng.normal(size=OUTPUTS)
    rows = {"h": W @ W.T, "y": -W.T, "1": (b @ W.T)[None]}
    right = np.vstack(list(rows.values()))
    call = "layer_above(W, b)"
    got = ask(call, layer_above, W, b)
    if isinstance(got, tuple | list) and len(got) == len(rows):
        raise NotYet(f"{call} returns three things. Put them below each other: np.vstack.")
    if shape_of(got) == (WIDTH + OUTPUTS, WIDTH):
        raise NotYet(f"{call} has no row for the constant: the last row goes with the 1.")
    if shape_of(got) == right.T.shape:
        raise NotYet(
            f"{call} has shape {right.T.shape}; it should be {right.shape}. The context stands on "
            "the left, [h, y, 1] M, so that M has a row for each entry of the context."
        )
    if shape_of(got) == (WIDTH + OUTPUTS + 1, OUTPUTS):
        raise NotYet(
            f"{call} is what makes z - y. The gradient at h is that times W.T: multiply by W.T."
        )
    mistakes = {
        "the rows of y have the wrong sign: g falls where y grows.": [rows["h"], W.T, rows["1"]],
        "the rows of y stand first; the context is h, y, 1, in this order.": [
            rows["y"],
            rows["h"],
            rows["1"],
        ],
        "the row of the constant has the wrong sign.": [rows["h"], rows["y"], -rows["1"]],
        "the row of the constant is 0: b moves z, and so g.": [
            rows["h"],
            rows["y"],
            0 * rows["1"],
        ],
        "the constant's row stands first; it goes with the 1, which is last.": [
            rows["1"],
            rows["h"],
            rows["y"],
        ],
    }
    return judge(call, got, right, {said: np.vstack(of) for said, of in mistakes.items()})


@checker
def check_corrected(right_on_average: Function) -> Verdict:
    """Check ``right_on_average(g_hat, g, known, p)`` -> a guess that is right on average.

    Shapes: g_hat, g and the answer (batch, width), known (batch,) of True and False, each True
    with the chance p.  Rows of g that are not known hold 0.
    """
    rng = np.random.default_rng(14)
    g_hat, g = rng.normal(size=(2, ROWS, WIDTH))
    known = np.arange(ROWS) % 4 == 1
    one = known[:, None]
    call = "right_on_average(g_hat, g, known, p)"
    got = ask(call, right_on_average, g_hat, one * g, known, CHANCE)
    right = g_hat + one * (g - g_hat) / CHANCE
    mistakes = {
        "the known rows are the truth as it is. On average that leaves 1 - p of the error: divide "
        "g - g_hat by p.": np.where(one, g, g_hat),
        "the correction is multiplied by p: divide by it.": g_hat + one * (g - g_hat) * CHANCE,
        "the correction has the wrong sign: it is g - g_hat.": g_hat - one * (g - g_hat) / CHANCE,
        "g is added, not g - g_hat: the guess counts twice.": g_hat + one * g / CHANCE,
        "the guess is left out: add it to every row, known or not.": one * (g - g_hat) / CHANCE,
        "the known rows hold g / p, without the guess's part.": np.where(one, g / CHANCE, g_hat),
        "it is g / p in the known rows and 0 in the others: unbiased, but no guess.": (
            one * g / CHANCE
        ),
        "it is the guess as it was.": g_hat,
        "it is divided by the share of rows that happen to be known: divide by the chance p.": (
            g_hat + one * (g - g_hat) / known.mean()
        ),
        "the rows that are not known are corrected as well, towards the 0 that stands there.": (
            g_hat + (one * g - g_hat) / CHANCE
        ),
    }
    return judge(call, got, right, mistakes)
