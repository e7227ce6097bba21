"""A dataset, its batches, and where a worker's batches come from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal, NamedTuple

import numpy as np

from dnilab.checks import float_type, matrix, one_of, random_generator, whole_number

Kind = Literal["bits", "classes"]

MOST_ROWS = 100_000_000


@dataclass(frozen=True, eq=False)
class Dataset:
    """Arrays for training and for testing.

    Shapes: ``x_train`` (n, inputs), ``y_train`` (n, outputs), and the same for the test rows.

    ``kind`` says how an answer is judged: ``"bits"`` (each output is a 0/1 question of its own)
    or ``"classes"`` (each row of y is one-hot: exactly one output is 1).

    Raises ValueError, naming the array, for wrong shapes, NaN or labels that do not fit ``kind``.
    """

    name: str
    kind: Kind
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray

    def __post_init__(self) -> None:
        one_of("kind", self.kind, ("bits", "classes"))
        for part in ("train", "test"):
            x_name, y_name = f"x_{part}", f"y_{part}"
            wide = (None, None) if part == "train" else (self.inputs, self.outputs)
            x = matrix(x_name, getattr(self, x_name), columns=wide[0])
            y = matrix(y_name, getattr(self, y_name), rows=len(x), columns=wide[1])
            if not np.isin(y, (0, 1)).all():
                raise ValueError(f"{y_name} holds other numbers than 0 and 1; it accepts 0 and 1")
            if self.kind == "classes" and not (y.sum(axis=1) == 1).all():
                raise ValueError(f"{y_name} accepts one-hot rows: exactly one 1 in each row")
            object.__setattr__(self, x_name, x)
            object.__setattr__(self, y_name, y)

    @property
    def inputs(self) -> int:
        """Width of a row of x."""
        return int(self.x_train.shape[1])

    @property
    def outputs(self) -> int:
        """Width of a row of y."""
        return int(self.y_train.shape[1])

    def astype(self, dtype: Any) -> Dataset:
        """The same data as float32 or float64."""
        dtype = float_type("dtype", dtype)
        arrays = (self.x_train, self.y_train, self.x_test, self.y_test)
        return Dataset(self.name, self.kind, *(a.astype(dtype, copy=False) for a in arrays))


def check_batch_size(batch_size: int, rows: int) -> int:
    """Return ``batch_size``; raise ValueError if it is not within 1 to ``rows``."""
    batch_size = whole_number("batch_size", batch_size, 1)
    if batch_size > rows:
        said = f"batch_size is {batch_size}, but the training data has {rows} rows"
        raise ValueError(f"{said}; it accepts 1 to {rows}")
    return batch_size


def batches(rng: np.random.Generator, n: int, batch_size: int) -> Iterator[np.ndarray]:
    """Shuffle the numbers 0 to n - 1 and yield them in batches: one epoch.

    Each batch is an array of ``batch_size`` row numbers, for ``x[rows]``.  The few rows that are
    left over at the end of an epoch are another few in the next one.

    Raises ValueError, at the first batch, if ``batch_size`` is not within 1 to n.
    """
    random_generator("rng", rng)
    n = whole_number("n", n, 1, MOST_ROWS)
    check_batch_size(batch_size, n)
    order = rng.permutation(n)
    for start in range(0, n - batch_size + 1, batch_size):
        yield order[start : start + batch_size]


class Batch(NamedTuple):
    """What was drawn for one batch."""

    x: Any
    y: np.ndarray


class _Gathered:
    """Rows of a dataset as a batch: x and y are gathered when they are first looked at.

    With take(), which is the quickest way to gather whole rows.
    """

    def __init__(self, data: Dataset, rows: np.ndarray) -> None:
        self._data, self._rows = data, rows
        self._x: np.ndarray | None = None  # plain: a cached_property takes a lock
        self._y: np.ndarray | None = None

    @property
    def x(self) -> np.ndarray:
        if self._x is None:
            self._x = self._data.x_train.take(self._rows, axis=0)
        return self._x

    @property
    def y(self) -> np.ndarray:
        if self._y is None:
            self._y = self._data.y_train.take(self._rows, axis=0)
        return self._y


class Stream:
    """Where a worker's batches come from: drawn one after the other, or handed over by ``give``.

    Batch t is the same for whoever asks, and whenever.
    """

    def __init__(self, drawn: Iterable[Batch | _Gathered] = ()) -> None:
        self._drawn = iter(drawn)
        self._kept: dict[int, Batch | _Gathered] = {}
        self._count = 0

    def give(self, batch: Batch | _Gathered) -> None:
        """Hand over the next batch."""
        self._kept[self._count] = batch
        self._count += 1

    def _batch(self, t: int) -> Batch | _Gathered:
        while self._count <= t:
            self.give(next(self._drawn))
        return self._kept[t]

    def x(self, t: int) -> Any:
        """What a module hears that hears the input, of batch t."""
        return self._batch(t).x

    def y(self, t: int) -> np.ndarray:
        """Labels of batch t, (batch, outputs)."""
        return self._batch(t).y

    def forget(self, before: int) -> None:
        """Let go of all batches with a smaller number."""
        for t in [t for t in self._kept if t < before]:
            del self._kept[t]

    def skip(self, before: int) -> None:
        """Begin at batch ``before``: those with a smaller number are drawn, and left aside."""
        while self._count < before:
            self.give(next(self._drawn))
            self.forget(before)
        self.forget(before)


class Feed(Stream):
    """The shuffled training rows of ``data``, epoch after epoch.

    Every worker has a feed of its own, made with the same seed: all see the same batches without
    a word between them, and each gathers only what its modules look at.
    """

    def __init__(self, data: Dataset, batch_size: int, seed: int) -> None:
        self.data, self.batch_size, self.seed = data, batch_size, seed
        rng = np.random.default_rng(seed)
        epochs = (batches(rng, len(data.x_train), batch_size) for _ in count())
        super().__init__(_Gathered(data, rows) for epoch in epochs for rows in epoch)
