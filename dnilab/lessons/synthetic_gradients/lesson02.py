"""Lesson 02: layers of one's own, held to the contract ``y, pullback = layer(x)``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dnilab.exercises.asking import NotYet, ask, judge_with_mistakes, shape_of
from dnilab.exercises.feedback import Verdict
from dnilab.network.layers import sigmoid

BATCH, WIDTH = 6, 4


def _pair(name: str, answer: Any, words: str) -> tuple[Any, Any]:
    """The two things that a call returned; raises NotYet if there are not two."""
    if answer is None:
        raise NotYet(f"{name} returns None. Replace it with your own code, then run again.")
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise NotYet(f"{name} returns {type(answer).__name__}; it should return {words}.")
    return answer


def _must(verdict: Verdict) -> None:
    if not verdict:
        raise NotYet(verdict.message)


def _pull(pullback: Any, dy: np.ndarray) -> tuple[Any, Any]:
    return _pair("pullback(dy)", ask("pullback", pullback, dy), "the pair dx, grad")


def _forward(name: str, layer: Callable[..., Any], x: np.ndarray, y: np.ndarray) -> Any:
    got, pullback = _pair(f"{name}(x)", ask(name, layer, x), "the pair y, pullback")
    _must(judge_with_mistakes("y", got, y, {}, {}))
    return pullback


def _both(
    answer: tuple[Any, Any],
    dx: np.ndarray,
    grad: np.ndarray | None,
    mistakes_dx: Mapping[str, np.ndarray] | None = None,
    mistakes_grad: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Raise NotYet unless dx and grad, as pulled back, are right."""
    factors = {"the batch size. The contract sums over the batch": float(BATCH)}
    _must(judge_with_mistakes("dx", answer[0], dx, factors, mistakes_dx or {}))
    if grad is not None:
        _must(judge_with_mistakes("grad", answer[1], grad, factors, mistakes_grad or {}))
    elif answer[1] is not None:
        raise NotYet("This layer has no parameters, so grad should be None: return dx, None.")


Flight = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]


def _two_in_flight(name: str, layer: Callable[..., Any], flights: Sequence[Flight]) -> None:
    """Two calls, then two pullbacks.  A flight is x, y, dy, dx and grad (or None)."""
    pullbacks = [_forward(name, layer, x.copy(), y) for x, y, *_ in flights]
    for pullback, (_, _, dy, dx, grad) in zip(pullbacks, flights, strict=True):
        answer = _pull(pullback, dy)
        try:
            _both(answer, dx, grad)
        except NotYet as stop:
            raise NotYet(
                "Right for one batch, but wrong when a second batch goes forward before the "
                "first is pulled back. Let the pullback use the variables of its own call, not "
                "attributes of the layer or globals."
            ) from stop


def _overflows(answer: Any) -> bool:
    """Whether an array of numbers has NaN or infinity; anything else is left to the judge."""
    if shape_of(answer) is None:
        return False
    array = np.asarray(answer)
    return array.dtype.kind == "f" and not np.isfinite(array).all()


def check_softplus(softplus: Callable[..., Any]) -> Verdict:
    """Check ``y, pullback = softplus(x)`` with y = log(1 + exp(x)).

    Shapes: x, y, dy and dx are all (batch, width); ``pullback(dy)`` returns dx and None.
    """
    rng = np.random.default_rng(2)
    xs, dys = rng.normal(size=(2, BATCH, WIDTH)), rng.normal(size=(2, BATCH, WIDTH))
    ys, dxs = np.logaddexp(0, xs), dys * sigmoid(xs)
    y = ys[0]
    mistakes = {
        "dy is missing: the slope has to be multiplied by it.": sigmoid(xs[0]),
        "the slope is missing: dx = dy * slope.": dys[0],
        "the slope was computed from y instead of x.": dys[0] * sigmoid(y),
        "the slope is that of the sigmoid itself, not that of softplus.": (
            dys[0] * sigmoid(xs[0]) * (1 - sigmoid(xs[0]))
        ),
    }
    try:
        pullback = _forward("softplus", softplus, xs[0].copy(), y)
        _both(_pull(pullback, dys[0]), dxs[0], None, mistakes)
        flights: list[Flight] = [(*flight, None) for flight in zip(xs, ys, dys, dxs, strict=True)]
        _two_in_flight("softplus", softplus, flights)
        large = np.array([[-1000.0, 0.0, 1000.0]])
        with np.errstate(over="ignore", invalid="ignore"):
            got, pullback = _pair(
                "softplus(x)", ask("softplus", softplus, large), "the pair y, pullback"
            )
            slope, _ = _pull(pullback, np.ones_like(large))
        if _overflows(got) or _overflows(slope):
            return Verdict(
                False,
                "Right for moderate x, but x = 1000 gives NaN or infinity. np.logaddexp(0, x), "
                "and 0.5 * (1 + np.tanh(0.5 * x)) for the slope, do not overflow.",
            )
        _must(judge_with_mistakes("y for x = -1000, 0, 1000", got, np.logaddexp(0, large), {}, {}))
        _must(judge_with_mistakes("dx for x = -1000, 0, 1000", slope, sigmoid(large), {}, {}))
    except NotYet as stop:
        return stop.verdict
    return Verdict(
        True, "y and dx agree with the true values, for two batches in flight and for large x too."
    )


def check_scale(Scale: Callable[..., Any]) -> Verdict:
    """Check the class ``Scale(theta)``, a layer y = x * theta, one factor a column.

    Shapes: theta (width,), x, y, dy and dx (batch, width).  ``pullback(dy) -> dx, grad`` with
    grad (width,), summed over the batch.
    """
    rng = np.random.default_rng(3)
    theta = rng.normal(size=WIDTH)
    xs, dys = rng.normal(size=(2, BATCH, WIDTH)), rng.normal(size=(2, BATCH, WIDTH))
    mistakes_dx = {"theta is missing: dx = dy * theta.": dys[0]}
    mistakes_grad = {
        "x is missing: multiply dy by x before the sum over the batch.": dys[0].sum(axis=0),
        "dy is missing: multiply x by dy before the sum over the batch.": xs[0].sum(axis=0),
    }
    try:
        layer = ask("Scale", Scale, theta.copy())
        held: Any = getattr(layer, "theta", None)
        if not np.array_equal(held, theta):
            raise NotYet("Scale(theta).theta should be the parameters: self.theta = theta.")
        flights: list[Flight] = [
            (x, x * theta, dy, dy * theta, (dy * x).sum(axis=0))
            for x, dy in zip(xs, dys, strict=True)
        ]
        x, y, dy, dx, grad = flights[0]
        pullback = _forward("layer", layer, x.copy(), y)
        _both(_pull(pullback, dy), dx, grad, mistakes_dx, mistakes_grad)
        _two_in_flight("layer", layer, flights)
    except NotYet as stop:
        return stop.verdict
    return Verdict(
        True, "y, dx and grad agree with the true values, for two batches in flight too."
    )
