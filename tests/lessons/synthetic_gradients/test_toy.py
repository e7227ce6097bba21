"""The toy of notebook 03: what its arrows are, and the three things that they show."""

from __future__ import annotations

import numpy as np
import pytest

from dnilab.lessons.synthetic_gradients.training.by_hand import train_batch
from dnilab.lessons.synthetic_gradients.training.toy import (
    BATCHES,
    GENERATOR_RATE,
    RATE,
    examples,
    history,
    look_at,
    start,
)
from dnilab.network import complex_step, relative_error

BOTH = slice(6, 10)  # the examples at the two points where both labels occur


def test_the_examples():
    x, y = examples()
    assert x.shape == (10, 2)
    assert y[:, 0].tolist() == [0, 0, 0, 1, 1, 1, 0, 1, 0, 1]
    assert np.array_equal(x[6], x[7])
    assert np.array_equal(x[8], x[9])
    assert len(np.unique(x, axis=0)) == 8


def test_the_arrows_are_gradients_of_the_summed_loss():
    x, y = examples()
    net = start(0, sees_y=True)
    for _ in range(20):
        train_batch(net, x, y, 0.1, 0.3)
    seen = look_at(net, x, y)

    def loss_above(h, k):
        for j in range(k + 1, 4):
            h = h @ net[j].W + net[j].b
            h = np.tanh(h) if j < 3 else h
        return (np.log(1 + np.exp(h)) - y * h).sum()

    for k in (1, 2):
        slope = complex_step(lambda h, k=k: loss_above(h, k), seen[k].h)
        assert relative_error(seen[k].true, slope) < 1e-12
    h2 = seen[2].h
    told = ((1 - h2**2) * seen[2].guess) @ net[2].W.T
    assert relative_error(seen[1].told, told) < 1e-12
    assert np.array_equal(seen[2].told, seen[2].true)
    s = np.hstack([seen[1].h, y])
    assert relative_error(seen[1].guess, s @ net[1].M + net[1].b_M) < 1e-12


def test_a_history_is_the_run_of_the_lesson():
    x, y = examples()
    net = start(4, sees_y=False)
    run = history(sees_y=False, seed=4, batches=5)
    for batch in range(6):
        assert np.array_equal(run.looks[batch][2].guess, look_at(net, x, y)[2].guess)
        train_batch(net, x, y, RATE, GENERATOR_RATE)
    assert run.last == 5
    assert not run.diverged
    assert run is history(sees_y=False, seed=4, batches=5)


def test_at_first_every_guess_is_zero():
    first = history().looks[0]
    for k in (1, 2):
        assert not first[k].guess.any()
        assert first[k].error(first[k].guess) == 1
        assert first[k].error(first[k].true) == 0


@pytest.mark.parametrize("seed", range(20))
def test_right_from_the_top_down(seed):
    errors = history(seed=seed).errors()
    module_2, told, module_1 = errors.values()
    assert list(errors) == ["guess of module 2", "what module 1 is told", "guess of module 1"]
    assert (module_2[1:] < module_1[1:]).all()
    assert (told[1:] < module_1[1:]).all()
    assert module_2[-1] < 0.2
    assert module_1[-1] < 0.5

    def there(error):
        return int(np.argmax(error < 0.6))

    assert 2 * there(module_2) < 2.2 * there(module_1)


@pytest.mark.parametrize("seed", range(20))
def test_from_equal_h_opposite_gradients_and_their_mean(seed):
    alone, both = (history(sees_y=sees, seed=seed).looks[-1][2] for sees in (False, True))
    g = alone.true[BOTH].reshape(2, 2, 2)
    for zero, one in g:
        cosine = zero @ one / np.linalg.norm(zero) / np.linalg.norm(one)
        assert cosine == pytest.approx(-1)
    guess = alone.guess[BOTH].reshape(2, 2, 2)
    assert np.array_equal(guess[:, 0], guess[:, 1])  # one h, one guess
    lengths = np.linalg.norm(g, axis=2).mean()
    assert np.linalg.norm(alone.guess[BOTH], axis=1).mean() < 0.5 * lengths
    assert both.error(both.guess) < 0.2 < 0.8 < alone.error(alone.guess)


@pytest.mark.parametrize("seed", range(20))
def test_with_a_plus_the_guesses_run_away(seed):
    run = history(sign=+1, seed=seed)
    assert run.diverged
    assert 10 < run.last < 40 < BATCHES
    first = run.looks[1][2]
    assert (first.guess * first.true).sum() < 0
    error = run.errors()["guess of module 2"]
    assert (np.diff(error) > 0).all()
    assert error[-1] > 100


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="sign is 0"):
        history(sign=0)
    with pytest.raises(ValueError, match="batches is 0"):
        history(batches=0)
