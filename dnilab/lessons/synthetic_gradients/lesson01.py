"""Lesson 01: the chain rule through a layer of sigmoid units.

The notebook derives the layer with tanh; here the unit is the sigmoid, h2 = 1 / (1 + exp(-a2))
with a2 = h1 W2 + b2, so that the middle factor has to be found anew: h2 (1 - h2).
g2 is the gradient of the summed loss with respect to h2.
"""

from __future__ import annotations

import numpy as np

from dnilab.exercises import Function, Verdict, checker, judge_call, require
from dnilab.network.layers import sigmoid

BATCH, WIDTH1, WIDTH2 = 7, 5, 3  # all different, so that a wrong shape shows
FACTORS = {
    "the batch size. The gradient is that of the summed loss; only the update divides": BATCH
}
NO_SLOPE = "the middle factor, dh2/da2, is missing."
OF_TANH = "the middle factor is that of tanh; these units are sigmoids."


def _layer(width1: int = WIDTH1) -> tuple[np.ndarray, ...]:
    """h1, W2, h2, g2 and the slope dh2/da2 of a small layer."""
    rng = np.random.default_rng(1)
    h1 = rng.normal(size=(BATCH, width1))
    W2 = rng.normal(size=(width1, WIDTH2))
    h2 = sigmoid(h1 @ W2 + rng.normal(size=WIDTH2))
    return h1, W2, h2, rng.normal(size=(BATCH, WIDTH2)), h2 * (1 - h2)


@checker
def check_gradient_of_W2(gradient_of_W2: Function) -> Verdict:
    """Check ``gradient_of_W2(h1, h2, g2)`` -> dL/dW2.

    Shapes: h1 (batch, n1), h2 and g2 (batch, n2), answer (n1, n2).
    """
    h1, _, h2, g2, slope = _layer()
    call, given, right = "gradient_of_W2(h1, h2, g2)", (h1, h2, g2), h1.T @ (g2 * slope)
    mistakes = {
        NO_SLOPE: h1.T @ g2,
        OF_TANH: h1.T @ (g2 * (1 - h2**2)),
        "the middle factor takes the sigmoid of h2; h2 is the sigmoid already.": (
            h1.T @ (g2 * sigmoid(h2) * (1 - sigmoid(h2)))
        ),
    }
    return judge_call(call, gradient_of_W2, given, right, mistakes, FACTORS)


@checker
def check_gradient_sent_below(gradient_sent_below: Function) -> Verdict:
    """Check ``gradient_sent_below(h2, g2, W2)`` -> g1 = dL/dh1.

    Shapes: h2 and g2 (batch, n2), W2 (n1, n2), answer (batch, n1).
    """
    call = "gradient_sent_below(h2, g2, W2)"
    # First with a square W2, where a missing transpose raises no error and only the numbers tell.
    _, W2, h2, g2, slope = _layer(width1=WIDTH2)
    right = (g2 * slope) @ W2.T
    mistakes = {
        "W2 is not transposed (it is square here, so NumPy did not complain).": (g2 * slope) @ W2,
        NO_SLOPE: g2 @ W2.T,
        OF_TANH: (g2 * (1 - h2**2)) @ W2.T,
        "dh2/da2 comes too late: multiply g2 by it before you go through W2.": (g2 @ W2.T) * slope,
    }
    require(judge_call(call, gradient_sent_below, (h2, g2, W2), right, mistakes, FACTORS))
    _, W2, h2, g2, slope = _layer()
    right = (g2 * slope) @ W2.T
    return judge_call(call, gradient_sent_below, (h2, g2, W2), right, factors=FACTORS)
