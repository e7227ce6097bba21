"""Run one job of a sweep, wherever the executor has put it."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter

from dnilab.experiments.compare import Run, run
from dnilab.experiments.settings import Settings
from dnilab.lessons.playground.experiments.records import DONE, FAILED, REFUSED, Job, Record
from dnilab.training.one_thread import one_blas_thread

Runner = Callable[[Settings], Run]


def run_job(job: Job, runner: Runner = run) -> Record:
    """Run one job, here and now.  Whatever happens in it is a record that says so.

    BLAS works with one thread, so that the sums are the same everywhere, and the workers of an
    ordering take turns on one, unless the settings ask for threads: that changes no number, and
    the runs of a sweep do not fight over the cores.
    """
    if job.settings is None:
        return Record(job, REFUSED, job.refused)
    begun = perf_counter()
    record = Record(job)
    try:
        with one_blas_thread():
            ended = runner(_on_one_core(job.settings))
        for event in (*ended.reports, ended.diverged):
            record = record.after(event)
        if record.status == DONE:
            digest = hashlib.sha256(b"".join(theta.tobytes() for theta in ended.stack.thetas))
            record = replace(record, weights=digest.hexdigest()[:16])
    except (Exception, SystemExit) as fault:
        record = Record(job, FAILED, f"{type(fault).__name__}: {fault}")
    return replace(record, seconds=perf_counter() - begun, worker=_here())


def _on_one_core(settings: Settings) -> Settings:
    if settings.executor is None and settings.executor_name() == "threads":
        return settings.but(executor="one thread")
    return settings


def _here() -> str:
    """The worker, as a reader can find it."""
    where = f"process {os.getpid()}"
    # Loaded already if this is a Dask worker; it must not be loaded otherwise.
    distributed = sys.modules.get("distributed")
    if distributed is not None:
        try:
            return f"{where}, {distributed.get_worker().address}"
        except ValueError:
            pass
    thread = threading.current_thread()
    return where if thread is threading.main_thread() else f"{where}, {thread.name}"
