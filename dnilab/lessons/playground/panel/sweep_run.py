"""Run a sweep so that it can be stopped at once, from another thread.

Processes are then ended; threads end at their run's next report.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait
from contextlib import closing
from functools import partial
from typing import Any

from dnilab.data import Dataset
from dnilab.experiments.compare import Run, run
from dnilab.experiments.settings import Settings
from dnilab.lessons.playground.experiments.growing_lines import report_every
from dnilab.lessons.playground.sweeps.plan import Job
from dnilab.lessons.playground.sweeps.pool import process_pool, workers_here
from dnilab.lessons.playground.sweeps.row import Row
from dnilab.lessons.playground.sweeps.running import sweep
from dnilab.training import Report

SOON = 0.05  # seconds after which a process that does not begin is known to be unwanted


class NoProcesses(RuntimeError):
    """No process could be started here, as in a container that forbids it."""


Way = Callable[[Sequence[Job], Dataset | None, threading.Event], Iterator[Row]]
"""Runs jobs, on the reader's own arrays if there are any, until stopped: then it raises."""


def in_processes(jobs: Sequence[Job], own: Dataset | None, stop: threading.Event) -> Iterator[Row]:
    """On processes, as many as there are cores for them; they are gone when this is closed.

    Raises NoProcesses if there cannot be any.
    """
    began = False
    try:
        with process_pool(min(workers_here(), len(jobs))) as pool:
            first = pool.submit(os.getpid)  # one that cannot begin is not a run that failed
            while not wait([first], SOON).done:
                _check(stop)
            first.result()
            began = True
            runner = run if own is None else partial(run, data=own)
            yield from sweep(jobs, pool, progress=False, runner=runner, stop=stop)
    except Exception as fault:
        if began or stop.is_set():
            raise
        raise NoProcesses(f"{type(fault).__name__}: {fault}") from fault


def in_threads(jobs: Sequence[Job], own: Dataset | None, stop: threading.Event) -> Iterator[Row]:
    """On threads of this process, which take turns for most of the work."""
    pool = ThreadPoolExecutor(min(workers_here(), len(jobs)), "dnilab-sweep")
    try:
        runner = partial(_until, stop, own)
        yield from sweep(jobs, pool, progress=False, runner=runner, stop=stop)
    except BaseException:
        stop.set()  # those that are under way must not be waited for to their end
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _check(stop: threading.Event) -> None:
    if stop.is_set():
        raise CancelledError("the sweep was stopped")


def _until(stop: threading.Event, own: Dataset | None, settings: Settings) -> Run:
    """What :func:`dnilab.experiments.run` returns, with more reports, so as to end at one."""
    _check(stop)
    data = settings.data() if own is None else own.astype(settings.dtype)
    reports: list[Report] = []
    diverged = None
    stack, stream = settings.start(report_every(settings, data), data)
    events: Any = stream
    with closing(events):
        for event in events:
            _check(stop)
            if isinstance(event, Report):
                reports.append(event)
            else:
                diverged = event
    return Run(settings, tuple(reports), diverged, stack)
