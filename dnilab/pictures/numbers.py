"""The numbers behind a picture, as tables: for who wants to read them, or can't see it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from dnilab.pictures.style import Picture, Stacked, capital, number
from dnilab.pictures.table import Table

MOST_ROWS = 40


def tables_of(picture: Picture) -> list[Table]:
    """The tables that a picture has (``picture.tables``), or those of the lines on its axes.

    A line counts if it has a label.  Lines over the same x share a table; of long ones some points
    are left out, never the last.
    """
    if isinstance(picture, Stacked):
        return [table for part in picture.parts for table in tables_of(part)]
    if picture.tables:
        return list(picture.tables)
    return [table for ax in picture.axes for table in _of_lines(ax)]


def _of_lines(ax: Axes) -> Iterator[Table]:
    together: dict[tuple[float, ...], list[Line2D]] = {}
    for line in ax.lines:
        x = tuple(np.asarray(line.get_xdata(), float))
        if x and not str(line.get_label()).startswith("_"):
            together.setdefault(x, []).append(line)
    percent = isinstance(ax.yaxis.get_major_formatter(), FuncFormatter)  # see draw.name_ticks
    for x, lines in together.items():
        every = -(-len(x) // MOST_ROWS)
        shown = range((len(x) - 1) % every, len(x), every)  # so that the last is there
        columns = [np.asarray(line.get_ydata(), float) for line in lines]
        body = tuple(
            (f"{x[n]:g}", *(number(column[n], percent=percent) for column in columns))
            for n in shown
        )
        rest = "" if every == 1 else f"; {len(body)} of {len(x)} points"
        head = (ax.get_xlabel() or "x", *(str(line.get_label()) for line in lines))
        yield Table(tuple(map(_plain, head)), body, capital(_plain(ax.get_ylabel())) + rest)


def _plain(text: str) -> str:
    """Text without the marks of a formula: ``W1`` for ``$W_1$``."""
    return re.sub(r"\$([^$]*)\$", lambda formula: re.sub(r"[_{}\\]", "", formula[1]), text)
