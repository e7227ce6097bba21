"""A sweep: a map of two settings, and a table of all.

They take the rows of :func:`dnilab.lessons.playground.sweeps.sweep`, all or as many as there are.
"""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex

from dnilab.checks import one_of, refuse
from dnilab.lessons.playground.experiments.records import DONE, Record, differing, setting_words
from dnilab.pictures import style
from dnilab.pictures.draw import headline, place_axes, rect, text_width, write
from dnilab.pictures.table import Table

# What the scores are called, whether they are shares, and which end is better.
SCORES: Mapping[str, tuple[str, bool, str]] = {
    "right": ("right on unseen rows", True, "higher"),
    "bit_accuracy": ("bit accuracy", True, "higher"),
    "whole_sums": ("whole sums right", True, "higher"),
    "class_error": ("test error", True, "lower"),
    "loss": ("training loss", False, "lower"),
    "test_loss": ("test loss", False, "lower"),
    "seconds": ("seconds a run", False, "lower"),
}
WAITING, NOT_RUN = "waiting", "not run"
LEAST_SPAN = {True: 0.01, False: 1e-3}
"""By whether scores are shares: smaller differences do not get all colours, not to seem larger."""
HATCH = "#C4C4C4"
CELL_HEIGHT = 48
SMALLER = 8.5


@dataclass(frozen=True)
class Cell:
    """What is said of one combination of settings, for all its seeds.

    ``mean``: of the seeds that are done; NaN if half of all or more are not: the rest would
    flatter.  ``words``: ``95.1 ± 0.3 (1 of 3 diverged)``, ``refused`` or ``failed (2 of 3)``.
    ``lines``: what is written on the map, the upper line and the smaller lower one.  ``fault``:
    how most of those stand that are not done, or "".  ``seeds``: how many.
    """

    mean: float
    words: str
    lines: tuple[str, str]
    fault: str
    seeds: int


def cell_of(rows: Sequence[Record], what: str, *others: str) -> Cell:
    """The cell of some rows; ``others``: how the seeds stand that have no row."""
    scores = [row.score(what) for row in rows if row.status == DONE]
    statuses = [*(row.status for row in rows), *others]
    seeds, bad = len(statuses), Counter(one for one in statuses if one != DONE)
    fault, count = bad.most_common(1)[0] if bad else ("", seeds)
    share = "" if count == seeds else f"{count} of {seeds}"
    if fault and 2 * len(scores) <= seeds:
        words = f"{fault} ({share})" if share else fault
        return Cell(math.nan, words, (fault, share), fault, seeds)
    mean = float(np.mean(scores))
    factor, digits = 100.0, 1
    if not SCORES[what][1]:
        factor, digits = 1.0, max(0, 2 - math.floor(math.log10(abs(mean) or 1)))
    spread = factor * float(np.std(scores, ddof=1)) if len(scores) > 1 else None
    text = style.plus_minus(factor * mean, spread, digits)
    upper, _, lower = text.partition(" ")
    if fault:
        text, lower = f"{text} ({share} {fault})", f"{share} {fault}"
    return Cell(mean, text, (upper, lower), fault, seeds)


Place = tuple[int, int]


@dataclass(frozen=True)
class Axis:
    """A side of a map: what it is called, the values, and each of them in words."""

    name: str
    values: Sequence[Any]
    words: Sequence[str]


class SweepMap(style.Picture):
    """The picture that :func:`draw_map` draws.

    ``cells``: what is on it, by (number of the value across, number of that up).  ``margins``: how
    many pixels lie between the cells and the "left", "right", "top" and "bottom" of the picture.
    """

    cells: Mapping[Place, Cell]
    margins: Mapping[str, float]


def _rank(value: Any) -> tuple[int, Any]:
    """Numbers by size, then tuples, and then words."""
    if isinstance(value, int | float):
        return 0, value
    if isinstance(value, tuple) and all(isinstance(one, int | float) for one in value):
        return 1, (len(value), value)
    return 2, setting_words(value)


def _grouped(rows: Iterable[Record], names: Sequence[str]) -> dict[tuple[str, ...], list[Record]]:
    """The rows by their values of these settings, in order."""
    found: dict[tuple[str, ...], list[Record]] = {}
    for row in sorted(rows, key=lambda row: [_rank(row.asked[name]) for name in names]):
        found.setdefault(tuple(repr(row.asked[name]) for name in names), []).append(row)
    return found


