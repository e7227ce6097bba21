"""The executors of the published threaded code: something new is started for every fit.

They exist for the lesson (notebook 05).  A thread for every fit costs about as much as the fit,
and races with the next batch.  A process for every fit costs far more, and what it computes stays
in its own copy of the memory: the update never reaches the network that trains.
"""

from __future__ import annotations

import multiprocessing
import threading
import warnings
from collections.abc import Generator, Mapping, Sequence
from functools import partial

import numpy as np

from dnilab.network import Stack
from dnilab.orderings import Program, Step
from dnilab.orderings.steps import in_a_run
from dnilab.training.events import Snapshot
from dnilab.training.failures import WorkerFailed
from dnilab.training.one_thread import one_thread
from dnilab.training.worker import Action, Worker


class _InThread:
    """A fit under way on a thread.  ``finish()`` raises WorkerFailed if it failed."""

    def __init__(self, action: Action, name: str, t: int) -> None:
        self.name = f"{name}, batch {t}"
        self.fault: BaseException | None = None
        self.thread = threading.Thread(target=self._run, args=(action, t), daemon=True)
        self.thread.start()

    def _run(self, action: Action, t: int) -> None:
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # divergence is told in words
                action(t)
        except BaseException as fault:
            self.fault = fault

    def finish(self) -> None:
        self.thread.join()
        if self.fault is not None:
            kind = type(self.fault).__name__
            raise WorkerFailed(f"{self.name} failed: {kind}: {self.fault}") from self.fault


class _InProcess:
    """A fit under way in a process.  ``finish()`` raises WorkerFailed if it failed."""

    def __init__(self, action: Action, name: str, t: int) -> None:
        self.name = f"{name}, batch {t}"
        context = multiprocessing.get_context("fork")
        self.process = context.Process(target=action, args=(t,), daemon=True)
        with warnings.catch_warnings():
            # Python warns that a fork of a process with threads may deadlock.  The child does a
            # few NumPy products on one BLAS thread and exits; the lesson is what it costs.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.process.start()

    def finish(self) -> None:
        self.process.join()
        if self.process.exitcode != 0:
            raise WorkerFailed(f"{self.name} failed with exit code {self.process.exitcode}")
        self.process.close()


_Kind = type[_InThread] | type[_InProcess]


class _Launcher:
    """Starts fits, at most one at a time for each module, and waits for the last ones."""

    def __init__(self, worker: Worker, program: Program, kind: _Kind) -> None:
        self.worker, self.program, self.kind = worker, program, kind
        self.under_way: dict[int, _InThread | _InProcess] = {}

    def stand_in(self, action: Action, op: str, k: int) -> Action:
        """What the worker does instead of the step: start it elsewhere, and go on."""
        store = self.worker.store

        def act(t: int) -> None:
            if k in self.under_way:
                self.under_way.pop(k).finish()
            self.under_way[k] = self.kind(action, f"{op} of module {k}", t)
            if self.kind is _InProcess:  # the child has a copy of its own
                for kind, module, batch in in_a_run(Step(op, k, t), self.program.wires)[0]:
                    del store[kind, module, batch]

        return act

    def finish(self) -> None:
        """Wait for everything that is under way; then raise the first failure, if any."""
        failures = []
        while self.under_way:
            try:
                self.under_way.popitem()[1].finish()
            except WorkerFailed as failure:
                failures.append(failure)
        if failures:
            raise failures[0]


def _run(
    kind: _Kind,
    stack: Stack,
    workers: Sequence[Worker],
    program: Program,
    owners: Mapping[int, int],
    stops: Sequence[int],
) -> Generator[Snapshot, None, None]:
    (worker,) = workers
    launcher = _Launcher(worker, program, kind)
    worker.start_alone = launcher.stand_in
    try:
        yield from one_thread(stack, workers, program, owners, stops, launcher.finish)
    finally:
        launcher.finish()


thread_per_fit = partial(_run, _InThread)
"""A new thread for every fit, as the Blue Box says."""

process_per_fit = partial(_run, _InProcess)
"""A new process for every fit, as the published code does it; the update is lost."""
