"""What a sweep of the playground runs: two controls, the values of each, the settings between.

The values of the controls stand for settings as they do in the playground, so that every cell of
the map can be loaded there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dnilab.checks import refuse
from dnilab.experiments.settings import Settings
from dnilab.lessons.playground.experiments.comparison import BESIDE, Lineup
from dnilab.lessons.playground.experiments.records import Job
from dnilab.lessons.playground.panel.choices import (
    COMPARED,
    GROUPS,
    idle,
    lineup_of,
    specs,
    with_depth,
)
from dnilab.lessons.playground.pictures import Axis
from dnilab.widgets.controls import Slider

LOADED = tuple(n for title, names in GROUPS.items() if title != COMPARED for n in names)
"""The controls that a cell of the map sets; what runs beside a setting is not part of a sweep."""

SWEPT: Mapping[str, Slider] = {
    name: spec
    for name, spec in specs(Lineup(), False).items()
    if isinstance(spec, Slider) and name != "seeds"
}
"""The controls that can be swept: every number that makes a run."""

Place = tuple[int, int]
"""Of a setting: number of the value across, number of the value upwards."""


def around(name: str, value: float) -> tuple[float, float]:
    """A range to begin with: a tenth to ten times ``value`` on a log slider, else half to twice."""
    spec = SWEPT[name]
    low, high = (value / 10, value * 10) if spec.log else (value / 2, value * 2)
    if spec.whole:
        low, high = math.floor(low), max(math.ceil(high), value + 2)
    low, high = spec.tidy(low), spec.tidy(high)
    return (low, high) if low < high else (spec.min, spec.max)


def axis(name: str, low: str, high: str, count: int) -> Axis:
    """``count`` values of a control from ``low`` to ``high``, as they were typed, evenly spaced.

    On a log slider the ratios are even, and values in between are rounded to two figures; whole
    numbers are rounded, which may leave fewer of them.

    Raises ValueError, in words, for a range that the control does not have.
    """
    spec = SWEPT[name]
    first, last = _number(spec, "from", low), _number(spec, "to", high)
    if not first < last:
        said = f"{spec.label}: from is {first:g} and to is {last:g}"
        raise ValueError(f"{said}; it accepts a range that rises")
    shares = [n / (count - 1) for n in range(1, count - 1)]
    if spec.log:
        between = [first * (last / first) ** share for share in shares]
    else:
        between = [first + (last - first) * share for share in shares]
    # Rounded, some are equal, or not between the ends any more.
    tidy = {spec.tidy(round(value) if spec.whole else value) for value in between}
    values = (first, *sorted(value for value in tidy if first < value < last), last)
    words = [f"{value:g} {spec.unit}".rstrip() for value in values]
    return Axis(spec.label[0].lower() + spec.label[1:], values, words)


def _number(spec: Slider, end: str, text: str) -> float:
    try:
        number = float(text)
        # A whole number that is written as one, so that the slider takes it for one.
        return spec.check(end, int(number) if spec.whole and number == int(number) else number)
    except (ValueError, OverflowError):
        accepts = f"a {'whole ' * spec.whole}number from {spec.min:g} to {spec.max:g}"
        refuse(f"{spec.label}: {end}", text, accepts)


@dataclass(frozen=True)
class Cell:
    """One setting of a sweep: the values of the controls in ``LOADED``, and a job for each seed.

    If the values can't go together, the jobs are refused, and ``refused`` says why.
    """

    words: str
    values: Mapping[str, Any]
    jobs: tuple[Job, ...]
    refused: str = ""


@dataclass(frozen=True, eq=False)
class Plan:
    """Two controls by name, their axes, seeds, and the values of all controls as they stood.

    Raises ValueError, in words, if there would be nothing to compare.
    """

    names: tuple[str, str]
    axes: tuple[Axis, Axis]
    seeds: int
    base: Mapping[str, Any]

    def __post_init__(self) -> None:
        labels = [SWEPT[name].label for name in self.names]
        if labels[0] == labels[1]:
            said = f"{labels[0]} is chosen across and upwards"
            raise ValueError(f"{said}; a map accepts two different controls")
        out = idle({**self.base, **{f"beside {name}": False for name in BESIDE}})
        for name, label in zip(self.names, labels, strict=True):
            if name in out:
                said = f"{label} changes nothing as the other controls stand"
                raise ValueError(f"{said}; choose another one")

    @cached_property
    def cells(self) -> dict[Place, Cell]:
        """The settings by their places."""
        columns, rows = (range(len(axis.values)) for axis in self.axes)
        return {(i, j): self._cell((i, j)) for j in rows for i in columns}

    def _cell(self, place: Place) -> Cell:
        sides = list(zip(self.axes, place, strict=True))
        values = {name: self.base[name] for name in LOADED} | {"seeds": self.seeds}
        values |= {n: axis.values[k] for n, (axis, k) in zip(self.names, sides, strict=True)}
        if "depth" in self.names:
            values["widths"] = with_depth(values["widths"], values["depth"])
        words = ", ".join(f"{axis.name} {axis.words[k]}" for axis, k in sides)
        seeds, refused = range(self.seeds), ""
        try:
            settings = lineup_of({**self.base, **values}).settings
            jobs = [Job.of(settings.but(seed=seed)) for seed in seeds]
        except ValueError as fault:
            refused = str(fault)
            jobs = [Job({**values, "seed": seed}, None, refused) for seed in seeds]
        return Cell(words, values, tuple(jobs), refused)

    @property
    def jobs(self) -> list[Job]:
        """The runs of all settings, those that are refused among them."""
        return [job for cell in self.cells.values() for job in cell.jobs]

    @property
    def runs(self) -> int:
        """How many runs that is, without those that are refused."""
        return sum(job.settings is not None for job in self.jobs)


def work(settings: Settings) -> float:
    """How long a run takes, compared with others of the same task: steps times modules."""
    rows = settings.examples if settings.task == "addition" else 1
    return settings.epochs * rows / settings.batch_size * settings.modules
