"""Scanned digits: the 1797 images of 8x8 pixels that come with scikit-learn."""

from __future__ import annotations

from functools import cache

import numpy as np

from dnilab.data.dataset import Dataset

TEST_ROWS = 360  # a fifth of the 1797 images
_SPLIT_SEED = 0  # the split is part of the data: the same for every run and every reader


@cache
def _load() -> tuple[np.ndarray, np.ndarray]:
    # Imported here because scikit-learn takes about a second to load and few lessons need it.
    from sklearn.datasets import load_digits

    pixels, names = load_digits(return_X_y=True)
    return pixels, names


def digits() -> Dataset:
    """The digits, with a fixed split of 1437 training and 360 test images.

    Shapes: x (n, 64), y (n, 10) one-hot.  Pixels, 0 to 16 in the source, are scaled to -1 to 1.
    Source: ``sklearn.datasets.load_digits`` (UCI, Alpaydin and Kaynak, 1998).
    """
    pixels, names = _load()
    x = pixels / 8.0 - 1.0
    y = np.eye(10)[names]
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(x))
    test, train = order[:TEST_ROWS], order[TEST_ROWS:]
    return Dataset("scanned digits", "classes", x[train], y[train], x[test], y[test])
