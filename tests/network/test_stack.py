"""A stack: how it is built, its gradients through all modules, and what a probe finds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnilab.network import (
    BatchNorm,
    BinaryCrossEntropy,
    Chain,
    Dense,
    Module,
    ReLU,
    SoftmaxCrossEntropy,
    SquaredError,
    Stack,
    Tanh,
    complex_step,
    relative_error,
)
from tests.network.contract import frozen, same

WIDTHS = (4, 5, 3, 2)


def build(widths: tuple[int, ...] = WIDTHS, seed: int = 0, **options: Any) -> Stack:
    loss = options.pop("loss", BinaryCrossEntropy())
    return Stack.build(widths, loss, np.random.default_rng(seed), **options)


def batch(rows: int = 6, widths: tuple[int, ...] = WIDTHS) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    return rng.standard_normal((rows, widths[0])), np.eye(widths[-1])[
        rng.integers(0, widths[-1], rows)
    ]


def randomised(stack: Stack, seed: int = 3) -> Stack:
    """The same stack with every parameter drawn, generators too."""
    rng = np.random.default_rng(seed)
    for theta in stack.thetas:
        theta[:] = rng.standard_normal(theta.size)
    return stack


def test_what_is_built() -> None:
    stack = build(batch_norm=True, activation="relu", context=("h", "y"), generator_hidden=(7,))
    kinds = [[type(layer) for layer in module.body.layers] for module in stack.modules]
    assert kinds == [[Dense, BatchNorm, ReLU], [Dense, BatchNorm, ReLU], [Dense]]
    assert [m.body.layers[0].theta.size for m in stack.modules] == [25, 18, 8]  # n (m + 1)
    assert [m.generator is None for m in stack.modules] == [False, False, True]
    # context h and y, then 7, then the width of h: weights and biases
    assert [m.generator.thetas[0].size for m in stack.modules[:2] if m.generator] == [56, 42]
    assert [m.generator.thetas[1].size for m in stack.modules[:2] if m.generator] == [40, 24]
    assert len(stack) == 3
    assert stack.decoupled
    assert not build().decoupled
    assert build((4, 2)).decoupled  # one module, the top one: nothing is missing
    assert [type(layer) for layer in build().modules[0].body.layers] == [Dense, Tanh]


@pytest.mark.parametrize("dtype", ["float32", "float64", np.float32])
def test_dtype(dtype: Any) -> None:
    stack = build(dtype=dtype, batch_norm=True, context=("h",))
    assert stack.dtype == np.dtype(dtype)
    assert {theta.dtype for theta in stack.thetas} == {np.dtype(dtype)}


@pytest.mark.parametrize("hidden", [(), (6,)])
@pytest.mark.parametrize("context", [("h",), ("x", "y", "h")])
def test_the_same_seed_gives_the_same_bodies_with_and_without_generators(
    context: tuple[str, ...], hidden: tuple[int, ...]
) -> None:
    plain = build(batch_norm=True)
    decoupled = build(batch_norm=True, context=context, generator_hidden=hidden)
    for one, other in zip(plain.modules, decoupled.modules, strict=True):
        assert same(one.body.thetas, other.body.thetas)
    assert not same(plain.thetas, build(seed=1, batch_norm=True).thetas)


@given(
    widths=st.lists(st.integers(1, 5), min_size=2, max_size=5).map(tuple),
    activation=st.sampled_from(["tanh", "sigmoid", "relu", "identity"]),
    batch_norm=st.booleans(),
    loss=st.sampled_from([SquaredError(), BinaryCrossEntropy(), SoftmaxCrossEntropy()]),
)
def test_gradients_through_the_whole_stack(
    widths: tuple[int, ...], activation: str, batch_norm: bool, loss: Any
) -> None:
    stack = randomised(build(widths, activation=activation, batch_norm=batch_norm, loss=loss))
    x, y = batch(4, widths)
    before = frozen(stack.thetas)
    at_outputs, of_parameters = stack.gradients(x, y)
    assert frozen(stack.thetas) == before
    probe = stack.copy(complex)

    def summed(start: int, h: np.ndarray) -> complex:
        """The summed loss, from the output of module ``start`` on."""
        for module in probe.modules[start:]:
            h, _ = module(h)
        return probe.loss.per_row(h, y).sum()

    h = x
    for k, module in enumerate(stack.modules):
        h, _ = module(h)
        measured = complex_step(lambda v, k=k: summed(k + 1, v), h)
        np.testing.assert_allclose(at_outputs[k], measured, rtol=1e-9, atol=1e-12)
        for theta, grad in zip(probe.modules[k].body.thetas, of_parameters[k], strict=True):
            kept = theta.copy()

            def of_theta(value: np.ndarray, theta: np.ndarray = theta) -> complex:
                theta[:] = value
                return summed(0, x)

            measured = complex_step(of_theta, kept.real)
            theta[:] = kept
            np.testing.assert_allclose(grad, measured, rtol=1e-9, atol=1e-11)


def test_the_gradient_of_a_row_does_not_depend_on_the_batch_size() -> None:
    # that of the summed loss: what DESIGN calls g is never divided by the batch size
    stack = randomised(build())
    x, y = batch(6)
    for whole, alone in zip(
        stack.gradients(x, y)[0], stack.gradients(x[2:3], y[2:3])[0], strict=True
    ):
        np.testing.assert_allclose(whole[2:3], alone, rtol=1e-12)


def test_probe_against_direct_computation() -> None:
    stack = randomised(build(context=("h", "y"), batch_norm=True))
    x, y = batch()
    before = frozen(stack)
    probes = stack.probe(x, y)
    assert frozen(stack) == before
    assert len(probes) == 2
    h1, _ = stack.modules[0](x)
    h2, pull2 = stack.modules[1](h1)
    output, pull3 = stack.modules[2](h2)
    g2 = pull3(stack.loss.gradient(output, y))[0]
    M1, M2 = stack.modules[0].generator, stack.modules[1].generator
    assert M1 is not None
    assert M2 is not None
    guess1, guess2 = M1(h1, x, y)[0], M2(h2, x, y)[0]
    assert same([probes[0].guess, probes[1].guess], [guess1, guess2])
    # the top module sends down the true gradient, the others what they make of their guess
    assert same([probes[0].told, probes[1].told], [pull2(guess2)[0], g2])
    assert same([probes[1].true], [g2])
    assert same([probes[0].true], [pull2(g2)[0]])
    assert relative_error(probes[0].true, probes[0].told) > 0.1


def test_probe_needs_generators() -> None:
    with pytest.raises(ValueError, match="this stack has no generators"):
        build().probe(*batch())


def test_outputs_and_predict_run_in_evaluation_mode() -> None:
    stack = build(batch_norm=True)
    x, _ = batch(20)
    with pytest.raises(RuntimeError, match=r"call calibrate\(x\) first"):
        stack.outputs(x)
    stack.calibrate(x)
    outputs = stack.outputs(x)
    assert outputs.shape == (20, 2)
    np.testing.assert_allclose(stack.outputs(x[:1]), outputs[:1], rtol=1e-12)
    np.testing.assert_array_equal(stack.predict(x), stack.loss.prediction(outputs))
    # calibration goes module by module: each is in evaluation mode for the next one
    h = stack.modules[0].body.predict(x)
    second = stack.modules[1].body.layers
    assert isinstance(second[1], BatchNorm)
    assert second[1].population is not None
    np.testing.assert_allclose(second[1].population[0], second[0].predict(h).mean(axis=0))


def test_a_copy_is_independent() -> None:
    stack = build(context=("h",), batch_norm=True)
    x, y = batch()
    twin = stack.copy()
    assert same(twin.thetas, stack.thetas)
    for theta in twin.thetas:
        theta += 1
    assert all((a != b).all() for a, b in zip(twin.thetas, stack.thetas, strict=True))
    assert twin.loss is stack.loss
    single = stack.copy(np.float32)
    assert single.dtype == np.float32
    assert single.gradients(x.astype(np.float32), y.astype(np.float32))[0][0].dtype == np.float32


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"widths": (4,)}, r"widths is \(4,\); it accepts two numbers or more"),
        ({"widths": (4, 0, 2)}, "widths is 0"),
        ({"widths": (4, 2.5)}, "widths is 2.5"),
        ({"widths": 4}, "widths is 4; it accepts"),
        ({"activation": "gelu"}, "activation is 'gelu'"),
        ({"batch_norm": "yes"}, "batch_norm is 'yes'"),
        ({"context": ("h", "w")}, "context is"),
        ({"generator_hidden": (0,), "context": ("h",)}, "generator_hidden is 0"),
        ({"dtype": "float16"}, "dtype is 'float16'; it accepts float32 or float64"),
        ({"dtype": "float99"}, "dtype is 'float99'"),
        ({"rng": 0}, "rng is 0"),
    ],
)
def test_what_is_wrong_is_named(arguments: dict[str, Any], says: str) -> None:
    good = {"widths": WIDTHS, "loss": SquaredError(), "rng": np.random.default_rng(0)}
    with pytest.raises(ValueError, match=f"^{says}"):
        Stack.build(**good | arguments)


def test_arrays_of_the_wrong_shape_are_named() -> None:
    stack = build()
    x, y = batch()
    for wrong in (x[:, :3], x[0]):
        with pytest.raises(ValueError, match=r"^x has shape"):
            stack.gradients(wrong, y)
        with pytest.raises(ValueError, match=r"^x has shape"):
            stack.outputs(wrong)
    for wrong in (y[:, :1], y[:3], y[0]):
        with pytest.raises(ValueError, match=r"^y has shape"):
            stack.gradients(x, wrong)
    x[1, 2] = np.nan
    with pytest.raises(ValueError, match=r"^x has nan at row 1, column 2"):
        stack.outputs(x)
    with pytest.raises(ValueError, match=r"^modules is empty"):
        Stack([], SquaredError())


def test_a_module_is_its_body() -> None:
    chain = Chain([Dense(4, 3, np.random.default_rng(0)), Tanh()])
    x, _ = batch()
    assert same([Module(chain)(x)[0]], [chain(x)[0]])
    assert same(Module(chain).thetas, chain.thetas)
