"""Losses: right where the textbook formula is safe to compute, and still right where it is not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnilab.network import (
    BinaryCrossEntropy,
    Loss,
    SoftmaxCrossEntropy,
    SquaredError,
    complex_step,
    loss_named,
)

LOSSES = [SquaredError(), BinaryCrossEntropy(), SoftmaxCrossEntropy()]


def name(loss: Loss) -> str:
    return loss.name


def naive(loss: Loss, z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The loss of each row as a textbook writes it, number by number."""
    rows = []
    for zs, ys in zip(z.tolist(), y.tolist(), strict=True):
        total = 0.0
        whole = sum(math.exp(other) for other in zs)
        for a, b in zip(zs, ys, strict=True):
            if isinstance(loss, SquaredError):
                total += (a - b) ** 2 / 2
            elif isinstance(loss, BinaryCrossEntropy):
                p = 1 / (1 + math.exp(-a))
                total -= b * math.log(p) + (1 - b) * math.log(1 - p)
            else:
                total -= b * math.log(math.exp(a) / whole)
        rows.append(total)
    return np.array(rows)


def labels(loss: Loss, rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    if isinstance(loss, SoftmaxCrossEntropy):
        return np.eye(columns)[rng.integers(0, columns, rows)]
    return rng.integers(0, 2, (rows, columns)).astype(float)


@pytest.mark.parametrize("loss", LOSSES, ids=name)
@given(
    rows=st.integers(1, 5),
    columns=st.integers(1, 5),
    scale=st.sampled_from([0.01, 1.0, 5.0]),
    seed=st.integers(0, 1000),
)
def test_value_and_gradient(loss: Loss, rows: int, columns: int, scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    z = rng.uniform(-scale, scale, (rows, columns))
    y = labels(loss, rng, rows, columns)
    np.testing.assert_allclose(loss.per_row(z, y), naive(loss, z, y), rtol=1e-10, atol=1e-13)
    measured = complex_step(lambda v: loss.per_row(v, y).sum(), z)
    np.testing.assert_allclose(loss.gradient(z, y), measured, rtol=1e-12, atol=1e-13)
    # the contract's long form says the same
    value, pullback = loss(z, y)
    np.testing.assert_array_equal(value, loss.per_row(z, y))
    np.testing.assert_array_equal(pullback(np.ones(rows))[0], loss.gradient(z, y))
    # the gradient of a mean is a row's own gradient times its weight: nothing is mixed or divided
    weights = rng.standard_normal(rows)
    np.testing.assert_allclose(pullback(weights)[0], weights[:, None] * loss.gradient(z, y))


def test_softmax_takes_any_row_of_probabilities() -> None:
    loss = SoftmaxCrossEntropy()
    z, y = np.array([[0.3, -1.0, 2.0]]), np.array([[0.2, 0.5, 0.3]])
    np.testing.assert_allclose(loss.per_row(z, y), naive(loss, z, y), rtol=1e-13)
    measured = complex_step(lambda v: loss.per_row(v, y).sum(), z)
    np.testing.assert_allclose(loss.gradient(z, y), measured, rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_enormous_logits_of_yes_or_no(dtype: type) -> None:
    # -log sigmoid(1000) is 0 and -log sigmoid(-1000) is 1000, exactly, in either precision;
    # a naive formula gives inf or nan here, and a warning, which is an error in the tests
    loss = BinaryCrossEntropy()
    z = np.array([[1000, -1000], [1000, -1000], [0, 0]], dtype)
    y = np.array([[1, 0], [0, 1], [0, 1]], dtype)
    row = loss.per_row(z, y)
    assert row.dtype == dtype
    assert row.tolist() == [0.0, 2000.0, pytest.approx(2 * math.log(2), rel=1e-6)]
    assert loss.gradient(z, y).tolist() == [[0, 0], [1, -1], [0.5, -0.5]]
    assert loss.prediction(z).tolist() == [[1, 0], [1, 0], [0.5, 0.5]]
    assert loss.gradient(z, y).dtype == loss.prediction(z).dtype == dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_enormous_logits_of_classes(dtype: type) -> None:
    loss = SoftmaxCrossEntropy()
    z = np.array([[1000, -1000, 0], [1000, -1000, 0], [1000, 1000, -1000], [-1000] * 3], dtype)
    y = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]], dtype)
    row = loss.per_row(z, y)
    assert row.dtype == dtype
    np.testing.assert_allclose(row, [0, 2000, math.log(2), math.log(3)], rtol=1e-6)
    g = loss.gradient(z, y)
    assert g.dtype == dtype
    third = 1 / 3
    np.testing.assert_allclose(
        g, [[0, 0, 0], [1, -1, 0], [-0.5, 0.5, 0], [third, third, third - 1]], rtol=1e-6
    )
    np.testing.assert_allclose(loss.prediction(z).sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_tiny_loss_is_not_rounded_to_zero(dtype: type) -> None:
    # log(1 + exp(-30)) is 9.4e-14: log1p keeps it, log(1 + ...) has 3 digits of it or says 0
    for z, y in ((30.0, 1.0), (-30.0, 0.0)):
        (row,) = BinaryCrossEntropy().per_row(np.array([[z]], dtype), np.array([[y]], dtype))
        assert row == pytest.approx(math.exp(-30), rel=1e-6, abs=0)


def test_predictions_are_in_the_units_of_y() -> None:
    z = np.array([[0.5, -2.0]])
    assert SquaredError().prediction(z).tolist() == z.tolist()
    np.testing.assert_allclose(
        BinaryCrossEntropy().prediction(z), [[1 / (1 + math.exp(-0.5)), 1 / (1 + math.exp(2))]]
    )
    p = 1 / (1 + math.exp(-2.5))
    np.testing.assert_allclose(SoftmaxCrossEntropy().prediction(z), [[p, 1 - p]])


@pytest.mark.parametrize("loss", LOSSES, ids=name)
def test_labels_of_another_shape_are_refused_and_not_stretched(loss: Loss) -> None:
    z = np.zeros((3, 2))
    for y in (np.zeros((3, 1)), np.zeros(2), np.zeros((1, 2)), np.zeros((4, 2))):
        for call in (loss, loss.per_row, loss.gradient):
            with pytest.raises(ValueError, match=r"^y has shape .* the shape of output, \(3, 2\)$"):
                call(z, y)


def test_by_name() -> None:
    for loss in LOSSES:
        assert type(loss_named(loss.name)) is type(loss)
    with pytest.raises(ValueError, match=r"^loss is 'hinge'; it accepts one of 'squared error'"):
        loss_named("hinge")
