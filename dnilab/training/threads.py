"""The executor that gives every worker a thread of its own, for the whole run.

Workers talk through queues alone, one inbox each, and whoever owns a module is the only one to
touch it; so the operating system may run them in any way it likes and the numbers stay the same.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from dnilab.network import Module, Stack
from dnilab.orderings import Program
from dnilab.training.blas import one_blas_thread
from dnilab.training.events import Span
from dnilab.training.failures import Standing, WorkerFailed, first_of, first_of_all, turn_of
from dnilab.training.snapshot import Snapshot
from dnilab.training.state import Key
from dnilab.training.worker import ParametersExploded, Worker, users_of_values

REPORTS_AHEAD = 2  # how many reports a run may be ahead of whoever reads them: bounds the memory
TURNS_AHEAD = 16  # how many turns a worker may be ahead of one it never hears from
SOON = 0.005  # seconds between two looks at how far the others are, once parameters exploded
STOP = object()  # in an inbox: the run is over


class _Cancelled(Exception):
    """Unwinds a worker whose run was ended by somebody else."""


class _Thread:
    """One worker on its thread: its inbox, what it sends, when it stops."""

    def __init__(self, worker: Worker, stops: Sequence[int], reports: SimpleQueue[Any]) -> None:
        self.worker = worker
        self.stops = stops
        self.reports = reports
        self.inbox: SimpleQueue[Any] = SimpleQueue()
        self.cancelled = False
        self.ahead = threading.Semaphore(REPORTS_AHEAD)
        self.outgoing: list[tuple[SimpleQueue[Any], list[tuple[Key, Any]]]] = []
        self.waits_for: list[threading.Semaphore] = []  # one per follower that never answers
        self.frees: list[threading.Semaphore] = []
        worker.fetch = self.fetch
        worker.turn_ended = self.turn_ended
        self.thread = threading.Thread(
            target=self.run, name=f"dnilab worker {worker.index + 1}", daemon=True
        )

    def fetch(self, key: Key) -> bool:
        """Wait until the value is there."""
        store, get = self.worker.store, self.inbox.get
        while key not in store:
            item = get()
            if item is STOP:
                raise _Cancelled
            store.update(item)
        return True

    def turn_ended(self) -> None:
        """Send the turn's parcels, and stay within reach of those who never answer."""
        if self.cancelled:
            raise _Cancelled
        for inbox, parcel in self.outgoing:
            if parcel:
                inbox.put(tuple(parcel))
                parcel.clear()
        for semaphore in self.frees:
            semaphore.release()
        for semaphore in self.waits_for:
            semaphore.acquire()
            if self.cancelled:
                raise _Cancelled

    def run(self) -> None:
        """The thread's life: advance, report, and never die silently."""
        worker = self.worker
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                for stop in self.stops:
                    worker.advance(stop)
                    copies = {k: module.copy() for k, module in worker.modules.items()}
                    spans, seconds = worker.take_spans(), worker.nanoseconds / 1e9
                    self.reports.put((worker.index, stop, copies, spans, seconds))
                    self.ahead.acquire()
                    if self.cancelled:
                        return
        except _Cancelled:
            pass
        except BaseException as fault:
            self.reports.put((worker.index, None, fault, worker.doing, 0.0))

    def cancel(self) -> None:
        """Ask the thread to end, wherever it waits."""
        self.cancelled = True
        self.inbox.put(STOP)
        self.ahead.release()
        for semaphore in self.waits_for:
            semaphore.release()


def _connect(team: Sequence[_Thread], program: Program, owners: Mapping[int, int]) -> None:
    """Tell every worker where its values go, and bound how far it may run ahead."""
    users = users_of_values(program, owners)

    def route(maker: int, kind: str, module: int) -> Callable[[Key, Any], None] | None:
        user = users[kind, module]
        if user == maker:
            return None
        inbox = team[user].inbox
        if not program.parcels:
            put = inbox.put
            return lambda key, value: put(((key, value),))
        parcel = next((p for known, p in team[maker].outgoing if known is inbox), None)
        if parcel is None:
            parcel = []
            team[maker].outgoing.append((inbox, parcel))
        append = parcel.append
        return lambda key, value: append((key, value))

    hears_from = {(owners[module], user) for (_, module), user in users.items()}
    for maker, user in hears_from:
        if maker != user and (user, maker) not in hears_from:
            semaphore = threading.Semaphore(TURNS_AHEAD)
            team[maker].waits_for.append(semaphore)
            team[user].frees.append(semaphore)
    for member in team:
        member.worker.route = partial(route, member.worker.index)


