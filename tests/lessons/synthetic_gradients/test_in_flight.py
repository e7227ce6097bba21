"""What a pullback keeps while its batch is in flight: the input of its own call, and not W."""

from __future__ import annotations

import numpy as np
import pytest

from dnilab.network import SGD, Chain, Dense, Tanh


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def gradient_of(grad, layer):
    return grad[: layer.W.size].reshape(layer.W.shape)


@pytest.mark.parametrize("update", [False, True])
def test_an_update_in_between_changes_dx_alone(rng, update):
    layer = Dense(4, 3, rng)
    first, second = rng.normal(size=(2, 5, 4))
    dy = rng.normal(size=(5, 3))
    _, pullback_1 = layer(first)
    _, pullback_2 = layer(second)
    then = layer.W.copy()
    _, grads = pullback_2(dy)
    if update:
        SGD(0.5).start(layer.thetas)(grads, len(dy))
    dx, (grad,) = pullback_1(dy)
    assert np.array_equal(gradient_of(grad, layer), first.T @ dy)
    assert np.array_equal(dx, dy @ layer.W.T)
    assert np.allclose(dx, dy @ then.T) == (not update)


def test_in_a_chain_the_slopes_are_those_of_the_forward_pass(rng):
    below, above = Dense(4, 3, rng), Dense(3, 2, rng)
    x, dy = rng.normal(size=(5, 4)), rng.normal(size=(5, 2))
    h = np.tanh(below.predict(x))
    _, pullback = Chain([below, Tanh(), above])(x)
    for layer in (below, above):
        layer.theta *= 1.5  # as an update does it: in place
    _, (first, second) = pullback(dy)
    np.testing.assert_allclose(gradient_of(second, above), h.T @ dy)
    da = (dy @ above.W.T) * (1 - h * h)  # the h of then, the W of now
    np.testing.assert_allclose(gradient_of(first, below), x.T @ da)
