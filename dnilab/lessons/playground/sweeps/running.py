"""Run a job, or a whole sweep of them on an executor: rows come as they finish."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from contextlib import ExitStack
from dataclasses import replace
from queue import Empty, SimpleQueue
from time import perf_counter
from typing import Any, cast

from dnilab.checks import instance_of, refuse, true_or_false
from dnilab.experiments.compare import Run, run
from dnilab.experiments.settings import Settings
from dnilab.lessons.playground.experiments.records import DONE, FAILED, REFUSED, Job, Record
from dnilab.lessons.playground.sweeps.executors import (
    InProcess,
    OnDask,
    on_dask,
    process_pool,
    workers_here,
)
from dnilab.lessons.playground.sweeps.file import PathLike, check_file, writing
from dnilab.training.one_thread import one_blas_thread

Runner = Callable[[Settings], Run]
BEAT = 0.05  # seconds after which a sweep with a beat gives a sign, while no row comes
LOOK = 1.0  # seconds after which a sweep looks for Ctrl-C and lost futures, while no row comes


class SweepInterrupted(RuntimeError):
    """The executor broke, and some jobs have no row.

    ``rows``: those that there are, all of them handed out before.  ``missing``: the jobs without
    one; ``sweep(fault.missing)`` runs them.
    """

    def __init__(
        self, message: str, rows: Sequence[Record] = (), missing: Sequence[Job] = ()
    ) -> None:
        super().__init__(message)
        self.rows, self.missing = list(rows), list(missing)


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
    settings = job.settings
    if settings.executor is None and settings.executor_name() == "threads":
        settings = settings.but(executor="one thread")
    try:
        with one_blas_thread():
            ended = runner(settings)
        for event in (*ended.reports, ended.diverged):
            record = record.after(event)
        if record.status == DONE:
            digest = hashlib.sha256(b"".join(theta.tobytes() for theta in ended.stack.thetas))
            record = replace(record, weights=digest.hexdigest()[:16])
    except (Exception, SystemExit) as fault:
        record = Record(job, FAILED, f"{type(fault).__name__}: {fault}")
    return replace(record, seconds=perf_counter() - begun, worker=_here())


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


def sweep(
    jobs: Iterable[Job | Settings],
    executor: Executor | Any = None,
    *,
    file: PathLike | None = None,
    progress: bool = True,
    runner: Runner = run,
) -> Iterator[Record]:
    """Run jobs, as :func:`sweep_plan` makes them, and yield a :class:`Record` for each: a row.

    Rows come as they finish.  A job that fails or diverges is a row that says so, and the others
    go on.  Equal settings and seed give equal numbers on every executor, to the last bit, on
    machines of one kind (another processor may add in another order); but not the Blue Box as it
    was published, which races.

    ``executor``: a ``concurrent.futures.Executor``, or anything with a ``submit`` that returns
    their futures, as Dask's ``client.get_executor()``; a Dask client is asked for its own.  It is
    left open.  None: processes, as many as there are cores for them, ended at the end.

    ``file``: where rows are kept, a line each, as they are handed out.  If it is there already,
    what is in it comes first and is not run again, but for what failed.

    ``progress``: show a progress bar, of tqdm, in a notebook as in a terminal.  ``runner``: the
    experiment; it gets Settings and returns what :func:`dnilab.experiments.run` returns.

    Closing the iterator ends the sweep, and cancels what has not begun.  Processes of its own are
    ended; an executor that was handed in finishes what it is at, whose rows are lost.

    Raises ValueError at once, naming the argument; and at the end ``SweepInterrupted`` if the
    executor broke, as when one of its processes was killed: rows that were finished are kept.
    A Dask cluster runs the jobs of a worker that was killed on another one.
    """
    instance_of("jobs", jobs, Iterable, "what sweep_plan made, in a list")
    every = [job if isinstance(job, Job) else Job.of(job) for job in jobs]
    if executor is not None and not hasattr(executor, "submit"):
        accepts = "a concurrent.futures.Executor, such as ThreadPoolExecutor(2) or a Dask client's "
        refuse("executor", executor, accepts + "get_executor(), or None")
    if file is not None:
        check_file(file)
    progress = true_or_false("progress", progress)
    rows = _rows(every, on_dask(executor), file, progress, runner)
    return cast(Iterator[Record], rows)  # without a beat there is nothing else


def beating(
    jobs: Iterable[Job], executor: Executor, *, runner: Runner = run
) -> Generator[Record | None]:
    """The rows of a sweep, and None now and then while none comes.

    So that who takes the rows can close it at any time, and look after something else meanwhile.
    """
    return _rows(jobs, executor, None, False, runner, BEAT)


def _rows(
    jobs: Iterable[Job],
    executor: Executor | None,
    file: PathLike | None,
    progress: bool,
    runner: Runner,
    beat: float | None = None,
) -> Generator[Record | None]:
    plan = {job.key: job for job in jobs}
    with ExitStack() as ending:
        before: dict[str, Record] = {}
        keep: Callable[[Record], None] = _forget
        if file is not None:
            before, keep = ending.enter_context(writing(file))
        bar = ending.enter_context(_bar(len(plan), progress))
        rows: list[Record] = []

        def hand_out(row: Record, *, new: bool = True) -> Record:
            if new:
                keep(row)
            rows.append(row)
            if failed := sum(row.status == FAILED for row in rows):
                bar.set_postfix_str(f"{failed} failed", refresh=False)
            bar.update()
            return row

        to_run = []
        for key, job in plan.items():
            # (What was refused may be accepted by a newer version.)
            if key in before and before[key].final and before[key].settings == job.settings:
                yield hand_out(before[key], new=False)
            elif job.settings is None:
                yield hand_out(run_job(job))
            else:
                to_run.append(job)
        if not to_run:
            return
        if executor is None:
            executor = ending.enter_context(process_pool(min(workers_here(), len(to_run))))
        futures: dict[Future[Record], Job] = {}
        missing: list[Job] = []
        why: BaseException | None = None
        try:
            for job in to_run:
                try:
                    futures[executor.submit(run_job, job, runner)] = job
                except BrokenExecutor as fault:
                    missing.append(job)
                    why = fault
            for future in _as_they_end(set(futures), executor, beat):
                if future is None:
                    yield None
                    continue
                job = futures.pop(future)
                there = future.done() and not future.cancelled()
                gone = future.exception() if there else CancelledError()
                if isinstance(gone, BrokenExecutor | CancelledError):
                    missing.append(job)
                    why = gone
                elif gone is not None:  # not out of the job, whose exceptions run_job catches
                    yield hand_out(Record(job, FAILED, f"{type(gone).__name__}: {gone}"))
                else:
                    yield hand_out(future.result())
        finally:
            for future in futures:
                # Nobody takes its row any more, but it need not be run again.
                if _has_row(future):
                    keep(future.result())
                future.cancel()
        if missing:
            bar.close()
            raise SweepInterrupted(_in_words(why, rows, missing, file), rows, missing) from why


def _forget(row: Record) -> None:
    """What is done with a row where there is no file for it."""


def _as_they_end(
    futures: set[Future[Record]], executor: Executor, beat: float | None
) -> Iterator[Future[Record] | None]:
    """Each future when it has ended, a beat while none does, and at last those that Dask has lost.

    Not ``as_completed``, which waits for ever: Python looks for Ctrl-C and then begins to wait, and
    one that comes in between is heard when the wait is over.  So no wait is longer than ``LOOK``.
    """
    dask = executor if isinstance(executor, OnDask) else None
    wait = LOOK if beat is None else beat
    ended: SimpleQueue[Future[Record]] = SimpleQueue()
    for future in futures:
        future.add_done_callback(ended.put)
    while futures:
        if isinstance(executor, InProcess):
            executor.work()
            wait = 0  # nobody else works meanwhile
        try:
            future = ended.get(timeout=wait)
        except Empty:
            lost = set() if dask is None else {future for future in futures if dask.lost(future)}
            futures -= lost
            yield from lost
            if beat is not None:
                yield None
        else:
            if future in futures:  # not given up as lost
                futures.remove(future)
                yield future


def _has_row(future: Future[Record]) -> bool:
    """Whether a row is there that would not be run again: some fail because they were stopped."""
    there = future.done() and not future.cancelled() and future.exception() is None
    return there and future.result().final


def _in_words(
    why: BaseException | None, rows: Sequence[Record], missing: Sequence[Job], file: PathLike | None
) -> str:
    happened, hint = "Runs were cancelled, or the cluster that had them is gone", ""
    if isinstance(why, BrokenExecutor):
        happened = "A worker was killed, or could not begin, and its pool is broken"
        if not rows:
            hint = " If no worker ever began: a script must call this under "
            hint += 'if __name__ == "__main__":.'
    kept = f"{len(rows)} of {len(rows) + len(missing)} rows are there, {len(missing)} are missing"
    again = "sweep(fault.missing) runs the rest; fault.rows has the others"
    if file is not None:
        again = f"the same call with file={str(file)!r} runs the rest"
    return f"{happened}. {kept}: {again}.{hint}"


def _bar(total: int, shown: bool) -> Any:
    """A progress bar of tqdm."""
    if shown:
        from tqdm.auto import tqdm
    else:
        from tqdm import tqdm
    # Without the thread that redraws bars which stand still: it would outlive the sweep.
    kind: Any = type("Bar", (tqdm,), {"monitor_interval": 0})
    return kind(total=total, desc="Sweep", unit="run", disable=not shown)
