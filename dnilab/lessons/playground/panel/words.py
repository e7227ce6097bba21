"""What the playground asks beside numbers and choices: a line of text; and what a setting asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets

from dnilab.checks import instance_of
from dnilab.experiments.settings_table import Row
from dnilab.widgets.controls import STYLE, Choice, Slider, Spec, Toggle
from dnilab.widgets.panel import close_tree


@dataclass(frozen=True)
class Words(Spec):
    """A line of text, taken over when Enter is pressed or the field is left."""

    value: str
    label: str = ""
    placeholder: str = ""

    def __post_init__(self) -> None:
        self.check("value", self.value)

    def check(self, name: str, value: Any) -> str:
        """``value``, or an error that names ``name``."""
        return str(instance_of(name, value, str, "text"))

    def words(self, value: str) -> str:
        """``value`` as a sentence says it."""
        return value

    def parts(self, label: str, value: str) -> list[Any]:
        """The widget: a field to type in."""
        placeholder = self.placeholder or "\u200b"  # never the widget's own
        more = {"tooltip": label, "continuous_update": False, "style": STYLE}
        return [widgets.Text(value=value, description=label, placeholder=placeholder, **more)]


class _Rounded(type(widgets.BoundedFloatText.value)):  # type: ignore[misc]  # no types there
    """A number that becomes a whole one."""

    def validate(self, obj: Any, value: Any) -> int:
        return round(super().validate(obj, value))


class WholeBox(widgets.BoundedFloatText):  # type: ignore[misc]  # ipywidgets has no types
    """A box for whole numbers that takes what is typed: 1e3 is 1000, and 3.7 becomes 4.

    ipywidgets' own drops every letter that is no digit, and makes 13 and 37 of them.
    """

    value = _Rounded(0).tag(sync=True)


@dataclass(frozen=True)
class Whole(Slider):
    """A slider of whole numbers."""

    def parts(self, label: str, value: Any) -> list[Any]:
        """The widgets: the slider and its number box."""
        handle, box = super().parts(label, value)
        same = {
            name: getattr(box, name) for name in ("description", "tooltip", "min", "max", "step")
        }
        close_tree(box)
        return [handle, WholeBox(value=value, style=STYLE, **same)]


def spec_of(row: Row, value: Any) -> Spec:
    """The control of a setting, by its row in the settings' table."""
    if row.offers is None:
        return Toggle(value, row.label)
    if not isinstance(row.offers, tuple):
        return Choice(row.offers, value, row.label)
    low, high, *step = row.offers
    more = (row.label, row.unit)
    if step and all(isinstance(number, int) for number in (low, high, *step)):
        return Whole(low, high, step[0], value, *more)
    return Slider(low, high, step[0] if step else 1.0, value, *more, log=not step)
