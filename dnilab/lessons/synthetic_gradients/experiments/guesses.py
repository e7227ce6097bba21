"""What a guess is worth: how much of the best step it buys, and how it is made right on average."""

from __future__ import annotations

import numpy as np

from dnilab.checks import matrix, refuse


def corrected(g_hat: np.ndarray, g: np.ndarray, known: np.ndarray, p: float) -> np.ndarray:
    """A guess that is right on average, if each row is known with the chance p.

    The guess is a control variate: what it adds to every row is taken away again, on average,
    from the rows whose truth is known.  Its mean is g, and its squared length is on average
    |g|^2 + (1/p - 1) |g_hat - g|^2.

    Shapes: g_hat and g (batch, width), known (batch,) of True and False; returns (batch, width).
    What g holds in rows that are not known is not looked at.  Raises ValueError unless
    0 < p <= 1.
    """
    if not 0 < p <= 1:
        refuse("p", p, "a chance above 0, up to 1")
    better = np.array(g_hat, dtype=float)
    better[known] += (g[known] - better[known]) / p
    return better


def gain_share(g: np.ndarray, guesses: np.ndarray) -> float:
    """The share of the best step's gain that a step along a random guess has on average.

    For a loss of equal curvature in all directions, and the step size that is best for each:
    (g . E[g_hat])^2 / (|g|^2 E|g_hat|^2).  It is 1 for g itself, and 0 for a guess of zeros.

    Shapes: g (n,), guesses (draws, n).
    """
    g = matrix("g", [g])[0]
    guesses = matrix("guesses", guesses)
    size = float(np.sum(g**2)) * float(np.mean(np.sum(guesses**2, axis=1)))
    return float(g @ guesses.mean(axis=0)) ** 2 / size if size else 0.0
