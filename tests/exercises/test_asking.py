"""Whatever a learner's function does, a checker answers with a sentence."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest

from dnilab.exercises import (
    NotYet,
    Verdict,
    ask,
    checker,
    judge,
    judge_call,
    judge_numbers,
    require,
    shape_of,
)


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


def test_a_call_begins_with_the_name():
    with pytest.raises(NotYet, match=r"^f stopped with ZeroDivisionError: "):
        ask("f(x, y)", lambda x, y: x / y, 1, 0)


def test_a_known_mistake_is_named():
    right, wrong = np.arange(4.0), np.array([1.0, 5.0, 0.0, 2.0])
    mistakes = {"the middle factor is missing.": wrong}
    said = judge("g", wrong, right, mistakes)
    assert not said
    assert said.message == "g is not right yet: the middle factor is missing."
    assert judge("g", right, right, mistakes).passed
    other = judge("g", wrong + right, right, mistakes)
    assert not other
    assert "middle" not in other.message


def test_a_call_is_judged_as_its_answer():
    right, mistakes, factors = np.arange(4.0), {"one is missing.": np.arange(-1.0, 3)}, {"two": 2}
    for answer in (right, right - 1, right / 2, -right, right[:2], None):
        said = judge_call("f(x)", lambda x, y=answer: y, (7,), right, mistakes, factors)
        assert said == judge("f(x)", answer, right, mistakes, factors)


CASES = ((1, 2), (3, 4), (0, 5))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda a, b: a - b, "add(a, b) is not right yet: the two are subtracted."),
        (lambda a, b: None if a else 5, "add(a, b) is None."),
        (lambda a, b: [a + b], "add(a, b) should return one number."),
        (lambda a, b: a / 0, "add stopped with ZeroDivisionError"),
        (lambda a, b: -a - b, "add(a, b) has the wrong sign"),
    ],
)
def test_a_number_is_asked_for_in_every_case(answer, said):
    def rule(a, b):
        return a + b, {"the two are subtracted.": a - b}

    @checker
    def check_add(add):
        return judge_numbers("add(a, b)", add, CASES, rule)

    assert check_add(lambda a, b: a + b)
    verdict = check_add(answer)
    assert not verdict
    assert verdict.message.startswith(said)


def test_a_checker_may_stop_anywhere():
    @checker
    def check_even(n):
        """Whether n is even."""
        require(Verdict(n % 2 == 0, "it is odd."))
        return Verdict(True, "it is even.")

    assert check_even.__doc__ == "Whether n is even."
    assert check_even(2) == Verdict(True, "it is even.")
    assert check_even(3) == Verdict(False, "it is odd.")
