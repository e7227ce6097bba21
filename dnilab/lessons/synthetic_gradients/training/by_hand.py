"""The decoupled network of notebook 03 in plain NumPy, with the mistakes that people make in it.

Every module below the top has a linear generator M that sees h and y.  Trained without a mistake
it is the sequential ordering of the package, to the last bit (Jaderberg et al. 2016, section 2.1).

Letters as in the course: g the true gradient of the summed loss with respect to h, g_hat the guess
of it, told the message that a module gets from above: the target of its generator.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from dnilab.checks import one_of
from dnilab.data import Dataset, batches
from dnilab.network import Stack
from dnilab.network.layers import sigmoid

Array = np.ndarray

MISTAKES = {
    "plus": "the generators move away from what they are told: the sign of their step is wrong.",
    "uphill": "the weights climb: W and b need a minus in front of their step.",
    "target / B": "what a generator is told is divided by the batch size. Leave the message as it "
    "is: only the step is a mean.",
    "loss / B": "the loss is divided by the batch size at the top, and the steps of the weights "
    "are not. Divide in the step, and only there.",
    "no division": "the steps of the weights are sums over the batch: divide them by its size.",
    "no division of fits": "the steps of the generators are sums over the batch: divide them by "
    "its size.",
    "new weights": "W is updated before the message is made. The message needs the W that made h.",
    "new W2": "W2 is updated before module 2 has made its message. The message needs the W2 that "
    "made h2.",
    "new W3": "W3 is updated before module 3 has made its message. The message needs the W3 that "
    "made z.",
    "true gradient": "module 1 is told the true gradient of backpropagation. It should be told "
    "what module 2 makes of its own guess: nobody has to wait for the top.",
    "update by the message": "the weights below the top are updated with what comes from above. "
    "They should be updated with the guess, before anything has come.",
    "guess passed on": "module 1 is told g_hat of module 2 without the slope of the tanh.",
    "no slope": "the step of the weights lacks the slope of the tanh: it takes g_hat * (1 - h * h) "
    "where h is the module's output.",
    "top slope": "the top module has no tanh, so its gradient g3 meets no slope.",
    "h twice": "module 2 sees the h1 that the updated module 1 would give: use the first h1.",
    "not fitted": "the generators never learn: their fits are missing.",
    "M1 not fitted": "generator 1 never learns. Its message comes from module 2.",
    "M2 not fitted": "generator 2 never learns. Its message comes from the top module.",
    "rates swapped": "the two rates are swapped: rate is for the weights, generator_rate for M.",
    "one rate": "the generators learn at the rate of the weights. They have generator_rate.",
    "y first": "the context has y before h: it should be h, then y.",
}
"""The mistakes that :func:`train_batch` can make, and what a checker says to each."""

DIVERGED = 1e3  # a weight of a generator beyond this: the run has no way back


@dataclass(eq=False)
class Module:
    """One module, W (n_in, n_out), b (n_out,); its generator, M (n_out + n_y, n_out), b_M (n_out,).

    The top module has the truth, and no generator: M and b_M are None.
    """

    W: Array
    b: Array
    M: Array | None = None
    b_M: Array | None = None

    @property
    def arrays(self) -> dict[str, Array]:
        """The parameters by name."""
        return {name: array for name, array in vars(self).items() if array is not None}


Network = dict[int, Module]
"""Module number, from 1 at the input -> module."""


def by_hand(stack: Stack, sees: int | None = None) -> Network:
    """Copies of a stack's weights, a dense layer a module, and generators that start at zero.

    ``sees``: how many labels a generator sees; None: all, as many as the network has outputs.
    """
    layers = [module.body.layers[0] for module in stack.modules]
    sees = layers[-1].n_out if sees is None else sees
    net = {}
    for k, layer in enumerate(layers, start=1):
        net[k] = Module(layer.W.copy(), layer.b.copy())
        if k < len(layers):
            n = layer.n_out
            net[k].M, net[k].b_M = np.zeros((n + sees, n)), np.zeros(n)
    return net


def of_stack(stack: Stack) -> Network:
    """A decoupled stack's own arrays, generators too, under the names that they have by hand."""
    net = {}
    for k, module in enumerate(stack.modules, start=1):
        layer = module.body.layers[0]
        net[k] = Module(layer.W, layer.b)
        if module.generator is not None:
            linear: Any = module.generator.body.layers[0]
            net[k].M, net[k].b_M = linear.W, linear.b
    return net


def step(below: Array, da: Array, W: Array, b: Array, rate: float) -> None:
    """The step of the weights, in place.

    Shapes: below (B, n_in), da (B, n_out), W (n_in, n_out), b (n_out,).
    It is the one place where anything is divided by the batch size B.
    """
    W -= (below.T @ da) * (rate / len(da))
    b -= da.sum(axis=0) * (rate / len(da))


