"""Modules apart, measured: what processes of their own gain, and what their messages cost.

The same program runs on one thread and apart, and the sequential one in line, by turns; ratios
are of medians.  Only training is timed: a run's processes are at hand, and have their data.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from dnilab.checks import float_type, one_of, real_number, whole_number, whole_numbers
from dnilab.data.dataset import Feed
from dnilab.experiments.timing import RATE, cores, groups_of, noise, step_times, timed_network
from dnilab.lessons.many_machines.training import apart
from dnilab.lessons.many_machines.training.messages import Cost
from dnilab.network import SGD, Stack
from dnilab.orderings import (
    Delays,
    Program,
    StepTimes,
    check,
    pipeline,
    sequential,
    speed_up_limit,
    time_per_batch,
)
from dnilab.training.events import Snapshot
from dnilab.training.one_thread import one_thread
from dnilab.training.train import make_workers


@dataclass(frozen=True)
class Trial:
    """Modules apart at one size of network and batch.

    ``program``: that of the workers apart.  ``speed_up``: how many times as fast it is apart as
    on one thread.  ``in_line``: as ``speed_up``, beside the sequential program on one thread.
    ``limit``: what ``speed_up`` could be on the cores that are here, if messages took no time.

    ``costs``: what each worker did over all rounds.  ``batches``: how many those were.
    ``times``: how long each step takes, in seconds.  ``equal``: whether both ways ended with the
    same weights, to the last bit.
    """

    widths: tuple[int, ...]
    batch: int
    program: Program
    speed_up: float
    in_line: float
    limit: float
    costs: tuple[Cost, ...]
    batches: int
    times: StepTimes
    equal: bool

    @property
    def communication(self) -> float:
        """The share of communication in all that the workers did, between 0 and 1."""
        told = self._sum("talking") + self._sum("handing_over")
        return told / (told + self._sum("computing"))

    @property
    def waiting(self) -> float:
        """Seconds that a worker waited for others, beside each second that it computed."""
        return self._sum("waiting") / self._sum("computing")

    @property
    def message(self) -> tuple[float, float]:
        """Bytes of a message, and the seconds until it was there, as means; (0, 0) without any."""
        count = self._sum("messages") or 1
        return self._sum("bytes") / count, self._sum("on_the_way") / count

    def _sum(self, name: str) -> float:
        return sum(getattr(cost, name) for cost in self.costs)


def laps(
    stack: Stack, data: Any, program: Program, executor: Any, batch: int, turns: int, count: int
) -> Generator[Snapshot, None, None]:
    """A run that comes to rest after every so many turns."""
    owners = check(program)
    optimiser = SGD(RATE)
    batches = count * turns * program.batches_per_turn
    workers = make_workers(
        stack, lambda: Feed(data, batch, 0), program, owners, optimiser, optimiser, batches
    )
    stops = [lap * turns for lap in range(1, count + 1)]
    return (yield from executor(stack, workers, program, owners, stops))


def trial(
    client: Any,
    widths: Sequence[int],
    batch: int,
    *,
    workers: int = 2,
    staleness: int = 1,
    batches_per_turn: int = 1,
    dtype: str = "float64",
    rounds: int = 5,
    seconds: float = 0.1,
) -> Trial:
    """Measure one size: a network with these widths, tanh units and linear generators that see h.

    ``client``: of a cluster with ``workers`` processes or more.  In each round each way trains
    for about ``seconds``, and ten turns at least.

    Raises ValueError, naming the argument, if something is out of range.
    """
    rounds = whole_number("rounds", rounds, 1)
    real_number("seconds", seconds, 0, above=True)
    widths = whole_numbers("widths", widths, 1)
    batch = whole_number("batch", batch, 1)
    dtype = float_type("dtype", dtype).name
    program = pipeline(
        groups_of(widths, workers), staleness=staleness, batches_per_turn=batches_per_turn
    )
    data = noise(widths, 4 * batch, dtype)
    stack = timed_network(widths, dtype)
    executor = apart(client)
    executor.ahead = False  # one way at a time
    ways: dict[str, tuple[Program, Any]] = {
        "apart": (program, executor),
        "one thread": (program, one_thread),
        "in line": (sequential(len(widths) - 1), one_thread),
    }
    turns = _turns(stack.copy(), data, program, batch, seconds)
    stacks = {name: stack.copy() for name in ways}
    took: dict[str, list[float]] = {name: [] for name in ways}
    times: StepTimes = {}
    with ExitStack() as runs:
        running = {}
        for name, (what, how) in ways.items():
            each = turns * (1 if name != "in line" else program.batches_per_turn)
            run = laps(stacks[name], data, what, how, batch, each, rounds + 1)
            running[name] = runs.enter_context(closing(run))
        for _ in range(rounds + 1):  # the first to warm up
            for name in ways:
                at = next(running[name])
                took[name].append(at.seconds)  # since the run began
                if name == "one thread":
                    times = step_times(at.spans)
        # at this stop all have had the same batches
        equal = all(map(np.array_equal, stacks["apart"].thetas, stacks["one thread"].thetas))
    medians = {name: float(np.median(np.diff(series))) for name, series in took.items()}
    return Trial(
        widths,
        batch,
        program,
        medians["one thread"] / medians["apart"],
        medians["in line"] / medians["apart"],
        speed_up_limit(program, times, cores=cores()),
        executor.costs,
        (rounds + 1) * turns * program.batches_per_turn,
        times,
        equal,
    )


def _turns(stack: Stack, data: Any, program: Program, batch: int, seconds: float) -> int:
    """How many turns on one thread take about so long; ten at least, so that few are the first."""
    with closing(laps(stack, data, program, one_thread, batch, 3, 2)) as run:
        next(run)
        began = perf_counter()
        next(run)
    return max(10, round(seconds / ((perf_counter() - began) / 3)))


def pays_from(trials: Sequence[Trial], what: str = "speed_up") -> Trial | None:
    """The first trial from which on all are quicker apart; None if the last one is not.

    ``what``: "speed_up", beside the same program on one thread, or "in_line".  Raises ValueError
    for anything else.
    """
    one_of("what", what, ("speed_up", "in_line"))
    found = None
    for one in reversed(trials):
        if getattr(one, what) <= 1:
            break
        found = one
    return found


def message_time(trials: Sequence[Trial]) -> tuple[float, float]:
    """What a message costs: seconds however short it is, and seconds for each byte more.

    A straight line through the messages of the trials.  Raises ValueError for fewer than two
    sizes of them.
    """
    points = [one.message for one in trials if one.message[0]]
    if len({size for size, _ in points}) < 2:
        raise ValueError("trials has fewer than two sizes of messages; it accepts two or more")
    sizes, seconds = np.array(points).T
    # errors in proportion to the time: else the longest message would decide alone
    slope, start = np.polyfit(sizes, seconds, 1, w=1 / seconds)
    return max(0.0, float(start)), max(0.0, float(slope))


def delays(
    widths: Sequence[int], batch: int, message: tuple[float, float], itemsize: int = 8
) -> Delays:
    """How long each value is on its way, by ``message_time``: activations up, gradients down."""
    start, each = message
    found: dict[tuple[str, int], float] = {}
    for k in range(1, len(widths) - 1):
        seconds = start + each * batch * widths[k] * itemsize
        found["h", k] = found["message", k + 1] = seconds
    return found


def machines(
    widths: Sequence[int],
    batch: int,
    times: StepTimes,
    message: tuple[float, float],
    *,
    staleness: int = 4,
    itemsize: int = 8,
) -> Mapping[int, tuple[float, float]]:
    """How much faster 1 to K machines would be, one for each group of modules, by the ideal
    timeline: with messages that take no time, and with those that take ``message_time``.

    ``times``: how long each step takes, in seconds; whether late fits guess again is seen there.
    Beside one machine with the same program.
    """
    modules = len(widths) - 1
    late = delays(widths, batch, message, itemsize)
    again = any(op == "late_fit" for op, _ in times)
    written = partial(pipeline, staleness=staleness, guess_again=again)
    alone = time_per_batch(written([range(1, modules + 1)]), times)
    found = {}
    for count in range(1, modules + 1):
        program = written(groups_of(widths, count))
        found[count] = (
            alone / time_per_batch(program, times),
            alone / time_per_batch(program, times, delays=late),
        )
    return found
