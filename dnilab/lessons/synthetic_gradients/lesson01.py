"""Lesson 01: the chain rule through layers of sigmoid units, and the whole step of a network.

The notebook derives tanh layers; here the hidden units are sigmoids, h = 1 / (1 + exp(-a)) with
a = h_below W + b, so that the middle factor has to be found anew: h (1 - h).  The top layer has
no function: its output holds the logits of a binary cross-entropy.  g_k is the gradient of the
summed loss with respect to h_k.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from dnilab.data import binary_addition
from dnilab.exercises import (
    Function,
    NotYet,
    Verdict,
    ask,
    checker,
    judge,
    judge_call,
    require,
    shape_of,
)
from dnilab.lessons.synthetic_gradients.exercises import in_plain_words
from dnilab.network import SGD, BinaryCrossEntropy, Stack
from dnilab.network.layers import sigmoid

BATCH, WIDTH1, WIDTH2 = 7, 5, 3  # all different, so that a wrong shape shows
FACTORS = {
    "the batch size. The gradient is that of the summed loss; only the update divides": BATCH
}
NO_SLOPE = "the middle factor, the slope of the sigmoid, is missing."
OF_TANH = "the middle factor is that of tanh; these units are sigmoids."
HALF_A_SLOPE = "the slope of the sigmoid is h * (1 - h); the factor (1 - h) is missing."
SLOPE_OF_H = "the middle factor takes the sigmoid of h; h is the sigmoid already."
NO_G = "one of the three factors is missing: g, the gradient that comes from above."


# -- one layer -------------------------------------------------------------------------------


def _layer(width1: int = WIDTH1) -> tuple[np.ndarray, ...]:
    """h1, W2, h2, g2 and the slope dh2/da2 of a small layer."""
    rng = np.random.default_rng(1)
    h1 = rng.normal(size=(BATCH, width1))
    W2 = rng.normal(size=(width1, WIDTH2))
    h2 = sigmoid(h1 @ W2 + rng.normal(size=WIDTH2))
    return h1, W2, h2, rng.normal(size=(BATCH, WIDTH2)), h2 * (1 - h2)


def _wrong_da(h2: np.ndarray, g2: np.ndarray) -> dict[str, np.ndarray]:
    """What likely mistakes take for the gradient at a2, by their sentences."""
    twice = sigmoid(h2)
    return {
        NO_SLOPE: g2,
        OF_TANH: g2 * (1 - h2**2),
        HALF_A_SLOPE: g2 * h2,
        SLOPE_OF_H: g2 * twice * (1 - twice),
        NO_G: h2 * (1 - h2),
    }


@checker
def check_gradient_of_W2(gradient_of_W2: Function) -> Verdict:
    """Check ``gradient_of_W2(h1, h2, g2)`` -> dL/dW2.

    Shapes: h1 (batch, n1), h2 and g2 (batch, n2), answer (n1, n2).
    """
    h1, _, h2, g2, slope = _layer()
    call, given, right = "gradient_of_W2(h1, h2, g2)", (h1, h2, g2), h1.T @ (g2 * slope)
    mistakes = {said: h1.T @ da for said, da in _wrong_da(h2, g2).items()}
    return judge_call(call, in_plain_words(gradient_of_W2), given, right, mistakes, FACTORS)


@checker
def check_gradient_sent_below(gradient_sent_below: Function) -> Verdict:
    """Check ``gradient_sent_below(h2, g2, W2)`` -> g1 = dL/dh1.

    Shapes: h2 and g2 (batch, n2), W2 (n1, n2), answer (batch, n1).
    """
    call, function = "gradient_sent_below(h2, g2, W2)", in_plain_words(gradient_sent_below)
    # First with a square W2, where a missing transpose raises no error and only the numbers tell.
    _, W2, h2, g2, slope = _layer(width1=WIDTH2)
    right = (g2 * slope) @ W2.T
    mistakes = {
        "it is g2 itself, unchanged. It has to come down through the slope and the weights.": g2,
        "it is the gradient at a2. It still has to come down through the weights.": g2 * slope,
        "W2 is not transposed (it is square here, so NumPy did not complain).": (g2 * slope) @ W2,
        "the slope comes too late: multiply g2 by it before you go through W2.": (g2 @ W2.T)
        * slope,
        **{said: da @ W2.T for said, da in _wrong_da(h2, g2).items()},
    }
    require(judge_call(call, function, (h2, g2, W2), right, mistakes, FACTORS))
    _, W2, h2, g2, slope = _layer()
    right = (g2 * slope) @ W2.T
    return judge_call(call, function, (h2, g2, W2), right, factors=FACTORS)


# -- the whole step of a network with three layers --------------------------------------------

LAYERS = (1, 2, 3)
SQUARE, UNEQUAL = (5, 5, 5, 5), (6, 5, 4, 3)
ADDER = (24, 128, 64, 12)
ROWS, BATCHES = 20, 3  # of the real batches that end the exercise
RATE = 0.25
CLOSE = 1e-12  # how far apart right answers of different styles may be

Parameters = list[Any]
"""W or b of the notebook: entry k belongs to layer k, entry 0 is None."""

Names = dict[str, np.ndarray]
"""Arrays by what they are called: "dW[3]"."""


def _network(widths: Sequence[int], seed: int) -> tuple[Parameters, Parameters]:
    """W and b; b is not zero, so that its absence shows."""
    rng = np.random.default_rng(seed)
    W: Parameters = [None]
    b: Parameters = [None]
    for n_in, n_out in pairwise(widths):
        W.append(rng.standard_normal((n_in, n_out)) * (1 / np.sqrt(n_in)))
        b.append(0.5 * rng.standard_normal(n_out))
    return W, b


def _batch(widths: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    return rng.normal(size=(BATCH, widths[0])), rng.integers(0, 2, (BATCH, widths[-1])).astype(
        float
    )


def _copies(parameters: Parameters) -> Parameters:
    return [None, *(value.copy() for value in parameters[1:])]


@dataclass(frozen=True)
class _Way:
    """How a step is computed: the right way, unless something is replaced.

    ``down(da, W)``: through the weights.  ``through(g, h, above)``: through the function, where h
    is the output of this layer and ``above`` that of the next.  ``early``: a layer is updated
    before the gradient is handed down through its weights.
    """

    function: Callable[..., Any] = sigmoid
    at_top: Callable[..., Any] = lambda a: a
    add_b: Callable[..., Any] = lambda z, b: z + b
    top: Callable[..., Any] = lambda z, y: sigmoid(z) - y
    down: Callable[..., Any] = lambda da, W: da @ W.T
    through: Callable[..., Any] = lambda g, h, above: g * (h * (1 - h))
    early: bool = False

    def forward(self, x: np.ndarray, W: Parameters, b: Parameters) -> list[np.ndarray]:
        h = [x]
        for k in LAYERS:
            a = self.add_b(h[-1] @ W[k], b[k])
            h.append(self.function(a) if k < LAYERS[-1] else self.at_top(a))
        return h

    def gradients(
        self, h: Sequence[np.ndarray], y: np.ndarray, W: Parameters, share: float = 0.0
    ) -> Names:
        """All gradients, the top layer's first.  ``share``: of them an early update subtracts."""
        da, found = self.top(h[-1], y), {}
        for k in reversed(LAYERS):
            found[f"dW[{k}]"], found[f"db[{k}]"] = h[k - 1].T @ da, da.sum(axis=0)
            if k > 1:
                back = W[k] - share * found[f"dW[{k}]"] if self.early else W[k]
                g = self.down(da, back)
                da = self.through(g, h[k - 1], h[k])
        return found


