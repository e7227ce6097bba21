"""Lesson 10: going down through a join, and what can be reached without a message."""

from __future__ import annotations

import numpy as np

from dnilab.exercises import Function, Verdict, checker, judge_call
from dnilab.lessons.any_graph.data import count_distribution

BATCH, WIDTH, SIDE = 6, 4, 3  # all different, so that a wrong shape shows


@checker
def check_messages_down(messages_down: Function) -> Verdict:
    """Check ``messages_down(g, W, n)`` -> the gradient at h, which has two users.

    h (batch, width) is heard by a linear node z = h W, and goes past it to a join that writes
    h and z side by side, h first.  g (batch, width + side) is the gradient at the join; W (width,
    side); n is the width of h.  The answer, (batch, width), is the sum of the two messages down.
    """
    rng = np.random.default_rng(10)
    g = rng.normal(size=(BATCH, WIDTH + SIDE))
    W = rng.normal(size=(WIDTH, SIDE))
    past, through = g[:, :WIDTH], g[:, WIDTH:] @ W.T
    mistakes = {
        "only the message that comes past the linear node is there. Add the other one.": past,
        "only the message through the linear node is there. Add the one past it.": through,
        "the columns of g are taken from the wrong end: h stands first in the join.": (
            g[:, SIDE:] + g[:, :SIDE] @ W.T
        ),
        "the two messages are subtracted. They add up.": past - through,
        "the two messages are multiplied. They add up.": past * through,
    }
    factors = {"the messages add up, they are not averaged. The number of users": 2}
    call, given = "messages_down(g, W, n)", (g, W, WIDTH)
    return judge_call(call, messages_down, given, past + through, mistakes, factors)


@checker
def check_limit(limit_of: Function) -> Verdict:
    """Check ``limit_of(P)`` -> the best accuracy for one who is told a count that may be wrong.

    P (n, m): P[i, j] is the probability that i is true and j is said; all sum to 1.
    """
    joint = np.array([[0.5, 0.07], [0.13, 0.3]])
    P = count_distribution(joint, 4)[:, :4]  # not square, so that rows and columns differ
    P = P / P.sum()
    mistakes = {
        "it takes the best of each row. What is known is what was said: a column.": (
            P.max(axis=1).sum()
        ),
        "it believes what was said. The likeliest truth may be another one.": np.trace(P),
        "it ignores what was said, and always gives the most frequent count.": P.sum(axis=1).max(),
        "it is the chance of the one likeliest pair. You may be right for each j that is said: "
        "take the best of each column, and add them up.": P.max(),
        "it is a mean over the columns. They are not equally likely: take the sum.": (
            P.max(axis=0).mean()
        ),
        "it gives each column the same weight. Leave P as it is: not P given j.": (
            (P / P.sum(axis=0)).max(axis=0).mean()
        ),
    }
    return judge_call("limit_of(P)", limit_of, (P,), P.max(axis=0).sum(), mistakes)
