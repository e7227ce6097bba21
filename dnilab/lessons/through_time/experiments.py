"""Experiments through time: one frozen, validated object for every choice, and runs by it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from dnilab.checks import one_of, real_number, true_or_false, whole_number, whole_numbers
from dnilab.data import Dataset
from dnilab.experiments import run
from dnilab.lessons.through_time.data import SEQUENCE_TASKS, SequenceTask, sequence_task
from dnilab.lessons.through_time.network import RecurrentNet
from dnilab.lessons.through_time.training import through_time, train_sequences
from dnilab.network import Generator, Optimiser, Stack, loss_named, optimiser_named
from dnilab.network.cells import CELLS, cell_named
from dnilab.network.optimisers import OPTIMISERS
from dnilab.training import Event
from dnilab.training.metrics import cosine

METHODS = ("BPTT", "DNI(state)", "DNI(state, targets)", "frozen")


@dataclass(frozen=True)
class RecurrentSettings:
    """One experiment through time, complete: equal settings and seed give equal numbers.

    Raises ValueError, naming the field, what it got and what it accepts.
    """

    # the task
    task: str = "recall"  # "recall", "echo" or "copy"
    delay: int = 16  # steps of distraction; steps to the echo; bits to copy (at the start)
    symbols: int = 2  # recall only
    curriculum: bool = False  # one step more each time the task is solved
    # the network
    cell: str = "GRU"  # "tanh", "GRU" or "LSTM"
    width: int = 32
    gate_bias: float = 1.0  # of the gate that keeps the state; not for "tanh"
    joint_fan_in: bool = True  # draw W and U as one layer over x and h: inputs written weakly
    dtype: str = "float32"
    # how the gradient gets past the cut
    method: str = "DNI(state)"
    unroll: int | None = 4  # steps between two cuts; None: whole sequences
    horizon: int | None = None  # upcoming targets that are seen; None: all that are of use
    generator_hidden: tuple[int, ...] = ()  # none: a linear generator
    auxiliary: float = 0.0  # weight of the auxiliary task: predict the next guess; 0: without
    # the training
    optimiser: str = "adam"
    rate: float = 2e-3
    generator_rate: float | None = None  # None: the same as rate
    batch_size: int = 32
    updates: int = 10_000  # segments
    report_every: int = 500  # updates
    solved_below: float = 0.15  # bits
    stop_when_solved: bool = False
    seed: int = 0  # of the weights and of the sequences

    def __post_init__(self) -> None:
        keep = partial(object.__setattr__, self)
        one_of("task", self.task, SEQUENCE_TASKS)
        keep("delay", whole_number("delay", self.delay, 0 if self.task == "recall" else 1))
        keep("symbols", whole_number("symbols", self.symbols, 2, 64))
        if self.symbols != 2 and self.task != "recall":
            raise ValueError(f"symbols is {self.symbols}; the task {self.task!r} accepts 2")
        keep("curriculum", true_or_false("curriculum", self.curriculum))
        one_of("cell", self.cell, tuple(CELLS))
        keep("width", whole_number("width", self.width, 1))
        keep("gate_bias", real_number("gate_bias", self.gate_bias, -10, 10))
        keep("joint_fan_in", true_or_false("joint_fan_in", self.joint_fan_in))
        one_of("dtype", self.dtype, ("float32", "float64"))
        one_of("method", self.method, METHODS)
        if self.unroll is not None:
            keep("unroll", whole_number("unroll", self.unroll, 1))
        elif self.task == "echo":
            raise ValueError("unroll is None; the echo task never ends and accepts 1 or more")
        if self.horizon is not None:
            most = {"echo": self.delay, "recall": 1, "copy": None}[self.task]
            keep("horizon", whole_number("horizon", self.horizon, 1, most))
        elif self.curriculum and self.method == "DNI(state, targets)" and self.task != "recall":
            raise ValueError(
                "horizon is None; with a curriculum it accepts a whole number, for the generator's "
                "width cannot grow"
            )
        keep("generator_hidden", whole_numbers("generator_hidden", self.generator_hidden, 1))
        keep("auxiliary", real_number("auxiliary", self.auxiliary, 0))
        if self.auxiliary and not self.decoupled:
            raise ValueError(
                f"auxiliary is {self.auxiliary:g}; the method {self.method!r} accepts 0"
            )
        one_of("optimiser", self.optimiser, tuple(OPTIMISERS))
        keep("rate", real_number("rate", self.rate, 0, above=True))
        if self.generator_rate is not None:
            keep(
                "generator_rate", real_number("generator_rate", self.generator_rate, 0, above=True)
            )
        keep("batch_size", whole_number("batch_size", self.batch_size, 1))
        keep("updates", whole_number("updates", self.updates, 1))
        keep("report_every", whole_number("report_every", self.report_every, 1))
        keep("solved_below", real_number("solved_below", self.solved_below, 0))
        keep("stop_when_solved", true_or_false("stop_when_solved", self.stop_when_solved))
        if self.stop_when_solved and self.curriculum:
            raise ValueError("stop_when_solved is True; with a curriculum it accepts False")
        keep("seed", whole_number("seed", self.seed, 0))

    def but(self, /, **changes: Any) -> RecurrentSettings:
        """The same settings with some fields changed."""
        unknown = set(changes) - set(self.__dataclass_fields__)
        if unknown:
            raise ValueError(
                f"{sorted(unknown)[0]} is not a setting; RecurrentSettings accepts "
                + ", ".join(self.__dataclass_fields__)
            )
        return replace(self, **changes)

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
        return sequence_task(self.task, self.delay, symbols=self.symbols)

    def make_net(self) -> RecurrentNet:
        """A new network; equal seeds give equal weights with every method."""
        task = self.make_task()
        rng = np.random.default_rng([self.seed, 2])
        bias = 0.0 if self.cell == "tanh" else self.gate_bias
        cell = cell_named(
            self.cell,
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
        cell = CELLS[self.cell]
        horizon = task.full_horizon if self.horizon is None else self.horizon
        return Generator(
            self.width * (2 if cell.gates == 4 else 1),
            ("h", "y") if self.method == "DNI(state, targets)" else ("h",),
            outputs=horizon * task.outputs,
            hidden=self.generator_hidden,
            rng=np.random.default_rng([self.seed, 3]),
            dtype=np.dtype(self.dtype),
        )

    def optimisers(self) -> tuple[Optimiser, Optimiser]:
        """The optimiser of the network and that of the generator."""
        generator_rate = self.rate if self.generator_rate is None else self.generator_rate
        return (
            optimiser_named(self.optimiser, self.rate),
            optimiser_named(self.optimiser, generator_rate),
        )

    def start(
        self, report_every: int | None = None, data: Dataset | None = None
    ) -> tuple[Stack, Iterator[Event]]:
        """A new network, and the events of its training, which begins with the first of them.

        Raises ValueError for ``data``: what is seen is drawn by the settings alone.
        """
        if data is not None:
            raise ValueError("data is given; these settings draw their own, and accept None")
        net, generator, task = self.make_net(), self.make_generator(), self.make_task()
        optimiser, generator_optimiser = self.optimisers()
        stack, _ = through_time(net, loss_named(task.loss), generator)
        return stack, train_sequences(
            net,
            task,
            unroll=self.unroll,
            optimiser=optimiser,
            generator=generator,
            generator_optimiser=generator_optimiser,
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


def credit(settings: RecurrentSettings, stack: Stack, rows: int = 64) -> Credit:
    """Measure, on new sequences, how far back a network by these settings is told the truth.

    Computed in float64; nothing is changed.  Raises ValueError for a task that does not end.
    """
    if settings.task == "echo":
        raise ValueError("task is 'echo'; credit accepts tasks that end, 'recall' or 'copy'")
    whole_number("rows", rows, 1)
    task = settings.make_task()
    rng = np.random.default_rng([settings.seed, 4])
    piece = next(task.stream(rng, rows, horizon=settings.horizon))
    module = stack.copy(np.float64).modules[0]
    net, generator = module.body.net, module.generator
    loss = loss_named(task.loss)
    steps = len(piece.x)
    unroll = steps if settings.unroll is None else settings.unroll
    states, outputs, _ = net(net.cell.start(rows), piece.x)
    flat = outputs.reshape(-1, task.outputs)
    g = loss.gradient(flat, piece.y.reshape(flat.shape)).reshape(outputs.shape)
    g *= piece.asked[..., None]

    def back(start: int, stop: int, last: np.ndarray | None) -> dict[int, np.ndarray]:
        """Gradients with respect to states start to stop, given what comes after."""
        found = {}
        carried = np.zeros_like(states[0]) if last is None else last
        for t in reversed(range(start, stop)):
            direct = np.zeros_like(carried)
            direct[:, : net.cell.width] = g[t].dot(net.readout.W.T)
            found[t] = carried + direct
            if t > start:
                _, pullback = net.cell(states[t - 1], piece.x[t])
                carried, _, _ = pullback(found[t], want_dx=False)
        return found

    true = back(0, steps, None)
    used: dict[int, np.ndarray] = {}
    for start in range(0, steps, unroll):
        stop = min(start + unroll, steps)
        guess = None
        if generator is not None and stop < steps:
            guess, _ = generator(states[stop - 1], None, piece.upcoming[stop - 1])
        used.update(back(start, stop, guess))
    return Credit(
        tuple(true[t] for t in range(steps)),
        tuple(used[t] for t in range(steps)),
        tuple(range(unroll, steps, unroll)),
    )
