"""Exercises: for each lesson a checker that says what is wrong, not just that it is.

    from dnilab.lessons.synthetic_gradients import lesson01
    lesson01.check_my_forward(my_forward)

A checker calls what the learner wrote on small random arrays and compares.  It never raises for a
wrong answer: an error inside the learner's function becomes a sentence too.

A checker is a function under ``@checker``.  It says what is right, and which wrong answers are
likely; ``judge_call`` does the rest, and ``judge_numbers`` where the answer is one number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np

Function = Callable[..., Any]
"""What a learner wrote: it may be anything."""

CLOSE = 1e-6  # relative error up to which two arrays count as equal


# -- what a checker answers ------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """``passed`` and the sentence; as the last value of a cell it shows the sentence."""

    passed: bool
    message: str

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        return f"{'Right' if self.passed else 'Not yet'}: {self.message}"


def judge(
    name: str,
    got: Any,
    expected: Any,
    mistakes: Mapping[str, Any] | None = None,
    factors: Mapping[str, float] | None = None,
) -> Verdict:
    """Compare an answer with the right one, and say what kind of mistake it is.

    ``mistakes`` maps a sentence to the array that this mistake gives.
    ``factors`` maps reasons to numbers that an answer may be too large by, for instance
    ``{"the batch size": 7}``; it is looked for both ways, and with the sign turned.
    """
    right = np.asarray(expected)
    array, fault = _array(got, right.shape)
    if array is None:
        return Verdict(False, f"{name} {fault}")
    if _near(array, right):
        return Verdict(True, f"{name} agrees with the true value in shape, sign and size.")
    for sentence, wrong in (mistakes or {}).items():
        if _near(array, np.asarray(wrong)):
            return Verdict(False, f"{name} is not right yet: {sentence}")
    return Verdict(False, f"{name} {_difference(array, right, factors or {})}")


def _array(got: Any, shape: tuple[int, ...]) -> tuple[np.ndarray | None, str]:
    """An answer as an array of this shape; or None, and what keeps it from being one."""
    if got is None:
        return None, "is None. Replace it with your own code, then run again."
    try:
        given = np.asarray(got)
        if given.dtype.kind == "c":  # as a float it would lose its imaginary part
            return None, "holds complex numbers; it should hold real ones."
        array = given.astype(float)
    except (TypeError, ValueError, OverflowError):
        return None, f"is {type(got).__name__}; it should be an array of numbers."
    if array.shape != shape:
        turned = array.ndim == 2 and array.T.shape == shape
        hint = "Transpose it?" if turned else "Write the shape of each factor under its symbol."
        return None, f"has shape {array.shape}; it should be {shape}. {hint}"
    if not np.isfinite(array).all():
        return None, "holds NaN or infinite numbers."
    return array, ""


def _near(array: np.ndarray, expected: np.ndarray) -> bool:
    size = max(float(np.linalg.norm(expected)), 1e-300)
    return float(np.linalg.norm(array - expected)) <= CLOSE * size


def _difference(array: np.ndarray, expected: np.ndarray, factors: Mapping[str, float]) -> str:
    """How an array differs from the one that is right: its sign, a factor, or all of it."""
    if _near(-array, expected):
        return "has the wrong sign; its size is right."
    for reason, factor in factors.items():
        for sign, words in ((1.0, ""), (-1.0, ", and it has the wrong sign")):
            for times, size in ((factor, "large"), (1 / factor, "small")):
                if _near(sign * array / times, expected):
                    return f"is too {size} by a factor {factor:g}: {reason}{words}."
    length = float(np.linalg.norm(expected))
    along = float(np.vdot(array, expected))
    if length and along and array.size > 1:  # any one number is a multiple of any other
        factor = along / length**2
        if _near(array / factor, expected):
            way = "right way but" if factor > 0 else "opposite way, and"
            times, size = (factor, "large") if abs(factor) > 1 else (1 / factor, "small")
            return f"points the {way} is {abs(times):.4g} times too {size}."
    share = float(np.linalg.norm(array - expected)) / max(length, 1e-300)
    return (
        f"{'has the right shape, but ' * (array.ndim > 1)}differs from the true value by "
        f"{share:.2%} of its size. Check each factor of the product."
    )


# -- calling what a learner wrote: whatever goes wrong becomes a sentence --------------------


class NotYet(Exception):
    """Raised inside a checker to end it with a sentence."""


# Each is told of every verdict: the function under ``@checker``, and what it answered.
listeners: list[Callable[[Function, Verdict], None]] = []


def checker(check: Callable[[Any], Verdict]) -> Callable[[Any], Verdict]:
    """A function that returns a verdict, and may raise NotYet anywhere instead."""

    @wraps(check)
    def checked(answer: Any) -> Verdict:
        try:
            verdict = check(answer)
        except NotYet as stop:
            verdict = Verdict(False, str(stop))
        for listener in listeners:
            listener(check, verdict)
        return verdict

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
            said = f"{name} changes its argument number {number} in place"
            why = "Others still need that array: write x * 2 instead of x *= 2."
            raise NotYet(f"{said}. {why}")
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
