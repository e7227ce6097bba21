"""Joins: layers that hear several things at once.

What is not there yet, as a value from before the first batch, is None: it counts as zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dnilab.checks import shaped, whole_number, whole_numbers
from dnilab.network.layers import Layer, Pullback, add_up


class Join(Layer):
    """What the joins have in common.  ``widths``: how wide each of the things heard is."""

    widths: tuple[int, ...]

    def whole(self, heard: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        """The things heard, with zeros for None.  Raises ValueError for other shapes."""
        known = next((value for value in heard if value is not None), np.zeros((0, 0)))
        full = [
            np.zeros((len(known), width), known.dtype) if value is None else value
            for value, width in zip(heard, self.widths, strict=False)
        ]
        check_heard(full, self.widths, len(heard))
        return full


class Concatenate(Join):
    """The things heard side by side.  Going down, each gets its own columns.

    ``widths``: how wide each of them is.  Raises ValueError at the call for other shapes.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        self.widths = whole_numbers("widths", widths, 1)
        if not self.widths:
            raise ValueError("widths is (); it accepts one whole number or more")

    def __call__(self, *heard: np.ndarray | None) -> tuple[np.ndarray, Pullback]:
        cuts = np.cumsum(self.widths)[:-1].tolist()
        value = np.concatenate(self.whole(heard), axis=1)

        def pullback(dy: np.ndarray, want_dx: bool = True) -> tuple[Any, ...]:
            down = np.split(dy, cuts, axis=1) if want_dx else [None] * len(self.widths)
            return *down, []

        return value, pullback


class Add(Join):
    """The sum of ``count`` things of one ``width``.  Going down, each gets all of it.

    Raises ValueError at the call for other shapes.
    """

    def __init__(self, width: int, count: int = 2) -> None:
        self.widths = (whole_number("width", width, 1),) * whole_number("count", count, 1)

    def __call__(self, *heard: np.ndarray | None) -> tuple[np.ndarray, Pullback]:
        value = add_up(self.whole(heard))

        def pullback(dy: np.ndarray, want_dx: bool = True) -> tuple[Any, ...]:
            return *((dy if want_dx else None,) * len(self.widths)), []

        return value, pullback


def check_heard(
    heard: Sequence[np.ndarray], widths: Sequence[int], count: int | None = None
) -> None:
    """Raise ValueError unless there is a (batch, width) array for each of ``widths``."""
    count = len(heard) if count is None else count
    if count != len(widths):
        raise ValueError(f"heard has {count} values; it accepts {len(widths)}")
    for number, (value, width) in enumerate(zip(heard, widths, strict=True)):
        shaped(f"heard[{number}]", value, "batch", width)