def sweep_table(rows: Iterable[Record], whats: Sequence[str] = ("right", "test_loss")) -> Table:
    """A line for each of the settings: what differs, and scores as mean ± standard deviation.

    Raises ValueError for no row, and for a score that there is not.
    """
    every = list(rows)
    if not every:
        raise ValueError("rows is empty; it accepts one or more")
    names = differing(every)
    scores = [SCORES[one_of("what", what, SCORES)] for what in whats]
    heads = [style.capital(name + " (%)" * percent) for name, percent, _ in scores]
    body = tuple(
        (
            *(setting_words(same[0].asked[name]) for name in names),
            str(len(same)),
            *(cell_of(same, what).words for what in whats),
        )
        for same in _grouped(every, names).values()
    )
    head = (*(style.capital(name.replace("_", " ")) for name in names), "Seeds", *heads)
    return Table(head, body, "Mean ± standard deviation over the seeds that are done.")


def sweep_map(
    rows: Iterable[Record], x: str, y: str, what: str = "right", *, title: str | None = None
) -> SweepMap:
    """Two settings across and up, a cell each combination: its score, mean over the seeds.

    A cell whose runs did not come to their end is hatched and says why.

    Parameters
    ----------
    rows:
        Of a sweep, all or as many as there are.
    x, y:
        Names of the settings across and up.
    what:
        The score: "right", "bit_accuracy", "whole_sums", "class_error", "loss", "test_loss" or
        "seconds".

    Raises
    ------
    ValueError
        If there is no row, a name is not one of a setting or a score, or other settings differ as
        well: a cell would mix them.
    """
    one_of("what", what, SCORES)
    every = list(rows)
    if not every:
        raise ValueError("rows is empty; it accepts one or more")
    for argument, name in (("x", x), ("y", y)):
        if name not in every[0].asked or name == "seed" or (argument, name) == ("y", x):
            refuse(argument, name, "the name of a setting, each side another one")
    others = [name for name in differing(every) if name not in (x, y)]
    if others:
        accepts = f"rows that differ in {x} and {y} only"
        raise ValueError(f"rows differ in {', '.join(others)} too; a map accepts {accepts}")
    across, up = _side(every, x), _side(every, y)
    found = _grouped(every, (x, y))
    cells = {
        (i, j): cell_of(found[key], what) if key in found else cell_of([], what, NOT_RUN)
        for i, a in enumerate(across.values)
        for j, b in enumerate(up.values)
        for key in [(repr(a), repr(b))]
    }
    return draw_map((across, up), cells, what, title=title)


def _side(rows: Iterable[Record], name: str) -> Axis:
    values = [same[0].asked[name] for same in _grouped(rows, [name]).values()]
    return Axis(name.replace("_", " "), values, [setting_words(value) for value in values])


