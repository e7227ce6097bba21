"""What the playground asks beside numbers and choices: a line of text; and what a setting asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets

from dnilab.checks import instance_of
from dnilab.experiments.settings_table import Row
from dnilab.widgets.controls import STYLE, Choice, Slider, Spec, Toggle


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


def spec_of(row: Row, value: Any) -> Spec:
    """The control of a setting, by its row in the settings' table."""
    if row.offers is None:
        return Toggle(value, row.label)
    if not isinstance(row.offers, tuple):
        return Choice(row.offers, value, row.label)
    low, high, *step = row.offers
    return Slider(low, high, step[0] if step else 1.0, value, row.label, row.unit, not step)
