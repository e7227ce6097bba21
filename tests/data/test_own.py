"""A reader's own arrays: split, scaled, labelled; and refused in words."""

import numpy as np
import pytest

from dnilab.lessons.playground.data import own_arrays


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


def test_a_constant_column_becomes_zero_where_its_mean_is_rounded():
    data = own_arrays(np.column_stack([np.full(40, 0.1), np.arange(40.0)]), np.arange(40) % 2)
    assert not data.x_train[:, 0].any()
    assert not data.x_test[:, 0].any()


def test_a_column_that_is_constant_in_training_is_zero_in_an_odd_test_row_too():
    x, y = arrays()
    columns = []
    for odd in range(len(x)):  # in turn, so that it is each row of the test part once
        x[:, 2] = 0.1
        x[odd, 2] = 1e6
        data = own_arrays(x, y)
        columns.append((data.x_train[:, 2], data.x_test[:, 2]))
    constant = [test for train, test in columns if not train.any()]
    assert len(constant) == 10
    assert not np.any(constant)


def test_classes_in_an_object_array_of_numbers_are_in_the_order_of_numbers():
    x, _ = arrays(20)
    as_objects = own_arrays(x, np.array([2, 10] * 10, dtype=object))
    as_numbers = own_arrays(x, np.array([2, 10] * 10))
    np.testing.assert_array_equal(as_objects.y_train, as_numbers.y_train)


def test_numbers_in_objects_and_words_are_numbers():
    x, y = arrays()
    for other in (x.astype(object), x.astype(str), x.tolist()):
        np.testing.assert_array_equal(own_arrays(other, y).x_train, own_arrays(x, y).x_train)


@pytest.mark.parametrize("name", ["x", "y"])
def test_a_mask_is_refused_for_what_it_hides_would_be_learned(name):
    given = dict(zip("xy", arrays(), strict=True))
    given[name] = np.ma.masked_array(given[name], mask=False)
    with pytest.raises(ValueError, match=f"^{name} has a mask; it accepts an array without one"):
        own_arrays(**given)


class NotSaid:
    """Like pandas' NA: to the question whether it is equal to itself it has no answer."""

    def __ne__(self, other):
        return self

    def __bool__(self):
        raise TypeError("neither")

    __hash__ = None


@pytest.mark.parametrize(
    ("labels", "kind", "outputs"),
    [
        (np.array(["cat", "dog"] * 10), "classes", 2),
        (np.array([True, False] * 10), "classes", 2),
        (np.array([1.0, 4.0] * 10), "classes", 2),
        (np.array(["a", "b"] * 10, dtype=object), "classes", 2),
        (np.array(["1.5", "2.5"] * 10, dtype=object), "classes", 2),
        (["nan", "None"] * 10, "classes", 2),  # words, not missing labels
        (np.eye(4)[[0, 1, 2, 3] * 5], "classes", 4),
        (np.eye(4)[[0, 1, 2, 3] * 5].astype(object), "classes", 4),
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
        (np.zeros((20, 2)), ["a", None] * 10, "y has None in row 1"),
        (np.zeros((20, 2)), ["a", float("nan")] * 10, "y has nan in row 1"),
        (np.zeros((20, 2)), [1, None] * 10, "y has None in row 1"),
        (np.zeros((20, 2)), np.array([1, 0, np.nan, 0] * 5, dtype=object), "y has nan in row 2"),
        (np.zeros((20, 2)), np.array([[1, 0], [0, None]] * 10), "y has None in row 1"),
        (np.zeros((20, 2)), ["a", NotSaid()] * 10, "y has .* in row 1"),
        (np.zeros((20, 2)), np.array([0.5, 1.5] * 10, dtype=object), "y holds .* fractions"),
        (np.zeros((20, 2)), [[1], [0, 1]] * 10, "y has rows of different lengths"),
        ([[1.0], [0.0, 1.0]] * 10, np.arange(20) % 2, "x has rows of different lengths"),
        (np.full((20, 2), "cat"), np.arange(20) % 2, "x has dtype <U3; it accepts numbers"),
        (np.full((20, 2), 1 + 2j), np.arange(20) % 2, "x has dtype complex128; it accepts numbers"),
        (np.full((20, 2), None), np.arange(20) % 2, "x has "),
        (np.full((20, 2), {}), np.arange(20) % 2, "x has dtype object; it accepts numbers"),
    ],
)
def test_refused(x, y, said):
    with pytest.raises(ValueError, match=said):
        own_arrays(x, y)
