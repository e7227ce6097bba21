"""The contract of a layer, and the dense layer."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Protocol, Self

import numpy as np

from dnilab.checks import random_generator, whole_number

Pullback = Callable[..., tuple[Any, Any]]
"""``dx, grads = pullback(dy)``, or ``pullback(dy, want_dx=False)`` where dx is not needed."""


class Layer(Protocol):
    """What every layer can do.

    ``theta``: all parameters of the layer in one flat vector (empty if it has none), so that an
    optimiser needs to know nothing about matrices.

    ``y, pullback = layer(x)``: forward in training mode, x (batch, width in), y (batch, width
    out).  ``dx, grad = pullback(dy)``: dx like x; grad like theta, summed over the batch; None for
    a layer without parameters.  With ``want_dx=False``, dx is None and costs nothing.

    ``layer.predict(x)``: forward in evaluation mode.

    ``layer.copy(dtype)``: an independent copy.
    """

    theta: np.ndarray

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Pullback]: ...

    def predict(self, x: np.ndarray) -> np.ndarray: ...

    def copy(self, dtype: Any = None) -> Self: ...


def check_width(name: str, x: np.ndarray, width: int) -> None:
    """Raise ValueError unless x is a (batch, width) array."""
    if np.ndim(x) != 2 or x.shape[1] != width:
        raise ValueError(
            f"{name} has shape {np.shape(x)}; it accepts an array of shape (batch, {width})"
        )


class Dense:
    """A fully connected layer, y = x W + b.

    Shapes: x (batch, n_in), W (n_in, n_out), b (n_out,), y (batch, n_out).

    W is drawn from a normal distribution with standard deviation ``gain / sqrt(n_in)``, so that
    y has about the spread of x (LeCun et al. 1998 for gain 1; He et al. 2015 for sqrt(2), which
    suits a ReLU).  b starts at zero.  With ``gain=0`` the whole layer starts at zero.

    Raises ValueError for a size below 1, and at the call for an x of another width.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        rng: np.random.Generator | None = None,
        *,
        gain: float = 1.0,
        dtype: Any = np.float64,
    ) -> None:
        self.n_in = whole_number("n_in", n_in, 1)
        self.n_out = whole_number("n_out", n_out, 1)
        if rng is None and gain != 0:
            raise ValueError("rng is None; it accepts a numpy.random.Generator unless gain is 0")
        self._hold(np.zeros(n_in * n_out + n_out, dtype))
        if rng is not None and gain != 0:
            random_generator("rng", rng)
            self.W[:] = rng.standard_normal((n_in, n_out)) * (gain / np.sqrt(n_in))

    def _hold(self, theta: np.ndarray) -> None:
        """Keep ``theta``, with W and b as views into it: change one and the other has changed."""
        cut = self.n_in * self.n_out
        self.theta = theta
        self.W = theta[:cut].reshape(self.n_in, self.n_out)
        self.b = theta[cut:]

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Pullback]:
        theta, W = self.theta, self.W
        y = self.predict(x)

        def pullback(
            dy: np.ndarray, want_dx: bool = True
        ) -> tuple[np.ndarray | None, np.ndarray | None]:
            grad = np.empty(theta.size, dy.dtype)
            cut = W.size
            np.dot(x.T, dy, out=grad[:cut].reshape(W.shape))  # dL/dW = x^T dy
            np.add.reduce(dy, axis=0, out=grad[cut:])  # dL/db: the sum over the batch
            return (dy.dot(W.T) if want_dx else None), grad  # dL/dx = dy W^T

        return y, pullback

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Evaluation mode: y alone."""
        try:
            y: np.ndarray = x.dot(self.W)  # for a small batch, dot() starts sooner than @
        except (ValueError, TypeError, AttributeError):
            check_width("x", x, self.n_in)
            raise
        if y.ndim != 2:  # a single row, or a pile of batches: matmul takes them as well
            check_width("x", x, self.n_in)
        y += self.b
        return y

    def copy(self, dtype: Any = None) -> Dense:
        """An independent copy, in another dtype if one is given."""
        other = copy.copy(self)
        other._hold(self.theta.astype(self.theta.dtype if dtype is None else dtype))
        return other
