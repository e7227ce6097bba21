"""What a test says of a number that was learned: the number, its bound, and on which side it lies.

Such a number moves with the seed, and with the last bits of a matrix product, which differ from
processor to processor.  So it needs a margin: `python tools/margins.py` draws the table of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable

PROPERTY = "learned"  # the name under which a statement stands in pytest's JUnit file


class Learned:
    """States what was learned: asserts it, and writes it down for `tools/margins.py`."""

    def __init__(self, record_property: Callable[[str, object], None]) -> None:
        self._record = record_property

    def __call__(
        self, what: str, value: float, *, below: float | None = None, above: float | None = None
    ) -> None:
        """``value`` lies strictly below, or strictly above, a bound; NaN does neither.

        ``what`` names the statement, in the same words for every seed.
        """
        if (below is None) == (above is None):
            raise TypeError(f"below is {below} and above is {above}; it accepts one of the two")
        side, bound = ("below", below) if above is None else ("above", above)
        self._record(PROPERTY, json.dumps([what, float(value), side, bound]))
        holds = value < bound if side == "below" else value > bound
        assert holds, f"{what}: {value:.4g} is not {side} {bound:g}"
