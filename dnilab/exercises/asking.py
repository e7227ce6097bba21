"""Calling what a learner wrote: every way in which it can go wrong becomes a sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

import numpy as np

from dnilab.exercises.feedback import Verdict, judge

Function = Callable[..., Any]
"""What a learner wrote: it may be anything."""


class NotYet(Exception):
    """Raised inside a checker to end it with a sentence."""


def checker(check: Callable[[Any], Verdict]) -> Callable[[Any], Verdict]:
    """A function that returns a verdict, and may raise NotYet anywhere instead."""

    @wraps(check)
    def checked(answer: Any) -> Verdict:
        try:
            return check(answer)
        except NotYet as stop:
            return Verdict(False, str(stop))

    return checked


def require(verdict: Verdict) -> Verdict:
    """The verdict, if it is that all is right; else raises NotYet."""
    if not verdict:
        raise NotYet(verdict.message)
    return verdict


def ask(call: str, function: Function, *arguments: Any) -> Any:
    """What ``function(*arguments)`` returns.  ``call`` begins with its name: "f" or "f(x, y)".

    Raises NotYet, with a sentence that begins with the name, if ``function`` can't be called,
    raises anything, or writes into an array that it was given.
    """
    name = call.split("(")[0]
    if not callable(function):
        raise NotYet(f"{name} is {type(function).__name__}; it should be a function.")
    before = [np.array(a) if isinstance(a, np.ndarray) else None for a in arguments]
    try:
        answer = function(*arguments)
    except (Exception, SystemExit) as error:  # whatever it raises, exit() too, is read here
        raise NotYet(f"{name} stopped with {type(error).__name__}: {error}") from error
    for number, (old, new) in enumerate(zip(before, arguments, strict=True), start=1):
        if old is not None and not np.array_equal(old, new):
            raise NotYet(
                f"{name} changes its argument number {number} in place. Others still need that "
                "array: write x * 2 instead of x *= 2."
            )
    return answer


def shape_of(answer: Any) -> tuple[int, ...] | None:
    """The shape of an answer; None if it has none, as a pair of arrays of two shapes."""
    try:
        return np.shape(answer)
    except (TypeError, ValueError):
        return None


def judge_call(
    call: str,
    function: Function,
    arguments: Sequence[Any],
    right: Any,
    mistakes: Mapping[str, Any] | None = None,
    factors: Mapping[str, float] | None = None,
) -> Verdict:
    """Judge what ``function(*arguments)`` returns; ``call`` as "f(x, y)", the rest as ``judge``."""
    return judge(call, ask(call, function, *arguments), right, mistakes, factors)


def judge_numbers(
    call: str,
    function: Function,
    cases: Sequence[Sequence[Any]],
    rule: Callable[..., tuple[float, Mapping[str, float]]],
) -> Verdict:
    """Judge a function that returns one number, in several cases at once.

    A case is the arguments of a call.  ``rule`` takes the same, and returns the number that is
    right, and those that known mistakes give by their sentences; the cases should tell them apart.
    """
    answers = [ask(call, function, *case) for case in cases]
    if any(shape_of(answer) != () for answer in answers):
        raise NotYet(f"{call} should return one number.")
    got = None if any(answer is None for answer in answers) else answers
    rights, wrongs = zip(*(rule(*case) for case in cases), strict=True)
    mistakes = {said: [wrong[said] for wrong in wrongs] for said in wrongs[0]}
    return judge(call, got, rights, mistakes)
