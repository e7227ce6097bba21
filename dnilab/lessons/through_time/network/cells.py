"""Two more recurrent cells, beside the GRU of the core, and the names of all three."""

from __future__ import annotations

import numpy as np

from dnilab.lessons.shared.cells import GRU, Cell, StepBack, StepPullback


class TanhCell(Cell):
    """The plain recurrent cell, h' = tanh(x W + h U + b) (Elman 1990)."""

    def _unroll(
        self, state: np.ndarray, xs: np.ndarray, driven: np.ndarray
    ) -> tuple[np.ndarray, StepPullback]:
        U = self.U
        hs = np.empty((len(xs) + 1, *state.shape), driven.dtype)  # hs[t] is before step t
        hs[0] = state
        for t in range(len(xs)):
            driven[t] += hs[t].dot(U)
            np.tanh(driven[t], out=hs[t + 1])

        def pullback(dstates: np.ndarray, want_dx: bool = True) -> StepBack:
            da = 1 - hs[1:] ** 2
            dh = np.zeros_like(state)
            for t in reversed(range(len(da))):
                da[t] *= dh + dstates[t]
                dh = da[t].dot(U.T)
            return dh, *self._gradients(xs, hs[:-1], da, da, want_dx)

        return hs[1:], pullback


class LSTM(Cell):
    """Long short-term memory with a forget gate (Hochreiter and Schmidhuber 1997; Gers 2000).

    i, f, o = sigmoid(x W + h U + b) each with its own columns, g = tanh(...) likewise,
    c' = f c + i g,  h' = o tanh(c').

    The state holds h and c side by side, so state_width is 2 * width: a synthetic gradient at a
    cut has to guess both.  The order of the gates is i, f, g, o; ``gate_bias`` goes to f.
    """

    gates = 4
    keeps = 1
    holds = 2

    def _unroll(
        self, state: np.ndarray, xs: np.ndarray, driven: np.ndarray
    ) -> tuple[np.ndarray, StepPullback]:
        U, n = self.U, self.width
        steps = len(xs)
        states = np.empty((steps + 1, *state.shape), driven.dtype)
        states[0] = state
        hs, cs = states[..., :n], states[..., n:]
        squashed = np.empty((steps, len(state), n), driven.dtype)  # tanh(c')
        gates = driven  # (T, batch, 4 n), overwritten step by step
        half = np.array([0.5, 0.5, 1, 0.5], driven.real.dtype).repeat(n)
        shift = np.array([0.5, 0.5, 0, 0.5], driven.real.dtype).repeat(n)
        for t in range(steps):
            a = gates[t]
            a += hs[t].dot(U)
            a *= half  # one tanh serves the three sigmoids as well: (1 + tanh(a / 2)) / 2
            np.tanh(a, out=a)
            a *= half
            a += shift
            c = cs[t + 1]
            np.multiply(a[:, n : 2 * n], cs[t], out=c)
            c += a[:, :n] * a[:, 2 * n : 3 * n]
            np.tanh(c, out=squashed[t])
            np.multiply(a[:, 3 * n :], squashed[t], out=hs[t + 1])

        def pullback(dstates: np.ndarray, want_dx: bool = True) -> StepBack:
            i, f, g, o = (gates[..., k * n : (k + 1) * n] for k in range(4))
            da = np.empty((steps, len(state), 4, n), gates.dtype)
            da[:, :, 0] = g * (i * (1 - i))  # dc' -> da_i
            da[:, :, 1] = cs[:-1] * (f * (1 - f))  # dc' -> da_f
            da[:, :, 2] = i * (1 - g**2)  # dc' -> da_g
            da[:, :, 3] = squashed * (o * (1 - o))  # dh' -> da_o
            to_c = o * (1 - squashed**2)  # dh' -> dc'
            flat = da.reshape(steps, len(state), 4 * n)
            dh = np.zeros((len(state), n), gates.dtype)
            dc = np.zeros_like(dh)
            for t in reversed(range(steps)):
                dh = dh + dstates[t, :, :n]
                dc = dc + dstates[t, :, n:]
                dc += dh * to_c[t]
                da[t, :, :3] *= dc[:, None]
                da[t, :, 3] *= dh
                dc *= f[t]
                dh = flat[t].dot(U.T)
            before = np.concatenate([dh, dc], axis=1)
            return before, *self._gradients(xs, hs[:-1], flat, flat, want_dx)

        return states[1:], pullback


CELLS: dict[str, type[Cell]] = {"tanh": TanhCell, "GRU": GRU, "LSTM": LSTM}
