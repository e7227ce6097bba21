"""Optimisers: how a gradient becomes a change of the parameters.

An optimiser is a frozen description, for instance ``Adam(1e-3)``.  ``start(thetas)`` gives an
updater, which keeps whatever memory the method needs, one for each network that is trained:
``updater(grads, batch_size)`` changes the parameters in place.  Gradients are those of the
summed loss; here they are divided by the batch size, and nowhere else.

``updater.memory`` is what it keeps, as plain data, for whoever wants to write it down.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dnilab.checks import instance_of, one_of, real_number

Updater = Callable[[Sequence[np.ndarray], int], None]
Memory = dict[str, Any]
"""What an updater keeps: plain numbers, and lists with an array for each parameter vector."""


def _remembering(update: Updater, memory: Memory) -> Updater:
    """``update``, with its memory within reach.

    A function may carry attributes, and they cost its calls nothing; an object with a __call__
    would cost every step of a small network a little.
    """
    update.memory = memory  # type: ignore[attr-defined]
    return update


@dataclass(frozen=True)
class Optimiser:
    """What the optimisers have in common.  ``rate`` is above 0, else ValueError."""

    rate: float

    def __post_init__(self) -> None:
        self._take("rate", 0, above=True)

    def _take(self, name: str, low: float, high: float = math.inf, *, above: bool = False) -> None:
        """Check a field and keep it as a plain float: a numpy.float64 would change the result
        of float32 arithmetic in its last bits."""
        value = real_number(name, getattr(self, name), low, high, above=above)
        object.__setattr__(self, name, value)

    def start(self, thetas: Sequence[np.ndarray]) -> Updater:
        """An updater for these parameter vectors."""
        raise NotImplementedError


@dataclass(frozen=True)
class SGD(Optimiser):
    """theta -= rate * mean gradient."""

    def start(self, thetas: Sequence[np.ndarray]) -> Updater:
        thetas, rate = list(thetas), self.rate

        def update(grads: Sequence[np.ndarray], batch_size: int) -> None:
            for theta, grad in zip(thetas, grads, strict=True):
                theta -= grad * (rate / batch_size)

        return _remembering(update, {})


@dataclass(frozen=True)
class Momentum(Optimiser):
    """velocity = momentum * velocity + mean gradient; theta -= rate * velocity."""

    momentum: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        self._take("momentum", 0, 1)

    def start(self, thetas: Sequence[np.ndarray]) -> Updater:
        thetas = list(thetas)
        velocities = [np.zeros_like(theta) for theta in thetas]

        def update(grads: Sequence[np.ndarray], batch_size: int) -> None:
            for theta, velocity, grad in zip(thetas, velocities, grads, strict=True):
                velocity *= self.momentum
                velocity += grad / batch_size
                theta -= self.rate * velocity

        return _remembering(update, {"velocities": velocities})


@dataclass(frozen=True)
class Adam(Optimiser):
    """Adam (Kingma and Ba, 2015, arXiv 1412.6980, Algorithm 1, in the order of section 2)."""

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        self._take("beta1", 0, 0.9999)
        self._take("beta2", 0, 0.99999)
        self._take("epsilon", 0, above=True)

    def start(self, thetas: Sequence[np.ndarray]) -> Updater:
        thetas = list(thetas)
        firsts = [np.zeros_like(theta) for theta in thetas]
        seconds = [np.zeros_like(theta) for theta in thetas]
        scratch = [np.empty_like(theta) for theta in thetas]
        memory: Memory = {"step": 0, "firsts": firsts, "seconds": seconds}

        def update(grads: Sequence[np.ndarray], batch_size: int) -> None:
            memory["step"] = step = memory["step"] + 1  # plain: NumPy's would change last bits
            # Both moments start at zero; these factors take that bias out again.
            unbias = (1 - self.beta2**step) ** 0.5
            rate = self.rate * unbias / (1 - self.beta1**step)
            epsilon = self.epsilon * unbias
            for theta, m, v, work, grad in zip(
                thetas, firsts, seconds, scratch, grads, strict=True
            ):
                m *= self.beta1
                np.multiply(grad, (1 - self.beta1) / batch_size, out=work)
                m += work
                v *= self.beta2
                np.multiply(grad, grad, out=work)
                work *= (1 - self.beta2) / batch_size**2
                v += work
                np.sqrt(v, out=work)
                work += epsilon
                np.divide(m, work, out=work)
                work *= rate
                theta -= work

        return _remembering(update, memory)


OPTIMISERS = {"sgd": SGD, "momentum": Momentum, "adam": Adam}


def check_optimisers(optimiser: Any, other: Any = None) -> tuple[Optimiser, Optimiser]:
    """The optimiser of the modules, and that of the generators: the same, if there is no other.

    Raises ValueError, naming the argument, for what is no optimiser.
    """
    other = optimiser if other is None else other
    for name, given in (("optimiser", optimiser), ("generator_optimiser", other)):
        instance_of(name, given, Optimiser, "an optimiser, as Adam(1e-3)")
    return optimiser, other


def optimiser_named(name: str, rate: float) -> Optimiser:
    """The optimiser called ``name``: "sgd", "momentum" or "adam"."""
    kind: type[Optimiser] = OPTIMISERS[one_of("optimiser", name, tuple(OPTIMISERS))]
    return kind(rate)
