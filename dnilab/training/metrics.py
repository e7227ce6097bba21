"""Numbers that say how good a network, and how good a guess, is."""

from __future__ import annotations

import numpy as np

from dnilab.network import Stack


def scores(kind: str, prediction: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Judge predictions, (rows, outputs), by labels of the same shape.

    For ``kind`` "bits", an output above 1/2 is read as 1: "bit_accuracy" is the share of bits
    that are right, "whole_sums" the share of rows in which all are.  For "classes", the largest
    output is the answer: "class_error" is the share of rows where it is not the label's.
    """
    if kind == "bits":
        right = (prediction > 0.5) == (y > 0.5)
        return {
            "bit_accuracy": float(right.mean()),
            "whole_sums": float(right.all(axis=1).mean()),
        }
    wrong = prediction.argmax(axis=1) != y.argmax(axis=1)
    return {"class_error": float(wrong.mean())}


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """The cosine between two arrays, each taken as one long vector; 0 if one of them is 0."""
    lengths = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    return float(np.vdot(a, b)) / lengths if lengths else 0.0


def alignment(
    stack: Stack, x: np.ndarray, y: np.ndarray
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """How good the guesses are on one batch, for modules 1 to K - 1.  Nothing is changed.

    Returns ``cosine``, between the synthetic and the true gradient, all rows of the batch taken
    as one long vector (0 while a guess is 0), and ``generator_error``, the squared distance of
    the guess from the target it is fitted to, over the target's squared length (1 for a guess
    of 0).
    """
    cosines, errors = [], []
    for at in stack.probe(x, y):
        cosines.append(cosine(at.guess, at.true))
        size = float(np.sum(at.told**2))
        errors.append(float(np.sum((at.guess - at.told) ** 2)) / size if size else 0.0)
    return tuple(cosines), tuple(errors)
