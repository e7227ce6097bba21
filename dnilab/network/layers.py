"""Layers, chains of them, and losses: whatever keeps the contract of a layer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

from dnilab import checks

Pullback = Callable[..., Any]
"""``*down, grads = pullback(dy)``, or ``pullback(dy, want_dx=False)`` where down is not needed."""


Back = tuple[np.ndarray | None, list[np.ndarray]]
"""What a pullback gives where one thing was heard: dx, or None, and grads."""


class Layer:
    """What every layer keeps: forward returns its own backward.

    ``y, pullback = layer(x)``: forward in training mode, x (batch, width in), y (batch, width
    out).  ``dx, grads = pullback(dy)``: dx like x; grads has one flat gradient, summed over the
    batch, for each entry of ``thetas``.  With ``want_dx=False``, dx is None and costs nothing.

    ``puts_off``: whether it takes ``pullback(dy, want_dx, later=True)`` too.  Then an entry of
    grads may be a function that finds the gradient when it is called: dx is there sooner.

    Chains, modules, generators and whole graphs keep it too.  Where several things are heard, as
    many gradients come down: ``y, pullback = node(*heard)``; ``*down, grads = pullback(dy)``.

    ``theta``: all parameters of the layer in one flat vector (empty if it has none), so that an
    optimiser needs to know nothing about matrices.  A layer with parameters has ``_hold(theta)``,
    which keeps the vector, and its matrices as views into it: change one and the other has
    changed.
    """

    theta: np.ndarray = np.empty(0)
    puts_off = False

    @property
    def thetas(self) -> list[np.ndarray]:
        """The parameter vector in a list, which is empty if there are no parameters."""
        return [self.theta] if self.theta.size else []

    def __call__(self, *heard: Any) -> tuple[np.ndarray, Pullback]:
        raise NotImplementedError

    def predict(self, *heard: Any) -> np.ndarray:
        """Evaluation mode: y alone."""
        return self(*heard)[0]

    def calibrate(self, *heard: Any) -> None:
        """Take from the rows of x what evaluation mode needs: nothing, for most layers."""

    def _hold(self, theta: np.ndarray) -> None:
        self.theta = theta

    def copy(self, dtype: Any = None) -> Self:
        """An independent copy, in another dtype if one is given."""
        if not self.theta.size:
            return self
        other = copy.copy(self)
        other._hold(self.theta.astype(self.theta.dtype if dtype is None else dtype))
        return other


class Dense(Layer):
    """A fully connected layer, y = x W + b.

    Shapes: x (batch, n_in), W (n_in, n_out), b (n_out,), y (batch, n_out).

    W is drawn from a normal distribution with standard deviation ``gain / sqrt(n_in)``, so that
    y has about the spread of x (LeCun et al. 1998 for gain 1; He et al. 2015 for sqrt(2), which
    suits a ReLU).  b starts at zero.  With ``gain=0`` the whole layer starts at zero.

    Raises ValueError for a size below 1, and at the call for an x of another width.
    """

    puts_off = True

    def __init__(
        self,
        n_in: int,
        n_out: int,
        rng: np.random.Generator | None = None,
        *,
        gain: float = 1.0,
        dtype: Any = np.float64,
    ) -> None:
        self.n_in = checks.whole_number("n_in", n_in, 1)
        self.n_out = checks.whole_number("n_out", n_out, 1)
        if rng is None and gain != 0:
            raise ValueError("rng is None; it accepts a numpy.random.Generator unless gain is 0")
        checks.real_number("gain", gain)
        self._hold(np.zeros((self.n_in + 1) * self.n_out, checks.float_type("dtype", dtype)))
        if rng is not None and gain != 0:
            checks.random_generator("rng", rng)
            self.W[:] = rng.standard_normal(self.W.shape) * (gain / np.sqrt(self.n_in))

    def _hold(self, theta: np.ndarray) -> None:
        cut = self.n_in * self.n_out
        self.theta = theta
        self.W = theta[:cut].reshape(self.n_in, self.n_out)
        self.b = theta[cut:]

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Pullback]:
        theta, W, back = self.theta, self.W, self._back()
        y = self.predict(x)

        def pullback(dy: np.ndarray, want_dx: bool = True, later: bool = False) -> Any:
            def own() -> np.ndarray:
                grad = np.empty(theta.size, dy.dtype)
                cut = W.size
                np.dot(x.T, dy, out=grad[:cut].reshape(W.shape))  # dL/dW = x^T dy
                np.add.reduce(dy, axis=0, out=grad[cut:])  # dL/db: the sum over the batch
                return grad

            dx = dy.dot(back) if want_dx else None  # dL/dx = dy W^T
            return dx, [own if later else own()]

        return y, pullback

    def _back(self) -> np.ndarray:
        """The way back for a gradient, (n_out, n_in)."""
        return self.W.T

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Evaluation mode: y alone."""
        try:
            y: np.ndarray = x.dot(self.W)  # for a small batch, dot() starts sooner than @
        except (ValueError, TypeError, AttributeError):
            checks.shaped("x", x, "batch", self.n_in)
            raise
        if y.ndim != 2:  # a single row, or a pile of batches: matmul takes them as well
            checks.shaped("x", x, "batch", self.n_in)
        y += self.b
        return y


