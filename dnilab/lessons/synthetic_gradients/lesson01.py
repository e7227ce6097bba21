"""Lesson 01: the chain rule through a layer of sigmoid units.

The notebook derives the layer with tanh; here the unit is the sigmoid, h2 = 1 / (1 + exp(-a2))
with a2 = h1 W2 + b2, so that the middle factor has to be found anew: h2 (1 - h2).
g2 is the gradient of the summed loss with respect to h2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dnilab.exercises.asking import NotYet, ask, judge_with_mistakes
from dnilab.exercises.feedback import Verdict
from dnilab.network.layers import sigmoid

BATCH, WIDTH1, WIDTH2 = 7, 5, 3  # all different, so that a wrong shape shows


def _layer(width1: int = WIDTH1) -> tuple[np.ndarray, ...]:
    """h1, W2, h2 and g2 of a small layer."""
    rng = np.random.default_rng(1)
    h1 = rng.normal(size=(BATCH, width1))
    W2 = rng.normal(size=(width1, WIDTH2))
    h2 = sigmoid(h1 @ W2 + rng.normal(size=WIDTH2))
    return h1, W2, h2, rng.normal(size=(BATCH, WIDTH2))


FACTORS = {
    "the batch size. The gradient is that of the summed loss; only the update divides": BATCH
}


def check_gradient_of_W2(gradient_of_W2: Callable[..., Any]) -> Verdict:
    """Check ``gradient_of_W2(h1, h2, g2)`` -> dL/dW2.

    Shapes: h1 (batch, n1), h2 and g2 (batch, n2), answer (n1, n2).
    """
    h1, _, h2, g2 = _layer()
    try:
        got = ask("gradient_of_W2", gradient_of_W2, h1, h2, g2)
    except NotYet as stop:
        return stop.verdict
    return judge_with_mistakes(
        "gradient_of_W2(h1, h2, g2)",
        got,
        h1.T @ (g2 * h2 * (1 - h2)),
        FACTORS,
        {
            "the middle factor, dh2/da2, is missing.": h1.T @ g2,
            "the middle factor is that of tanh; these units are sigmoids.": (
                h1.T @ (g2 * (1 - h2**2))
            ),
            "the middle factor takes the sigmoid of h2; h2 is the sigmoid already.": (
                h1.T @ (g2 * sigmoid(h2) * (1 - sigmoid(h2)))
            ),
        },
    )


def check_gradient_sent_below(gradient_sent_below: Callable[..., Any]) -> Verdict:
    """Check ``gradient_sent_below(h2, g2, W2)`` -> g1 = dL/dh1.

    Shapes: h2 and g2 (batch, n2), W2 (n1, n2), answer (batch, n1).
    """
    # First with a square W2, where a missing transpose raises no error and only the numbers tell.
    _, W2, h2, g2 = _layer(width1=WIDTH2)
    slope = h2 * (1 - h2)
    name = "gradient_sent_below(h2, g2, W2)"
    mistakes = {
        "W2 is not transposed (it is square here, so NumPy did not complain).": (g2 * slope) @ W2,
        "the middle factor, dh2/da2, is missing.": g2 @ W2.T,
        "the middle factor is that of tanh; these units are sigmoids.": ((g2 * (1 - h2**2)) @ W2.T),
        "dh2/da2 comes too late: multiply g2 by it before you go through W2.": (
            (g2 @ W2.T) * slope
        ),
    }
    try:
        got = ask("gradient_sent_below", gradient_sent_below, h2, g2, W2)
        verdict = judge_with_mistakes(name, got, (g2 * slope) @ W2.T, FACTORS, mistakes)
        if not verdict:
            return verdict
        _, W2, h2, g2 = _layer()
        got = ask("gradient_sent_below", gradient_sent_below, h2, g2, W2)
    except NotYet as stop:
        return stop.verdict
    return judge_with_mistakes(name, got, (g2 * h2 * (1 - h2)) @ W2.T, FACTORS, {})
