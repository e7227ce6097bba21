"""The best linear guess, and what share of the gradient it explains."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from dnilab.experiments.settings import Settings
from dnilab.lessons.synthetic_gradients.experiments.explained import (
    best_linear_guess,
    explained_share,
    explained_while_training,
)

SMALL = Settings(bits=4, examples=60, test_examples=4, hidden=(8, 6), epochs=2, batch_size=10)


def test_without_a_penalty_it_is_least_squares():
    rng = np.random.default_rng(0)
    s, g, new = rng.normal(size=(50, 3)) + 2, rng.normal(size=(50, 2)) + 1, rng.normal(size=(9, 3))
    with_one = np.hstack([s, np.ones((50, 1))])
    weights = np.linalg.lstsq(with_one, g, rcond=None)[0]
    expected = np.hstack([new, np.ones((9, 1))]) @ weights
    assert np.allclose(best_linear_guess(s, g, new, ridge=0), expected)


def test_the_penalty_is_that_of_ridge_regression():
    rng = np.random.default_rng(1)
    s, g = rng.normal(size=(50, 3)) * [1, 2, 3], rng.normal(size=(50, 2)) + 1
    alpha = 0.3 * 50 * s.var(axis=0).mean()
    expected = Ridge(alpha=alpha).fit(s, g).predict(s)
    assert np.allclose(best_linear_guess(s, g, s, ridge=0.3), expected)


def test_a_penalty_of_numpy_is_the_same_number():
    rng = np.random.default_rng(0)
    context, g = rng.standard_normal((200, 3)), rng.standard_normal((200, 2))
    assert np.array_equal(
        best_linear_guess(context, g, context, ridge=np.int8(5)),
        best_linear_guess(context, g, context, ridge=5),
    )
    with pytest.raises(ValueError, match=r"^ridge is -1; it accepts"):
        best_linear_guess(context, g, context, ridge=-1)


def test_a_constant_context_gives_the_mean():
    g = np.arange(12.0).reshape(6, 2)
    guess = best_linear_guess(np.ones((6, 1)), g, np.ones((2, 1)))
    assert np.allclose(guess, g.mean(axis=0))


def test_share(seed, learned):
    rng = np.random.default_rng(seed)
    s = rng.normal(size=(400, 5))
    g = s @ rng.normal(size=(5, 3))
    noise = rng.normal(size=g.shape) * np.sqrt((g**2).mean())
    learned("of what is linear", explained_share(s, g), above=0.98)
    half = explained_share(s, g + noise)  # half of it is signal
    learned("of signal and noise", half, above=0.4)
    learned("of signal and noise, at most", half, below=0.6)
    learned("of noise", abs(explained_share(s, noise)), below=0.1)
    assert explained_share(s, np.zeros_like(g)) == 0


def test_it_is_judged_on_rows_that_the_fit_has_not_seen(seed, learned):
    """A fit with as many columns as rows explains any noise on its own rows."""
    rng = np.random.default_rng(seed)
    share = explained_share(rng.normal(size=(20, 10)), rng.normal(size=(20, 2)))
    learned("of noise", share, below=0.3)


def test_labels_tell_the_gradient_at_once_and_h_does_not(seed, learned):
    settings = SMALL.but(bits=8, examples=600, epochs=1, seed=seed)
    story = explained_while_training(settings, [("h",), ("h", "y")], module=2, rows=600)
    learned("share from h and y", story.share["h", "y"][0], above=0.9)
    learned("share from h", story.share["h",][0], below=0.4)
    assert story.module == 2
    assert story.epoch.tolist() == [0, 1]


def test_story_is_that_of_the_run_itself():
    """The regressions look on; they change nothing."""
    story = explained_while_training(SMALL, [("h",), ("x", "y")], module=1, rows=60)
    assert story.size.shape == story.epoch.shape == (3,)
    assert {k: v.shape for k, v in story.share.items()} == {("h",): (3,), ("x", "y"): (3,)}
    data = SMALL.data()
    g = SMALL.stack(data).gradients(data.x_train, data.y_train)[0]
    assert story.size[0] == pytest.approx(np.sqrt((g[0] ** 2).mean()))
    assert story.size_at_output[0] == pytest.approx(np.sqrt((g[-1] ** 2).mean()))


def test_a_run_that_diverges_ends_the_story():
    wild = SMALL.but(optimiser="sgd", rate=1e4, generator_rate=1e4)
    story = explained_while_training(wild, [("h",)], module=1, rows=60)
    assert story.epoch.tolist() == [0]


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda s, g: explained_share(s, g[:3]), r"g has shape \(3, 2\)"),
        (lambda s, g: explained_share(s[:3], g[:3]), "context has 3 rows"),
        (lambda s, g: explained_share(s * np.nan, g), "context has nan"),
        (lambda s, g: explained_while_training(SMALL, [("h",)], module=3), "module is 3"),
        (lambda s, g: explained_while_training(SMALL, [("h",)], module=1), "rows is 1000"),
    ],
)
def test_bad_arguments(call, named):
    s, g = np.arange(24.0).reshape(8, 3), np.ones((8, 2))
    with pytest.raises(ValueError, match=named):
        call(s, g)
