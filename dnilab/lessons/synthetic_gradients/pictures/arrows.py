"""Synthetic gradients as arrows: the plane of two units, the truth and the guess at each example.

What is drawn is the toy of ``training.toy``; the arrows are in the units of the axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from dnilab.checks import whole_number
from dnilab.lessons.synthetic_gradients.training.toy import SURE, History
from dnilab.pictures import style
from dnilab.pictures.curves import Series, curves
from dnilab.pictures.draw import arrow, dress, headline, legend, write
from dnilab.pictures.style import Picture, Stacked, Stroke, listing, number

WIDTH = 700
EDGE = 1.7  # of a plane: tanh stays within 1, and arrows reach beyond
LEFT, BELOW = 62, 68  # pixels of a plane that its axes need
LABELS = {0: (style.BLUE, "o", 9.0), 1: (style.VERMILLION, "s", 5.0)}  # colour, marker, size
TRUTH = {label: Stroke(color, "-", 4.5, 7.0) for label, (color, _, _) in LABELS.items()}
GUESS = Stroke("#7A3E68", "-", 1.7, 6.0)  # the purple of the guesses, darker: it lies on others


def counted(batches: int) -> str:
    """Such as "1 batch"."""
    return f"{batches} batch{'es' * (batches != 1)}"


SEEN = {True: "h and y", False: "h alone"}


@dataclass(frozen=True)
class View:
    """One plane: a module of a run, before a batch.

    Raises ValueError for a module other than 1 and 2, or a batch that the run has not reached.
    """

    history: History
    batch: int
    module: int
    title: str = ""

    def __post_init__(self) -> None:
        whole_number("module", self.module, 1, 2)
        whole_number("batch", self.batch, 0, self.history.last)

    @property
    def name(self) -> str:
        """What stands above the plane."""
        return self.title or f"module {self.module}, {counted(self.batch)}"

    @property
    def said(self) -> str:
        """The plane in words."""
        look = self.history.looks[self.batch][self.module]
        off = number(look.error(look.guess))
        return (
            f"{style.capital(self.name)}: the guesses are off by {off} of the length of the truth"
        )


def planes(views: Sequence[View], *, columns: int = 2, title: str | None = None) -> Picture:
    """Planes side by side, ``columns`` in a row: truth and guess of each example as arrows.

    Raises ValueError where there is no view.
    """
    if not views:
        raise ValueError("views is empty; it accepts one View or more")
    side = (WIDTH - 14) / columns - LEFT  # pixels, of a square
    rows = -(-len(views) // columns)
    head = 62 + 20 * bool(title)
    picture = Picture(WIDTH, int(head + rows * (side + BELOW)))
    top = headline(picture, title)
    handles = [
        Line2D(
            [], [], color=color, marker=marker, linewidth=4, alpha=0.55, label=f"truth g, y = {y}"
        )
        for y, (color, marker, _) in LABELS.items()
    ]
    guess = Line2D([], [], color=GUESS.color, linewidth=GUESS.width, label="guess ĝ")
    legend(picture, [*handles, guess], top, 3)
    for place, view in enumerate(views):
        row, column = divmod(place, columns)
        left = LEFT + column * (side + LEFT)
        above = head + row * (side + BELOW)
        height = picture.pixels[1]
        box = (left / WIDTH, 1 - (above + side) / height, side / WIDTH, side / height)
        _plane(picture.add_axes(box), view)
    picture.sentence = ". ".join(view.said for view in views) + "."
    picture.alt = f"Arrows: {title or 'truth and guess at each h'}. Described in the text below."
    return picture


def _plane(ax: Axes, view: View) -> None:
    k = view.module
    dress(ax, xlabel=f"unit 1 of $h_{k}$", ylabel=f"unit 2 of $h_{k}$")
    ax.set(xlim=(-EDGE, EDGE), ylim=(-EDGE, EDGE))
    ax.set(xticks=(-1, 0, 1), yticks=(-1, 0, 1))
    write(ax, 0, 1.02, view.name, align="left", va="bottom", transform=ax.transAxes)
    look, labels = view.history.looks[view.batch][k], view.history.y[:, 0].astype(int)
    strokes = [TRUTH[label] for label in labels]
    for at, g, stroke in zip(look.h, look.true, strokes, strict=True):
        _gradient(ax, at, g, stroke, alpha=0.5, zorder=3)
    for at, g_hat in zip(look.h, look.guess, strict=True):
        _gradient(ax, at, g_hat, GUESS, zorder=4)
    for label, (color, marker, size) in LABELS.items():
        h = look.h[labels == label]
        ax.plot(
            *h.T, marker, color=color, markersize=size, markeredgecolor="white", zorder=6 + label
        )


def _gradient(ax: Axes, at: np.ndarray, gradient: np.ndarray, stroke: Stroke, **more: Any) -> None:
    """An arrow from ``at``; a short one has a short head, one that ran away ends off the plane."""
    length = float(np.linalg.norm(gradient))
    if length > 0.01:
        points = length * ax.get_window_extent().width / (2 * EDGE) * 72 / style.DPI
        end = at + gradient * min(1.0, 10 / length)
        fitting = replace(stroke, head=min(stroke.head, 0.6 * points))
        arrow(ax, [(float(at[0]), float(at[1])), (float(end[0]), float(end[1]))], fitting, **more)


def errors_chart(history: History, batch: int) -> Picture:
    """How far the guesses are from the truth, batch by batch; a line marks ``batch``."""
    x, errors = np.arange(history.last + 1), history.errors()
    picture = curves(
        [Series(name, x, values) for name, values in errors.items()],
        xlabel="batches",
        ylabel="error / length of g",
        title="How wrong the guesses are, and what module 1 is told",
        log_y=True,
        better="lower",
        labels="legend",
        size=(WIDTH, 280),
    )
    picture.axes[0].axvline(batch, color=style.MUTED, linewidth=1.2, linestyle=(0, (2, 2)))
    said = listing([f"{name} {number(values[batch])}" for name, values in errors.items()])
    picture.sentence = f"Errors after {counted(batch)}, in lengths of the truth: {said}."
    return picture


def mean_said(history: History, batch: int) -> str:
    """The points where both labels occur, in words: what a guess from h alone could be there."""
    look = history.looks[batch][2]
    first = sum(map(len, SURE.values()))
    pairs = look.true[first:].reshape(-1, 2, 2)  # point, label, unit
    length = number(float(np.linalg.norm(pairs, axis=2).mean()))
    mean = number(float(np.linalg.norm(pairs.mean(axis=1), axis=1).mean()))
    guess = number(float(np.linalg.norm(look.guess[first:], axis=1).mean()))
    return (
        f"Where both labels occur at one h, the true arrows of module 2 point in opposite "
        f"directions. Each arrow is {length} long on average, but the mean of two opposite "
        f"ones only {mean}. The guesses there are {guess} long."
    )


def toy_picture(history: History, batch: int) -> Stacked:
    """Both planes before ``batch`` and the errors of the whole run, for the panel.

    A run that diverged is shown at its last batch at most, and says so.
    """
    at = min(batch, history.last)
    way = "towards" if history.sign < 0 else "away from"
    first = (
        f"The generators see {SEEN[history.sees_y]} and move {way} what they are told. "
        f"After {counted(at)}."
    )
    if batch > at:
        first += f" The guesses have run away: the run ends after {counted(at)}."
    parts = [planes([View(history, at, k) for k in (1, 2)]), errors_chart(history, at)]
    parts[0].sentence = ""  # the chart says how far the guesses are off
    parts[1].sentence += " " + mean_said(history, at)
    return Stacked(parts, first=first, alt="Truth and guess as arrows, and their errors.")