RIGHT = _Way()
FORWARD_MISTAKES = {
    "the biases are missing.": replace(RIGHT, add_b=lambda z, b: z),
    "the hidden units are sigmoids here, not tanh.": replace(RIGHT, function=np.tanh),
    "the function of the hidden layers is missing.": replace(RIGHT, function=lambda a: a),
    "the top layer has no function: h3 is a3, the logits.": replace(RIGHT, at_top=sigmoid),
}
MISTAKES = {
    "the gradient at the top is p - y with p = sigmoid(h3); the sigmoid is missing.": replace(
        RIGHT, top=lambda z, y: z - y
    ),
    "the gradient at the top is p - y alone. The slope p (1 - p) has cancelled: see the derivation "
    "of g3.": replace(RIGHT, top=lambda z, y: (sigmoid(z) - y) * sigmoid(z) * (1 - sigmoid(z))),
    "the weights are not transposed on the way down (they are square here, so NumPy did not "
    "complain).": replace(RIGHT, down=lambda da, W: da @ W),
    "the gradient does not go through the weights on its way down.": replace(
        RIGHT, down=lambda da, W: da
    ),
    "the slope has the wrong layer's h. A gradient that has come down to layer k - 1 takes the "
    "slope of h[k - 1], not of h[k].": replace(
        RIGHT, through=lambda g, h, above: g * above * (1 - above)
    ),
    NO_SLOPE: replace(RIGHT, through=lambda g, h, above: g),
    OF_TANH: replace(RIGHT, through=lambda g, h, above: g * (1 - h**2)),
    HALF_A_SLOPE: replace(RIGHT, through=lambda g, h, above: g * h),
    SLOPE_OF_H: replace(RIGHT, through=lambda g, h, above: g * sigmoid(h) * (1 - sigmoid(h))),
    NO_G: replace(RIGHT, through=lambda g, h, above: h * (1 - h)),
}


