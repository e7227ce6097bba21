"""What a panel can be asked: sliders with a number box, choices, toggles, words.

A *spec* (:class:`Slider`, :class:`Choice`, :class:`Toggle`, :class:`Words`) is plain, frozen data
and is checked when it is made. A *control* is the widget made from it; its ``value`` is a plain
Python value.
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets


def _check_number(name: str, value: Any) -> None:
    # Compared, since a whole number can be too large to become a float.
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and -sys.float_info.max <= value <= sys.float_info.max):
        raise ValueError(f"{name}: got {value!r}, need a finite number")


@dataclass(frozen=True)
class Slider:
    """A number between ``min`` and ``max``.

    It is an ``int`` if ``min``, ``max``, ``step`` and ``value`` all are, else a ``float``. With
    ``log=True`` the slider moves along powers of ten in steps of two figures (1.0e-3, 1.1e-3, ...)
    and ``step`` is not used; ``min`` must be above 0. The number box takes any value in between.

    Raises
    ------
    ValueError
        If a number is not finite, ``min`` is not below ``max``, ``value`` lies outside, ``step``
        is not above 0, or a logarithmic slider starts at 0 or below.
    """

    min: float
    max: float
    step: float
    value: float
    label: str = ""
    unit: str = ""
    log: bool = False

    def __post_init__(self) -> None:
        for name in ("min", "max", "step", "value"):
            _check_number(name, getattr(self, name))
        if not self.min < self.max:
            raise ValueError(f"min, max: got {self.min} and {self.max}, need min below max")
        if self.step <= 0:
            raise ValueError(f"step: got {self.step}, need a number above 0")
        if self.log and self.min <= 0:
            raise ValueError(f"min: got {self.min}, need a number above 0 for a log slider")
        self.check("value", self.value)

    @property
    def whole(self) -> bool:
        """Whether the values are ints."""
        numbers = (self.min, self.max, self.step, self.value)
        return not self.log and all(isinstance(n, int) for n in numbers)

    def check(self, name: str, value: Any) -> float:
        """``value`` as the slider's type; an error that names ``name`` if it lies outside."""
        _check_number(name, value)
        if not self.min <= value <= self.max:
            raise ValueError(f"{name}: got {value}, need a number from {self.min} to {self.max}")
        if self.whole:
            if value != int(value):
                raise ValueError(f"{name}: got {value}, need a whole number")
            return int(value)
        return float(value)

    def tidy(self, value: float) -> float:
        """What a slider's handle at ``value`` means: within bounds, without 1.0999999."""
        if self.log:
            value = float(f"{value:.1e}")
        elif not self.whole:
            value = float(f"{value:.9g}")
        bounded = min(max(value, self.min), self.max)
        return int(bounded) if self.whole else float(bounded)


@dataclass(frozen=True)
class Choice:
    """One of several options.

    ``options`` is a sequence of values, or a mapping from the words shown to the values.

    Raises
    ------
    ValueError
        If there is no option, or ``value`` is not one of them.
    """

    options: Sequence[Hashable] | Mapping[str, Hashable]
    value: Hashable
    label: str = ""

    def __post_init__(self) -> None:
        if not self.options:
            raise ValueError("options: got none, need at least one")
        self.check("value", self.value)

    @property
    def pairs(self) -> list[tuple[str, Any]]:
        """(words shown, value) of every option."""
        if isinstance(self.options, Mapping):
            return [(str(words), value) for words, value in self.options.items()]
        return [(str(value), value) for value in self.options]

    def check(self, name: str, value: Any) -> Any:
        """``value``, or an error that names ``name`` and lists the options."""
        values = [v for _, v in self.pairs]
        if value not in values:
            raise ValueError(f"{name}: got {value!r}, need one of {', '.join(map(repr, values))}")
        return value


@dataclass(frozen=True)
class Toggle:
    """Yes or no."""

    value: bool
    label: str = ""

    def __post_init__(self) -> None:
        self.check("value", self.value)

    def check(self, name: str, value: Any) -> bool:
        """``value``, or an error that names ``name``."""
        if not isinstance(value, bool):
            raise ValueError(f"{name}: got {value!r}, need True or False")
        return value


@dataclass(frozen=True)
class Words:
    """A line of text, taken over when Enter is pressed or the field is left."""

    value: str
    label: str = ""
    placeholder: str = ""

    def __post_init__(self) -> None:
        self.check("value", self.value)

    def check(self, name: str, value: Any) -> str:
        """``value``, or an error that names ``name``."""
        if not isinstance(value, str):
            raise ValueError(f"{name}: got {value!r}, need text")
        return value


Spec = Slider | Choice | Toggle | Words

_DESCRIPTION = {"description_width": "initial"}


