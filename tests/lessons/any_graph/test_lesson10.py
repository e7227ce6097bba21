"""The checkers of lesson 10: planted mistakes, and what is said to each."""

from __future__ import annotations

import numpy as np
import pytest

from dnilab.lessons.any_graph.lesson10 import check_limit, check_messages_down


def messages_down(g, W, n):
    return g[:, :n] + g[:, n:] @ W.T


class TestMessagesDown:
    def test_right(self):
        assert check_messages_down(messages_down)

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (lambda g, W, n: None, "is None"),
            (lambda g, W, n: -messages_down(g, W, n), "wrong sign"),
            (lambda g, W, n: messages_down(g, W, n) / 2, "not averaged"),
            (lambda g, W, n: g[:, :n], "only the message that comes past"),
            (lambda g, W, n: g[:, n:] @ W.T, "only the message through"),
            (lambda g, W, n: g[:, 3:] + g[:, :3] @ W.T, "wrong end"),
            (lambda g, W, n: g[:, :n] - g[:, n:] @ W.T, "subtracted"),
            (lambda g, W, n: g[:, :n] * (g[:, n:] @ W.T), "multiplied"),
            (lambda g, W, n: g, "has shape (6, 7); it should be (6, 4)"),
            (lambda g, W, n: g[:, n:] @ W, "stopped with ValueError"),
            (lambda g, W, n: g.__imul__(2)[:, :n], "changes its argument number 1"),
            (7, "it should be a function"),
        ],
    )
    def test_wrong(self, answer, said):
        verdict = check_messages_down(answer)
        assert not verdict
        assert said in verdict.message


class TestLimit:
    def test_right(self):
        assert check_limit(lambda P: P.max(axis=0).sum())

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (lambda P: None, "is None"),
            (lambda P: P.max(axis=1).sum(), "best of each row"),
            (lambda P: P.max(), "one likeliest pair"),
            (np.trace, "believes what was said"),
            (lambda P: P.sum(axis=1).max(), "ignores what was said"),
            (lambda P: P.max(axis=0).mean(), "mean over the columns"),
            (lambda P: (P / P.sum(axis=0)).max(axis=0).mean(), "same weight"),
            (lambda P: P.max(axis=0), "should be ()"),
            (lambda P: P[9], "stopped with IndexError"),
        ],
    )
    def test_wrong(self, answer, said):
        verdict = check_limit(answer)
        assert not verdict
        assert said in verdict.message
