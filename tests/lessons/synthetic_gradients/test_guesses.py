"""What a guess is worth, and a guess that is right on average."""

from __future__ import annotations

import numpy as np
import pytest

from dnilab.lessons.synthetic_gradients.experiments.guesses import corrected, gain_share


def test_the_mean_over_all_outcomes_is_the_truth_and_the_size_is_that_of_the_formula():
    rng = np.random.default_rng(0)
    g_hat, g = rng.normal(size=(2, 3, 2))
    p, mean, size = 0.3, 0.0, 0.0
    for outcome in np.ndindex(2, 2, 2):
        known = np.array(outcome, bool)
        chance = p ** known.sum() * (1 - p) ** (~known).sum()
        one = corrected(g_hat, np.where(known[:, None], g, np.nan), known, p)
        mean, size = mean + chance * one, size + chance * np.sum(one**2)
    assert np.allclose(mean, g)
    assert np.isclose(size, np.sum(g**2) + (1 / p - 1) * np.sum((g_hat - g) ** 2))


def test_the_guess_is_left_as_it_was():
    g_hat = np.ones((2, 2))
    corrected(g_hat, np.zeros((2, 2)), np.array([True, False]), 0.5)
    assert np.array_equal(g_hat, np.ones((2, 2)))


@pytest.mark.parametrize("p", [0, -0.1, 1.1, float("nan")])
def test_a_chance(p):
    with pytest.raises(ValueError, match=r"^p is .*; it accepts a chance above 0"):
        corrected(np.ones((1, 1)), np.ones((1, 1)), np.array([True]), p)


def test_the_share_of_the_gain():
    g = np.array([3.0, 4.0])
    assert gain_share(g, [2 * g]) == pytest.approx(1)
    assert gain_share(g, [-g]) == pytest.approx(1)  # the best step is then a step back
    assert gain_share(g, [[3.0, 0.0]]) == pytest.approx(9 / 25)
    assert gain_share(g, [0 * g]) == 0
    noise = np.array([[7.0, 1.0], [-7.0, -1.0]])  # 50, twice |g|^2
    assert gain_share(g, g + noise) == pytest.approx(1 / 3)


def test_the_share_is_what_the_best_step_gains():
    """On the loss |w|^2 / 2, at w = g, by trying many step sizes."""
    rng = np.random.default_rng(1)
    g, guesses = rng.normal(size=5), rng.normal(size=(7, 5))
    sizes = np.linspace(-3, 3, 20_001)[:, None, None]
    gains = (np.sum(g**2) - np.sum((g - sizes * guesses) ** 2, axis=2).mean(axis=1)) / 2
    assert gain_share(g, guesses) == pytest.approx(gains.max() / (np.sum(g**2) / 2), rel=1e-4)
