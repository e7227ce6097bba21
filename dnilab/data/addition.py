"""Binary addition: two numbers in, their sum out, one column a bit."""

from __future__ import annotations

import numpy as np

from dnilab.checks import one_of, random_generator, whole_number
from dnilab.data.dataset import Dataset

# Up to this many bits a pair of numbers fits into one 64-bit integer.
_WIDEST_CODE = 32


def _distinct_pairs(rng: np.random.Generator, n: int, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Two (n, bits) arrays of 0/1; no two rows hold the same pair; the first column is 0.

    Because the top bit of each number is 0, the sum of the two always fits into ``bits`` bits.
    """
    free = bits - 1
    if bits <= _WIDEST_CODE:
        if n > 4**free:
            there_are = f"there are only {4**free} different pairs of numbers"
            raise ValueError(f"n and n_test together are {n}; with bits={bits} {there_are}")
        codes = rng.choice(4**free, size=n, replace=False)
        columns = np.arange(2 * free - 1, -1, -1)
        drawn = (codes[:, None] >> columns) & 1
    else:  # 2 ** 64 pairs or more: draw the bits themselves, and draw again on a collision
        drawn = rng.integers(0, 2, size=(n, 2 * free))
        while len(np.unique(drawn, axis=0)) < n:
            drawn = rng.integers(0, 2, size=(n, 2 * free))
    zeros = np.zeros((n, 1), dtype=drawn.dtype)
    return np.hstack([zeros, drawn[:, :free]]), np.hstack([zeros, drawn[:, free:]])


def _add(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Add (n, bits) arrays of bits as on paper, from the last column to the first."""
    total = np.empty_like(a)
    carry = np.zeros(len(a), dtype=a.dtype)
    for column in range(a.shape[1] - 1, -1, -1):
        column_sum = a[:, column] + b[:, column] + carry
        total[:, column] = column_sum & 1
        carry = column_sum >> 1
    return total


def binary_addition(
    rng: np.random.Generator,
    n: int = 10_000,
    *,
    bits: int = 12,
    n_test: int = 1_000,
    inputs: str = "centred",
) -> Dataset:
    """Draw sums of two binary numbers, most significant bit first.

    Shapes: x (n, 2 * bits), both numbers side by side; y (n, bits), their sum.  Each number has
    ``bits`` bits of which the first is 0, so a sum never overflows.  No pair is drawn twice: the
    ``n_test`` test sums are unseen in training.

    ``inputs``: ``"centred"`` writes the bits of x as -1 and +1, ``"binary"`` as 0 and 1.  The
    bits of y are 0 and 1 in both.  Centred inputs learn several times faster (notebook 03).

    Raises ValueError if a size is out of range or there are not enough different pairs.
    """
    random_generator("rng", rng)
    bits = whole_number("bits", bits, 2)
    n = whole_number("n", n, 1)
    n_test = whole_number("n_test", n_test, 1)
    one_of("inputs", inputs, ("centred", "binary"))
    a, b = _distinct_pairs(rng, n + n_test, bits)
    x = np.hstack([a, b]).astype(float)
    y = _add(a, b).astype(float)
    if inputs == "centred":
        x = 2 * x - 1
    return Dataset(f"addition of {bits}-bit numbers", "bits", x[:n], y[:n], x[n:], y[n:])
