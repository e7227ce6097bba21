"""The contestants of the race, what the cost model allows them, and how fast they are here.

A contestant is a network cut in its own way, a program, and an executor.  All are compared with
backpropagation in line, on one thread, of the same layers: how many times as fast a batch is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from dnilab import orderings
from dnilab.checks import refuse, whole_number, whole_numbers
from dnilab.data import Dataset
from dnilab.experiments import Settings
from dnilab.lessons.race.orderings import kept_sizes, memory
from dnilab.lessons.shared import rivals
from dnilab.lessons.shared.timing import SLOW, cores, runner, step_times, take_turns
from dnilab.network import BinaryCrossEntropy, Loss, Optimiser, Stack
from dnilab.orderings import Delays, Groups, Program, StepTimes
from dnilab.orderings.steps import numbered
from dnilab.training import Report, train

IN_LINE = "backpropagation in line"
MICRO_BATCHES = 4  # of those that flush their pipeline
BOTTLENECK = 16  # width of the hidden layer of a poor but cheap generator


@dataclass(frozen=True)
class Network:
    """The layers that all contestants train: widths, and what belongs to each layer.

    ``widths``: (24, 128, 64, 12) is three dense layers.  The others as ``Stack.build`` takes them.
    """

    widths: tuple[int, ...]
    loss: Loss = field(default_factory=BinaryCrossEntropy)
    activation: str = "tanh"
    batch_norm: bool = False
    dtype: str = "float64"

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", whole_numbers("widths", self.widths, 1))

    @property
    def name(self) -> str:
        """The widths in one word: 64-128x8-10 has eight hidden layers."""
        first, *hidden, last = self.widths
        if len(hidden) > 2 and len(set(hidden)) == 1:
            return f"{first}-{hidden[0]}x{len(hidden)}-{last}"
        return "-".join(map(str, self.widths))

    @property
    def costs(self) -> StepTimes:
        """Multiplications of each step for one row, where all layers are one module."""
        return orderings.multiplications(self.widths, cuts=(), signal="truth")

    @property
    def work(self) -> float:
        """Multiplications of backpropagation in line, for one row."""
        return self.costs["forward", 1] + self.costs["backward", 1]

    @property
    def parameters(self) -> int:
        """How many weights and biases the layers have."""
        return sum(n_in * n_out + n_out for n_in, n_out in pairwise(self.widths))


@dataclass(frozen=True)
class Contestant:
    """One way to train a network, and who runs it.

    ``family``: which answer it gives to "does a layer have to wait?": "wait", "ask nobody" or
    "guess".  ``cuts``: the layers above which the network is cut.  ``signal``, ``context``,
    ``generator_hidden``: what tells each module below the top its gradient, see ``Stack.build``,
    as for ``input_hidden``, for modules that predict their input, and ``fixed_feedback``.
    """

    name: str
    family: str
    program: Program
    cuts: tuple[int, ...] = ()
    signal: str = "truth"
    context: tuple[str, ...] = ("h", "y")
    generator_hidden: tuple[int, ...] = ()
    input_hidden: tuple[int, ...] | None = None
    fixed_feedback: bool = False
    executor: str = "threads"
    blas_threads: int = 1

    @property
    def micro_batches(self) -> int:
        """Into how many pieces it cuts a batch."""
        return self.program.batches_per_turn

    def rows(self, batch: int) -> int:
        """How many rows a piece of a batch has.  Raises ValueError if it can't be cut."""
        if batch % self.micro_batches:
            accepts = f"multiples of {self.micro_batches}, for {self.name}"
            raise ValueError(f"batch is {batch}; it accepts {accepts}")
        return batch // self.micro_batches

    def stack(self, network: Network, rng: np.random.Generator) -> Stack:
        """The network with its cuts and signals; equal seeds give equal layers to all."""
        return Stack.build(
            network.widths,
            network.loss,
            rng,
            activation=network.activation,
            batch_norm=network.batch_norm,
            cuts=self.cuts,
            signals=self.signal,
            context=self.context,
            generator_hidden=self.generator_hidden,
            input_hidden=self.input_hidden,
            fixed_feedback=self.fixed_feedback,
            dtype=np.dtype(network.dtype),
        )

    def costs(self, network: Network) -> StepTimes:
        """Multiplications of each step for one row, by the cost model."""
        return orderings.multiplications(
            network.widths,
            self.context,
            self.generator_hidden,
            self.input_hidden or (),
            cuts=self.cuts,
            signal=self.signal,
        )

    def limit(self, network: Network, on: int, delays: Delays | None = None) -> float:
        """What the cost model allows on ``on`` cores: speed relative to backpropagation in line.

        ``delays``: how long values are on their way, in multiplications of a row.
        """
        if self.executor == "one thread":
            on = min(self.blas_threads, on)  # the products of a step share the cores
            return on * network.work / orderings.time_per_batch(self.program, self.costs(network))
        time = orderings.time_per_batch(self.program, self.costs(network), cores=on, delays=delays)
        return network.work / time

    def runner(
        self, network: Network, batch: int, optimiser: Optimiser = SLOW
    ) -> Callable[[int], Any]:
        """``run(n)``: n batches of that size, on noise."""
        run = runner(
            network.widths,
            self.rows(batch),
            self.program,
            self.executor,
            dtype=network.dtype,
            blas_threads=self.blas_threads,
            stack=self.stack(network, np.random.default_rng(1)),
            optimiser=optimiser,
        )

        def batches(n: int) -> Any:
            return run(n * self.micro_batches)

        batches.rest = run.rest  # type: ignore[attr-defined]
        return batches


