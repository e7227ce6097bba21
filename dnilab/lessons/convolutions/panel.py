"""The panel of notebook 09: a network learns, and its guessed gradient is shown as an image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dnilab.data import Dataset
from dnilab.lessons.convolutions.experiments import (
    ConvolutionSettings,
    GuessedImages,
    Moment,
    watch_guesses,
)
from dnilab.lessons.convolutions.pictures import images
from dnilab.pictures import Redrawn
from dnilab.pictures.style import Picture
from dnilab.widgets.controls import Choice
from dnilab.widgets.panel import Panel

Frame = tuple[ConvolutionSettings, Moment]


def at_the_pixels(
    data: Dataset, rows: Sequence[int], seen: GuessedImages, *, title: str, note: str
) -> Picture:
    """The training images of these rows, and under each the truth and the guess at its pixels.

    ``seen`` has the same rows.
    """
    side = seen.true_at_pixels.shape[-1]
    return images(
        {
            "digit": data.x_train[list(rows)].reshape(-1, side, side),
            "true": seen.true_at_pixels,
            "guess": seen.guess_at_pixels,
        },
        columns=[f"“{label}”" for label in data.y_train[list(rows)].argmax(axis=1)],
        grey=("digit",),
        compare=("guess", "true"),
        title=title,
        note=note,
    )


def guess_panel(settings: ConvolutionSettings, rows: Sequence[int]) -> Panel[Frame]:
    """Train by ``settings`` for three epochs; the guess at these training rows as it is learned.

    The rows are among the first 200.
    """
    data = settings.data()

    def learn(values: dict[str, Any]) -> Iterator[Frame]:
        chosen = settings.but(
            generator=values["kind"],
            context=values["context"],
            downsampling=values["by"],
            epochs=3,
            probe_rows=200,
        )
        for moment in watch_guesses(chosen, values["module"], rows, report_every=12):
            yield chosen, moment

    def draw(frame: Frame) -> Picture:
        chosen, (report, seen) = frame[0], (frame[1].report, frame[1].seen)
        assert report.cosine is not None
        k, error = seen.module, report.scores["class_error"]
        said = f"test error {error:.1%}, cosine at h{k} {report.cosine[k - 1]:.2f}"
        title = f"{chosen.name}: the gradient at h{k}, pulled back to the pixels"
        note = f"epoch {report.epoch:.1f}: {said}"
        picture = at_the_pixels(data, rows, seen, title=title, note=note)
        picture.sentence = f"After {report.epoch:.1f} epochs: {said}. {picture.sentence}"
        return picture

    contexts = {"h, y": ("h", "y"), "h": ("h",), "x, h": ("x", "h")}
    halved = {"stride 2": "stride", "max pooling": "max", "mean pooling": "mean"}
    return Panel(
        {
            "kind": Choice(["dense", "convolutional"], "dense", "Generator"),
            "context": Choice(contexts, ("h", "y"), "Generator sees"),
            "module": Choice({"1": 1, "2": 2, "3": 3}, 1, "Gradient at the output of module"),
            "by": Choice(halved, "stride", "Image halved by"),
        },
        learn,
        Redrawn(draw),
        title="The guess as an image",
        name="09-images",
    )
