"""A reader's own arrays as a dataset."""

from __future__ import annotations

from typing import Any

import numpy as np

from dnilab.checks import matrix, real_number, whole, whole_number
from dnilab.data.dataset import Dataset

FEWEST_ROWS = 10
MOST_CLASSES = 100


def own_arrays(
    x: Any, y: Any, *, name: str = "own arrays", test_share: float = 0.2, seed: int = 0
) -> Dataset:
    """Split, scale and label the arrays ``x`` and ``y``.

    Shapes: x (n, inputs), numbers.  y (n,), one class for each row (whole numbers, words or
    True/False); or (n, outputs) of 0 and 1: classes where each row has exactly one 1, else bits.

    Each column of x is shifted and scaled to mean 0 and standard deviation 1 over the training
    rows; a column that is the same in all of them becomes 0.  A share ``test_share`` of the rows,
    drawn by ``seed``, is kept for testing.

    Raises ValueError, naming the array, for other shapes, what is no number in x, NaN, missing
    labels, fewer than 10 rows, labels with fractions, one class only, or more than 100 classes.
    """
    whole("x", x)
    whole("y", y)
    x = matrix("x", _numbers_in(x)).astype(float)
    accepts = f"an array of shape ({len(x)},) or ({len(x)}, outputs), a row for each row of x"
    try:
        labels = np.asarray(y)
    except ValueError:
        raise ValueError(f"y has rows of different lengths; it accepts {accepts}") from None
    if labels.ndim not in (1, 2) or len(labels) != len(x):
        raise ValueError(f"y has shape {labels.shape}; it accepts {accepts}")
    if len(x) < FEWEST_ROWS:
        raise ValueError(f"x has {len(x)} rows; it accepts {FEWEST_ROWS} or more")
    share = real_number("test_share", test_share, 0, 0.9, above=True)
    rng = np.random.default_rng(whole_number("seed", seed, 0))
    if labels.dtype.kind in "USO":
        labels = _without_missing(y, labels)
    kind, y_rows = _labels(labels)
    order = rng.permutation(len(x))
    count = min(max(1, round(share * len(x))), len(x) - 1)
    test, train = order[:count], order[count:]
    middle, spread = x[train].mean(axis=0), x[train].std(axis=0)
    # The mean of equal numbers may be rounded; then neither spread nor x - middle is exactly 0.
    constant = (x[train].max(axis=0) == x[train].min(axis=0)) | (spread == 0)
    scaled = np.where(constant, 0.0, (x - middle) / np.where(constant, 1.0, spread))
    return Dataset(name, kind, scaled[train], y_rows[train], scaled[test], y_rows[test])


def _numbers_in(x: Any) -> Any:
    """``x``, with objects and words turned into floats where all of them can be."""
    try:
        array = np.asarray(x)
        return array.astype(float) if array.dtype.kind in "OUS" else array
    except (TypeError, ValueError, OverflowError):
        return x  # the check says what is wrong with it


def _without_missing(y: Any, labels: np.ndarray) -> np.ndarray:
    """``labels``, numbers if they are objects that stand for numbers; ValueError if one is missing.

    ``y`` is what they were made of: in a list of words NumPy turns NaN into the word "nan".
    """
    raw = np.asarray(y, dtype=object)
    for place, label in np.ndenumerate(raw):
        if _missing(label):
            raise ValueError(f"y has {label!r} in row {place[0]}; it accepts a label in each row")
    if labels.dtype.kind == "O" and not any(isinstance(label, str | bytes) for label in raw.flat):
        try:
            return labels.astype(float)
        except (TypeError, ValueError, OverflowError):
            pass  # other objects are classes by what they are called
    return labels


def _missing(label: Any) -> bool:
    try:
        return label is None or bool(label != label)  # NaN is not equal to itself
    except (TypeError, ValueError):  # nor can pandas' NA say whether it is
        return True


def _labels(y: np.ndarray) -> tuple[Any, np.ndarray]:
    """The kind of the labels, and the labels as rows of 0 and 1."""
    if y.ndim == 2:
        if not (y.dtype.kind in "biuf" and np.isin(y, (0, 1)).all()):
            raise ValueError("y has several columns; it accepts 0 and 1 in them")
        rows = y.astype(float)
        return ("classes" if y.shape[1] > 1 and (rows.sum(axis=1) == 1).all() else "bits"), rows
    if y.dtype.kind == "f" and not (np.isfinite(y).all() and (y == np.round(y)).all()):
        accepts = "classes, or columns of 0 and 1"
        raise ValueError(f"y holds numbers with fractions; it accepts {accepts}")
    if y.dtype.kind not in "biufUSO":
        raise ValueError(f"y holds {y.dtype}; it accepts whole numbers or words, one a row")
    names, place = np.unique(y.astype(str) if y.dtype.kind == "O" else y, return_inverse=True)
    if not 2 <= len(names) <= MOST_CLASSES:
        raise ValueError(f"y holds {len(names)} classes; it accepts 2 to {MOST_CLASSES}")
    return "classes", np.eye(len(names))[place]
