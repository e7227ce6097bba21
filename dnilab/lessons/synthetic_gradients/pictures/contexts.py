"""Pictures of what a generator can know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dnilab.checks import real_number
from dnilab.experiments import Run
from dnilab.pictures import Picture, Series, curves
from dnilab.pictures.draw import arrow, headline, pixel_axes, write
from dnilab.pictures.style import ARROW_LOOKS, GROUND, INK, MUTED, Stroke

ARROW = 150  # pixels of an arrow of length 1


def opposite_arrows(moments: Sequence[tuple[str, float, float]]) -> Picture:
    """The gradients of rows that share one h, and their mean, at several moments side by side.

    Each moment is a title, the probability p of a 1 that the network gives at this h, and the
    share of the rows there whose label is 1.  With one output g = (p - y) W^T: all arrows lie on
    one line, and those of the two labels point opposite ways.

    Raises ValueError for a probability or a share outside 0 to 1.
    """
    picture = Picture(
        700, 250, sentence=_in_words(moments), alt="Arrows: gradients of rows with the same h"
    )
    top = headline(picture, "The same h: the gradient of each row, and their mean")
    ax = pixel_axes(picture, top)
    wide = 700 / len(moments)
    for place, (title, p, share) in enumerate(moments):
        p, share = real_number("p", p, 0, 1), real_number("share", share, 0, 1)
        middle = wide * (place + 0.5)
        write(ax, middle, 188, f"{title}: p = {p:g}", fontweight="bold")
        truth, mean = ARROW_LOOKS["signal"], ARROW_LOOKS["synthetic"]
        ax.plot([middle, middle], [28, 166], color=MUTED, linewidth=0.8, linestyle=":")
        rows = (
            (145, p - 1, f"y = 1: {share:.0%} of the rows", truth),
            (95, p, f"y = 0: {1 - share:.0%} of the rows", truth),
            (45, p - share, "their mean, the best guess", mean),
        )
        for height, length, words, look in rows:
            _along(ax, middle, height, length, look)
            said = words if abs(length) > 1e-9 else f"{words}: zero"
            color = INK if look is truth else look.color
            write(ax, middle, height - 19, said, color=color, ground=GROUND)
    return picture


def _along(ax: Any, middle: float, height: float, length: float, look: Stroke) -> None:
    if abs(length) > 1e-9:
        arrow(ax, [(middle, height), (middle + ARROW * length, height)], look)
    else:
        ax.plot([middle], [height], color=look.color, marker="o", markersize=7)


def _in_words(moments: Sequence[tuple[str, float, float]]) -> str:
    return " ".join(
        f"{title}: the network gives a 1 the probability {p:g}, and the label is 1 in {share:.0%} "
        f"of the rows. The gradients are {p - 1:.2g} where y = 1 and {p:+.2g} where y = 0; their "
        f"mean is {f'{p - share:+.2g}' if abs(p - share) > 1e-9 else 'zero'}."
        for title, p, share in moments
    )


def reliability(
    said: np.ndarray, trained: Sequence[np.ndarray], unseen: Sequence[np.ndarray]
) -> Picture:
    """What a network says against what is true, beside the diagonal of one that is calibrated.

    Shapes: said (groups,), increasing; trained and unseen (seeds, groups): the share of ones in
    each group of training rows, and of unseen rows.
    """
    picture = curves(
        [
            Series("training rows", said, np.array(trained), look=1),
            Series("unseen rows", said, np.array(unseen), look=3),
        ],
        xlabel="probability of a 1 that the network gives",
        ylabel="share of 1s",
        title="Addition, trained with DNI(h): does it mean what it says?",
        ylim=(0, 1),
    )
    (ax,) = picture.axes
    ax.plot([0, 1], [0, 1], color=MUTED, linewidth=1.2, zorder=1)
    write(ax, 0.3, 0.22, "calibrated", color=MUTED, align="left")
    away = [np.abs(np.mean(of, axis=0) - said).max() for of in (trained, unseen)]
    picture.sentence = (
        "Share of 1s against the probability that the network gives. The diagonal is a calibrated "
        f"network. Training rows are at most {away[0]:.2f} away from it, unseen rows {away[1]:.2f}."
        f" Mean of {len(trained)} seeds, band from the lowest to the highest."
    )
    return picture


def by_module(runs: Sequence[Run], what: str, title: str, ylabel: str) -> Picture:
    """One curve for each module below the top: "cosine" or "generator_error" against epochs."""
    values = np.array([run.modules(what) for run in runs])  # (seeds, reports, modules)
    epochs = runs[0].curve("epoch")
    return curves(
        [
            Series(f"module {k + 1}", epochs, values[:, :, k], look=k)
            for k in range(values.shape[2])
        ],
        xlabel="epoch",
        ylabel=ylabel,
        title=title,
        ylim=(-0.2, 1),
        size=(700, 320),
    )


def frozen_up_to(errors: Mapping[str, np.ndarray]) -> Picture:
    """Test error when modules 1 to j keep their random start, for each way of training.

    Shapes: each (seeds, K), for j from 0, where all learn, to K - 1, where only the top does.
    """
    picture = curves(
        [
            Series(name, np.arange(np.shape(of)[1]), of, look=look)
            for (name, of), look in zip(errors.items(), (2, 1, 0, 3), strict=False)
        ],
        xlabel="modules 1 to j keep their random start",
        ylabel="test error",
        title="What does each module contribute?",
        percent=True,
        size=(700, 340),
    )
    means = {
        name: ", ".join(f"{one:.1%}" for one in np.mean(of, axis=0)) for name, of in errors.items()
    }
    said = "; ".join(f"{name}: {of}" for name, of in means.items())
    seeds = len(next(iter(errors.values())))
    picture.sentence = (
        "Test error when modules 1 to j keep their random start, for j = 0, 1, and so on. "
        f"{said}. Mean of {seeds} seeds, band from the lowest to the highest."
    )
    return picture
