"""The checker of lesson 06 tells each planted mistake."""

import numpy as np
import pytest

from dnilab.lessons.playground.lesson06 import check_epochs_to_reach


def right_answer(epoch, right, goal):
    reached = np.flatnonzero(right >= goal)
    return epoch[reached[0]] if reached.size else np.nan


def test_right():
    assert check_epochs_to_reach(right_answer)


@pytest.mark.parametrize("nan", [float("nan"), np.float64("nan"), np.array(np.nan)])
def test_every_nan_says_never(nan):
    assert check_epochs_to_reach(lambda e, r, g: e[r >= g][0] if (r >= g).any() else nan)


@pytest.mark.parametrize(
    "never", [None, "never", "nan", [], np.array([]), np.array([np.nan]), [[1], [1, 2]], 1j, False]
)
def test_never_must_be_one_number(never):
    verdict = check_epochs_to_reach(lambda e, r, g: e[r >= g][0] if (r >= g).any() else never)
    assert not verdict
    assert "one number" in verdict.message
    assert "the goal 0.99" in verdict.message


@pytest.mark.parametrize("case", [0.8, 0.9, 0.1])
@pytest.mark.parametrize("wrong", ["soon", [], np.zeros(2), [[1], [1, 2]], True])
def test_each_answer_must_be_one_number(case, wrong):
    verdict = check_epochs_to_reach(lambda e, r, g: wrong if g == case else right_answer(e, r, g))
    assert not verdict
    assert "one number" in verdict.message


def last(epoch, right, goal):
    return epoch[np.flatnonzero(right >= goal)[-1]]


def between(epoch, right, goal):
    at = int(np.argmax(right >= goal))
    return np.interp(goal, right[at - 1 : at + 1], epoch[at - 1 : at + 1])


def by_halves(epoch, right, goal):
    return epoch[np.searchsorted(right, goal)] if goal <= right.max() else np.nan


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda *_: None, "is None"),
        (lambda *_: "soon", "one number"),
        (lambda e, r, g: e[r >= g], "one number"),
        (lambda e, r, g: int(np.argmax(r >= g)), "place in the list"),
        (lambda e, r, g: r[np.argmax(r >= g)], "share that is right"),
        (last, "last epoch"),
        (lambda e, r, g: e[np.argmin(abs(r - g))], "has come close"),
        (lambda e, r, g: e[np.argmax(r >= g) + 1], "one report late"),
        (between, "between two reports"),
        (by_halves, "np.searchsorted"),
        (lambda e, r, g: e[np.argmax(r > g)] if (r > g).any() else np.nan, "exactly at"),
        (lambda e, r, g: e[1:][np.argmax(r[1:] >= g)], "first report counts"),
        (lambda e, r, g: e[np.argmax(r >= g)], "return NaN"),
        (lambda e, r, g: 7.0, "find the first epoch"),
        (lambda e: e, "stopped with TypeError"),
        (3, "should be a function"),
    ],
)
def test_mistakes(answer, said):
    verdict = check_epochs_to_reach(answer)
    assert not verdict
    assert said in verdict.message
