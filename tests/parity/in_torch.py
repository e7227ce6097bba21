"""The mathematics of the package once more, in PyTorch's own terms, derivatives by autograd.

Nothing here calls what it is compared with: parameters are copied from it, and that is all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from dnilab import network
from dnilab.lessons.convolutions.network import build, pooling
from dnilab.lessons.convolutions.network.layers import ChannelNorm, Conv2D

torch = pytest.importorskip(
    "torch", reason="torch is not installed: `make test-parity` installs it, and runs these tests"
)
torch.set_num_threads(1)  # the tensors are small
F = torch.nn.functional

TOLERANCE = 1e-10  # of all digits: float64 has 16
Tensor = Any
Function = Callable[[Sequence[Any], Any], Any]  # of parameter vectors, and of what is heard


def tensor(array: Any, *, leaf: bool = True) -> Tensor:
    """An array as a tensor of its own."""
    made = torch.tensor(np.array(array, dtype=np.float64))
    return made.requires_grad_(leaf)


def assert_same(what: str, ours: Any, theirs: Any, tolerance: float = TOLERANCE) -> None:
    """Raise AssertionError unless the two agree: in length, and in the number that is furthest."""
    a, b = np.asarray(ours), theirs.detach().numpy()
    assert a.shape == b.shape, f"{what} has shape {a.shape}; in torch it has {b.shape}"
    assert a.dtype == np.float64
    off, size = np.abs(a - b), np.abs(b)
    error = float(np.linalg.norm(off)) / max(float(np.linalg.norm(b)), 1e-3)
    furthest = float(off.max(initial=0)) / max(float(size.max(initial=0)), 1e-3)
    assert max(error, furthest) <= tolerance, f"{what} is off by {error:.1e} of its length"


def assert_derivatives_agree(
    f: Any, heard: Sequence[np.ndarray], theirs: Function, rng: np.random.Generator
) -> None:
    """Value, gradients of all that is heard, and gradients of parameters, for a random dy."""
    value, pullback = f(*heard)
    dy = rng.standard_normal(value.shape)
    *down, grads = pullback(dy)
    thetas = [tensor(theta) for theta in f.thetas]
    leaves = [tensor(one) for one in heard]
    expected = theirs(thetas, *leaves)
    assert_same("the value", value, expected)
    found = torch.autograd.grad((expected * tensor(dy, leaf=False)).sum(), [*leaves, *thetas])
    assert len(grads) == len(thetas)
    names = [f"the gradient of input {n}" for n in range(len(leaves))]
    names += [f"the gradient of parameters {n}" for n in range(len(thetas))]
    for name, mine, its in zip(names, [*down, *grads], found, strict=True):
        assert_same(name, mine, its)


# ---- layers --------------------------------------------------------------------------------------


def dense(theta: Tensor, x: Tensor, n_in: int, n_out: int) -> Tensor:
    """x W + b, with W before b in one vector."""
    return F.linear(x, theta[: n_in * n_out].reshape(n_in, n_out).T, theta[n_in * n_out :])


def normalised(x: Tensor, epsilon: float = 1e-5) -> Tensor:
    """Mean 0 and variance 1 over all but the last dimension, by the formula.

    Not ``F.batch_norm``: the derivative of that in torch 2.13 is wrong for some strides.
    """
    over = tuple(range(x.dim() - 1))
    return (x - x.mean(over)) / torch.sqrt(x.var(over, unbiased=False) + epsilon)


def convolved(theta: Tensor, x: Tensor, layer: Any) -> Tensor:
    """A convolution of images whose channels come last."""
    size, c_in, c_out = layer.size, layer.channels_in, layer.channels_out
    cut = size * size * c_in * c_out
    kernel = theta[:cut].reshape(size, size, c_in, c_out).permute(3, 2, 0, 1)
    how = {"stride": layer.stride, "padding": layer.padding}
    return F.conv2d(x.permute(0, 3, 1, 2), kernel, theta[cut:], **how).permute(0, 2, 3, 1)


def pooled(x: Tensor, layer: Any, pool: Callable[..., Tensor]) -> Tensor:
    return pool(x.permute(0, 3, 1, 2), layer.size, layer.stride).permute(0, 2, 3, 1)


ACTIVATIONS = {
    network.Tanh: torch.tanh,
    network.Sigmoid: torch.sigmoid,
    network.ReLU: torch.relu,
    network.Identity: lambda x: x,
}


def of_layer(layer: Any) -> Function:
    """A layer, or a chain of them, as a function of its parameter vectors and its input."""
    kind = type(layer)
    if isinstance(layer, network.Chain):
        parts = [(of_layer(one), len(one.thetas)) for one in layer.layers]

        def chain(thetas: Sequence[Tensor], x: Tensor) -> Tensor:
            rest = list(thetas)
            for part, count in parts:
                x = part(rest[:count], x)
                rest = rest[count:]
            return x

        return chain
    for base, function in ACTIVATIONS.items():
        if isinstance(layer, base):
            return lambda thetas, x: function(x)
    if isinstance(layer, network.FixedFeedbackDense):
        B = tensor(layer.B, leaf=False)

        def aligned(thetas: Sequence[Tensor], x: Tensor) -> Tensor:
            nothing = x - x.detach()  # 0, and yet all of the gradient goes by way of it
            y = dense(thetas[0], x.detach(), layer.n_in, layer.n_out)
            return y + nothing @ B.T

        return aligned
    if isinstance(layer, network.Dense):
        return lambda thetas, x: dense(thetas[0], x, layer.n_in, layer.n_out)
    if isinstance(layer, network.BatchNorm | ChannelNorm):
        n = layer.width
        return lambda thetas, x: normalised(x) * thetas[0][:n] + thetas[0][n:]
    if isinstance(layer, Conv2D):
        return lambda thetas, x: convolved(thetas[0], x, layer)
    if isinstance(layer, pooling.MaxPool2D):
        return lambda thetas, x: pooled(x, layer, F.max_pool2d)
    if isinstance(layer, pooling.MeanPool2D):
        return lambda thetas, x: pooled(x, layer, F.avg_pool2d)
    if kind is pooling.Flatten:
        return lambda thetas, x: torch.flatten(x, 1)
    if kind is pooling.ToImage:
        return lambda thetas, x: torch.unflatten(x, 1, layer.shape)
    raise NotImplementedError(kind)


LOSSES = {
    "squared error": lambda z, y: F.mse_loss(z, y, reduction="sum") / 2,
    "binary cross-entropy": lambda z, y: F.binary_cross_entropy_with_logits(z, y, reduction="sum"),
    "softmax cross-entropy": lambda z, y: F.cross_entropy(z, y, reduction="sum"),
}
"""The summed loss of a batch, by our name for it."""


def loss_gradient(name: str, z: Tensor, y: Tensor) -> Tensor:
    """Of the summed loss with respect to the output."""
    z = z.detach().requires_grad_()
    return torch.autograd.grad(LOSSES[name](z, y), z)[0]


# ---- signals -------------------------------------------------------------------------------------


def _rows_seen(context: Sequence[str], h: Tensor, x: Tensor, y: Tensor) -> Tensor:
    seen = {"h": lambda: h, "x": lambda: x, "y": lambda: y, "h_norm": lambda: normalised(h)}
    return torch.cat([seen[part]() for part in context], dim=-1)


def _planes_seen(signal: Any, h: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """As images: labels the same everywhere, and the blocks of the input as channels."""
    height, width = signal.shape[:2]
    labels = y[:, None, None, :].expand(-1, height, width, -1)
    image = x.reshape(len(x), *signal.image)
    a, b = signal.image[0] // height, signal.image[1] // width
    blocks = torch.cat(
        [image[:, i::a, j::b, :] for i in range(a) for j in range(b)], dim=-1
    )  # pixel (i, j) of every block
    return _rows_seen(signal.context, h, blocks, labels)


def of_generator(signal: Any) -> Callable[..., Tensor]:
    """A generator: ``guess(thetas, h, x, y)``."""
    body = of_layer(signal.body)
    if isinstance(signal, build.ConvGenerator):
        return lambda thetas, h, x, y: body(thetas, _planes_seen(signal, h, x, y))
    if isinstance(signal, build.DenseImageGenerator):
        return lambda thetas, h, x, y: body(
            thetas, _rows_seen(signal.context, torch.flatten(h, 1), x, y)
        )
    return lambda thetas, h, x, y: body(thetas, _rows_seen(signal.context, h, x, y))


# ---- optimisers ----------------------------------------------------------------------------------


class Updates:
    """An optimiser by its formula, on one vector: a new tensor each time, the old one is kept."""

    def __init__(self, optimiser: Any) -> None:
        self.how, self.step, self.first, self.second = optimiser, 0, 0.0, 0.0

    def __call__(self, theta: Tensor, grad: Tensor, batch_size: int) -> Tensor:
        o, g = self.how, grad / batch_size
        self.step += 1
        if isinstance(o, network.SGD):
            change = o.rate * g
        elif isinstance(o, network.Momentum):
            self.first = o.momentum * self.first + g
            change = o.rate * self.first
        else:
            self.first = o.beta1 * self.first + (1 - o.beta1) * g
            self.second = o.beta2 * self.second + (1 - o.beta2) * g * g
            m = self.first / (1 - o.beta1**self.step)
            v = self.second / (1 - o.beta2**self.step)
            change = o.rate * m / (torch.sqrt(v) + o.epsilon)
        return (theta - change).detach().requires_grad_()


class Learner:
    """A function with parameter vectors that are updated."""

    def __init__(self, function: Callable[..., Tensor], thetas: Sequence[Any], how: Any) -> None:
        self.function, self.thetas = function, [tensor(theta) for theta in thetas]
        self.updates = [Updates(how) for _ in thetas]

    def __call__(self, *heard: Tensor) -> Tensor:
        return self.function(self.thetas, *heard)

    def update(self, grads: Sequence[Tensor], batch_size: int) -> None:
        three = zip(self.updates, self.thetas, grads, strict=True)
        self.thetas = [update(theta, grad, batch_size) for update, theta, grad in three]
