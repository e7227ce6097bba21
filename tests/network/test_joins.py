"""Joins: what is heard, what goes down, and what they make of a value that is not there yet."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dnilab.lessons.any_graph.network.joins import Add, Concatenate
from dnilab.network import Chain, Dense

A = np.array([[1.0, 2.0], [3.0, 4.0]])
B = np.array([[5.0], [6.0]])


def test_side_by_side() -> None:
    value, pullback = Concatenate((2, 1))(A, B)
    assert value.tolist() == [[1, 2, 5], [3, 4, 6]]
    to_a, to_b, grads = pullback(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
    assert to_a.tolist() == [[1, 2], [4, 5]]
    assert to_b.tolist() == [[3], [6]]
    assert grads == []


def test_the_sum() -> None:
    value, pullback = Add(2, 3)(A, 10 * A, 100 * A)
    assert value.tolist() == [[111, 222], [333, 444]]
    *down, grads = pullback(A)
    assert [message.tolist() for message in down] == [A.tolist()] * 3
    assert grads == []


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_not_there_yet_counts_as_zeros(dtype: Any) -> None:
    a = A.astype(dtype)
    value, pullback = Concatenate((2, 1))(a, None)
    assert value.tolist() == [[1, 2, 0], [3, 4, 0]]
    assert value.dtype == dtype
    assert [message.shape for message in pullback(value)[:-1]] == [(2, 2), (2, 1)]
    for heard in ((a, None), (None, a)):
        value, _ = Add(2)(*heard)
        assert value.tolist() == A.tolist()
        assert value.dtype == dtype


def test_in_evaluation_too() -> None:
    chain = Chain([Concatenate((2, 1)), Dense(3, 2, np.random.default_rng(0))])
    for b in (B, None):
        np.testing.assert_array_equal(chain.predict(A, b), chain(A, b)[0])
    chain.calibrate(A, B)  # takes several as well


@pytest.mark.parametrize(
    ("join", "heard", "says"),
    [
        (Concatenate((2, 1)), (A,), "heard has 1 values; it accepts 2"),
        (Concatenate((2, 1)), (A, B, B), "heard has 3 values; it accepts 2"),
        (Concatenate((2, 1)), (B, A), r"heard\[0\] has shape \(2, 1\); .* \(batch, 2\)"),
        (Add(2), (A, B), r"heard\[1\] has shape \(2, 1\); .* \(batch, 2\)"),
        (Add(2), (A, A[0]), r"heard\[1\] has shape \(2,\)"),
    ],
)
def test_what_is_heard_has_to_fit(join: Any, heard: Any, says: str) -> None:
    for call in (join, join.predict):
        with pytest.raises(ValueError, match=f"^{says}"):
            call(*heard)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Concatenate(()), r"widths is \(\); it accepts one whole number or more"),
        (lambda: Concatenate((3, 0)), "widths is 0"),
        (lambda: Add(0), "width is 0"),
        (lambda: Add(2, 0), "count is 0"),
    ],
)
def test_what_is_wrong_is_named(make: Any, says: str) -> None:
    with pytest.raises(ValueError, match=f"^{says}"):
        make()
