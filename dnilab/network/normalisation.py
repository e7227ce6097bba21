"""Batch normalisation (Ioffe and Szegedy, 2015, arXiv 1502.03167)."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from dnilab.checks import float_type, real_number, shaped, whole_number
from dnilab.network.layers import Back, Layer, Pullback

EPSILON = 1e-5  # added to a variance, so that a constant column does not divide by zero


def normalise(x: np.ndarray, epsilon: float = EPSILON) -> tuple[np.ndarray, np.ndarray]:
    """Give each column mean 0 and variance 1 over the batch.

    Shapes: x (batch, width).  Returns the normalised x, and one over the standard deviation of
    each column, (width,).
    """
    centred = x - np.add.reduce(x, axis=0) / len(x)
    variance = np.add.reduce(centred * centred, axis=0) / len(x)
    inverse = 1 / np.sqrt(variance + epsilon)
    centred *= inverse
    return centred, inverse


class BatchNorm(Layer):
    """y = gamma * normalised x + beta, column by column (arXiv 1502.03167, Algorithm 1).

    Shapes: x and y (batch, width); gamma, starting at 1, and beta, starting at 0, (width,).

    In training mode, mean and variance are those of the batch.  In evaluation mode they are those
    of a whole population of rows, set by ``calibrate(x)`` once the weights are fixed (Algorithm 2
    of the paper).  A running average would be state that every forward changes; this way a
    forward stays a function, and may run on any thread, twice, or out of turn.

    Raises ValueError for a batch of one row (its variance is 0), and RuntimeError if ``predict``
    comes before ``calibrate``.
    """

    def __init__(self, width: int, *, epsilon: float = EPSILON, dtype: Any = np.float64) -> None:
        self.width = whole_number("width", width, 1)
        self.epsilon = real_number("epsilon", epsilon, 0, above=True)
        self.population: tuple[np.ndarray, np.ndarray] | None = None  # mean, 1 / deviation
        self._hold(np.zeros(2 * self.width, float_type("dtype", dtype)))
        self.gamma[:] = 1

    def _hold(self, theta: np.ndarray) -> None:
        self.theta = theta
        self.gamma = theta[: self.width]
        self.beta = theta[self.width :]

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Pullback]:
        shaped("x", x, "batch", self.width)
        if len(x) < 2:
            raise ValueError("x has 1 row; batch normalisation accepts batches of 2 rows or more")
        normal, inverse = normalise(x, self.epsilon)
        y = normal * self.gamma
        y += self.beta

        def pullback(dy: np.ndarray, want_dx: bool = True) -> Back:
            grad = np.empty(self.theta.size, dy.dtype)
            dgamma, dbeta = grad[: self.width], grad[self.width :]
            np.add.reduce(dy * normal, axis=0, out=dgamma)
            np.add.reduce(dy, axis=0, out=dbeta)
            if not want_dx:
                return None, [grad]
            # Mean and variance depend on x too; what is left of dy after that is the part with
            # mean 0 that does not lie along the normalised x.
            dx = normal * (-dgamma / len(dy))
            dx += dy
            dx -= dbeta / len(dy)
            dx *= self.gamma * inverse
            return dx, [grad]

        return y, pullback

    def calibrate(self, x: np.ndarray) -> None:
        """Take mean and variance for evaluation from the rows of x, (rows, width)."""
        shaped("x", x, "batch", self.width)
        variance = x.var(axis=0) * (len(x) / max(len(x) - 1, 1))  # unbiased, as in Algorithm 2
        self.population = x.mean(axis=0), 1 / np.sqrt(variance + self.epsilon)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Evaluation mode: each row on its own, with the population's mean and variance."""
        shaped("x", x, "batch", self.width)
        if self.population is None:
            raise RuntimeError("batch normalisation has no population yet: call calibrate(x) first")
        mean, inverse = self.population
        y: np.ndarray = (x - mean) * (inverse * self.gamma) + self.beta
        return y

    def copy(self, dtype: Any = None) -> Self:
        """An independent copy, in another dtype if one is given."""
        other = super().copy(dtype)
        if self.population is not None:
            mean, inverse = self.population
            other.population = mean.astype(other.theta.dtype), inverse.astype(other.theta.dtype)
        return other