class FixedFeedbackDense(Dense):
    """Feedback alignment: a dense layer that pulls back through a fixed random matrix, not W^T.

    dx = dy B, with B (n_out, n_in) drawn once, as W was (Lillicrap et al. 2016, Nature
    Communications 7, 13276).  dW and db are as they were.  So dx is no derivative of anything;
    W comes to lie along B^T, and then it helps.
    """

    B: np.ndarray

    @classmethod
    def of(cls, layer: Dense, rng: np.random.Generator) -> FixedFeedbackDense:
        """The same layer, with a random way back."""
        made = cls(layer.n_in, layer.n_out, gain=0, dtype=layer.theta.dtype)
        made.theta[:] = layer.theta
        made.B = (rng.standard_normal(layer.W.T.shape) * layer.W.std()).astype(layer.theta.dtype)
        return made

    def _back(self) -> np.ndarray:
        return self.B

    def copy(self, dtype: Any = None) -> Self:
        """An independent copy, in another dtype if one is given."""
        other = super().copy(dtype)
        other.B = self.B.astype(other.theta.dtype)
        return other


class Activation(Layer):
    """A function of each number alone: no parameters, the same in training and evaluation.

    Shapes: x, y, dy and dx are all (batch, width).  Each derivative is written in terms of y,
    so that a pullback keeps y alone and not x as well.
    """

    gain = 1.0  # what the dense layer before it multiplies its initial weights by

    def derivative(self, y: np.ndarray) -> np.ndarray:
        """dy/dx, given y: a new array."""
        raise NotImplementedError

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Pullback]:
        y = self.predict(x)

        def pullback(dy: np.ndarray, want_dx: bool = True) -> Back:
            if not want_dx:
                return None, []
            dx = self.derivative(y)
            dx *= dy
            return dx, []

        return y, pullback


class Identity(Activation):
    """y = x."""

    def predict(self, x: np.ndarray) -> np.ndarray:
        return x

    def derivative(self, y: np.ndarray) -> np.ndarray:
        return np.ones_like(y)


class Sigmoid(Activation):
    """y = 1 / (1 + exp(-x)), with dy/dx = y (1 - y)."""

    def predict(self, x: np.ndarray) -> np.ndarray:
        return sigmoid(x)

    def derivative(self, y: np.ndarray) -> np.ndarray:
        d = 1 - y
        d *= y
        return d


class Tanh(Activation):
    """y = tanh(x), with dy/dx = 1 - y^2."""

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.tanh(x)

    def derivative(self, y: np.ndarray) -> np.ndarray:
        d = y * y
        return np.subtract(1, d, out=d)