def _wrong_gradients(
    widths: Sequence[int], h: Sequence[np.ndarray], y: np.ndarray, W: Parameters
) -> dict[str, Names]:
    """What likely mistakes give, by their sentences; none where NumPy refuses some of them."""
    if widths != SQUARE:
        return {}
    wrong = {said: way.gradients(h, y, W) for said, way in MISTAKES.items()}
    right = RIGHT.gradients(h, y, W)
    wrong[UPSIDE_DOWN] = {name: right[f"{name[:3]}{4 - int(name[3])}]"] for name in right}
    wrong[TRANSPOSED] = {name: value.T for name, value in right.items()}
    return wrong


def _update(grads: Names, step: float) -> Names:
    """What an update adds to each array: "W[3]" for "dW[3]"."""
    return {name[1:]: -step * grad for name, grad in grads.items()}


EARLY = (
    "the layer above was updated too early. The gradient came down through its new weights. Hand "
    "all gradients down first, with the weights that the forward pass used, and update last."
)
UPHILL = "it goes uphill. An update subtracts rate / B times the gradient."
UPSIDE_DOWN = "the list is upside down. Entry k belongs to layer k."
TRANSPOSED = "it is transposed. The shape of dW is that of W (square here, so it did not show)."


@checker
def check_my_forward(my_forward: Function) -> Verdict:
    """Check ``my_forward(x, W, b)`` -> [x, h1, h2, h3], of sigmoid units below the top.

    W and b are lists with entry k for layer k and None first; x (batch, n0), h_k (batch, n_k).
    """
    call = "my_forward(x, W, b)"
    for widths in (SQUARE, UNEQUAL):
        W, b = _network(widths, seed=2)
        x, _ = _batch(widths)
        answer = ask("my_forward", in_plain_words(my_forward), x, _copies(W), _copies(b))
        if answer is None:
            raise NotYet(f"{call} is None. Replace it with your own code, then run again.")
        if not isinstance(answer, list | tuple) or len(answer) != 4:
            raise NotYet(f"{call} should return a list of four arrays: [x, h1, h2, h3].")
        wrong = {said: way.forward(x, W, b) for said, way in FORWARD_MISTAKES.items()}
        for k, right in enumerate(RIGHT.forward(x, W, b)):
            mistakes = {said: h[k] for said, h in wrong.items()}
            require(judge(f"h[{k}]", answer[k], right, mistakes))
    return Verdict(True, "all four arrays agree with the true values.")


