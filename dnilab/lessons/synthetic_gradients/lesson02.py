"""Lesson 02: layers of one's own, held to the contract ``y, pullback = layer(x)``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dnilab.exercises import Function, NotYet, Verdict, ask, checker, judge, require, shape_of
from dnilab.network.layers import sigmoid

BATCH, WIDTH = 6, 4
FACTORS = {"the batch size. The contract sums over the batch": BATCH}


class _Flight(NamedTuple):
    """One batch, forward and back, as it should be; ``grad`` is None without parameters."""

    x: np.ndarray
    y: np.ndarray
    dy: np.ndarray
    dx: np.ndarray
    grad: np.ndarray | None = None


def _pair(call: str, function: Function, given: np.ndarray, words: str) -> Any:
    """The two things that a call returned; raises NotYet if there are not two."""
    answer = ask(call, function, given)
    if answer is None:
        raise NotYet(f"{call} returns None. Replace it with your own code, then run again.")
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise NotYet(f"{call} returns {type(answer).__name__}; it should return {words}.")
    return answer


def _forward(name: str, layer: Function, x: np.ndarray) -> Any:
    return _pair(f"{name}(x)", layer, x.copy(), "the pair y, pullback")


def _back(pullback: Any, dy: np.ndarray) -> Any:
    return _pair("pullback(dy)", pullback, dy, "the pair dx, grads")


def _require_layer(
    name: str,
    layer: Function,
    flights: Sequence[_Flight],
    of_dx: Mapping[str, np.ndarray],
    of_grad: Mapping[str, np.ndarray],
) -> None:
    """Raise NotYet unless the layer is right for the first batch, and for all of them in flight.

    ``of_dx`` and ``of_grad``: known mistakes, for the first batch.
    """

    def forward(flight: _Flight) -> Any:
        y, pullback = _forward(name, layer, flight.x)
        require(judge("y", y, flight.y))
        return pullback

    def compare(answer: Any, flight: _Flight) -> None:
        dx, grads = answer
        like = () if flight.grad is None else (flight.grad.shape, (1, *flight.grad.shape))
        if shape_of(dx) in like and shape_of(dx) != flight.dx.shape:
            raise NotYet(
                "dx has the shape of the parameters. Are dx and grads swapped? The pullback "
                "returns dx first, then [grad]. Or has dx been summed over the batch?"
            )
        require(judge("dx", dx, flight.dx, of_dx, FACTORS))
        listed = grads if isinstance(grads, list | tuple) else [] if grads is None else [grads]
        if flight.grad is not None:
            grad = listed[0] if listed else None
            if shape_of(grad) == (BATCH, *flight.grad.shape):
                raise NotYet(
                    f"grad has shape {shape_of(grad)}; it should be {flight.grad.shape}. Each "
                    "parameter is used in every row, so sum over the batch: .sum(axis=0)."
                )
            require(judge("grad", grad, flight.grad, of_grad, FACTORS))
        elif listed:
            raise NotYet("This layer has no parameters, so grads should be empty: return dx, [].")

    first = flights[0]
    compare(_back(forward(first), first.dy), first)
    pullbacks = [forward(flight) for flight in flights]
    for pullback, flight in zip(pullbacks, flights, strict=True):
        answer = _back(pullback, flight.dy)
        try:
            compare(answer, flight)
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


@checker
def check_softplus(softplus: Function) -> Verdict:
    """Check ``y, pullback = softplus(x)`` with y = log(1 + exp(x)).

    Shapes: x, y, dy and dx are all (batch, width); ``pullback(dy)`` returns dx and None.
    """
    rng = np.random.default_rng(2)
    xs, dys = rng.normal(size=(2, BATCH, WIDTH)), rng.normal(size=(2, BATCH, WIDTH))
    flights = [
        _Flight(x, np.logaddexp(0, x), dy, dy * sigmoid(x)) for x, dy in zip(xs, dys, strict=True)
    ]
    x, y, dy, _, _ = flights[0]
    mistakes = {
        "dy is missing: the slope has to be multiplied by it.": sigmoid(x),
        "the slope is missing: dx = dy * slope.": dy,
        "the slope was computed from y instead of x.": dy * sigmoid(y),
        "the slope is that of the ReLU. Softplus is smooth, and so is its slope.": dy * (x > 0),
        "the slope is that of tanh, not that of softplus.": dy * (1 - np.tanh(x) ** 2),
        "the slope is that of the sigmoid itself, not that of softplus.": (
            dy * sigmoid(x) * (1 - sigmoid(x))
        ),
    }
    _require_layer("softplus", softplus, flights, mistakes, {})
    large = np.array([[-1000.0, 0.0, 1000.0]])
    with np.errstate(over="ignore", invalid="ignore"):
        got, pullback = _forward("softplus", softplus, large)
        slope, _ = _back(pullback, np.ones_like(large))
    if _overflows(got) or _overflows(slope):
        raise NotYet(
            "Right for moderate x, but x = 1000 gives NaN or infinity. np.logaddexp(0, x), and "
            "0.5 * (1 + np.tanh(0.5 * x)) for the slope, do not overflow."
        )
    require(judge("y for x = -1000, 0, 1000", got, np.logaddexp(0, large)))
    require(judge("dx for x = -1000, 0, 1000", slope, sigmoid(large)))
    return Verdict(
        True, "y and dx agree with the true values, for two batches in flight and for large x too."
    )


@checker
def check_scale(Scale: Function) -> Verdict:
    """Check the class ``Scale(theta)``, a layer y = x * theta, one factor a column.

    Shapes: theta (width,), x, y, dy and dx (batch, width).  ``pullback(dy) -> dx, [grad]`` with
    grad (width,), summed over the batch; without the list it is accepted, too.
    """
    rng = np.random.default_rng(3)
    theta = rng.normal(size=WIDTH)
    xs, dys = rng.normal(size=(2, BATCH, WIDTH)), rng.normal(size=(2, BATCH, WIDTH))
    layer = ask("Scale", Scale, theta.copy())
    held: Any = getattr(layer, "theta", None)
    if not np.array_equal(held, theta):
        raise NotYet("Scale(theta).theta should be the parameters: self.theta = theta.")
    flights = [
        _Flight(x, x * theta, dy, dy * theta, (dy * x).sum(axis=0))
        for x, dy in zip(xs, dys, strict=True)
    ]
    of_dx = {"theta is missing: dx = dy * theta.": dys[0]}
    of_grad = {
        "x is missing: multiply dy by x before the sum over the batch.": dys[0].sum(axis=0),
        "dy is missing: multiply x by dy before the sum over the batch.": xs[0].sum(axis=0),
    }
    _require_layer("layer", layer, flights, of_dx, of_grad)
    return Verdict(
        True, "y, dx and grad agree with the true values, for two batches in flight too."
    )
