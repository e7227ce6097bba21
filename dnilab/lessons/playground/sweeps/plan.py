"""What is to be run: settings and a seed each, those that cannot be among them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

from dnilab.checks import instance_of, plain, refuse, several, shown, whole_numbers
from dnilab.experiments.settings import OWN, Settings
from dnilab.lessons.playground.experiments.records import Job

Grid = Mapping[str, Iterable[Any]]


def sweep_plan(
    settings: Settings | Iterable[Settings],
    grid: Grid | None = None,
    seeds: Iterable[int] = (0, 1, 2),
) -> list[Job]:
    """The jobs of a sweep: every combination of the grid's values, with every seed.

    ``settings``: one base for all, or several.  ``grid``: for a setting's name the values that
    it takes in turn, as ``{"rate": (1e-3, 1e-2), "hidden": ((64,), (64, 64))}``; without one, the
    settings are run as they are.  The last name varies fastest, and the seed faster still.

    A combination that ``Settings`` does not accept is a job all the same: its record will say why.

    Raises ValueError, naming the argument, for a name that is no setting, for seeds that are not
    several whole numbers (``seeds=[3]``, not ``seeds=3``), and if there is nothing to run.
    """
    accepts = "Settings, one or several"
    bases = [settings] if isinstance(settings, Settings) else several("settings", settings, accepts)
    if not bases:
        raise ValueError(f"settings is empty; it accepts {accepts}")
    for base in bases:
        instance_of("settings", base, Settings, accepts)
    by_name = "several values by a setting's name, as {'rate': (1e-3, 1e-2)}"
    grid = {} if grid is None else instance_of("grid", grid, Mapping, by_name)
    axes = {name: _values(name, values) for name, values in grid.items()}
    chosen = whole_numbers("seeds", seeds, 0)
    if not chosen or len(set(chosen)) < len(chosen):
        refuse("seeds", chosen, "different whole numbers, at least 1")
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
        known = ", ".join(Settings.rows())
        raise ValueError(f"grid names {shown(name)}, which is not a setting; it accepts {known}")
    found = several(f"grid[{name!r}]", values, "several values")
    if not found:
        raise ValueError(f"grid[{name!r}] is empty; it accepts at least one value")
    return found


def _job(base: Settings, changes: Mapping[str, Any]) -> Job:
    try:
        settings = base.but(**changes)
    except ValueError as fault:
        return Job({**vars(base), **_plain(changes)}, None, str(fault))
    if settings.task == OWN:
        why = (
            f"task is {OWN!r}, whose rows are not in the settings; a sweep accepts the other tasks"
        )
        return Job(dict(vars(settings)), None, why)
    return Job.of(settings)


def _plain(value: Any) -> Any:
    """A value that nobody has checked, as something that JSON can hold."""
    value = plain(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_plain(one) for one in value)
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return value if isinstance(value, str | int | float | bool | None) else repr(value)
