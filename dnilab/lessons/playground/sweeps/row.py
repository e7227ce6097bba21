"""What one run of a sweep gave, and the function that runs it wherever the executor has put it."""

from __future__ import annotations

import hashlib
import math
import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from dnilab.experiments.compare import Run, run
from dnilab.experiments.settings import Settings
from dnilab.lessons.playground.experiments.growing_lines import measures
from dnilab.lessons.playground.sweeps.plan import Job
from dnilab.training import Report
from dnilab.training.one_thread import one_blas_thread

DONE, DIVERGED, FAILED, REFUSED = "done", "diverged", "failed", "refused"
STATUSES = (DONE, DIVERGED, FAILED, REFUSED)
Runner = Callable[[Settings], Run]


@dataclass(frozen=True)
class Row:
    """One run of a sweep, as plain numbers and words.

    ``status``: "done"; "diverged", the weights grew without bound; "failed", an exception came
    out, or the cluster gave up; "refused", the settings are not accepted.  ``message`` says it in
    words, and is empty for "done".

    ``scores``: of the last report: "loss", "test_loss", the report's scores ("bit_accuracy" and
    "whole_sums", or "class_error"), and "right", the share of unseen bits or rows that are right.
    Numbers that are not finite are left out.  ``curve``: "right" at every report, once an epoch,
    from before the first.

    ``seconds``: from the start of the run to its end, on a clock of its worker.  ``worker``: the
    process, and the thread or the cluster's address where there is one.  ``weights``: a digest of
    the trained weights: equal digests are weights that are equal to the last bit.  Empty if the
    run was not done.
    """

    job: Job
    status: str
    message: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    curve: tuple[float, ...] = ()
    seconds: float = 0.0
    worker: str = ""
    weights: str = ""

    def __repr__(self) -> str:
        right = f", right {100 * self.scores['right']:.1f} %" if "right" in self.scores else ""
        said = f": {self.message}" if self.message else ""
        return f"<Row of {self.job!r}, {self.status}{right}{said}>"

    @property
    def settings(self) -> Settings | None:
        """The settings, seed included; None if they were refused."""
        return self.job.settings

    @property
    def asked(self) -> Mapping[str, Any]:
        """Every setting by name, also of a row that was refused."""
        return self.job.asked

    @property
    def seed(self) -> int:
        """The seed of the run.  Raises ValueError for a refused row that was asked without one."""
        return self.job.seed

    @property
    def final(self) -> bool:
        """Whether running it again would give the same; a failed run may go well next time."""
        return self.status != FAILED

    def score(self, what: str) -> float:
        """One of ``scores``, or "seconds"; NaN if the run did not come to its end.

        Raises ValueError for a score that the task does not have.
        """
        if what == "seconds":
            return self.seconds if self.status == DONE else math.nan
        if self.status != DONE:
            return math.nan
        if what not in self.scores:
            raise ValueError(
                f"what is {what!r}; it accepts one of seconds, {', '.join(self.scores)}"
            )
        return self.scores[what]

    @property
    def same(self) -> tuple[Any, ...]:
        """What is equal wherever and whenever the job is run, for comparisons."""
        return self.job, self.status, self.message, self.scores, self.curve, self.weights


def run_job(job: Job, runner: Runner = run) -> Row:
    """Run one job, here and now.  Whatever happens in it is a row that says so.

    BLAS works with one thread, so that the sums are the same everywhere, and the workers of an
    ordering take turns on one, unless the settings ask for threads: that changes no number, and
    the runs of a sweep do not fight over the cores.
    """
    if job.settings is None:
        return Row(job, REFUSED, job.refused)
    begun = perf_counter()
    try:
        with one_blas_thread():
            found = _measured(job, runner(_on_one_core(job.settings)))
    except (Exception, SystemExit) as fault:
        found = {"status": FAILED, "message": f"{type(fault).__name__}: {fault}"}
    return Row(job, **found, seconds=perf_counter() - begun, worker=_here())


def _on_one_core(settings: Settings) -> Settings:
    if settings.executor is None and settings.executor_name() == "threads":
        return settings.but(executor="one thread")
    return settings


def _measured(job: Job, ended: Run) -> dict[str, Any]:
    every = [_numbers(report) for report in ended.reports]
    diverged = ended.diverged
    digest = hashlib.sha256(b"".join(theta.tobytes() for theta in ended.stack.thetas))
    return {
        "status": DIVERGED if diverged else DONE,
        "message": diverged.message if diverged else "",
        "scores": {n: x for n, x in every[-1].items() if math.isfinite(x)} if every else {},
        "curve": tuple(x for x in (numbers["right"] for numbers in every) if math.isfinite(x)),
        "weights": "" if diverged else digest.hexdigest()[:16],
    }


def _numbers(report: Report) -> dict[str, float]:
    named = {"loss": report.loss, "test_loss": report.test_loss, **report.scores}
    named["right"] = measures(report)["right"]
    return {name: float(number) for name, number in named.items()}


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
