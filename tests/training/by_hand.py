"""The method on one page, run on the package's own networks: what every executor must equal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dnilab.data import Dataset
from dnilab.lessons import method
from dnilab.network import Optimiser, Stack
from dnilab.orderings import Program


class _Learner:
    """A body or a generator of the package, with the update that the page asks it for."""

    def __init__(self, part: Any, optimiser: Optimiser, see: Any = lambda *seen: seen) -> None:
        self.part, self.see = part, see
        self.update = optimiser.start(part.thetas)

    def __call__(self, *seen: np.ndarray) -> Any:
        return self.part(*self.see(*seen))


def on_the_page(
    stack: Stack,
    data: Dataset,
    program: Program,
    optimiser: Optimiser,
    generator_optimiser: Optimiser | None = None,
    *,
    batch_size: int,
    epochs: int,
    seed: int,
) -> Iterator[int]:
    """Train ``stack`` by the page's loop; yields the number of turns so far, after each of them.

    What a signal of the page sees beside h is y alone, but a generator may ask for x: so the page
    is handed both, side by side.
    """

    def x_and_y(both: np.ndarray) -> list[np.ndarray]:
        return [np.ascontiguousarray(a) for a in np.split(both, [data.inputs], axis=1)]

    def loss(output: np.ndarray, both: np.ndarray) -> tuple[np.ndarray, None]:
        return stack.loss.gradient(output, x_and_y(both)[1]), None

    net = {}
    for k, module in enumerate(stack.modules, start=1):
        signal: Any = loss
        if module.generator is not None:
            rate = generator_optimiser or optimiser
            signal = _Learner(module.generator, rate, lambda h, both: (h, *x_and_y(both)))
        net[k] = method.Module(_Learner(module.body, optimiser), signal)
    both = np.hstack([data.x_train, data.y_train])
    batches = method.shuffled(data.x_train, both, batch_size, epochs, seed)
    return method.train(net, in_the_pages_words(program), batches)


def in_the_pages_words(program: Program) -> method.Ordering:
    """The same ordering; there a backward updates at once."""
    return [
        [(getattr(method, s.op), s.module, -s.batch) for s in steps if s.op != "update"]
        for steps in program.workers
    ]


def bits(stack: Stack) -> list[bytes]:
    """All parameters, down to the last bit."""
    return [theta.tobytes() for theta in stack.thetas]


def small_data(
    kind: str = "bits",
    *,
    inputs: int = 4,
    outputs: int = 2,
    rows: int = 13,
    dtype: Any = np.float64,
    seed: int = 8,
) -> Dataset:
    """Random rows, with random labels."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows + 5, inputs))
    y = rng.integers(0, 2, (rows + 5, outputs)).astype(float)
    if kind == "classes":
        y = np.eye(outputs)[rng.integers(0, outputs, rows + 5)]
    name: Any = kind
    return Dataset("small", name, x[:rows], y[:rows], x[rows:], y[rows:]).astype(dtype)
