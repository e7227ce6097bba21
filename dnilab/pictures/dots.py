"""Dots with error bars: settings by conditions, such as test error by depth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from dnilab.pictures.curves import padded, place_axes
from dnilab.pictures.style import (
    DPI,
    FONT,
    INK,
    MUTED,
    SMALL,
    Picture,
    dress,
    headline,
    look,
    text_width,
)
from dnilab.pictures.table import Results


def dots(
    results: Results,
    *,
    title: str | None = None,
    limits: tuple[float, float] | None = None,
    log: bool = False,
    looks: Mapping[str, int] | None = None,
    width: int = 700,
) -> Picture:
    """One dot a setting and condition, a bar of one standard deviation either side.

    Rows are written out on the left, so that no legend is needed. With one column there is one
    line a row; with several, each column is a block with its rows.

    Parameters
    ----------
    results:
        See :class:`dnilab.pictures.Results`.
    limits:
        Of the value axis, in the units of the values; by default from 0 (or the data, if ``log``).
    looks:
        Number of the look of a row, to match its curve elsewhere; by default its place.
    """
    rows, columns = results.row_names, results.column_names
    line = 25.0
    blocks = len(columns) > 1
    per_block = len(rows) + (1.3 if blocks else 0)
    body = line * (per_block * len(columns)) + 8
    picture = Picture(
        width,
        120,
        sentence=results.sentence,
        alt=f"Dot plot: {title or results.quantity}. Described in the text below.",
    )
    left = 30 + max(text_width(picture, row, SMALL) for row in rows)
    # The height follows from the number of lines, which the headline needs to know.
    head = 60.0 if title else 36.0
    height = int(head + body + 54)
    picture.set_size_inches(width / DPI, height / DPI)
    picture.pixels = (width, height)
    top = headline(picture, title, results.seeds_note)
    ax = place_axes(picture, left=left, right=24, top=top, bottom=50)
    dress(ax, xlabel=results.quantity)
    ax.grid(False, axis="y")
    ax.spines["left"].set_visible(False)
    ax.set_ylim(0.4 - per_block * len(columns), 0.9)
    ax.set_yticks([])
    if log:
        ax.set_xscale("log")
        ax.xaxis.set_minor_formatter(NullFormatter())
    else:
        ax.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 2.5, 5, 10]))
    if results.percent:
        ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{round(100 * v, 6):g} %"))

    means = np.array([[results.mean_std(row, column) for column in columns] for row in rows])
    if limits is not None:
        ax.set_xlim(*limits)
    elif log:
        positive = means[np.isfinite(means[:, :, 0])]
        ends = np.concatenate([positive[:, 0] - positive[:, 1], positive.sum(axis=1)])
        ends = ends[ends > 0]
        ax.set_xlim(*padded(ends.min(), ends.max(), True) if ends.size else (0.1, 1.0))
    else:
        finite = means[np.isfinite(means[:, :, 0])]
        low = float(np.min(finite[:, 0] - finite[:, 1], initial=0.0))
        high = float(np.max(finite.sum(axis=1), initial=0.0))
        ax.set_xlim(low, 1.06 * high if high > 0 else 1.0 if low == 0 else 0.0)
    names = ax.get_yaxis_transform()
    for block, column in enumerate(columns):
        y = -per_block * block
        if blocks:
            ax.text(
                -(left - 12) / (width - left - 24),
                y,
                results.column_title(column),
                transform=names,
                fontsize=SMALL,
                fontweight="bold",
                color=INK,
                fontfamily=FONT,
                va="center",
            )
            if block:
                ax.axhline(y + 0.62, color=MUTED, linewidth=0.8)
            y -= 1
        for place, row in enumerate(rows):
            mean, std = means[place, block]
            style = look((looks or {}).get(row, place))
            ax.text(
                -10 / (width - left - 24),
                y - place,
                row,
                transform=names,
                fontsize=SMALL,
                color=INK,
                fontfamily=FONT,
                ha="right",
                va="center",
            )
            if not np.isfinite(mean):
                ax.text(
                    0.01,
                    y - place,
                    "× " + results.cell(row, column),
                    transform=names,
                    fontsize=SMALL,
                    color=style.color,
                    fontfamily=FONT,
                    va="center",
                )
                continue
            ax.plot([mean - std, mean + std], [y - place] * 2, color=style.color, linewidth=2)
            ax.plot([mean], [y - place], color=style.color, marker=style.marker, markersize=8)
    return picture
