"""What each module is told, measured in passing: the right numbers, and the run does not notice."""

import numpy as np
import pytest

from dnilab.experiments import Settings, run
from dnilab.experiments.settings import ORDERINGS
from dnilab.lessons.playground.experiments.comparison import Lineup
from dnilab.lessons.playground.experiments.growing_lines import live, report_every, rows_for
from dnilab.lessons.playground.experiments.told import ROWS, look_at
from dnilab.training.train import alignment, cosine

TINY = Settings(
    bits=6, examples=200, test_examples=50, hidden=(8, 6, 5), epochs=2, batch_size=20,
    dtype="float32",
)  # fmt: skip


def told_at_the_end(settings):
    """What the first seed was told at its last report, its line, and the same network."""
    *_, end = live(Lineup(settings, 1))
    line = end.lines[end.main]
    whole = run(settings, report_every(settings, rows_for(settings, None)))
    return line.told, line, whole


@pytest.mark.parametrize("ordering", ORDERINGS)
def test_a_run_that_is_looked_at_keeps_its_bits(ordering):
    settings = TINY.but(ordering=ordering)
    if ordering == "blue box":  # which races
        settings = settings.but(executor="one thread")
    told, line, whole = told_at_the_end(settings)
    np.testing.assert_array_equal(line.values["loss"][0], whole.curve("loss"))
    np.testing.assert_array_equal(line.values["test loss"][0], whole.curve("test_loss"))
    assert told.units == (12, 8, 6, 5, 6)
    assert told.modules == 4
    again = look_at(whole.stack, *rows(settings))
    assert (again.used, again.message) == (told.used, told.message)


def rows(settings):
    data = rows_for(settings, None)
    return data.x_train[:ROWS], data.y_train[:ROWS]


@pytest.mark.parametrize("ordering", ["sequential", "pipeline"])
def test_of_a_generator_the_guess_and_what_it_is_told(ordering):
    told, line, whole = told_at_the_end(TINY.but(ordering=ordering))
    guesses, _ = alignment(whole.stack, *rows(TINY))
    assert told.used == guesses
    assert told.used == tuple(line.cosine[0, -1])
    probes = whole.stack.probe(*rows(TINY))
    assert told.message == tuple(cosine(at.told, at.true) for at in probes)
    assert told.message[-1] == pytest.approx(1.0)  # directly below the loss it is the truth


def test_of_feedback_the_error_through_the_matrix():
    told, _, whole = told_at_the_end(TINY.but(ordering="direct feedback"))
    stack, (x, y) = whole.stack, rows(TINY)
    true, _ = stack.gradients(x, y)
    error = stack.loss.gradient(stack.forward(x)[0][-1], y)
    for k, module in enumerate(stack.modules[:-1]):
        assert told.used[k] == cosine(error @ module.signal.B, true[k])
    assert told.message == (None,) * 3


def test_of_a_loss_of_its_own_its_gradient_and_no_message():
    told, _, _ = told_at_the_end(TINY.but(ordering="local loss"))
    assert all(-1 <= used <= 1 for used in told.used)
    assert told.message == (None,) * 3


@pytest.mark.parametrize("ordering", ["backprop", "feedback alignment", "last layer only"])
def test_where_there_is_no_guess_nothing_is_measured(ordering):
    told, _, _ = told_at_the_end(TINY.but(ordering=ordering))
    assert told.used == told.message == (None,) * 3


def test_what_is_not_finite_is_not_measured():
    settings = TINY.but(optimiser="sgd", activation="relu", context=("h",))
    stack = settings.stack(rows_for(settings, None))
    stack.modules[0].signal.thetas[0][:] = np.inf
    told = look_at(stack, *rows(settings))
    assert told.used[0] is None
    assert told.used[1] is not None
