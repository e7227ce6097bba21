"""The checker of lesson 06 tells each planted mistake."""

import numpy as np
import pytest

from dnilab.exercises.lesson06 import check_epochs_to_reach


def right_answer(epoch, right, goal):
    reached = np.flatnonzero(right >= goal)
    return epoch[reached[0]] if reached.size else np.nan


def test_right():
    assert check_epochs_to_reach(right_answer)


def last(epoch, right, goal):
    return epoch[np.flatnonzero(right >= goal)[-1]]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda *_: None, "is None"),
        (lambda *_: "soon", "one number"),
        (lambda e, r, g: e[r >= g], "one number"),
        (lambda e, r, g: int(np.argmax(r >= g)), "place in the list"),
        (lambda e, r, g: r[np.argmax(r >= g)], "share that is right"),
        (last, "last epoch"),
        (lambda e, r, g: e[np.argmax(r > g)] if (r > g).any() else np.nan, "exactly at"),
        (lambda e, r, g: e[1:][np.argmax(r[1:] >= g)], "first report counts"),
        (lambda e, r, g: e[np.argmax(r >= g)], "return NaN"),
        (lambda e, r, g: 7.0, "read the first epoch"),
        (lambda e: e, "stopped with TypeError"),
        (3, "should be a function"),
    ],
)
def test_mistakes(answer, said):
    verdict = check_epochs_to_reach(answer)
    assert not verdict
    assert said in verdict.message
