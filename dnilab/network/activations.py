"""Activation functions: layers without parameters, applied to each number alone."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from dnilab.checks import one_of
from dnilab.network.layers import Pullback


class _Activation:
    """What the four have in common: no parameters, and the same in training and evaluation.

    Shapes: x, y, dy and dx are all (batch, width).  Each derivative is written in terms of y,
    so that a pullback keeps y alone and not x as well.
    """

    theta = np.empty(0)
    gain = 1.0  # what the dense layer before it multiplies its initial weights by

    def predict(self, x: np.ndarray) -> np.ndarray:
        """y for evaluation."""
        raise NotImplementedError

    def derivative(self, y: np.ndarray) -> np.ndarray:
        """dy/dx, given y: a new array."""
        raise NotImplementedError

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Pullback]:
        y = self.predict(x)

        def pullback(
            dy: np.ndarray, want_dx: bool = True
        ) -> tuple[np.ndarray | None, np.ndarray | None]:
            if not want_dx:
                return None, None
            dx = self.derivative(y)
            dx *= dy
            return dx, None

        return y, pullback

    def copy(self, dtype: Any = None) -> Self:
        """Itself: there is nothing to copy."""
        return self


class Identity(_Activation):
    """y = x."""

    def predict(self, x: np.ndarray) -> np.ndarray:
        return x

    def derivative(self, y: np.ndarray) -> np.ndarray:
        return np.ones_like(y)


class Sigmoid(_Activation):
    """y = 1 / (1 + exp(-x)), with dy/dx = y (1 - y).

    Computed as (1 + tanh(x/2)) / 2: the same function, and it cannot overflow.
    """

    def predict(self, x: np.ndarray) -> np.ndarray:
        return sigmoid(x)

    def derivative(self, y: np.ndarray) -> np.ndarray:
        d = 1 - y
        d *= y
        return d


class Tanh(_Activation):
    """y = tanh(x), with dy/dx = 1 - y^2."""

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.tanh(x)

    def derivative(self, y: np.ndarray) -> np.ndarray:
        d = y * y
        return np.subtract(1, d, out=d)


class ReLU(_Activation):
    """y = max(x, 0), with dy/dx = 1 where y > 0 and 0 elsewhere (0 at the kink as well)."""

    gain = 2**0.5  # half of the inputs are cut off: twice the variance makes up for it (He 2015)

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.maximum(x, 0)

    def derivative(self, y: np.ndarray) -> np.ndarray:
        return (y > 0).astype(y.dtype)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)) for an array of any shape, without overflow."""
    y = np.tanh(0.5 * x)
    y += 1
    y *= 0.5
    return y


ACTIVATIONS = {"tanh": Tanh, "relu": ReLU, "sigmoid": Sigmoid, "identity": Identity}


def activation(name: str) -> _Activation:
    """The activation called ``name``: "tanh", "relu", "sigmoid" or "identity"."""
    kind: type[_Activation] = ACTIVATIONS[one_of("activation", name, tuple(ACTIVATIONS))]
    return kind()
