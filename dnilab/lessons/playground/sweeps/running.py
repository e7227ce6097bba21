"""Run a sweep on an executor: rows come as they finish."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, as_completed
from contextlib import ExitStack
from typing import Any

from dnilab.checks import true_or_false
from dnilab.experiments.compare import run
from dnilab.experiments.settings import Settings
from dnilab.lessons.playground.sweeps.dask import OnDask, on_dask
from dnilab.lessons.playground.sweeps.file import PathLike, SweepFile, check_file
from dnilab.lessons.playground.sweeps.plan import Job
from dnilab.lessons.playground.sweeps.pool import process_pool, workers_here
from dnilab.lessons.playground.sweeps.row import FAILED, Row, Runner, run_job

LOOK = 1.0  # seconds after which Dask's futures are looked at, while none comes in
SOON = 0.05  # seconds after which a sweep notices that it was stopped


class SweepInterrupted(RuntimeError):
    """The executor broke, or the sweep was stopped, and some jobs have no row.

    ``rows``: those that there are, all of them handed out before.  ``missing``: the jobs without
    one; ``sweep(fault.missing)`` runs them.
    """

    def __init__(self, message: str, rows: Sequence[Row] = (), missing: Sequence[Job] = ()) -> None:
        super().__init__(message)
        self.rows, self.missing = list(rows), list(missing)


def sweep(
    jobs: Iterable[Job | Settings],
    executor: Executor | Any = None,
    *,
    file: PathLike | None = None,
    progress: bool = True,
    runner: Runner = run,
    stop: threading.Event | None = None,
) -> Iterator[Row]:
    """Run jobs, as :func:`sweep_plan` makes them, and yield a :class:`Row` for each.

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

    ``stop``: another thread may set it, while this one waits for a row, to end the sweep soon.

    Stopping it, like closing the iterator, cancels what has not begun.  Processes of its own are
    ended; an executor that was handed in finishes what it is at, whose rows are lost.

    Raises ValueError at once, naming the argument; and at the end ``SweepInterrupted`` if the
    executor broke, as when one of its processes was killed, or if it was stopped: rows that were
    finished are kept.  A Dask cluster runs the jobs of a worker that was killed on another one.
    """
    if not isinstance(jobs, Iterable):
        raise ValueError(f"jobs is {jobs!r}; it accepts what sweep_plan made, in a list")
    plan: dict[str, Job] = {}
    for job in jobs:
        job = job if isinstance(job, Job) else Job.of(job)
        plan[job.key] = job
    if executor is not None and not hasattr(executor, "submit"):
        raise ValueError(
            f"executor is {executor!r}; it accepts a concurrent.futures.Executor, such as "
            "ThreadPoolExecutor(2) or a Dask client's get_executor(), or None"
        )
    if file is not None:
        check_file(file)
    if stop is not None and not isinstance(stop, threading.Event):
        raise ValueError(f"stop is {stop!r}; it accepts a threading.Event or None")
    progress = true_or_false("progress", progress)
    return _rows(plan, on_dask(executor), file, progress, runner, stop)


def _rows(
    plan: dict[str, Job],
    executor: Executor | None,
    file: PathLike | None,
    progress: bool,
    runner: Runner,
    stop: threading.Event | None,
) -> Generator[Row, None, None]:
    with ExitStack() as ending:
        kept = ending.enter_context(SweepFile(file)) if file is not None else None
        before = kept.rows if kept is not None else {}
        bar = ending.enter_context(_bar(len(plan), progress))
        rows: list[Row] = []
        failed = 0

        def hand_out(row: Row, *, new: bool = True) -> Row:
            nonlocal failed
            if new and kept is not None:
                kept.append(row)
            rows.append(row)
            failed += row.status == FAILED
            if failed:
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
        futures: dict[Future[Row], Job] = {}
        missing: list[Job] = []
        why: BaseException | None = None
        try:
            for job in to_run:
                if _set(stop):
                    missing.append(job)
                    continue
                try:
                    futures[executor.submit(run_job, job, runner)] = job
                except BrokenExecutor as fault:
                    missing.append(job)
                    why = fault
            for future in _as_they_end(set(futures), executor, stop):
                job = futures.pop(future)
                there = future.done() and not future.cancelled()
                gone = future.exception() if there else CancelledError()
                if isinstance(gone, BrokenExecutor | CancelledError):
                    missing.append(job)
                    why = gone
                elif gone is not None:  # not out of the job, whose exceptions run_job catches
                    yield hand_out(Row(job, FAILED, f"{type(gone).__name__}: {gone}"))
                else:
                    yield hand_out(future.result())
            missing += futures.values()  # there are some if it was stopped
        finally:
            for future in futures:
                # Nobody takes its row any more, but it need not be run again.
                if kept is not None and _has_row(future):
                    kept.append(future.result())
                future.cancel()
        if missing:
            bar.close()
            raise SweepInterrupted(_in_words(why, rows, missing, file), rows, missing) from why


def _as_they_end(
    futures: set[Future[Row]], executor: Executor, stop: threading.Event | None
) -> Iterator[Future[Row]]:
    """``as_completed`` until stopped, and at last those that Dask has lost, which are not done."""
    dask = executor if isinstance(executor, OnDask) else None
    waiting = SOON if stop is not None else LOOK if dask is not None else None
    while futures:
        try:
            for future in as_completed(futures, timeout=waiting):
                if _set(stop):
                    break
                futures.remove(future)
                yield future
        except TimeoutError:
            pass
        if _set(stop):
            yield from filter(_has_row, futures)
            return
        if dask is not None:
            lost = {future for future in futures if dask.lost(future)}
            futures -= lost
            yield from lost


def _set(stop: threading.Event | None) -> bool:
    return stop is not None and stop.is_set()


def _has_row(future: Future[Row]) -> bool:
    """Whether a row is there that would not be run again: some fail because they were stopped."""
    there = future.done() and not future.cancelled() and future.exception() is None
    return there and future.result().final


def _in_words(
    why: BaseException | None, rows: Sequence[Row], missing: Sequence[Job], file: PathLike | None
) -> str:
    if isinstance(why, BrokenExecutor):
        happened = "A worker was killed, or could not begin, and its pool is broken"
    elif why is not None:
        happened = "Runs were cancelled, or the cluster that had them is gone"
    else:
        happened = "The sweep was stopped"
    count = len(rows) + len(missing)
    kept = f"{len(rows)} of {count} rows are there, {len(missing)} are missing"
    if file is None:
        again = "sweep(fault.missing) runs the rest; fault.rows has the others"
    else:
        again = f"the same call with file={str(file)!r} runs the rest"
    hint = ""
    if isinstance(why, BrokenExecutor) and not rows:
        hint = ' If no worker ever began: a script must call this under if __name__ == "__main__":.'
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