def _by_layer(name: str, given: Any) -> dict[int, Any]:
    """What was returned for layers 1, 2 and 3: a list with None first, one without, or a dict."""
    if isinstance(given, Mapping):
        return {k: given.get(k) for k in LAYERS}
    if isinstance(given, list | tuple) and len(given) in (3, 4):
        return dict(zip(LAYERS, given[-3:], strict=True))
    raise NotYet(f"{name} should be a list [None, {name}1, {name}2, {name}3].")


@checker
def check_my_gradients(my_gradients: Function) -> Verdict:
    """Check ``my_gradients(h, y, W)`` -> dW and db, lists with entry k for layer k.

    h is [x, h1, h2, h3] of a network of sigmoids, y (batch, n3), dW[k] like W[k], db[k] (n_k,).
    """
    call = "my_gradients(h, y, W)"
    for widths in (SQUARE, UNEQUAL):
        W, b = _network(widths, seed=2)
        x, y = _batch(widths)
        h = RIGHT.forward(x, W, b)
        given = {"h": [value.copy() for value in h], "W": _copies(W)}
        answer = ask("my_gradients", in_plain_words(my_gradients), given["h"], y, given["W"])
        for name, before in (("h", h), ("W", W)):
            if not all(map(np.array_equal, given[name], before)):
                raise NotYet(
                    f"my_gradients changes {name} in place. A gradient only measures: leave {name} "
                    "as it is, and write u = u * v instead of u *= v."
                )
        if answer is None:
            raise NotYet(f"{call} is None. Replace it with your own code, then run again.")
        if not isinstance(answer, list | tuple) or len(answer) != 2:
            raise NotYet(f"{call} should return two lists: dW, db.")
        got: dict[str, Any] = {}
        for name, listed in zip(("dW", "db"), answer, strict=True):
            got |= {f"{name}[{k}]": value for k, value in _by_layer(name, listed).items()}
        _judge_all(got, RIGHT.gradients(h, y, W), _wrong_gradients(widths, h, y, W), FACTORS)
    return Verdict(True, "all six gradients agree with the true values in shape, sign and size.")


def _judge_all(
    got: Mapping[str, Any],
    right: Names,
    wrong: Mapping[str, Names],
    factors: Mapping[str, float],
    called: str = "",
) -> None:
    """Raise NotYet at the first array that is not right, from the top layer down."""
    for name, expected in right.items():
        mistakes = {said: arrays[name] for said, arrays in wrong.items()}
        if shape_of(got[name]) == (BATCH, *expected.shape):
            raise NotYet(
                f"{called}{name} has shape {shape_of(got[name])}; it should be "
                f"{expected.shape}. Sum over the batch: .sum(axis=0)."
            )
        require(judge(called + name, got[name], expected, mistakes, factors))


def _after(
    my_step: Function, x: np.ndarray, y: np.ndarray, W: Parameters, b: Parameters, rate: float
) -> tuple[Parameters, Parameters]:
    """W and b after one step, whether it changes them in place or returns new ones."""
    W, b = _copies(W), _copies(b)
    answer = ask("my_step", in_plain_words(my_step), x, y, W, b, rate)
    if isinstance(answer, list | tuple) and len(answer) == 2:
        new_W, new_b = (_by_layer(name, given) for name, given in zip("Wb", answer, strict=True))
        return [None, *new_W.values()], [None, *new_b.values()]
    return W, b


def _changes(old: Parameters, new: Parameters) -> list[Any]:
    """What was added to each array; where the shapes do not fit, the new array itself."""
    return [
        np.subtract(after, before) if shape_of(after) == before.shape else after
        for before, after in zip(old[1:], new[1:], strict=True)
    ]


