"""What tells a module its gradient agrees with PyTorch: generators, readouts, feedback."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from dnilab.lessons.convolutions.network.build import ConvGenerator, DenseImageGenerator
from dnilab.network import (
    CONTEXTS,
    BinaryCrossEntropy,
    Feedback,
    Generator,
    Readout,
    SoftmaxCrossEntropy,
    SquaredError,
)
from tests.parity.in_torch import (
    LOSSES,
    assert_same,
    of_generator,
    of_layer,
    tensor,
    torch,
)
from tests.parity.test_layers import with_random_parameters

EVERY_CONTEXT = [mix for n in range(1, 5) for mix in combinations(CONTEXTS, n)]
ROWS, INPUTS, OUTPUTS, WIDTH, IMAGE, SHAPE = 4, 32, 3, 5, (4, 8, 1), (2, 4, 3)


def assert_generator_agrees(signal: Any, rng: np.random.Generator) -> None:
    """The guess, and the gradients of its squared distance from the truth."""
    x = rng.standard_normal((ROWS, INPUTS))
    y = np.eye(OUTPUTS)[rng.integers(0, OUTPUTS, ROWS)]
    h = rng.standard_normal((ROWS, *getattr(signal, "shape", (WIDTH,))))
    g = rng.standard_normal(h.shape)
    guess, pullback = signal(h, x, y)
    _, grads = pullback(guess - g)
    thetas = [tensor(theta) for theta in signal.thetas]
    expected = of_generator(signal)(thetas, *(tensor(one, leaf=False) for one in (h, x, y)))
    assert_same("the guess", guess, expected)
    loss = ((expected - tensor(g, leaf=False)) ** 2).sum() / 2
    for mine, its in zip(grads, torch.autograd.grad(loss, thetas), strict=True):
        assert_same("the generator's gradient", mine, its)


@pytest.mark.parametrize("context", EVERY_CONTEXT, ids="+".join)
@pytest.mark.parametrize("hidden", [(), (6,), (4, 5)], ids=str)
def test_generators(context: tuple[str, ...], hidden: tuple[int, ...]) -> None:
    rng = np.random.default_rng(len(context))
    sizes = {"outputs": OUTPUTS, "hidden": hidden, "rng": rng}
    for signal in (
        Generator(WIDTH, context, inputs=INPUTS, **sizes),
        DenseImageGenerator(SHAPE, context, inputs=INPUTS, **sizes),
        ConvGenerator(SHAPE, context, image=IMAGE, **sizes),
    ):
        assert_generator_agrees(with_random_parameters(signal, rng), rng)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_windows_of_a_generator(size: int) -> None:
    rng = np.random.default_rng(size)
    how = {"image": IMAGE, "outputs": OUTPUTS, "size": size, "rng": rng}
    signal = ConvGenerator(SHAPE, ("h", "y", "x"), hidden=(3,), **how)
    assert_generator_agrees(with_random_parameters(signal, rng), rng)


@pytest.mark.parametrize("loss", [SquaredError(), BinaryCrossEntropy(), SoftmaxCrossEntropy()])
@pytest.mark.parametrize("hidden", [(), (6,), (4, 5)], ids=str)
def test_a_readout(loss: Any, hidden: tuple[int, ...]) -> None:
    for seed in range(4):
        rng = np.random.default_rng(seed)
        signal = Readout(WIDTH, OUTPUTS, loss, hidden=hidden, rng=rng)
        with_random_parameters(signal, rng)
        h = rng.standard_normal((ROWS, WIDTH))
        y = np.eye(OUTPUTS)[rng.integers(0, OUTPUTS, ROWS)]
        guess, pullback = signal(h, None, y)
        _, grads = pullback()
        thetas, heard = [tensor(theta) for theta in signal.thetas], tensor(h)
        total = LOSSES[loss.name](of_layer(signal.body)(thetas, heard), tensor(y, leaf=False))
        expected = torch.autograd.grad(total, [heard, *thetas])
        for mine, its in zip([guess, *grads], expected, strict=True):
            assert_same("what the readout says", mine, its)


def test_feedback() -> None:
    rng = np.random.default_rng(0)
    signal = Feedback(WIDTH, OUTPUTS, rng=rng)
    error = rng.standard_normal((ROWS, OUTPUTS))
    guess, _ = signal(None, error=error)
    assert_same("the error, fed back", guess, tensor(error) @ tensor(signal.B))
