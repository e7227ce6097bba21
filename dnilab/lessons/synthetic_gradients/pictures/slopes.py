"""The functions that stand between two layers, and their slopes: exact, not measured."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dnilab.checks import one_of, real_number
from dnilab.network.layers import sigmoid
from dnilab.pictures import Picture, Series, curves

Function = Callable[[np.ndarray], np.ndarray]

FUNCTIONS: dict[str, tuple[Function, Function]] = {
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": (sigmoid, lambda z: sigmoid(z) * (1 - sigmoid(z))),
    "ReLU": (lambda z: np.maximum(z, 0.0), lambda z: (z > 0).astype(float)),
}
"""f and its derivative, by name.  The ReLU has no derivative at 0; 0 stands there by agreement."""


def function_and_slope(function: str, steepness: float = 1.0) -> Picture:
    """h = f(s a) and dh/da = s f'(s a), for a from -4 to 4.

    ``function``: one of ``FUNCTIONS``; ``steepness``: s, above 0.
    Raises ValueError for another function or steepness.
    """
    f, derivative = FUNCTIONS[one_of("function", function, tuple(FUNCTIONS))]
    s = real_number("steepness", steepness, 0, above=True)
    a = np.linspace(-4, 4, 801)
    h, slope = f(s * a), s * derivative(s * a)
    series = [Series("h", a, h), Series("slope of h", a, slope)]
    picture = curves(series, xlabel="a", ylabel="h and its slope", ylim=(-1.5, 4.2))
    at_0 = f"jumps from 0 to {s:.2f} at a = 0 and is" if function == "ReLU" else (
        f"is {s * derivative(np.zeros(1))[0]:.2f} at a = 0,"
    )  # fmt: skip
    at_2, at_4 = s * derivative(s * np.array([2.0, 4.0]))
    picture.sentence = (
        f"h goes from {h.min():.2f} to {h.max():.2f} as a goes from -4 to 4. "
        f"Its slope {at_0} {at_2:.2f} at a = 2 and {at_4:.2f} at a = 4."
    )
    return picture
