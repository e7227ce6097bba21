"""A line-up: what the playground trains, one setting and those that run beside it.

The settings beside are made from the first by changing one thing, so that a comparison stays fair
whatever else is moved.  A line-up is written as one line of text that a classmate can paste.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

from dnilab.checks import instance_of, one_of, refuse, several
from dnilab.experiments.settings import Settings
from dnilab.experiments.settings_table import Table, setting, whole

MOST_SEEDS = 20
LONGEST = 20_000  # characters of a text: Python's parser takes 500 bytes for each of them
EXAMPLE = "dnilab(epochs=12, seeds=3, beside=('backprop', 'DNI(h)'))"
BY_THE_RUN = ("seed", "probe_rows")  # settings that a run of a line-up sets itself


def _decoupled(context: tuple[str, ...]) -> Callable[[Settings], Settings]:
    """The same with another context; an ordering without generators becomes the Red Box."""

    def change(base: Settings) -> Settings:
        if base.decoupled:
            return base.but(context=context)
        return base.but(context=context, ordering="sequential", executor=None)

    return change


def _ordering(name: str) -> Callable[[Settings], Settings]:
    return lambda base: base.but(
        ordering=name, executor=None, workers=min(base.workers, base.modules)
    )


BESIDE: Mapping[str, Callable[[Settings], Settings]] = {
    "backprop": _ordering("backprop"),
    "last layer only": _ordering("last layer only"),
    "DNI(h)": _decoupled(("h",)),
    "DNI(h, y)": _decoupled(("h", "y")),
    "Red Box": _ordering("sequential"),
    "local loss": _ordering("local loss"),
    "direct feedback": _ordering("direct feedback"),
    "batch norm the other way": lambda base: base.but(batch_norm=not base.batch_norm),
}
"""What may run beside a setting: the same, but for one thing."""

_LOOKS = {
    "backprop": 0, "DNI(h)": 1, "DNI(h, y)": 2, "DNI(x, h, y)": 3, "last layer only": 4,
    "local loss": 5, "direct feedback": 6,
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One line of a line-up: its name, its settings, the number of its look in a picture."""

    label: str
    settings: Settings
    look: int


def _beside(name: str, value: Any) -> tuple[str, ...]:
    """Some of BESIDE, in the order of BESIDE, so that equal line-ups are equal."""
    accepts = f"a tuple of {', '.join(BESIDE)}"
    names = [value] if isinstance(value, str) else several(name, value, accepts)
    chosen = [one_of(name, one, BESIDE) for one in names]
    return tuple(one for one in BESIDE if one in chosen)


