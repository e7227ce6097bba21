"""A wrong derivative is caught by the comparison, whatever kind of thing it is planted in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dnilab.lessons.shared.cells as cells
from dnilab import network
from dnilab.lessons.any_graph.network import graph
from dnilab.lessons.any_graph.network.joins import Concatenate
from dnilab.lessons.convolutions.network import layers as of_images
from dnilab.network import modules
from tests.parity import test_layers, test_runs, test_signals, test_through_time


def spoilt(kind: Any, spoil: Callable[[Any], Any]) -> Callable[..., Any]:
    """The forward of a class, whose pullback's answer goes through ``spoil``."""
    call = kind.__call__

    def forward(self: Any, *heard: Any) -> Any:
        value, pullback = call(self, *heard)
        return value, lambda *told, **how: spoil(pullback(*told, **how))

    return forward


def no_mean_term(back: Any) -> Any:
    """What comes down, as if the mean of a batch did not depend on its rows."""
    dx, grads = back
    return (None if dx is None else dx + dx.std()), grads


def a_little_more(back: Any) -> Any:
    """One part in a hundred million: seven digits are right."""
    *down, (grad,) = back
    return *down, [grad * (1 + 1e-8)]


def divides_twice(self: Any, thetas: Any) -> Callable[..., None]:
    def update(grads: Any, batch_size: int) -> None:
        for theta, grad in zip(thetas, grads, strict=True):
            theta -= grad * (self.rate / batch_size**2)

    return update


PLANTED: dict[str, tuple[Any, str, Any, Callable[[], None]]] = {
    "a dense layer's gradient, in the eighth digit": (
        network.Dense,
        "__call__",
        spoilt(network.Dense, a_little_more),
        lambda: test_layers.test_a_layer_at_random_sizes("Dense"),
    ),
    "tanh, with 1 - y": (
        network.Tanh,
        "derivative",
        lambda self, y: 1 - y,
        lambda: test_layers.test_a_layer_at_random_sizes("Tanh"),
    ),
    "batch normalisation, without the mean": (
        network.BatchNorm,
        "__call__",
        spoilt(network.BatchNorm, no_mean_term),
        lambda: test_layers.test_a_layer_at_random_sizes("BatchNorm"),
    ),
    "a convolution that adds no windows up": (
        of_images,
        "add_windows",
        lambda windows, height, width, *how: np.resize(
            windows, (len(windows), height, width, windows.shape[-1])
        ),
        lambda: test_layers.test_a_layer_at_random_sizes("Conv2D"),
    ),
    "a loss whose gradient is a mean": (
        network.SquaredError,
        "gradient",
        lambda self, output, y: (output - y) / output.shape[1],
        lambda: test_layers.test_a_loss(network.SquaredError()),
    ),
    "a generator fitted to twice the error": (
        modules.Generator,
        "__call__",
        spoilt(modules.Generator, lambda back: (*back[:-1], [2 * grad for grad in back[-1]])),
        lambda: test_signals.test_generators(("h",), ()),
    ),
    "a cell that forgets its inputs": (
        cells.Cell,
        "_gradients",
        lambda self, xs, before, da_W, da_U, want: (
            np.zeros_like(xs),
            [np.zeros(self.theta.size)],
        ),
        lambda: test_through_time.test_a_cell_at_random_sizes(cells.GRU),
    ),
    "a join that sends the wrong columns down": (
        Concatenate,
        "__call__",
        spoilt(Concatenate, lambda back: (*back[-2::-1], back[-1])),
        test_layers.test_joins,
    ),
    "messages of several users that do not add up": (
        graph,
        "add_up",
        lambda messages: messages[0],
        test_runs.test_the_gradients_of_a_graph,
    ),
    "an optimiser that divides twice": (
        network.SGD,
        "start",
        divides_twice,
        lambda: test_layers.test_an_optimiser_over_fifty_steps(network.SGD(0.1)),
    ),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_it_is_caught(planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, name, wrong, comparison = PLANTED[planted]
    comparison()  # as it is, they agree
    monkeypatch.setattr(where, name, wrong)
    with pytest.raises(AssertionError, match=r"is off by|has shape"):
        comparison()
