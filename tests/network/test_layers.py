"""Dense layers and activations: values, initial weights, and what they refuse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from dnilab.network import (
    BatchNorm,
    Chain,
    Dense,
    FixedFeedbackDense,
    ReLU,
    Sigmoid,
    activation,
    complex_step,
    relative_error,
)


def test_dense_by_hand() -> None:
    layer = Dense(2, 3, gain=0)
    layer.theta[:] = [1, 2, 3, 4, 5, 6, 10, 20, 30]  # W row by row, then b
    assert layer.W.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert layer.b.tolist() == [10, 20, 30]
    y, pullback = layer(np.array([[1.0, -1.0], [2.0, 0.0]]))
    assert y.tolist() == [[10 - 3, 20 - 3, 30 - 3], [12, 24, 36]]
    dx, (grad,) = pullback(np.array([[1.0, 0.0, 0.0], [0.0, 1.0, -1.0]]))
    assert dx.tolist() == [[1, 4], [2 - 3, 5 - 6]]
    # x^T dy row by row, then the sums of the columns of dy
    assert grad.tolist() == [1, 2, -2, -1, 0, 0, 1, 1, -1]


def test_dense_puts_off_its_own_gradient_and_a_chain_that_of_whoever_can() -> None:
    layer = Dense(2, 1, gain=0)
    layer.theta[:] = [1, 2, 0]
    _, pullback = layer(np.array([[3.0, 5.0]]))
    dx, (owed,) = pullback(np.array([[2.0]]), later=True)
    assert dx.tolist() == [[2, 4]]
    assert owed().tolist() == [6, 10, 2]
    rng = np.random.default_rng(0)
    chain = Chain([Dense(2, 3, rng), BatchNorm(3), ReLU(), Chain([Dense(3, 2, rng)])])
    y, pullback = chain(rng.standard_normal((4, 2)))
    _, grads = pullback(np.ones_like(y), later=True)
    assert [callable(grad) for grad in grads] == [True, False, True]
    assert [callable(grad) for grad in pullback(np.ones_like(y))[1]] == [False] * 3


def test_initial_weights_keep_the_spread() -> None:
    rng = np.random.default_rng(0)
    for gain in (1.0, ReLU.gain):
        layer = Dense(400, 300, rng, gain=gain)
        assert layer.W.std() == pytest.approx(gain / 20, rel=0.02)
        assert abs(layer.W.mean()) < 1e-3
        assert not layer.b.any()
    assert ReLU.gain == pytest.approx(math.sqrt(2))
    assert not Dense(3, 2, rng, gain=0).theta.any()
    assert not Dense(3, 2, gain=0).theta.any()


def test_both_dtypes_start_from_the_same_draw() -> None:
    single, double = (
        Dense(5, 4, np.random.default_rng(0), dtype=dtype) for dtype in (np.float32, np.float64)
    )
    assert single.theta.dtype == np.float32
    np.testing.assert_array_equal(single.theta, double.theta.astype(np.float32))


def test_fixed_feedback_by_hand() -> None:
    layer = FixedFeedbackDense.of(Dense(2, 3, gain=0), np.random.default_rng(0))
    layer.theta[:] = [1, 2, 3, 4, 5, 6, 10, 20, 30]
    layer.B[:] = [[1, 0], [0, 2], [-1, 1]]
    y, pullback = layer(np.array([[1.0, -1.0], [2.0, 0.0]]))
    assert y.tolist() == [[10 - 3, 20 - 3, 30 - 3], [12, 24, 36]]
    dx, (grad,) = pullback(np.array([[1.0, 0.0, 0.0], [0.0, 1.0, -1.0]]))
    assert dx.tolist() == [[1, 0], [0 + 1, 2 - 1]]  # dy B, whatever W is
    assert grad.tolist() == [1, 2, -2, -1, 0, 0, 1, 1, -1]  # as ever


def test_fixed_feedback_learns_by_the_derivative_and_sends_down_what_is_none() -> None:
    rng = np.random.default_rng(0)
    layer = FixedFeedbackDense.of(Dense(4, 3, rng), rng)
    x, dy = rng.standard_normal((5, 4)), rng.standard_normal((5, 3))
    _, pullback = layer(x)
    dx, (grad,) = pullback(dy)
    probe = layer.copy(complex)

    def of_theta(theta: np.ndarray) -> Any:
        probe.theta[:] = theta
        return (dy * probe(x)[0]).sum()

    assert relative_error(grad, complex_step(of_theta, layer.theta)) < 1e-12
    np.testing.assert_array_equal(dx, dy.dot(layer.B))
    assert relative_error(dx, dy.dot(layer.W.T)) > 0.1


def test_fixed_feedback_draws_its_way_back_once() -> None:
    rng = np.random.default_rng(0)
    plain = Dense(300, 200, rng, gain=ReLU.gain)
    layer = FixedFeedbackDense.of(plain, rng)
    np.testing.assert_array_equal(layer.theta, plain.theta)
    assert layer.theta is not plain.theta
    assert layer.B.shape == (200, 300)
    assert layer.B.std() == pytest.approx(plain.W.std(), rel=0.02)  # as strong as W^T
    assert abs(layer.B.mean()) < 1e-3
    assert abs(np.corrcoef(layer.B.ravel(), plain.W.T.ravel())[0, 1]) < 0.02  # and none of it
    kept = layer.B.copy()
    layer.theta += 1  # it learns, and B stays
    np.testing.assert_array_equal(layer.B, kept)
    np.testing.assert_array_equal(layer.copy().B, kept)
    assert layer.copy(np.float32).B.dtype == np.float32
    assert [theta.size for theta in layer.thetas] == [300 * 200 + 200]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_activations(dtype: type) -> None:
    x = np.array([[-1000, -1, 0, 1, 1000]], dtype)
    low = 1 / (1 + math.exp(1))
    wanted = {
        "sigmoid": [0, low, 0.5, 1 - low, 1],
        "tanh": [-1, math.tanh(-1), 0, math.tanh(1), 1],
        "relu": [0, 0, 0, 1, 1000],
        "identity": [-1000, -1, 0, 1, 1000],
    }
    slopes = {
        "sigmoid": [0, low * (1 - low), 0.25, low * (1 - low), 0],
        "tanh": [0, 1 - math.tanh(1) ** 2, 1, 1 - math.tanh(1) ** 2, 0],
        "relu": [0, 0, 0, 1, 1],
        "identity": [1, 1, 1, 1, 1],
    }
    for name in wanted:
        y, pullback = activation(name)(x)
        dx, grads = pullback(np.ones_like(x))
        np.testing.assert_allclose(y[0], wanted[name], rtol=1e-6)
        np.testing.assert_allclose(dx[0], slopes[name], rtol=1e-6)
        assert grads == []


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Dense(0, 3, gain=0), "n_in is 0"),
        (lambda: Dense(3, 2.5, gain=0), "n_out is 2.5"),  # type: ignore[arg-type]
        (lambda: Dense(3, 2), "rng is None; it accepts a numpy.random.Generator unless gain is 0"),
        (lambda: Dense(3, 2, 7), "rng is 7; it accepts a numpy.random.Generator"),  # type: ignore[arg-type]
        (lambda: Dense(3, 2, gain=0, dtype=int), "dtype is <class 'int'>; it accepts"),
        (lambda: Dense(3, 2, np.random.default_rng(0), gain=math.nan), "gain is nan; it accepts"),
        (lambda: BatchNorm(3, dtype=np.int8), "dtype is <class 'numpy.int8'>; it accepts"),
        (lambda: Chain([]), "layers is empty"),
        (lambda: activation("softplus"), "activation is 'softplus'; it accepts one of 'tanh'"),
    ],
)
def test_what_is_wrong_is_named(make: Any, says: str) -> None:
    with pytest.raises(ValueError, match=f"^{says}"):
        make()


def test_sizes_of_numpy_are_the_same_numbers() -> None:
    rng = np.random.default_rng(0)
    assert Dense(np.uint8(200), np.uint8(200), rng).W.shape == (200, 200)  # type: ignore[arg-type]


@pytest.mark.parametrize("x", [np.ones((2, 3)), np.ones(4), np.ones((2, 2, 3)), np.float64(1)])
def test_an_input_of_another_shape_is_named(x: Any) -> None:
    for layer in (Dense(4, 2, gain=0), Chain([Sigmoid(), Dense(4, 2, gain=0)])):
        with pytest.raises(ValueError, match=r"^x has shape .* shape \(batch, 4\)$"):
            layer(x)
