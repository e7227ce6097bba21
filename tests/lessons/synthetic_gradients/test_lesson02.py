"""The checkers of lesson 02: planted mistakes, and what is said to each."""

from __future__ import annotations

import numpy as np
import pytest

from dnilab.lessons.synthetic_gradients.lesson02 import BATCH, check_scale, check_softplus
from dnilab.network import complex_step, relative_error


def sigmoid(x):
    return 0.5 * (1 + np.tanh(0.5 * x))


def softplus_with(slope=sigmoid, grad=None, y=lambda x: np.logaddexp(0, x)):
    """A softplus of which one part may be wrong."""

    def softplus(x):
        return y(x), lambda dy: (dy * slope(x), grad)

    return softplus


def for_large(answer):
    """A softplus that is right for moderate x only."""
    return softplus_with(y=lambda x: np.logaddexp(0, x) if abs(x).max() < 100 else answer)


class TestSoftplus:
    def test_right(self):
        verdict = check_softplus(softplus_with())
        assert verdict
        assert "two batches in flight" in verdict.message

    def test_its_truth_is_the_derivative(self):
        x = np.random.default_rng(0).normal(size=(2, 3))
        measured = complex_step(lambda z: np.log1p(np.exp(z)).sum(), x)
        assert relative_error(measured, sigmoid(x)) < 1e-12

    @pytest.mark.parametrize(
        ("layer", "said"),
        [
            (lambda x: None, "softplus(x) returns None"),
            (lambda x: np.logaddexp(0, x), "should return the pair y, pullback"),
            (lambda x: (np.logaddexp(0, x), lambda dy: None), "pullback(dy) returns None"),
            (lambda x: (np.logaddexp(0, x), lambda dy: dy * sigmoid(x)), "the pair dx, grads"),
            (lambda x: (np.logaddexp(0, x), 3), "pullback is int"),
            (softplus_with(y=lambda x: -np.logaddexp(0, x)), "y has the wrong sign"),
            (
                softplus_with(y=lambda x: np.log1p(np.exp(np.clip(x, -500, 500)))),
                "y for x = -1000, 0, 1000 has the right shape, but differs",
            ),
            (softplus_with(y=np.exp), "y has the right shape, but differs"),
            (softplus_with(y=lambda x: np.logaddexp(0, x).T), "Transpose it?"),
            (softplus_with(slope=lambda x: -sigmoid(x)), "dx has the wrong sign"),
            (softplus_with(slope=lambda x: sigmoid(x) / len(x)), f"by a factor {BATCH}"),
            (softplus_with(slope=lambda x: sigmoid(x).sum(axis=0)), "dx has the right shape"),
            (softplus_with(slope=lambda x: sigmoid(np.logaddexp(0, x))), "from y instead of x"),
            (softplus_with(slope=np.ones_like), "the slope is missing"),
            (softplus_with(slope=lambda x: x > 0), "the slope is that of the ReLU"),
            (softplus_with(slope=lambda x: 1 - np.tanh(x) ** 2), "the slope is that of tanh"),
            (
                lambda x: (np.logaddexp(0, x), lambda dy: (sigmoid(x), None)),
                "dy is missing",
            ),
            (
                softplus_with(slope=lambda x: sigmoid(x) * (1 - sigmoid(x))),
                "slope is that of the sigmoid itself",
            ),
            (softplus_with(grad=np.zeros(0)), "grads should be empty"),
            (softplus_with(grad=[np.zeros(3)]), "grads should be empty"),
            (lambda x: 1 / 0, "stopped with ZeroDivisionError"),
            (softplus_with(y=lambda x: np.log(1 + np.exp(x))), "x = 1000"),
            (softplus_with(slope=lambda x: np.exp(x) / (1 + np.exp(x))), "x = 1000"),
            (for_large(None), "y for x = -1000, 0, 1000 is None"),
            (for_large("large"), "y for x = -1000, 0, 1000 is str"),
            (for_large([[1.0], [1.0, 2.0]]), "y for x = -1000, 0, 1000 is list"),
        ],
    )
    def test_wrong(self, layer, said):
        verdict = check_softplus(layer)
        assert not verdict
        assert said in verdict.message

    def test_remembers_its_last_input(self):
        class Caching:
            def __call__(self, x):
                self.x = x
                return np.logaddexp(0, x), lambda dy: (dy * sigmoid(self.x), None)

        said = check_softplus(Caching())
        assert not said
        assert "second batch" in said.message

    def test_writes_into_dy(self):
        def pullback_of(x):
            def pullback(dy):
                dy *= sigmoid(x)
                return dy, None

            return pullback

        said = check_softplus(lambda x: (np.logaddexp(0, x), pullback_of(x)))
        assert "in place" in said.message


