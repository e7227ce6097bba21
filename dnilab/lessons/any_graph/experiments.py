"""Experiments on graphs: branches and joins on digits, and two networks with different clocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dnilab.checks import one_of, real_number, whole_number
from dnilab.data import Dataset, batches, digits
from dnilab.experiments import Run
from dnilab.experiments.settings_table import WIDTHS, Table, above, among, setting, whole
from dnilab.lessons.any_graph.data import COUNTED, Counting
from dnilab.lessons.any_graph.network.graph import Graph, Part
from dnilab.lessons.any_graph.network.joins import Add, Concatenate
from dnilab.lessons.any_graph.network.watcher import Watcher
from dnilab.lessons.any_graph.training import train_clocks, two_clocks
from dnilab.lessons.shared.trainer import Trainer
from dnilab.network import Adam, Chain, Dense, Generator, Layer, SoftmaxCrossEntropy, Stack, Tanh
from dnilab.orderings import backprop, last_layer_only, sequential
from dnilab.training import Event, wiring_of
from dnilab.training.one_thread import one_blas_thread

GRAPH_METHODS = ("backprop", "DNI(h)", "DNI(h, y)", "output only")
CLOCK_METHODS = ("no gradient", "DNI(message)", "DNI(message, label)", "exact")


def branching(
    rng: np.random.Generator, *, width: int = 64, inputs: int = 64, outputs: int = 10
) -> Graph:
    """A graph with branches, both kinds of join and a shortcut.

    x -> eye -> left -> deep; eye -> right; deep + right = sum; sum beside eye = join -> top.
    So eye has three users.  eye is ``width`` wide, the branches half of that (rounded up).
    """
    whole_number("width", width, 1)
    half = -(-width // 2)

    def hidden(n_in: int, n_out: int) -> Chain:
        return Chain([Dense(n_in, n_out, rng), Tanh()])

    return Graph(
        {"x": inputs},
        [
            Part("eye", hidden(inputs, width), ("x",)),
            Part("left", hidden(width, half), ("eye",)),
            Part("right", hidden(width, half), ("eye",)),
            Part("deep", hidden(half, half), ("left",)),
            Part("sum", Add(half), ("deep", "right")),
            Part("join", Concatenate((half, width)), ("sum", "eye")),
            Part("top", Dense(half + width, outputs, rng), ("join",)),
        ],
        "top",
    )


def generators_for(graph: Graph, context: Sequence[str], outputs: int) -> dict[str, Generator]:
    """A linear generator at every node with parameters but the output; joins only pass on."""
    return {
        part.name: Generator(graph.widths[part.name], context, outputs=outputs)
        for part in graph.parts
        if part.node.thetas and part.name != graph.output
    }


def graph_errors(
    method: str, *, seed: int = 0, epochs: int = 10, rate: float = 1e-3, width: int = 64
) -> np.ndarray:
    """Train the graph of ``branching`` on digits; the test error after each epoch, (epochs + 1,).

    ``method``: "backprop", "DNI(h)", "DNI(h, y)", or "output only", where all other nodes stay as
    they are.  Equal seeds give equal weights and batches.  Adam, batches of 32.
    """
    one_of("method", method, GRAPH_METHODS)
    whole_number("seed", seed, 0)
    whole_number("epochs", epochs, 1)
    real_number("rate", rate, 0, above=True)
    data = digits()
    graph = branching(np.random.default_rng([seed, 2]), width=width)
    context = {"DNI(h)": ("h",), "DNI(h, y)": ("h", "y")}.get(method)
    guessing = generators_for(graph, context, 10) if context else None
    stack = graph.stack(SoftmaxCrossEntropy(), guessing)
    order = {"backprop": backprop, "output only": last_layer_only}.get(method, sequential)
    trainer = Trainer(stack, order(wiring_of(stack)), Adam(rate))
    rng = np.random.default_rng([seed, 1])

    def error() -> float:
        answers = graph.predict(data.x_test).argmax(axis=1)
        return float((answers != data.y_test.argmax(axis=1)).mean())

    errors = [error()]
    for _ in range(epochs):
        for rows in batches(rng, len(data.x_train), 32):
            trainer.turn(data.x_train[rows], data.y_train[rows])
        errors.append(error())
    return np.array(errors)


@dataclass(frozen=True)
class ClockSettings(Table):
    """Two networks with different clocks, complete: equal settings and seed give equal numbers.

    Raises ValueError, naming the field, what it got and what it accepts.
    """

    what: str = setting("odd digits", among(COUNTED))  # that B is asked to count
    period: int = setting(5, whole(1, 40))  # ticks of A for one of B
    method: str = setting("DNI(message, label)", among(CLOCK_METHODS))
    lag: int = setting(0, whole(0))  # windows between a message and B's work on it
    features: int = setting(32, whole(1))  # of A's eye
    width: int = setting(32, whole(1))  # of A's recurrent core
    message: int = setting(16, whole(1))  # numbers in the message
    hidden: tuple[int, ...] = setting((), WIDTHS)  # of B; none: one dense layer
    generator_hidden: tuple[int, ...] = setting((), WIDTHS)  # none: a linear generator
    rate: float = setting(2e-3, above(0))
    batch_size: int = setting(32, whole(1))
    windows: int = setting(2000, whole(1, 1_000_000))
    report_every: int = setting(100, whole(1))
    unseen: int = setting(1000, whole(1))  # windows of unseen images that a report is measured on
    seed: int = setting(0, whole(0))

    def check_together(self) -> None:
        """Raise ValueError for settings that are accepted one by one, but not together."""
        if self.lag and self.method == "exact":
            raise ValueError(f"lag is {self.lag}; with the method 'exact' A waits: it accepts 0")

    def make_task(self) -> Counting:
        """The task."""
        return Counting(self.what, self.period)

    def make_networks(self) -> tuple[Watcher, Chain, Generator | None]:
        """A, B and the generator between them; equal seeds give equal weights, every method."""
        task, rng, dtype = self.make_task(), np.random.default_rng([self.seed, 2]), np.float32
        watcher = Watcher(
            task.pixels,
            task.classes,
            self.message,
            rng,
            features=self.features,
            width=self.width,
            dtype=dtype,
        )
        layers: list[Layer] = []
        n_in = self.message
        for n in self.hidden:
            layers += [Dense(n_in, n, rng, dtype=dtype), Tanh()]
            n_in = n
        counter = Chain([*layers, Dense(n_in, task.answers, rng, dtype=dtype)])
        generator = None
        if self.method.startswith("DNI"):
            generator = Generator(
                self.message,
                ("h", "y") if self.method == "DNI(message, label)" else ("h",),
                outputs=task.answers,
                hidden=self.generator_hidden,
                rng=np.random.default_rng([self.seed, 3]),
                dtype=dtype,
            )
        return watcher, counter, generator

    def start(
        self, report_every: int | None = None, data: Dataset | None = None
    ) -> tuple[Stack, Iterator[Event]]:
        """New networks, and the events of their training, which begins with the first of them.

        Raises ValueError for ``data``: what is seen is drawn by the settings alone.
        """
        self.take_no(data)
        watcher, counter, generator = self.make_networks()
        return two_clocks(watcher, counter, generator), train_clocks(
            watcher,
            counter,
            self.make_task(),
            optimiser=Adam(self.rate),
            channel="DNI" if generator is not None else self.method,
            generator=generator,
            lag=self.lag,
            batch_size=self.batch_size,
            windows=self.windows,
            report_every=self.report_every if report_every is None else report_every,
            unseen=self.unseen,
            rng=np.random.default_rng([self.seed, 1]),
        )


def counting_names(run: Run) -> float:
    """The accuracy of one who knows only which digits A *named*, with A's own mistakes.

    Measured on the unseen images, for a run by ``ClockSettings``: see ``Counting.limit``.
    """
    data, watcher = digits(), run.stack.modules[0].body.watcher
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
        _, names, _ = watcher.watch(data.x_test[None].astype(np.float32))
    task: Counting = run.settings.make_task()
    return task.limit(data.y_test.argmax(axis=1), names[0].argmax(axis=1))
