"""Every check accepts what it should, and names the argument, what it got and what it accepts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnilab import checks
from dnilab.lessons.shared.files import file_path

SOMETHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(),
    st.lists(st.integers()),
    st.just(np.zeros(2)),
    st.just(10**400),  # an int that no float can hold
)


@pytest.mark.parametrize("value", [3, np.int32(3), np.uint8(3)])
def test_whole_number_accepts_integers_and_returns_a_plain_int(value: Any) -> None:
    assert checks.whole_number("n", value, 3, 3) == 3
    assert type(checks.whole_number("n", value, 3)) is int


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.uint64])
def test_small_integers_are_compared_as_whole_numbers(kind: Any) -> None:
    assert checks.whole_number("n", kind(100), -1000, 1000) == 100
    assert checks.whole_number("n", kind(100), 1) * 100 == 10_000
    with pytest.raises(ValueError, match=r"^n is 100; it accepts a whole number of at least 1000$"):
        checks.whole_number("n", kind(100), 1000)


def test_a_span_of_time_is_no_number() -> None:
    for span in (np.timedelta64(3), np.timedelta64(3, "ns"), np.array(3, "m8[ns]")):
        for check in (checks.whole_number, checks.real_number, checks.whole_numbers):
            with pytest.raises(ValueError, match=r"^n is .*; it accepts "):
                check("n", span, 0)


def test_what_an_error_repeats_is_one_line_and_short() -> None:
    assert checks.shown(np.zeros((2, 2), int)) == "[[0, 0], [0, 0]]"
    assert checks.shown(np.str_("a")) == "'a'"
    assert checks.shown("x" * 99_000) == "'" + "x" * 96 + "..."
    assert checks.shown(10**5000) == "of type int, too long to be written"


def test_instance_of_names_the_kind() -> None:
    assert checks.instance_of("n", 3, int) == 3
    with pytest.raises(ValueError, match=r"^rng is 3; it accepts Generator$"):
        checks.instance_of("rng", 3, np.random.Generator)


def test_a_path_with_a_zero_byte_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"^file is 'a\\x00b'; it accepts the path of a file"):
        file_path("file", "a\0b")


@pytest.mark.parametrize("value", [True, np.True_, 3.0, np.float64(3), "3", None, [3], 1j])
def test_whole_number_refuses_what_is_not_an_integer(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^n is .*; it accepts a whole number of at least 1"):
        checks.whole_number("n", value, 1)


def test_whole_number_says_the_range() -> None:
    with pytest.raises(ValueError, match=r"^n is 0; it accepts a whole number of at least 1$"):
        checks.whole_number("n", 0, 1)
    with pytest.raises(ValueError, match=r"^n is 5; it accepts 1 to 4$"):
        checks.whole_number("n", 5, 1, 4)


def test_whole_numbers() -> None:
    assert checks.whole_numbers("widths", [np.int64(3), 2], 1) == (3, 2)
    assert checks.whole_numbers("widths", (), 1) == ()
    assert checks.whole_numbers("widths", np.array([4, 5]), 1) == (4, 5)
    for wrong in (3, None, "12", 2.5):
        with pytest.raises(ValueError, match=r"^widths is .*; it accepts several whole numbers"):
            checks.whole_numbers("widths", wrong, 1)
    for wrong in ((3, 0), (3, 2.0), (True,), ["12"], np.zeros((2, 2), int)):
        with pytest.raises(ValueError, match=r"^widths is .*; it accepts a whole number of at"):
            checks.whole_numbers("widths", wrong, 1)


@pytest.mark.parametrize("value", [1, 1.0, np.float32(1), np.int64(1)])
def test_real_number_returns_a_plain_float(value: Any) -> None:
    assert checks.real_number("rate", value, 1, 1) == 1
    assert type(checks.real_number("rate", value, 0)) is float


@pytest.mark.parametrize(
    ("value", "low", "high", "above", "accepts"),
    [
        (-0.1, 0, math.inf, False, "a number of at least 0"),
        (0, 0, math.inf, True, "a number above 0"),
        (1.5, 0, 1, False, "a number of at least 0 and at most 1"),
        (math.nan, 0, math.inf, False, "a number of at least 0"),
        (math.inf, 0, math.inf, False, "a number of at least 0"),
        (10**400, 0, math.inf, False, "a number of at least 0"),
        (True, 0, math.inf, False, "a number of at least 0"),
        ("0.1", 0, math.inf, False, "a number of at least 0"),
        (None, 0, math.inf, False, "a number of at least 0"),
    ],
)
def test_real_number_says_what_it_accepts(
    value: Any, low: float, high: float, above: bool, accepts: str
) -> None:
    with pytest.raises(ValueError, match=rf"^rate is .*; it accepts {accepts}$"):
        checks.real_number("rate", value, low, high, above=above)


def test_one_of_lists_the_choices() -> None:
    assert checks.one_of("loss", None, (None, "a")) is None
    for wrong in ("b", 0, [], {}, np.zeros(3)):
        with pytest.raises(ValueError, match=r"^loss is .*; it accepts one of None, 'a'$"):
            checks.one_of("loss", wrong, (None, "a"))


def test_true_or_false_takes_nothing_else() -> None:
    assert checks.true_or_false("flag", np.False_) is False
    for wrong in (0, 1, "yes", None):
        with pytest.raises(ValueError, match=r"^flag is .*; it accepts True or False$"):
            checks.true_or_false("flag", wrong)


def test_random_generator_says_how_to_make_one() -> None:
    rng = np.random.default_rng(0)
    assert checks.random_generator("rng", rng) is rng
    for wrong in (0, None, np.random, np.random.default_rng):
        with pytest.raises(ValueError, match=r"^rng is .* accepts a numpy.random.Generator, for"):
            checks.random_generator("rng", wrong)


def test_float_type_knows_the_two_dtypes_of_the_course() -> None:
    for dtype in ("float32", np.float32, np.dtype("float32")):
        assert checks.float_type("dtype", dtype) == np.float32
    assert checks.float_type("dtype", float) == np.float64
    for wrong in ("float99", int, "float16", None, 3, complex):
        with pytest.raises(ValueError, match=r"^dtype is .*; it accepts float32 or float64$"):
            checks.float_type("dtype", wrong)


def test_matrix_turns_whole_numbers_into_floats_and_keeps_floats_as_they_are() -> None:
    assert checks.matrix("x", [[1, 2], [3, 4]]).dtype == float
    assert checks.matrix("x", [[True, False]]).dtype == float
    x = np.ones((2, 3), np.float32)
    assert checks.matrix("x", x, rows=2, columns=3) is x


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (np.zeros(3), r"has shape \(3,\); it accepts an array of shape \(2, columns\)"),
        (np.zeros((3, 4)), r"has shape \(3, 4\); it accepts an array of shape \(2, columns\)"),
        (np.zeros((2, 0)), r"has shape \(2, 0\)"),
        (np.zeros((2, 2, 2)), r"has shape \(2, 2, 2\)"),
        (5, r"has shape \(\)"),
        ([["a", "b"], ["c", "d"]], "has dtype <U1; it accepts numbers"),
        (np.array([[1, None], [2, 3]]), "has dtype object; it accepts numbers"),
        (np.ones((2, 2), complex), "has dtype complex128; it accepts numbers"),
        ([[1, 2], [3, np.nan]], "has nan at row 1, column 1; it accepts finite numbers only"),
        ([[1, -np.inf], [3, 4]], "has -inf at row 0, column 1; it accepts finite numbers only"),
        ([[1, 2], [3]], "rows of different lengths"),
    ],
)
def test_matrix_says_what_is_wrong(value: Any, says: str) -> None:
    with pytest.raises(ValueError, match=rf"^x .*{says}"):
        checks.matrix("x", value, rows=2)


def test_matrix_checks_columns() -> None:
    with pytest.raises(ValueError, match=r"^y has shape \(2, 3\); .* \(rows, 4\)$"):
        checks.matrix("y", np.ones((2, 3)), columns=4)


@given(value=SOMETHING)
def test_whatever_it_gets_a_check_returns_what_it_promised_or_names_the_argument(
    value: Any,
) -> None:
    promises = [
        (lambda: checks.whole_number("it", value, -3, 7), lambda got: -3 <= got <= 7),
        (lambda: checks.real_number("it", value, 0, 2, above=True), lambda got: 0 < got <= 2),
        (lambda: checks.real_number("it", value, 0), lambda got: 0 <= got < math.inf),
        (lambda: checks.true_or_false("it", value), lambda got: isinstance(got, bool)),
        (lambda: checks.one_of("it", value, ("a", 1)), lambda got: got in ("a", 1)),
        (lambda: checks.float_type("it", value), lambda got: got in (np.float32, np.float64)),
    ]
    for attempt, holds in promises:
        try:
            got = attempt()
        except ValueError as error:
            assert str(error).startswith("it is ")  # noqa: PT017
            assert "accepts" in str(error)  # noqa: PT017
        else:
            assert holds(got)
