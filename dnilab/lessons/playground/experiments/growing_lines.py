"""Train a line-up a little at a time, and say after each bit how far it is: for a live panel."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np

from dnilab.data import Dataset
from dnilab.experiments.compare import stream
from dnilab.experiments.settings import OWN, Settings
from dnilab.lessons.playground.experiments.comparison import Entry, Lineup
from dnilab.training import Diverged, Event, Report, Span

REPORTS = 30  # of each run, about: enough for a smooth curve
MOST_BATCHES = 100  # between two reports of a run: a changed control has to wait for them
MOST_WORK = 1e8  # multiplications between two reports, for the same reason
PROBE_ROWS = 100  # on which synthetic and true gradients are compared
QUANTITIES = ("loss", "test loss", "right")


@dataclass(frozen=True)
class Line:
    """One setting with all its seeds, as far as it is.

    Shapes: ``epoch`` and ``seconds`` (n,), the latter the mean over seeds of the time spent on
    training; each of ``values`` (seeds, n): "loss", "test loss" and "right", the share of unseen
    bits or rows that are right; ``cosine`` (seeds, n, modules - 1), None without generators.
    A seed that diverged is NaN from there on, and ``said`` holds what was said about it.
    ``spans``: the latest steps of one seed as they ran.
    """

    label: str
    settings: Settings
    look: int
    epoch: np.ndarray
    seconds: np.ndarray
    values: dict[str, np.ndarray]
    cosine: np.ndarray | None = None
    spans: tuple[Span, ...] = field(default=(), repr=False)
    said: tuple[str, ...] = ()

    @property
    def seeds(self) -> int:
        """How many seeds."""
        return int(self.values["loss"].shape[0])


@dataclass(frozen=True)
class Progress:
    """How far a line-up is: ``done``, from 0 to 1, and its lines; the main one is ``main``."""

    lineup: Lineup
    lines: tuple[Line, ...]
    done: float
    main: int

    @property
    def said(self) -> tuple[str, ...]:
        """What was said about runs that diverged."""
        return tuple(f"{line.label}: {text}" for line in self.lines for text in line.said[:1])


@lru_cache(maxsize=16)
def _drawn(settings: Settings) -> Dataset:
    return settings.data()


def rows_for(settings: Settings, own: Dataset | None) -> Dataset:
    """The data of settings: the reader's own, or those drawn, which are kept for a while."""
    if settings.task == OWN:
        if own is None:
            raise ValueError(
                f"task is {OWN!r}, but no arrays were handed over: playground(data=(X, Y))"
            )
        return own.astype(settings.dtype)
    plain = Settings(task=settings.task, dtype=settings.dtype, batch_size=1)
    if settings.task == "addition":
        plain = plain.but(
            bits=settings.bits,
            examples=settings.examples,
            test_examples=settings.test_examples,
            inputs=settings.inputs,
            seed=settings.seed,
        )
    return _drawn(plain)


