"""How much of the true gradient can be told from a context at all, by the best linear guess.

A generator can be no better than what its context tells.  For a linear generator the best guess
is a least-squares fit, so it can be had at once, without training a generator: that separates
"the generator has not learned it yet" from "there is nothing to learn".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dnilab.checks import matrix, real_number, whole_number
from dnilab.experiments.settings import Settings
from dnilab.network import joined_context
from dnilab.training import Report

RIDGE = 0.1  # a fit to a few hundred rows without a penalty explains chance, and fails on new rows


def best_linear_guess(
    context: np.ndarray, g: np.ndarray, new: np.ndarray, ridge: float = RIDGE
) -> np.ndarray:
    """Fit g by a linear function of the context and a constant; the guess for the rows of new.

    Shapes: context (rows, n), g (rows, width), new (new rows, n); returns (new rows, width).
    ``ridge``: the penalty on squared weights, in units of the mean variance of the columns; the
    constant is not penalised.  Raises ValueError for one below 0.
    """
    ridge = real_number("ridge", ridge, 0)  # a plain float: small integers of NumPy's overflow
    mean = context.mean(axis=0)
    s = context - mean
    # Columns are not scaled to equal variance: one that is almost always 0 (a ReLU unit that
    # hardly ever fires) would be blown up, and ruin the guess for the few rows where it is not.
    penalty = ridge * len(s) * float(s.var(axis=0).mean()) * np.eye(s.shape[1])
    weights = np.linalg.lstsq(s.T @ s + penalty, s.T @ (g - g.mean(axis=0)), rcond=None)[0]
    guess: np.ndarray = (new - mean) @ weights + g.mean(axis=0)
    return guess


def explained_share(context: np.ndarray, g: np.ndarray) -> float:
    """The share of g that the best linear guess from the context explains, on unseen rows.

    1 - |g - guess|^2 / |g|^2: 1 if all can be told, 0 if a guess of 0 is as good, below 0 if the
    fit does harm on new rows.  The even rows are guessed by a fit to the odd ones, and the other
    way round.  It is 0 where g is 0.

    Shapes: context (rows, n), g (rows, width), with 4 rows or more.
    """
    context = matrix("context", context)
    g = matrix("g", g, rows=len(context))
    if len(context) < 4:
        raise ValueError(f"context has {len(context)} rows; it accepts 4 or more")
    size = float(np.sum(g**2))
    if size == 0:
        return 0.0
    left = 0.0
    even, odd = slice(0, None, 2), slice(1, None, 2)
    for fitted, judged in ((even, odd), (odd, even)):
        guess = best_linear_guess(context[fitted], g[fitted], context[judged])
        left += float(np.sum((g[judged] - guess) ** 2))
    return 1 - left / size


@dataclass(frozen=True)
class Story:
    """What could have been told while a network was trained; one number for each report.

    ``epoch`` (reports,).  ``size``: root mean square of g at module ``module`` (reports,), and
    ``size_at_output`` that of g at the top module, where no weights scale it.  ``share``: for each
    context the explained share (reports,).
    """

    module: int
    epoch: np.ndarray
    size: np.ndarray
    size_at_output: np.ndarray
    share: dict[tuple[str, ...], np.ndarray]


def explained_while_training(
    settings: Settings,
    contexts: Sequence[Sequence[str]],
    *,
    module: int,
    rows: int = 1000,
    report_every: int | None = None,
) -> Story:
    """Train by ``settings``; at each report, regress the true gradient at ``module`` on contexts.

    ``module`` counts from 1 and is not the top one.  ``rows``: how many training rows are used.
    The contexts need not be the one that the network is trained with.

    Raises ValueError, naming the argument, if something is out of range.
    """
    data = settings.data()
    # on one thread, where nothing moves while the network is looked at
    stack, events = settings.but(executor="one thread").start(report_every, data)
    whole_number("module", module, 1, len(stack) - 1)
    whole_number("rows", rows, 4, len(data.x_train))
    x, y = data.x_train[:rows], data.y_train[:rows]
    kinds = [tuple(context) for context in contexts]
    epochs, sizes, shares = [], [], []
    for event in events:
        if not isinstance(event, Report):
            break  # diverged: the story ends with the last report
        h = stack.forward(x)[0][module - 1]
        at_outputs, _ = stack.gradients(x, y)
        g = at_outputs[module - 1]
        epochs.append(event.epoch)
        sizes.append([float(np.sqrt(np.mean(at**2))) for at in (g, at_outputs[-1])])
        shares.append([explained_share(joined_context(kind, h, x, y), g) for kind in kinds])
    share = dict(zip(kinds, np.array(shares).T, strict=True))
    size, size_at_output = np.array(sizes).T
    return Story(module, np.array(epochs), size, size_at_output, share)
