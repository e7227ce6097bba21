"""Training as plain loops over network objects: what every executor must agree with, bit by bit."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np

from dnilab.data import Dataset, batches
from dnilab.network import Optimiser, Stack


def drawn_batches(
    data: Dataset, batch_size: int, epochs: int, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The batches of a run: one generator, shuffled anew in every epoch."""
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        for rows in batches(rng, len(data.x_train), batch_size):
            yield data.x_train[rows], data.y_train[rows]


def decoupled_loop(
    stack: Stack,
    data: Dataset,
    optimiser: Optimiser,
    generator_optimiser: Optimiser,
    *,
    batch_size: int,
    epochs: int,
    seed: int,
    staleness: int = 0,
    guess_again: bool = False,
) -> Iterator[int]:
    """Decoupled training; yields the number of batches so far, after each of them.

    With a staleness, each fit comes that many batches late, those of the last batches at the end.
    ``guess_again``: it lets the generator of that moment guess again.
    """
    bodies = [optimiser.start(module.body.thetas) for module in stack.modules]
    generators = [
        generator_optimiser.start(m.generator.thetas) if m.generator else None
        for m in stack.modules
    ]
    late: deque[list[tuple[Any, Any, Any]]] = deque()

    def fit_oldest() -> None:
        for k, (context, guess, target) in enumerate(late.popleft()):
            generator, update = stack.modules[k].generator, generators[k]
            assert generator is not None
            assert update is not None
            g_hat, pullback = generator(*context) if guess_again else guess
            _, grads = pullback(g_hat - target)
            update(grads, len(target))

    for t, (x, y) in enumerate(drawn_batches(data, batch_size, epochs, seed)):
        h = x
        contexts: list[Any] = []
        guesses: list[Any] = []
        targets: list[Any] = []
        for k, module in enumerate(stack.modules):
            h, pullback = module(h)
            if module.generator is None:
                g = stack.loss.gradient(h, y)
            else:
                g, fit = module.generator(h, x, y)
                contexts.append((h, x, y))
                guesses.append((g, fit))
            message, grads = pullback(g)
            if k > 0:
                targets.append(message)
            bodies[k](grads, len(x))
        late.append(list(zip(contexts, guesses, targets, strict=True)))
        if t >= staleness:
            fit_oldest()
        yield t + 1
    while late:
        fit_oldest()


def backprop_loop(
    stack: Stack,
    data: Dataset,
    optimiser: Optimiser,
    *,
    batch_size: int,
    epochs: int,
    seed: int,
) -> Iterator[int]:
    """Backpropagation; yields the number of batches so far, after each of them."""
    updates = [optimiser.start(module.body.thetas) for module in stack.modules]
    for t, (x, y) in enumerate(drawn_batches(data, batch_size, epochs, seed)):
        _, grads = stack.gradients(x, y)
        for update, grad in zip(updates, grads, strict=True):
            update(grad, len(x))
        yield t + 1


def last_layer_loop(
    stack: Stack,
    data: Dataset,
    optimiser: Optimiser,
    *,
    batch_size: int,
    epochs: int,
    seed: int,
) -> Iterator[int]:
    """Only the top module is trained; yields the number of batches so far."""
    top = stack.modules[-1]
    update = optimiser.start(top.body.thetas)
    for t, (x, y) in enumerate(drawn_batches(data, batch_size, epochs, seed)):
        h = x
        for module in stack.modules[:-1]:
            h, _ = module(h)
        output, pullback = top(h)
        update(pullback(stack.loss.gradient(output, y))[1], len(x))
        yield t + 1


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
