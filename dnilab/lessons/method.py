"""The method on one page: decoupled neural interfaces, from nothing but NumPy.

    python -m dnilab.lessons.method

Backpropagation lets a layer learn only when the gradient of the loss has come down to it, through
all the layers above.  Here a network is cut into modules, and beside each module stands a
generator: a small model that guesses the gradient at the module's output.  The module learns from
the guess at once.  So does the module above, which then knows a better gradient and sends it down
as a message; from that the generator learns to guess.  (Jaderberg et al. 2016, arXiv 1608.05343.)

Letters: x input, y label, h output of a module, g gradient of the loss with respect to h, g_hat a
guess of g; k is the number of a module, from 1 at the input.  Arrays are (batch, width).  A
gradient is that of the loss summed over the batch; an update divides by the batch size.

The rest of the package does the same, with checks, threads and pictures.  A test makes sure that
both end with the same weights, to the last bit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, pairwise, repeat
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray
Pullback = Callable[[Array], tuple[Array, list[Array]]]

# 1. Layers.  A layer returns its output and its own backward: y, pullback = layer(x).  Given dy,
#    the gradient at y, the pullback returns the gradient at x and those of the parameters.


class Linear:
    """y = x W + b."""

    def __init__(self, W: Array, rate: float) -> None:
        self.W, self.b, self.rate = W, np.zeros(W.shape[1]), rate

    def __call__(self, x: Array) -> tuple[Array, Pullback]:
        def pullback(dy: Array) -> tuple[Array, list[Array]]:
            return dy @ self.W.T, [x.T @ dy, dy.sum(axis=0)]  # dL/dx; dL/dW and dL/db

        return x @ self.W + self.b, pullback

    def update(self, grads: Sequence[Array], batch_size: int) -> None:
        """One step of gradient descent."""
        for parameter, grad in zip((self.W, self.b), grads, strict=True):
            parameter -= grad * (self.rate / batch_size)


class Tanh(Linear):
    """h = tanh(x W + b)."""

    def __call__(self, x: Array) -> tuple[Array, Pullback]:
        a, pull_linear = super().__call__(x)
        h = np.tanh(a)
        return h, lambda g: pull_linear(g * (1 - h * h))


# 2. Signals.  A signal tells a module the gradient at its output: g_hat, pullback = signal(h, y).
#    Below the top it is a generator, which guesses; at the top it is the loss, which knows.


class Generator:
    """g_hat = [h y] M + b.  It starts at zero: the first guesses are 0 and do no harm."""

    def __init__(self, width: int, labels: int, rate: float) -> None:
        self.linear = Linear(np.zeros((width + labels, width)), rate)
        self.update = self.linear.update

    def __call__(self, h: Array, y: Array) -> tuple[Array, Pullback]:
        return self.linear(np.hstack([h, y]))


def cross_entropy(z: Array, y: Array) -> tuple[Array, None]:
    """The true gradient, sigmoid(z) - y, where sigmoid(z) says how likely each bit is 1."""
    return 0.5 * (1 + np.tanh(0.5 * z)) - y, None


class Module(NamedTuple):
    layer: Any
    signal: Any


Network = dict[int, Module]


def build(widths: Sequence[int], seed: int, rate: float, generator_rate: float) -> Network:
    """Modules 1 to K, with ``widths`` from input to output."""
    net, rng = {}, np.random.default_rng(seed)
    for k, (n_in, n_out) in enumerate(pairwise(widths), start=1):
        W = rng.normal(0, 1 / np.sqrt(n_in), (n_in, n_out))
        net[k] = Module(Tanh(W, rate), Generator(n_out, widths[-1], generator_rate))
    net[k] = Module(Linear(W, rate), cross_entropy)  # the top module needs no guess
    return net


# 3. Operations: what module k can do with a batch.  A batch is a dictionary; at first it holds x
#    as ("h", 0), and "y".  An operation finds in it what it needs, and adds what it makes.

Batch = dict[Any, Any]


def forward(net: Network, k: int, batch: Batch) -> None:
    """Up through the module.  Above the top one, the loss answers at once."""
    batch["h", k], batch["pullback", k] = net[k].layer(batch["h", k - 1])
    if k == len(net):
        batch["message", k + 1], _ = net[k].signal(batch["h", k], batch["y"])


def backward(net: Network, k: int, batch: Batch) -> None:
    """Down through the module with the true gradient, which came from above, and update."""
    batch["message", k], grads = batch["pullback", k](batch["message", k + 1])
    net[k].layer.update(grads, len(batch["y"]))


def forward_update(net: Network, k: int, batch: Batch) -> None:
    """Up through the module, down with a guess, and update: it waits for no module above."""
    batch["h", k], pullback = net[k].layer(batch["h", k - 1])
    batch["guess", k] = net[k].signal(batch["h", k], batch["y"])
    g_hat, _ = batch["guess", k]
    batch["message", k], grads = pullback(g_hat)
    net[k].layer.update(grads, len(batch["y"]))


def fit(net: Network, k: int, batch: Batch) -> None:
    """Move the generator from its guess towards the message from above."""
    g_hat, pullback = batch["guess", k]
    _, grads = pullback(g_hat - batch["message", k + 1])  # of |g_hat - message|^2 / 2
    net[k].signal.update(grads, len(batch["y"]))


def late_fit(net: Network, k: int, batch: Batch) -> None:
    """Fit batches after the guess: guess again first, since the error of an old guess misleads."""
    batch["guess", k] = net[k].signal(batch["h", k], batch["y"])
    fit(net, k, batch)


Operation = Callable[[Network, int, Batch], None]


def can_run(operation: Operation, k: int, batch: Batch) -> bool:
    """Whether the batch has by now what the operation needs."""
    needs: dict[Operation, set[tuple[str, int]]] = {
        forward: {("h", k - 1)},
        backward: {("pullback", k), ("message", k + 1)},
        forward_update: {("h", k - 1)},
        fit: {("guess", k), ("message", k + 1)},
        late_fit: {("h", k), ("message", k + 1)},
    }
    return needs[operation] <= batch.keys()


# 4. Orderings: who does what, and when.  Each turn brings a batch.  An ordering is a list of
#    steps for each worker: an operation, a module, and how many batches late it comes.

Ordering = Sequence[Sequence[tuple[Operation, int, int]]]


def backprop(top: int) -> Ordering:
    """All the way up, then all the way down: each module waits for all the others."""
    up = [(forward, k, 0) for k in range(1, top + 1)]
    return [up + [(backward, k, 0) for k in range(top, 0, -1)]]


def sequential(top: int) -> Ordering:
    """Once up, and done: each generator is fitted as soon as the module above has answered."""
    steps = [(forward_update, 1, 0)]
    for k in range(2, top + 1):
        steps += [(forward_update, k, 0), (fit, k - 1, 0)]
    return [steps]


def pipeline(groups: Sequence[Sequence[int]], staleness: int) -> Ordering:
    """A worker for each group of modules; it may be ``staleness`` batches ahead of the next."""
    top, late = groups[-1][-1], late_fit if staleness else fit
    return [
        [(forward_update, k, 0) for k in group] + [(late, k, staleness) for k in group if k < top]
        for group in groups
    ]


# 5. The executor and the loop.  Workers take turns: a worker takes its next step if the batch
#    holds what the step needs, and waits if not.  On threads of their own they would work side by
#    side, and end with the same numbers.

Batches = Iterator[tuple[Array, Array]]


def train(net: Network, ordering: Ordering, batches: Batches) -> Iterator[int]:
    """Train ``net`` on pairs of x and y; yields after each turn how many there have been."""
    latest = max(late for steps in ordering for _, _, late in steps)
    flying: dict[int, Batch] = {}  # the batches that somebody still needs
    for turn, arrived in enumerate(chain(batches, repeat(None, latest))):
        if arrived is not None:
            flying[turn] = {("h", 0): arrived[0], "y": arrived[1]}
        todo = [
            deque((op, k, flying[turn - late]) for op, k, late in steps if turn - late in flying)
            for steps in ordering
        ]
        while any(todo):
            ready = [steps for steps in todo if steps and can_run(*steps[0])]
            if not ready:
                op, k, _ = next(steps[0] for steps in todo if steps)
                raise ValueError(f"{op.__name__} of module {k} can't run: its input never comes")
            for steps in ready:
                op, k, batch = steps.popleft()
                op(net, k, batch)
        flying.pop(turn - latest, None)
        yield turn + 1


def shuffled(x: Array, y: Array, batch_size: int, epochs: int, seed: int) -> Batches:
    """The rows in batches, in another order in each epoch."""
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for start in range(0, len(x) - batch_size + 1, batch_size):
            rows = order[start : start + batch_size]
            yield x[rows], y[rows]


def share_right(net: Network, x: Array, y: Array) -> float:
    """The share of bits that the network gets right."""
    for module in net.values():
        x, _ = module.layer(x)
    return float(np.mean((x > 0) == (y == 1)))


def main() -> None:
    """Add 12-bit numbers: how many bits are right, in sums never seen in training?"""
    from dnilab.data import binary_addition

    data = binary_addition(np.random.default_rng(0), 10_000)
    orderings = {
        "backprop": backprop(3),
        "sequential (the Red Box)": sequential(3),
        "2 workers, fits 1 batch late": pipeline([(1,), (2, 3)], staleness=1),
        "3 workers, fits 4 batches late": pipeline([(1,), (2,), (3,)], staleness=4),
    }
    print("bits right after epoch               3       6       9      12      15")
    for name, ordering in orderings.items():
        net = build((24, 128, 64, 12), seed=1, rate=0.3, generator_rate=0.01)
        batches = shuffled(data.x_train, data.y_train, batch_size=32, epochs=15, seed=2)
        right = [
            share_right(net, data.x_test, data.y_test)
            for turn in train(net, ordering, batches)
            if turn % (3 * (10_000 // 32)) == 0
        ]
        print(f"{name:30}", *(f"{share:7.1%}" for share in right))


if __name__ == "__main__":
    main()
