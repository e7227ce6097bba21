"""Counting digits: the windows, and what can be reached, computed and counted out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dnilab.data import digits
from dnilab.lessons.any_graph.data import COUNTED, Counting, best_accuracy, count_distribution


@pytest.mark.parametrize("what", COUNTED)
def test_the_count_is_that_of_the_names(what):
    task = Counting(what, 7)
    window = next(task.windows(np.random.default_rng(0), 50))
    assert window.images.shape == (7, 50, 64)
    assert window.names.shape == (7, 50, 10)
    assert window.count.shape == (50, 8)
    assert (window.count.sum(axis=1) == 1).all()
    for row in range(50):
        shown = window.names[:, row].argmax(axis=1)
        assert window.count[row].argmax() == sum(d in COUNTED[what] for d in shown)


@pytest.mark.parametrize("unseen", [False, True])
def test_images_and_names_belong_together(unseen):
    data = digits()
    x, y = (data.x_test, data.y_test) if unseen else (data.x_train, data.y_train)
    named = {image.astype(np.float32).tobytes(): name for image, name in zip(x, y, strict=True)}
    window = next(Counting().windows(np.random.default_rng(0), 20, unseen=unseen))
    for image, name in zip(
        window.images.reshape(-1, 64), window.names.reshape(-1, 10), strict=True
    ):
        assert np.array_equal(named[image.tobytes()], name)


def test_equal_seeds_give_equal_windows():
    first, again, other = (
        next(Counting().windows(np.random.default_rng(seed), 4)) for seed in (0, 0, 1)
    )
    assert np.array_equal(first.images, again.images)
    assert not np.array_equal(first.images, other.images)


JOINT = np.array([[0.55, 0.05], [0.1, 0.3]])


def test_distribution_against_every_sequence():
    """All 4^3 sequences of three draws, added up one by one."""
    expected = np.zeros((4, 4))
    for draws in itertools.product(range(4), repeat=3):
        true, said = (sum(d >> bit & 1 for d in draws) for bit in (1, 0))
        expected[true, said] += np.prod([JOINT[d >> 1, d & 1] for d in draws])
    assert np.allclose(count_distribution(JOINT, 3), expected, rtol=1e-13, atol=0)
    assert best_accuracy(JOINT, 3) == pytest.approx(expected.max(axis=0).sum(), rel=1e-13)


def test_limits_worked_by_hand():
    half = Counting("odd digits", 2)
    names = np.array([1, 2])
    assert half.limit(names, names) == 1
    # never right on odd digits, which are half: two draws, 1 of 3 counts is right half of the time
    assert half.limit(names, np.array([2, 2])) == pytest.approx(0.5)
    # said odd when even and the other way round: the count is known all the same
    assert half.limit(names, np.array([2, 1])) == 1
    # a wrong name that counts the same costs nothing
    assert half.limit(names, np.array([3, 4])) == 1


def test_blind_guess_against_drawn_windows():
    for what in COUNTED:
        task = Counting(what, 5)
        window = next(task.windows(np.random.default_rng(0), 20_000, unseen=True))
        drawn = window.count.mean(axis=0).max()
        assert task.blind() == pytest.approx(drawn, abs=0.02)
    assert Counting("threes", 1).blind() == pytest.approx(
        1 - digits().y_test[:, 3].mean(), rel=1e-12
    )


def test_refused():
    with pytest.raises(ValueError, match="what is 'twos'; it accepts one of 'odd digits'"):
        Counting("twos")
    with pytest.raises(ValueError, match="period is 0; it accepts 1 to 40"):
        Counting(period=0)
    with pytest.raises(ValueError, match="rng is 3"):
        Counting().windows(3, 4)
    with pytest.raises(ValueError, match="batch is 0"):
        Counting().windows(np.random.default_rng(0), 0)
    with pytest.raises(ValueError, match="joint sums to 2"):
        count_distribution(JOINT * 2, 3)
