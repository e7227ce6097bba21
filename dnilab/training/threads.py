"""The executor that gives every worker a thread of its own, for the whole run.

Workers talk through their mailboxes alone, and whoever owns a module is the only one to touch it;
so the operating system may run them in any way it likes and the numbers stay the same.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Generator, Mapping, Sequence
from functools import partial
from queue import SimpleQueue
from typing import NamedTuple

import numpy as np

from dnilab.network import Module, Stack
from dnilab.orderings import Program
from dnilab.training.events import Snapshot, Span
from dnilab.training.failures import WorkerFailed, first_of, turn_of
from dnilab.training.mailbox import Ended, Mailbox
from dnilab.training.one_thread import one_blas_thread
from dnilab.training.worker import ParametersExploded, Worker

REPORTS_AHEAD = 2  # how many reports a run may be ahead of whoever reads them: bounds the memory


class _Part(NamedTuple):
    """What a worker hands in at a stop: its part of the snapshot."""

    stop: int
    modules: dict[int, Module]
    spans: list[Span]
    seconds: float


class _End(NamedTuple):
    """The last that a worker says; ``fault``: what it raised, unless its run is over."""

    worker: Worker
    fault: BaseException | None


class _Thread:
    """One worker on its thread: what it hears, what it reports, and when it stops."""

    def __init__(
        self, worker: Worker, stops: Sequence[int], reports: SimpleQueue[_Part | _End]
    ) -> None:
        self.worker, self.stops, self.reports = worker, stops, reports
        self.mailbox = Mailbox(worker)
        self.unread = threading.Semaphore(REPORTS_AHEAD)
        name = f"dnilab worker {worker.index + 1}"
        self.thread = threading.Thread(target=self.run, name=name, daemon=True)

    def run(self) -> None:
        """The thread's life: advance, report, and never die silently."""
        worker, fault = self.worker, None
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                for stop in self.stops:
                    worker.advance(stop)
                    copies = {k: module.copy() for k, module in worker.modules.items()}
                    spans, seconds = worker.take_spans(), worker.nanoseconds / 1e9
                    self.reports.put(_Part(stop, copies, spans, seconds))
                    self.unread.acquire()
                    if self.mailbox.over:
                        break
        except Ended:
            pass
        except BaseException as raised:
            fault = raised
        self.reports.put(_End(worker, fault))

    def end_after(self, turn: int) -> None:
        """Let the worker come to the end of this turn, and then no further: see ``Mailbox``."""
        self.mailbox.end_after(turn)
        self.unread.release()


class _Team:
    """All threads of a run, and what they have reported so far."""

    def __init__(self, workers: Sequence[Worker], per_turn: int, stops: Sequence[int]) -> None:
        self.per_turn = per_turn
        self.reports: SimpleQueue[_Part | _End] = SimpleQueue()
        self.threads = [_Thread(worker, stops, self.reports) for worker in workers]
        boxes = [one.mailbox for one in self.threads]
        for me, box in enumerate(boxes):
            box.posts = {user: partial(other.receive, me) for user, other in enumerate(boxes)}
        self.parts: defaultdict[int, list[_Part]] = defaultdict(list)
        self.exploded: list[ParametersExploded] = []
        self.ended = 0

    def collect(self, stop: int) -> list[_Part]:
        """What each worker hands in at turn ``stop``.

        Raises WorkerFailed, or ParametersExploded if that was before the stop.
        """
        while len(self.parts[stop]) < len(self.threads):
            if self.exploded and turn_of(first_of(self.exploded), self.per_turn) <= stop:
                raise self._first_explosion()
            self._listen()
        return self.parts.pop(stop)

    def _first_explosion(self) -> ParametersExploded:
        """The one to be told, once those that are behind have come to the same turn."""
        while self.ended < len(self.threads):
            self.end_after(turn_of(first_of(self.exploded), self.per_turn))
            self._listen()
        return first_of(self.exploded)

    def _listen(self) -> None:
        """Take one report."""
        report = self.reports.get()
        if isinstance(report, _Part):
            self.parts[report.stop].append(report)
            return
        self.ended += 1
        if isinstance(report.fault, ParametersExploded):
            self.exploded.append(report.fault)
        elif report.fault is not None:
            raise WorkerFailed.at(report.worker.index, report.worker.doing, report.fault)

    def end_after(self, turn: int) -> None:
        for one in self.threads:
            one.end_after(turn)

    def join(self) -> None:
        """Wait until all threads have ended."""
        for thread in (one.thread for one in self.threads):
            started = thread.ident is not None
            # A run that was dropped inside a reference cycle is closed by the garbage collector,
            # on any thread: also on one of its own, which then ends by itself.
            if started and thread is not threading.current_thread():
                thread.join()


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
    team = _Team(workers, program.batches_per_turn, stops)
    with one_blas_thread():
        try:
            for one in team.threads:
                one.thread.start()
            for stop in stops:
                parts = team.collect(stop)
                copies = {k: module for part in parts for k, module in part.modules.items()}
                # a module that no step is about is as it was
                modules = [copies.get(k, m) for k, m in enumerate(stack.modules, start=1)]
                yield Snapshot(
                    stop,
                    Stack(modules, stack.loss, stack.heard),
                    tuple(span for part in parts for span in part.spans),
                    max(part.seconds for part in parts),
                )
                for one in team.threads:
                    one.unread.release()
        finally:
            team.end_after(0)
            team.join()