def contestants(
    network: Network,
    *,
    modules: int = 2,
    micro_batches: int = MICRO_BATCHES,
    staleness: int = 1,
    blas_threads: int | None = None,
) -> dict[str, Contestant]:
    """Everyone in the race, by name; backpropagation in line comes first.

    ``modules``: into how many the network is cut, evenly by the cost model of each way; each has
    a worker.  ``blas_threads``: of the second reference; None: as many as there are cores.

    Raises ValueError, naming the argument, for what the network has not the layers for.
    """
    widths = network.widths
    layers = len(widths) - 1
    modules = whole_number("modules", modules, 2, layers)
    blas = whole_number("blas_threads", cores() if blas_threads is None else blas_threads, 1)
    groups: Groups = tuple((k,) for k in range(1, modules + 1))

    def cut(name: str, family: str, program: Program, **signal: Any) -> Contestant:
        """Cut where the slowest worker has least to do."""
        again = any(step.op == "late_fit" for step in program.steps())
        told = {"signal": "truth", "context": ("h", "y"), **signal}
        at = orderings.even_cuts(widths, modules, guess_again=again, **told)
        return Contestant(name, family, program, at, **signal)

    whole = orderings.backprop(1)
    guess: dict[str, Any] = {"signal": "generator"}
    poor = {**guess, "generator_hidden": (BOTTLENECK,)}
    again = orderings.pipeline(groups, staleness=staleness, guess_again=True)
    old = orderings.pipeline(groups, staleness=staleness, guess_again=False)
    every = tuple(range(1, layers))  # a cut above every layer
    red = orderings.sequential(layers)
    costs = orderings.multiplications(widths, ("h", "y"))
    late = orderings.pipeline((range(1, layers + 1),), staleness=staleness)
    shared = orderings.even_groups(orderings.module_times(late, costs), modules)
    found = [
        Contestant(IN_LINE, "wait", whole, executor="one thread"),
        Contestant(
            f"backpropagation, {blas} BLAS threads", "wait", whole,
            executor="one thread", blas_threads=blas,
        ),
        cut("GPipe", "wait", rivals.gpipe(groups, micro_batches)),
        cut("1F1B", "wait", rivals.one_forward_one_backward(groups, micro_batches)),
        cut("zero bubble", "wait", rivals.zero_bubble(groups, micro_batches)),
        cut("late truth", "wait", rivals.late_truth(groups, staleness=staleness)),
        cut(
            "late truth, weights of today", "wait",
            rivals.late_truth(groups, staleness=staleness, keep_weights=False),
        ),
        cut("local loss", "ask nobody", orderings.local_loss(groups), signal="readout"),
        cut(
            "direct feedback", "ask nobody",
            rivals.late_feedback(groups, staleness=staleness), signal="feedback",
        ),
        cut("generator", "guess", again, **guess),
        cut("generator, old errors", "guess", old, **guess),
        cut("generator, prompt", "guess", orderings.pipeline(groups, staleness=0), **guess),
        cut("bottleneck generator", "guess", again, **poor),
        Contestant("Red Box", "guess", red, every, "generator", executor="one thread"),
        Contestant(
            "generator a layer", "guess",
            orderings.pipeline(shared, staleness=staleness), every, "generator",
        ),
    ]  # fmt: skip
    return {one.name: one for one in found}


@dataclass(frozen=True)
class Goal:
    """An accuracy to reach: the task and network of ``settings``, and how good is good enough.

    ``score``: of a report, "class_error" or "bit_accuracy"; ``at``: the value to reach.  ``every``:
    batches between two looks.
    """

    settings: Settings
    score: str
    at: float
    every: int = 1

    def network(self, data: Dataset) -> Network:
        """The layers, for this data."""
        made = self.settings.stack(data)
        widths = (data.inputs, *self.settings.hidden, data.outputs)
        of = self.settings
        return Network(widths, made.loss, of.activation, of.batch_norm, of.dtype)

    def reached(self, report: Report) -> bool:
        """Whether that is good enough."""
        found = report.scores[self.score]
        return found <= self.at if self.score == "class_error" else found >= self.at


