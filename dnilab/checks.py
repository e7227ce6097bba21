"""Checks of arguments: each error names the argument, what it got and what it accepts."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np


def whole_number(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Return ``value`` as an int; raise ValueError unless it is whole and within [low, high]."""
    accepts = f"a whole number of at least {low}" if high is None else f"{low} to {high}"
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise ValueError(f"{name} is {value!r}; it accepts {accepts}")
    if value < low or (high is not None and value > high):
        raise ValueError(f"{name} is {value}; it accepts {accepts}")
    return int(value)


def whole_numbers(name: str, value: Any, low: int) -> tuple[int, ...]:
    """Return ``value`` as a tuple of ints; raise ValueError unless it is several whole numbers."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueError(
            f"{name} is {value!r}; it accepts several whole numbers, for instance (128, 64)"
        )
    return tuple(whole_number(name, number, low) for number in value)


def real_number(
    name: str, value: Any, low: float, high: float = math.inf, *, above: bool = False
) -> float:
    """Return ``value`` as a float within [low, high], or (low, high] when ``above``."""
    accepts = f"a number {'above' if above else 'of at least'} {low:g}"
    if high < math.inf:
        accepts += f" and at most {high:g}"
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise ValueError(f"{name} is {value!r}; it accepts {accepts}")
    try:
        number = float(value)
    except OverflowError:  # an int that is larger than any float
        number = math.inf
    inside = low < number <= high if above else low <= number <= high
    if not (math.isfinite(number) and inside):
        raise ValueError(f"{name} is {value}; it accepts {accepts}")
    return number


def one_of(name: str, value: Any, choices: Collection[Any]) -> Any:
    """Return ``value``; raise ValueError unless it is one of ``choices``."""
    if not isinstance(value, (str, int, float, bool, type(None))) or value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name} is {value!r}; it accepts one of {listed}")
    return value


def true_or_false(name: str, value: Any) -> bool:
    """Return ``value``; raise ValueError unless it is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name} is {value!r}; it accepts True or False")
    return bool(value)


def file_path(name: str, value: Any, example: str = "run.npz") -> Path:
    """Return ``value`` as the path of a file; raise ValueError unless its folder is there."""
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise ValueError(f"{name} is {value!r}; it accepts the path of a file, as {example!r}")
    path = Path(value)
    if not path.parent.is_dir() or path.is_dir():
        raise ValueError(f"{name} is {str(path)!r}; it accepts a file in a folder that exists")
    return path


def random_generator(name: str, value: Any) -> np.random.Generator:
    """Return ``value``; raise ValueError unless it is a numpy.random.Generator."""
    if not isinstance(value, np.random.Generator):
        raise ValueError(
            f"{name} is {value!r}; it accepts a numpy.random.Generator, "
            "for instance numpy.random.default_rng(0)"
        )
    return value


def float_type(name: str, value: Any) -> np.dtype[Any]:
    """Return ``value`` as a dtype; raise ValueError unless it is float32 or float64."""
    known: dict[str, np.dtype[Any]] = {
        "float32": np.dtype(np.float32),
        "float64": np.dtype(np.float64),
    }
    if isinstance(value, (type, np.dtype)):
        called = np.dtype(value).name
    else:
        called = value if isinstance(value, str) else ""
    if called not in known:
        raise ValueError(f"{name} is {value!r}; it accepts float32 or float64")
    return known[called]


def matrix(name: str, value: Any, *, rows: int | None = None, columns: int | None = None) -> Any:
    """Return ``value`` as a 2-D array of finite floats; raise ValueError if it is anything else."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(
            f"{name} has rows of different lengths; it accepts an array of two dimensions"
        ) from None
    wanted = f"({'rows' if rows is None else rows}, {'columns' if columns is None else columns})"
    if (
        array.ndim != 2
        or (rows is not None and array.shape[0] != rows)
        or (columns is not None and array.shape[1] != columns)
        or array.size == 0
    ):
        raise ValueError(f"{name} has shape {array.shape}; it accepts an array of shape {wanted}")
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} has dtype {array.dtype}; it accepts numbers")
    if array.dtype.kind != "f":
        array = array.astype(float)
    if not np.isfinite(array).all():
        row, column = np.argwhere(~np.isfinite(array))[0]
        raise ValueError(
            f"{name} has {array[row, column]} at row {row}, column {column}; "
            "it accepts finite numbers only"
        )
    return array
