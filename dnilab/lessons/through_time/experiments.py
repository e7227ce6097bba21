"""Experiments through time: one frozen, validated object for every choice, and runs by it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dnilab.checks import true_or_false, whole_number
from dnilab.experiments.settings_table import (
    WIDTHS,
    SettingsTable,
    above,
    among,
    between,
    or_none,
    setting,
    whole,
)
from dnilab.lessons.through_time.data import SEQUENCE_TASKS, SequenceTask, sequence_task
from dnilab.lessons.through_time.network import RecurrentNet
from dnilab.lessons.through_time.training import (
    SequenceDiverged,
    SequenceEvent,
    SequenceReport,
    train_sequences,
)
from dnilab.network import Generator, Optimiser, loss_named, optimiser_named
from dnilab.network.cells import CELLS, cell_named
from dnilab.network.optimisers import OPTIMISERS

METHODS = ("BPTT", "DNI(state)", "DNI(state, targets)", "frozen")


@dataclass(frozen=True)
class RecurrentSettings(SettingsTable):
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
        if self.task != "recall":
            whole_number("delay", self.delay, 1)
            if self.symbols != 2:
                raise ValueError(f"symbols is {self.symbols}; the task {self.task!r} accepts 2")
        if self.unroll is None and self.task == "echo":
            raise ValueError("unroll is None; the echo task never ends and accepts 1 or more")
        self._check_horizon()
        if self.auxiliary and not self.decoupled:
            raise ValueError(
                f"auxiliary is {self.auxiliary:g}; the method {self.method!r} accepts 0"
            )
        if self.stop_when_solved and self.curriculum:
            self.refuse("stop_when_solved", "False", "with a curriculum")

    def _check_horizon(self) -> None:
        if self.horizon is not None:
            most = {"echo": self.delay, "recall": 1, "copy": None}[self.task]
            whole_number("horizon", self.horizon, 1, most)
        elif self.curriculum and self.method == "DNI(state, targets)" and self.task != "recall":
            raise ValueError(
                "horizon is None; with a curriculum it accepts a whole number, for the generator's "
                "width cannot grow"
            )

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

    def events(
        self, net: RecurrentNet | None = None, generator: Generator | None = None
    ) -> Iterator[SequenceEvent]:
        """Train, one event at a time: for a live panel.  New networks are made if not given."""
        optimiser, generator_optimiser = self.optimisers()
        return train_sequences(
            self.make_net() if net is None else net,
            self.make_task(),
            unroll=self.unroll,
            optimiser=optimiser,
            generator=self.make_generator() if generator is None else generator,
            generator_optimiser=generator_optimiser,
            horizon=self.horizon,
            auxiliary=self.auxiliary,
            readout_only=self.method == "frozen",
            batch_size=self.batch_size,
            updates=self.updates,
            report_every=self.report_every,
            solved_below=self.solved_below,
            stop_when_solved=self.stop_when_solved,
            curriculum=self.curriculum,
            rng=np.random.default_rng([self.seed, 1]),
        )


@dataclass(frozen=True)
class RecurrentRun:
    """What one experiment gave: its reports in order, and how it broke if it did."""

    settings: RecurrentSettings
    reports: tuple[SequenceReport, ...]
    diverged: SequenceDiverged | None
    net: RecurrentNet
    generator: Generator | None

    @property
    def bits(self) -> np.ndarray:
        """Bits of error of every report, (reports,)."""
        return np.array([report.bits for report in self.reports])

    @property
    def updates(self) -> np.ndarray:
        """Updates at every report, (reports,)."""
        return np.array([report.update for report in self.reports])

    @property
    def solved(self) -> int:
        """The longest delay that was solved on the way; 0 if none was."""
        return self.reports[-1].solved if self.reports else 0

    @property
    def final_bits(self) -> float:
        """Bits of error in the last report; NaN if there was none."""
        return float(self.reports[-1].bits) if self.reports else float("nan")


def run_recurrent(settings: RecurrentSettings) -> RecurrentRun:
    """Run one experiment to its end."""
    net, generator = settings.make_net(), settings.make_generator()
    reports: list[SequenceReport] = []
    diverged = None
    for event in settings.events(net, generator):
        if isinstance(event, SequenceReport):
            reports.append(event)
        else:
            diverged = event
    return RecurrentRun(settings, tuple(reports), diverged, net, generator)


def run_recurrents(
    settings: Iterable[RecurrentSettings], seeds: Sequence[int] = (0, 1, 2)
) -> list[list[RecurrentRun]]:
    """Each of the settings with each seed: one list of runs for each of the settings."""
    return [[run_recurrent(s.but(seed=seed)) for seed in seeds] for s in settings]


def longest_delay(settings: RecurrentSettings, delays: Sequence[int]) -> int:
    """The longest of ``delays``, in rising order, up to which each one was solved; 0 if none.

    Each delay is a run of its own, from new weights.  It stops as soon as it is solved, and the
    search ends at the first delay that is not.
    """
    longest = 0
    for delay in delays:
        run = run_recurrent(settings.but(delay=delay, stop_when_solved=True))
        if not run.final_bits < settings.solved_below:  # NaN if there is no report
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
        values = []
        for true, used in zip(self.true, self.used, strict=True):
            lengths = float(np.linalg.norm(true)) * float(np.linalg.norm(used))
            values.append(float(np.vdot(true, used)) / lengths if lengths else 0.0)
        return np.array(values)


def credit(run: RecurrentRun, rows: int = 64) -> Credit:
    """Measure, on new sequences, how far back the network of this run is told the truth.

    Computed in float64; nothing is changed.  Raises ValueError for a task that does not end.
    """
    return credit_of(run.settings, run.net, run.generator, rows)


def credit_of(
    settings: RecurrentSettings, net: RecurrentNet, generator: Generator | None, rows: int = 64
) -> Credit:
    """``credit`` of a network that is still being trained, and of its generator."""
    if settings.task == "echo":
        raise ValueError("task is 'echo'; credit accepts tasks that end, 'recall' or 'copy'")
    whole_number("rows", rows, 1)
    task = settings.make_task()
    rng = np.random.default_rng([settings.seed, 4])
    piece = next(task.stream(rng, rows, horizon=settings.horizon))
    net = net.copy(np.float64)
    generator = None if generator is None else generator.copy(np.float64)
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