def report_every(settings: Settings, data: Dataset) -> int:
    """Batches between two reports: about REPORTS of them, none long in coming."""
    per_epoch = max(1, len(data.x_train) // settings.batch_size)
    widths = (data.inputs, *settings.hidden, data.outputs)
    parameters = sum(a * b for a, b in pairwise(widths))
    work = 6 * parameters * settings.batch_size
    most = max(1, min(MOST_BATCHES, int(MOST_WORK / work)))
    return max(1, min(most, settings.epochs * per_epoch // REPORTS))


def measures(report: Report) -> dict[str, float]:
    """The numbers of :data:`QUANTITIES`."""
    scores = report.scores
    right = scores["bit_accuracy"] if "bit_accuracy" in scores else 1 - scores["class_error"]
    return {"loss": report.loss, "test loss": report.test_loss, "right": right}


class _Growing:
    """One entry of the line-up, its seeds one after the other or side by side."""

    def __init__(self, entry: Entry, seeds: int, own: Dataset | None) -> None:
        self.entry, self.own = entry, own
        self.reports: list[list[Report]] = [[] for _ in range(seeds)]
        self.diverged: list[Diverged | None] = [None] * seeds
        self.over = [False] * seeds
        self.spans: tuple[Span, ...] = ()
        self.line = self._line(range(seeds))

    def open(self, seed: int) -> Iterator[Event]:
        """The events of one seed."""
        settings = self.entry.settings.but(seed=seed)
        data = rows_for(settings, self.own)
        if settings.decoupled:
            settings = settings.but(probe_rows=min(PROBE_ROWS, len(data.x_train)))
        return stream(settings, report_every(settings, data), data)

    def take(self, seed: int, event: Event | None) -> None:
        """Note what came; None: nothing more will."""
        if isinstance(event, Report):
            self.reports[seed].append(replace(event, spans=()))
            if event.spans:
                self.spans = event.spans
        else:
            self.over[seed] = True
            self.diverged[seed] = event

    def refresh(self, *, apart: bool) -> None:
        """Make the line anew.

        ``apart``: the seeds run one after the other, and only those that are over count, but for
        the first.
        """
        seeds = range(len(self.reports))
        if apart:
            over = [s for s in seeds if self.over[s]]
            seeds = over or [0]  # type: ignore[assignment]
        self.line = self._line(seeds)

    def done(self) -> float:
        """The share that is done, from 0 to 1."""
        epochs = self.entry.settings.epochs
        parts = [
            1.0 if over else (reports[-1].epoch / epochs if reports else 0.0)
            for reports, over in zip(self.reports, self.over, strict=True)
        ]
        return sum(parts) / len(parts)

    def _line(self, seeds: range | list[int]) -> Line:
        kept = [self.reports[s] for s in seeds]
        broken = [self.diverged[s] for s in seeds]
        # A seed that diverged goes on as NaN for as long as the others run.
        going = [len(r) for r, b in zip(kept, broken, strict=True) if b is None]
        longest = max((len(r) + (b is not None) for r, b in zip(kept, broken, strict=True)))
        count = min(going) if going else longest
        epoch = np.full(count, np.nan)
        times = np.full((len(kept), count), np.nan)
        values = {name: np.full((len(kept), count), np.nan) for name in QUANTITIES}
        below = len(self.entry.settings.hidden)
        cosine = np.full((len(kept), count, below), np.nan)
        probed = False
        for row, reports in enumerate(kept):
            for place, report in enumerate(reports[:count]):
                epoch[place] = report.epoch
                times[row, place] = report.seconds
                for name, number in measures(report).items():
                    values[name][row, place] = number
                if report.cosine is not None:
                    probed = True
                    cosine[row, place] = report.cosine
        for row, fault in enumerate(broken):
            place = len(kept[row])
            if fault is not None and place < count and np.isnan(epoch[place]):
                epoch[place] = fault.epoch
                times[row, place] = kept[row][-1].seconds if place else 0.0
        return Line(
            self.entry.label,
            self.entry.settings,
            self.entry.look,
            _increasing(epoch),
            _increasing(_column_means(times)),
            values,
            cosine if probed else None,
            self.spans,
            tuple(b.message for b in broken if b is not None),
        )


def _column_means(times: np.ndarray) -> np.ndarray:
    """Mean of each column over the rows that have a number there, (n,)."""
    there = np.isfinite(times)
    return np.where(there, times, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)


def _increasing(x: np.ndarray) -> np.ndarray:
    """``x`` without steps back or on the spot, which an axis would refuse; gaps are filled."""
    risen = np.nan_to_num(x)
    risen[:1] = np.where(risen[:1] < 1e-4, 0.0, risen[:1])  # a clock that was started and read
    for place in range(1, risen.size):
        risen[place] = max(risen[place], risen[place - 1] + 1e-9)
    return risen


def one_after_another(entries: Sequence[Entry]) -> bool:
    """Whether some setting has threads of its own, so that the runs must not share the time."""
    return any(entry.settings.executor_name() != "one thread" for entry in entries)


def reports_a_round(lineup: Lineup, *, first: bool) -> int:
    """How many yields of :func:`live` it takes until every run has made one report more."""
    entries = lineup.entries()
    if one_after_another(entries):
        return 1
    every = len(entries) * lineup.seeds
    return every - (lineup.seeds - 1) if first else every


def live(lineup: Lineup, own: Dataset | None = None) -> Iterator[Progress]:
    """Train the line-up; yield after every report of every run, once the first line has begun.

    Runs on one thread take turns, report by report, so that all curves grow together; a run
    counts only its own training time, so the turns don't change the seconds.  If a setting has
    threads of its own, runs follow one another, because runs at the same time would slow each
    other down.

    Closing the iterator ends every run and joins its threads.  Raises ValueError at the first
    step if the settings do not fit their data.
    """
    entries = lineup.entries()
    growing = [_Growing(entry, lineup.seeds, own) for entry in entries]
    main = next(n for n, entry in enumerate(entries) if entry.settings == lineup.settings)
    # The first round goes line by line, so that there is soon something to see of one.
    waiting = deque((g, seed) for g in growing for seed in range(lineup.seeds))
    apart = one_after_another(entries)
    running: dict[tuple[int, int], Iterator[Event]] = {}
    try:
        while waiting:
            one, seed = waiting.popleft()
            key = (id(one), seed)
            if key not in running:
                running[key] = one.open(seed)
            event = next(running[key], None)
            one.take(seed, event)
            one.refresh(apart=apart)
            if one.over[seed]:
                running.pop(key).close()  # type: ignore[attr-defined]
            elif apart:
                waiting.appendleft((one, seed))
            else:
                waiting.append((one, seed))
            if not growing[0].line.epoch.size:
                continue  # there is nothing to see yet
            done = sum(g.done() for g in growing) / len(growing)
            yield Progress(lineup, tuple(g.line for g in growing), done, main)
    finally:
        for events in running.values():
            events.close()  # type: ignore[attr-defined]
