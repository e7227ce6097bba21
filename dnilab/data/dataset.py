"""A dataset: inputs and labels, split once into training and test rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dnilab.checks import float_type, matrix, one_of

Kind = Literal["bits", "classes"]


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
            columns_x = None if part == "train" else self.inputs
            columns_y = None if part == "train" else self.outputs
            x = matrix(x_name, getattr(self, x_name), columns=columns_x)
            y = matrix(y_name, getattr(self, y_name), rows=len(x), columns=columns_y)
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
