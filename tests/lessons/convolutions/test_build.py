"""Stacks of convolutions and the generators between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dnilab.lessons.convolutions.network.build import (
    ConvGenerator,
    DenseImageGenerator,
    build_convolutional,
    fold,
    label_planes,
)
from dnilab.network import Stack, complex_step, loss_named, relative_error


def build(**changes: Any) -> Stack:
    arguments: dict[str, Any] = {
        "image": (8, 8, 1),
        "channels": (3, 4, 5),
        "outputs": 10,
        "loss": loss_named("softmax cross-entropy"),
        "rng": np.random.default_rng(0),
    }
    return build_convolutional(**(arguments | changes))


def rows(n: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.standard_normal((n, 64)), np.eye(10)[rng.integers(0, 10, n)]


@pytest.mark.parametrize("downsampling", ["stride", "max", "mean"])
def test_shapes_from_the_pixels_to_the_logits(downsampling: str) -> None:
    stack = build(downsampling=downsampling)
    h, _ = rows()
    shapes = []
    for module in stack.modules:
        h, _ = module(h)
        shapes.append(h.shape)
    assert shapes == [(6, 4, 4, 3), (6, 2, 2, 4), (6, 1, 1, 5), (6, 10)]


def test_the_gradients_of_a_stack_are_the_derivatives() -> None:
    stack, (x, y) = build(channels=(2, 3), activation="tanh"), rows(4)
    at_outputs, of_parameters = stack.gradients(x, y)
    probe = stack.copy(complex)
    for module, grads in zip(probe.modules, of_parameters, strict=True):
        for theta, grad in zip(module.body.thetas, grads, strict=True):
            kept = theta.copy()

            def summed(value: np.ndarray, theta: np.ndarray = theta) -> Any:
                theta[:] = value
                h: Any = x.astype(complex)
                for each in probe.modules:
                    h, _ = each(h)
                return stack.loss.per_row(h, y).sum()

            # The bias of a convolution is taken away again by ChannelNorm: its gradient is 0.
            measured = complex_step(summed, kept.real)
            theta[:] = kept
            assert np.linalg.norm(grad - measured) < 1e-11 * max(1, np.linalg.norm(measured))
    assert [g.shape for g in at_outputs] == [(4, 4, 4, 2), (4, 2, 2, 3), (4, 10)]


@pytest.mark.parametrize("generator", ["dense", "convolutional"])
def test_generators_start_at_zero_and_leave_the_weights_alone(generator: str) -> None:
    plain, stack = (
        build(),
        build(context=("h", "y", "x"), generator=generator, generator_hidden=(6,)),
    )
    for one, other in zip(plain.modules, stack.modules, strict=True):
        for a, b in zip(one.body.thetas, other.body.thetas, strict=True):
            assert np.array_equal(a, b)
    assert stack.decoupled
    for at in stack.probe(*rows()):
        assert not at.guess.any()
        assert at.guess.shape == at.true.shape == at.told.shape
        assert at.true.any()


def test_calibrated_evaluation_treats_each_row_alone() -> None:
    stack, (x, _) = build(), rows(20)
    stack.calibrate(x)
    assert relative_error(stack.predict(x)[:3], stack.predict(x[:3])) < 1e-12


def test_labels_are_constant_planes() -> None:
    y = np.array([[1.0, 0, 2], [0, 3, 0]])
    planes = label_planes(y, 4, 5)
    assert planes.shape == (2, 4, 5, 3)
    assert (planes == y[:, None, None]).all()


def test_folding_loses_nothing() -> None:
    x = np.arange(2 * 4 * 6).reshape(2, 4, 6, 1)
    folded = fold(x, 2, 3)
    assert folded.shape == (2, 2, 3, 4)
    assert folded[0, 0, 0].tolist() == [0, 1, 6, 7]  # the upper left block of 2 x 2 pixels
    assert sorted(folded.ravel()) == sorted(x.ravel())


def randomised(generator: Any) -> Any:
    for theta in generator.thetas:
        theta[:] = np.random.default_rng(5).standard_normal(theta.size)
    return generator


def test_a_convolutional_guess_moves_with_the_image() -> None:
    generator = randomised(ConvGenerator((9, 9, 1), ("h", "y"), outputs=2))
    h = np.zeros((1, 9, 9, 1))
    h[0, 3, 3] = 1
    y = np.array([[1.0, 0.0]])
    there, _ = generator(h, y=y)
    moved, _ = generator(np.roll(h, (2, 1), axis=(1, 2)), y=y)
    inner = np.s_[:, 3:8, 2:8]  # away from the frame of zeros
    assert relative_error(np.roll(there, (2, 1), axis=(1, 2))[inner], moved[inner]) < 1e-12


def test_labels_change_the_guess() -> None:
    h = np.random.default_rng(6).standard_normal((2, 4, 4, 3))
    for generator in (
        DenseImageGenerator((4, 4, 3), ("h", "y"), outputs=10),
        ConvGenerator((4, 4, 3), ("h", "y"), outputs=10),
    ):
        randomised(generator)
        one, _ = generator(h, y=np.eye(10)[[1, 2]])
        other, _ = generator(h, y=np.eye(10)[[1, 3]])
        assert np.allclose(one[0], other[0])
        assert not np.allclose(one[1], other[1])


def test_h_norm_has_no_scale() -> None:
    h = np.random.default_rng(7).standard_normal((50, 4, 4, 3))
    generator = randomised(ConvGenerator((4, 4, 3), ("h_norm",)))
    assert relative_error(generator(h)[0], generator(7 * h + 1)[0]) < 1e-4


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: build(context=("z",)), "context is"),
        (lambda: ConvGenerator((4, 4, 1), ("x",), image=(9, 8, 1)), "images of 9 x 8.*multiples"),
        (lambda: DenseImageGenerator((4, 4, 1), ("y",)), "outputs is 0"),
    ],
)
def test_arguments(make: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()


@pytest.mark.parametrize("kind", [ConvGenerator, DenseImageGenerator])
def test_calls(kind: type) -> None:
    generator = kind((4, 4, 1), ("h", "y"), outputs=2)
    with pytest.raises(ValueError, match=r"h has shape .*\(batch, 4, 4, 1\)"):
        generator(np.zeros((5, 3, 4, 1)), y=np.zeros((5, 2)))
    with pytest.raises(ValueError, match="y is None, but"):
        generator(np.zeros((5, 4, 4, 1)))
