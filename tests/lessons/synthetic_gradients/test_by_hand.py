"""The network by hand: it is the package's, each of its mistakes is one, and what they cost."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from dnilab.data import batches
from dnilab.experiments import Settings
from dnilab.lessons.synthetic_gradients.experiments.mistakes import (
    curves_of,
    generator_limits,
    live,
    start_of,
)
from dnilab.lessons.synthetic_gradients.lesson03 import small_network
from dnilab.lessons.synthetic_gradients.training.by_hand import (
    MISTAKES,
    bits_right,
    by_hand,
    largest,
    learn,
    limits,
    of_stack,
    outputs,
    train_batch,
)
from dnilab.network import relative_error
from dnilab.training.one_thread import one_blas_thread

SMALL = Settings(
    optimiser="sgd", rate=0.1, generator_rate=0.05, batch_size=10,
    examples=200, test_examples=50, hidden=(12, 9), bits=6, epochs=1,
)  # fmt: skip
LESSON = SMALL.but(examples=5000, test_examples=1000, hidden=(128, 64), bits=12, epochs=6)


def arrays(net):
    return {f"{name}{k}": array for k, one in net.items() for name, array in one.arrays.items()}


def test_it_is_the_package_to_the_last_bit():
    data = SMALL.data()
    stack, events = SMALL.start(data=data)
    net = by_hand(SMALL.stack(data))
    start = {name: array.copy() for name, array in arrays(net).items()}
    list(events)
    with one_blas_thread():
        for rows in batches(np.random.default_rng(SMALL.seed), len(data.x_train), 10):
            train_batch(net, data.x_train[rows], data.y_train[rows], 0.1, 0.05)
    theirs = arrays(of_stack(stack))
    assert theirs.keys() == arrays(net).keys()
    for name, mine in arrays(net).items():
        assert np.array_equal(mine, theirs[name]), name
        assert not np.array_equal(mine, start[name]), name
    assert np.array_equal(outputs(net, data.x_test), stack.outputs(data.x_test))
    right = (stack.predict(data.x_test) > 0.5) == (data.y_test > 0.5)
    assert bits_right(net, data) == right.mean()


def after(mistake):
    net, x, y = small_network()
    train_batch(net, x, y, 0.3, 0.2, mistake)
    return arrays(net)


WEIGHTS = {f"{name}{k}" for k in (1, 2, 3) for name in ("W", "b")}
GENERATORS = {f"{name}{k}" for k in (1, 2) for name in ("M", "b_M")}


@pytest.mark.parametrize(
    ("mistake", "changed"),
    [
        ("plus", GENERATORS),
        ("target / B", GENERATORS),
        ("no division of fits", GENERATORS),
        ("new weights", GENERATORS),
        ("not fitted", GENERATORS),
        ("true gradient", {"M1", "b_M1"}),
        ("guess passed on", {"M1", "b_M1"}),
        ("M1 not fitted", {"M1", "b_M1"}),
        ("new W2", {"M1", "b_M1"}),
        ("M2 not fitted", {"M2", "b_M2"}),
        ("new W3", {"M2", "b_M2"}),
        ("uphill", WEIGHTS),
        ("no division", WEIGHTS),
        ("update by the message", WEIGHTS - {"W3", "b3"}),
        ("no slope", WEIGHTS - {"W3", "b3"}),
        ("top slope", {"W3", "b3", "M2", "b_M2"}),
        ("one rate", GENERATORS),
        ("rates swapped", WEIGHTS | GENERATORS),
        ("h twice", (WEIGHTS | GENERATORS) - {"W1", "b1"}),
        ("y first", (WEIGHTS | GENERATORS) - {"W3", "b3"}),
        # with generators that are random, not the small ones that it would have led to
        ("loss / B", (WEIGHTS - {"W3", "b3"}) | {"M2", "b_M2"}),
    ],
)
def test_a_mistake_changes_what_it_should_and_no_more(mistake, changed):
    right, wrong = after(""), after(mistake)
    apart = {name for name in right if not np.allclose(right[name], wrong[name], rtol=1e-9)}
    assert apart == changed


def test_every_mistake_is_tried():
    (marked,) = test_a_mistake_changes_what_it_should_and_no_more.pytestmark
    assert {mistake for mistake, _ in marked.args[1]} == set(MISTAKES)
    with pytest.raises(ValueError, match="mistake is 'typo'"):
        after("typo")


def test_the_truth_in_place_of_the_message_is_that_of_backpropagation():
    data = SMALL.data()
    stack, _ = SMALL.start(data=data)
    net = by_hand(stack)
    rng = np.random.default_rng(0)
    for one in (net[1], net[2]):
        one.M += rng.normal(size=one.M.shape)
    x, y = data.x_train[:10], data.y_train[:10]
    true, _ = stack.gradients(x, y)
    h = np.tanh(x @ net[1].W + net[1].b)
    s = np.hstack([h, y])
    error = s @ net[1].M + net[1].b_M - true[0]
    M = net[1].M - 0.05 / 10 * s.T @ error
    train_batch(net, x, y, 0.1, 0.05, "true gradient")
    assert relative_error(net[1].M, M) < 1e-12


def test_divided_once_at_the_top_nothing_changes():
    data = SMALL.data()
    summed, divided = (by_hand(SMALL.stack(data)) for _ in range(2))
    for rows in batches(np.random.default_rng(0), len(data.x_train), 10):
        pair = data.x_train[rows], data.y_train[rows]
        train_batch(summed, *pair, 0.1, 0.05)
        train_batch(divided, *pair, 0.1, 0.05, "loss / B")
    for k in (1, 2, 3):
        assert relative_error(divided[k].W, summed[k].W) < 1e-11
        assert relative_error(divided[k].b, summed[k].b) < 1e-9
    for k in (1, 2):
        assert relative_error(10 * divided[k].M, summed[k].M) < 1e-9


def test_a_generator_that_sees_no_label():
    net = start_of(SMALL, sees_y=False)
    assert net[1].M.shape == (12, 12)
    data = SMALL.data()
    train_batch(net, data.x_train[:10], data.y_train[:10], 0.1, 0.05)
    assert net[2].M.any()


def test_starts():
    zeros, random, larger = (start_of(SMALL, **how) for how in ({}, {"random": 0.3}, {"larger": 2}))
    assert not zeros[1].M.any()
    assert 0.2 < random[1].M.std() < 0.4
    assert np.array_equal(larger[1].W, 2 * zeros[1].W)
    assert np.array_equal(larger[3].W, zeros[3].W)
    assert np.array_equal(random[1].W, zeros[1].W)


def test_reports_come_at_the_batches_they_name():
    net, data = start_of(SMALL), SMALL.data()
    found = list(learn(net, data, rate=0.1, generator_rate=0.05, epochs=2, seed=0, report_every=8))
    assert [epoch for epoch, _ in found] == [0, 0.4, 0.8, 1.2, 1.6, 2.0]
    assert found[-1][1] == bits_right(net, data)
    assert found == list(
        learn(
            start_of(SMALL), data, rate=0.1, generator_rate=0.05, epochs=2, seed=0, report_every=8
        )
    )


def test_a_run_that_diverges_ends_with_nan():
    *_, (epoch, share) = live(LESSON.but(examples=1500), mistake="plus")
    assert np.isnan(share)
    assert epoch < 2
    epochs, shares = curves_of(LESSON.but(examples=1500), seeds=(0, 1), mistake="plus")
    assert shares.shape == (2, len(epochs))
    assert np.isnan(shares[:, -1]).any()


def test_the_limit_of_a_rate_is_where_a_step_begins_to_overshoot():
    net, x, y = small_network()
    (first, second) = limits(net, x, y)
    assert first != second
    h = np.tanh(x @ net[1].W + net[1].b)
    s = np.hstack([h, y, np.ones((len(y), 1))])
    _, _, ways = np.linalg.svd(s)
    e = s @ ways[0]  # the part of an error that a step changes most
    for share, shrinks in ((0.99, True), (1.01, False)):
        stepped = e - share * first / len(y) * s @ (s.T @ e)
        assert (np.linalg.norm(stepped) < np.linalg.norm(e)) == shrinks


def test_limits_of_the_lesson():
    found = generator_limits(LESSON)
    assert found.shape == (50, 2)
    assert (found > 0).all()
    assert largest(copy.deepcopy(start_of(LESSON))) == 0


def final(settings, **how):
    return curves_of(settings, seeds=(settings.seed,), **how)[1][0, -1]


def test_what_each_start_costs(seed, learned):
    at = LESSON.but(seed=seed)
    zeros = final(at)
    learned("zeros", zeros, above=0.8)
    learned("a small random start beside zeros", final(at, random=0.3) - zeros, above=-0.02)
    learned("zeros and larger weights beside zeros", final(at, larger=1.5) - zeros, above=-0.02)
    learned("a large random start", final(at, random=1.0), below=0.95)
    learned("target / B", final(at, mistake="target / B"), below=0.9)


def test_between_which_rates_it_breaks(seed, learned):
    at = LESSON.but(seed=seed)
    learned("at a rate of 0.1", final(at.but(generator_rate=0.1)), above=0.75)
    assert np.isnan(final(at.but(generator_rate=0.3)))
    learned("the smallest limit", generator_limits(at).min(), below=0.15)
    learned("the mean limit of generator 1", generator_limits(at)[:, 0].mean(), above=0.11)
