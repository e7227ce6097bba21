"""A recurrent network: a cell, and a readout that looks at its state."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from dnilab.network.cells import Cell
from dnilab.network.layers import Back, Dense, Layer


class RecurrentNet(Layer):
    """A cell and a readout, a dense layer that looks at the visible part of the state.

    ``states, outputs, pullback = net(state, xs)``;
    ``dstate, grads = pullback(doutputs, dlast)``.

    Shapes: xs (T, batch, n_in), states (T, batch, state_width), outputs and doutputs (T, batch,
    n_out); ``dlast`` (batch, state_width) or None: the gradient of all that comes after these T
    steps with respect to the last state, true or guessed; dstate (batch, state_width): the same
    thing at the first state, to be handed to whatever came before.  ``grads`` holds one
    array like ``theta``, which has the parameters of both: the readout's come last.

    With ``readout_only=True``, ``pullback`` gives no dstate, and zeros for the cell's gradient:
    for a frozen cell.

    Raises ValueError, naming the argument, for arrays of other shapes.
    """

    def __init__(
        self,
        cell: Cell,
        n_out: int,
        rng: np.random.Generator,
    ) -> None:
        self.cell = cell.copy()
        self.readout = Dense(cell.width, n_out, rng, dtype=cell.theta.dtype)
        self._hold(np.concatenate([self.cell.theta, self.readout.theta]))

    def _hold(self, theta: np.ndarray) -> None:
        self.theta = theta
        cut = self.cell.theta.size
        self.cell._hold(theta[:cut])
        self.readout._hold(theta[cut:])

    def __call__(  # type: ignore[override]  # it says its states, and shows its outputs
        self, state: np.ndarray, xs: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, Callable[..., Back]]:
        cell, readout, theta = self.cell, self.readout, self.theta
        states, through_time = cell.unroll(state, xs)
        visible = cell.output(states).reshape(-1, cell.width)
        outputs, through_readout = readout(visible)

        def pullback(
            doutputs: np.ndarray, dlast: np.ndarray | None = None, readout_only: bool = False
        ) -> Back:
            grad = np.zeros(theta.size, doutputs.dtype)
            dvisible, (of_readout,) = through_readout(
                doutputs.reshape(-1, readout.n_out), want_dx=not readout_only
            )
            grad[cell.theta.size :] = of_readout
            if readout_only:
                return None, [grad]
            dvisible = dvisible.reshape(*states.shape[:2], cell.width)
            if cell.state_width == cell.width:
                dstates = dvisible
            else:
                dstates = np.zeros(states.shape, doutputs.dtype)
                dstates[..., : cell.width] = dvisible
            if dlast is not None:
                dstates[-1] += dlast
            dstate, _, (grad[: cell.theta.size],) = through_time(dstates, want_dx=False)
            return dstate, [grad]

        return states, outputs.reshape(*xs.shape[:2], readout.n_out), pullback

    def copy(self, dtype: Any = None) -> RecurrentNet:
        """An independent copy, in another dtype if one is given."""
        other = copy.copy(self)
        other.cell, other.readout = self.cell.copy(dtype), self.readout.copy(dtype)
        other._hold(np.concatenate([other.cell.theta, other.readout.theta]))
        return other
