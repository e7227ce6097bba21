"""Checks of arguments: each error names the argument, what it got and what it accepts.

A check returns what it was given as Python's own: NumPy's numbers, words and arrays become plain.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import numpy as np

LARGEST = 2**63 - 1  # whole number: no size, count or seed needs a larger one


def refuse(name: str, value: Any, accepts: str, given: str = "") -> NoReturn:
    """Raise ValueError: what ``name`` is, and what it ``accepts``, given something else."""
    it = f"{given} it" if given else "it"
    raise ValueError(f"{name} is {shown(value)}; {it} accepts {accepts}")


def shown(value: Any, most: int = 100) -> str:
    """What an error repeats of a value: its ``repr``, shortened."""
    try:
        text = repr(plain(value))
    except Exception:  # Python does not write whole numbers of more than 4300 digits
        text = f"of type {type(value).__name__}, too long to be written"
    return text if len(text) <= most else f"{text[: most - 3]}..."


def plain(value: Any) -> Any:
    """NumPy's numbers, words and arrays as Python's; anything else as it is."""
    # Spans of time stay what they are: some of them would become whole numbers.
    known = isinstance(value, np.generic | np.ndarray) and value.dtype.kind not in "mM"
    return value.tolist() if known else value


def instance_of(name: str, value: Any, kind: type, accepts: str = "") -> Any:
    """Return ``value``; raise ValueError unless it is a ``kind``."""
    if not isinstance(value, kind):
        refuse(name, value, accepts or kind.__name__)
    return value


def true_or_false(name: str, value: Any) -> bool:
    """Return ``value``; raise ValueError unless it is True or False."""
    return bool(instance_of(name, plain(value), bool, "True or False"))


def random_generator(name: str, value: Any) -> np.random.Generator:
    """Return ``value``; raise ValueError unless it is a numpy.random.Generator."""
    accepts = "a numpy.random.Generator, for instance numpy.random.default_rng(0)"
    return instance_of(name, value, np.random.Generator, accepts)


def whole_number(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Return ``value`` as an int; raise ValueError unless it is whole and within [low, high]."""
    value = plain(value)
    whole = isinstance(value, int) and not isinstance(value, bool)
    if high is None and whole and value > LARGEST:
        high = LARGEST
    if not whole or value < low or (high is not None and value > high):
        accepts = f"a whole number of at least {low}" if high is None else f"{low} to {high}"
        refuse(name, value, accepts)
    return value


def real_number(
    name: str, value: Any, low: float = -math.inf, high: float = math.inf, *, above: bool = False
) -> float:
    """Return ``value`` as a finite float within [low, high], or (low, high] when ``above``."""
    value = plain(value)
    number = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # an int that is larger than any float
            number = float(value)
    inside = low < number <= high if above else low <= number <= high
    if not (math.isfinite(number) and inside):
        accepts = f"a number {'above' if above else 'of at least'} {low:g}"
        accepts = "a finite number" if low == -math.inf else accepts
        refuse(name, value, accepts + (f" and at most {high:g}" if high < math.inf else ""))
    return number


def one_of(name: str, value: Any, choices: Iterable[Any]) -> Any:
    """Return the one of ``choices`` that equals ``value``; raise ValueError if none does."""
    known = {choice: choice for choice in choices}
    try:
        return known[value]
    except (KeyError, TypeError):  # TypeError: a list is no key
        refuse(name, value, f"one of {', '.join(map(repr, known))}")


def several(name: str, value: Any, accepts: str) -> list[Any]:
    """Return the parts of ``value``; raise ValueError if it is text, or has no parts."""
    value = plain(value)
    if not isinstance(value, str | bytes | bytearray):
        with contextlib.suppress(TypeError):  # it has no parts
            return [plain(part) for part in value]
    refuse(name, value, accepts)


def whole_numbers(name: str, value: Any, low: int) -> tuple[int, ...]:
    """Return ``value`` as a tuple of ints; raise ValueError unless it is several whole numbers."""
    numbers = several(name, value, "several whole numbers, for instance (128, 64)")
    return tuple(whole_number(name, number, low) for number in numbers)


def has_entries(name: str, value: Sequence[Any], wanted: int, told: str = "") -> None:
    """Raise ValueError unless ``value`` has as many entries as ``wanted``; ``told`` says why."""
    if len(value) != wanted:
        raise ValueError(f"{name} has {len(value)} entries; it accepts {wanted}{told}")


def float_type(name: str, value: Any) -> np.dtype[Any]:
    """Return ``value`` as a dtype; raise ValueError unless it is float32 or float64."""
    called = np.dtype(value).name if isinstance(value, type | np.dtype) else value
    if not isinstance(called, str) or called not in ("float32", "float64"):
        refuse(name, value, "float32 or float64")
    return np.dtype(called)


def shaped(name: str, value: Any, *sizes: int | str) -> None:
    """Raise ValueError unless ``value`` has these sizes; a word stands for any of 1 or more."""
    shape = np.shape(value)
    fit = (
        n > 0 if isinstance(one, str) else n == one for n, one in zip(shape, sizes, strict=False)
    )
    if len(shape) != len(sizes) or not all(fit):
        wanted = ", ".join(map(str, sizes))
        raise ValueError(f"{name} has shape {shape}; it accepts an array of shape ({wanted})")


def whole(name: str, value: Any) -> None:
    """Raise ValueError for an array with a mask: most of NumPy looks behind it."""
    if isinstance(value, np.ma.MaskedArray):
        accepts = "an array without one: fill it, or leave such rows out"
        raise ValueError(f"{name} has a mask; it accepts {accepts}")


def matrix(name: str, value: Any, *, rows: int | None = None, columns: int | None = None) -> Any:
    """Return ``value`` as a 2-D array of finite floats; raise ValueError if it is anything else."""
    whole(name, value)
    try:
        array = np.asarray(value)
    except ValueError:
        accepts = "an array of two dimensions"
        raise ValueError(f"{name} has rows of different lengths; it accepts {accepts}") from None
    by_name = "rows" if rows is None else rows, "columns" if columns is None else columns
    shaped(name, array, *by_name)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} has dtype {array.dtype}; it accepts numbers")
    if array.dtype.kind != "f":
        array = array.astype(float)
    if not np.isfinite(array).all():
        row, column = np.argwhere(~np.isfinite(array))[0]
        found = f"{array[row, column]} at row {row}, column {column}"
        raise ValueError(f"{name} has {found}; it accepts finite numbers only")
    return array
