"""Calling what a learner wrote: every way in which it can go wrong becomes a sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from dnilab.exercises.feedback import Verdict, judge


class NotYet(Exception):
    """Raised inside a checker to end it with a verdict; ``verdict`` holds it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.verdict = Verdict(False, message)


def ask(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """What ``function(*arguments)`` returns.

    Raises NotYet, with a sentence that begins with ``name``, if ``function`` can't be called,
    raises anything, or writes into an array that it was given.
    """
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


def judge_with_mistakes(
    name: str,
    got: Any,
    expected: np.ndarray,
    factors: Mapping[str, float],
    mistakes: Mapping[str, np.ndarray],
) -> Verdict:
    """``judge``, which also knows some mistakes by what they lead to.

    ``mistakes`` maps a sentence to the array that this mistake gives.
    """
    verdict = judge(name, got, expected, dict(factors))
    if not verdict:
        for sentence, wrong in mistakes.items():
            if judge(name, got, wrong, {}):
                return Verdict(False, f"{name} has the right shape, but {sentence}")
    return verdict
