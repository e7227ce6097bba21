"""How a network and its guesses are judged: calibration, and a guess where it is used."""

from __future__ import annotations

import numpy as np
import pytest

from dnilab.experiments import Settings, run
from dnilab.lessons.synthetic_gradients.experiments.judged import (
    calibration,
    cosine,
    guess_and_update,
)

SMALL = Settings(bits=4, examples=60, test_examples=4, hidden=(8, 6), epochs=3, batch_size=10)


def test_calibration_is_of_groups_of_nearly_equal_answers():
    p = np.array([[0.9, 0.1], [0.2, 0.8]])
    y = np.array([[1.0, 0.0], [1.0, 1.0]])
    said, true = calibration(p, y, groups=2)
    assert np.allclose(said, [0.15, 0.85])
    assert np.allclose(true, [0.5, 1.0])


def test_a_network_that_means_what_it_says():
    rng = np.random.default_rng(0)
    p = rng.random((20_000, 2))
    said, true = calibration(p, rng.random(p.shape) < p)
    assert np.all(np.diff(said) > 0)
    assert np.abs(said - true).max() < 0.05


@pytest.mark.parametrize("groups", [0, 5])
def test_groups(groups):
    with pytest.raises(ValueError, match=rf"^groups is {groups}; it accepts"):
        calibration(np.ones((2, 2)), np.ones((2, 2)), groups)


def test_cosine():
    assert cosine(np.array([[3.0, 0.0]]), np.array([[1.0, 1.0]])) == pytest.approx(np.sqrt(0.5))
    assert cosine(np.zeros(2), np.ones(2)) == 0


def test_the_update_is_judged_by_its_weights():
    """Against the pullback of the layer, written out."""
    trained = run(SMALL.but(context=("h",)))
    data, stack = SMALL.data(), trained.stack
    x, y = data.x_train, data.y_train
    found = guess_and_update(stack, x, y)
    h1, h2 = stack.forward(x)[0][:2]
    for k, (below, h) in enumerate(((x, h1), (h1, h2))):
        g = stack.gradients(x, y)[0][k]
        g_hat, _ = stack.modules[k].generator(h)
        guessed, true = (below.T @ (of * (1 - h * h)) for of in (g_hat, g))
        assert found[k] == pytest.approx([cosine(g_hat, g), cosine(guessed, true)])
    assert not np.allclose(found[:, 0], found[:, 1])


def test_a_stack_without_guesses_is_refused():
    data = SMALL.data()
    stack = SMALL.but(ordering="backprop").stack(data)
    with pytest.raises(ValueError, match="no generators"):
        guess_and_update(stack, data.x_train, data.y_train)
