"""One record of a run: settings, seed, how it ended, and its numbers at every report.

A record is plain numbers and words, so that any executor can send it and JSON can hold it.  A
sweep gives one for each of its jobs; a line of the playground is one for each seed; a saved run
is a line whose records have a name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from dnilab.checks import refuse, shown, whole_number
from dnilab.experiments.settings import Settings
from dnilab.training import Diverged, Event, Report

DONE, DIVERGED, FAILED, REFUSED = "done", "diverged", "failed", "refused"
UNFINISHED = "unfinished"
STATUSES = (DONE, DIVERGED, FAILED, REFUSED, UNFINISHED)

TIMES = ("epoch", "seconds")
Curve = tuple[float | None, ...]
"""A number a report; None where it was not finite."""


@dataclass(frozen=True)
class Job:
    """One run that is asked for.

    ``asked``: every setting by name, the seed included, as plain numbers, words and tuples.
    ``settings``: the same, checked; None if they were refused, and then ``refused`` says why.
    """

    asked: Mapping[str, Any]
    settings: Settings | None = field(compare=False)
    refused: str = ""

    def __repr__(self) -> str:
        plain = vars(Settings())
        asked = [f"{n}={x!r}" for n, x in self.asked.items() if n == "seed" or x != plain.get(n)]
        return f"<Job {', '.join(asked)}>"

    @classmethod
    def of(cls, settings: Settings) -> Job:
        """The job that runs these settings."""
        if not isinstance(settings, Settings):
            accepts = "what sweep_plan made, Settings"
            raise ValueError(f"jobs holds {shown(settings)}; it accepts {accepts}")
        return cls(dict(vars(settings)), settings)

    @property
    def seed(self) -> int:
        """The seed of the run.  Raises ValueError for a refused job that was asked without one."""
        return whole_number("seed", self.asked.get("seed"), 0)

    @cached_property
    def key(self) -> str:
        """What tells this job from others: all settings and the seed, as canonical JSON."""
        return json.dumps(self.asked, sort_keys=True, separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True)
class Record:
    """One run, as far as it is.

    ``status``: "unfinished"; "done"; "diverged", the weights grew without bound; "failed", an
    exception came out, or the cluster gave up; "refused", the settings are not accepted.
    ``message`` says it in words, and is empty for a run that is done or goes on.

    ``curves``: by name, a number a report: "epoch", "seconds" spent on training, "loss",
    "test_loss", the report's scores ("bit_accuracy" and "whole_sums", or "class_error"), "right",
    the share of unseen bits or rows that are right, and, if they were asked for, "cosine 1" and so
    on, of synthetic and true gradients below each module but the last.

    ``seconds``: from the start of the run to its end, on a clock of its worker.  ``worker``: the
    process, and the thread or the cluster's address where there is one.  ``weights``: a digest of
    the trained weights: equal digests are weights that are equal to the last bit.  Empty if the
    run was not done.  ``name``: what it was saved under, or "".
    """

    job: Job
    status: str = UNFINISHED
    message: str = ""
    curves: Mapping[str, Curve] = field(default_factory=dict)
    seconds: float = 0.0
    worker: str = ""
    weights: str = ""
    name: str = ""

    def __repr__(self) -> str:
        right = f", right {100 * self.scores['right']:.1f} %" if "right" in self.scores else ""
        said = f": {self.message}" if self.message else ""
        return f"<Record of {self.job!r}, {self.status}{right}{said}>"

    @property
    def settings(self) -> Settings | None:
        """The settings, seed included; None if they were refused."""
        return self.job.settings

    @property
    def asked(self) -> Mapping[str, Any]:
        """Every setting by name, also of a run that was refused."""
        return self.job.asked

    @property
    def seed(self) -> int:
        """The seed of the run.  Raises ValueError for a refused run that was asked without one."""
        return self.job.seed

    @property
    def final(self) -> bool:
        """Whether running it again would give the same; a failed run may go well next time."""
        return self.status not in (FAILED, UNFINISHED)

    @property
    def reports(self) -> int:
        """How many reports there were, and one more where it diverged."""
        return len(self.curves.get("epoch", ()))

    @property
    def curve(self) -> tuple[float, ...]:
        """ "right" at every report, from before the first batch, as far as it is finite."""
        return tuple(x for x in self.curves.get("right", ()) if x is not None)

    @property
    def scores(self) -> dict[str, float]:
        """The last finite numbers: "loss", "test_loss", the report's scores and "right"."""
        judged = [n for n in self.curves if n not in TIMES and not n.startswith("cosine")]
        finite = {name: [x for x in self.curves[name] if x is not None] for name in judged}
        return {name: numbers[-1] for name, numbers in finite.items() if numbers}

    def score(self, what: str) -> float:
        """One of ``scores``, or "seconds"; NaN if the run did not come to its end.

        Raises ValueError for a score that the task does not have.
        """
        if self.status != DONE:
            return math.nan
        found = {"seconds": self.seconds, **self.scores}
        if what not in found:
            refuse("what", what, f"one of {', '.join(found)}")
        return found[what]

    @property
    def same(self) -> tuple[Any, ...]:
        """What is equal wherever and whenever the job is run, for comparisons."""
        curves = {name: curve for name, curve in self.curves.items() if name != "seconds"}
        return self.job, self.status, self.message, curves, self.weights

    def after(self, event: Event | None) -> Record:
        """The record with one event more; None: the run has come to its end."""
        if event is None:
            return replace(self, status=DONE)
        if isinstance(event, Diverged):
            status, numbers = DIVERGED, {"epoch": event.epoch, "seconds": self.seconds}
            message, seconds = event.message, self.seconds
        else:
            status, numbers = UNFINISHED, _numbers(event)
            message, seconds = "", event.seconds
        curves = dict(self.curves)
        for name, number in numbers.items():
            curves[name] = (*curves.get(name, ()), finite(number))
        return replace(self, status=status, message=message, curves=curves, seconds=seconds)


def _numbers(report: Report) -> dict[str, float]:
    scores = report.scores
    right = scores["bit_accuracy"] if "bit_accuracy" in scores else 1 - scores["class_error"]
    found = {"epoch": report.epoch, "seconds": report.seconds, "loss": report.loss}
    found |= {"test_loss": report.test_loss, **scores, "right": right}
    return found | {f"cosine {k}": x for k, x in enumerate(report.cosine or (), start=1)}


def finite(number: float | None) -> float | None:
    """A number as a plain float; None if it is not finite, as JSON has no word for that."""
    return float(number) if number is not None and math.isfinite(number) else None


def differing(every: Iterable[Job | Record]) -> list[str]:
    """The settings in which runs differ, in the order of Settings; never the seed."""
    found: dict[str, set[str]] = {}
    for one in every:
        for name, value in one.asked.items():
            found.setdefault(name, set()).add(repr(value))
    apart = ("seed", "probe_rows")
    return [name for name, values in found.items() if len(values) > 1 and name not in apart]


def setting_words(value: Any) -> str:
    """A setting as a table says it.

    >>> setting_words(("h", "y")), setting_words(True), setting_words(()), setting_words(None)
    ('h, y', 'yes', 'none', 'default')
    """
    if value is None:
        return "default"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
