"""What a checker answers: right, or what is wrong, in one sentence a learner can use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

CLOSE = 1e-6  # relative error up to which two arrays count as equal


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
            return Verdict(False, f"{name} has the right shape, but {sentence}")
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
        f"has the right shape, but differs from the true value by {share:.0%} of its size. "
        "Check each factor of the product."
    )
