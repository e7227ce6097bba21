"""Lesson 10: going down through a join, and what can be reached without a message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dnilab.exercises.asking import NotYet, ask, judge_with_mistakes
from dnilab.exercises.feedback import Verdict
from dnilab.lessons.any_graph.data import count_distribution

BATCH, WIDTH, SIDE = 6, 4, 3  # all different, so that a wrong shape shows


def check_messages_down(messages_down: Callable[..., Any]) -> Verdict:
    """Check ``messages_down(g, W, n)`` -> the gradient at h, which has two users.

    h (batch, width) is heard by a linear node z = h W, and goes past it to a join that writes
    h and z side by side, h first.  g (batch, width + side) is the gradient at the join; W (width,
    side); n is the width of h.  The answer, (batch, width), is the sum of the two messages down.
    """
    rng = np.random.default_rng(10)
    g = rng.normal(size=(BATCH, WIDTH + SIDE))
    W = rng.normal(size=(WIDTH, SIDE))
    past, through = g[:, :WIDTH], g[:, WIDTH:] @ W.T
    try:
        got = ask("messages_down", messages_down, g, W, WIDTH)
    except NotYet as stop:
        return stop.verdict
    return judge_with_mistakes(
        "messages_down(g, W, n)",
        got,
        past + through,
        {"the messages add up, they are not averaged. The number of users": 2},
        {
            "only the message that comes past the linear node is there. Add the other one.": past,
            "only the message through the linear node is there. Add the one past it.": through,
            "the columns of g are taken from the wrong end: h stands first in the join.": (
                g[:, SIDE:] + g[:, :SIDE] @ W.T
            ),
            "the two messages are subtracted. They add up.": past - through,
            "the two messages are multiplied. They add up.": past * through,
        },
    )


def check_limit(limit_of: Callable[..., Any]) -> Verdict:
    """Check ``limit_of(P)`` -> the best accuracy for one who is told a count that may be wrong.

    P (n, m): P[i, j] is the probability that i is true and j is said; all sum to 1.
    """
    joint = np.array([[0.5, 0.07], [0.13, 0.3]])
    P = count_distribution(joint, 4)[:, :4]  # not square, so that rows and columns differ
    P = P / P.sum()
    name = "limit_of(P)"
    try:
        verdict = judge_with_mistakes(
            name,
            ask("limit_of", limit_of, P),
            np.array(P.max(axis=0).sum()),
            {},
            {
                "it takes the best of each row. What is known is what was said: a column.": (
                    np.array(P.max(axis=1).sum())
                ),
                "it believes what was said. The likeliest truth may be another one.": np.array(
                    np.trace(P)
                ),
                "it ignores what was said, and always gives the most frequent count.": np.array(
                    P.sum(axis=1).max()
                ),
                "it is a mean over the columns. They are not equally likely: take the sum.": (
                    np.array(P.max(axis=0).mean())
                ),
                "it gives each column the same weight. Leave P as it is: not P given j.": (
                    np.array((P / P.sum(axis=0)).max(axis=0).mean())
                ),
            },
        )
    except NotYet as stop:
        return stop.verdict
    return verdict
