"""Layers, losses and optimisers agree with PyTorch: values, and all derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dnilab.lessons.any_graph.network.joins import Add, Concatenate
from dnilab.lessons.convolutions.network.layers import ChannelNorm, Conv2D
from dnilab.lessons.convolutions.network.pooling import Flatten, MaxPool2D, MeanPool2D, ToImage
from dnilab.network import (
    SGD,
    Adam,
    BatchNorm,
    BinaryCrossEntropy,
    Chain,
    Dense,
    FixedFeedbackDense,
    Identity,
    Momentum,
    ReLU,
    Sigmoid,
    SoftmaxCrossEntropy,
    SquaredError,
    Tanh,
)
from tests.parity.in_torch import (
    LOSSES,
    assert_derivatives_agree,
    assert_same,
    normalised,
    of_layer,
    tensor,
    torch,
)

SEEDS = range(8)


def with_random_parameters(layer: Any, rng: np.random.Generator) -> Any:
    for theta in layer.thetas:
        theta[:] = rng.standard_normal(theta.size)
    return layer


def drawn_layer(kind: str, rng: np.random.Generator) -> tuple[Any, np.ndarray]:
    """A layer of random sizes, and what it hears."""

    def size(high: int = 7) -> int:
        return int(rng.integers(1, high))

    rows, n_in, n_out = size(9) + 1, size(), size()
    x = rng.standard_normal((rows, n_in))
    window, stride, channels = size(5), size(4), size(4)
    images = rng.standard_normal((rows, window + size(5), window + size(5), channels))
    made = {
        "Dense": lambda: (Dense(n_in, n_out, rng), x),
        "FixedFeedbackDense": lambda: (FixedFeedbackDense.of(Dense(n_in, n_out, rng), rng), x),
        "Identity": lambda: (Identity(), x),
        "Sigmoid": lambda: (Sigmoid(), x * 3),
        "Tanh": lambda: (Tanh(), x * 2),
        "ReLU": lambda: (ReLU(), x),
        "BatchNorm": lambda: (BatchNorm(n_in), x * 3 + 1),
        "ChannelNorm": lambda: (ChannelNorm(channels), images * 2 - 1),
        "Conv2D": lambda: (
            Conv2D(
                channels, n_out, window, rng, stride=stride, padding=int(rng.integers(0, window))
            ),
            images,
        ),
        "MaxPool2D": lambda: (MaxPool2D(window, stride=stride), images),
        "MaxPool2D of ties": lambda: (MaxPool2D(window, stride=stride), np.round(images)),
        "MeanPool2D": lambda: (MeanPool2D(window, stride=stride), images),
        "Flatten": lambda: (Flatten(), images),
        "ToImage": lambda: (ToImage(*images.shape[1:]), images.reshape(rows, -1)),
        "Chain": lambda: (
            Chain([Dense(n_in, 5, rng), BatchNorm(5), Tanh(), Dense(5, n_out, rng), Sigmoid()]),
            x,
        ),
        "Chain of images": lambda: (
            Chain(
                [
                    Conv2D(channels, 3, window, rng, stride=stride, padding=window // 2),
                    ChannelNorm(3),
                    ReLU(),
                    Flatten(),
                ]
            ),
            images,
        ),
    }[kind]
    layer, heard = made()
    return with_random_parameters(layer, rng), heard


KINDS = (
    "Dense",
    "FixedFeedbackDense",
    "Identity",
    "Sigmoid",
    "Tanh",
    "ReLU",
    "BatchNorm",
    "ChannelNorm",
    "Conv2D",
    "MaxPool2D",
    "MaxPool2D of ties",
    "MeanPool2D",
    "Flatten",
    "ToImage",
    "Chain",
    "Chain of images",
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_at_random_sizes(kind: str) -> None:
    for seed in SEEDS:
        rng = np.random.default_rng([seed, len(kind)])
        layer, x = drawn_layer(kind, rng)
        assert_derivatives_agree(layer, [x], of_layer(layer), rng)


def test_a_batch_of_images_of_one_pixel_in_width() -> None:
    rng = np.random.default_rng(3)  # where torch's own backward of batch_norm goes wrong
    layer = with_random_parameters(ChannelNorm(3), rng)
    assert_derivatives_agree(layer, [rng.standard_normal((4, 5, 1, 3))], of_layer(layer), rng)


@pytest.mark.parametrize("kind", ["BatchNorm", "ChannelNorm"])
def test_normalisation_in_evaluation_mode(kind: str) -> None:
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        layer, x = drawn_layer(kind, rng)
        layer.calibrate(x)
        new = rng.standard_normal((3, *x.shape[1:]))
        over = tuple(range(x.ndim - 1))
        population = tensor(x, leaf=False)
        deviation = torch.sqrt(population.var(over, unbiased=True) + 1e-5)
        normal = (tensor(new, leaf=False) - population.mean(over)) / deviation
        theta = tensor(layer.theta, leaf=False)
        assert_same("y", layer.predict(new), normal * theta[: layer.width] + theta[layer.width :])


def test_joins() -> None:
    rng = np.random.default_rng(0)
    heard = [rng.standard_normal((4, 3)) for _ in range(3)]
    assert_derivatives_agree(Add(3, 3), heard, lambda _, *all: sum(all), rng)
    together = Concatenate((3, 3, 3))
    assert_derivatives_agree(together, heard, lambda _, *all: torch.cat(all, dim=1), rng)


@pytest.mark.parametrize("loss", [SquaredError(), BinaryCrossEntropy(), SoftmaxCrossEntropy()])
def test_a_loss(loss: Any) -> None:
    says = {
        "squared error": lambda z: z,
        "binary cross-entropy": torch.sigmoid,
        "softmax cross-entropy": lambda z: torch.softmax(z, dim=1),
    }
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        shape = tuple(rng.integers(1, 8, 2))
        z = rng.standard_normal(shape) * 10.0 ** rng.integers(-1, 2)
        y = rng.random(shape)
        y /= y.sum(axis=1, keepdims=True)
        output, label = tensor(z), tensor(y, leaf=False)
        total = LOSSES[loss.name](output, label)
        assert_same("the loss", loss.per_row(z, y).sum(), total)
        assert_same("its gradient", loss.gradient(z, y), torch.autograd.grad(total, output)[0])
        assert_same("the prediction", loss.prediction(z), says[loss.name](output))


@pytest.mark.parametrize("optimiser", [SGD(0.1), Momentum(0.05, 0.8), Adam(0.01), Adam(0.1, 0.5)])
def test_an_optimiser_over_fifty_steps(optimiser: Any) -> None:
    rng = np.random.default_rng(0)
    theta = rng.standard_normal(7)
    its = tensor(theta)
    theirs = {
        "SGD": lambda: torch.optim.SGD([its], lr=optimiser.rate),
        "Momentum": lambda: torch.optim.SGD([its], lr=optimiser.rate, momentum=optimiser.momentum),
        "Adam": lambda: torch.optim.Adam(
            [its], lr=optimiser.rate, betas=(optimiser.beta1, optimiser.beta2)
        ),
    }[type(optimiser).__name__]()
    update = optimiser.start([theta])
    for step in range(50):
        batch = step % 5 + 1
        grad = rng.standard_normal(7) * (1 + step % 3)
        update([grad], batch)
        its.grad = tensor(grad / batch, leaf=False)
        theirs.step()
        assert_same(f"step {step}", theta, its)


def test_the_formula_of_normalisation_is_torchs() -> None:
    x = tensor(np.random.default_rng(0).standard_normal((9, 4)))
    ours = normalised(x)
    theirs = torch.nn.functional.batch_norm(x, None, None, training=True)
    assert_same("the formula", ours.detach().numpy(), theirs)
