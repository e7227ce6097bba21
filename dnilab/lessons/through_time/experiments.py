"""Experiments through time: one frozen, validated object for every choice, and runs by it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from dnilab.checks import true_or_false, whole_number
from dnilab.data import Dataset
from dnilab.experiments import run
from dnilab.experiments.settings_table import (
    WIDTHS,
    Table,
    above,
    among,
    between,
    or_none,
    setting,
    whole,
)
from dnilab.lessons.through_time.data import SEQUENCE_TASKS, SequenceTask
from dnilab.lessons.through_time.network.cells import CELLS
from dnilab.lessons.through_time.network.recurrent import RecurrentNet
from dnilab.lessons.through_time.network.traces import TraceGenerator
from dnilab.lessons.through_time.training import through_time, train_sequences
from dnilab.network import Generator, Stack, loss_named, optimiser_named
from dnilab.network.optimisers import OPTIMISERS
from dnilab.training import Event
from dnilab.training.train import cosine

METHODS = ("BPTT", "DNI(state)", "DNI(state, targets)", "frozen")


@dataclass(frozen=True)
class RecurrentSettings(Table):
    """One experiment through time, complete: equal settings and seed give equal numbers.

    Raises ValueError, naming the field, what it got and what it accepts.
    """

    # the task
    task: str = setting("recall", among(SEQUENCE_TASKS))
    delay: int = setting(16, whole(0))  # steps of distraction, or to the echo; bits to copy
    symbols: int = setting(2, whole(2, 64), when={"task": ("recall",)})
    curriculum: bool = setting(False, true_or_false)  # one step more each time it is solved
    # the network
    cell: str = setting("GRU", among(CELLS))
    width: int = setting(32, whole(1))
    # of the gate that keeps the state
    gate_bias: float = setting(1.0, between(-10, 10), when={"cell": ("GRU", "LSTM")})
    # draw W and U as one layer over x and h: inputs written weakly
    joint_fan_in: bool = setting(True, true_or_false)
    dtype: str = setting("float32", among(("float32", "float64")))
    # how the gradient gets past the cut
    method: str = setting("DNI(state)", among(METHODS))
    unroll: int | None = setting(4, or_none(whole(1)))  # steps between two cuts; None: no cut
    # upcoming targets that are seen; None: all that are of use
    horizon: int | None = setting(None, or_none(whole(1)))
    generator_hidden: tuple[int, ...] = setting((), WIDTHS)  # none: a linear generator
    # lambda of BP(lambda): how much of its target a guess takes from beyond the next guess
    trace: float = setting(0.0, between(0, 1))
    # weight of the auxiliary task, to predict the next guess; 0: without
    auxiliary: float = setting(0.0, between(0))
    # the training
    optimiser: str = setting("adam", among(OPTIMISERS))
    rate: float = setting(2e-3, above(0))
    generator_rate: float | None = setting(None, or_none(above(0)))  # None: the same as rate
    batch_size: int = setting(32, whole(1))
    updates: int = setting(10_000, whole(1))  # segments
    report_every: int = setting(500, whole(1))  # updates
    solved_below: float = setting(0.15, between(0))  # bits
    stop_when_solved: bool = setting(False, true_or_false)
    seed: int = setting(0, whole(0))  # of the weights and of the sequences

    def check_together(self) -> None:
        """Raise ValueError for settings that are accepted one by one, but not together."""
        if self.task != "recall" and self.symbols != 2:
            raise ValueError(f"symbols is {self.symbols}; the task {self.task!r} accepts 2")
        task = self.make_task()
        if self.unroll is None and self.task == "echo":
            raise ValueError("unroll is None; the echo task never ends and accepts 1 or more")
        if self.horizon is not None:
            whole_number("horizon", self.horizon, 1, task.furthest)
        elif self.curriculum and self.method == "DNI(state, targets)" and self.task != "recall":
            why = "for the generator's width cannot grow"
            self.refuse("horizon", f"a whole number, {why}", "with a curriculum")
        if self.auxiliary and not self.decoupled:
            raise ValueError(
                f"auxiliary is {self.auxiliary:g}; the method {self.method!r} accepts 0"
            )
        if self.trace and not self.decoupled:
            raise ValueError(f"trace is {self.trace:g}; the method {self.method!r} accepts 0")
        if self.trace and self.generator_hidden:
            self.refuse(
                "trace", "0: a trace is kept for a linear one alone", "with generator_hidden"
            )
        if self.stop_when_solved and self.curriculum:
            self.refuse("stop_when_solved", "False", "with a curriculum")

    @property
    def decoupled(self) -> bool:
        """Whether a generator guesses at the cuts."""
        return self.method.startswith("DNI")

    @property
    def name(self) -> str:
        """A short name: the method, or "full BPTT" where nothing is cut."""
        return "full BPTT" if self.method == "BPTT" and self.unroll is None else self.method

    def make_task(self) -> SequenceTask:
        """The task."""
        more = {"symbols": self.symbols} if self.task == "recall" else {}
        return SEQUENCE_TASKS[self.task](self.delay, **more)

    def make_net(self) -> RecurrentNet:
        """A new network; equal seeds give equal weights with every method."""
        task = self.make_task()
        rng = np.random.default_rng([self.seed, 2])
        bias = 0.0 if self.cell == "tanh" else self.gate_bias
        cell = CELLS[self.cell](
            task.inputs,
            self.width,
            rng,
            gate_bias=bias,
            joint_fan_in=self.joint_fan_in,
            dtype=np.dtype(self.dtype),
        )
        return RecurrentNet(cell, task.outputs, rng)

    def make_generator(self) -> Generator | None:
        """A new generator, whose guesses are 0; None for a method without one."""
        if not self.decoupled:
            return None
        task = self.make_task()
        horizon = task.full_horizon if self.horizon is None else self.horizon
        width = CELLS[self.cell].holds * self.width
        context = ("h", "y") if self.method == "DNI(state, targets)" else ("h",)
        like: dict[str, Any] = {"outputs": horizon * task.outputs, "dtype": np.dtype(self.dtype)}
        if self.trace:
            return TraceGenerator(width, context, decay=self.trace, **like)
        rng = np.random.default_rng([self.seed, 3])
        return Generator(width, context, hidden=self.generator_hidden, rng=rng, **like)

    def start(
        self, report_every: int | None = None, data: Dataset | None = None
    ) -> tuple[Stack, Iterator[Event]]:
        """A new network, and the events of its training, which begins with the first of them.

        Raises ValueError for ``data``: what is seen is drawn by the settings alone.
        """
        self.take_no(data)
        net, generator, task = self.make_net(), self.make_generator(), self.make_task()
        generator_rate = self.rate if self.generator_rate is None else self.generator_rate
        stack, _ = through_time(net, loss_named(task.loss), generator)
        return stack, train_sequences(
            net,
            task,
            unroll=self.unroll,
            optimiser=optimiser_named(self.optimiser, self.rate),
            generator=generator,
            generator_optimiser=optimiser_named(self.optimiser, generator_rate),
            horizon=self.horizon,
            auxiliary=self.auxiliary,
            readout_only=self.method == "frozen",
            batch_size=self.batch_size,
            updates=self.updates,
            report_every=self.report_every if report_every is None else report_every,
            solved_below=self.solved_below,
            stop_when_solved=self.stop_when_solved,
            curriculum=self.curriculum,
            rng=np.random.default_rng([self.seed, 1]),
        )


def longest_delay(settings: RecurrentSettings, delays: Sequence[int]) -> int:
    """The longest of ``delays``, in rising order, up to which each one was solved; 0 if none.

    Each delay is a run of its own, from new weights.  It stops as soon as it is solved, and the
    search ends at the first delay that is not.
    """
    longest = 0
    for delay in delays:
        one = run(settings.but(delay=delay, stop_when_solved=True))
        if not one.final("bits") < settings.solved_below:  # NaN if there is no report
            break
        longest = delay
    return longest


@dataclass(frozen=True)
class Credit:
    """What the last question of a sequence tells each state before it, truly and as it is used.

    ``true[t]`` and ``used[t]`` (rows, state_width): the gradient of the loss with respect to the
    state after step t, by backpropagation through the whole sequence, and by what training uses:
    from the end of t's segment, where a guess stands in (or nothing), back to t.
    ``cuts``: the numbers of the steps before which the sequence is cut.
    """

    true: tuple[np.ndarray, ...]
    used: tuple[np.ndarray, ...]
    cuts: tuple[int, ...]

    @property
    def cosine(self) -> np.ndarray:
        """Cosine of the two at each step, (steps,); 0 where nothing is used."""
        return np.array([cosine(*pair) for pair in zip(self.true, self.used, strict=True)])


class _Answered:
    """New sequences, answered by a network as it stands, in float64; and ways back through it.

    ``states`` (steps, rows, state_width); ``g`` (steps, rows, outputs): the gradient of the loss
    with respect to each answer, 0 where nothing is asked.
    """

    def __init__(self, settings: RecurrentSettings, stack: Stack, rows: int) -> None:
        if settings.task == "echo":
            raise ValueError("task is 'echo'; it accepts tasks that end, 'recall' or 'copy'")
        whole_number("rows", rows, 1)
        task = settings.make_task()
        rng = np.random.default_rng([settings.seed, 4])
        self.piece = next(task.stream(rng, rows, horizon=settings.horizon))
        module = stack.copy(np.float64).modules[0]
        self.net, self.generator = module.body.net, module.generator
        steps = len(self.piece.x)
        unroll = steps if settings.unroll is None else settings.unroll
        self.cuts = tuple(range(unroll, steps, unroll))
        self.start = self.net.cell.start(rows)  # zeros
        self.states, outputs, _ = self.net(self.start, self.piece.x)
        flat = outputs.reshape(-1, task.outputs)
        g = loss_named(task.loss).gradient(flat, self.piece.y.reshape(flat.shape))
        self.g = g.reshape(outputs.shape) * self.piece.asked[..., None]

    def guess(self, t: int) -> np.ndarray:
        """What stands for all that comes after step t, where the sequence is cut there."""
        if self.generator is None:
            return self.start
        return self.generator(self.states[t], None, self.piece.upcoming[t])[0]

    def through(self, t: int, g: np.ndarray) -> np.ndarray:
        """A gradient at the state after step t, carried back to the state before it."""
        _, pullback = self.net.cell(self.states[t - 1] if t else self.start, self.piece.x[t])
        return pullback(g, want_dx=False)[0]

    def back(self, instead: Mapping[int, np.ndarray]) -> tuple[np.ndarray, ...]:
        """The gradient at each state, where instead[t] stands for all that comes after step t."""
        found: list[np.ndarray] = []
        later = np.zeros_like(self.start)
        for t in reversed(range(len(self.g))):
            direct = np.zeros_like(later)
            direct[:, : self.net.cell.width] = self.g[t].dot(self.net.readout.W.T)
            found.append(instead.get(t, later) + direct)
            later = self.through(t, found[-1])
        return tuple(found[::-1])


def _credit(on: _Answered) -> Credit:
    guesses = {cut - 1: on.guess(cut - 1) for cut in on.cuts}
    return Credit(on.back({}), on.back(guesses), on.cuts)


def credit(settings: RecurrentSettings, stack: Stack, rows: int = 64) -> Credit:
    """Measure, on new sequences, how far back a network by these settings is told the truth.

    Computed in float64; nothing is changed.  Raises ValueError for a task that does not end.
    """
    return _credit(_Answered(settings, stack, rows))


@dataclass(frozen=True)
class WayBack:
    """What becomes of a guess on its way back through the segment before its ``cut``.

    ``cosines``: of guess and truth where the guess is made, and at the first state of the segment.
    Which share of its length is left there of ``truth``, the true gradient; of ``wrong``, the part
    of the guess that is at right angles to the truth; and of ``noise``, a random gradient.
    """

    cut: int
    cosines: tuple[float, float]
    truth: float
    wrong: float
    noise: float


def ways_back(settings: RecurrentSettings, stack: Stack, rows: int = 64) -> list[WayBack]:
    """Measure, for each cut but the first, why a guess may be better where it arrives.

    On new sequences, in float64; nothing is changed.  Meant for a task that asks nothing before
    the last cut, as recall: all that arrives has come from the cut.

    Raises ValueError for a task that does not end, or settings without a guess.
    """
    if not settings.decoupled:
        raise ValueError(f"method is {settings.method!r}; ways_back accepts one with a guess")
    on, rng = _Answered(settings, stack, rows), np.random.default_rng([settings.seed, 5])
    at, found = _credit(on), []
    for first, cut in pairwise(on.cuts):
        true, used = at.true[cut - 1], at.used[cut - 1]
        wrong = used - true * (np.vdot(used, true) / np.vdot(true, true))
        carried = {"truth": true, "wrong": wrong, "noise": rng.standard_normal(true.shape)}
        lengths = {name: np.linalg.norm(g) for name, g in carried.items()}
        for t in reversed(range(first + 1, cut)):
            carried = {name: on.through(t, g) for name, g in carried.items()}
        left = {name: float(np.linalg.norm(g) / lengths[name]) for name, g in carried.items()}
        cosines = float(at.cosine[cut - 1]), float(at.cosine[first])
        found.append(WayBack(cut, cosines, **left))
    return found
