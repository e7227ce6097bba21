"""A chain of layers, which is a layer again: the chain rule as code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dnilab.network.layers import Layer, Pullback
from dnilab.network.normalisation import BatchNorm


class Chain:
    """Layers one after the other.

    ``y, pullback = chain(x)``: x (batch, width in), y (batch, width out).
    ``dx, grads = pullback(dy)``: grads is a list with one flat gradient for each entry of
    ``chain.thetas``, in the same order.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        if not layers:
            raise ValueError("layers is empty; it accepts one layer or more")
        self.layers = tuple(layers)

    @property
    def thetas(self) -> list[np.ndarray]:
        """The parameter vectors of the layers that have any, first layer first."""
        return [layer.theta for layer in self.layers if layer.theta.size]

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Pullback]:
        pullbacks = []
        y = x
        for layer in self.layers:
            y, layer_pullback = layer(y)
            pullbacks.append(layer_pullback)

        def pullback(
            dy: np.ndarray, want_dx: bool = True
        ) -> tuple[np.ndarray | None, list[np.ndarray]]:
            grads = []
            for i in range(len(pullbacks) - 1, -1, -1):
                # every layer but the first needs dx, to hand it on
                dy, grad = pullbacks[i](dy, want_dx or i > 0)
                if grad is not None:
                    grads.append(grad)
            grads.reverse()
            return dy, grads

        return y, pullback

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Evaluation mode: y alone."""
        for layer in self.layers:
            x = layer.predict(x)
        return x

    def calibrate(self, x: np.ndarray) -> np.ndarray:
        """Set the population of every batch normalisation from the rows of x; return y."""
        for layer in self.layers:
            if isinstance(layer, BatchNorm):
                layer.calibrate(x)
            x = layer.predict(x)
        return x

    def copy(self, dtype: Any = None) -> Chain:
        """An independent copy, in another dtype if one is given."""
        return Chain([layer.copy(dtype) for layer in self.layers])
