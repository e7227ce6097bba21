"""Layers with a planted mistake in their pullback."""

from __future__ import annotations

from typing import Any

import numpy as np

from dnilab.network.layers import Layer


class Spoilt(Layer):
    """Put before a layer's class: its pullback passes through ``spoil(x, dy, dx, grad)``."""

    puts_off = False  # what is to be spoilt has to be there

    def spoil(self, x: Any, dy: Any, dx: Any, grad: Any) -> tuple[Any, Any]:
        return dx, grad

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        y, sound = super().__call__(x)

        def pullback(dy: np.ndarray, want_dx: bool = True) -> tuple[Any, Any]:
            dx, (grad,) = sound(dy)
            dx, grad = self.spoil(x, dy, dx, grad)
            return (dx if want_dx else None), [grad]

        return y, pullback