class ReLU(Activation):
    """y = max(x, 0), with dy/dx = 1 where y > 0 and 0 elsewhere (0 at the kink as well)."""

    gain = 2**0.5  # half of the inputs are cut off: twice the variance makes up for it (He 2015)

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.maximum(x, 0)

    def derivative(self, y: np.ndarray) -> np.ndarray:
        return (y > 0).astype(y.dtype)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)) for an array of any shape.

    Computed as (1 + tanh(x/2)) / 2: the same function, and it cannot overflow.
    """
    y = np.tanh(0.5 * x)
    y += 1
    y *= 0.5
    return y


ACTIVATIONS = {"tanh": Tanh, "relu": ReLU, "sigmoid": Sigmoid, "identity": Identity}


def activation(name: str) -> Activation:
    """The activation called ``name``: "tanh", "relu", "sigmoid" or "identity"."""
    kind: type[Activation] = ACTIVATIONS[checks.one_of("activation", name, tuple(ACTIVATIONS))]
    return kind()


class Chain(Layer):
    """Layers one after the other: the chain rule as code.

    ``y, pullback = chain(x)``: x (batch, width in), y (batch, width out).
    ``dx, grads = pullback(dy)``: one flat gradient for each entry of ``thetas``.  If the first
    layer hears several things, so does the chain.

    ``frozen``: it keeps its parameters as they are, and has none to learn.
    """

    puts_off = True

    def __init__(self, layers: Sequence[Any], *, frozen: bool = False) -> None:
        self.layers = tuple(layers)
        if not self.layers:
            raise ValueError("layers is empty; it accepts one layer or more")
        self.frozen = frozen

    @property
    def thetas(self) -> list[np.ndarray]:
        """The parameter vectors of the layers that have any, first layer first; none if frozen."""
        if self.frozen:
            return []
        return [theta for layer in self.layers for theta in layer.thetas]

    def __call__(self, *heard: Any) -> tuple[np.ndarray, Pullback]:
        layers = self.layers
        y, first_pullback = layers[0](*heard)
        pullbacks = [first_pullback]
        for layer in layers[1:]:
            y, layer_pullback = layer(y)
            pullbacks.append(layer_pullback)

        def pullback(dy: np.ndarray, want_dx: bool = True, later: bool = False) -> tuple[Any, ...]:
            grads: list[Any] = []
            for i in range(len(layers) - 1, -1, -1):
                puts_off = (True,) if later and getattr(layers[i], "puts_off", False) else ()
                # all but the first need dx, to hand it on
                *down, grad = pullbacks[i](dy, want_dx or i > 0, *puts_off)
                dy = down[0]
                grads[:0] = grad
            return *down, ([] if self.frozen else grads)

        return y, pullback

    def predict(self, *heard: Any) -> np.ndarray:
        """Evaluation mode: y alone."""
        first, *others = self.layers
        y: np.ndarray = first.predict(*heard)
        for layer in others:
            y = layer.predict(y)
        return y

    def calibrate(self, *heard: Any) -> None:
        """Set the population of every batch normalisation from the rows of x."""
        for layer in self.layers:
            layer.calibrate(*heard)
            heard = (layer.predict(*heard),)

    def copy(self, dtype: Any = None) -> Chain:
        """An independent copy, in another dtype if one is given."""
        return Chain([layer.copy(dtype) for layer in self.layers], frozen=self.frozen)


def check_shapes(output: np.ndarray, y: np.ndarray) -> None:
    """Raise ValueError unless y is shaped like output: NumPy would stretch it without a word."""
    if np.shape(output) != np.shape(y):
        accepts = f"the shape of output, {np.shape(output)}"
        raise ValueError(f"y has shape {np.shape(y)}; it accepts {accepts}")


def add_up(messages: Sequence[np.ndarray]) -> np.ndarray:
    """The messages down from all users of one value: by the chain rule, they add up.

    Always in the order given, so that equal messages give equal bits.
    """
    total = messages[0]
    for message in messages[1:]:
        total = total + message
    return total


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
    kind: type[Loss] = LOSSES[checks.one_of("loss", name, tuple(LOSSES))]
    return kind()
