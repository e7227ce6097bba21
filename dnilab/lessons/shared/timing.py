"""Measuring how long orderings take: by turns, as medians, on data of the right shape.

A time alone says more about the machine, and about who else is on it, than about the code.  So
contestants take turns in one process, and what is told are ratios of medians.  Where several
cores are needed for a result, ``cores()`` says how many there are.
"""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from time import perf_counter, sleep
from typing import Any, TypeVar

import numpy as np

from dnilab import orderings
from dnilab.checks import real_number, whole_number
from dnilab.data import Dataset
from dnilab.data.dataset import Feed
from dnilab.network import SGD, BinaryCrossEntropy, Optimiser, Stack
from dnilab.training import Span
from dnilab.training.one_thread import blas_threads as held_at
from dnilab.training.train import Executor, executor_for, make_workers

REST = 0.15  # seconds: BLAS threads spin on for a while, and the next one must not pay for it
RATE = 1e-3  # slow enough that noise never diverges
SLOW = SGD(RATE)
Placed = TypeVar("Placed", Span, orderings.Slot)
Contestant = Callable[[int], object]
"""``contestant(n)`` does its work n times."""


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def interpreter_lock() -> bool:
    """Whether only one thread at a time may run Python code here (always, before Python 3.13)."""
    asked = getattr(sys, "_is_gil_enabled", None)
    return True if asked is None else bool(asked())


def rounds_of(
    contestants: Mapping[str, Contestant], *, rounds: int = 21, seconds: float = 0.02
) -> Iterator[dict[str, float]]:
    """Seconds for one repetition of each contestant, round by round.

    In each round every contestant runs once, for about ``seconds``; so whatever slows the
    machine down for a while slows all of them.  Beginning a round, a caller may stop instead.

    Raises ValueError unless ``rounds`` is 1 or more and ``seconds`` is above 0.
    """
    whole_number("rounds", rounds, 1)
    real_number("seconds", seconds, 0, above=True)
    repetitions = {}
    for name, run in contestants.items():
        run(3)  # warm up
        start = perf_counter()
        run(5)
        repetitions[name] = max(1, round(seconds / max((perf_counter() - start) / 5, 1e-9)))
    for _ in range(rounds):
        times = {}
        for name, run in contestants.items():
            start = perf_counter()
            run(repetitions[name])
            times[name] = (perf_counter() - start) / repetitions[name]
            sleep(getattr(run, "rest", 0.0))
        yield times


def medians(rounds: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The median over rounds of each contestant's time."""
    series = list(rounds)
    return {name: statistics.median(times[name] for times in series) for name in series[0]}


def take_turns(
    contestants: Mapping[str, Contestant], *, rounds: int = 21, seconds: float = 0.02
) -> dict[str, float]:
    """Median seconds for one repetition of each contestant: see ``rounds_of``."""
    return medians(rounds_of(contestants, rounds=rounds, seconds=seconds))


def noise(widths: Sequence[int], rows: int, dtype: str = "float64") -> Dataset:
    """Data of the right shape: what is in it does not matter for the time."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, widths[0])).astype(dtype)
    y = rng.integers(0, 2, (rows, widths[-1])).astype(dtype)
    return Dataset("noise", "bits", x, y, x[:1], y[:1])


def timed_network(widths: Sequence[int], dtype: str = "float64", **how: Any) -> Stack:
    """The network that is timed: tanh units, and linear generators that see h.

    ``how``: what ``Stack.build`` takes: ``context=None`` for no generators, or ``cuts``.
    """
    how = {"context": ("h",), "dtype": np.dtype(dtype), **how}
    return Stack.build(widths, BinaryCrossEntropy(), np.random.default_rng(1), **how)


def runner(
    widths: Sequence[int],
    batch: int,
    program: orderings.Program,
    executor: str | Executor = "one thread",
    *,
    dtype: str = "float64",
    blas_threads: int = 1,
    stack: Stack | None = None,
    optimiser: Optimiser = SLOW,
) -> Callable[[int], tuple[Span, ...]]:
    """``run(n)``: n batches by this program and executor, threads started and joined.

    It returns the steps as they ran (the latest few thousand of each worker).  ``stack``: a network
    of the given widths; None: one with tanh units and linear generators that see h, where the
    program needs them.  Nothing but training is in it: no report, no accuracy.

    ``blas_threads``: how many threads one matrix product may use.  1 is what training always
    has; more only shows what that would cost.
    """
    widths = tuple(widths)
    data = noise(widths, 4 * batch, dtype)
    guessing = any(step.op in ("forward_update", "forward_guess") for step in program.steps())
    network = (
        timed_network(widths, dtype, context=("h",) if guessing else None)
        if stack is None
        else stack
    )
    owners = orderings.check(program)
    execute = executor_for(executor, program)
    whole_number("blas_threads", blas_threads, 1)

    def run(n: int) -> tuple[Span, ...]:
        workers = make_workers(
            network, lambda: Feed(data, batch, 0), program, owners, *(optimiser,) * 2, n
        )
        spans: tuple[Span, ...] = ()
        with held_at(blas_threads):
            for at in execute(network, workers, program, owners, [program.turns(n)]):
                spans = at.spans
        return spans

    run.rest = REST * (blas_threads > 1)  # type: ignore[attr-defined]
    return run


def in_line(widths: Sequence[int], batch: int, **how: Any) -> Callable[[int], tuple[Span, ...]]:
    """The reference of speeds: backpropagation of the same layers, one after the other, uncut.

    ``how``: ``dtype`` and ``blas_threads``, as for ``runner``; with as many of these as there are
    cores it is the second reference.
    """
    stack = timed_network(widths, how.get("dtype", "float64"), cuts=())
    return runner(widths, batch, orderings.backprop(1), stack=stack, **how)


def groups_of(widths: Sequence[int], workers: int, *, staleness: int = 1) -> orderings.Groups:
    """The most even division of a decoupled network among workers, by the cost model.

    ``staleness``: of the pipeline that they run; late fits guess again, which is more work.
    """
    everything = (range(1, len(widths)),)
    program = orderings.pipeline(everything, staleness=staleness)
    return orderings.even_groups(
        orderings.module_times(program, orderings.multiplications(widths)), workers
    )


def step_times(spans: Iterable[Span]) -> orderings.StepTimes:
    """The median time of each step in seconds, by (operation, module), from steps as they ran.

    Waiting is not in it: a span begins when what the step needs is there.
    """
    seen: dict[tuple[str, int], list[int]] = {}
    for span in spans:
        seen.setdefault((span.op, span.module), []).append(span.end - span.start)
    return {step: statistics.median(times) / 1e9 for step, times in seen.items()}


def middle(spans: Sequence[Placed], batches: float = 4) -> list[Placed]:
    """The steps that run in the middle of a run, for as long as ``batches`` batches take.

    They are measured or ideal ones.

    Raises ValueError if there are no spans.
    """
    if not spans:
        raise ValueError("spans is empty; it accepts the steps of at least one batch")
    first, last = min(s.start for s in spans), max(s.end for s in spans)
    count = len({s.batch for s in spans})
    half = (last - first) * min(1.0, batches / count) / 2
    # Around the step in the middle, for at half-time nothing may have run: a busy machine pauses.
    step = sorted(s.start for s in spans)[len(spans) // 2]
    centre = min(max(step, first + half), last - half)
    inside = (s for s in spans if s.end > centre - half and s.start < centre + half)
    return sorted(inside, key=lambda span: (span.start, span.worker))