def batches_to(goal: Goal, one: Contestant, seed: int, *, rate: float) -> float | None:
    """After how many batches of the settings' size a contestant first reaches the goal.

    The executor changes no bit, so this runs on one thread.  ``rate``: of modules and signals.
    None: not in the settings' epochs, or it diverged.

    Raises ValueError if a batch can't be cut.
    """
    settings = goal.settings.but(seed=seed, rate=rate)
    data = settings.data()
    events = train(
        one.stack(goal.network(data), np.random.default_rng([seed, 2])),
        data,
        one.program,
        optimiser=settings.optimisers()[0],
        batch_size=one.rows(settings.batch_size),
        epochs=settings.epochs,
        seed=seed,
        report_every=goal.every * one.micro_batches,
    )
    with closing(events):  # type: ignore[type-var]  # an iterator that can be closed
        for event in events:
            if isinstance(event, Report) and goal.reached(event):
                return event.batch / one.micro_batches
    return None


@dataclass(frozen=True)
class Ledger:
    """What a contestant costs a batch: see ``ledger``."""

    name: str
    locks: tuple[str, ...]
    work: float
    messages: float
    activations: float
    weights: float


def ledger(one: Contestant, network: Network) -> Ledger:
    """The price of a way: locks held, and what it takes relative to backpropagation in line.

    ``work``: multiplications a batch over those of backpropagation.  ``messages``: values a batch
    that one module hands another; of micro-batches each is a piece.  ``activations``: the most
    that is kept at once, over what backpropagation keeps.  ``weights``: copies of all parameters
    that are kept beside those of today.  Readouts, generators and optimisers are not counted.
    """
    costs = one.costs(network)
    price = orderings.price(one.program, costs, network.work)
    whole = orderings.backprop(1)
    of_one = memory(whole, network.costs, *kept_sizes(network.widths, ()))
    peak = memory(one.program, costs, *kept_sizes(network.widths, one.cuts))
    alone = one.program.modules == 1  # one module waits for no other, but its layers do
    return Ledger(
        one.name,
        ("forward", "update", "backward") if alone else price.locks,
        price.work,
        price.messages * one.micro_batches,
        peak.activations / one.micro_batches / of_one.activations,
        peak.weights / network.parameters,
    )


def on_the_way(
    one: Contestant,
    network: Network,
    batch: int,
    *,
    products: float,
    latency: float,
    a_byte: float = 0.0,
) -> Delays:
    """How long values are on their way from worker to worker, in multiplications of a row.

    ``products``: multiplications that a worker does in a second.  ``latency``: seconds until a
    message is there, however short; ``a_byte``: seconds more for each byte.  So the unit is that
    of ``Contestant.costs``, and ``limit`` can have both.
    """
    rows, item = batch // one.micro_batches, np.dtype(network.dtype).itemsize
    found: dict[tuple[str, int], float] = {}
    for k, cut in enumerate(one.cuts, start=1):
        size = rows * network.widths[cut] * item
        found["h", k] = found["message", k + 1] = (latency + a_byte * size) * products / rows
    top, size = len(one.cuts) + 1, rows * network.widths[-1] * item
    for place in range(len(one.cuts)):  # the error at the top, to each that is told by feedback
        kind = numbered("error", place)
        found[kind, top] = (latency + a_byte * size) * products / rows
    return found


def far_limit(
    one: Contestant,
    network: Network,
    batch: int,
    on: int,
    *,
    products: float,
    latency: float,
    a_byte: float = 0.0,
) -> float:
    """``Contestant.limit`` where values are on their way: see ``on_the_way``.

    A line carries one message at a time in each direction, so no batch is quicker than the widest
    message of it.
    """
    delays = on_the_way(one, network, batch, products=products, latency=latency, a_byte=a_byte)
    limit = one.limit(network, on, delays)
    item = np.dtype(network.dtype).itemsize
    widest = max((network.widths[cut] for cut in one.cuts), default=0)
    busy = a_byte * products * item * widest  # multiplications of a row
    return min(limit, network.work / busy) if busy else limit


def speeds(
    network: Network,
    batch: int,
    among: Mapping[str, Contestant],
    *,
    rounds: int = 9,
    seconds: float = 0.25,
    optimiser: Optimiser = SLOW,
) -> dict[str, float]:
    """How many times as fast each is as backpropagation in line, by turns: ratios of medians.

    Raises ValueError if backpropagation in line is not ``among`` them, or a batch can't be cut.
    """
    if IN_LINE not in among:
        refuse("among", ", ".join(among), f"contestants with {IN_LINE!r} among them")
    runs = {name: one.runner(network, batch, optimiser) for name, one in among.items()}
    medians = take_turns(runs, rounds=rounds, seconds=seconds)
    return {name: medians[IN_LINE] / median for name, median in medians.items()}


def measured_limit(one: Contestant, network: Network, batch: int, in_line: float, on: int) -> float:
    """What its steps allow on ``on`` cores, measured one after the other on one thread.

    ``in_line``: seconds of a batch of backpropagation in line, measured the same way.
    """
    run = replace(one, executor="one thread").runner(network, batch)
    run(3)  # warm up
    times = step_times(run(30))
    time = orderings.time_per_batch(one.program, times, cores=on) * one.micro_batches
    return in_line / time
