"""A line-up: what the playground trains, one setting and those that run beside it.

The settings beside are made from the first by changing one thing, so that a comparison stays fair
whatever else is moved.  A line-up is written as one line of text that a classmate can paste.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from dnilab.checks import whole_number
from dnilab.experiments.settings import Settings

MOST_SEEDS = 20


def _decoupled(context: tuple[str, ...]) -> Callable[[Settings], Settings]:
    """The same with another context; an ordering without generators becomes the Red Box."""

    def change(base: Settings) -> Settings:
        if base.decoupled:
            return base.but(context=context)
        return base.but(context=context, ordering="sequential", executor=None)

    return change


def _ordering(name: str) -> Callable[[Settings], Settings]:
    return lambda base: base.but(ordering=name, executor=None)


BESIDE: Mapping[str, Callable[[Settings], Settings]] = {
    "backprop": _ordering("backprop"),
    "last layer only": _ordering("last layer only"),
    "DNI(h)": _decoupled(("h",)),
    "DNI(h, y)": _decoupled(("h", "y")),
    "Red Box": _ordering("sequential"),
    "batch norm the other way": lambda base: base.but(batch_norm=not base.batch_norm),
}
"""What may run beside a setting: the same, but for one thing."""

_LOOKS = {"backprop": 0, "DNI(h)": 1, "DNI(h, y)": 2, "DNI(x, h, y)": 3, "last layer only": 4}


@dataclass(frozen=True)
class Entry:
    """One line of a line-up: its name, its settings, the number of its look in a picture."""

    label: str
    settings: Settings
    look: int


@dataclass(frozen=True)
class Lineup:
    """One setting, how many seeds, and the names in :data:`BESIDE` of what runs beside it.

    Raises ValueError, naming the field, what it got and what it accepts.
    """

    settings: Settings = field(default_factory=Settings)
    seeds: int = 5
    beside: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.settings, Settings):
            raise ValueError(f"settings is {self.settings!r}; it accepts Settings")
        whole_number("seeds", self.seeds, 1, MOST_SEEDS)
        names = (self.beside,) if isinstance(self.beside, str) else self.beside
        if not isinstance(names, tuple | list):
            raise ValueError(f"beside is {names!r}; it accepts a tuple of {', '.join(BESIDE)}")
        for name in names:
            if not isinstance(name, str) or name not in BESIDE:
                raise ValueError(f"beside is {name!r}; it accepts {', '.join(BESIDE)}")
        # The order is that of BESIDE, so that equal line-ups are equal.
        object.__setattr__(self, "beside", tuple(n for n in BESIDE if n in names))

    @property
    def main(self) -> Entry:
        """The setting that the others stand beside."""
        return next(e for e in self.entries() if e.settings == self.settings)

    def entries(self) -> tuple[Entry, ...]:
        """The settings to train, each once, those beside first, with different names and looks."""
        found: dict[Settings, str] = {}
        for name in self.beside:
            other = BESIDE[name](self.settings)
            if other != self.settings and other not in found:
                found[other] = name
        chosen = {**found, self.settings: ""}
        names: list[str] = []
        for settings in chosen:
            name = settings.name
            if settings.batch_norm != self.settings.batch_norm:
                name += ", batch norm" if settings.batch_norm else ", no batch norm"
            names.append(name)
        looks: list[int] = []
        for name in names:
            wanted = _LOOKS.get(name)
            free = (n for n in range(100) if n not in looks and n not in _LOOKS.values())
            looks.append(wanted if wanted is not None and wanted not in looks else next(free))
        return tuple(
            Entry(name, settings, look)
            for name, settings, look in zip(distinct(names), chosen, looks, strict=True)
        )

    @property
    def text(self) -> str:
        """The line-up as one line: what is not as in ``Lineup()``."""
        parts = [f"{name}={value!r}" for name, value in changed(self.settings).items()]
        if self.seeds != 5:
            parts.append(f"seeds={self.seeds}")
        if self.beside:
            parts.append(f"beside={self.beside!r}")
        return f"dnilab({', '.join(parts)})"

    @classmethod
    def from_text(cls, text: str) -> Lineup:
        """The line-up that :attr:`text` describes.  Nothing in the text is executed.

        Raises ValueError if the text is none, or asks for a setting that there is not.
        """
        hint = f"a text such as {PRESETS[FIRST].text}"
        try:
            call = ast.parse(text.strip(), mode="eval").body
            if not isinstance(call, ast.Call) or call.args:
                raise ValueError
            if not isinstance(call.func, ast.Name) or call.func.id != "dnilab":
                raise ValueError
            given = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            shown = text.strip()
            shown = shown if len(shown) <= 60 else shown[:57] + "..."
            raise ValueError(f"the settings string is {shown!r}; it accepts {hint}") from None
        seeds, beside = given.pop("seeds", 5), given.pop("beside", ())
        return cls(Settings().but(**given), seeds, beside)


def distinct(names: list[str]) -> list[str]:
    """The names, with a number after one that is there already.

    >>> distinct(["a", "b", "a"])
    ['a', 'b', 'a (2)']
    """
    found: list[str] = []
    for name in names:
        count, unused = 1, name
        while unused in found:
            count += 1
            unused = f"{name} ({count})"
        found.append(unused)
    return found


def changed(settings: Settings) -> dict[str, Any]:
    """The fields that are not as in ``Settings()``, by name; the seed is left out."""
    return {
        one.name: getattr(settings, one.name)
        for one in fields(settings)
        if one.default is not MISSING
        and one.name not in ("seed", "probe_rows")
        and getattr(settings, one.name) != one.default
    }


SMALL = Settings(examples=2000, test_examples=500, epochs=12, dtype="float32", context=("h", "y"))
"""Addition, sized for a comparison of three settings, five seeds each, in a few seconds."""

DIGITS = Settings(
    task="digits", hidden=(64, 64, 64, 64), activation="relu", batch_norm=True, epochs=10,
    dtype="float32",
)  # fmt: skip

FIRST = "04: h alone against h and y"
PRESETS: Mapping[str, Lineup] = {
    "03: do synthetic gradients teach?": Lineup(SMALL, 5, ("backprop", "last layer only")),
    FIRST: Lineup(SMALL, 5, ("backprop", "DNI(h)")),
    "04: on digits h alone works": Lineup(
        DIGITS.but(context=("h",)), 3, ("backprop", "last layer only", "DNI(h, y)")
    ),
    "04: depth six without batch norm": Lineup(
        DIGITS.but(hidden=(64,) * 5, batch_norm=False, context=("h",)),
        3,
        ("backprop", "batch norm the other way"),
    ),
    "05: red against blue": Lineup(SMALL.but(ordering="blue box", epochs=6), 2, ("Red Box",)),
    "05: a pipeline of two workers": Lineup(
        SMALL.but(ordering="pipeline", batch_size=100, staleness=4, epochs=20), 3, ("Red Box",)
    ),
    "05: sparse updates": Lineup(SMALL.but(ordering="sparse", p=0.3), 3, ("Red Box", "backprop")),
}
"""Comparisons to begin with, named after the notebook that they belong to."""