def train_batch(
    net: Network, x: Array, y: Array, rate: float, generator_rate: float, mistake: str = ""
) -> None:
    """One batch, all modules in turn, each generator as soon as it is told; changes ``net``.

    x (B, inputs), y (B, labels).  A generator that sees no label has an M of (n_out, n_out).
    ``mistake``: one of ``MISTAKES``, or "" for none.  Raises ValueError for any other.
    """
    one_of("mistake", mistake, ("", *MISTAKES))
    size, top = len(y), len(net)
    if mistake == "rates swapped":
        rate, generator_rate = generator_rate, rate
    if mistake == "one rate":
        generator_rate = rate
    weight_rate = rate * {"no division": size, "loss / B": size, "uphill": -1}.get(mistake, 1)
    fit_rate = generator_rate * {"plus": -1, "no division of fits": size}.get(mistake, 1)
    true = _true_gradients(net, x, y) if mistake == "true gradient" else {}
    below, held = x, None
    for k, one in net.items():
        a = below @ one.W + one.b
        h, slope = (a, 1.0) if k == top else (np.tanh(a), 1.0)
        if k < top:
            slope = 1 - h * h
            assert one.M is not None
            parts = [y, h] if mistake == "y first" else [h, y]
            s = np.concatenate(parts, axis=1)[:, : len(one.M)]
            g_hat = s @ one.M + one.b_M
        else:
            g_hat = sigmoid(h) - y  # no guess: the truth
            if mistake == "loss / B":
                g_hat = g_hat / size
            if mistake == "top slope":
                slope = 1 - np.tanh(h) ** 2
        da = slope * g_hat
        told = (g_hat if mistake == "guess passed on" and k < top else da) @ one.W.T
        here = g_hat if mistake == "no slope" and k < top else da
        if mistake != "update by the message" or k == top:
            step(below, here, one.W, one.b, weight_rate)
        if mistake in ("new weights", f"new W{k}"):
            told = da @ one.W.T
        if held is not None:
            _hear(net[k - 1], held, true.get(k - 1, told), fit_rate, mistake, k - 1, rate)
        held = (below, h, s, g_hat) if k < top else None
        below = np.tanh(below @ one.W + one.b) if mistake == "h twice" and k == 1 else h


def _hear(
    one: Module, held: tuple[Array, ...], told: Array, fit_rate: float, mistake: str, k: int,
    rate: float,
) -> None:  # fmt: skip
    """What module k does when its message has come: its generator learns."""
    below, h, s, g_hat = held
    if mistake == "update by the message":
        step(below, (1 - h * h) * told, one.W, one.b, rate)
    if mistake == "target / B":
        told = told / len(told)
    if mistake not in ("not fitted", f"M{k} not fitted"):
        assert one.M is not None
        assert one.b_M is not None
        step(s, g_hat - told, one.M, one.b_M, fit_rate)


def _true_gradients(net: Network, x: Array, y: Array) -> dict[int, Array]:
    """g of every module below the top, by backpropagation."""
    hs = [x]
    for k, one in net.items():
        a = hs[-1] @ one.W + one.b
        hs.append(a if k == len(net) else np.tanh(a))
    da = sigmoid(hs[-1]) - y
    true = {}
    for k in range(len(net) - 1, 0, -1):
        true[k] = da @ net[k + 1].W.T
        da = (1 - hs[k] ** 2) * true[k]
    return true


def outputs(net: Network, x: Array) -> Array:
    """What the top module says, before the sigmoid: x (rows, inputs) -> (rows, outputs)."""
    for k, one in net.items():
        x = x @ one.W + one.b
        if k < len(net):
            x = np.tanh(x)
    return x


def bits_right(net: Network, data: Dataset) -> float:
    """The share of unseen bits that are right: sigmoid(z) is above 1/2 where z is above 0."""
    return float(((outputs(net, data.x_test) > 0) == (data.y_test > 0.5)).mean())


def learn(
    net: Network, data: Dataset, *, rate: float, generator_rate: float, epochs: float, seed: int,
    mistake: str = "", batch_size: int = 10, report_every: int = 100,
) -> Iterator[tuple[float, float]]:  # fmt: skip
    """Train ``net``; yields (epoch, share of unseen bits right) at first and every 100 batches.

    A run whose generators explode ends with NaN.
    """
    rng = np.random.default_rng(seed)
    a_turn = len(data.x_train) // batch_size
    batch = 0
    yield 0.0, bits_right(net, data)
    while True:
        for rows in batches(rng, len(data.x_train), batch_size):
            with np.errstate(over="ignore", invalid="ignore"):
                pair = data.x_train[rows], data.y_train[rows]
                train_batch(net, *pair, rate, generator_rate, mistake)
            batch += 1
            if batch % report_every == 0:
                if not largest(net) < DIVERGED:
                    yield batch / a_turn, np.nan
                    return
                yield batch / a_turn, bits_right(net, data)
            if batch >= epochs * a_turn:
                return


def largest(net: Network) -> float:
    """The largest absolute weight of any generator."""
    return max(float(np.abs(one.M).max()) for one in net.values() if one.M is not None)


def limits(net: Network, x: Array, y: Array) -> list[float]:
    """For each generator the rate above which a step on this batch overshoots: 2 B / lambda.

    lambda is the largest eigenvalue of S S^T, where S is the context with its column of ones.
    """
    found = []
    for one in list(net.values())[:-1]:
        assert one.M is not None
        x = np.tanh(x @ one.W + one.b)
        s = np.concatenate([x, y], axis=1)[:, : len(one.M)]
        s = np.concatenate([s, np.ones((len(x), 1))], axis=1)
        found.append(2 * len(x) / float(np.linalg.norm(s, 2)) ** 2)
    return found
