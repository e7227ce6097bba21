"""BP(lambda): a generator that learns from guesses less, and from later truth more.

Pemberton and Ponte Costa 2024 (arXiv 2401.07044) carry TD(lambda) over to synthetic gradients.  The
target of a guess need not end at the next cut.  The n-step target takes the losses of n segments,
truly, and the guess at the end of the n-th; the lambda-target is the mean of all of them, with
weights (1 - lambda) lambda^(n - 1).  At lambda = 0 that is the rule of Jaderberg et al. 2016; at
lambda = 1, where a sequence ends, it is the true gradient.

Two ways to the same sum.  ``lambda_targets`` looks forward, and has to wait for the end.
``TraceGenerator`` looks backward: each segment sends down one error, and a trace of what all
earlier guesses were made from, carried on by the segments' Jacobians, says what that error means to
each of them.  While the parameters stand still the two add up to the same; while they move, the
second is an approximation, as in TD(lambda).

The paper learns at every step of time.  Here a segment may have several: that is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

from dnilab.checks import has_entries, real_number
from dnilab.lessons.shared.cells import Cell
from dnilab.network import Generator
from dnilab.network.modules import Guess, Rows, joined_context


def jacobian(cell: Cell, state: np.ndarray, xs: np.ndarray) -> np.ndarray:
    """How the state after the steps ``xs`` depends on ``state``, row by row.

    Shapes: state (batch, n), xs (T, batch, n_in); the answer D (batch, n, n), with D[r, i, j] =
    d after[r, i] / d before[r, j], so that a gradient goes back as ``g[r] @ D[r]``.

    Every row is run once for each number of its state: n times the work of ``cell.unroll``.
    """
    batch, n = state.shape
    _, pullback = cell.unroll(state.repeat(n, axis=0), xs.repeat(n, axis=1))
    last = np.zeros((len(xs), batch * n, n), state.dtype)
    last[-1] = np.tile(np.eye(n), (batch, 1))
    return pullback(last, want_dx=False)[0].reshape(batch, n, n)


def lambda_targets(
    own: Sequence[np.ndarray],
    guesses: Sequence[np.ndarray],
    jacobians: Sequence[np.ndarray],
    decay: float,
) -> list[np.ndarray]:
    """The forward view: the target of the guess before each of the segments of a sequence.

    For each segment: ``own`` (batch, n), the gradient of its own losses with respect to the state
    before it; ``guesses`` (batch, n), the guess at its end, which at the end of a sequence is 0;
    ``jacobians`` (batch, n, n), as ``jacobian`` gives them.  ``decay``: lambda.  Nothing is
    known of what comes after the last segment but its guess.

    Raises ValueError for lists of unequal lengths, or a decay outside 0 to 1.
    """
    real_number("decay", decay, 0, 1)
    for name, listed in (("guesses", guesses), ("jacobians", jacobians)):
        has_entries(name, listed, len(own), ", one for each segment")
    targets: list[np.ndarray] = []
    told: np.ndarray | None = None
    for r, g_hat, D in zip(own[::-1], guesses[::-1], jacobians[::-1], strict=True):
        mixed = g_hat if told is None else (1 - decay) * g_hat + decay * told
        told = r + np.einsum("ri,rij->rj", mixed, D)
        targets.append(told)
    return targets[::-1]


class TraceGenerator(Generator):
    """A linear generator that is fitted by BP(lambda), the backward view.

    It is called, and its pullback too, as any ``Generator`` is; but what ``pullback(error)`` gives
    holds the error against *every* earlier guess of the sequence, ``decay`` times as strongly for
    each segment further back:

        trace = decay * D trace + d g_hat / d theta,    grads = error @ trace

    (their equations of accumulate BP(lambda)), with D the Jacobian of the segment that led from the
    last cut to this one.  Where a sequence begins, so does the trace.  The fits must come in the
    order of the guesses, each once.

    ``arrived``: asks for that Jacobian, and is answered None where a sequence began.  Without it,
    or with a ``decay`` of 0, this is a ``Generator``, to the last bit.

    Shapes: h, g_hat, error (batch, n); D (batch, n, n); trace (batch, n, parameters).  There are
    about n^2 parameters, so that the trace holds n^3 numbers a row, and a product with D
    takes n^4 multiplications a row: something for small networks.

    Raises ValueError for a decay outside 0 to 1, and what ``Generator`` raises.
    """

    def __init__(
        self,
        width: int,
        context: Sequence[str] = ("h",),
        *,
        decay: float,
        outputs: int = 0,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__(width, context, outputs=outputs, dtype=dtype)
        self.decay = real_number("decay", decay, 0, 1)
        self.arrived: Callable[[], np.ndarray | None] | None = None
        self._trace: np.ndarray | None = None

    def __call__(self, h: Any, x: Rows = None, y: Rows = None, error: Rows = None) -> Guess:
        g_hat, plain = super().__call__(h, x, y)
        if not self.decay or self.arrived is None:
            return g_hat, plain
        seen, D = joined_context(self.context, h, x, y), self.arrived()

        def pullback(error: np.ndarray, want_dx: bool = True) -> tuple[Any, ...]:
            trace = self._carried_on(seen, D)
            down = plain(error, True)[0] if want_dx else None
            return down, [error.reshape(-1).dot(trace.reshape(error.size, -1))]

        return g_hat, pullback

    def _carried_on(self, seen: np.ndarray, D: np.ndarray | None) -> np.ndarray:
        """The trace at the next cut, where the generator saw ``seen``."""
        batch, n = len(seen), self.width
        if D is None or self._trace is None:
            trace = np.zeros((batch, n, self.thetas[0].size), seen.dtype)
        else:
            trace = np.matmul(self.decay * D, self._trace)
        # d g_hat / d theta: number i of a guess depends on column i of W, and on b[i].
        columns = np.einsum("rici->ric", trace.reshape(batch, n, -1, n))
        columns[..., :-1] += seen[:, None]
        columns[..., -1] += 1
        self._trace = trace
        return trace

    def copy(self, dtype: Any = None) -> Self:
        """An independent copy, in another dtype if one is given; it has no trace yet."""
        other = super().copy(dtype)
        other.arrived = other._trace = None
        return other
