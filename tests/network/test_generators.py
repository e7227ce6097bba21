"""Generators: what they see, that they start at zero, and that fitting them lowers their error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dnilab.network import CONTEXTS, SGD, Generator, joined_context
from dnilab.network.normalisation import normalise
from tests.learned import Learned

H = np.array([[1.0, 2.0], [3.0, 6.0], [5.0, 1.0]])
X = np.array([[7.0], [8.0], [9.0]])
Y = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


@pytest.mark.parametrize(
    ("context", "wanted"),
    [
        (("h",), [H]),
        (("y",), [Y]),
        (("x", "h"), [X, H]),
        (("h", "y"), [H, Y]),
        (("y", "h_norm", "x"), [Y, normalise(H)[0], X]),
    ],
)
def test_the_context_is_joined_in_the_order_asked_for(
    context: tuple[str, ...], wanted: list[np.ndarray]
) -> None:
    np.testing.assert_array_equal(joined_context(context, H, X, Y), np.hstack(wanted))


def test_normalised_h_is_the_batchs_own() -> None:
    seen = joined_context(("h_norm",), H, None, None)
    np.testing.assert_allclose(seen.mean(axis=0), 0, atol=1e-15)
    np.testing.assert_allclose(seen.var(axis=0), 1, rtol=1e-4)


@pytest.mark.parametrize("hidden", [(), (4,), (4, 5)])
@pytest.mark.parametrize("context", [("h",), CONTEXTS])
def test_the_first_guess_is_zero_and_can_still_be_fitted(
    context: tuple[str, ...], hidden: tuple[int, ...]
) -> None:
    M = Generator(2, context, inputs=1, outputs=3, hidden=hidden, rng=np.random.default_rng(0))
    g_hat, pullback = M(H, X, Y)
    assert g_hat.shape == H.shape
    assert not g_hat.any()
    _, grads = pullback(g_hat - np.ones_like(H))
    assert grads[-1].any()


@pytest.mark.parametrize("hidden", [(), (8,)])
def test_fitting_goes_downhill(hidden: tuple[int, ...], seed: int, learned: Learned) -> None:
    # the sign that the published class had wrong: with it, this error grows
    M = Generator(2, ("h", "y"), outputs=3, hidden=hidden, rng=np.random.default_rng(seed))
    target = np.array([[1.0, -1.0], [0.5, 2.0], [-2.0, 0.0]])
    update = SGD(0.01).start(M.thetas)
    errors = []
    for _ in range(400):
        g_hat, pullback = M(H, None, Y)
        errors.append(float(((g_hat - target) ** 2).sum()))
        update(pullback(g_hat - target)[1], len(H))
    if not hidden:  # a parabola; with a hidden layer one seed of 60 swings a little
        assert errors == sorted(errors, reverse=True)
    learned("largest rise in a step", max(np.diff(errors)) / errors[0], below=0.01)
    learned("error left", errors[-1] / errors[0], below=1 / 3)


def test_a_linear_generator_by_hand() -> None:
    M = Generator(1, ("h", "y"), outputs=1)
    M.thetas[0][:] = [2, 3, 10]  # weight of h, weight of y, bias
    g_hat, pullback = M(np.array([[1.0], [2.0]]), None, np.array([[0.0], [1.0]]))
    assert g_hat.tolist() == [[12], [17]]
    error = g_hat - np.array([[11.0], [20.0]])  # 1 and -3
    _, (grad,) = pullback(error)
    assert grad.tolist() == [1 * 1 + 2 * -3, -3, -2]


def test_what_it_does_not_see_it_does_not_need() -> None:
    M = Generator(2, ("h",), rng=np.random.default_rng(0), hidden=(3,))
    M(H)
    with pytest.raises(ValueError, match=r"^y is None, but the generator's context .* asks for it"):
        Generator(2, ("h", "y"), outputs=3)(H)
    with pytest.raises(ValueError, match=r"^x is None"):
        Generator(2, ("x",), inputs=1)(H, None, Y)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"context": ()}, r"context is \(\); it accepts one or more of h, y, x, h_norm, each once"),
        ({"context": ("h", "h")}, "context is"),
        ({"context": ("h", "z")}, "context is"),
        ({"context": "hy"}, "context is 'hy'"),
        ({"context": None}, "context is None"),
        ({"context": 3}, "context is 3"),
        ({"context": (3,)}, r"context is \(3,\)"),
        ({"context": ("h", "y")}, "outputs is 0; it accepts a whole number of at least 1"),
        ({"context": ("x",)}, "inputs is 0"),
        ({"width": 0}, "width is 0"),
        ({"hidden": (0,)}, "hidden is 0"),
        ({"hidden": (3,)}, "rng is None"),
    ],
)
def test_what_is_wrong_is_named(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=f"^{says}"):
        Generator(**{"width": 2, "context": ("h",), **arguments})


def test_a_word_is_a_context_of_one_part() -> None:
    assert Generator(2, "h").context == ("h",)
