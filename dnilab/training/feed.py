"""A worker's own view of the data: batch t, whoever asks and whenever."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dnilab.data import Dataset, batches


class Feed:
    """Gives the rows of x and y of batch t, and forgets them when told to.

    Every worker has a feed of its own, made with the same seed: all see the same batches without
    a word between them, and each gathers only what its modules look at.
    """

    def __init__(self, data: Dataset, batch_size: int, seed: int) -> None:
        self.data, self.batch_size, self.seed = data, batch_size, seed
        self._stream = self._shuffles(np.random.default_rng(seed), batch_size)
        self._drawn = 0
        self._forgotten = 0
        self._rows: dict[int, np.ndarray] = {}
        self._x: dict[int, np.ndarray] = {}
        self._y: dict[int, np.ndarray] = {}

    def _shuffles(self, rng: np.random.Generator, batch_size: int) -> Iterator[np.ndarray]:
        while True:
            yield from batches(rng, len(self.data.x_train), batch_size)

    def _rows_of(self, t: int) -> np.ndarray:
        while self._drawn <= t:
            self._rows[self._drawn] = next(self._stream)
            self._drawn += 1
        return self._rows[t]

    def x(self, t: int) -> np.ndarray:
        """Inputs of batch t, (batch, inputs)."""
        x = self._x.get(t)
        if x is None:
            # take() is the quickest way to gather whole rows
            x = self._x[t] = self.data.x_train.take(self._rows_of(t), axis=0)
        return x

    def y(self, t: int) -> np.ndarray:
        """Labels of batch t, (batch, outputs)."""
        y = self._y.get(t)
        if y is None:
            y = self._y[t] = self.data.y_train.take(self._rows_of(t), axis=0)
        return y

    def forget(self, before: int) -> None:
        """Let go of all batches with a smaller number."""
        for t in range(self._forgotten, before):
            self._rows.pop(t, None)
            self._x.pop(t, None)
            self._y.pop(t, None)
        self._forgotten = max(self._forgotten, before)

    def skip(self, before: int) -> None:
        """Begin at batch ``before``: those with a smaller number are drawn, and left aside."""
        while self._drawn < before:
            next(self._stream)
            self._drawn += 1
        self.forget(before)
