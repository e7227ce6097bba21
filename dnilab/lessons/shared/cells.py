"""Recurrent cells: one step of time, forward and back, by the same contract as layers.

    new_state, pullback = cell(state, x)
    dstate, dx, grads = pullback(dnew_state)

and many steps in one call, which is the same thing with less to do for each step:

    states, pullback = cell.unroll(state, xs)
    dstate, dxs, grads = pullback(dstates)

``dstates[t]`` is what the loss tells about ``states[t]`` *directly*; what it tells by way of later
states, the pullback adds itself.  Backpropagation through time is this pullback over the whole
sequence; truncated backpropagation is the same over T steps, and a synthetic gradient is one more
term in ``dstates[-1]``.

Nothing is cached on a cell.  Shapes: x (batch, n_in); state (batch, state_width); xs (T, batch,
n_in); states and dstates (T, batch, state_width).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dnilab import checks
from dnilab.network.layers import Layer

StepBack = tuple[np.ndarray, np.ndarray | None, list[np.ndarray]]
StepPullback = Callable[..., StepBack]
"""``dstate, dx, grads = pullback(dnew_state)``; with ``want_dx=False``, dx is None."""


class Cell(Layer):
    """What the cells have in common.

    Parameters, views into the one vector ``theta``: W (n_in, gates * width), U (width, gates *
    width), b (gates * width,).  The gates lie side by side, so that one product serves all.

    W and U are drawn from normal distributions with standard deviation 1 / sqrt(n_in) and
    1 / sqrt(width).  With ``joint_fan_in=True`` they are drawn as one dense layer that sees x and h
    side by side, both with 1 / sqrt(n_in + width): then a few inputs are written weakly, and a new
    cell holds less of them by itself.  b starts at zero but for the gate that keeps the state,
    which starts at ``gate_bias``: above 0, a new cell forgets more slowly.

    Raises ValueError for a size below 1, and at the call for arrays of other shapes.
    """

    gates = 1
    keeps: int | None = None  # the number of the gate that keeps the state
    holds = 1  # how many times ``width`` the state holds

    def __init__(
        self,
        n_in: int,
        width: int,
        rng: np.random.Generator,
        *,
        gate_bias: float = 0.0,
        joint_fan_in: bool = False,
        dtype: Any = np.float64,
    ) -> None:
        self.n_in = checks.whole_number("n_in", n_in, 1)
        self.width = checks.whole_number("width", width, 1)
        checks.random_generator("rng", rng)
        checks.real_number("gate_bias", gate_bias, -100, 100)
        if gate_bias and self.keeps is None:
            raise ValueError(f"gate_bias is {gate_bias:g}; a cell without gates accepts 0")
        n_in, width = self.n_in, self.width
        n = self.gates * width
        self._hold(np.zeros((n_in + width + 1) * n, checks.float_type("dtype", dtype)))
        joint = checks.true_or_false("joint_fan_in", joint_fan_in)
        self.W[:] = rng.standard_normal((n_in, n)) / np.sqrt(n_in + width if joint else n_in)
        self.U[:] = rng.standard_normal((width, n)) / np.sqrt(n_in + width if joint else width)
        if self.keeps is not None:
            self.b[self.keeps * width : (self.keeps + 1) * width] = gate_bias

    @property
    def state_width(self) -> int:
        """Numbers in the state of one row; the first ``width`` of them are what others see."""
        return self.holds * self.width

    def _hold(self, theta: np.ndarray) -> None:
        """Keep ``theta``, with W, U and b as views into it."""
        n = self.gates * self.width
        cut = self.n_in * n
        self.theta = theta
        self.W = theta[:cut].reshape(self.n_in, n)
        self.U = theta[cut : cut + self.width * n].reshape(self.width, n)
        self.b = theta[cut + self.width * n :]

    def start(self, batch: int) -> np.ndarray:
        """The state before the first step: zeros, (batch, state_width)."""
        return np.zeros((batch, self.state_width), self.theta.dtype)

    def output(self, states: np.ndarray) -> np.ndarray:
        """The part of the state that others see: the first ``width`` numbers of each row."""
        return states[..., : self.width]

    def unroll(self, state: np.ndarray, xs: np.ndarray) -> tuple[np.ndarray, StepPullback]:
        """As many steps as ``xs`` has: the states after each of them, and one pullback for all."""
        checks.shaped("xs", xs, "steps", "batch", self.n_in)
        checks.shaped("state", state, xs.shape[1], self.state_width)
        # What the inputs contribute does not depend on the state: one product for all steps.
        driven = np.dot(xs.reshape(-1, self.n_in), self.W)
        driven += self.b
        if np.iscomplexobj(state) and not np.iscomplexobj(driven):
            driven = driven.astype(complex)  # a complex step may go into the state alone
        return self._unroll(state, xs, driven.reshape(*xs.shape[:2], -1))

    def _unroll(
        self, state: np.ndarray, xs: np.ndarray, driven: np.ndarray
    ) -> tuple[np.ndarray, StepPullback]:
        raise NotImplementedError

    def __call__(self, state: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, StepPullback]:
        """One step."""
        checks.shaped("x", x, "batch", self.n_in)
        states, back = self.unroll(state, x[None])

        def pullback(dstate: np.ndarray, want_dx: bool = True) -> StepBack:
            before, dxs, grads = back(dstate[None], want_dx)
            return before, (None if dxs is None else dxs[0]), grads

        return states[0], pullback

    def _gradients(
        self, xs: np.ndarray, before: np.ndarray, da_W: np.ndarray, da_U: np.ndarray, want_dx: bool
    ) -> tuple[np.ndarray | None, list[np.ndarray]]:
        """dxs and grads, once for all steps.

        ``before``: the visible states *before* each step.  ``da_W`` and ``da_U``: the gradients
        with respect to x W + b and to h U, (T, batch, gates * width).
        """
        n = da_W.shape[2]
        rows = da_W.reshape(-1, n)
        grad = np.empty(self.theta.size, da_W.dtype)
        cut = self.n_in * n
        np.dot(xs.reshape(-1, self.n_in).T, rows, out=grad[:cut].reshape(self.n_in, n))
        np.dot(
            before.reshape(-1, self.width).T,
            da_U.reshape(-1, n),
            out=grad[cut : cut + self.width * n].reshape(self.width, n),
        )
        np.add.reduce(rows, axis=0, out=grad[cut + self.width * n :])
        return (rows.dot(self.W.T).reshape(xs.shape) if want_dx else None), [grad]


class GRU(Cell):
    """The gated recurrent unit: h' = z h + (1 - z) n (Cho et al. 2014, arXiv 1406.1078).

    z = sigmoid(x W_z + h U_z + b_z)     how much of the state is kept; ``gate_bias`` goes here
    r = sigmoid(x W_r + h U_r + b_r)     how much of the state the proposal sees
    n = tanh(x W_n + b_n + r (h U_n))    the proposal

    In the paper r multiplies h before U_n; here, as in most libraries, it multiplies h U_n, so
    that one product h U serves all three.
    """

    gates = 3
    keeps = 0

    def _unroll(
        self, state: np.ndarray, xs: np.ndarray, driven: np.ndarray
    ) -> tuple[np.ndarray, StepPullback]:
        U, n = self.U, self.width
        steps = len(xs)
        hs = np.empty((steps + 1, *state.shape), driven.dtype)
        hs[0] = state
        seen = np.empty((steps, *state.shape), driven.dtype)  # h U_n
        zr = driven[..., : 2 * n]  # overwritten by the gates ...
        proposals = driven[..., 2 * n :]  # ... and by n
        for t in range(steps):
            h = hs[t]
            from_h = h.dot(U)
            gates = zr[t]
            gates += from_h[:, : 2 * n]
            gates *= 0.5  # sigmoid(a) = (1 + tanh(a / 2)) / 2, in place
            np.tanh(gates, out=gates)
            gates += 1
            gates *= 0.5
            seen[t] = from_h[:, 2 * n :]
            proposal = proposals[t]
            proposal += gates[:, n:] * seen[t]
            np.tanh(proposal, out=proposal)
            new = hs[t + 1]
            np.subtract(h, proposal, out=new)
            new *= gates[:, :n]
            new += proposal

        def pullback(dstates: np.ndarray, want_dx: bool = True) -> StepBack:
            # All that does not depend on dh, for all steps at once.
            slope = zr * (1 - zr)
            z, r = zr[..., :n], zr[..., n:]
            to_z = (hs[:-1] - proposals) * slope[..., :n]  # dh -> da_z
            to_n = (1 - proposals**2) * (1 - z)  # dh -> da_n
            to_r = seen * slope[..., n:]  # da_n -> da_r
            da_U = np.empty((steps, len(state), 3 * n), z.dtype)
            da_n = np.empty_like(to_n)
            dh = np.zeros_like(state)
            for t in reversed(range(steps)):
                dh = dh + dstates[t]
                da = da_U[t]
                np.multiply(dh, to_z[t], out=da[:, :n])
                np.multiply(dh, to_n[t], out=da_n[t])
                np.multiply(da_n[t], to_r[t], out=da[:, n : 2 * n])
                np.multiply(da_n[t], r[t], out=da[:, 2 * n :])
                dh *= z[t]
                dh += da.dot(U.T)
            da_W = da_U.copy()
            da_W[..., 2 * n :] = da_n
            return dh, *self._gradients(xs, hs[:-1], da_W, da_U, want_dx)

        return hs[1:], pullback
