"""The first checker: what it says to each wrong answer."""

from __future__ import annotations

import pytest

from dnilab.lessons.synthetic_gradients.lesson00 import check_weighted_sum


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
        (lambda x, W, b: W @ x + b, "stopped with ValueError"),
        (lambda x, W: x @ W, "stopped with TypeError"),
        (None, "should be a function"),
    ],
)
def test_wrong(answer, said):
    verdict = check_weighted_sum(answer)
    assert not verdict
    assert said in verdict.message
