"""A recurrent network: a cell, and a readout that looks at its state."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dnilab.lessons.shared.cells import Cell
from dnilab.lessons.through_time.network.traces import jacobian
from dnilab.network.layers import Back, Dense, Layer, Loss, Pullback
from dnilab.network.modules import Generator
from dnilab.network.optimisers import Optimiser


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

    def __init__(self, cell: Cell, n_out: int, rng: np.random.Generator) -> None:
        self.cell, self.readout = cell, Dense(cell.width, n_out, rng, dtype=cell.theta.dtype)
        self._hold(np.concatenate([self.cell.theta, self.readout.theta]))

    def _hold(self, theta: np.ndarray) -> None:
        """Keep ``theta``, with a cell and a readout of its own as views into it."""
        self.theta = theta
        self.cell, self.readout = copy.copy(self.cell), copy.copy(self.readout)
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
            dstates = np.zeros(states.shape, doutputs.dtype)
            dstates[..., : cell.width] = dvisible.reshape(*states.shape[:2], cell.width)
            if dlast is not None:
                dstates[-1] += dlast
            dstate, _, (grad[: cell.theta.size],) = through_time(dstates, want_dx=False)
            return dstate, [grad]

        return states, outputs.reshape(*xs.shape[:2], readout.n_out), pullback


class Foresee:
    """An auxiliary task: to foresee, from the state at a cut, the guess at the next one.

    A linear ``predictor`` sees the state s and is fitted to that guess; the gradient of its
    squared error with respect to s, times ``weight``, trains the network by way of the segment
    that made s.  That pullback is called one segment late, with the weights as they are then.
    """

    def __init__(self, predictor: Generator, optimiser: Optimiser, weight: float) -> None:
        self.predictor, self.weight = predictor, weight
        self._fit = optimiser.start(predictor.thetas)

    def __call__(
        self, state: np.ndarray, through: Callable[[np.ndarray], Back], guess: np.ndarray
    ) -> np.ndarray:
        """Fit the predictor to the guess at this cut; its gradient for the network."""
        foreseen, back = self.predictor(state)
        dstate, grads = back(foreseen - guess)
        self._fit(grads, len(guess))
        _, (grad,) = through(dstate * self.weight)
        return grad


@dataclass(frozen=True)
class Segment:
    """Some steps of a sequence, worked through at once.

    Shapes: x (T, batch, inputs), y (T, batch, outputs), asked (T, batch): 1 where an answer is
    asked for.  ``starts``: whether a new sequence begins here; ``ends``: whether it ends here;
    ``last``: whether it is the last of the piece that was drawn.
    """

    x: np.ndarray
    y: np.ndarray
    asked: np.ndarray
    starts: bool
    ends: bool
    last: bool


class OverSegments(Layer):
    """A recurrent net as a module: it hears its own state of one segment ago, and says the next.

    ``state, pullback = module(state, segment)``; ``dstate, _, grads = pullback(g)``: grads are
    those of the segment's own summed loss, and of all that comes after, of which g tells, true or
    guessed, or None.  Where a sequence begins, the state heard is put aside, and dstate is None.
    Where one ends, g is put aside: nothing comes after.

    ``readout_only``: the cell stays as it is: the optimiser is not even shown its parameters.
    ``foresee``: an auxiliary task, for which it keeps the segment before.
    ``answers``: the outputs of the segments so far, for who wants to judge them, and takes them.
    """

    signal = "own loss"  # all that it learns from, where nobody guesses what comes after

    def __init__(
        self,
        net: RecurrentNet,
        loss: Loss,
        readout_only: bool = False,
        foresee: Foresee | None = None,
    ) -> None:
        self.net, self.loss, self.readout_only, self.foresee = net, loss, readout_only, foresee
        self.cut = net.cell.theta.size if readout_only else 0
        self.answers: list[tuple[np.ndarray, Segment]] = []
        self._before: tuple[np.ndarray, Callable[[np.ndarray], Back]] | None = None
        self._came: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def thetas(self) -> list[np.ndarray]:
        """What it learns: the parameters of cell and readout, or of the readout alone."""
        return [self.net.theta[self.cut :]]

    def __call__(self, state: np.ndarray | None, seen: Segment) -> tuple[np.ndarray, Pullback]:
        fresh = state is None or seen.starts
        if state is None or fresh:
            state = self.net.cell.start(seen.x.shape[1])
        self._came = None if fresh else (state, seen.x)
        states, outputs, through = self.net(state, seen.x)
        self.answers.append((outputs, seen))
        flat = outputs.reshape(-1, outputs.shape[2])
        doutputs = self.loss.gradient(flat, seen.y.reshape(flat.shape)).reshape(outputs.shape)
        doutputs *= seen.asked[:, :, None]

        before = None if fresh else self._before
        self._before = states[-1], lambda g: through(np.zeros_like(outputs), g)

        def pullback(g: np.ndarray | None, want_dx: bool = True) -> tuple[Any, ...]:
            if seen.ends:  # nothing comes after: the true gradient is 0
                g = None
            dstate, (grad,) = through(doutputs, g, self.readout_only)
            if self.foresee is not None and before is not None and g is not None:
                grad += self.foresee(*before, g)
            return (None if fresh else dstate), None, [grad[self.cut :]]

        return states[-1], pullback

    def jacobian(self) -> np.ndarray | None:
        """How the state now depends on the one at the cut before; None where a sequence began.

        (batch, state_width, state_width), as ``traces.jacobian`` has it, with the parameters of
        now: to be asked for before they are updated.
        """
        return None if self._came is None else jacobian(self.net.cell, *self._came)

    def copy(self, dtype: Any = None) -> OverSegments:
        """An independent copy, in another dtype if one is given."""
        return OverSegments(self.net.copy(dtype), self.loss, self.readout_only)
