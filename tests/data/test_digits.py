"""The digits: scaled, one-hot, and split the same way for everybody."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from sklearn.datasets import load_digits

from dnilab.data import Dataset, digits
from dnilab.data.images import SCANNED


@pytest.fixture(scope="module")
def data() -> Dataset:
    return digits()


def test_shapes_and_scale(data: Dataset) -> None:
    assert data.x_train.shape == (1437, 64)
    assert data.y_train.shape == (1437, 10)
    assert data.x_test.shape == (360, 64)
    assert data.y_test.shape == (360, 10)
    assert (data.x_train.min(), data.x_train.max()) == (-1, 1)
    assert data.kind == "classes"


def test_equal_to_what_scikit_learn_gives_to_the_last_bit(data: Dataset) -> None:
    pixels, names = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(pixels))
    for rows, x, y in (
        (order[360:], data.x_train, data.y_train),
        (order[:360], data.x_test, data.y_test),
    ):
        assert x.tobytes() == (pixels / 8.0 - 1.0)[rows].tobytes()
        assert y.tobytes() == np.eye(10)[names][rows].tobytes()


def test_source_and_licence_stand_beside_them() -> None:
    said = SCANNED.with_suffix(".md").read_text("utf-8")
    for word in ("Alpaydin", "10.24432/C50P49", "CC BY 4.0", "1,797"):
        assert word in said


def test_together_the_rows_are_the_source_once_each_with_their_own_names(data: Dataset) -> None:
    pixels, names = load_digits(return_X_y=True)
    x = np.vstack([data.x_train, data.x_test])
    y = np.vstack([data.y_train, data.y_test])
    ours = np.hstack([(x + 1) * 8, y.argmax(axis=1)[:, None]])
    source = np.hstack([pixels, names[:, None]])
    np.testing.assert_array_equal(ours[np.lexsort(ours.T)], source[np.lexsort(source.T)])
    np.testing.assert_array_equal(y, np.eye(10)[y.argmax(axis=1)])


def test_the_split_is_fixed(data: Dataset) -> None:
    # Test errors of different runs are compared, here and in the README: the rows they are
    # measured on must never change.
    names = data.y_test.argmax(axis=1).astype(np.uint8)
    assert names[:12].tolist() == [6, 6, 6, 2, 5, 6, 6, 2, 2, 1, 1, 9]
    assert hashlib.sha256(names.tobytes()).hexdigest()[:16] == "f407661a6c5fa0cb"
    again = digits()
    np.testing.assert_array_equal(again.x_test, data.x_test)
    np.testing.assert_array_equal(again.x_train, data.x_train)


def test_every_digit_is_tested(data: Dataset) -> None:
    assert data.y_test.sum(axis=0).min() >= 20


def test_who_writes_into_their_copy_spoils_nobody_elses(data: Dataset) -> None:
    mine = digits()
    mine.x_train[:] = 0
    mine.y_train[:] = 0
    np.testing.assert_array_equal(digits().x_train, data.x_train)
    assert digits().y_train.any()
