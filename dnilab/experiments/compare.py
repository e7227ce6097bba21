"""Run settings of any kind, one or many, over one seed or several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np

from dnilab.checks import one_of
from dnilab.data import Dataset
from dnilab.network import Stack
from dnilab.training import Diverged, Event, Report

FIELDS = ("loss", "test_loss", "seconds", "epoch", "batch")


@runtime_checkable
class Experiment(Protocol):
    """Settings of one experiment, of whatever kind: equal settings and seed give equal numbers."""

    def but(self, /, **changes: Any) -> Self:
        """The same settings with some fields changed."""

    def start(
        self, report_every: int | None = None, data: Dataset | None = None
    ) -> tuple[Stack, Iterator[Event]]:
        """A new network, and the events of its training, which begins with the first of them."""


@dataclass(frozen=True, eq=False)
class Run:
    """What one experiment gave: its reports in order, and how it broke if it did."""

    settings: Any
    reports: tuple[Report, ...]
    diverged: Diverged | None
    stack: Stack

    def curve(self, what: str) -> np.ndarray:
        """One number of every report, (reports,).

        ``what`` is a field of the report ("loss", "test_loss", "seconds", "epoch", "batch") or
        the name of a score, as "bit_accuracy" or "class_error".
        """
        accepted = (*self.reports[0].scores, *FIELDS) if self.reports else FIELDS
        one_of("what", what, accepted)
        return np.array(
            [getattr(one, what) if what in FIELDS else one.scores[what] for one in self.reports],
            dtype=float,
        )

    def modules(self, what: str) -> np.ndarray:
        """ "cosine" or "generator_error" of every report and module below the top, (reports, K-1).

        Raises ValueError if the settings did not ask for it (probe_rows is 0).
        """
        if what not in ("cosine", "generator_error"):
            raise ValueError(f"what is {what!r}; it accepts 'cosine' or 'generator_error'")
        if self.reports[0].cosine is None:
            raise ValueError("probe_rows is 0 or the run has no generators; nothing was compared")
        return np.array([getattr(report, what) for report in self.reports])

    def final(self, what: str) -> float:
        """The last number of ``curve(what)``; NaN if there was no report."""
        return float(self.curve(what)[-1]) if self.reports else float("nan")


def stream(
    settings: Experiment, report_every: int | None = None, data: Dataset | None = None
) -> Iterator[Event]:
    """The events of one experiment, one at a time: for a live panel.

    ``data``: the rows to learn from, if they are not those that the settings draw.
    """
    return settings.start(report_every, data)[1]


def run(settings: Experiment, report_every: int | None = None, data: Dataset | None = None) -> Run:
    """Run one experiment to its end.  ``report_every`` is in batches; None: as the settings say.

    ``data``: the rows to learn from, if they are not those that the settings draw.
    """
    stack, events = settings.start(report_every, data)
    reports: list[Report] = []
    diverged = None
    for event in events:
        if isinstance(event, Report):
            reports.append(event)
        else:
            diverged = event
    return Run(settings, tuple(reports), diverged, stack)


def compare(
    settings: Iterable[Experiment],
    seeds: Sequence[int] = (0, 1, 2),
    report_every: int | None = None,
) -> list[list[Run]]:
    """Run each of the settings with each seed: one list of runs for each of the settings."""
    return [[run(s.but(seed=seed), report_every) for seed in seeds] for s in settings]


def summary(runs: Sequence[Run], what: str) -> tuple[float, float]:
    """Mean and standard deviation (over n - 1; 0 for one run) of the final numbers of runs."""
    if not len(runs):
        raise ValueError("runs is empty; it accepts one run or more")
    finals = np.array([run.final(what) for run in runs])
    return float(finals.mean()), float(finals.std(ddof=1)) if len(finals) > 1 else 0.0
