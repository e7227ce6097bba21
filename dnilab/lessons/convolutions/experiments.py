"""Settings of experiments with convolutions, and the guessed gradient as an image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dnilab.checks import shaped, whole_number
from dnilab.data import Dataset
from dnilab.experiments.settings import DECOUPLED, MADE_OF_DENSE, Settings
from dnilab.experiments.settings_table import among, setting, whole
from dnilab.lessons.convolutions.network.build import DOWNSAMPLING, GENERATORS, build_convolutional
from dnilab.network import Chain, Stack, loss_named
from dnilab.training import Report
from dnilab.training.train import cosine

# How often the images of a task can be halved by pooling: 8, 4, 2, 1, and 28, 14, 7, 3, 1.
_HALVINGS = {"digits": 3, "mnist": 4}


@dataclass(frozen=True)
class ConvolutionSettings(Settings):
    """One experiment with convolutions on images of digits, complete.

    All fields of ``Settings``, with other defaults, and ``hidden`` are channels: each number
    makes a module of one convolution that halves the image.  ``generator_hidden`` are widths for
    dense generators and channels for convolutional ones.  The cost model that divides modules
    among workers knows dense layers alone: it takes channels for widths.

    Raises ValueError, naming the field, what it got and what it accepts.
    """

    task: str = setting("digits", among(_HALVINGS))
    hidden: tuple[int, ...] = (16, 32, 64)  # channels of the convolutions: one module each
    activation: str = "relu"
    batch_norm: bool = True
    dtype: str = "float32"
    rate: float = 2e-3
    epochs: int = 30
    size: int = setting(3, whole(1))  # pixels of a window each way; odd
    downsampling: str = setting("stride", among(DOWNSAMPLING))  # or "max" or "mean" pooling
    generator: str = setting("dense", among(GENERATORS), when={"ordering": DECOUPLED})

    def check_together(self) -> None:
        """Raise ValueError for settings that are accepted one by one, but not together."""
        super().check_together()
        if not self.hidden:
            raise ValueError("hidden is (); it accepts the channels of one convolution or more")
        if self.ordering == "complete unlock" or self.ordering in MADE_OF_DENSE:
            raise ValueError(
                f"ordering is {self.ordering!r}; convolutions accept orderings without input "
                "models, readouts and random feedback"
            )
        if self.cuts is not None:
            self.refuse("cuts", "None: every convolution is a module", "with convolutions")
        if self.size % 2 == 0:
            self.refuse("size", "odd numbers")
        deepest = _HALVINGS[self.task]
        if self.downsampling != "stride" and len(self.hidden) > deepest:
            why = "for the images can be halved no more often"
            self.refuse("hidden", f"up to {deepest} numbers, {why}", "with pooling")

    @property
    def name(self) -> str:
        """A short name: "backprop", "dense DNI(h, y)", "convolutional DNI(h), pipeline"."""
        return f"{self.generator} {super().name}" if self.decoupled else super().name

    def stack(self, data: Dataset) -> Stack:
        """A new network for this data; equal seeds give equal weights in every ordering."""
        side = round(data.inputs**0.5)
        if side**2 != data.inputs:
            raise ValueError(f"data has {data.inputs} inputs; it accepts square images in grey")
        return build_convolutional(
            (side, side, 1),
            self.hidden,
            data.outputs,
            loss_named(self.loss or "softmax cross-entropy"),
            np.random.default_rng([self.seed, 2]),
            size=self.size,
            downsampling=self.downsampling,
            activation=self.activation,
            batch_norm=self.batch_norm,
            context=self.context if self.decoupled else None,
            generator=self.generator,
            generator_hidden=self.generator_hidden,
            dtype=np.dtype(self.dtype),
        )


@dataclass(frozen=True, eq=False)
class GuessedImages:
    """True and guessed gradients on some rows, as images.

    ``module`` counts from 1.  ``true`` and ``guess``: at the module's output, (rows, height,
    width, channels).  ``true_at_pixels`` and ``guess_at_pixels``: both pulled back to the input
    of the network, (rows, height, width), through the same modules.
    """

    module: int
    true: np.ndarray
    guess: np.ndarray
    true_at_pixels: np.ndarray
    guess_at_pixels: np.ndarray

    @property
    def cosine(self) -> float:
        """Between the guess and the truth at the output, all rows as one long vector."""
        return cosine(self.guess, self.true)

    @property
    def cosines_at_pixels(self) -> np.ndarray:
        """Between the guess and the truth at the pixels, row by row, (rows,)."""
        pairs = zip(self.guess_at_pixels, self.true_at_pixels, strict=True)
        return np.array([cosine(guess, true) for guess, true in pairs])

    def class_means(self, y: np.ndarray) -> GuessedImages:
        """The mean over the rows of each class: as many rows as there are classes, in order.

        y: (rows, classes), one-hot.  Raises ValueError for another shape, or a class without rows.
        """
        shaped("y", y, len(self.true), "classes")
        counts = y.sum(axis=0)
        if not counts.all():
            missing = int(np.argmin(counts))
            raise ValueError(f"y has no row of class {missing}; it accepts one of each or more")

        def mean(of_rows: np.ndarray) -> np.ndarray:
            return np.tensordot(y.T / counts[:, None], of_rows, axes=1)

        every = (self.true, self.guess, self.true_at_pixels, self.guess_at_pixels)
        return GuessedImages(self.module, *map(mean, every))


def guessed_images(
    stack: Stack, x: np.ndarray, y: np.ndarray, module: int, rows: Sequence[int] | None = None
) -> GuessedImages:
    """Compare the guess with the true gradient at ``module``, here and at the pixels.

    Shapes: x (batch, pixels), y (batch, outputs).  The whole batch goes through the network, for
    batch normalisation; ``rows`` says which of it are returned, all if None.  Nothing is changed.

    Raises ValueError if ``module`` has no generator, or its output is no image.
    """
    whole_number("module", module, 1, len(stack) - 1)
    at = stack.probe(x, y)[module - 1]
    if at.true.ndim != 4:
        raise ValueError(f"module is {module}; its output is no image, but {at.true.shape}")
    side = round(x.shape[1] ** 0.5)
    chosen: Any = slice(None) if rows is None else list(rows)
    _, pullback = Chain([below.body for below in stack.modules[:module]])(x)

    def at_pixels(g: np.ndarray) -> np.ndarray:
        return pullback(g)[0].reshape(len(g), side, side)[chosen]

    true, guess = at_pixels(at.true), at_pixels(at.guess)
    return GuessedImages(module, at.true[chosen], at.guess[chosen], true, guess)


@dataclass(frozen=True, eq=False)
class Moment:
    """One moment of a run: the report, and what is guessed by then."""

    report: Report
    seen: GuessedImages


def watch_guesses(
    settings: ConvolutionSettings,
    module: int,
    rows: Sequence[int],
    *,
    batch: int = 200,
    report_every: int | None = None,
) -> Iterator[Moment]:
    """Train, and at each report compare guess and truth at ``module``, counted from 1.

    The first ``batch`` training rows go through the network as one batch; ``rows`` of them are
    returned.  A run that diverges ends early.

    Raises ValueError for an ordering without generators, and as ``guessed_images``.
    """
    if not settings.decoupled:
        raise ValueError(
            f"ordering is {settings.ordering!r}; it accepts one that trains on synthetic gradients"
        )
    data = settings.data()
    stack, events = settings.start(report_every, data)
    x, y = data.x_train[:batch], data.y_train[:batch]
    for event in events:
        if isinstance(event, Report):
            yield Moment(event, guessed_images(stack, x, y, module, rows))
