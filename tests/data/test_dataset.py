"""A dataset refuses arrays that a network could only learn nonsense from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dnilab.data import Dataset


def arrays(**changes: Any) -> dict[str, Any]:
    """The arguments of a good dataset, some of them changed."""
    good: dict[str, Any] = {
        "name": "mine",
        "kind": "bits",
        "x_train": np.arange(12.0).reshape(4, 3),
        "y_train": np.array([[0, 1], [1, 1], [0, 0], [1, 0]]),
        "x_test": np.ones((2, 3)),
        "y_test": np.array([[0, 1], [1, 0]]),
    }
    return good | changes


def test_a_good_dataset_knows_its_widths_and_holds_floats() -> None:
    data = Dataset(**arrays())
    assert (data.inputs, data.outputs) == (3, 2)
    assert data.y_train.dtype == data.y_test.dtype == float


def test_lists_will_do() -> None:
    data = Dataset("mine", "bits", [[1, 2]], [[1]], [[3, 4]], [[0]])  # type: ignore[arg-type]
    np.testing.assert_array_equal(data.x_train, np.array([[1.0, 2.0]]))


def test_astype_changes_all_four_arrays_and_not_the_original() -> None:
    data = Dataset(**arrays())
    single = data.astype("float32")
    for name in ("x_train", "y_train", "x_test", "y_test"):
        assert getattr(single, name).dtype == np.float32
        assert getattr(data, name).dtype == np.float64
        np.testing.assert_array_equal(getattr(single, name), getattr(data, name))
    assert (single.name, single.kind) == (data.name, data.kind)


@pytest.mark.parametrize("dtype", ["float16", "float99", int, None])
def test_astype_accepts_the_two_dtypes_of_the_course(dtype: Any) -> None:
    with pytest.raises(ValueError, match=r"^dtype is .*; it accepts float32 or float64"):
        Dataset(**arrays()).astype(dtype)


ONE_HOT = {
    "kind": "classes",
    "y_train": np.eye(2)[[0, 1, 0, 1]],
    "y_test": np.eye(2),
}


def test_one_hot_rows_are_classes() -> None:
    assert Dataset(**arrays(**ONE_HOT)).outputs == 2


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"kind": "words"}, "kind is 'words'; it accepts one of 'bits', 'classes'"),
        ({"x_train": np.zeros(4)}, r"x_train has shape \(4,\)"),
        ({"x_train": np.zeros((0, 3))}, r"x_train has shape \(0, 3\)"),
        ({"x_train": np.full((4, 3), np.nan)}, "x_train has nan at row 0, column 0"),
        ({"x_train": [["a"] * 3] * 4}, "x_train has dtype"),
        ({"x_train": [[1, 2], [3], [4], [5]]}, "x_train has rows of different lengths"),
        ({"x_train": np.ma.masked_equal(np.eye(4, 3), 1)}, "x_train has a mask; it accepts"),
        ({"y_train": np.zeros((3, 2))}, r"y_train has shape \(3, 2\); .* \(4, columns\)"),
        ({"y_train": [0, 1, 0, 1]}, r"y_train has shape \(4,\)"),
        ({"y_train": np.full((4, 2), 0.5)}, "y_train holds other numbers than 0 and 1"),
        ({"y_train": [[0, -1]] * 4}, "y_train holds other numbers than 0 and 1"),
        ({"x_test": np.ones((2, 4))}, r"x_test has shape \(2, 4\); .* \(rows, 3\)"),
        ({"x_test": [[1, np.inf, 0]] * 2}, "x_test has inf at row 0, column 1"),
        ({"y_test": np.ones((2, 3))}, r"y_test has shape \(2, 3\); .* \(2, 2\)"),
        ({"y_test": np.ones((3, 2))}, r"y_test has shape \(3, 2\); .* \(2, 2\)"),
        ({"y_test": [[2, 0], [0, 1]]}, "y_test holds other numbers than 0 and 1"),
        ({**ONE_HOT, "y_train": np.ones((4, 2))}, "y_train accepts one-hot rows"),
        ({**ONE_HOT, "y_train": np.zeros((4, 2))}, "y_train accepts one-hot rows"),
        ({**ONE_HOT, "y_test": [[0, 1], [1, 1]]}, "y_test accepts one-hot rows"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=f"^{says}"):
        Dataset(**arrays(**changes))
