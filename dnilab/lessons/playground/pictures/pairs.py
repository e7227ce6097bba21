"""Runs compared seed by seed: what shares a seed shares its rows and its start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from dnilab.checks import has_entries
from dnilab.pictures import style
from dnilab.pictures.draw import headline, name_ticks, place_axes, write
from dnilab.pictures.style import Picture, look

SEED: dict[str, Any] = {"color": style.MUTED, "linewidth": 1.0, "alpha": 0.7}


def pairs(
    ends: Mapping[str, Sequence[float]], *, quantity: str, looks: Mapping[str, int] | None = None,
    title: str | None = None,
) -> Picture:  # fmt: skip
    """Shares by setting, one dot a seed, and a line through the dots of each seed.

    Parameters
    ----------
    ends:
        The share (0 to 1) that each seed ended with, (seeds,), by setting: in the order in which
        neighbours are to be compared.  NaN is a seed that diverged.
    quantity:
        What the share is of.
    looks:
        Number of the look of a setting, to match its curve elsewhere; by default its place.

    Raises ValueError for fewer than two settings, or settings with other numbers of seeds.

    >>> pairs({"a": [0.9, 0.8], "b": [0.7, 0.6]}, quantity="answers right").sentence
    'Answers right, a line for each seed. a minus b, in points: +20.0 and +20.0 (2 of 2 above 0).'
    """
    if len(ends) < 2:
        raise ValueError(f"ends has {len(ends)} settings; it accepts two or more")
    values = {name: np.asarray(seeds, dtype=float) for name, seeds in ends.items()}
    seeds = len(next(iter(values.values())))
    for name, given in ends.items():
        has_entries(f"ends[{name!r}]", given, seeds, ", one for each seed")
    said = [_compared(a, b, values[a], values[b]) for a, b in pairwise(values)]
    picture = Picture(
        700,
        400,
        sentence=f"{style.capital(quantity)}, a line for each seed. {' '.join(said)}",
        alt=f"Dots joined by lines: {title or quantity}. Described in the text below.",
    )
    top = headline(picture, title, "each thin line is one seed: the same rows, the same start")
    ax = place_axes(picture, 82, 24, top + 6, 44, ylabel=quantity)
    ax.grid(False, axis="x")
    ax.set_xlim(-0.5, len(values) - 0.5)
    ax.set_xticks(range(len(values)), list(values))
    ax.tick_params(axis="x", length=0)
    name_ticks(ax.yaxis, 6, percent=True)
    ax.plot(range(len(values)), np.array(list(values.values())), **SEED)
    for place, (name, of_seeds) in enumerate(values.items()):
        dressed = look((looks or {}).get(name, place))
        ax.plot([place] * seeds, of_seeds, dressed.marker, color=dressed.color, markersize=7)
        if not np.isfinite(of_seeds).all():
            write(ax, place, 0.02, "× diverged", transform=ax.get_xaxis_transform())
    return picture


def _compared(name: str, other: str, a: np.ndarray, b: np.ndarray) -> str:
    """Two settings, seed by seed, in words."""
    points = 100 * (a - b)
    above = f"{(points > 0).sum()} of {len(points)} above 0"
    each = style.listing([f"{x:+.1f}" if np.isfinite(x) else "diverged" for x in points])
    return f"{name} minus {other}, in points: {each} ({above})."