class Control:
    """One spec and its value; ``widget`` is made when it is first asked for.

    ``value`` reads and sets a plain value, checked by the spec, with or without a widget.

    A slider has a number box beside it instead of ipywidgets' own editable readout: the readout
    is a bare ``contenteditable`` element, which a screen reader announces neither as a number
    nor with its label and limits; the box is a real ``<input type="number">``.

    By keyboard: Tab goes from part to part. On a slider and in a number box the arrows move the
    value; Space opens a list, arrows and Enter choose; Space ticks a check box. Notebook 7 (unlike
    JupyterLab and Voila) takes a slider's arrows for its own shortcuts: there the box is the way.
    """

    def __init__(
        self,
        name: str,
        spec: Spec,
        changed: Callable[[str], None],
        lock: Any = None,
    ) -> None:
        self.name = name
        self.spec = spec
        self.label = spec.label or name
        self._changed = changed
        self._value: Any = spec.value
        # Callbacks come on the thread that handles the controls, tests and cells set from theirs.
        self._lock = lock or threading.RLock()
        self._parts: list[Any] = []
        self._enabled = True
        self._widget: widgets.Box | None = None

    @property
    def widget(self) -> widgets.Box:
        """The widget: a slider and its number box, a list to choose from, or a check box."""
        with self._lock:
            if self._widget is None:
                self._parts = self._make_parts()
                self._widget = widgets.Box(self._parts)
                self._widget.add_class("dnilab-control")
                if isinstance(self.spec, Words):
                    self._widget.add_class("dnilab-words")
                if isinstance(self.spec, Toggle):
                    self._widget.add_class("dnilab-toggle")
                for part in self._parts:
                    part.disabled = not self._enabled
                    part.observe(self._seen, names="value")
            return self._widget

    @property
    def parts(self) -> tuple[Any, ...]:
        """The ipywidgets with a ``value`` of their own, slider first."""
        _ = self.widget
        return tuple(self._parts)

    def _make_parts(self) -> list[Any]:
        spec = self.spec
        if isinstance(spec, Choice):
            return [
                widgets.Dropdown(
                    options=spec.pairs,
                    value=self._value,
                    description=self.label,
                    tooltip=self.label,  # without one the label's own tooltip reads "null"
                    style=_DESCRIPTION,
                )
            ]
        if isinstance(spec, Words):
            return [
                widgets.Text(
                    value=self._value,
                    description=self.label,
                    tooltip=self.label,
                    placeholder=spec.placeholder or "\u200b",  # never the widget's own
                    continuous_update=False,
                    style=_DESCRIPTION,
                )
            ]
        if isinstance(spec, Toggle):
            return [
                widgets.Checkbox(
                    value=self._value, description=self.label, tooltip=self.label, indent=False
                )
            ]
        words = f"{self.label} ({spec.unit})" if spec.unit else self.label
        tip = f"{words}: {spec.min:g} to {spec.max:g}"
        limits = {"min": spec.min, "max": spec.max, "value": self._value}
        common = {
            "readout": False,
            "description": words,
            "tooltip": tip,
            "style": _DESCRIPTION,
        }
        # The box repeats the label for screen readers; the style sheet hides it from view.
        box = {"description": f"{words}, number", "tooltip": tip, "style": _DESCRIPTION, **limits}
        if spec.whole:
            return [
                widgets.IntSlider(step=spec.step, **limits, **common),
                widgets.BoundedIntText(step=spec.step, **box),
            ]
        if spec.log:
            low, high = math.log10(spec.min), math.log10(spec.max)
            slider = widgets.FloatLogSlider(
                base=10, min=low, max=high, step=(high - low) / 100, value=self._value, **common
            )
            return [slider, widgets.BoundedFloatText(**box)]
        return [
            widgets.FloatSlider(step=spec.step, **limits, **common),
            widgets.BoundedFloatText(step=spec.step, **box),
        ]

    @property
    def value(self) -> Any:
        """The value now: ``int``, ``float``, ``bool`` or the value of the chosen option."""
        return self._value

    @value.setter
    def value(self, value: Any) -> None:
        self._take(self.spec.check(self.name, value), source=None)

    @property
    def enabled(self) -> bool:
        """Whether it can be moved; settable.  A control that changes nothing is greyed out."""
        return self._enabled

    @enabled.setter
    def enabled(self, enabled: bool) -> None:
        with self._lock:
            self._enabled = enabled
            for part in self._parts:
                part.disabled = not enabled

    @property
    def words(self) -> str:
        """The label and the value, as a sentence says them."""
        if isinstance(self.spec, Choice):
            shown = next(words for words, value in self.spec.pairs if value == self._value)
        elif isinstance(self.spec, Words):
            shown = self._value
        elif isinstance(self.spec, Toggle):
            shown = "yes" if self._value else "no"
        else:
            shown = f"{self._value:g}" + (f" {self.spec.unit}" if self.spec.unit else "")
        return f"{self.label} {shown}"

    def _nearest(self, value: float) -> int:
        """The number of the handle's place nearest to ``value``.

        The browser moves the handle there, and sends that place back.
        """
        spec = self.spec
        assert isinstance(spec, Slider)
        if spec.log:
            return round((math.log10(value) - math.log10(spec.min)) / self._parts[0].step)
        return round((value - spec.min) / spec.step)

    def _seen(self, change: Any) -> None:
        """A part was moved. The other part follows; the panel hears of it once."""
        with self._lock:
            value = change["new"]
            if isinstance(self.spec, Slider):
                # The handle moves in steps; the box may hold any value in between.
                from_slider = change["owner"] is self._parts[0]
                value = self.spec.tidy(value) if from_slider else self.spec.check("value", value)
                if from_slider and self._nearest(value) == self._nearest(self._value):
                    return  # an echo of a value that came from the box or from code
            self._take(value, source=change["owner"])

    def _take(self, value: Any, source: Any) -> None:
        with self._lock:
            if value == self._value and source is not None:
                return
            changed = value != self._value
            self._value = value
            for part in self._parts:
                if part is not source:
                    part.unobserve(self._seen, names="value")
                    try:
                        part.value = value
                    finally:
                        part.observe(self._seen, names="value")
        if changed:
            self._changed(self.name)
