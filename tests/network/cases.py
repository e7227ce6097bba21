"""Everything that keeps the contract: layers, chains, joins, modules, generators, losses.

And the signals, which keep one of their own: ``SIGNALS``.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np

from dnilab.lessons.any_graph.network.joins import Add, Concatenate
from dnilab.lessons.convolutions.network.build import ConvGenerator, DenseImageGenerator
from dnilab.lessons.convolutions.network.layers import ChannelNorm, Conv2D
from dnilab.lessons.convolutions.network.pooling import Flatten, MaxPool2D, MeanPool2D, ToImage
from dnilab.network import (
    CONTEXTS,
    BatchNorm,
    BinaryCrossEntropy,
    Chain,
    Dense,
    Feedback,
    FixedFeedbackDense,
    Generator,
    Identity,
    Loss,
    Module,
    Readout,
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
    layer("Chain that is frozen", lambda rng: Chain(some_chain(rng).layers, frozen=True), N_OUT),
    layer("Chain of one", lambda rng: Chain([Tanh()])),
    layer("Chain that starts without parameters", lambda rng: Chain([ReLU(), BatchNorm(N_IN)])),
    layer("Module", lambda rng: Module(some_chain(rng)), N_OUT),
]

# Its dx is no derivative, so it keeps all clauses but the last two.
FIXED_FEEDBACK = layer(
    "FixedFeedbackDense",
    lambda rng: FixedFeedbackDense.of(Dense(N_IN, N_OUT, rng), rng),
    N_OUT,
)


def join(
    name: str, make: Callable[[np.random.Generator], Any], widths: tuple[int, ...], n_out: int
) -> Case:
    """Something that hears arrays of these widths."""
    cuts = np.cumsum(widths)[:-1].tolist()
    return Case(
        name,
        make,
        lambda rng, batch: tuple(rng.standard_normal((batch, width)) for width in widths),
        joined=lambda *heard: np.concatenate(heard, axis=1),
        of_joined=lambda f, z, *_: f(*np.split(z, cuts, axis=1))[0],
        y_shape=lambda batch: (batch, n_out),
    )


def joined_chain(rng: np.random.Generator) -> Chain:
    return Chain([Concatenate((N_IN, 2)), Dense(N_IN + 2, 5, rng), Tanh(), Dense(5, N_OUT, rng)])


JOINS = [
    join("Concatenate", lambda rng: Concatenate((3, 1, 2)), (3, 1, 2), 6),
    join("Concatenate of one", lambda rng: Concatenate((3,)), (3,), 3),
    join("Add", lambda rng: Add(4), (4, 4), 4),
    join("Add, three", lambda rng: Add(2, 3), (2, 2, 2), 2),
    join("Chain that starts with a join", joined_chain, (N_IN, 2), N_OUT),
    join(
        "Chain that starts with a join alone",
        lambda rng: Chain([Add(N_IN), Tanh()]),
        (N_IN, N_IN),
        N_IN,
    ),
]
JOINED_MODULE = join(
    "Module that hears two", lambda rng: Module(joined_chain(rng)), (N_IN, 2), N_OUT
)


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

HEIGHT, WIDTH, CHANNELS = 5, 4, 2  # all different, so that two mixed up show


def images(
    name: str,
    make: Callable[[np.random.Generator], Any],
    out: tuple[int, ...],
    batch: int = 3,
) -> Case:
    """A layer of images: (batch, 5, 4, 2) in, (batch, *out) out."""
    return Case(
        name,
        make,
        lambda rng, batch: (rng.standard_normal((batch, HEIGHT, WIDTH, CHANNELS)),),
        y_shape=lambda batch: (batch, *out),
        batch=batch,
    )


def convolution(size: int, stride: int, padding: int, out: tuple[int, int]) -> Case:
    def make(rng: np.random.Generator) -> Conv2D:
        return Conv2D(CHANNELS, 3, size, rng, stride=stride, padding=padding)

    return images(f"Conv2D(size {size}, stride {stride}, padding {padding})", make, (*out, 3))


def some_convolutions(rng: np.random.Generator) -> Chain:
    first = Conv2D(CHANNELS, 3, 3, rng, stride=2, padding=1)
    return Chain([first, ChannelNorm(3), Tanh(), Flatten(), Dense(18, N_OUT, rng)])


IMAGE_LAYERS = [
    convolution(1, 1, 0, (5, 4)),
    convolution(2, 1, 0, (4, 3)),
    convolution(2, 3, 0, (2, 1)),  # windows apart: some pixels are seen by none
    convolution(3, 1, 1, (5, 4)),
    convolution(3, 2, 1, (3, 2)),
    convolution(4, 1, 3, (8, 7)),
    images("ChannelNorm", lambda rng: ChannelNorm(CHANNELS), (HEIGHT, WIDTH, CHANNELS)),
    images("ChannelNorm of one image", lambda rng: ChannelNorm(CHANNELS), (5, 4, 2), batch=1),
    images("MeanPool2D", lambda rng: MeanPool2D(2), (2, 2, CHANNELS)),
    images("MeanPool2D, overlapping", lambda rng: MeanPool2D(3, stride=1), (3, 2, CHANNELS)),
    images("MaxPool2D", lambda rng: MaxPool2D(2), (2, 2, CHANNELS)),
    images("MaxPool2D, overlapping", lambda rng: MaxPool2D(3, stride=1), (3, 2, CHANNELS)),
    images("Flatten", lambda rng: Flatten(), (HEIGHT * WIDTH * CHANNELS,)),
    images("Chain of convolutions", some_convolutions, (N_OUT,)),
    Case(
        "ToImage", lambda rng: ToImage(1, 2, 2), rows(N_IN), y_shape=lambda batch: (batch, 1, 2, 2)
    ),
]


def image_generator(kind: type, context: tuple[str, ...], hidden: tuple[int, ...]) -> Case:
    shape = (2, 3, 2)  # of h; the network's input is twice as large each way

    def make(rng: np.random.Generator) -> Any:
        size = {"image": (4, 6, 1)} if kind is ConvGenerator else {"inputs": 24}
        return kind(shape, context, outputs=OUTPUTS, hidden=hidden, rng=rng, **size)

    def inputs(rng: np.random.Generator, batch: int) -> tuple[np.ndarray, ...]:
        shapes = (shape, (24,), (OUTPUTS,))
        return tuple(rng.standard_normal((batch, *each)) for each in shapes)

    return Case(
        f"{kind.__name__}({', '.join(context)}; {hidden if hidden else 'linear'})",
        make,
        inputs,
        # dx of a generator is with respect to its joined context
        joined=lambda h, x, y: make(np.random.default_rng(0)).joined(h, x, y),
        of_joined=lambda f, z, *_: f.body(z)[0],
        y_shape=lambda batch: (batch, *shape),
        batch=3,
    )


IMAGE_GENERATORS = [
    image_generator(kind, context, hidden)
    for kind in (DenseImageGenerator, ConvGenerator)
    for context in (("h",), ("h", "y"), ("y", "x"), ("h_norm", "y", "x"))
    for hidden in ((), (3,))
]

ALL = [
    *LAYERS,
    *JOINS,
    JOINED_MODULE,
    *GENERATORS,
    *LOSSES,
    *IMAGE_LAYERS,
    *IMAGE_GENERATORS,
]


# ---- signals: handed h, x, y and the error at the top --------------------------------------------


def signal(
    name: str, make: Callable[[np.random.Generator], Any], labels: Callable[..., np.ndarray]
) -> Case:
    def inputs(rng: np.random.Generator, batch: int) -> tuple[np.ndarray, ...]:
        h, x, error = (rng.standard_normal((batch, n)) for n in (N_IN, INPUTS, OUTPUTS))
        return h, x, labels(rng, batch), error

    return Case(name, make, inputs)


def some_numbers(rng: np.random.Generator, batch: int) -> np.ndarray:
    return rng.standard_normal((batch, OUTPUTS))


def some_bits(rng: np.random.Generator, batch: int) -> np.ndarray:
    return rng.integers(0, 2, (batch, OUTPUTS)).astype(float)


def some_classes(rng: np.random.Generator, batch: int) -> np.ndarray:
    return np.eye(OUTPUTS)[rng.integers(0, OUTPUTS, batch)]


def readout(
    loss: Loss,
    labels: Callable[..., np.ndarray],
    hidden: tuple[int, ...],
    kind: type[Readout] = Readout,
) -> Case:
    return signal(
        f"{kind.__name__}({loss.name}; {hidden if hidden else 'linear'})",
        lambda rng: kind(N_IN, OUTPUTS, loss, hidden=hidden, rng=rng),
        labels,
    )


READOUTS = [
    readout(loss, labels, hidden)
    for loss, labels in (
        (SquaredError(), some_numbers),
        (BinaryCrossEntropy(), some_bits),
        (SoftmaxCrossEntropy(), some_classes),
    )
    for hidden in ((), (5,), (4, 6))
]
FEEDBACK = signal("Feedback", lambda rng: Feedback(N_IN, OUTPUTS, rng=rng), some_bits)


def asked_generator(context: tuple[str, ...], hidden: tuple[int, ...]) -> Case:
    sizes = {"inputs": INPUTS, "outputs": OUTPUTS}
    return signal(
        f"Generator({', '.join(context)}; {hidden if hidden else 'linear'})",
        lambda rng: Generator(N_IN, context, hidden=hidden, rng=rng, **sizes),
        some_numbers,
    )


SIGNALS = [
    *(asked_generator(mix, hidden) for mix in MIXES for hidden in ((), (5,))),
    *READOUTS,
    FEEDBACK,
]
