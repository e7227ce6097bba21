"""The exhibits of notebook 03's detective story: what a program prints, and what is true."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from dnilab.pictures import Series, Stacked, Table, curves
from dnilab.pictures.style import number

SIZE = (700, 300)


class Story(Protocol):
    """A run's record: one number for each epoch, each an array (epochs,), and the chance level."""

    @property
    def printed_error(self) -> np.ndarray: ...
    @property
    def true_error(self) -> np.ndarray: ...
    @property
    def bit_accuracy(self) -> np.ndarray: ...
    @property
    def train_bit_accuracy(self) -> np.ndarray: ...
    @property
    def saturation(self) -> np.ndarray: ...
    @property
    def generator_size(self) -> np.ndarray: ...
    @property
    def majority(self) -> float: ...


def _epochs(story: Story) -> np.ndarray:
    return np.arange(1, len(story.printed_error) + 1)


def printed_and_learned(story: Story) -> Stacked:
    """What the program prints, and under it the share of bits that it gets right."""
    epoch = _epochs(story)
    shown = curves(
        [Series("printed error", epoch, story.printed_error)],
        xlabel="epoch",
        ylabel="error that is printed",
        title="What the program prints",
        better="lower",
        size=SIZE,
    )
    learned = curves(
        [
            Series("unseen bits right", epoch, story.bit_accuracy, look=0),
            Series("training bits right", epoch, story.train_bit_accuracy, look=1),
        ],
        xlabel="epoch",
        ylabel="share of bits",
        title="What it learned",
        percent=True,
        ylim=(0, 1),
        marks=[(story.majority, "guess each bit's majority")],
        size=SIZE,
    )
    ends = story.bit_accuracy[-1], story.majority
    right, majority = (number(share, percent=True) for share in ends)
    shown.sentence = (
        f"The printed error goes from {number(story.printed_error[0])} to "
        f"{number(story.printed_error[-1])} in {epoch[-1]} epochs."
    )
    learned.sentence = (
        f"At the end {right} of the unseen bits are right. Guessing each bit's more frequent value "
        f"gets {majority}."
    )
    return Stacked([shown, learned], alt="What the program prints, and what it learned.")


def why_it_lies(story: Story) -> Stacked:
    """The two factors of the printed error; under them the size of the generators, as log10."""
    epoch = _epochs(story)
    parts = {
        "printed error": story.printed_error,
        "sum of |o − y|": story.true_error,
        "4 o (1 − o), unseen": story.saturation,
    }
    shares = {name: values / values[0] for name, values in parts.items()}
    factors = curves(
        [Series(name, epoch, values) for name, values in shares.items()],
        xlabel="epoch",
        ylabel="share of the first epoch's",
        title="The factor o(1 − o) dies, the error does not",
        ylim=(0, 1.15),
        size=SIZE,
    )
    ends = [f"{name} {number(values[-1])}" for name, values in shares.items()]
    factors.sentence = f"At the end, as shares of the first epoch's: {', '.join(ends)}."
    size = np.log10(story.generator_size)
    culprit = curves(
        [Series("largest generator weight", epoch, size, look=3)],
        xlabel="epoch",
        ylabel="log10 of the size",
        title="The largest weight of any generator: how many digits it has",
        size=SIZE,
    )
    half = len(size) // 2
    culprit.sentence = (
        f"Log10 of the largest generator weight: {size[0]:.1f} after the first epoch, "
        f"{size[half]:.0f} after {epoch[half]}, {size[-1]:.0f} after {epoch[-1]}."
    )
    return Stacked([factors, culprit], alt="Why the printed error falls, and what grows.")


def what_each_is_worth(records: dict[str, Story]) -> Table:
    """A row for each record: unseen bits right and the largest generator weight at the end."""
    rows = []
    for name, story in records.items():
        size = float(story.generator_size[-1])
        words = f"{size:.0e}" if np.isfinite(size) else "overflow"
        rows.append((name, f"{story.bit_accuracy[-1]:.1%}", words))
    chance = next(iter(records.values())).majority
    return Table(
        ("the class with", "unseen bits right", "largest generator weight"),
        tuple(rows),
        f"Guessing each bit's majority: {chance:.1%}.",
    )
