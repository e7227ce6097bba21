"""Losses: how wrong an output is, row by row.

The same contract once more:  ``per_row, pullback = loss(output, y)``, per_row (batch,);
``g, _ = pullback(d)`` with d (batch,) gives the gradient with respect to the output.
``loss.gradient(output, y)`` is pullback(ones) without the value: the gradient of the *summed*
loss of the batch, which is what training needs at every step.

Every formula is stable: no exponential of a large positive number, no logarithm of zero.
"""

from __future__ import annotations

import numpy as np

from dnilab.checks import one_of
from dnilab.network.layers import Back, Pullback, sigmoid


def check_shapes(output: np.ndarray, y: np.ndarray) -> None:
    """Raise ValueError unless y is shaped like output: NumPy would stretch it without a word."""
    if output.shape != y.shape:
        raise ValueError(f"y has shape {y.shape}; it accepts the shape of output, {output.shape}")


class Loss:
    """What the losses have in common.  Shapes: output and y (batch, outputs).

    Raises ValueError, naming y, if the two have different shapes.
    """

    name = ""

    def per_row(self, output: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The loss of each row, (batch,)."""
        raise NotImplementedError

    def gradient(self, output: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The gradient of the summed loss with respect to the output, (batch, outputs)."""
        raise NotImplementedError

    def prediction(self, output: np.ndarray) -> np.ndarray:
        """What the output says in the units of y: probabilities for a cross-entropy."""
        raise NotImplementedError

    def __call__(self, output: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, Pullback]:
        def pullback(d: np.ndarray, want_dx: bool = True) -> Back:
            if not want_dx:
                return None, []
            return self.gradient(output, y) * np.reshape(d, (-1, 1)), []

        return self.per_row(output, y), pullback


class SquaredError(Loss):
    """Half the squared distance, sum over the outputs of (output - y)^2 / 2."""

    name = "squared error"

    def per_row(self, output: np.ndarray, y: np.ndarray) -> np.ndarray:
        check_shapes(output, y)
        row: np.ndarray = 0.5 * ((output - y) ** 2).sum(axis=1)
        return row

    def gradient(self, output: np.ndarray, y: np.ndarray) -> np.ndarray:
        check_shapes(output, y)
        return output - y

    def prediction(self, output: np.ndarray) -> np.ndarray:
        return output


class BinaryCrossEntropy(Loss):
    """Each output is the logit z of a yes/no question: sum of log(1 + exp(z)) - y z.

    The gradient is sigmoid(z) - y: the derivative of the sigmoid has cancelled.
    """

    name = "binary cross-entropy"

    def per_row(self, output: np.ndarray, y: np.ndarray) -> np.ndarray:
        check_shapes(output, y)
        positive = np.real(output) > 0
        size = np.where(positive, output, -output)
        row: np.ndarray = (
            np.where(positive, output, 0) - y * output + np.log1p(np.exp(-size))
        ).sum(axis=1)
        return row

    def gradient(self, output: np.ndarray, y: np.ndarray) -> np.ndarray:
        check_shapes(output, y)
        g = sigmoid(output)
        g -= y
        return g

    def prediction(self, output: np.ndarray) -> np.ndarray:
        return sigmoid(output)


class SoftmaxCrossEntropy(Loss):
    """A row of outputs holds the logits of exclusive classes: log sum_j exp(z_j) - sum_j y_j z_j.

    y is one-hot, or any row of probabilities.  The gradient is softmax(z) - y.
    """

    name = "softmax cross-entropy"

    def per_row(self, output: np.ndarray, y: np.ndarray) -> np.ndarray:
        check_shapes(output, y)
        shifted = output - np.real(output).max(axis=1, keepdims=True)
        row: np.ndarray = np.log(np.exp(shifted).sum(axis=1)) - (y * shifted).sum(axis=1)
        return row

    def gradient(self, output: np.ndarray, y: np.ndarray) -> np.ndarray:
        check_shapes(output, y)
        g = self.prediction(output)
        g -= y
        return g

    def prediction(self, output: np.ndarray) -> np.ndarray:
        p = np.exp(output - np.real(output).max(axis=1, keepdims=True))
        p /= np.add.reduce(p, axis=1, keepdims=True)
        return p


LOSSES = {loss.name: loss for loss in (SquaredError, BinaryCrossEntropy, SoftmaxCrossEntropy)}


def loss_named(name: str) -> Loss:
    """The loss called ``name``; raises ValueError, with the names there are, for another."""
    kind: type[Loss] = LOSSES[one_of("loss", name, tuple(LOSSES))]
    return kind()
