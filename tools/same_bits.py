"""Whether the trainers of the graph, of time and of the two clocks give the bits of the one executor.

    PYTHONPATH=. python tools/same_bits.py

Both stand at this commit only: the trainers go with the next one.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from dnilab.data import batches, digits
from dnilab.lessons.any_graph.data import Counting
from dnilab.lessons.any_graph.experiments import ClockSettings, branching, generators_for
from dnilab.lessons.any_graph.training import clocks as old_clocks
from dnilab.lessons.any_graph.training import clocks_new as new_clocks
from dnilab.lessons.any_graph.training.graph import GraphTrainer
from dnilab.lessons.through_time import training as old_time
from dnilab.lessons.through_time import training_new as new_time
from dnilab.lessons.through_time.experiments import RecurrentSettings
from dnilab.network import SGD, Adam, SoftmaxCrossEntropy
from dnilab.orderings import backprop, last_layer_only, sequential
from dnilab.training import Trainer, wiring_of

OPTIMISERS = (SGD(0.01), Adam(3e-3))


def equal(old: Any, new: Any) -> bool:
    return all(map(np.array_equal, old, new))


def graphs() -> None:
    data, loss = digits(), SoftmaxCrossEntropy()
    for optimiser, kind in itertools.product(OPTIMISERS, ("none", "h", "h y", "some", "top")):
        net = branching(np.random.default_rng(1), width=20)
        context = {"h": ("h",), "h y": ("h", "y"), "some": ("h", "y")}.get(kind)
        guessing = generators_for(net, context, 10) if context else {}
        if kind == "some":
            del guessing["left"], guessing["eye"]
        other, guesses = net.copy(), {name: g.copy() for name, g in guessing.items()}
        old = GraphTrainer(net, loss, optimiser, guessing, learn=("top",) if kind == "top" else None)
        stack = other.stack(loss, guesses)
        wiring = wiring_of(stack)
        make = {"none": backprop, "top": last_layer_only}.get(kind, sequential)
        new = Trainer(stack, make(wiring), optimiser)
        for rows in itertools.chain(*(batches(np.random.default_rng(2), 1437, 32) for _ in "ab")):
            old.step(data.x_train[rows], data.y_train[rows])
            new.turn(data.x_train[rows], data.y_train[rows])
        same = equal(net.thetas, other.thetas) and all(
            equal(guessing[n].thetas, guesses[n].thetas) for n in guessing
        )
        print(f"graph, generators {kind}, {type(optimiser).__name__}: {same}")


def clocks() -> None:
    for optimiser, (method, lag) in itertools.product(
        OPTIMISERS,
        [("no gradient", 0), ("exact", 0), ("DNI(message)", 0), ("DNI(message, label)", 3)],
    ):
        settings = ClockSettings(method=method, lag=lag, hidden=(8,), period=3)
        nets = [settings.make_networks() for _ in "ab"]
        for (watcher, counter, generator), module in zip(nets, (old_clocks, new_clocks), strict=True):
            for _ in module.train_clocks(
                watcher, counter, Counting("threes", 3), optimiser=optimiser, generator=generator,
                channel="DNI" if generator else method, lag=lag, windows=60, report_every=25,
                unseen=50, rng=np.random.default_rng(5),
            ):  # fmt: skip
                pass
        same = all(
            equal(a.thetas, b.thetas) for a, b in zip(*nets, strict=True) if a is not None
        )
        print(f"two clocks, {method}, lag {lag}, {type(optimiser).__name__}: {same}")


def time() -> None:
    cases = [
        *itertools.product(("echo",), ("GRU",), ("BPTT", "DNI(state)", "DNI(state, targets)"), (4,), (0.0,)),
        *itertools.product(("recall", "copy"), ("tanh", "GRU", "LSTM"), ("DNI(state, targets)",), (2, 3), (0.0,)),
        *itertools.product(("recall",), ("GRU",), ("BPTT", "DNI(state)", "frozen"), (3, None), (0.0,)),
        ("recall", "GRU", "DNI(state)", 2, 0.7),
        ("echo", "GRU", "DNI(state, targets)", 3, 0.7),
    ]  # fmt: skip
    for optimiser, (task, cell, method, unroll, auxiliary) in itertools.product(OPTIMISERS, cases):
        settings = RecurrentSettings(
            task=task, cell=cell, method=method, unroll=unroll, delay=4, width=12,
            auxiliary=auxiliary, dtype="float64",
        )  # fmt: skip
        pairs = []
        for module in (old_time, new_time):
            net, generator = settings.make_net(), settings.make_generator()
            reports = list(
                module.train_sequences(
                    net, settings.make_task(), unroll=unroll, optimiser=optimiser,
                    generator=generator, generator_optimiser=SGD(0.003), auxiliary=auxiliary,
                    readout_only=method == "frozen", batch_size=8, updates=150, report_every=40,
                    curriculum=task == "recall", solved_below=0.9, rng=np.random.default_rng(3),
                )
            )  # fmt: skip
            pairs.append((net.thetas, generator.thetas if generator else [], reports))
        (net_a, gen_a, old), (net_b, gen_b, new) = pairs
        told = [(r.update, r.bits, r.delay, r.solved, r.step) for r in old]
        told_now = [
            (r.batch, r.scores["bits"], r.scores["delay"], r.scores["solved"], r.scores["step"])
            for r in new
        ]
        same = equal(net_a, net_b) and equal(gen_a, gen_b) and told == told_now
        print(
            f"time, {task}, {cell}, {method}, T = {unroll}, auxiliary {auxiliary}, "
            f"{type(optimiser).__name__}: {same}"
        )


if __name__ == "__main__":
    graphs()
    clocks()
    time()
