"""What is said to an answer that is no array of numbers, or a multiple of the right one."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from dnilab.exercises import judge

TRUE = np.array([1.0, -2.0, 3.0])


@pytest.mark.parametrize(
    ("got", "expected", "said"),
    [
        (3 * TRUE, TRUE, "g points the right way but is 3 times too large."),
        (-2 * TRUE, TRUE, "g points the opposite way, and is 2 times too large."),
        (0.25 * TRUE, TRUE, "g points the right way but is 4 times too small."),
        (-0.25 * TRUE, TRUE, "g points the opposite way, and is 4 times too small."),
        (-TRUE, TRUE, "g has the wrong sign; its size is right."),
    ],
)
def test_multiples(got, expected, said):
    assert judge("g", got, expected, {}).message == said


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_one_number_is_no_multiple(shape):
    verdict = judge("n", np.full(shape, 6.0), np.full(shape, 2.0), {})
    assert not verdict
    assert "differs from the true value by 200.00%" in verdict.message
    assert ("right shape" in verdict.message) == (len(shape) > 1)
    assert "by 0.04%" in judge("n", np.full(shape, 2.0008), np.full(shape, 2.0), {}).message


def test_a_number_that_no_float_holds():
    assert "array of numbers" in judge("g", [10**400, 0, 0], TRUE, {}).message


@pytest.mark.parametrize("got", [TRUE + 0j, TRUE + 1j, [1j, 2.0, 3.0], TRUE.astype(np.complex64)])
def test_complex_numbers(got):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # NumPy warns of an imaginary part that gets lost
        verdict = judge("g", got, TRUE, {})
    assert not verdict
    assert verdict.message == "g holds complex numbers; it should hold real ones."
