"""Dots with error bars: settings by conditions, such as test error by depth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dnilab.doors import door
from dnilab.pictures.draw import headline, name_ticks, place_axes, text_width, write
from dnilab.pictures.style import MUTED, SMALL, Picture, look
from dnilab.pictures.table import Results

WIDTH = 700
LINE = 25  # pixels a row


@door
def dots(
    results: Results,
    *,
    title: str | None = None,
    limits: tuple[float, float] | None = None,
    looks: Mapping[str, int] | None = None,
) -> Picture:
    """One dot a setting and condition, a bar of one standard deviation either side.

    Rows are written out on the left, so that no legend is needed. With one column there is one
    line a row; with several, each column is a block with its rows.

    Parameters
    ----------
    results:
        See :class:`dnilab.pictures.Results`.
    limits:
        Of the value axis, in the units of the values; by default from 0.
    looks:
        Number of the look of a row, to match its curve elsewhere; by default its place.
    """
    rows, columns = results.row_names, results.column_names
    blocks = len(columns) > 1
    per_block = len(rows) + (1.3 if blocks else 0)
    picture = Picture(
        WIDTH,
        int((60 if title else 36) + LINE * per_block * len(columns) + 62),
        sentence=results.sentence,
        alt=f"Dot plot: {title or results.quantity}. Described in the text below.",
    )
    left = 30 + max(text_width(picture, row) for row in rows)
    top = headline(picture, title, results.seeds_note)
    ax = place_axes(picture, left, 24, top, 50, xlabel=results.quantity)
    ax.grid(False, axis="y")
    ax.spines["left"].set_visible(False)
    ax.set_ylim(0.4 - per_block * len(columns), 0.9)
    ax.set_yticks([])
    name_ticks(ax.xaxis, 8, percent=results.percent)

    means = np.array([[results.mean_std(row, column) for column in columns] for row in rows])
    finite = means[np.isfinite(means[:, :, 0])]
    low = float(np.min(finite[:, 0] - finite[:, 1], initial=0.0))
    high = float(np.max(finite.sum(axis=1), initial=0.0))
    if limits is None:
        limits = low, 1.06 * high if high > 0 else 1.0 if low == 0 else 0.0
    ax.set_xlim(*limits)
    beside: dict[str, Any] = {"transform": ax.get_yaxis_transform()}  # x in axes, y in rows
    pixel = 1 / (WIDTH - left - 24)
    for block, column in enumerate(columns):
        y = -per_block * block
        if blocks:
            heading = results.column_title(column)
            x = (12 - left) * pixel
            write(ax, x, y, heading, align="left", fontweight="bold", **beside)
            if block:
                ax.axhline(y + 0.62, color=MUTED, linewidth=0.8)
            y -= 1
        for place, row in enumerate(rows):
            mean, std = means[place, block]
            style = look((looks or {}).get(row, place))
            write(ax, -10 * pixel, y - place, row, align="right", **beside)
            if np.isfinite(mean):
                ax.plot([mean - std, mean + std], [y - place] * 2, color=style.color, linewidth=2)
                ax.plot([mean], [y - place], color=style.color, marker=style.marker, markersize=8)
            else:
                words = "× " + results.cell(row, column)
                write(ax, 0.01, y - place, words, SMALL, style.color, "left", **beside)
    return picture
