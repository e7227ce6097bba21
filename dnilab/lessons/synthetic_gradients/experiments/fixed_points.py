"""Training that begins where the top layer has nothing left to learn.

A stack of which the top is one linear layer under the squared error: its best weights are a
regression, so they can be set to the last digits, while the modules below keep their random start.
That is where *last layer only* ends.  Who leaves that place, and who does not?
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dnilab.experiments import Settings
from dnilab.network import Dense, Stack
from dnilab.training import Report, train


def regression(s: np.ndarray, g: np.ndarray) -> np.ndarray:
    """The weights of least squares of g on the columns of s and a constant, its row the last.

    Shapes: s (rows, n_s), g (rows, n) -> (n_s + 1, n).
    """
    with_one = np.hstack([s, np.ones((len(s), 1))])
    weights: np.ndarray = np.linalg.lstsq(with_one, g, rcond=None)[0]
    return weights


def solve_top(stack: Stack, x: np.ndarray, y: np.ndarray) -> None:
    """Set the top layer of ``stack`` to its optimum for these rows, given all that is below.

    Raises ValueError unless the top is one dense layer, and the loss half the squared error.
    """
    layers = getattr(stack.modules[-1].body, "layers", [])
    if len(layers) != 1 or not isinstance(layers[0], Dense) or stack.loss.name != "squared error":
        raise ValueError("stack's top is no dense layer under the squared error, which it accepts")
    h = stack.forward(x)[0][-2] if len(stack) > 1 else x
    best = regression(h, y)
    layers[0].W[:], layers[0].b[:] = best[:-1], best[-1]


@dataclass(frozen=True)
class Descent:
    """The loss of one run, (reports,), summed over the outputs, mean over the rows."""

    steps: np.ndarray
    loss: np.ndarray
    stack: Stack


def descents(
    settings: Mapping[str, Settings], *, steps: int, report_every: int
) -> dict[str, Descent]:
    """Train by each of these settings, from where ``solve_top`` leads; each batch is all rows.

    Raises ValueError unless a batch has as many rows as there are.
    """
    done = {}
    for name, one in settings.items():
        data = one.data()
        if one.batch_size != len(data.x_train):
            raise ValueError(
                f"settings[{name!r}] has batch_size {one.batch_size}; "
                f"it accepts {len(data.x_train)}, all rows"
            )
        stack = one.stack(data)
        solve_top(stack, data.x_train, data.y_train)
        optimiser, generator_optimiser = one.optimisers()
        events = train(
            stack, data, one.program(data), optimiser=optimiser,
            generator_optimiser=generator_optimiser, batch_size=one.batch_size, epochs=steps,
            seed=one.seed, report_every=report_every,
        )  # fmt: skip
        reports = [event for event in events if isinstance(event, Report)]
        at = np.array([report.batch for report in reports])
        done[name] = Descent(at, np.array([report.loss for report in reports]), stack)
    return done
