"""Run settings, one or many, over one seed or several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dnilab.data import Dataset
from dnilab.experiments.settings import Settings
from dnilab.network import Stack
from dnilab.training import Diverged, Event, Report, train


@dataclass(frozen=True, eq=False)
class Run:
    """What one experiment gave: its reports in order, and how it broke if it did."""

    settings: Settings
    reports: tuple[Report, ...]
    diverged: Diverged | None
    stack: Stack

    def curve(self, what: str) -> np.ndarray:
        """One number of every report, (reports,).

        ``what`` is a field of the report ("loss", "test_loss", "seconds", "epoch") or the name
        of a score ("bit_accuracy", "whole_sums", "class_error").
        """
        first = self.reports[0]
        if what in first.scores:
            return np.array([report.scores[what] for report in self.reports])
        if what in ("loss", "test_loss", "seconds", "epoch", "batch"):
            return np.array([getattr(report, what) for report in self.reports], dtype=float)
        accepted = ("loss", "test_loss", "seconds", "epoch", "batch", *first.scores)
        raise ValueError(f"what is {what!r}; it accepts one of {', '.join(accepted)}")

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
        """The last number of ``curve(what)``."""
        return float(self.curve(what)[-1])


def stream(
    settings: Settings, report_every: int | None = None, data: Dataset | None = None
) -> Iterator[Event]:
    """The events of one experiment, one at a time: for a live panel.

    ``data``: the rows to learn from, if they are not those that the settings draw.
    """
    data = _rows(settings, data)
    return events_of(settings, data, settings.stack(data), report_every)


def _rows(settings: Settings, data: Dataset | None) -> Dataset:
    """The rows that were handed over, in the settings' precision, or those that they draw."""
    return settings.data() if data is None else data.astype(settings.dtype)


def events_of(
    settings: Settings, data: Dataset, stack: Stack, report_every: int | None = None
) -> Iterator[Event]:
    """The events of one experiment on a network that the caller made and may look at."""
    optimiser, generator_optimiser = settings.optimisers()
    return train(
        stack,
        data,
        settings.program(data),
        optimiser=optimiser,
        generator_optimiser=generator_optimiser,
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        seed=settings.seed,
        report_every=report_every,
        probe_rows=settings.probe_rows,
        executor=settings.executor_name(),
    )


def run(settings: Settings, report_every: int | None = None, data: Dataset | None = None) -> Run:
    """Run one experiment to its end.  ``report_every`` is in batches; None: once an epoch.

    ``data``: the rows to learn from, if they are not those that the settings draw.
    """
    data = _rows(settings, data)
    stack = settings.stack(data)
    reports: list[Report] = []
    diverged = None
    for event in events_of(settings, data, stack, report_every):
        if isinstance(event, Report):
            reports.append(event)
        else:
            diverged = event
    return Run(settings, tuple(reports), diverged, stack)


def compare(
    settings: Iterable[Settings], seeds: Sequence[int] = (0, 1, 2), report_every: int | None = None
) -> list[list[Run]]:
    """Run each of the settings with each seed: one list of runs for each of the settings."""
    return [[run(s.but(seed=seed), report_every) for seed in seeds] for s in settings]


def summary(runs: Sequence[Run], what: str) -> tuple[float, float]:
    """Mean and standard deviation (over n - 1; 0 for one run) of the final numbers of runs."""
    finals = np.array([run.final(what) for run in runs])
    return float(finals.mean()), float(finals.std(ddof=1)) if len(finals) > 1 else 0.0
