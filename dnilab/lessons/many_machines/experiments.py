"""Modules apart, measured: what processes of their own gain, and what their messages cost.

A network that is cut once for each border between machines runs apart and, by turns, on one
thread; beside it stands backpropagation in line, on one BLAS thread and on all cores.  Ratios are
of medians.  Only training is timed: a run's processes are at hand, and have their data.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from itertools import combinations, pairwise
from time import perf_counter
from typing import Any

import numpy as np

from dnilab.checks import float_type, one_of, real_number, whole_number, whole_numbers
from dnilab.data.dataset import Feed
from dnilab.lessons.many_machines.training import apart
from dnilab.lessons.many_machines.training.messages import Cost
from dnilab.lessons.shared.rivals import one_forward_one_backward
from dnilab.lessons.shared.timing import RATE, cores, noise, runner, step_times, timed_network
from dnilab.network import SGD, Stack
from dnilab.orderings import (
    Delays,
    Groups,
    Program,
    StepTimes,
    backprop,
    check,
    even_cuts,
    even_groups,
    ideal_timeline,
    module_times,
    pipeline,
    time_per_batch,
)
from dnilab.training.events import Snapshot
from dnilab.training.one_thread import blas_threads, one_thread
from dnilab.training.train import make_workers

IN_LINE = ("forward", "backward", "update")  # the steps of a layer in backpropagation
MICRO_BATCHES = 4  # of 1F1B


@dataclass(frozen=True)
class Trial:
    """A network with a module for each worker, apart, at one size of layers and batch.

    ``program``: that of the workers apart.  ``speed``: how many times as fast it is apart as
    backpropagation in line, on one thread.  ``blas``: the same, beside backpropagation with as
    many BLAS threads as there are cores.  ``speed_up``: beside the same program on one thread.
    ``limit``: what ``speed`` could be on the cores that are here, if messages took no time.

    ``costs``: what each worker did over all rounds.  ``batches``: how many those were.
    ``times``: how long each step takes, in seconds.  ``equal``: whether the program ended with the
    same weights apart and on one thread, to the last bit.
    """

    widths: tuple[int, ...]
    batch: int
    program: Program
    speed: float
    blas: float
    speed_up: float
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
    """Measure one size: layers of these widths, cut into a module for each worker.

    Tanh units; linear generators that see h.  ``client``: of a cluster with ``workers`` processes
    or more.  In each round each way trains for about ``seconds``, and ten turns at least.

    Raises ValueError, naming the argument, if something is out of range.
    """
    rounds = whole_number("rounds", rounds, 1)
    real_number("seconds", seconds, 0, above=True)
    widths = whole_numbers("widths", widths, 1)
    batch = whole_number("batch", batch, 1)
    dtype = float_type("dtype", dtype).name
    program = pipeline(
        [(k,) for k in range(1, workers + 1)],
        staleness=staleness,
        batches_per_turn=batches_per_turn,
    )
    data = noise(widths, 4 * batch, dtype)
    cut = timed_network(widths, dtype, cuts=even_cuts(widths, workers))
    whole = timed_network(widths, dtype, cuts=())
    executor = apart(client)
    executor.ahead = False  # one way at a time
    ways: dict[str, tuple[Stack, Program, Any, int]] = {  # and on how many BLAS threads
        "apart": (cut.copy(), program, executor, 1),
        "one thread": (cut.copy(), program, one_thread, 1),
        "in line": (whole.copy(), backprop(1), one_thread, 1),
        "BLAS": (whole.copy(), backprop(1), one_thread, cores()),
    }
    turns = _turns(cut, data, program, batch, seconds)
    took: dict[str, list[float]] = {name: [] for name in ways}
    times: dict[str, StepTimes] = {}
    with ExitStack() as runs:
        running = {}
        for name, (stack, what, how, _) in ways.items():
            each = turns * program.batches_per_turn // what.batches_per_turn
            run = laps(stack, data, what, how, batch, each, rounds + 1)
            running[name] = runs.enter_context(closing(run))
        for _ in range(rounds + 1):  # the first to warm up
            for name, (_, _, how, threads) in ways.items():
                with blas_threads(threads):
                    at = next(running[name])
                took[name].append(at.seconds)  # since the run began
                if how is one_thread:
                    times[name] = step_times(at.spans)
        # at this stop all have had the same batches
        equal = all(map(np.array_equal, ways["apart"][0].thetas, ways["one thread"][0].thetas))
    medians = {name: float(np.median(np.diff(series))) for name, series in took.items()}
    ideal = time_per_batch(program, times["one thread"], cores=cores())
    return Trial(
        widths,
        batch,
        program,
        medians["in line"] / medians["apart"],
        medians["BLAS"] / medians["apart"],
        medians["one thread"] / medians["apart"],
        time_per_batch(backprop(1), times["in line"]) / ideal,
        executor.costs,
        (rounds + 1) * turns * program.batches_per_turn,
        times["one thread"],
        equal,
    )


def _turns(stack: Stack, data: Any, program: Program, batch: int, seconds: float) -> int:
    """How many turns on one thread take about so long; ten at least, so that few are the first."""
    with closing(laps(stack, data, program, one_thread, batch, 3, 2)) as run:
        next(run)
        began = perf_counter()
        next(run)
    return max(10, round(seconds / ((perf_counter() - began) / 3)))


def pays_from(trials: Sequence[Trial], what: str = "speed") -> Trial | None:
    """The first trial from which on all are quicker apart; None if the last one is not.

    ``what``: "speed", beside backpropagation in line, "blas", beside backpropagation on all cores,
    or "speed_up", beside the same program on one thread.  Raises ValueError for anything else.
    """
    one_of("what", what, ("speed", "blas", "speed_up"))
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


def layer_times(widths: Sequence[int], batch: int, count: int = 20) -> StepTimes:
    """Seconds of the steps of each layer on this machine, as a module of its own.

    Of backpropagation, and of a pipeline whose fits take the old error or guess again.
    """
    layers = len(widths) - 1
    on_one = [range(1, layers + 1)]
    programs = (backprop(layers), *(pipeline(on_one, guess_again=again) for again in (False, True)))
    return step_times(s for one in programs for s in runner(widths, batch, one)(count))


def cut_times(groups: Groups, times: StepTimes) -> StepTimes:
    """Seconds of the steps of modules that have a group of layers each: a generator a cut.

    ``times``: of the layers, as of ``layer_times``.
    """
    found: dict[tuple[str, int], float] = {}
    for k, group in enumerate(groups, start=1):
        plain, top = group, group[-1]
        if k < len(groups):  # the layer below a cut guesses
            plain = group[:-1]
            found["forward_update", k] = times["forward_update", top]
            found["fit", k], found["late_fit", k] = times["fit", top], times["late_fit", top]
        inside = sum(times[op, layer] for layer in plain for op in IN_LINE)
        found["forward_update", k] = inside + found.get(("forward_update", k), 0.0)
    return found


def shared_out(times: StepTimes, machines: int, program: Callable[[Groups], Program]) -> Groups:
    """The layers of each machine, the slowest as quick as can be, where each is one module."""
    layers = max(k for _, k in times)
    modules = tuple((k,) for k in range(1, machines + 1))

    def slowest(groups: Groups) -> float:
        return max(module_times(program(modules), cut_times(groups, times)))

    divisions = (
        tuple(tuple(range(a + 1, b + 1)) for a, b in pairwise((0, *edges, layers)))
        for edges in combinations(range(1, layers), machines - 1)
    )
    return min(divisions, key=slowest)


@dataclass(frozen=True)
class Machines:
    """What so many machines are worth: seconds of a batch by each way, by the ideal timeline.

    ``in_line``: backpropagation on one of them.  ``piped``: the decoupled pipeline, a module and a
    worker for each, messages included; ``at_once``: if they took no time.  ``rival``:
    backpropagation over micro-batches, as 1F1B, on the same machines, messages included.
    """

    in_line: float
    piped: float
    at_once: float
    rival: float


def on_machines(
    widths: Sequence[int],
    batch: int,
    count: int,
    times: tuple[StepTimes, StepTimes],
    message: tuple[float, float],
    *,
    staleness: int = 1,
    itemsize: int = 8,
) -> tuple[Machines, Program, StepTimes, Delays]:
    """``count`` machines with that many modules, and the pipeline with its steps and messages.

    ``times``: of ``layer_times``, for a batch, and for a micro-batch: it has a quarter of the rows,
    and so has its message.  ``message``: as of ``message_time``.
    """
    of_batch, of_piece = times
    layers = len(widths) - 1
    groups = shared_out(of_batch, count, partial(pipeline, staleness=staleness))
    steps = cut_times(groups, of_batch)
    at_cuts = [widths[0], *(widths[group[-1]] for group in groups)]
    late = delays(at_cuts, batch, message, itemsize)
    program = pipeline([(k,) for k in range(1, count + 1)], staleness=staleness)
    own = module_times(backprop(layers), of_piece)
    rival = one_forward_one_backward(even_groups(own, count), MICRO_BATCHES)
    pieces = delays(widths, batch // MICRO_BATCHES, message, itemsize)
    found = Machines(
        sum(module_times(backprop(layers), of_batch)),
        time_per_batch(program, steps, delays=late),
        time_per_batch(program, steps),
        _turn(rival, of_piece, pieces),
    )
    return found, program, steps, late


def _turn(program: Program, times: StepTimes, late: Delays) -> float:
    """Seconds of a turn of a program that flushes its pipeline: all but the first are alike."""
    ends = [
        max(s.end for s in ideal_timeline(program, times, batches=batches, delays=late))
        for batches in (2 * program.batches_per_turn, 3 * program.batches_per_turn)
    ]
    return ends[1] - ends[0]
