"""Two ways to measure a derivative, to hold a derivation against.

``finite_difference`` needs nothing but a function; its error falls with the step, until
rounding takes over: eight or nine good digits at best.  ``complex_step`` subtracts nothing and
so loses nothing: all digits, for a function that also works on complex numbers (Martins,
Sturdza and Alonso, 2003, doi 10.1145/838250.838251).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dnilab.checks import real_number


def finite_difference(
    f: Callable[[np.ndarray], float], x: np.ndarray, step: float = 1e-6
) -> np.ndarray:
    """The gradient of f at x by central differences; like x.  f returns one number."""
    x = np.array(x, dtype=float)
    real_number("step", step, 0, above=True)
    gradient = np.empty_like(x)
    for i in np.ndindex(x.shape):
        kept = x[i]
        x[i] = kept + step
        above = f(x)
        x[i] = kept - step
        below = f(x)
        x[i] = kept
        gradient[i] = (above - below) / (2 * step)
    return gradient


def complex_step(
    f: Callable[[np.ndarray], complex], x: np.ndarray, step: float = 1e-30
) -> np.ndarray:
    """The gradient of f at x from f(x + i step) = f(x) + i step f'(x) + ...; like x.

    f returns one number, and must use no absolute value and no comparison of complex numbers.
    """
    z = np.array(x, dtype=complex)
    real_number("step", step, 0, above=True)
    gradient = np.empty(z.shape)
    for i in np.ndindex(z.shape):
        kept = z[i]
        z[i] = kept + 1j * step
        gradient[i] = np.imag(f(z)) / step
        z[i] = kept
    return gradient


def relative_error(a: np.ndarray, b: np.ndarray) -> float:
    """|a - b| / max(|a|, |b|), lengths over all numbers; 0 when both are zero."""
    if np.size(a) != np.size(b):
        raise ValueError(f"b has shape {np.shape(b)}; it accepts the shape of a, {np.shape(a)}")
    size = max(float(np.linalg.norm(a)), float(np.linalg.norm(b)))
    return float(np.linalg.norm(np.subtract(a, b))) / size if size else 0.0
