"""Everything that keeps the contract: layers, chains, modules, generators, losses."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np

from dnilab.network import (
    CONTEXTS,
    BatchNorm,
    BinaryCrossEntropy,
    Chain,
    Dense,
    Generator,
    Identity,
    Module,
    ReLU,
    Sigmoid,
    SoftmaxCrossEntropy,
    SquaredError,
    Tanh,
    joined_context,
)
from tests.network.contract import Case

N_IN, N_OUT, INPUTS, OUTPUTS = 4, 3, 3, 2


def rows(width: int) -> Callable[[np.random.Generator, int], tuple[np.ndarray, ...]]:
    return lambda rng, batch: (rng.standard_normal((batch, width)),)


def layer(name: str, make: Callable[[np.random.Generator], Any], n_out: int = N_IN) -> Case:
    return Case(name, make, rows(N_IN), y_shape=lambda batch: (batch, n_out))


def some_chain(rng: np.random.Generator) -> Chain:
    return Chain([Dense(N_IN, 5, rng), BatchNorm(5), Tanh(), Dense(5, N_OUT, rng), Sigmoid()])


LAYERS = [
    layer("Dense", lambda rng: Dense(N_IN, N_OUT, rng), N_OUT),
    layer("Dense, one column", lambda rng: Dense(N_IN, 1, rng), 1),
    layer("BatchNorm", lambda rng: BatchNorm(N_IN)),
    layer("BatchNorm, large epsilon", lambda rng: BatchNorm(N_IN, epsilon=0.5)),
    layer("Identity", lambda rng: Identity()),
    layer("Sigmoid", lambda rng: Sigmoid()),
    layer("Tanh", lambda rng: Tanh()),
    layer("ReLU", lambda rng: ReLU()),
    layer("Chain", some_chain, N_OUT),
    layer("Chain of one", lambda rng: Chain([Tanh()])),
    layer("Chain that starts without parameters", lambda rng: Chain([ReLU(), BatchNorm(N_IN)])),
    layer("Module", lambda rng: Module(some_chain(rng)), N_OUT),
]


def generator(context: tuple[str, ...], hidden: tuple[int, ...]) -> Case:
    def make(rng: np.random.Generator) -> Generator:
        return Generator(N_IN, context, inputs=INPUTS, outputs=OUTPUTS, hidden=hidden, rng=rng)

    def inputs(rng: np.random.Generator, batch: int) -> tuple[np.ndarray, ...]:
        return tuple(rng.standard_normal((batch, width)) for width in (N_IN, INPUTS, OUTPUTS))

    return Case(
        f"Generator({', '.join(context)}; {hidden if hidden else 'linear'})",
        make,
        inputs,
        # dx of a generator is with respect to its joined context
        joined=lambda h, x, y: joined_context(context, h, x, y),
        of_joined=lambda f, z, *_: f.body(z)[0],
        y_shape=lambda batch: (batch, N_IN),
    )


MIXES = [mix for size in range(1, 5) for mix in combinations(CONTEXTS, size)]
GENERATORS = [generator(mix, hidden) for mix in MIXES for hidden in ((), (5,))] + [
    generator(("y", "h"), ()),  # in another order
    generator(("h", "y"), (4, 6)),
]


def loss(kind: type, labels: Callable[[np.random.Generator, int], np.ndarray]) -> Case:
    return Case(
        kind.__name__,
        lambda rng: kind(),
        lambda rng, batch: (rng.standard_normal((batch, N_IN)), labels(rng, batch)),
        y_shape=lambda batch: (batch,),
        has_copy=False,
    )


LOSSES = [
    loss(SquaredError, lambda rng, batch: rng.standard_normal((batch, N_IN))),
    loss(BinaryCrossEntropy, lambda rng, batch: rng.integers(0, 2, (batch, N_IN)).astype(float)),
    loss(SoftmaxCrossEntropy, lambda rng, batch: np.eye(N_IN)[rng.integers(0, N_IN, batch)]),
]

ALL = LAYERS + GENERATORS + LOSSES
