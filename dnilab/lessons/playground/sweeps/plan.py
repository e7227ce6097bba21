"""What is to be run: settings and a seed each, those that cannot be among them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from itertools import product
from typing import Any

from dnilab.checks import plain, whole_number, whole_numbers
from dnilab.experiments.settings import OWN, Settings

Grid = Mapping[str, Iterable[Any]]


@dataclass(frozen=True)
class Job:
    """One run of a sweep.

    ``asked``: every setting by name, the seed included, as plain numbers, words and tuples.
    ``settings``: the same, checked; None if they were refused, and then ``refused`` says why.
    """

    asked: Mapping[str, Any]
    settings: Settings | None = field(compare=False)
    refused: str = ""

    def __repr__(self) -> str:
        plain = _every(Settings())
        asked = [f"{n}={x!r}" for n, x in self.asked.items() if n == "seed" or x != plain.get(n)]
        return f"<Job {', '.join(asked)}>"

    @classmethod
    def of(cls, settings: Settings) -> Job:
        """The job that runs these settings."""
        if not isinstance(settings, Settings):
            raise ValueError(f"jobs holds {settings!r}; it accepts what sweep_plan made, Settings")
        refused = ""
        if settings.task == OWN:
            refused = (
                f"task is {OWN!r}, whose rows are not in the settings; a sweep accepts the other "
                "tasks"
            )
        return cls(_every(settings), None if refused else settings, refused)

    @property
    def seed(self) -> int:
        """The seed of the run.  Raises ValueError for a refused job that was asked without one."""
        return whole_number("seed", self.asked.get("seed"), 0)

    @property
    def key(self) -> str:
        """What tells this job from others: all settings and the seed, as canonical JSON."""
        return json.dumps(self.asked, sort_keys=True, separators=(",", ":"), allow_nan=False)


def sweep_plan(
    settings: Settings | Iterable[Settings],
    grid: Grid | None = None,
    seeds: Iterable[int] = (0, 1, 2),
) -> list[Job]:
    """The jobs of a sweep: every combination of the grid's values, with every seed.

    ``settings``: one base for all, or several.  ``grid``: for a setting's name the values that
    it takes in turn, as ``{"rate": (1e-3, 1e-2), "hidden": ((64,), (64, 64))}``; without one, the
    settings are run as they are.  The last name varies fastest, and the seed faster still.

    A combination that ``Settings`` does not accept is a job all the same: its row will say why.

    Raises ValueError, naming the argument, for a name that is no setting, for seeds that are not
    several whole numbers (``seeds=[3]``, not ``seeds=3``), and if there is nothing to run.
    """
    if not isinstance(settings, Settings | Iterable):
        raise ValueError(f"settings is {settings!r}; it accepts Settings, one or several")
    bases = [settings] if isinstance(settings, Settings) else list(settings)
    if not bases:
        raise ValueError("settings is empty; it accepts Settings, one or several")
    for base in bases:
        if not isinstance(base, Settings):
            raise ValueError(f"settings is {base!r}; it accepts Settings, one or several")
    if grid is not None and not isinstance(grid, Mapping):
        raise ValueError(
            f"grid is {grid!r}; it accepts several values by a setting's name, as "
            "{'rate': (1e-3, 1e-2)}"
        )
    axes = {name: _values(name, values) for name, values in (grid or {}).items()}
    chosen = whole_numbers("seeds", seeds, 0)
    if not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(f"seeds is {chosen}; it accepts different whole numbers, at least 1")
    jobs = [
        _job(base, {**dict(zip(axes, values, strict=True)), "seed": seed})
        for base in bases
        for values in product(*axes.values())
        for seed in chosen
    ]
    return list({job.key: job for job in jobs}.values())


def _values(name: str, values: Iterable[Any]) -> list[Any]:
    if name == "seed":
        raise ValueError("grid names 'seed'; the seeds are handed over as seeds=(0, 1, 2)")
    if name not in Settings.rows():
        accepts = ", ".join(Settings.rows())
        raise ValueError(f"grid names {name!r}, which is not a setting; it accepts {accepts}")
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ValueError(f"grid[{name!r}] is {values!r}; it accepts several values")
    found = list(values)
    if not found:
        raise ValueError(f"grid[{name!r}] is empty; it accepts at least one value")
    return found


def _job(base: Settings, changes: Mapping[str, Any]) -> Job:
    try:
        return Job.of(base.but(**changes))
    except ValueError as fault:
        return Job({**_every(base), **_plain(changes)}, None, str(fault))


def _every(settings: Settings) -> dict[str, Any]:
    return {one.name: getattr(settings, one.name) for one in fields(settings)}


def _plain(value: Any) -> Any:
    """A value that nobody has checked, as something that JSON can hold."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    value = plain(value)
    if isinstance(value, (list, tuple)):
        return tuple(_plain(one) for one in value)
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)
