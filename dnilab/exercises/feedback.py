"""What a checker answers: right, or what is wrong, in one sentence a learner can use."""

from __future__ import annotations

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


def judge(name: str, got: Any, expected: np.ndarray, factors: dict[str, float]) -> Verdict:
    """Compare an answer with the right one, and say what kind of mistake it is.

    ``factors`` maps reasons to numbers that an answer may be too large by, for instance
    ``{"the batch size": 7}``; it is looked for both ways, and with the sign turned.
    """
    if got is None:
        return Verdict(False, f"{name} is None. Replace it with your own code, then run again.")
    try:
        given = np.asarray(got)
        if given.dtype.kind == "c":  # as a float it would lose its imaginary part
            return Verdict(False, f"{name} holds complex numbers; it should hold real ones.")
        array = given.astype(float)
    except (TypeError, ValueError, OverflowError):
        return Verdict(False, f"{name} is {type(got).__name__}; it should be an array of numbers.")
    if array.shape != expected.shape:
        turned = array.ndim == 2 and array.T.shape == expected.shape
        hint = " Transpose it?" if turned else " Write the shape of each factor under its symbol."
        return Verdict(
            False, f"{name} has shape {array.shape}; it should be {expected.shape}.{hint}"
        )
    if not np.isfinite(array).all():
        return Verdict(False, f"{name} holds NaN or infinite numbers.")
    size = float(np.linalg.norm(expected))

    def close(a: np.ndarray) -> bool:
        return float(np.linalg.norm(a - expected)) <= CLOSE * max(size, 1e-300)

    if close(array):
        return Verdict(True, f"{name} agrees with the true value in shape, sign and size.")
    if close(-array):
        return Verdict(False, f"{name} has the wrong sign; its size is right.")
    for reason, factor in factors.items():
        for sign, words in ((1.0, ""), (-1.0, ", and it has the wrong sign")):
            if close(sign * array / factor):
                return Verdict(
                    False, f"{name} is too large by a factor {factor:g}: {reason}{words}."
                )
            if close(sign * array * factor):
                return Verdict(
                    False, f"{name} is too small by a factor {factor:g}: {reason}{words}."
                )
    along = float(np.vdot(array, expected))
    if size and along and array.size > 1:  # any one number is a multiple of any other
        factor = along / size**2
        if close(array / factor):
            way = "right way but" if factor > 0 else "opposite way, and"
            times, size_word = (factor, "large") if abs(factor) > 1 else (1 / factor, "small")
            return Verdict(
                False, f"{name} points the {way} is {abs(times):.4g} times too {size_word}."
            )
    difference = float(np.linalg.norm(array - expected)) / max(size, 1e-300)
    return Verdict(
        False,
        f"{name} has the right shape, but differs from the true value by {difference:.0%} of its "
        "size. Check each factor of the product.",
    )
