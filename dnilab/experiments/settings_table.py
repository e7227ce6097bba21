"""Settings as one table: each field has a row that says all there is to know but its value.

A class of settings is a frozen dataclass on top of :class:`Table`, its fields made by
:func:`setting`.  From the rows follow the checks, and a panel's controls: what they are
called, what they offer, and when they change nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache, partial
from typing import Any, NoReturn, Self

from dnilab.checks import one_of, real_number, refuse, whole_number, whole_numbers

Check = Callable[[str, Any], Any]
"""``check(name, value)`` returns the value as a plain one, or raises ValueError."""


def whole(low: int, high: int | None = None) -> Check:
    """Accepts a whole number from ``low`` to ``high``."""
    return partial(whole_number, low=low, high=high)


def above(low: float, high: float = math.inf) -> Check:
    """Accepts a number above ``low``, and at most ``high``."""
    return partial(real_number, low=low, high=high, above=True)


def between(low: float, high: float = math.inf) -> Check:
    """Accepts a number from ``low`` to ``high``."""
    return partial(real_number, low=low, high=high)


def among(choices: Iterable[Any]) -> Check:
    """Accepts one of the choices."""
    return partial(one_of, choices=tuple(choices))


def or_none(check: Check) -> Check:
    """Accepts None, too."""
    return lambda name, value: None if value is None else check(name, value)


WIDTHS: Check = partial(whole_numbers, low=1)
"""Accepts several whole numbers, each at least 1."""


@dataclass(frozen=True)
class Row:
    """What is known of a setting but its value.

    ``check``: what it accepts.
    ``label``, ``unit``: what a panel calls it; without a label it has no control of its own.
    ``offers``: what that control can be set to.  Numbers: (low, high, step), or (low, high) along
    powers of ten.  Choices: a list, or a mapping from the words shown.  None: yes or no.
    ``when``: other settings and the values of theirs without which this one changes nothing.
    """

    check: Check
    label: str = ""
    offers: Any = None
    when: Mapping[str, Collection[Any]] = field(default_factory=dict)
    unit: str = ""


def setting(default: Any, check: Check, *row: Any, **more: Any) -> Any:
    """A field of a class of settings: its default, and its :class:`Row` in the table."""
    return field(default=default, metadata={"row": Row(check, *row, **more)})


@dataclass(frozen=True)
class Table:
    """What all classes of settings have in common.

    Raises ValueError, naming the field, what it got and what it accepts.
    """

    def __post_init__(self) -> None:
        # What a check returns is kept: a plain value, also where NumPy's was given.
        for name, row in self.rows().items():
            object.__setattr__(self, name, row.check(name, getattr(self, name)))
        self.check_together()

    def check_together(self) -> None:
        """Raise ValueError for settings that are accepted one by one, but not together."""

    @classmethod
    @cache
    def rows(cls) -> Mapping[str, Row]:
        """The table: a row for each setting, by its name.

        A class may give a setting another default and keep its row.
        """
        every = [one for kind in reversed(cls.__mro__) for one in _fields_of(kind)]
        return {one.name: one.metadata["row"] for one in every if one.metadata}

    def refuse(self, name: str, accepts: str, given: str = "") -> NoReturn:
        """Raise ValueError: what this setting is, and what it accepts, given the others."""
        refuse(name, getattr(self, name), accepts, given)

    def take_no(self, data: Any) -> None:
        """Raise ValueError for data that is given, where the settings draw what is seen."""
        if data is not None:
            raise ValueError("data is given; these settings draw their own, and accept None")

    def applies(self, name: str) -> bool:
        """Whether this setting changes anything as the others stand."""
        when = self.rows()[name].when
        return all(getattr(self, other) in values for other, values in when.items())

    def but(self, /, **changes: Any) -> Self:
        """The same settings with some fields changed."""
        for name in changes:
            if name not in self.rows():
                known = f"{type(self).__name__} accepts {', '.join(self.rows())}"
                raise ValueError(f"{name} is not a setting; {known}")
        return replace(self, **changes)

    def changed(self) -> dict[str, Any]:
        """The settings that are not at their defaults, by name."""
        every = {one.name: (getattr(self, one.name), one.default) for one in fields(self)}
        return {name: value for name, (value, default) in every.items() if value != default}


def _fields_of(kind: type) -> Collection[Any]:
    return getattr(kind, "__dataclass_fields__", {}).values()
