"""A sweep: a map of two settings, a table of all, and results for dots.

They take the rows of :func:`dnilab.experiments.sweep`, all or as many as there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.patches import Rectangle

from dnilab.lessons.playground.experiments.saved_runs import setting_words
from dnilab.lessons.playground.sweeps.plan import Job
from dnilab.lessons.playground.sweeps.row import Row
from dnilab.pictures.draw import dress, headline, place_axes, text_width
from dnilab.pictures.style import (
    BLACK,
    DPI,
    FONT,
    FONT_SIZE,
    GROUND,
    MUTED,
    SMALL,
    Picture,
    capital,
    number,
)
from dnilab.pictures.table import Results, Table

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
HATCH = "#C4C4C4"
CELL_HEIGHT = 48
SMALLER = 8.5


@dataclass(frozen=True)
class _Cell:
    """All seeds of one combination."""

    scores: tuple[float, ...] = ()  # of the seeds that are done
    statuses: tuple[str, ...] = ()  # of all, one each

    @property
    def mean(self) -> float:
        """NaN if half of the seeds or more are not done: the rest would flatter."""
        if 2 * len(self.scores) <= len(self.statuses) and len(self.scores) < len(self.statuses):
            return float("nan")
        return float(np.mean(self.scores)) if self.scores else float("nan")

    @property
    def spread(self) -> float:
        return float(np.std(self.scores, ddof=1)) if len(self.scores) > 1 else 0.0

    @property
    def faults(self) -> tuple[str, str]:
        """What is most wrong, as a word, and how many of how many seeds if not all; or nothing."""
        bad = Counter(status for status in self.statuses if status != "done")
        if not bad:
            return "", ""
        word, count = bad.most_common(1)[0]
        every = len(self.statuses)
        return word, "" if count == every else f"{count} of {every}"


@dataclass(frozen=True)
class MapCell:
    """A cell of the map: the two values, and where it is, in pixels from the upper left corner."""

    x: Any
    y: Any
    left: float
    top: float
    right: float
    bottom: float
    words: str = field(default="", compare=False)


class SweepMap(Picture):
    """The picture that :func:`sweep_map` draws; ``cells`` says where its cells are."""

    cells: tuple[MapCell, ...] = ()

    def cell_at(self, left: float, top: float) -> MapCell | None:
        """The cell at a point of the picture, in pixels from its upper left corner, or None."""
        for cell in self.cells:
            if cell.left <= left < cell.right and cell.top <= top < cell.bottom:
                return cell
        return None


def varied(rows: Iterable[Row | Job]) -> list[str]:
    """The settings in which rows differ, in the order of Settings; never the seed."""
    found: dict[str, set[str]] = {}
    for row in rows:
        for name, value in row.asked.items():
            found.setdefault(name, set()).add(repr(value))
    return [name for name, values in found.items() if len(values) > 1 and name != "seed"]


def _named(what: str) -> tuple[str, bool, str]:
    if what not in SCORES:
        raise ValueError(f"what: got {what!r}, need one of {', '.join(SCORES)}")
    return SCORES[what]


def _rank(value: Any) -> tuple[int, Any]:
    """Numbers by size, then tuples, and then words."""
    if isinstance(value, int | float):
        return 0, value
    if isinstance(value, tuple) and all(isinstance(one, int | float) for one in value):
        return 1, (len(value), value)
    return 2, setting_words(value)


def _values(rows: Iterable[Row | Job], name: str) -> list[Any]:
    """The different values of a setting, in order."""
    found = {repr(row.asked[name]): row.asked[name] for row in rows}
    return sorted(found.values(), key=_rank)


def _written(cell: _Cell, percent: bool) -> tuple[str, str]:
    """The mean and the standard deviation to as many places; the latter empty for one seed."""
    if percent:
        mean, spread = f"{100 * cell.mean:.1f}", f"{100 * cell.spread:.1f}"
    elif 1e-3 <= abs(cell.mean) < 100:
        places = 2 - int(np.floor(np.log10(abs(cell.mean))))
        mean, spread = f"{cell.mean:.{places}f}", f"{cell.spread:.{places}f}"
    else:
        mean, spread = number(cell.mean), number(cell.spread)
    return mean, spread if len(cell.scores) > 1 else ""


def _cell_words(cell: _Cell, percent: bool) -> str:
    """``95.1 ± 0.3 (1 of 3 diverged)``, ``refused`` or ``failed (2 of 3)``."""
    word, share = cell.faults
    if not np.isfinite(cell.mean):
        return f"{word} ({share})" if share else word
    mean, spread = _written(cell, percent)
    text = f"{mean} ± {spread}" if spread else mean
    return f"{text} ({share} {word})" if word else text


def _lines(cell: _Cell, percent: bool) -> tuple[str, str]:
    """What is written in a cell of the map: the upper line, and the smaller lower one."""
    word, share = cell.faults
    if not np.isfinite(cell.mean):
        return word, share
    mean, spread = _written(cell, percent)
    return mean, f"{share} {word}" if word else f"± {spread}" if spread else ""


def _grouped(rows: Sequence[Row], names: Sequence[str], what: str) -> dict[tuple[str, ...], _Cell]:
    """The cells, by what is written for the settings of these names."""
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(repr(row.asked[name]) for name in names), []).append(row)
    return {
        key: _Cell(
            tuple(row.score(what) for row in every if row.status == "done"),
            tuple(row.status for row in every),
        )
        for key, every in found.items()
    }


def sweep_results(rows: Iterable[Row], what: str = "right") -> Results:
    """The sweep as :class:`Results`, for :func:`dots`: a line for each of the settings.

    Settings of which no run came to its end, done or diverged, are left out.
    ``what``: a score, as of :meth:`dnilab.experiments.Row.score`.

    Raises ValueError for another ``what``, and if no run is left.
    """
    quantity, percent, better = _named(what)
    kept = [row for row in rows if row.status in ("done", "diverged")]
    if not kept:
        raise ValueError("rows: got none that is done or diverged, need at least one")
    names = varied(kept)
    values: dict[str, dict[object, list[float]]] = {}
    for row in sorted(kept, key=lambda row: [_rank(row.asked[name]) for name in names]):
        label = ", ".join(
            f"{name.replace('_', ' ')} {setting_words(row.asked[name])}" for name in names
        )
        label = label or (row.settings.name if row.settings else "")
        values.setdefault(label, {"": []})[""].append(row.score(what))
    return Results(values, quantity, rows="settings", percent=percent, better=better)


def sweep_table(rows: Iterable[Row], whats: Sequence[str] = ("right", "test_loss")) -> Table:
    """A line for each of the settings: what differs, and scores as mean ± standard deviation.

    Raises ValueError for no row, and for a score that there is not.
    """
    every = list(rows)
    if not every:
        raise ValueError("rows: got none, need at least one")
    names = varied(every)
    heads, cells = [], []
    for what in whats:
        quantity, percent, _ = _named(what)
        heads.append(quantity + (" (%)" if percent else ""))
        cells.append({k: (c, percent) for k, c in _grouped(every, names, what).items()})
    lines = {tuple(repr(row.asked[name]) for name in names): row for row in every}
    order = sorted(lines, key=lambda key: [_rank(lines[key].asked[name]) for name in names])
    body = tuple(
        (
            *(setting_words(lines[key].asked[name]) for name in names),
            str(len(cells[0][key][0].statuses)) if cells else "",
            *(_cell_words(*found[key]) for found in cells),
        )
        for key in order
    )
    head = (*(capital(name.replace("_", " ")) for name in names), "Seeds", *map(capital, heads))
    return Table(head, body, "Mean ± standard deviation over the seeds that are done.")


def sweep_map(
    rows: Iterable[Row],
    x: str,
    y: str,
    what: str = "right",
    *,
    plan: Iterable[Job] = (),
    title: str | None = None,
    width: int = 700,
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
    plan:
        The jobs of the sweep, so that what has not come yet has its cell, which says "waiting".
    width:
        In pixels; it becomes wider if the cells need it.

    Raises
    ------
    ValueError
        If there is no row and no plan, a name is not one of a setting or a score, or other
        settings differ as well: a cell would mix them.
    """
    quantity, percent, better = _named(what)
    done = list(rows)
    jobs = list(plan)
    every: list[Row | Job] = [*done, *jobs]
    if not every:
        raise ValueError("rows: got none, need at least one, or a plan")
    for argument, name in (("x", x), ("y", y)):
        if name not in every[0].asked or name == "seed":
            raise ValueError(f"{argument}: got {name!r}, need the name of a setting")
    if x == y:
        raise ValueError(f"x, y: got {x!r} twice, need two settings")
    others = [name for name in varied(every) if name not in (x, y)]
    if others:
        raise ValueError(
            f"rows: they differ in {', '.join(others)} too; a map needs rows that differ in "
            f"{x} and {y} only"
        )
    across, up = _values(every, x), _values(every, y)
    cells = _grouped(done, (x, y), what)
    planned = {(repr(job.asked[x]), repr(job.asked[y])) for job in jobs}

    def cell_of(a: Any, b: Any) -> _Cell:
        key = (repr(a), repr(b))
        return cells.get(key, _Cell((), (WAITING if key in planned else NOT_RUN,)))

    grid = {(i, j): cell_of(a, b) for i, a in enumerate(across) for j, b in enumerate(up)}
    means = np.array([cell.mean for cell in grid.values()])
    finite = means[np.isfinite(means)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    measured = capital(quantity) + (" (%)" if percent else "") + _seeds(cells.values())
    note = measured + ("; lighter is better" if finite.size else "")
    picture = SweepMap(
        width, 120, alt=f"Map: {title or quantity} by {x} and {y}. Described in the text below."
    )
    left = 52 + max(text_width(picture, setting_words(b), SMALL) for b in up)
    words = [(setting_words(a), SMALL) for a in across]
    for cell in grid.values():
        words += zip(_lines(cell, percent), (FONT_SIZE, SMALLER), strict=True)
    widest = max(text_width(picture, text, size) for text, size in set(words) if text)
    width = max(width, int(text_width(picture, note, SMALL)) + 28)
    wide = max((width - left - 18) / len(across), widest + 16)
    width = int(np.ceil(left + wide * len(across) + 18))
    top = 66.0 if title else 42.0
    height = int(top + CELL_HEIGHT * len(up) + 56)
    picture.set_size_inches(width / DPI, height / DPI)
    picture.pixels = (width, height)
    headline(picture, title, note)
    ax = place_axes(picture, left=left, right=18, top=top, bottom=56)
    dress(ax, xlabel=x.replace("_", " "), ylabel=y.replace("_", " "))
    ax.grid(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    ax.set_xlim(-0.5, len(across) - 0.5)
    ax.set_ylim(-0.5, len(up) - 0.5)
    ax.set_xticks(range(len(across)), [setting_words(a) for a in across])
    ax.set_yticks(range(len(up)), [setting_words(b) for b in up])
    ax.tick_params(length=0)
    for tick in (*ax.get_xticklabels(), *ax.get_yticklabels()):
        tick.set_fontfamily(FONT)
    pick = max if better == "higher" else min
    best = pick(grid, key=lambda at: _last(grid[at].mean, better)) if finite.size else None
    boxes = []
    for (i, j), cell in grid.items():
        goodness = (cell.mean - low) / (high - low) if high > low else 0.5
        _draw(ax, i, j, cell, goodness if better == "higher" else 1 - goodness, percent)
        place = (left + wide * i, top + CELL_HEIGHT * (len(up) - 1 - j))
        corner = (place[0] + wide, place[1] + CELL_HEIGHT)
        boxes.append(MapCell(across[i], up[j], *place, *corner, _cell_words(cell, percent)))
    if best is not None:
        frame = Rectangle((best[0] - 0.5, best[1] - 0.5), 1, 1, fill=False, edgecolor=BLACK)
        frame.set(linewidth=3, zorder=4, clip_on=False)
        ax.add_patch(frame)
    picture.cells = tuple(boxes)
    picture.sentence = _sentence(measured, x, y, boxes, grid, best, better)
    return picture


def _seeds(cells: Iterable[_Cell]) -> str:
    """``, mean of 1-3 seeds``; nothing where there is one of each."""
    counts = {len(cell.statuses) for cell in cells}
    if counts <= {1}:
        return ""
    return f", mean of {'-'.join(map(str, sorted({min(counts), max(counts)})))} seeds"


def _last(mean: float, better: str) -> float:
    """The mean for a comparison, in which NaN is never the best."""
    return mean if np.isfinite(mean) else (-np.inf if better == "higher" else np.inf)


def _draw(ax: Any, i: int, j: int, cell: _Cell, goodness: float, percent: bool) -> None:
    """One cell; ``goodness`` is 0 for the worst of the map and 1 for the best."""
    first, second = _lines(cell, percent)
    box = Rectangle((i - 0.5, j - 0.5), 1, 1, facecolor=GROUND, edgecolor=GROUND, linewidth=1.5)
    ink, size, behind = MUTED, SMALL, None
    if np.isfinite(cell.mean):
        color = colormaps["cividis"](goodness)
        # On every colour the better of the two has a contrast of 4.5 to 1 or more.
        ink, size = BLACK if _luminance(color) > 0.179 else GROUND, FONT_SIZE
        box.set_facecolor(color)
    elif cell.statuses != (WAITING,):
        box.set(edgecolor=HATCH, hatch="///", linewidth=0.8)
        behind = {"boxstyle": "round,pad=0.15", "facecolor": GROUND, "edgecolor": "none"}
    ax.add_patch(box)
    for text, points, lift in ((first, size, 0.16 if second else 0.0), (second, SMALLER, -0.2)):
        if text:
            ax.text(
                i,
                j + lift,
                text,
                fontsize=points,
                color=ink,
                fontfamily=FONT,
                ha="center",
                va="center",
                bbox=behind,
            )


def _luminance(color: Sequence[float]) -> float:
    """Relative luminance, 0 to 1 (WCAG 2)."""
    parts = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in color[:3]]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def _sentence(
    measured: str,
    x: str,
    y: str,
    boxes: Sequence[MapCell],
    grid: Mapping[tuple[int, int], _Cell],
    best: tuple[int, int] | None,
    better: str,
) -> str:
    x_name, y_name = x.replace("_", " "), y.replace("_", " ")
    parts = [f"{measured}, by {x_name} (across) and {y_name} (up)."]

    def where(box: MapCell) -> str:
        return f"{x_name} {setting_words(box.x)} and {y_name} {setting_words(box.y)}"

    at = dict(zip(grid, boxes, strict=True))
    if best is not None:
        parts.append(f"Best is {at[best].words}, at {where(at[best])}")
        counted = [key for key in grid if np.isfinite(grid[key].mean)]
        pick = min if better == "higher" else max
        worst = pick(counted, key=lambda key: grid[key].mean)
        if grid[worst].mean != grid[best].mean:
            parts[-1] += f"; worst is {at[worst].words}, at {where(at[worst])}"
        parts[-1] += "."
    without: dict[str, list[str]] = {}
    for key, cell in grid.items():
        if not np.isfinite(cell.mean):
            without.setdefault(cell.faults[0], []).append(where(at[key]))
    for word, places in without.items():
        if len(places) > 4:
            parts.append(f"{capital(word)}: {len(places)} cells.")
        else:
            parts.append(f"{capital(word)}: {'; '.join(places)}.")
    return " ".join(parts)
