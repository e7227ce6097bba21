"""Train a line-up a little at a time, and say after each bit how far it is: for a live panel."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np

from dnilab.data import Dataset
from dnilab.experiments.compare import stream
from dnilab.experiments.settings import OWN, Settings
from dnilab.lessons.playground.experiments.comparison import Entry, Lineup
from dnilab.lessons.playground.experiments.records import DIVERGED, UNFINISHED, Job, Record
from dnilab.lessons.playground.experiments.told import Told, watched
from dnilab.training import Event, Report, Span

REPORTS = 30  # of each run, about: enough for a smooth curve
MOST_BATCHES = 100  # between two reports of a run: a changed control has to wait for them
MOST_WORK = 1e8  # multiplications between two reports, for the same reason
PROBE_ROWS = 100  # on which synthetic and true gradients are compared
QUANTITIES = ("loss", "test loss", "right")


@dataclass(frozen=True, eq=False)
class Line:
    """One setting with all its seeds, as far as it is: a record a seed, and a look in pictures.

    Shapes: ``epoch`` and ``seconds`` (n,), the latter the mean over seeds of the time spent on
    training; each of ``values`` (seeds, n): "loss", "test loss" and "right", the share of unseen
    bits or rows that are right; ``cosine`` (seeds, n, modules - 1), None without generators.
    A seed that diverged is NaN from there on, and ``said`` holds what was said about it.
    ``spans``: the latest steps of one seed as they ran.  ``told``: what the modules of the first
    seed were told at its last report; None where nobody looked.
    """

    label: str
    look: int
    records: tuple[Record, ...]
    spans: tuple[Span, ...] = field(default=(), repr=False)
    told: Told | None = field(default=None, repr=False)

    @property
    def settings(self) -> Settings:
        """The settings, with the seed of the first."""
        settings = self.records[0].settings
        assert settings is not None
        return settings

    @property
    def seeds(self) -> int:
        """How many seeds."""
        return len(self.records)

    @property
    def said(self) -> tuple[str, ...]:
        """What was said about each seed that diverged."""
        return tuple(record.message for record in self.records if record.status == DIVERGED)

    @cached_property
    def epoch(self) -> np.ndarray:
        """The epoch of each report, (n,)."""
        # Where a seed diverged between two reports, the others say where the second one was.
        return _increasing(np.nanmax(self._curves("epoch"), axis=0))

    @cached_property
    def seconds(self) -> np.ndarray:
        """Seconds of training at each report, mean over the seeds, (n,)."""
        return _increasing(np.nanmean(self._curves("seconds"), axis=0))

    @cached_property
    def values(self) -> dict[str, np.ndarray]:
        """Each of :data:`QUANTITIES` by seed and report, (seeds, n)."""
        return {name: self._curves(name.replace(" ", "_")) for name in QUANTITIES}

    @cached_property
    def cosine(self) -> np.ndarray | None:
        """By seed, report and module below the top, (seeds, n, modules - 1), or None."""
        names = [f"cosine {k}" for k in range(1, self.settings.modules)]
        if not any(name in record.curves for name in names for record in self.records):
            return None
        return np.stack([self._curves(name) for name in names], axis=-1)

    def _curves(self, name: str) -> np.ndarray:
        """One curve of every seed, as far as all are that have not diverged, (seeds, n)."""
        going = [record.reports for record in self.records if record.status != DIVERGED]
        count = min(going) if going else max(record.reports for record in self.records)
        table = np.full((len(self.records), count), np.nan)
        for row, record in zip(table, self.records, strict=True):
            curve = record.curves.get(name, ())[:count]
            row[: len(curve)] = curve  # None becomes NaN
        return table


def _increasing(x: np.ndarray) -> np.ndarray:
    """``x`` without steps back or on the spot, which an axis would refuse."""
    risen = x.copy()
    risen[:1] = np.where(risen[:1] < 1e-4, 0.0, risen[:1])  # a clock that was started and read
    for place in range(1, risen.size):
        risen[place] = max(risen[place], risen[place - 1] + 1e-9)
    return risen


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
            how = "playground(data=(X, Y))"
            raise ValueError(f"task is {OWN!r}, but no arrays were handed over: {how}")
        return own.astype(settings.dtype)
    of_data = ["task", "dtype"]
    if settings.task == "addition":
        of_data += ["bits", "examples", "test_examples", "inputs", "seed"]
    plain = Settings(batch_size=1, **{name: getattr(settings, name) for name in of_data})
    return _drawn(plain)


def report_every(settings: Settings, data: Dataset) -> int:
    """Batches between two reports: about REPORTS of them, none long in coming."""
    per_epoch = max(1, len(data.x_train) // settings.batch_size)
    widths = (data.inputs, *settings.hidden, data.outputs)
    parameters = sum(a * b for a, b in pairwise(widths))
    work = 6 * parameters * settings.batch_size
    most = max(1, min(MOST_BATCHES, int(MOST_WORK / work)))
    return max(1, min(most, settings.epochs * per_epoch // REPORTS))


class _Growing:
    """One entry of the line-up, its seeds one after the other or side by side.

    ``looked_at``: whether somebody wants to see what the modules of its first seed are told.
    """

    def __init__(
        self, entry: Entry, seeds: int, own: Dataset | None, *, looked_at: bool = False
    ) -> None:
        self.entry, self.own, self.looked_at = entry, own, looked_at
        self.told: Told | None = None
        self.records = [Record(Job.of(entry.settings.but(seed=seed))) for seed in range(seeds)]
        self.spans: tuple[Span, ...] = ()

    def open(self, seed: int) -> Iterator[Event]:
        """The events of one seed."""
        settings = self.entry.settings.but(seed=seed)
        data = rows_for(settings, self.own)
        if settings.decoupled:
            settings = settings.but(probe_rows=min(PROBE_ROWS, len(data.x_train)))
        if self.looked_at and seed == 0:
            return watched(settings, report_every(settings, data), data, self._see)
        return stream(settings, report_every(settings, data), data)

    def _see(self, told: Told) -> None:
        self.told = told

    def take(self, seed: int, event: Event | None) -> None:
        """Note what came; None: nothing more will."""
        self.records[seed] = self.records[seed].after(event)
        if isinstance(event, Report) and event.spans:
            self.spans = event.spans

    def over(self, seed: int) -> bool:
        """Whether a seed has come to its end."""
        return self.records[seed].status != UNFINISHED

    def line(self, *, apart: bool) -> Line:
        """The line as it is now.

        ``apart``: the seeds run one after the other, and only those that are over count, but for
        the first.
        """
        seeds = range(len(self.records))
        shown = [seed for seed in seeds if self.over(seed)] or [0] if apart else seeds
        records = tuple(self.records[seed] for seed in shown)
        return Line(self.entry.label, self.entry.look, records, self.spans, self.told)

    def done(self) -> float:
        """The share that is done, from 0 to 1."""
        epochs = [record.curves.get("epoch", (0.0,))[-1] or 0.0 for record in self.records]
        shares = [epoch / self.entry.settings.epochs for epoch in epochs]
        return sum(1.0 if self.over(n) else share for n, share in enumerate(shares)) / len(shares)


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
    with closing(building(lineup, own)) as steps:
        for progress in steps:
            if progress is not None:
                yield progress


def building(lineup: Lineup, own: Dataset | None = None) -> Generator[Progress | None]:
    """As :func:`live`, with a None after each network that is built before the first line begins.

    Large networks take seconds each: whoever asks may want to stop in between.
    """
    entries = lineup.entries()
    main = next(n for n, entry in enumerate(entries) if entry.settings == lineup.settings)
    growing = [
        _Growing(entry, lineup.seeds, own, looked_at=n == main) for n, entry in enumerate(entries)
    ]
    # The first round goes line by line, so that there is soon something to see of one.
    waiting = deque((one, seed) for one in growing for seed in range(lineup.seeds))
    apart = one_after_another(entries)
    running: dict[tuple[int, int], Iterator[Event]] = {}
    begun = False
    try:
        while waiting:
            one, seed = waiting.popleft()
            key = (id(one), seed)
            if key not in running:
                running[key] = one.open(seed)
            one.take(seed, next(running[key], None))
            if one.over(seed):
                running.pop(key).close()  # type: ignore[attr-defined]
            elif apart:
                waiting.appendleft((one, seed))
            else:
                waiting.append((one, seed))
            lines = tuple(one.line(apart=apart) for one in growing)
            begun = begun or lines[0].epoch.size > 0
            done = sum(one.done() for one in growing) / len(growing)
            yield Progress(lineup, lines, done, main) if begun else None
    finally:
        for events in running.values():
            events.close()  # type: ignore[attr-defined]


def ends(lineup: Lineup, own: Dataset | None = None) -> dict[str, np.ndarray]:
    """Train a line-up to its end: the share right on unseen rows by label, (seeds,).

    A seed that diverged is NaN.  Seed by seed the settings share their rows and their first
    weights, so that one may be subtracted from the other.  Raises as :func:`live`.
    """
    *_, last = live(lineup, own)
    return {line.label: line.values["right"][:, -1] for line in last.lines}
