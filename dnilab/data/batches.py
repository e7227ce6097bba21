"""Batches: the rows of a dataset, shuffled anew in every epoch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dnilab.checks import random_generator, whole_number


def check_batch_size(batch_size: int, rows: int) -> int:
    """Return ``batch_size``; raise ValueError if it is not within 1 to ``rows``."""
    batch_size = whole_number("batch_size", batch_size, 1)
    if batch_size > rows:
        raise ValueError(
            f"batch_size is {batch_size}, but the training data has {rows} rows; "
            f"it accepts 1 to {rows}"
        )
    return batch_size


def batches(rng: np.random.Generator, n: int, batch_size: int) -> Iterator[np.ndarray]:
    """Shuffle the numbers 0 to n - 1 and yield them in batches: one epoch.

    Each batch is an array of ``batch_size`` row numbers, for ``x[rows]``.  The few rows that are
    left over at the end of an epoch are another few in the next one.

    Raises ValueError, at the first batch, if ``batch_size`` is not within 1 to n.
    """
    random_generator("rng", rng)
    check_batch_size(batch_size, n)
    order = rng.permutation(n)
    for start in range(0, n - batch_size + 1, batch_size):
        yield order[start : start + batch_size]
