"""How a trained network and its guesses are judged: calibration, and guesses where they are used.

A guess of the gradient at a module's output is used for one thing: the gradient of the module's
weights.  So its cosine with the truth is asked for twice, row by row at the output, and after the
sum over the batch, at the weights.
"""

from __future__ import annotations

import numpy as np

from dnilab.checks import matrix, whole_number
from dnilab.network import Dense, Stack


def calibration(p: np.ndarray, y: np.ndarray, groups: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """What a network says beside what is true, in groups of answers that are nearly equal.

    Shapes: p and y (rows, outputs), probabilities and labels.  Returns the mean p and the mean y
    of each group, both (groups,), from the surest 0 to the surest 1.
    """
    p = matrix("p", p)
    y = matrix("y", y, rows=len(p))
    whole_number("groups", groups, 1, p.size)
    order = np.array_split(np.argsort(p, axis=None, kind="stable"), groups)
    said, true = (np.array([values.ravel()[of].mean() for of in order]) for values in (p, y))
    return said, true


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """The cosine of two arrays, each taken as one long vector; 0 if one of them is all zeros."""
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.sum(a * b)) / lengths if lengths else 0.0


def guess_and_update(stack: Stack, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Two cosines for each module with a generator: of its guess, and of what the guess does.

    The first is that of g_hat with g, row by row; the second that of the weights' gradients which
    the module's pullback makes of the two, summed over these rows.

    Shapes: x (rows, inputs), y (rows, outputs) -> (K - 1, 2).
    Raises ValueError for a stack that has nothing to compare.
    """
    probes = stack.probe(x, y)
    _, pullbacks = stack.forward(x)
    found = []
    for module, probe, pullback in zip(stack.modules, probes, pullbacks, strict=False):
        dense = [layer for layer in module.body.layers if isinstance(layer, Dense)]
        size = dense[0].W.size  # W stands first among the parameters of a layer
        guessed, true = (pullback(g)[-1][0][:size] for g in (probe.guess, probe.true))
        found.append((cosine(probe.guess, probe.true), cosine(guessed, true)))
    return np.array(found)
