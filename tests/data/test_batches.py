"""Batches: every row once an epoch, in an order that the generator decides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnilab.data import batches


@given(data=st.data(), n=st.integers(1, 200), seed=st.integers(0, 2**32))
def test_an_epoch_is_a_permutation_less_what_does_not_fill_a_batch(
    data: st.DataObject, n: int, seed: int
) -> None:
    size = data.draw(st.integers(1, n))
    rng = np.random.default_rng(seed)
    epoch = list(batches(rng, n, size))
    assert [len(rows) for rows in epoch] == [size] * (n // size)
    rows = np.concatenate(epoch)
    assert len(np.unique(rows)) == len(rows)
    assert rows.min() >= 0
    assert rows.max() < n
    # the same seed, the same epoch
    again = np.concatenate(list(batches(np.random.default_rng(seed), n, size)))
    np.testing.assert_array_equal(again, rows)
    # what decides is the permutation: the batch size only cuts it
    np.testing.assert_array_equal(rows, np.random.default_rng(seed).permutation(n)[: len(rows)])


def test_the_next_epoch_is_shuffled_anew() -> None:
    rng = np.random.default_rng(0)
    first, second = (np.concatenate(list(batches(rng, 100, 10))) for _ in range(2))
    assert (first != second).any()
    assert (first != np.arange(100)).any()


def test_the_rows_left_over_are_others_in_the_next_epoch() -> None:
    rng = np.random.default_rng(0)
    left = [set(range(10)) - set(np.concatenate(list(batches(rng, 10, 4)))) for _ in range(20)]
    assert all(len(rows) == 2 for rows in left)
    assert set.union(*left) == set(range(10))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"batch_size": 0}, "batch_size is 0; it accepts a whole number of at least 1"),
        ({"batch_size": 2.0}, "batch_size is 2.0"),
        ({"batch_size": True}, "batch_size is True"),
        ({"batch_size": 11}, "batch_size is 11, but the training data has 10 rows; .* 1 to 10"),
        ({"rng": 7}, "rng is 7; it accepts a numpy.random.Generator"),
    ],
)
def test_what_is_out_of_range_is_named(arguments: dict[str, Any], says: str) -> None:
    good: dict[str, Any] = {"rng": np.random.default_rng(0), "n": 10, "batch_size": 5}
    with pytest.raises(ValueError, match=f"^{says}"):
        list(batches(**good | arguments))
