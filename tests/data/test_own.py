"""A reader's own arrays: split, scaled, labelled; and refused in words."""

import numpy as np
import pytest

from dnilab.data import own_arrays


def arrays(n=50, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(3.0, 5.0, size=(n, 4)), rng.integers(0, 3, size=n)


def test_every_row_is_there_once_with_its_label():
    x, y = arrays()
    x[:, 0] = np.arange(len(x))  # so that a row can be told
    data = own_arrays(x, y)
    assert (len(data.x_train), len(data.x_test)) == (40, 10)
    assert data.kind == "classes"
    middle, spread = data.x_train.mean(axis=0), data.x_train.std(axis=0)
    np.testing.assert_allclose(middle, 0, atol=1e-12)
    np.testing.assert_allclose(spread, 1)
    rows = np.vstack([data.x_train, data.x_test])[:, 0]
    labels = np.vstack([data.y_train, data.y_test]).argmax(axis=1)
    np.testing.assert_array_equal(labels[np.argsort(rows)], y)


def test_the_seed_draws_the_split():
    x, y = arrays()
    same, other = own_arrays(x, y), own_arrays(x, y, seed=1)
    np.testing.assert_array_equal(own_arrays(x, y).x_test, same.x_test)
    assert not np.array_equal(same.x_test, other.x_test)


def test_a_constant_column_becomes_zero():
    x, y = arrays()
    x[:, 2] = 7.0
    data = own_arrays(x, y)
    assert not data.x_train[:, 2].any()
    assert not data.x_test[:, 2].any()


@pytest.mark.parametrize(
    ("labels", "kind", "outputs"),
    [
        (np.array(["cat", "dog"] * 10), "classes", 2),
        (np.array([True, False] * 10), "classes", 2),
        (np.array([1.0, 4.0] * 10), "classes", 2),
        (np.array(["a", "b"] * 10, dtype=object), "classes", 2),
        (np.eye(4)[[0, 1, 2, 3] * 5], "classes", 4),
        (np.array([[0, 1, 1], [0, 0, 0]] * 10), "bits", 3),
        (np.array([[0], [1]] * 10), "bits", 1),
    ],
)
def test_labels(labels, kind, outputs):
    data = own_arrays(arrays(20)[0], labels)
    assert (data.kind, data.outputs) == (kind, outputs)


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (np.zeros(20), np.zeros(20), "x "),
        (np.zeros((20, 2)), np.zeros(19), "y has shape"),
        (np.zeros((20, 2)), np.zeros((20, 2, 2)), "y has shape"),
        (np.zeros((5, 2)), np.arange(5), "10 or more"),
        (np.full((20, 2), np.nan), np.arange(20), "x"),
        (np.zeros((20, 2)), np.linspace(0, 1, 20), "fractions"),
        (np.zeros((20, 2)), np.full(20, np.nan), "fractions"),
        (np.zeros((20, 2)), np.zeros(20, dtype=int), "1 classes"),
        (np.zeros((200, 2)), np.arange(200), "200 classes"),
        (np.zeros((20, 2)), np.full((20, 2), 3), "0 and 1"),
        (np.zeros((20, 2)), np.zeros(20, dtype=complex), "complex"),
    ],
)
def test_refused(x, y, said):
    with pytest.raises(ValueError, match=said):
        own_arrays(x, y)
