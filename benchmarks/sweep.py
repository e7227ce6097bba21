"""Sweeps: two workers against one, the same numbers on every executor, and a worker killed.

    python -m benchmarks.sweep [--json] [--only PART ...]

Parts:
speed   32 runs in one process, in two, and on two workers of a Dask cluster here, by turns; what
        it takes to start the workers is apart
equal   the same settings and seeds in line, on threads, in processes and on Dask, diverging runs
        among them, compared to the last bit
faults  32 runs, of whose two workers one is killed in the middle: processes, and then the same
        call once more; Dask

Ratios are of medians over rounds in which the contestants take turns.  Run it on a quiet machine.
"""

from __future__ import annotations

import os
import re
import signal
import statistics
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.harness import finish_parts, options, print_table
from dnilab.experiments import Settings
from dnilab.lessons.many_machines.training.cluster import cluster
from dnilab.lessons.playground.sweeps import (
    Job,
    Record,
    SweepInterrupted,
    process_pool,
    run_job,
    sweep,
    sweep_plan,
)

WORKERS = 2
# A quarter of a second each, all alike, so that what is measured is the sweep and not its last run;
# at the course's usual batch, where two processes do not wait for the memory they share.
BASE = Settings(examples=5000, test_examples=500, epochs=7, batch_size=32, dtype="float32")
GRID = {"rate": (1e-3, 2e-3, 4e-3, 8e-3), "context": (("h",), ("h", "y"))}
SEEDS = range(4)
TINY = Settings(bits=6, examples=300, test_examples=100, hidden=(16, 8), epochs=2)
VARIED: dict[str, tuple[Any, ...]] = {
    "rate": (1e-3, 1e9),  # the latter diverges
    "dtype": ("float32", "float64"),
    "ordering": ("sequential", "backprop", "pipeline", "sparse"),
}


def plan() -> list[Job]:
    """The 32 runs that are timed."""
    return sweep_plan(BASE, GRID, SEEDS)


def numbers(rows: Iterable[Record]) -> dict[str, Any]:
    """What has to be equal, weights included, by the key of the job."""
    return {row.job.key: row.same for row in rows}


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what it returned."""
    start = perf_counter()
    result = work()
    return perf_counter() - start, result


def start(executor: Executor | Any) -> float:
    """Seconds until every worker has run something."""
    jobs = sweep_plan(TINY, seeds=range(4 * WORKERS))
    return timed(lambda: list(sweep(jobs, executor, progress=False)))[0]


def speed(rounds: int) -> dict[str, Any]:
    """One process, two, and Dask with two, by turns on workers that are warm."""
    jobs = plan()
    started: dict[str, float] = {}
    with ExitStack() as open_until_the_end:
        contestants: dict[str, Any] = {}
        for name, make in (
            ("one process", lambda: process_pool(1)),
            ("processes", lambda: process_pool(WORKERS)),
            ("dask", lambda: cluster(workers=WORKERS)),
        ):
            begun = perf_counter()
            contestants[name] = open_until_the_end.enter_context(make())
            start(contestants[name])
            started[name] = perf_counter() - begun
        times: dict[str, list[float]] = {name: [] for name in contestants}
        found: dict[str, dict[str, Any]] = {}
        for turn in range(rounds):
            order = list(contestants.items())
            for name, executor in order if turn % 2 == 0 else order[::-1]:
                seconds, rows = timed(
                    lambda executor=executor: list(sweep(jobs, executor, progress=False))
                )
                times[name].append(seconds)
                found[name] = numbers(rows)
    medians = {name: statistics.median(seconds) for name, seconds in times.items()}
    one = medians["one process"]
    return {
        "runs": len(jobs),
        "workers": WORKERS,
        "rounds": rounds,
        "contestants": [
            {
                "where": name,
                "speed-up": one / median,
                "seconds": median,
                "seconds_to_start": started[name],
            }
            for name, median in medians.items()
        ],
        "processes_speed_up": one / medians["processes"],
        "dask/processes": medians["dask"] / medians["processes"],
        "equal_to_the_last_bit": all(rows == found["processes"] for rows in found.values()),
    }


def equal() -> dict[str, Any]:
    """Every kind of run on every kind of executor."""
    jobs = sweep_plan(TINY, VARIED, seeds=(0, 1))
    expected = numbers(map(run_job, jobs))
    with ThreadPoolExecutor(WORKERS) as threads:
        found = {"threads": numbers(sweep(jobs, threads, progress=False))}
    with process_pool(WORKERS) as pool:
        found["processes"] = numbers(sweep(jobs, pool, progress=False))
    with cluster(workers=WORKERS) as client:
        found["dask"] = numbers(sweep(jobs, client.get_executor(), progress=False))
    return {
        "runs": len(jobs),
        "diverged": sum(same[1] == "diverged" for same in expected.values()),
        **{f"{name} equal in line": rows == expected for name, rows in found.items()},
    }


def kill_one(rows: Iterator[Record], after: int) -> list[Record]:
    """All rows; once there are ``after``, the worker of the last one is killed."""
    found: list[Record] = []
    for row in rows:
        found.append(row)
        if len(found) == after:
            worker = re.match(r"process (\d+)", row.worker)
            assert worker is not None
            os.kill(int(worker[1]), signal.SIGKILL)
    return found


def faults() -> dict[str, Any]:
    """A worker killed in the middle, of processes and of Dask; compared with one another."""
    jobs = plan()
    middle = len(jobs) // 2
    result: dict[str, Any] = {"runs": len(jobs), "killed_after": middle}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "sweep.jsonl")
        try:
            with process_pool(WORKERS) as pool:
                kill_one(sweep(jobs, pool, file=file, progress=False), middle)
        except SweepInterrupted as fault:
            result["processes_rows_kept"] = len(fault.rows)
            result["processes_said"] = str(fault).replace(str(file), file.name)
        with process_pool(WORKERS) as pool:
            resumed = list(sweep(jobs, pool, file=file, progress=False))
        # A line each run that came to its end, but for the first line.
        written = len(file.read_bytes().splitlines()) - 1
    with cluster(workers=WORKERS) as client:
        on_dask = kill_one(sweep(jobs, client, progress=False), middle)
    return {
        **result,
        "processes_rows_after_resuming": sum(row.status == "done" for row in resumed),
        "processes_repeated": written - len(jobs),
        "dask_rows": sum(row.status == "done" for row in on_dask),
        "equal_to_the_last_bit": numbers(on_dask) == numbers(resumed),
    }


def print_figures(what: dict[str, Any]) -> None:
    """Print the contestants of a part as a table, and its other figures one below the other."""
    figures = dict(what)
    print_table(figures.pop("contestants", []))
    print_table([{"figure": name, "value": value} for name, value in figures.items()])


def main() -> None:
    parser = options(__doc__)
    parts = ("speed", "equal", "faults")
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    result: dict[str, Any] = {}
    if "speed" in arguments.only:
        result["speed"] = speed(arguments.rounds)
    if "equal" in arguments.only:
        result["equal"] = equal()
    if "faults" in arguments.only:
        result["faults"] = faults()
    finish_parts(arguments, result, print_figures)


if __name__ == "__main__":
    main()
