"""Run a sweep so that it can be stopped at once, from another thread.

Whoever waits for the rows of a sweep waits for runs that are under way.  Here the waiting ends as
soon as it is stopped: processes are then ended, threads end at their run's next report.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import Any

from dnilab.data import Dataset
from dnilab.experiments.compare import Run, events_of, run
from dnilab.experiments.live import report_every
from dnilab.experiments.settings import Settings
from dnilab.experiments.sweeps import Job, Row, process_pool, sweep, workers_here
from dnilab.training import Report


class NoProcesses(RuntimeError):
    """No process could be started here, as in a container that forbids it."""


class Stopped(Exception):
    """The run was stopped."""


class Stop:
    """Whether a sweep was stopped, and the way to do it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: set[Future[Any]] = set()
        self.asked = False

    def ask(self) -> None:
        """Stop, now."""
        with self._lock:
            self.asked = True
            waiting, self._waiting = self._waiting, set()
            for future in waiting:
                _cancel(future)

    def check(self) -> None:
        """Raise :class:`Stopped` if it was asked."""
        if self.asked:
            raise Stopped

    def follow(self, inner: Future[Any]) -> Future[Any]:
        """A future that ends as ``inner`` does, or is cancelled, though ``inner`` may go on."""
        outer: Future[Any] = Future()
        with self._lock:
            if self.asked:
                inner.cancel()
                _cancel(outer)
                return outer
            self._waiting.add(outer)
        inner.add_done_callback(partial(self._settle, outer))
        return outer

    def _settle(self, outer: Future[Any], inner: Future[Any]) -> None:
        with self._lock:
            if outer not in self._waiting:
                return  # it was stopped
            self._waiting.remove(outer)
            if inner.cancelled():
                _cancel(outer)
                return
            if not outer.set_running_or_notify_cancel():
                return  # nobody waits for it any more
        fault = inner.exception()
        if fault is not None:
            outer.set_exception(fault)
        else:
            outer.set_result(inner.result())


def _cancel(future: Future[Any]) -> None:
    future.cancel()
    future.set_running_or_notify_cancel()  # tells those that wait for it


class Stoppable(Executor):
    """An executor whose futures are cancelled when a :class:`Stop` is asked."""

    def __init__(self, executor: Executor, stop: Stop) -> None:
        self._executor, self._stop = executor, stop

    def submit(self, fn: Any, /, *args: Any, **named: Any) -> Future[Any]:
        """Submit a call to the executor behind."""
        return self._stop.follow(self._executor.submit(fn, *args, **named))


Way = Callable[[Sequence[Job], Dataset | None, Stop], Iterator[Row]]
"""Runs jobs, on the reader's own arrays if there are any, until stopped: then it raises."""


def in_processes(jobs: Sequence[Job], own: Dataset | None, stop: Stop) -> Iterator[Row]:
    """On processes, as many as there are cores for them; they are gone when this is closed.

    Raises NoProcesses if there cannot be any.
    """
    began = False
    try:
        with process_pool(min(workers_here(), len(jobs))) as pool:
            executor = Stoppable(pool, stop)
            executor.submit(os.getpid).result()  # one that cannot begin is not a run that failed
            began = True
            runner = run if own is None else partial(run, data=own)
            yield from sweep(jobs, executor, progress=False, runner=runner)
    except Exception as fault:
        if began or stop.asked:
            raise
        raise NoProcesses(f"{type(fault).__name__}: {fault}") from fault


def in_threads(jobs: Sequence[Job], own: Dataset | None, stop: Stop) -> Iterator[Row]:
    """On threads of this process, which take turns for most of the work."""
    pool = ThreadPoolExecutor(min(workers_here(), len(jobs)), "dnilab-sweep")
    try:
        runner = partial(_until, stop, own)
        yield from sweep(jobs, Stoppable(pool, stop), progress=False, runner=runner)
    except BaseException:
        stop.ask()  # those that are under way must not be waited for to their end
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _until(stop: Stop, own: Dataset | None, settings: Settings) -> Run:
    """What :func:`dnilab.experiments.run` returns, with more reports, so as to end at one."""
    stop.check()
    data = settings.data() if own is None else own.astype(settings.dtype)
    stack = settings.stack(data)
    reports: list[Report] = []
    diverged = None
    events: Any = events_of(settings, data, stack, report_every(settings, data))
    with closing(events):
        for event in events:
            stop.check()
            if isinstance(event, Report):
                reports.append(event)
            else:
                diverged = event
    return Run(settings, tuple(reports), diverged, stack)
