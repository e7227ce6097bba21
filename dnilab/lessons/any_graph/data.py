"""A task for two networks with different clocks: one sees digits, the other is asked for a count.

At each step a scanned digit is shown.  After every ``period`` steps the question is how many of
these digits had a certain property.  Digits are drawn with replacement, so the count is a sum of
independent draws, and what can be reached can be computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dnilab.checks import matrix, one_of, random_generator, whole_number
from dnilab.data.images import digits

COUNTED = {
    "odd digits": (1, 3, 5, 7, 9),
    "threes": (3,),
    "digits from five up": (5, 6, 7, 8, 9),
}
"""What can be asked for, and which digits count."""


@dataclass(frozen=True)
class Window:
    """What is seen between two questions.

    Shapes: images (period, batch, 64), pixels from -1 to 1; names (period, batch, 10) one-hot;
    count (batch, period + 1) one-hot: the number of digits that count.
    """

    images: np.ndarray
    names: np.ndarray
    count: np.ndarray


@dataclass(frozen=True)
class Counting:
    """How many of the last ``period`` digits were ``what``: "odd digits", "threes", ...

    Raises ValueError for another ``what`` or a period outside 1 to 40.
    """

    what: str = "odd digits"
    period: int = 5

    def __post_init__(self) -> None:
        one_of("what", self.what, tuple(COUNTED))
        whole_number("period", self.period, 1, 40)

    pixels = 64
    classes = 10

    @property
    def answers(self) -> int:
        """Counts from 0 to ``period``."""
        return self.period + 1

    @property
    def counts(self) -> np.ndarray:
        """1 for each digit that counts, 0 for the others, (10,)."""
        counts = np.zeros(10, int)
        counts[list(COUNTED[self.what])] = 1
        return counts

    def windows(
        self, rng: np.random.Generator, batch: int, *, unseen: bool = False
    ) -> Iterator[Window]:
        """Windows without end; ``unseen`` draws from the test images."""
        random_generator("rng", rng)
        whole_number("batch", batch, 1)
        data = digits()
        x, y = (data.x_test, data.y_test) if unseen else (data.x_train, data.y_train)
        return self._draw(rng, batch, x.astype(np.float32), y.astype(np.float32))

    def _draw(
        self, rng: np.random.Generator, batch: int, x: np.ndarray, y: np.ndarray
    ) -> Iterator[Window]:
        counted = self.counts[y.argmax(axis=1)]
        answers = np.eye(self.answers, dtype=y.dtype)
        while True:
            rows = rng.integers(0, len(x), (self.period, batch))
            yield Window(x[rows], y[rows], answers[counted[rows].sum(axis=0)])

    def blind(self) -> float:
        """The accuracy of always giving the most frequent count, on unseen images."""
        share = self.counts[digits().y_test.argmax(axis=1)].mean()  # of the images that count
        joint = np.array([[1 - share, 0.0], [share, 0.0]])  # whatever is shown, "no" is said
        return best_accuracy(joint, self.period)

    def limit(self, names: np.ndarray, said: np.ndarray) -> float:
        """The best accuracy for one who knows only how many digits were *said* to count.

        ``names`` and ``said``: true and said digits of many images, 0 to 9, (n,) each.  Each image
        of a window is taken to be drawn with their joint frequencies.
        """
        joint = np.zeros((2, 2))
        np.add.at(joint, (self.counts[names], self.counts[said]), 1 / len(names))
        return best_accuracy(joint, self.period)


def count_distribution(joint: np.ndarray, period: int) -> np.ndarray:
    """P(true count, said count) after ``period`` independent draws, (period + 1, period + 1).

    ``joint[i, j]``: the probability that one draw counts (i = 1) and is said to count (j = 1).
    The counts of two draws add up, so their distribution is a convolution; here done step by step.
    """
    joint = matrix("joint", joint, rows=2, columns=2)
    if (joint < 0).any() or not np.isclose(joint.sum(), 1):
        raise ValueError(f"joint sums to {joint.sum():g}; it accepts probabilities that sum to 1")
    whole_number("period", period, 1)
    P = np.zeros((period + 1, period + 1))
    P[0, 0] = 1
    for _ in range(period):
        after = joint[0, 0] * P
        after[1:] += joint[1, 0] * P[:-1]
        after[:, 1:] += joint[0, 1] * P[:, :-1]
        after[1:, 1:] += joint[1, 1] * P[:-1, :-1]
        P = after
    return P


def best_accuracy(joint: np.ndarray, period: int) -> float:
    """The accuracy of answering, for each said count, the true count that is likeliest then."""
    return float(count_distribution(joint, period).max(axis=0).sum())
