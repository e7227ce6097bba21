"""What the best known tutorial code does, written anew so that it can be measured.

Trask's "Deep Learning without Backpropagation" (2017) trains a 24-128-64-12 network of sigmoids
on binary addition with a class whose every layer, the top one too, has a linear generator.  Two
of its signs point uphill.  This module runs that computation with each sign as it was printed or
turned, and, beside what it prints as its error, measures what was learned.

The course's own network is in ``dnilab.network``; nothing here is a model to follow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from dnilab.checks import one_of, real_number, whole_number
from dnilab.data import Dataset, batches
from dnilab.network.layers import sigmoid


@dataclass(frozen=True)
class Variant:
    """Which way the two updates go: +1 adds the product (as printed), -1 subtracts it.

    ``weights``: W += sign * alpha * x^T (g_hat * s'(h)).
    ``generator``: S += sign * alpha * h^T (g_hat - g).

    ``top_truth``: the top layer uses the true gradient, and has no generator.
    ``from_zero``: the generators start at zero.
    ``sees_labels``: a generator sees h, y and a constant 1, not h alone.
    ``message_first``: a message is made with the weights that made h, not with those of after the
    update.
    """

    name: str
    weights: int = +1
    generator: int = +1
    top_truth: bool = False
    from_zero: bool = False
    sees_labels: bool = False
    message_first: bool = False

    def __post_init__(self) -> None:
        one_of("weights", self.weights, (-1, +1))
        one_of("generator", self.generator, (-1, +1))


AS_PRINTED = Variant("as printed")
WEIGHTS_TURNED = Variant("weights' sign turned", weights=-1)
GENERATOR_TURNED = Variant("generator's sign turned", generator=-1)
BOTH_TURNED = Variant("both signs turned", weights=-1, generator=-1)
CORRECTED = Variant(
    "all corrected", -1, -1, top_truth=True, from_zero=True, sees_labels=True, message_first=True
)
VARIANTS = (AS_PRINTED, WEIGHTS_TURNED, GENERATOR_TURNED, BOTH_TURNED, CORRECTED)


_JUDGED = 1000  # training rows on which the accuracy is measured: enough, and quick


@dataclass(frozen=True)
class Record:
    """A run's story, one number for each epoch, each an array (epochs,).

    ``printed_error``: the sum over the epoch of |output - y| * output * (1 - output).
    ``true_error``: the same without the last two factors, the sum of |output - y|.
    ``bit_accuracy``: share of bits right on the test rows; ``train_bit_accuracy``: on the training
    rows (the first 1,000 of them).
    ``saturation``: mean of 4 * output * (1 - output): 1 undecided, 0 saturated.
    ``generator_size``: largest absolute weight of any generator.
    ``majority``: bit accuracy of always giving each bit's most frequent value (one number).

    Numbers can be NaN or infinite from some epoch on: a run that overflows is recorded as it is.
    """

    variant: Variant
    majority: float
    printed_error: np.ndarray
    true_error: np.ndarray
    bit_accuracy: np.ndarray
    train_bit_accuracy: np.ndarray
    saturation: np.ndarray
    generator_size: np.ndarray


class _Layer:
    """One layer with its generator; it remembers its last input, as the published one does."""

    def __init__(
        self, n_in: int, n_out: int, labels: int, variant: Variant, rng: np.random.Generator
    ) -> None:
        self.W = rng.standard_normal((n_in, n_out)) * 0.2 - 0.1  # as published, off centre too
        self.variant = variant
        seen = n_out + labels + 1 if variant.sees_labels else n_out
        if variant.from_zero:
            self.S = np.zeros((seen, n_out))
        else:
            self.S = rng.standard_normal((seen, n_out)) * 0.2 - 0.1

    def context(self, y: np.ndarray) -> np.ndarray:
        if not self.variant.sees_labels:
            return self.h
        return np.hstack([self.h, y, np.ones((len(y), 1))])

    def forward_and_update(
        self, x: np.ndarray, y: np.ndarray, alpha: float, g: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Forward, update by the guess (or by g where it is given), message down and output."""
        self.x, self.h = x, sigmoid(x @ self.W)
        self.g_hat = self.context(y) @ self.S if g is None else g
        delta = self.g_hat * self.h * (1 - self.h)
        # The published code updates first, and sends down a message made with the new weights.
        message_weights = self.W.copy() if self.variant.message_first else self.W
        self.W += self.variant.weights * alpha * (x.T @ delta)
        return delta @ message_weights.T, self.h

    def fit(self, y: np.ndarray, g: np.ndarray, alpha: float) -> None:
        self.S += self.variant.generator * alpha * (self.context(y).T @ (self.g_hat - g))


def _train_batch(
    layers: list[_Layer], x: np.ndarray, y: np.ndarray, alpha: float, generator_alpha: float
) -> np.ndarray:
    """One batch, in the published order.  Returns the top layer's output."""
    first, second, third = layers
    _, h1 = first.forward_and_update(x, y, alpha)
    message1, h2 = second.forward_and_update(h1, y, alpha)
    if first.variant.top_truth:
        output = sigmoid(h2 @ third.W)
        # The true gradient of the cross-entropy at the output, given the sigmoid that follows.
        g = (output - y) / np.maximum(output * (1 - output), 1e-12)
        message2, _ = third.forward_and_update(h2, y, alpha, g)
    else:
        message2, output = third.forward_and_update(h2, y, alpha)
        third.fit(y, output - y, generator_alpha)
    second.fit(y, message2, generator_alpha)
    first.fit(y, message1, generator_alpha)
    return output


def run_published(
    data: Dataset,
    variant: Variant = AS_PRINTED,
    *,
    epochs: int = 100,
    batch_size: int = 1000,
    alpha: float = 1e-4,
    generator_alpha: float | None = None,
    hidden: tuple[int, int] = (128, 64),
    seed: int = 0,
) -> Record:
    """Train by the published computation and record what it prints and what is true.

    ``data``: binary addition with inputs in {0, 1}, as published.  ``alpha`` multiplies sums over
    the batch.  ``generator_alpha`` is ``alpha`` if None.

    Raises ValueError for arguments out of range.
    """
    whole_number("epochs", epochs, 1)
    real_number("alpha", alpha, 0, above=True)
    rate = alpha if generator_alpha is None else real_number("generator_alpha", generator_alpha, 0)
    rng = np.random.default_rng(seed)
    widths = (data.inputs, *hidden, data.outputs)
    layers = [_Layer(n_in, n_out, data.outputs, variant, rng) for n_in, n_out in pairwise(widths)]
    rows = []

    def output_for(x: np.ndarray) -> np.ndarray:
        for layer in layers:
            x = sigmoid(x @ layer.W)
        return x

    def right(output: np.ndarray, y: np.ndarray) -> float:
        return float(((output > 0.5) == (y > 0.5)).mean())

    for _ in range(epochs):
        printed = true = 0.0
        for batch in batches(rng, len(data.x_train), batch_size):
            x, y = data.x_train[batch], data.y_train[batch]
            with np.errstate(over="ignore", invalid="ignore"):
                output = _train_batch(layers, x, y, alpha, rate)
                printed += np.abs((output - y) * output * (1 - output)).sum()
                true += np.abs(output - y).sum()
        with np.errstate(over="ignore", invalid="ignore"):
            test = output_for(data.x_test)
            train = output_for(data.x_train[:_JUDGED])
            saturation = (4 * test * (1 - test)).mean()
        largest = max(float(np.abs(layer.S).max()) for layer in layers)
        accuracies = right(test, data.y_test), right(train, data.y_train[:_JUDGED])
        rows.append((printed, true, *accuracies, saturation, largest))
    frequent = (data.y_train.mean(axis=0) > 0.5).astype(float)
    majority = float((frequent == data.y_test).mean())
    return Record(variant, majority, *np.array(rows).T)


def ablation(
    data: Dataset, *, epochs: int, alpha: float, generator_alpha: float, seed: int = 0
) -> dict[str, Record]:
    """The corrected class, then each correction taken back alone, then nothing corrected but signs.

    Batches of 10.  ``alpha`` and ``generator_alpha`` as in :func:`run_published`.  One batch an
    epoch takes steps as long as those of the small batches: the rates are divided by its size.
    """
    every = {"batch_size": 10, "alpha": alpha, "generator_alpha": generator_alpha}
    rows = len(data.x_train)
    whole: dict[str, Any] = {name: value * 10 / rows for name, value in every.items()}
    changed: dict[str, tuple[Variant, dict[str, Any]]] = {
        "all corrected": (CORRECTED, every),
        "both signs as printed": (replace(CORRECTED, weights=+1, generator=+1), every),
        "the top layer guesses, too": (replace(CORRECTED, top_truth=False), every),
        "messages made with the new weights": (replace(CORRECTED, message_first=False), every),
        "generators start at random": (replace(CORRECTED, from_zero=False), every),
        "generators see h alone": (replace(CORRECTED, sees_labels=False), every),
        "one batch an epoch": (CORRECTED, whole | {"batch_size": rows}),
        "nothing corrected but the signs": (BOTH_TURNED, every),
    }
    return {
        name: run_published(data, variant, epochs=epochs, seed=seed, **how)
        for name, (variant, how) in changed.items()
    }