@dataclass
class _Pending:
    """A snapshot of which some workers have handed in their part."""

    parts: int = 0
    modules: dict[int, Module] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)
    seconds: float = 0.0


class _Collector:
    """Puts the reports of the workers together."""

    def __init__(
        self, team: Sequence[_Thread], reports: SimpleQueue[Any], program: Program
    ) -> None:
        self.team, self.reports = team, reports
        self.per_turn = program.batches_per_turn
        self.pending: defaultdict[int, _Pending] = defaultdict(_Pending)
        self.exploded: dict[int, ParametersExploded] = {}  # by worker

    def collect(self, stop: int) -> _Pending:
        """All that is told of turn ``stop``.

        Raises WorkerFailed, or ParametersExploded if that was before the stop.
        """
        pending = self.pending[stop]
        while pending.parts < len(self.team):
            if self.exploded:
                first = first_of(self.exploded.values())
                if turn_of(first, self.per_turn) <= stop:
                    raise first_of_all(first, self.per_turn, self._look)
            self._take(self.reports.get())
        return self.pending.pop(stop)

    def _take(self, report: tuple[int, int, Any, Any, float]) -> None:
        index, at, what, spans, seconds = report
        if isinstance(what, ParametersExploded):
            self.exploded[index] = what
            return
        if isinstance(what, BaseException):
            raise WorkerFailed(
                f"worker {index + 1} failed at {spans}: {type(what).__name__}: {what}"
            ) from what
        pending = self.pending[at]
        pending.parts += 1
        pending.modules.update(what)
        pending.spans += spans
        pending.seconds = max(pending.seconds, seconds)

    def _look(self) -> list[Standing]:
        """How far the workers are, after the next report or a short while."""
        with suppress(Empty):
            self._take(self.reports.get(timeout=SOON))
        found = []
        for worker in (one.worker for one in self.team):
            fault = self.exploded.get(worker.index)
            what = (fault.module, fault.part, fault.batch) if fault else None
            found.append(Standing(worker.turn, worker.sound, what))
        return found


def threads(
    stack: Stack,
    workers: Sequence[Worker],
    program: Program,
    owners: Mapping[int, int],
    stops: Sequence[int],
) -> Generator[Snapshot, None, None]:
    """Run every worker on its own thread; yield a snapshot for each turn in ``stops``.

    Training goes on while a snapshot is looked at, up to ``REPORTS_AHEAD`` of them.  However the
    iterator ends (exhausted, closed, or by an exception), all threads are joined first.

    Raises WorkerFailed if a worker raised, and ParametersExploded as it is.
    """
    reports: SimpleQueue[Any] = SimpleQueue()
    team = [_Thread(worker, stops, reports) for worker in workers]
    _connect(team, program, owners)
    collector = _Collector(team, reports, program)
    with one_blas_thread():
        try:
            for member in team:
                member.thread.start()
            for stop in stops:
                part = collector.collect(stop)
                # a module that no step is about is as it was
                modules = [part.modules.get(k, m) for k, m in enumerate(stack.modules, start=1)]
                snapshot = Stack(modules, stack.loss, stack.heard)
                yield Snapshot(stop, snapshot, tuple(part.spans), part.seconds)
                for member in team:
                    member.ahead.release()
        finally:
            for member in team:
                member.cancel()
            for member in team:
                started = member.thread.ident is not None
                # A run that was dropped inside a reference cycle is closed by the garbage
                # collector, on any thread: also on one of its own, which then ends by itself.
                if started and member.thread is not threading.current_thread():
                    member.thread.join()
