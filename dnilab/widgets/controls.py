"""What a panel can be asked: sliders with a number box, choices, toggles.

A *spec* (:class:`Slider`, :class:`Choice`, :class:`Toggle`) is plain, frozen data
and is checked when it is made. A *control* is the widget made from it; its ``value`` is a plain
Python value.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets

from dnilab.checks import one_of, real_number, refuse, true_or_false, whole_number

STYLE = {"description_width": "initial"}


class Spec:
    """What can be set: its label, its first value, and what a kind of it says below."""

    value: Any
    label: str

    def check(self, name: str, value: Any) -> Any:
        """``value``, or an error that names ``name``."""
        raise NotImplementedError

    def words(self, value: Any) -> str:
        """``value`` as a sentence says it."""
        raise NotImplementedError

    def parts(self, label: str, value: Any) -> list[Any]:
        """The widgets; the first has the label."""
        raise NotImplementedError


@dataclass(frozen=True)
class Slider(Spec):
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
        real_number("min", self.min, 0 if self.log else -math.inf, above=True)
        real_number("max", self.max, self.min, above=True)
        real_number("step", self.step, 0, above=True)
        self.check("value", self.value)

    @property
    def whole(self) -> bool:
        """Whether the values are ints."""
        numbers = (self.min, self.max, self.step, self.value)
        return not self.log and all(isinstance(n, int) for n in numbers)

    def check(self, name: str, value: Any) -> float:
        """``value`` as the slider's type; an error that names ``name`` if it lies outside."""
        if not self.whole:
            return real_number(name, value, self.min, self.max)
        if isinstance(value, float):
            refuse(name, value, f"a whole number from {self.min} to {self.max}")
        return whole_number(name, value, int(self.min), int(self.max))

    def words(self, value: float) -> str:
        """``value`` as a sentence says it."""
        return f"{value:g} {self.unit}".strip()

    def tidy(self, value: float) -> float:
        """What a slider's handle at ``value`` means: within bounds, without 1.0999999."""
        if self.log:
            value = float(f"{value:.1e}")
        elif not self.whole:
            value = float(f"{value:.9g}")
        bounded = min(max(value, self.min), self.max)
        return int(bounded) if self.whole else float(bounded)

    def place(self, value: float) -> int:
        """The number of the handle's place nearest to ``value``, to which the browser moves it."""
        if self.log:
            return round(100 * math.log10(value / self.min) / math.log10(self.max / self.min))
        return round((value - self.min) / self.step)

    def parts(self, label: str, value: Any) -> list[Any]:
        """The widgets: the slider and its number box."""
        name = f"{label} ({self.unit})" if self.unit else label
        common = {"tooltip": f"{name}: {self.min:g} to {self.max:g}", "style": STYLE}
        limits = {"min": self.min, "max": self.max, "value": value}
        handle = {"description": name, "readout": False, **limits, **common}
        # The box repeats the label for screen readers; the style sheet hides it from view.
        box = {"description": f"{name}, number", **limits, **common}
        if self.log:
            low, high = math.log10(self.min), math.log10(self.max)
            handle |= {"min": low, "max": high, "step": (high - low) / 100}
            return [widgets.FloatLogSlider(**handle), widgets.BoundedFloatText(**box)]
        kinds = widgets.FloatSlider, widgets.BoundedFloatText
        if self.whole:
            kinds = widgets.IntSlider, widgets.BoundedIntText
        return [
            kind(step=self.step, **part) for kind, part in zip(kinds, (handle, box), strict=True)
        ]


@dataclass(frozen=True)
class Choice(Spec):
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
            refuse("options", self.options, "at least one option")
        self.check("value", self.value)

    @property
    def pairs(self) -> list[tuple[str, Any]]:
        """(words shown, value) of every option."""
        if isinstance(self.options, Mapping):
            return [(str(words), value) for words, value in self.options.items()]
        return [(str(value), value) for value in self.options]

    def check(self, name: str, value: Any) -> Any:
        """``value``, or an error that names ``name`` and lists the options."""
        return one_of(name, value, [option for _, option in self.pairs])

    def words(self, value: Any) -> str:
        """``value`` as a sentence says it."""
        return next(words for words, option in self.pairs if option == value)

    def parts(self, label: str, value: Any) -> list[Any]:
        """The widget: a list to choose from."""
        # Without a tooltip the label's own reads "null".
        common = {"description": label, "tooltip": label, "style": STYLE}
        return [widgets.Dropdown(options=self.pairs, value=value, **common)]


@dataclass(frozen=True)
class Toggle(Spec):
    """Yes or no."""

    value: bool
    label: str = ""

    def __post_init__(self) -> None:
        self.check("value", self.value)

    def check(self, name: str, value: Any) -> bool:
        """``value``, or an error that names ``name``."""
        return true_or_false(name, value)

    def words(self, value: bool) -> str:
        """``value`` as a sentence says it."""
        return "yes" if value else "no"

    def parts(self, label: str, value: bool) -> list[Any]:
        """The widget: a box to tick."""
        return [widgets.Checkbox(value=value, description=label, tooltip=label, indent=False)]


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
        self, name: str, spec: Spec, changed: Callable[[str], None], lock: Any = None
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
                self._parts = self.spec.parts(self.label, self._value)
                kind = type(self.spec).__name__.lower()
                self._widget = widgets.Box(self._parts).add_class("dnilab-control")
                self._widget.add_class(f"dnilab-{kind}")
                if getattr(self.spec, "log", False):
                    self._widget.add_class("dnilab-log")  # see panel.js
                for part in self._parts:
                    part.disabled = not self._enabled
                    part.observe(self._seen, names="value")
            return self._widget

    @property
    def parts(self) -> tuple[Any, ...]:
        """The ipywidgets with a ``value`` of their own, slider first."""
        _ = self.widget
        return tuple(self._parts)

    @property
    def value(self) -> Any:
        """The value now: ``int``, ``float``, ``bool`` or the value of the chosen option."""
        return self._value

    @value.setter
    def value(self, value: Any) -> None:
        self._take(self.spec.check(self.name, value))

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
        return f"{self.label} {self.spec.words(self._value)}"

    def _seen(self, change: Any) -> None:
        """A part was moved. The other part follows; the panel hears of it once."""
        with self._lock:
            spec, value = self.spec, change["new"]
            if isinstance(spec, Slider) and change["owner"] is self._parts[0]:
                # The handle moves in steps; the box may hold any value in between.
                value = spec.tidy(value)
                if spec.place(value) == spec.place(self._value):
                    return  # an echo of a value that came from the box or from code
            self._take(spec.check("value", value), source=change["owner"])

    def _take(self, value: Any, source: Any = None) -> None:
        """Take the value over, and set those parts to it that it did not come from."""
        with self._lock:
            if value == self._value:
                return
            self._value = value
            for part in self._parts:
                if part is not source:
                    part.value = value
        self._changed(self.name)
