"""What the checkers of this room share: NumPy's words on shapes that do not fit, said plainly."""

from __future__ import annotations

import re
from functools import wraps
from typing import Any

from dnilab.exercises import Function

PLAIN_WORDS = {
    r"matmul: Input operand 1 has a mismatch.* \(size (\d+) is different from (\d+)\)": (
        "a product A @ B does not fit: A has {1} columns and B has {0} rows, and those two numbers "
        "must be equal. Swap the two, or transpose one of them (.T)?"
    ),
    r"non-broadcastable output operand with shape (\(.*?\)) doesn't match .* shape (\(.*?\))": (
        "an array of shape {1} does not go into one of shape {0}. Is a sum over the batch missing?"
    ),
}
"""What NumPy says, and what is said instead; a number is what the pattern found."""


def in_plain_words(function: Function) -> Function:
    """``function``, but where shapes do not fit its ValueError says so in plain words.

    What cannot be called is returned as it is.
    """
    if not callable(function):
        return function

    @wraps(function)
    def called(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except ValueError as error:
            for pattern, words in PLAIN_WORDS.items():
                found = re.search(pattern, str(error))
                if found:
                    raise ValueError(words.format(*found.groups())) from error
            raise

    return called