def scale_with(dx=lambda x, dy, theta: dy * theta, grad=lambda x, dy, theta: (dy * x).sum(axis=0)):
    class Scale:
        def __init__(self, theta):
            self.theta = theta

        def __call__(self, x):
            return x * self.theta, lambda dy: (dx(x, dy, self.theta), grad(x, dy, self.theta))

    return Scale


class TestScale:
    def test_right(self):
        assert check_scale(scale_with())

    @pytest.mark.parametrize(
        ("layer", "said"),
        [
            (lambda theta: None, "self.theta = theta"),
            (scale_with(dx=lambda x, dy, theta: dy), "theta is missing"),
            (scale_with(dx=lambda x, dy, theta: -dy * theta), "dx has the wrong sign"),
            (scale_with(grad=lambda x, dy, theta: None), "grad is None"),
            (
                scale_with(grad=lambda x, dy, theta: dy * x),
                "grad has shape (6, 4); it should be (4,)",
            ),
            (scale_with(grad=lambda x, dy, theta: dy * x), "sum over the batch: .sum(axis=0)"),
            (scale_with(dx=lambda x, dy, theta: dy.sum(axis=0)), "Or has dx been summed"),
            (scale_with(grad=lambda x, dy, theta: -(dy * x).sum(axis=0)), "grad has the wrong"),
            (
                scale_with(grad=lambda x, dy, theta: (dy * x).mean(axis=0)),
                "too small by a factor 6",
            ),
            (scale_with(grad=lambda x, dy, theta: dy.sum(axis=0)), "x is missing"),
            (scale_with(grad=lambda x, dy, theta: x.sum(axis=0)), "dy is missing"),
        ],
    )
    def test_wrong(self, layer, said):
        verdict = check_scale(layer)
        assert not verdict
        assert said in verdict.message

    def test_remembers_its_last_input(self):
        class Caching:
            def __init__(self, theta):
                self.theta = theta

            def __call__(self, x):
                self.x = x
                return x * self.theta, self.pullback

            def pullback(self, dy):
                return dy * self.theta, (dy * self.x).sum(axis=0)

        said = check_scale(Caching)
        assert not said
        assert "second batch" in said.message

    def test_an_untouched_stub(self):
        class Scale:
            def __init__(self, theta):
                self.theta = theta

            def __call__(self, x):
                return None

        assert "returns None" in check_scale(Scale).message


def test_the_list_of_the_contract_is_right_too():
    assert check_softplus(softplus_with(grad=[])).passed
    in_a_list = scale_with(grad=lambda x, dy, theta: [(dy * x).sum(axis=0)])
    assert check_scale(in_a_list).passed


def test_a_list_of_two_is_a_pair_too():
    def softplus(x):
        return [np.logaddexp(0, x), lambda dy: [dy * sigmoid(x), []]]

    assert check_softplus(softplus).passed


@pytest.mark.parametrize("listed", [lambda grad: grad, lambda grad: [grad]])
def test_dx_and_grads_are_swapped(listed):
    class Scale:
        def __init__(self, theta):
            self.theta = theta

        def __call__(self, x):
            return x * self.theta, lambda dy: (listed((dy * x).sum(axis=0)), dy * self.theta)

    said = check_scale(Scale)
    assert not said
    assert "Are dx and grads swapped?" in said.message
