"""What a sweep of the playground runs: two controls, the values of each, the settings between.

The values of the controls stand for settings as they do in the playground, so that every cell of
the map can be loaded there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from dnilab.experiments.settings import OWN, Settings
from dnilab.lessons.playground.experiments.comparison import BESIDE, Lineup
from dnilab.lessons.playground.panel.choices import GROUPS, idle, lineup_of, specs, with_depth
from dnilab.lessons.playground.sweeps.plan import Job
from dnilab.widgets.controls import Slider

LOADED = tuple(n for title, names in GROUPS.items() if title != "Beside it" for n in names)
"""The controls that a cell of the map sets; what runs beside a setting is not part of a sweep."""

SWEPT: Mapping[str, Slider] = {
    name: spec
    for name, spec in specs(Lineup(), False).items()
    if isinstance(spec, Slider) and name != "seeds"
}
"""The controls that can be swept: every number that makes a run."""


@dataclass(frozen=True)
class Axis:
    """One control of a sweep and the values it takes, rising.  At least two of them."""

    name: str
    values: tuple[float, ...]

    @property
    def label(self) -> str:
        """The control's name and unit, as an axis calls it."""
        spec = SWEPT[self.name]
        return f"{spec.label} ({spec.unit})" if spec.unit else spec.label

    def words(self, value: float) -> str:
        """One of the values in words, as a sentence says it.

        >>> Axis("staleness", (1, 4)).words(4)
        'staleness 4 batches'
        """
        spec = SWEPT[self.name]
        name = spec.label[0].lower() + spec.label[1:]
        return f"{name} {value:g}" + (f" {spec.unit}" if spec.unit else "")


def around(name: str, value: float) -> tuple[float, float]:
    """A range to begin with: a tenth to ten times ``value`` on a log slider, else half to twice."""
    spec = SWEPT[name]
    low, high = (value / 10, value * 10) if spec.log else (value / 2, value * 2)
    if spec.whole:
        low, high = math.floor(low), max(math.ceil(high), value + 2)
    low, high = spec.tidy(low), spec.tidy(high)
    return (low, high) if low < high else (spec.min, spec.max)


def axis(name: str, low: str, high: str, count: int) -> Axis:
    """``count`` values from ``low`` to ``high``, as they were typed, evenly spaced.

    On a log slider the ratios are even, and values in between are rounded to two figures; whole
    numbers are rounded, which may leave fewer of them.

    Raises ValueError, in words, for a range that the control does not have.
    """
    spec = SWEPT[name]
    first, last = _number(spec, "from", low), _number(spec, "to", high)
    if not first < last:
        raise ValueError(
            f"{spec.label}: from is {first:g} and to is {last:g}; it accepts a range that rises"
        )
    shares = [n / (count - 1) for n in range(1, count - 1)]
    if spec.log:
        between = [first * (last / first) ** share for share in shares]
    else:
        between = [first + (last - first) * share for share in shares]
    if spec.whole:
        between = [round(value) for value in between]
    # Rounded, some are equal, or not between the ends any more.
    tidy = {spec.tidy(value) for value in between}
    return Axis(name, (first, *sorted(value for value in tidy if first < value < last), last))


def _number(spec: Slider, end: str, text: str) -> float:
    accepted = f"it accepts a {'whole ' * spec.whole}number from {spec.min:g} to {spec.max:g}"
    try:
        number = float(text)
        # A whole number that is written as one, so that the slider takes it for one.
        return spec.check(end, int(number) if spec.whole and number == int(number) else number)
    except (ValueError, OverflowError):
        raise ValueError(f"{spec.label}: {end} is {text!r}; {accepted}") from None


@dataclass(frozen=True)
class Cell:
    """One setting of a sweep.

    ``values``: of the controls in ``LOADED``.  ``settings``: None if the controls' values can't
    go together, and then ``refused`` says why.
    """

    values: Mapping[str, Any]
    words: str
    settings: Settings | None
    refused: str = ""


@dataclass(frozen=True)
class Plan:
    """Two axes, seeds, and the values of all controls as they stood.

    Raises ValueError, in words, if there would be nothing to compare.
    """

    across: Axis
    up: Axis
    seeds: int
    base: Mapping[str, Any]

    def __post_init__(self) -> None:
        if self.across.name == self.up.name:
            raise ValueError(
                f"{self.across.label} is chosen across and upwards; a map accepts two different "
                "controls"
            )
        alone = {**self.base, **{f"beside {name}": False for name in BESIDE}}
        for one in (self.across, self.up):
            if one.name in idle(alone):
                raise ValueError(
                    f"{SWEPT[one.name].label} changes nothing as the other controls stand; choose "
                    "another one"
                )

    @cached_property
    def cells(self) -> dict[tuple[int, int], Cell]:
        """The settings by place: (number of the value across, number of the value upwards)."""
        return {
            (i, j): self._cell(x, y)
            for j, y in enumerate(self.up.values)
            for i, x in enumerate(self.across.values)
        }

    @cached_property
    def jobs(self) -> dict[tuple[int, int], tuple[Job, ...]]:
        """The runs of every cell, one for each seed; none where the setting is refused."""
        return {
            place: tuple(_job(cell.settings.but(seed=seed)) for seed in range(self.seeds))
            if cell.settings is not None
            else ()
            for place, cell in self.cells.items()
        }

    @cached_property
    def keys(self) -> dict[tuple[int, int], tuple[str, ...]]:
        """The keys of the jobs of every cell: they are asked for at every row that comes."""
        return {place: tuple(job.key for job in jobs) for place, jobs in self.jobs.items()}

    @property
    def runs(self) -> int:
        """How many runs that is."""
        return self.seeds * sum(cell.settings is not None for cell in self.cells.values())

    def _cell(self, x: float, y: float) -> Cell:
        values = {name: self.base[name] for name in LOADED}
        values |= {self.across.name: x, self.up.name: y, "seeds": self.seeds}
        if "depth" in (self.across.name, self.up.name):
            values["widths"] = with_depth(values["widths"], values["depth"])
        words = f"{self.across.words(x)}, {self.up.words(y)}"
        try:
            return Cell(values, words, lineup_of({**self.base, **values}).settings)
        except ValueError as fault:
            return Cell(values, words, None, str(fault))


def _job(settings: Settings) -> Job:
    job = Job.of(settings)
    # A job knows only settings; the reader's own arrays go with the runner.
    return replace(job, settings=settings, refused="") if settings.task == OWN else job


def work(settings: Settings) -> float:
    """How long a run takes, compared with others of the same task: steps times modules."""
    rows = settings.examples if settings.task == "addition" else 1
    return settings.epochs * rows / settings.batch_size * (len(settings.hidden) + 1)
