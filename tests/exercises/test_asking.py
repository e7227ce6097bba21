"""Whatever a learner's function does, a checker answers with a sentence."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest

from dnilab.exercises.asking import NotYet, ask, judge_with_mistakes, shape_of


def test_returns_the_answer():
    assert ask("double", lambda x: 2 * x, 21) == 42


def test_exception():
    with pytest.raises(NotYet, match=r"^f stopped with ZeroDivisionError: "):
        ask("f", lambda x: x / 0, 1)


@pytest.mark.parametrize("leave", [exit, sys.exit])
def test_leaving_is_an_exception_too(leave, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())  # exit() closes it
    with pytest.raises(NotYet, match=r"^f stopped with SystemExit: "):
        ask("f", lambda: leave())


def test_an_interrupt_is_let_through():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask("f", interrupted)


def test_shapes():
    assert shape_of(3.0) == shape_of(None) == shape_of("word") == ()
    assert shape_of([[1, 2, 3]]) == (1, 3)
    assert shape_of((np.ones((2, 3)), np.ones(3))) is None


def test_not_a_function():
    with pytest.raises(NotYet, match=r"^f is ndarray; it should be a function\.$"):
        ask("f", np.ones(3))


def test_writes_into_its_argument():
    def careless(x, y):
        y *= 2
        return x + y

    with pytest.raises(NotYet, match="changes its argument number 2 in place"):
        ask("careless", careless, np.ones(3), np.ones(3))


def test_a_known_mistake_is_named():
    right, wrong = np.arange(4.0), np.array([1.0, 5.0, 0.0, 2.0])
    mistakes = {"the middle factor is missing.": wrong}
    said = judge_with_mistakes("g", wrong, right, {}, mistakes)
    assert not said
    assert said.message == "g has the right shape, but the middle factor is missing."
    assert judge_with_mistakes("g", right, right, {}, mistakes).passed
    other = judge_with_mistakes("g", wrong + right, right, {}, mistakes)
    assert not other
    assert "middle" not in other.message