@checker
def check_my_step(my_step: Function) -> Verdict:
    """Check ``my_step(x, y, W, b, rate)``: forward, gradients and SGD, for one batch.

    It changes W and b in place, or returns the new ones.  Small networks come first, for what is
    said about a mistake; then three batches of real sums, compared with the package's own steps.
    """
    factors = {
        "the batch size. Divide by B once, in the update, and nowhere else": BATCH,
        "the learning rate, 1/4. The update multiplies by it once": 1 / RATE,
    }
    for widths in (SQUARE, UNEQUAL):
        W, b = _network(widths, seed=2)
        x, y = _batch(widths)
        new_W, new_b = _after(my_step, x, y, W, b, RATE)
        got: dict[str, Any] = {}
        for name, old, new in (("W", W, new_W), ("b", b, new_b)):
            got |= {f"{name}[{k}]": d for k, d in zip(LAYERS, _changes(old, new), strict=True)}
        if not any(np.any(change) for change in got.values()):
            raise NotYet(
                "my_step(x, y, W, b, rate) changes neither W nor b. Change them in place "
                "(W[k] -= ...), or return the new W, b."
            )
        h, step = RIGHT.forward(x, W, b), RATE / BATCH
        right = RIGHT.gradients(h, y, W)
        wrong = _wrong_gradients(widths, h, y, W)
        for said, way in FORWARD_MISTAKES.items():
            wrong[f"in the forward pass {said}"] = way.gradients(way.forward(x, W, b), y, W)
        wrong[EARLY] = replace(RIGHT, early=True).gradients(h, y, W, step)
        wrong[UPHILL] = {name: -grad for name, grad in right.items()}
        wrong["it is zero, so this array is never updated."] = {n: 0 * g for n, g in right.items()}
        changes = {said: _update(grads, step) for said, grads in wrong.items()}
        _judge_all(got, _update(right, step), changes, factors, "the change of ")
    return _as_the_package(my_step)


def _as_the_package(my_step: Function) -> Verdict:
    """The verdict on three real batches: to the last bit, nearly, or not at all."""
    data = binary_addition(np.random.default_rng(5), n=ROWS * BATCHES, n_test=1)
    rng = np.random.default_rng(6)
    stack = Stack.build(ADDER, BinaryCrossEntropy(), rng, activation="sigmoid")
    dense = [module.body.layers[0] for module in stack.modules]
    W, b = [None, *(one.W.copy() for one in dense)], [None, *(one.b.copy() for one in dense)]
    update = SGD(RATE).start([one.theta for one in dense])
    for first in range(0, ROWS * BATCHES, ROWS):
        x, y = data.x_train[first : first + ROWS], data.y_train[first : first + ROWS]
        W, b = _after(my_step, x, y, W, b, RATE)
        _, grads = stack.gradients(x, y)
        update([grad for (grad,) in grads], ROWS)
    pairs = [(W[k], one.W) for k, one in zip(LAYERS, dense, strict=True)]
    pairs += [(b[k], one.b) for k, one in zip(LAYERS, dense, strict=True)]
    many = f"{sum(one.theta.size for one in dense):,}"
    done = f"after {BATCHES} batches of {ROWS} real sums your {many} weights and biases"
    if all(np.array_equal(mine, its) for mine, its in pairs):
        return Verdict(True, f"{done} equal those of the package, to the last bit.")
    apart = max(float(np.abs(np.subtract(mine, its)).max()) for mine, its in pairs)
    if not apart < CLOSE:
        raise NotYet(
            f"Right on small networks, but {done} are {apart:.0e} away from those of the package. "
            "Does anything from outside the function enter, or an array of float32?"
        )
    return Verdict(
        True,
        f"{done} agree with those of the package; the largest difference is {apart:.0e}. They are "
        "not equal to the last bit, because you round in another order, which is as right. The "
        "package computes the sigmoid as 0.5 * (1 + tanh(a / 2)), g * (h * (1 - h)) with the slope "
        "first, and dW * (rate / B).",
    )
