"""Notebook 05: how fast an ordering is beside backpropagation in line, and what two cores allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dnilab.here import processes_can_fork, threads_start
from dnilab.lessons.shared.timing import (
    Contestant,
    cores,
    groups_of,
    in_line,
    runner,
    step_times,
    take_turns,
)
from dnilab.lessons.update_orderings.experiments import machine
from dnilab.orderings import (
    Program,
    StepTimes,
    backprop,
    blue_box,
    pipeline,
    sequential,
    time_per_batch,
)

IN_LINE = "backpropagation"
MANY = f"backpropagation, {cores()} BLAS threads"


def costs_of_starting(widths: Sequence[int], batch: int) -> dict[str, float]:
    """Starting a thread, or a process, that does nothing: how many fits of module 1 that lasts.

    Nothing in a browser, where neither starts.
    """
    if not threads_start():
        return {}
    red = sequential(len(widths) - 1)
    fit = step_times(runner(widths, batch, red)(15))["fit", 1]
    starts: dict[str, Contestant] = {"a thread": machine.start_threads}
    if processes_can_fork():
        starts["a process"] = machine.start_processes
    return {what: t / fit for what, t in take_turns(starts, rounds=7, seconds=0.02).items()}


def boxes(widths: Sequence[int], batch: int) -> dict[str, float]:
    """Speeds of the published boxes: backpropagation in line = 1, on one thread."""
    red, blue = sequential(len(widths) - 1), blue_box(len(widths) - 1)
    among = {
        IN_LINE: in_line(widths, batch),
        "Red Box": runner(widths, batch, red),
        "Blue Box, a thread per fit": runner(widths, batch, blue, "thread per fit"),
    }
    if processes_can_fork():
        forks = runner(widths, batch, blue, "process per fit")
        among["Blue Box, a process per fit"] = forks
    return _speeds(among, 5, 0.03)


def pipelines(
    widths: Sequence[int], batches: Sequence[int], program: Program
) -> dict[str, list[float]]:
    """Speeds at each batch size of the Red Box, a pipeline on threads, and more BLAS threads."""
    found: dict[str, list[float]] = {}
    for batch in batches:
        among = {
            IN_LINE: in_line(widths, batch),
            "Red Box": runner(widths, batch, sequential(len(widths) - 1)),
            "pipeline, two threads": runner(widths, batch, program, "threads"),
        }
        if cores() > 1:  # the last to run: BLAS threads look for work a while longer
            among[MANY] = in_line(widths, batch, blas_threads=cores())
        speeds = _speeds(among, 3, 0.06)
        for way in list(speeds)[1:]:
            found.setdefault(way, []).append(speeds[way])
    return found


def _speeds(among: Mapping[str, Contestant], rounds: int, seconds: float) -> dict[str, float]:
    took = take_turns(among, rounds=rounds, seconds=seconds)
    return {way: took[IN_LINE] / t for way, t in took.items()}


def times_of_steps(widths: Sequence[int], batch: int) -> StepTimes:
    """Seconds of every step of backpropagation, Red Box and pipeline, measured in line."""
    modules = len(widths) - 1
    of_all = pipeline((range(1, modules + 1),), staleness=1)
    ways = (backprop(modules), sequential(modules), of_all)
    return step_times(span for way in ways for span in runner(widths, batch, way)(25))


def limits(
    widths: Sequence[int], times: StepTimes, workers: int, staleness: int
) -> tuple[str, dict[int, float]]:
    """The even division among workers, in words, and what it allows on 1, 2 and 4 cores.

    ``times`` as of ``times_of_steps``; speeds are those of a batch, backpropagation in line = 1.
    """
    groups = groups_of(widths, workers, staleness=staleness)
    program = pipeline(groups, staleness=staleness)
    alone = time_per_batch(backprop(len(widths) - 1), times)
    allowed = {n: alone / time_per_batch(program, times, cores=n) for n in (1, 2, 4)}
    return ", ".join("+".join(map(str, group)) for group in groups), allowed


def twice_at_once(widths: Sequence[int]) -> dict[str, float]:
    """The same work twice on two threads at once: how many times as fast as one after the other.

    Two networks that know nothing of each other, and two extremes: counting, and products alone.
    """
    red = sequential(len(widths) - 1)
    pairs: dict[str, tuple[Contestant, ...]] = {"counting in Python": (machine.counting,) * 2}
    for batch in (10, 100, 1000):
        pairs[f"two networks, batch {batch}"] = tuple(runner(widths, batch, red) for _ in "ab")
    pairs["products of matrices alone"] = (machine.products(), machine.products())
    found = {}
    for what, pair in pairs.items():
        both = {"in turn": machine.in_turn(*pair), "together": machine.together(*pair)}
        took = take_turns(both, rounds=5, seconds=0.03)
        found[what] = took["in turn"] / took["together"]
    return found
