"""Optimisers: their first steps, worked by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnilab.network import SGD, Adam, Momentum, Optimiser, optimiser_named

ALL = [SGD(0.1), Momentum(0.1), Adam(0.1)]


def after(optimiser: Optimiser, start: float, *steps: tuple[float, int]) -> list[float]:
    """One parameter from ``start`` on, after each (summed gradient, batch size)."""
    theta = np.array([start])
    update = optimiser.start([theta])
    seen = []
    for grad, batch_size in steps:
        update([np.array([grad])], batch_size)
        seen.append(float(theta[0]))
    return seen


def test_sgd() -> None:
    # 1 - 0.5 * 4/2 = 0;   0 - 0.5 * (-8)/4 = 1
    assert after(SGD(0.5), 1.0, (4.0, 2), (-8.0, 4)) == [0.0, 1.0]


def test_momentum() -> None:
    # v = 4/2 = 2:              1 - 0.5 * 2 = 0
    # v = 0.5 * 2 - 8/4 = -1:   0 - 0.5 * -1 = 0.5
    # v = 0.5 * -1 + 0 = -0.5:  0.5 + 0.25 = 0.75
    steps = ((4.0, 2), (-8.0, 4), (0.0, 1))
    assert after(Momentum(0.5, momentum=0.5), 1.0, *steps) == [0.0, 0.5, 0.75]


def test_adam() -> None:
    # beta1 1/2, beta2 3/4, rate 0.1, epsilon 1e-8, mean gradients 4/2 = 2 and 8/2 = 4
    # t = 1: m = 1, v = 1.  Without bias: m/(1/2) = 2, v/(1/4) = 4.  Step 0.1 * 2/2 = 0.1
    # t = 2: m = 0.5 + 2 = 2.5, v = 0.75 + 4 = 4.75.  Without bias: 2.5/(3/4) = 3.33333333,
    #        4.75/(7/16) = 10.85714286, root 3.29501788.  Step 0.1 * 1.01162829 = 0.10116283
    first, second = after(Adam(0.1, beta1=0.5, beta2=0.75), 1.0, (4.0, 2), (8.0, 2))
    assert first == pytest.approx(0.9, abs=1e-9)
    assert second == pytest.approx(0.79883717, abs=1e-8)


def test_adam_as_it_usually_is() -> None:
    # beta1 0.9, beta2 0.999, rate 0.001, gradients 2 and -1
    # t = 1: m = 0.2, v = 0.004; without bias 2 and 4: step 0.001, whatever the gradient's size
    # t = 2: m = 0.18 - 0.1 = 0.08, v = 0.003996 + 0.001 = 0.004996
    #        0.08/0.19 = 0.42105263, 0.004996/0.001999 = 2.49924962, root 1.58090152
    #        step 0.001 * 0.26633704 = 0.00026634
    first, second = after(Adam(0.001), 0.0, (2.0, 1), (-1.0, 1))
    assert first == pytest.approx(-0.001, abs=1e-11)
    assert second == pytest.approx(-0.00126633704, abs=1e-11)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_adams_first_step_is_the_rate_because_the_bias_is_taken_out(size: float) -> None:
    # with the bias left in it would be 0.1 * (1 - 0.9) / sqrt(1 - 0.999) = 0.316 times as large
    for sign in (-1, 1):
        (moved,) = after(Adam(0.1), 0.0, (sign * size, 1))
        assert moved == pytest.approx(-sign * 0.1, rel=1e-4)


def test_adams_epsilon_stands_where_the_paper_puts_it() -> None:
    # Algorithm 1: m_hat / (sqrt(v_hat) + epsilon) = 2 / (2 + 6), not with the biased sqrt(v)
    (moved,) = after(Adam(1.0, epsilon=6.0), 0.0, (2.0, 1))
    assert moved == pytest.approx(-0.25, rel=1e-12)


@given(
    grads=st.lists(st.floats(-10, 10), min_size=1, max_size=8),
    beta1=st.floats(0, 0.99),
    beta2=st.floats(0, 0.999),
    batch_size=st.integers(1, 50),
)
def test_adam_is_algorithm_1(
    grads: list[float], beta1: float, beta2: float, batch_size: int
) -> None:
    theta = m = v = 0.0
    wanted = []
    for t, grad in enumerate(grads, start=1):
        g = grad / batch_size
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        theta -= 0.1 * (m / (1 - beta1**t)) / (math.sqrt(v / (1 - beta2**t)) + 1e-8)
        wanted.append(theta)
    adam = Adam(0.1, beta1=beta1, beta2=beta2)
    got = after(adam, 0.0, *((grad, batch_size) for grad in grads))
    np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("optimiser", ALL, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_parameters_change_in_place_and_gradients_do_not(optimiser: Optimiser, dtype: type) -> None:
    thetas = [np.ones(3, dtype), np.ones((2,), dtype)]
    view = thetas[0][:2]
    grads = [np.array([1, -2, 0], dtype), np.array([3, 4], dtype)]
    kept = [g.copy() for g in grads]
    update = optimiser.start(thetas)
    for _ in range(3):
        update(grads, 2)
    assert (view != 1).all()  # whoever holds a view of the parameters sees the change
    assert thetas[0][2] == 1
    assert thetas[0].dtype == dtype
    for grad, before in zip(grads, kept, strict=True):
        np.testing.assert_array_equal(grad, before)


@pytest.mark.parametrize("optimiser", ALL, ids=repr)
def test_two_updaters_of_one_optimiser_have_memories_of_their_own(optimiser: Optimiser) -> None:
    steps = ((1.0, 1), (3.0, 1), (-2.0, 1))
    a, b = np.array([0.0]), np.array([0.0])
    update_a, update_b = optimiser.start([a]), optimiser.start([b])
    for grad, size in steps:
        update_a([np.array([grad])], size)
    for grad, size in steps:
        update_b([np.array([grad])], size)
    assert a[0] == b[0] == after(optimiser, 0.0, *steps)[-1]


@pytest.mark.parametrize("optimiser", ALL, ids=repr)
def test_a_gradient_too_few_is_an_error(optimiser: Optimiser) -> None:
    update = optimiser.start([np.zeros(1), np.zeros(1)])
    with pytest.raises(ValueError, match="shorter"):
        update([np.ones(1)], 1)


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
def test_a_numpy_number_as_rate_gives_the_same_bits(name: str) -> None:
    # np.float64 is not a "weak" scalar: float32 arithmetic with it is rounded elsewhere
    results = []
    for rate in (0.3, np.float64(0.3)):
        theta = np.linspace(-1, 1, 500, dtype=np.float32)
        update = optimiser_named(name, rate).start([theta])
        for step in range(20):
            update([np.cos(theta + np.float32(step))], 7)
        results.append(theta.tobytes())
    assert results[0] == results[1]


def test_by_name() -> None:
    assert optimiser_named("sgd", 0.1) == SGD(0.1)
    assert optimiser_named("momentum", 0.1) == Momentum(0.1, 0.9)
    assert optimiser_named("adam", 0.1) == Adam(0.1, 0.9, 0.999, 1e-8)
    with pytest.raises(ValueError, match=r"^optimiser is 'lion'; it accepts one of 'sgd'"):
        optimiser_named("lion", 0.1)


@pytest.mark.parametrize(
    ("kind", "arguments", "field"),
    [
        (SGD, {"rate": 0}, "rate"),
        (SGD, {"rate": -1}, "rate"),
        (Momentum, {"rate": float("nan")}, "rate"),
        (Momentum, {"rate": 1, "momentum": 1.1}, "momentum"),
        (Momentum, {"rate": 1, "momentum": -0.1}, "momentum"),
        (Adam, {"rate": float("inf")}, "rate"),
        (Adam, {"rate": "fast"}, "rate"),
        (Adam, {"rate": 1, "beta1": 1.0}, "beta1"),
        (Adam, {"rate": 1, "beta2": 1.0}, "beta2"),
        (Adam, {"rate": 1, "epsilon": 0.0}, "epsilon"),
    ],
)
def test_out_of_range(kind: type, arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(ValueError, match=rf"^{field} is .*; it accepts"):
        kind(**arguments)