def draw_map(
    axes: tuple[Axis, Axis],
    cells: Mapping[Place, Cell],
    what: str,
    *,
    title: str | None = None,
    width: int = 700,
) -> SweepMap:
    """The map of cells that are given, by (number of the value across, number of that up).

    ``width``: in pixels; it becomes wider if the cells need it.
    """
    quantity, percent, better = SCORES[what]
    x, y = axes
    means = {at: cell.mean for at, cell in cells.items() if not math.isnan(cell.mean)}
    ranking = sorted(means, key=lambda at: means[at], reverse=better == "higher")
    note = style.capital(quantity) + " (%)" * percent
    counts = sorted({cell.seeds for cell in cells.values()})
    if counts[-1] > 1:
        note += f", mean of {'-'.join(map(str, dict.fromkeys((counts[0], counts[-1]))))} seeds"
    picture = SweepMap(alt=f"Map: {title or quantity} by {x.name} and {y.name}.")
    picture.sentence = _sentence(note, axes, cells, ranking)
    note += "; lighter is better" * bool(ranking)
    texts = {(words, style.SMALL) for words in x.words}
    for cell in cells.values():
        texts |= set(zip(cell.lines, (style.FONT_SIZE, SMALLER), strict=True))
    widest = max(text_width(picture, text, size) for text, size in texts if text)
    tall = CELL_HEIGHT * len(y.values)
    upwards = textwrap.fill(y.name, max(9, tall // 9))  # it stands upright beside the cells
    left = 52 + max(text_width(picture, words, style.SMALL) for words in y.words)
    left += 18 * upwards.count("\n")
    room = max(width, text_width(picture, note, style.SMALL) + 28) - left - 18
    wide = max(room / len(x.values), widest + 16)
    top = 66 if title else 42
    picture.margins = {"left": left, "right": 18, "top": top, "bottom": 56}
    picture.resize(math.ceil(left + wide * len(x.values) + 18), top + tall + 56)
    headline(picture, title, note)
    ax = place_axes(picture, left, 18, top, 56, xlabel=x.name, ylabel=upwards)
    ax.grid(False)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.set(xlim=(-0.5, len(x.values) - 0.5), ylim=(-0.5, len(y.values) - 0.5))
    ax.set_xticks(range(len(x.values)), x.words)
    ax.set_yticks(range(len(y.values)), y.words)
    ax.tick_params(length=0)
    for at, cell in cells.items():
        goodness = math.nan
        if at in means:
            best, worst = means[ranking[0]], means[ranking[-1]]
            goodness = 1 - abs(best - cell.mean) / max(abs(best - worst), LEAST_SPAN[percent])
        _draw(ax, at, cell.lines, goodness)
    for i, j in ranking[:1]:
        frame = style.Fill("none", style.BLACK, width=3)
        rect(ax, (i - 0.5, j - 0.5), (1, 1), frame, fill=False, zorder=4, clip_on=False)
    picture.cells = cells
    return picture


def luminance(color: str) -> float:
    """Relative luminance of ``"#rrggbb"``, from 0 (black) to 1 (white), as WCAG 2 defines it.

    >>> luminance("#FFFFFF"), round(luminance("#0072B2"), 3)
    (1.0, 0.152)
    """
    parts = (int(color[n : n + 2], 16) / 255 for n in (1, 3, 5))
    r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def _draw(ax: Any, at: Place, lines: tuple[str, str], goodness: float) -> None:
    """One cell; ``goodness``: 0 for the worst of the map, 1 for the best, NaN without a score."""
    (i, j), (upper, lower) = at, lines
    size = style.SMALL
    if goodness >= 0:
        color, size = to_hex(colormaps["cividis"](goodness)), style.FONT_SIZE
        # On every colour the better of the two has a contrast of 4.5 to 1 or more.
        look = style.Fill(
            color, style.GROUND, style.BLACK if luminance(color) > 0.179 else style.GROUND
        )
    elif upper == WAITING:
        look = style.Fill(style.GROUND, style.GROUND, style.MUTED)
    else:
        look = style.Fill(style.GROUND, HATCH, style.MUTED, width=0.8, hatch="///")
    rect(ax, (i - 0.5, j - 0.5), (1, 1), look)
    behind = style.GROUND if look.hatch else ""
    for text, points, lift in ((upper, size, 0.16 if lower else 0.0), (lower, SMALLER, -0.2)):
        if text:
            write(ax, i, j + lift, text, points, look.text, ground=behind)


def _sentence(
    measured: str, axes: tuple[Axis, Axis], cells: Mapping[Place, Cell], ranking: Sequence[Place]
) -> str:
    x, y = axes
    parts = [f"{measured}, by {x.name} (across) and {y.name} (up)."]

    def where(at: Place) -> str:
        return f"{x.name} {x.words[at[0]]} and {y.name} {y.words[at[1]]}"

    if ranking:
        best, worst = ranking[0], ranking[-1]
        parts.append(f"Best is {cells[best].words}, at {where(best)}")
        if cells[worst].mean != cells[best].mean:
            parts[-1] += f"; worst is {cells[worst].words}, at {where(worst)}"
        parts[-1] += "."
    without: dict[str, list[str]] = {}
    for at, cell in cells.items():
        if at not in ranking:
            without.setdefault(cell.fault, []).append(where(at))
    for word, places in without.items():
        listed = "; ".join(places) if len(places) < 5 else f"{len(places)} cells"
        parts.append(f"{style.capital(word)}: {listed}.")
    return " ".join(parts)
