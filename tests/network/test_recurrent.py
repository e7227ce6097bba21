"""Recurrent cells: hand-derived pullbacks against the complex step, over one step and many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnilab.lessons.shared.cells import GRU, Cell
from dnilab.lessons.through_time.network.cells import CELLS, LSTM, TanhCell
from dnilab.lessons.through_time.network.recurrent import RecurrentNet
from dnilab.network import complex_step, finite_difference, relative_error
from tests.network.contract import EXACT, ROUGH, frozen, same

KINDS = (TanhCell, GRU, LSTM)
N_IN, WIDTH, BATCH, STEPS = 3, 4, 5, 3


def drawn(kind: type, seed: int = 0, dtype: Any = np.float64, **sizes: int):
    """A cell with random parameters (its biases would start at zero), a state and inputs."""
    rng = np.random.default_rng(seed)
    n_in, width = sizes.get("n_in", N_IN), sizes.get("width", WIDTH)
    batch, steps = sizes.get("batch", BATCH), sizes.get("steps", STEPS)
    cell = kind(n_in, width, rng)
    cell.theta[:] = rng.standard_normal(cell.theta.size)
    state = rng.standard_normal((batch, cell.state_width))
    xs = rng.standard_normal((steps, batch, n_in))
    return cell.copy(dtype), state.astype(dtype), xs.astype(dtype)


def measured_errors(
    cell: Any, state: np.ndarray, xs: np.ndarray, measure: Callable[..., np.ndarray], dtype: Any
) -> dict[str, float]:
    """How far each of dstate, dxs and grad is from a measured gradient of sum(d * states)."""
    rng = np.random.default_rng(7)
    states, pullback = cell.unroll(state, xs)
    d = rng.standard_normal(states.shape)
    dstate, dxs, (grad,) = pullback(d)
    probe = cell.copy(dtype)

    def of_theta(theta: np.ndarray) -> Any:
        probe.theta[:] = theta
        return (d * probe.unroll(state, xs)[0]).sum()

    at_theta = measure(of_theta, cell.theta)
    probe.theta[:] = cell.theta
    return {
        "dstate": relative_error(
            dstate, measure(lambda s: (d * probe.unroll(s, xs)[0]).sum(), state)
        ),
        "dxs": relative_error(dxs, measure(lambda x: (d * probe.unroll(state, x)[0]).sum(), xs)),
        "grad": relative_error(grad, at_theta),
    }


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_by_complex_step(kind, steps):
    errors = measured_errors(*drawn(kind, steps=steps), complex_step, complex)
    assert max(errors.values()) < EXACT, errors


@pytest.mark.parametrize("kind", KINDS)
def test_a_complex_step_may_go_into_the_state_alone(kind):
    cell, state, xs = drawn(kind)
    states, pullback = cell.unroll(state, xs)
    d = np.random.default_rng(7).standard_normal(states.shape)
    measured = complex_step(lambda s: (d * cell.unroll(s, xs)[0]).sum(), state)
    assert relative_error(pullback(d)[0], measured) < EXACT


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_by_differences(kind):
    errors = measured_errors(*drawn(kind), finite_difference, np.float64)
    assert max(errors.values()) < ROUGH, errors


@given(
    kind=st.sampled_from(KINDS),
    n_in=st.integers(1, 4),
    width=st.integers(1, 4),
    batch=st.integers(1, 4),
    steps=st.integers(1, 4),
    seed=st.integers(0, 1000),
)
def test_derivatives_at_any_size(kind, n_in, width, batch, steps, seed):
    drawn_at = drawn(kind, seed, n_in=n_in, width=width, batch=batch, steps=steps)
    errors = measured_errors(*drawn_at, complex_step, complex)
    assert max(errors.values()) < 1e-10, errors


@pytest.mark.parametrize("kind", KINDS)
class TestContract:
    def test_one_step_is_an_unroll_of_one(self, kind):
        cell, state, xs = drawn(kind)
        new, pullback = cell(state, xs[0])
        states, through = cell.unroll(state, xs[:1])
        d = np.random.default_rng(1).standard_normal(new.shape)
        dstate, dx, (grad,) = pullback(d)
        assert dx.shape == xs[0].shape
        assert grad.shape == cell.theta.shape
        assert same([new, dstate, dx, grad], [states[0], *(a for a in _flat(through(d[None])))])

    def test_many_steps_are_single_steps_chained(self, kind):
        cell, state, xs = drawn(kind)
        rng = np.random.default_rng(1)
        states, through = cell.unroll(state, xs)
        d = rng.standard_normal(states.shape)
        now, backs = state, []
        for t, x in enumerate(xs):
            now, back = cell(now, x)
            backs.append(back)
            np.testing.assert_allclose(now, states[t], rtol=1e-13)
        carried, total = np.zeros_like(state), np.zeros_like(cell.theta)
        for t in reversed(range(len(xs))):
            carried, _, (grad,) = backs[t](carried + d[t])
            total += grad
        dstate, _, (grad,) = through(d)
        np.testing.assert_allclose(dstate, carried, rtol=1e-11)
        np.testing.assert_allclose(grad, total, rtol=1e-10)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_dtypes_stay(self, kind, dtype):
        cell, state, xs = drawn(kind, dtype=dtype)
        states, pullback = cell.unroll(state, xs)
        dstate, dxs, (grad,) = pullback(np.ones_like(states))
        for array in (states, dstate, dxs, grad, cell.start(2)):
            assert array.dtype == dtype
        assert states.shape == (STEPS, BATCH, cell.state_width)
        assert cell.output(states).shape == (STEPS, BATCH, WIDTH)

    def test_nothing_is_cached_and_no_argument_is_changed(self, kind):
        cell, state, xs = drawn(kind)
        before, given_before = frozen(cell), [state.copy(), xs.copy()]
        states, pullback = cell.unroll(state, xs)
        d = np.ones_like(states)
        kept = states.copy()
        pullback(d)
        assert frozen(cell) == before
        assert same([state, xs, states], [*given_before, kept])
        assert (d == 1).all()

    def test_two_in_flight_and_each_called_twice(self, kind):
        cell, state, xs = drawn(kind)
        alone = []
        for inputs in (xs, -xs):
            states, pullback = cell.unroll(state, inputs)
            dstate, dxs, grads = pullback(np.ones_like(states))
            alone.append([a.copy() for a in (dstate, dxs, *grads)])
        pullbacks = [cell.unroll(state, inputs)[1] for inputs in (xs, -xs)]
        for _ in range(2):
            for number in (1, 0):
                dstate, dxs, grads = pullbacks[number](np.ones_like(states))
                assert same([dstate, dxs, *grads], alone[number])

    def test_without_dx(self, kind):
        cell, state, xs = drawn(kind)
        states, pullback = cell.unroll(state, xs)
        dstate, _, grads = pullback(np.ones_like(states))
        dstate_again, nothing, grads_again = pullback(np.ones_like(states), want_dx=False)
        assert nothing is None
        assert same([dstate, *grads], [dstate_again, *grads_again])

    def test_copy_is_independent(self, kind):
        cell, state, xs = drawn(kind)
        states = cell.unroll(state, xs)[0]
        twin = cell.copy()
        assert same([twin.unroll(state, xs)[0]], [states])
        twin.theta += 1
        assert same([cell.unroll(state, xs)[0]], [states])
        assert not same([twin.unroll(state, xs)[0]], [states])

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda state, xs: (state, xs[:, :, :2]), r"xs has shape .* \(steps, batch, 3\)"),
            (lambda state, xs: (state, xs[0]), "xs has shape"),
            (lambda state, xs: (state, xs[:0]), "xs has shape"),
            (lambda state, xs: (state[:, :1], xs), "state has shape"),
            (lambda state, xs: (state[:2], xs), "state has shape"),
        ],
    )
    def test_wrong_shapes_are_named(self, kind, change, said):
        cell, state, xs = drawn(kind)
        with pytest.raises(ValueError, match=said):
            cell.unroll(*change(state, xs))
        with pytest.raises(ValueError, match="x has shape"):
            cell(state, xs)


def _flat(results):
    dstate, dxs, (grad,) = results
    return dstate, dxs[0], grad


# ---- what the cells compute ----------------------------------------------------------------------


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def test_gru_by_its_formulas():
    cell, h, xs = drawn(GRU)
    x, n = xs[0], WIDTH
    a, u = x @ cell.W + cell.b, h @ cell.U
    z, r = sigmoid((a + u)[:, :n]), sigmoid((a + u)[:, n : 2 * n])
    proposal = np.tanh(a[:, 2 * n :] + r * u[:, 2 * n :])
    np.testing.assert_allclose(cell(h, x)[0], z * h + (1 - z) * proposal, rtol=1e-12)


def test_lstm_by_its_formulas():
    cell, state, xs = drawn(LSTM)
    h, c = state[:, :WIDTH], state[:, WIDTH:]
    i, f, g, o = np.split(xs[0] @ cell.W + cell.b + h @ cell.U, 4, axis=1)
    new_c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    expected = np.hstack([sigmoid(o) * np.tanh(new_c), new_c])
    np.testing.assert_allclose(cell(state, xs[0])[0], expected, rtol=1e-12)


def test_the_gate_bias_makes_a_cell_keep():
    rng = np.random.default_rng(0)
    for kind in (GRU, LSTM):
        slow, quick = (kind(2, 8, np.random.default_rng(0), gate_bias=b) for b in (20.0, -20.0))
        state = rng.standard_normal((3, slow.state_width))
        kept = slice(0, 8) if kind is GRU else slice(8, 16)  # h, or c
        at_rest = np.zeros((3, 2))
        for cell in (slow, quick):
            if kind is LSTM:
                cell.W[:, :8], cell.U[:, :8], cell.b[:8] = 0, 0, -20.0  # nothing new gets in
        np.testing.assert_allclose(slow(state, at_rest)[0][:, kept], state[:, kept], rtol=1e-6)
        assert np.abs(quick(state, at_rest)[0][:, kept] - state[:, kept]).max() > 0.1


@pytest.mark.parametrize("kind", [TanhCell, GRU, LSTM])
def test_how_strongly_inputs_are_written(kind):
    """The same draws, scaled by what a unit hears: each part by itself, or both together."""
    apart, joint = (
        kind(3, 13, np.random.default_rng(0), joint_fan_in=joint) for joint in (False, True)
    )
    np.testing.assert_allclose(joint.W * 16**0.5, apart.W * 3**0.5, rtol=1e-12)
    np.testing.assert_allclose(joint.U * 16**0.5, apart.U * 13**0.5, rtol=1e-12)
    assert abs((joint.U * 4).std() - 1) < 0.15
    with pytest.raises(ValueError, match="joint_fan_in is 1"):
        kind(1, 2, np.random.default_rng(0), joint_fan_in=1)


def test_bad_sizes_are_named():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="width is 0"):
        GRU(1, 0, rng)
    with pytest.raises(ValueError, match="gate_bias is 1; a cell without gates accepts 0"):
        TanhCell(1, 2, rng, gate_bias=1.0)
    with pytest.raises(ValueError, match=r"dtype is <class 'numpy.int8'>; it accepts"):
        GRU(3, 2, np.random.default_rng(0), dtype=np.int8)
    with pytest.raises(ValueError, match="rng is 0"):
        LSTM(1, 2, 0)
    assert {"tanh": TanhCell, "GRU": GRU, "LSTM": LSTM} == CELLS


# ---- planted mistakes ----------------------------------------------------------------------------


class Spoiled(GRU):
    """A GRU whose pullback passes through ``spoil``."""

    def spoil(self, dstate: Any, dxs: Any, grads: Any) -> tuple[Any, Any, Any]:
        return dstate, dxs, grads

    def _unroll(self, state: Any, xs: Any, driven: Any) -> Any:
        states, sound = super()._unroll(state, xs, driven)
        return states, lambda d, want_dx=True: self.spoil(*sound(d, want_dx))


class StateDoubled(Spoiled):
    def spoil(self, dstate: Any, dxs: Any, grads: Any) -> tuple[Any, Any, Any]:
        return 2 * dstate, dxs, grads


class InputTurned(Spoiled):
    def spoil(self, dstate: Any, dxs: Any, grads: Any) -> tuple[Any, Any, Any]:
        return dstate, -dxs, grads


class LastBiasOff(Spoiled):
    def spoil(self, dstate: Any, dxs: Any, grads: Any) -> tuple[Any, Any, Any]:
        grads[0][-1] *= 1 + 1e-7
        return dstate, dxs, grads


class ForgetsTheReset(GRU):
    """dU as if r did not stand between U_n and the proposal."""

    def _gradients(self, xs: Any, before: Any, da_W: Any, da_U: Any, want_dx: bool) -> Any:
        return super()._gradients(xs, before, da_W, da_W, want_dx)


class StatesShifted(TanhCell):
    """The states after each step where those before are needed."""

    def _gradients(self, xs: Any, before: Any, da_W: Any, da_U: Any, want_dx: bool) -> Any:
        return super()._gradients(xs, np.roll(before, -1, axis=0), da_W, da_U, want_dx)


class CutInside(LSTM):
    """Nothing goes from a step to the one before it: truncated after every step."""

    def _unroll(self, state: Any, xs: Any, driven: Any) -> Any:
        states, sound = super()._unroll(state, xs, driven)

        def pullback(d: Any, want_dx: bool = True) -> Any:
            alone = np.zeros_like(d)
            alone[-1] = d[-1]
            return sound(alone, want_dx)

        return states, pullback


@pytest.mark.parametrize(
    ("kind", "caught"),
    [
        (StateDoubled, {"dstate"}),
        (InputTurned, {"dxs"}),
        (LastBiasOff, {"grad"}),
        (ForgetsTheReset, {"grad"}),
        (StatesShifted, {"grad"}),
        (CutInside, {"dstate", "dxs", "grad"}),
    ],
)
def test_a_planted_mistake_is_caught(kind, caught):
    errors = measured_errors(*drawn(kind), complex_step, complex)
    assert {name for name, error in errors.items() if error >= EXACT} == caught


def test_the_planting_itself_breaks_nothing():
    errors = measured_errors(*drawn(Spoiled), complex_step, complex)
    assert max(errors.values()) < EXACT


# ---- cell and readout ----------------------------------------------------------------------------


def some_net(kind: type[Cell], dtype: Any = np.float64) -> RecurrentNet:
    rng = np.random.default_rng(3)
    return RecurrentNet(kind(N_IN, WIDTH, rng, dtype=dtype), 2, rng)


@pytest.mark.parametrize("kind", KINDS)
class TestRecurrentNet:
    def test_derivatives_with_a_gradient_from_beyond_the_cut(self, kind):
        net = some_net(kind)
        _, state, xs = drawn(kind)
        rng = np.random.default_rng(5)
        d_out = rng.standard_normal((STEPS, BATCH, 2))
        d_last = rng.standard_normal(state.shape)

        def loss(f: Any, s: np.ndarray) -> Any:
            states, outputs, _ = f(s, xs)
            return (d_out * outputs).sum() + (d_last * states[-1]).sum()

        dstate, (grad,) = net(state, xs)[2](d_out, d_last)
        probe = net.copy(complex)
        assert relative_error(dstate, complex_step(lambda s: loss(probe, s), state)) < EXACT

        def of_theta(theta: np.ndarray) -> Any:
            probe.theta[:] = theta
            return loss(probe, state)

        assert relative_error(grad, complex_step(of_theta, net.theta)) < EXACT

    def test_readout_only(self, kind):
        net = some_net(kind)
        _, state, xs = drawn(kind)
        _, outputs, pullback = net(state, xs)
        cut = net.cell.theta.size
        _, (whole,) = pullback(np.ones_like(outputs))
        dstate, (grad,) = pullback(np.ones_like(outputs), readout_only=True)
        assert dstate is None
        assert not grad[:cut].any()
        assert whole[:cut].any()
        assert same([grad[cut:]], [whole[cut:]])

    def test_theta_is_what_it_computes_with(self, kind):
        net = some_net(kind)
        _, state, xs = drawn(kind)
        twin = net.copy()
        before = net(state, xs)[1]
        assert same([twin(state, xs)[1]], [before])
        for place in (0, -1):  # of the cell, and of the readout
            twin.theta[place] += 1
            assert not same([twin(state, xs)[1]], [before])
        assert same([net(state, xs)[1]], [before])
        assert net.copy(np.float32)(state.astype("f4"), xs.astype("f4"))[1].dtype == np.float32
