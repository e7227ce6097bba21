"""The first checker: what it says to each wrong answer."""

from __future__ import annotations

import numpy as np
import pytest

from dnilab.lessons.synthetic_gradients.lesson00 import check_weighted_sum, machine


def test_right():
    assert check_weighted_sum(lambda x, W, b: x @ W + b)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda x, W, b: None, "is None"),
        (lambda x, W, b: x @ W, "b is missing"),
        (lambda x, W, b: -(x @ W + b), "wrong sign"),
        (lambda x, W, b: (x @ W + b).T, "Transpose it?"),
        (lambda x, W, b: (x @ W + b).sum(axis=0), "should be (5, 4)"),
        (lambda x, W, b: x @ W - b, "b is subtracted"),
        (lambda x, W, b: x @ (W + b), "b goes through the weights too"),
        (lambda x, W, b: W @ x + b, "A has 4 columns and B has 5 rows"),
        (lambda x, W, b: x @ W + b[:3], "could not be broadcast"),  # NumPy says that plainly
        (lambda x, W: x @ W, "stopped with TypeError"),
        (None, "should be a function"),
    ],
)
def test_wrong(answer, said):
    verdict = check_weighted_sum(answer)
    assert not verdict
    assert said in verdict.message


def test_what_the_course_runs_on():
    found = machine()
    assert found["numpy"] == np.__version__
    assert found["cores"] >= 1
    assert set(found) >= {"Python", "jupyterlab", "BLAS threads"}