@dataclass(frozen=True)
class Lineup(Table):
    """One setting, how many seeds, and the names in :data:`BESIDE` of what runs beside it.

    Raises ValueError, naming the field, what it got and what it accepts.
    """

    settings: Settings = setting(Settings(), partial(instance_of, kind=Settings))  # noqa: RUF009
    seeds: int = setting(5, whole(1, MOST_SEEDS), "Seeds", (1, MOST_SEEDS, 1))
    beside: tuple[str, ...] = setting((), _beside)

    def but(self, /, **changes: Any) -> Self:
        """The same line-up with some fields changed, its own or those of its settings."""
        own = {name: changes.pop(name) for name in ("seeds", "beside") if name in changes}
        return replace(self, settings=self.settings.but(**changes), **own)

    def changed(self) -> dict[str, Any]:
        """What is not as in ``Lineup()``, by name; a run sets its seed and probe rows itself."""
        own = super().changed()
        settings = own.pop("settings", Settings()).changed()
        return {name: x for name, x in settings.items() if name not in BY_THE_RUN} | own

    @property
    def text(self) -> str:
        """One line that can be pasted: the settings that are not at their defaults."""
        return f"dnilab({', '.join(f'{n}={value!r}' for n, value in self.changed().items())})"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The line-up that :attr:`text` describes.  Nothing in the text is executed.

        Raises ValueError if the text is none, or asks for a setting that there is not.
        """
        return cls().but(**read_text(text))

    @property
    def main(self) -> Entry:
        """The setting that the others stand beside."""
        return self.entries()[-1]

    def entries(self) -> tuple[Entry, ...]:
        """The settings to train, each once, those beside first, with different names and looks."""
        others = dict.fromkeys(BESIDE[name](self.settings) for name in self.beside)
        chosen = [*(other for other in others if other != self.settings), self.settings]
        names: list[str] = []
        for settings in chosen:
            name = settings.name
            if settings.batch_norm != self.settings.batch_norm:
                name += ", batch norm" if settings.batch_norm else ", no batch norm"
            names.append(name)
        looks: list[int] = []
        for name, settings in zip(names, chosen, strict=True):
            wanted = _LOOKS.get(settings.way) if name == settings.name else None
            free = (n for n in range(100) if n not in looks and n not in _LOOKS.values())
            looks.append(wanted if wanted is not None and wanted not in looks else next(free))
        return tuple(
            Entry(name, settings, look)
            for name, settings, look in zip(distinct(names), chosen, looks, strict=True)
        )


def read_text(text: str) -> dict[str, Any]:
    """The settings by name in a text such as ``EXAMPLE``.  Nothing in it is executed."""
    name, accepts = "the settings string", f"a text such as {EXAMPLE}"
    text = instance_of(name, text, str, accepts).strip()
    if len(text) > LONGEST:
        refuse(name, text, f"{accepts}, of at most {LONGEST:,} characters")
    try:
        match ast.parse(text, mode="eval").body:
            # The parser takes full-width letters for plain ones, so the text is looked at, too.
            case ast.Call(ast.Name("dnilab"), [], words) if text.startswith("dnilab"):
                if any(word.arg is None for word in words):  # **{...}
                    raise ValueError
                given = [(str(word.arg), ast.literal_eval(word.value)) for word in words]
            case _:
                raise ValueError
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        refuse(name, text, accepts)
    found: dict[str, Any] = {}
    for word, value in given:
        if word in found:
            raise ValueError(f"{word} stands twice in {name}; it accepts one value")
        found[word] = value
    return found


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


SMALL = Settings(examples=2000, test_examples=500, epochs=12, dtype="float32", context=("h", "y"))
"""Addition, sized for a comparison of three settings, five seeds each, in a few seconds."""

DIGITS = Settings(
    task="digits", hidden=(64, 64, 64, 64), activation="relu", batch_norm=True, epochs=10,
    dtype="float32",
)  # fmt: skip

FIRST = "Does the guess have to see the label?"
_QUESTIONS: Mapping[str, tuple[Lineup, str, int]] = {
    FIRST: (
        Lineup(SMALL, 5, ("backprop", "DNI(h)")),
        "DNI(h) guesses from a layer’s activation h alone, DNI(h, y) from h and the label y. "
        "Which of the two stays close to backprop?",
        4,
    ),
    "Do guessed gradients teach the lower layers anything?": (
        Lineup(SMALL, 5, ("backprop", "last layer only")),
        "In “last layer only” the lower layers keep their random weights. What DNI(h, y) "
        "gains over it is what the guesses have taught.",
        3,
    ),
    "Is the label needed on scanned digits, too?": (
        Lineup(DIGITS.but(context=("h",)), 3, ("backprop", "last layer only", "DNI(h, y)")),
        "The same question for another task. Do DNI(h) and DNI(h, y) still part?",
        4,
    ),
    "What does batch normalisation do for six layers?": (
        Lineup(
            DIGITS.but(hidden=(64,) * 5, batch_norm=False, context=("h",)),
            3,
            ("backprop", "batch norm the other way"),
        ),
        "The generators see h alone. Find DNI(h) with and without batch normalisation.",
        4,
    ),
    "Red Box or Blue Box: in line, or a thread for each fit?": (
        Lineup(SMALL.but(ordering="blue box", epochs=6), 2, ("Red Box",)),
        "Both take the same steps. Choose “Over: seconds of training” to see what the "
        "threads cost.",
        5,
    ),
    "What does a pipeline of two workers cost?": (
        Lineup(
            SMALL.but(ordering="pipeline", batch_size=100, staleness=4, epochs=20), 3, ("Red Box",)
        ),
        "Two workers train at the same time, and each generator learns four batches late. "
        "Look over epochs, then over seconds.",
        5,
    ),
    "Can a module skip seven updates out of ten?": (
        Lineup(SMALL.but(ordering="sparse", p=0.3), 3, ("Red Box", "backprop")),
        "Each module makes about three updates in ten. The Red Box makes them all.",
        5,
    ),
}
PRESETS = {question: lineup for question, (lineup, _, _) in _QUESTIONS.items()}
"""Comparisons to begin with, each a question."""

LOOK_AT = {question: (look, number) for question, (_, look, number) in _QUESTIONS.items()}
"""By preset: what to look at, and the number of the notebook that explains it."""
