"""Batch normalisation: the batch in training, a population in evaluation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnilab.network import BatchNorm, Chain, Dense, ReLU
from dnilab.network.normalisation import normalise


def test_two_rows_by_hand() -> None:
    # column 1: mean 3, variance 1 (of the batch: over n); with epsilon 3 the deviation is 2
    # column 2: constant, so nothing but beta is left
    layer = BatchNorm(2, epsilon=3.0)
    layer.gamma[:] = [4, 4]
    layer.beta[:] = [1, 7]
    y, _ = layer(np.array([[2.0, 5.0], [4.0, 5.0]]))
    assert y.tolist() == [[-0.5 * 4 + 1, 7], [0.5 * 4 + 1, 7]]


@given(batch=st.integers(2, 20), width=st.integers(1, 5), seed=st.integers(0, 1000))
def test_each_column_has_mean_0_and_variance_1(batch: int, width: int, seed: int) -> None:
    x = np.random.default_rng(seed).normal(3, 2, (batch, width))
    normal, inverse = normalise(x, epsilon=1e-12)
    variance = x.var(axis=0)
    np.testing.assert_allclose(normal.mean(axis=0), 0, atol=1e-9)
    # 1, but for epsilon: two rows may be as close to each other as they like
    np.testing.assert_allclose(normal.var(axis=0), variance / (variance + 1e-12), rtol=1e-6)
    np.testing.assert_allclose(inverse, 1 / np.sqrt(variance + 1e-12), rtol=1e-6)


def test_a_new_layer_changes_neither_scale_nor_place() -> None:
    x = np.random.default_rng(0).standard_normal((6, 3))
    np.testing.assert_allclose(BatchNorm(3)(x)[0], normalise(x)[0], rtol=1e-14)


def test_evaluation_uses_the_population_and_sees_each_row_alone() -> None:
    rng = np.random.default_rng(0)
    layer = BatchNorm(3)
    layer.theta[:] = rng.standard_normal(6)
    population = rng.normal(2, 3, (50, 3))
    layer.calibrate(population)
    x = rng.standard_normal((4, 3))
    deviation = np.sqrt(population.var(axis=0, ddof=1) + layer.epsilon)  # unbiased: n - 1
    wanted = (x - population.mean(axis=0)) / deviation * layer.gamma + layer.beta
    np.testing.assert_allclose(layer.predict(x), wanted, rtol=1e-12)
    np.testing.assert_array_equal(layer.predict(x[2:3]), layer.predict(x)[2:3])
    # training is another function: it goes by the batch
    assert not np.allclose(layer(x)[0], wanted, atol=0.1)


def test_calibration_does_not_change_training() -> None:
    x = np.random.default_rng(0).standard_normal((4, 3))
    layer = BatchNorm(3)
    before = layer(x)[0]
    layer.calibrate(100 * x + 5)
    np.testing.assert_array_equal(layer(x)[0], before)


def test_a_chain_calibrates_each_layer_with_what_reaches_it() -> None:
    rng = np.random.default_rng(0)
    first, second = BatchNorm(4), BatchNorm(3)
    chain = Chain([first, Dense(4, 3, rng), ReLU(), second])
    x = rng.normal(1, 2, (30, 4))
    chain.calibrate(x)
    assert first.population is not None
    assert second.population is not None
    np.testing.assert_allclose(first.population[0], x.mean(axis=0))
    # the second layer's population has gone through the first in *evaluation* mode
    reached = np.maximum(chain.layers[1].predict(first.predict(x)), 0)
    np.testing.assert_allclose(second.population[0], reached.mean(axis=0))
    np.testing.assert_array_equal(chain.predict(x), second.predict(reached))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_evaluation_keeps_the_dtype_also_in_a_copy(dtype: type) -> None:
    x = np.random.default_rng(0).standard_normal((5, 3))
    layer = BatchNorm(3)
    layer.calibrate(x)
    twin = layer.copy(dtype)
    assert twin.predict(x.astype(dtype)).dtype == dtype
    np.testing.assert_allclose(twin.predict(x.astype(dtype)), layer.predict(x), rtol=1e-5)
    twin.calibrate(x.astype(dtype) + 1)
    np.testing.assert_array_equal(layer.population[0], x.mean(axis=0))  # type: ignore[index]


def test_errors() -> None:
    layer = BatchNorm(3)
    with pytest.raises(ValueError, match=r"^x has 1 row; .* 2 rows or more"):
        layer(np.ones((1, 3)))
    for call in (layer, layer.predict, layer.calibrate):
        with pytest.raises(ValueError, match=r"^x has shape \(4, 2\); .*\(batch, 3\)"):
            call(np.ones((4, 2)))
    with pytest.raises(RuntimeError, match=r"call calibrate\(x\) first"):
        layer.predict(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"^width is 0"):
        BatchNorm(0)
    with pytest.raises(ValueError, match=r"^epsilon is 0; it accepts a number above 0"):
        BatchNorm(3, epsilon=0)
