"""Curves over training: a mean line per setting, a band over its seeds, a label at its end.

Compute, then draw: a :class:`Summary` turns runs into the arrays that are drawn; a :class:`Chart`
turns them into the sentence and the axes, still or live; a :class:`Curve` draws one of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, nan
from statistics import fmean
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator
from matplotlib.transforms import offset_copy

from dnilab.checks import one_of
from dnilab.doors import check_fields
from dnilab.pictures import style
from dnilab.pictures.draw import headline, legend, name_ticks, place_axes, text_width, write
from dnilab.pictures.style import look

Better = Literal["higher", "lower"]
Limits = tuple[float, float]
Marks = Sequence[tuple[float, str]]

HUGE = 1e100  # what is larger counts as diverged: no axis could show it beside the others


@dataclass(frozen=True)
class Series:
    """One setting, run with one or several seeds.

    Parameters
    ----------
    label:
        The name that the picture and the sentence use.
    x:
        (n,), for example epochs; must increase.
    y:
        (seeds, n), or (n,) for a single run. NaN or infinity means: diverged from there on.
    look:
        Number of the line's look (colour, dash and marker); by default its place in the list.
        Give it where one setting should look the same in several pictures.

    Raises
    ------
    ValueError
        If the shapes do not fit, ``x`` does not increase, or ``label`` is empty.
    """

    label: str
    x: np.ndarray
    y: np.ndarray
    look: int | None = None

    def __post_init__(self) -> None:
        x = np.asarray(self.x, dtype=float)
        y = np.atleast_2d(np.asarray(self.y, dtype=float))
        if not self.label:
            raise ValueError("label is empty; it accepts the name of the line")
        if x.ndim != 1 or not np.all(np.isfinite(x)) or np.any(np.diff(x) <= 0):
            said = f"x of {self.label!r} has shape {x.shape}"
            raise ValueError(f"{said}; it accepts (n,), finite and increasing")
        if y.ndim != 2 or y.shape[1] != x.size or y.shape[0] == 0:
            said = f"y of {self.label!r} has shape {np.shape(self.y)}"
            accepts = f"({x.size},) or (seeds, {x.size}), to go with x"
            raise ValueError(f"{said}; it accepts {accepts}")
        object.__setattr__(self, "x", x)
        object.__setattr__(self, "y", y)


class Summary:
    """What is drawn of one series: mean, and band from the lowest to the highest, over its seeds.

    The arrays, (m,), stop where the first seed diverges: a mean over the seeds that happened to
    survive would make a setting look better than it is. ``diverged`` counts the seeds that are NaN
    or infinite anywhere; ``diverged_at`` is the first x where one is, or None.

    >>> s = Summary(Series("a", [0, 1], [[1.0, 3.0], [2.0, 5.0]]))
    >>> s.mean.tolist(), s.low.tolist(), s.high.tolist()
    ([1.5, 4.0], [1.0, 3.0], [2.0, 5.0])
    """

    def __init__(self, series: Series, place: int = 0) -> None:
        finite = np.abs(series.y) < HUGE  # False for NaN, too
        whole = finite.all(axis=0)
        count = series.x.size if whole.all() else int(np.argmin(whole))
        y = series.y[:, :count]
        self.label, self.x = series.label, series.x[:count]
        self.mean, self.low, self.high = y.mean(axis=0), y.min(axis=0), y.max(axis=0)
        self.seeds, self.diverged = len(series.y), int((~finite.all(axis=1)).sum())
        self.diverged_at = None if whole.all() else float(series.x[count])
        self.look = look(place if series.look is None else series.look)

    @property
    def end(self) -> float:
        """The mean at the last drawn x, NaN if nothing is drawn."""
        return float(self.mean[-1]) if self.mean.size else nan

    @property
    def name(self) -> str:
        """What the picture calls the line, whose label may be typed and is no mathematics."""
        label = self.label.replace("$", r"\$")
        return f"{label} (diverged)" if self.diverged else label


def summarise_all(series: Sequence[Series]) -> list[Summary]:
    """A :class:`Summary` of each, refusing an empty list and two lines of one name."""
    series = list(series)
    if not series:
        raise ValueError("series is empty; it accepts one Series or more")
    for one in series:
        if not isinstance(one, Series):
            raise TypeError(f"series has a {type(one).__name__}; it accepts Series objects")
    labels = [one.label for one in series]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ValueError(f"series has the label {twice[0]!r} twice; it accepts different labels")
    return [Summary(one, place) for place, one in enumerate(series)]


def seeds_note(summaries: Sequence[Summary]) -> str:
    """What line and band are; nothing where there is one seed of each."""
    counts = sorted({s.seeds for s in summaries})
    if counts == [1]:
        return ""
    seeds = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"mean of {seeds} seeds, band from the lowest to the highest"


def y_range(summaries: Sequence[Summary], *, log: bool = False, marks: Marks = ()) -> Limits:
    """Lowest and highest value worth showing, ``marks`` among them, or (NaN, NaN).

    A run that diverges passes through 1e100 on its way: it must not flatten the others, so only
    its start counts, unless there is nothing else to see.
    """
    values = [np.array([level for level, _ in marks], dtype=float)]
    for s in summaries:
        if s.diverged and any(not other.diverged for other in summaries):
            values.append(s.mean[:1])
        elif s.diverged and s.mean.size:
            values.append(s.mean[np.abs(s.mean) <= 1e3 * max(abs(s.mean[0]), 1e-12)])
        else:
            values += [s.low, s.high]
    flat = np.concatenate(values)
    if log:
        flat = flat[flat > 0]
    return (float(flat.min()), float(flat.max())) if flat.size else (nan, nan)


def spread_out(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions as near as possible to ``wanted``, at least ``gap`` apart, within [low, high].

    With the gaps taken out this is isotonic regression: each place is the largest, over where a
    block of neighbours may begin, of the smallest mean, over where it may end. Where there is no
    room for all the gap shrinks evenly.

    >>> spread_out([5.0, 5.0, 9.0], 2.0, 0.0, 10.0)
    [4.0, 6.0, 9.0]
    """
    count = len(wanted)
    gap = min(gap, (high - low) / max(count - 1, 1))
    order = sorted(range(count), key=lambda i: (wanted[i], i))
    bottoms = [wanted[i] - rank * gap for rank, i in enumerate(order)]
    placed = [0.0] * count
    for rank, i in enumerate(order):
        ends = range(rank + 1, count + 1)
        bottom = max(min(fmean(bottoms[a:b]) for b in ends) for a in range(rank + 1))
        placed[i] = min(max(bottom, low), high - (count - 1) * gap) + rank * gap
    return placed


def whole_numbers(summaries: Sequence[Summary]) -> bool:
    """Whether every x is a whole number, such as an epoch."""
    return all(bool(np.all(s.x == np.round(s.x))) for s in summaries)


@dataclass(kw_only=True, eq=False)
class Chart:
    """What curves are of and how they are shown: all but the curves. See :func:`curves`."""

    xlabel: str
    ylabel: str
    title: str | None = None
    percent: bool = False
    better: Better | None = None
    ylim: Limits | None = None
    marks: Marks = ()
    size: tuple[int, int] = (700, 400)

    def __post_init__(self) -> None:
        check_fields(self)
        one_of("better", self.better, (None, "higher", "lower"))

    def describe(self, summaries: Sequence[Summary]) -> str:
        """The picture in words: who leads at the end, by how much, and which runs diverged."""
        parts = [f"{style.capital(self.ylabel)} against {self.xlabel}"]
        settled = [s for s in summaries if s.mean.size and not s.diverged]
        if settled:
            first, last = min(s.x[0] for s in settled), max(s.x[-1] for s in settled)
            parts[0] += f", from {style.number(first)} to {style.number(last)}"
            parts.append(self._ranking(settled, last))
        for s in summaries:
            if s.diverged:
                seeds = "" if s.seeds == 1 else f" in {s.diverged} of {s.seeds} seeds"
                where = style.number(s.diverged_at or 0.0)
                parts.append(f"{s.label} diverged{seeds}, first at {self.xlabel} {where}")
        note = seeds_note(summaries)
        return ". ".join([*parts, style.capital(note)] if note else parts) + "."

    def _ranking(self, settled: Sequence[Summary], last: float) -> str:
        def say(value: float) -> str:
            return style.number(value, percent=self.percent)

        def value(s: Summary) -> str:
            text = say(s.end)
            if s.seeds > 1:
                text += f" ({say(s.low[-1])} to {say(s.high[-1])})"
            return text if s.x[-1] == last else f"{text} at {self.xlabel} {style.number(s.x[-1])}"

        if len(settled) == 1:
            return f"{settled[0].label} goes from {say(settled[0].mean[0])} to {value(settled[0])}"
        order = list(settled)
        if self.better:  # else they may be different measures, and none is ahead
            order.sort(key=lambda s: s.end, reverse=self.better == "higher")
        ends = [f"{s.label} {value(s)}" for s in order]
        if not self.better:
            return f"At the end: {', '.join(ends)}"
        lead, runner = order[:2]
        then = f"; then {', '.join(ends[2:])}" if ends[2:] else ""
        if say(lead.end) == say(runner.end):
            return f"At the end {lead.label} and {runner.label} are level at {value(lead)}{then}"
        gap = abs(lead.end - runner.end)
        points = f"{100 * gap:.2g} percentage points" if self.percent else style.number(gap)
        overlap = lead.low[-1] <= runner.high[-1] and runner.low[-1] <= lead.high[-1]
        both = (
            "; the bands of these two overlap" if overlap and lead.seeds > 1 < runner.seeds else ""
        )
        return f"At the end {ends[0]} is {points} ahead of {ends[1]}{both}{then}"

    def axes(self, picture: style.Picture, drawn: Sequence[Summary], room: float | None) -> Axes:
        """Headline and empty axes; ``room``: pixels on the right, None for a legend above."""
        top = headline(picture, self.title, seeds_note(drawn))
        if room is None:
            widest = 60 + max(text_width(picture, s.name) for s in drawn)
            columns = max(1, min(len(drawn), int((self.size[0] - 24) // widest)))
            keys = [line_of(s.look, label=s.name) for s in drawn]
            top += legend(picture, keys, top, columns, 3.2)
        names = {"xlabel": self.xlabel, "ylabel": self.ylabel}
        ax = place_axes(picture, 82, room or 24, top + 6, 54, **names)
        name_ticks(ax.xaxis, 8, whole=whole_numbers(drawn))  # no half epochs
        name_ticks(ax.yaxis, 6, percent=self.percent)
        return ax

    def picture(
        self, series: Sequence[Series], labels: Literal["end", "legend"] = "end", *,
        log_x: bool = False, log_y: bool = False,
    ) -> style.Picture:  # fmt: skip
        """``series`` as a still picture; see :func:`curves`."""
        one_of("labels", labels, ("end", "legend"))
        drawn = summarise_all(series)
        name = self.title or f"{self.ylabel} against {self.xlabel}"
        alt = f"Line chart: {name}. Described in the text below."
        picture = style.Picture(*self.size, sentence=self.describe(drawn), alt=alt)
        room = 52 + max(text_width(picture, s.name) for s in drawn)
        # Long names would leave no room for the curves.
        at_ends = labels == "end" and room <= 0.4 * self.size[0]
        ax = self.axes(picture, drawn, room if at_ends else None)
        if log_x:
            ax.set_xscale("log")
            name_x(ax, drawn)
        if log_y:
            name_y = ax.yaxis.get_major_formatter()
            ax.set_yscale("log")
            # Limits are whole powers of ten or wider, so the steps between need no numbers.
            ax.yaxis.set_minor_formatter(NullFormatter())
            if self.percent:
                ax.yaxis.set_major_formatter(name_y)
        low, high = y_range(drawn, log=log_y, marks=self.marks)
        nothing = (0.1 if log_y else 0.0, 1.0)  # all diverged at once
        ax.set_ylim(self.ylim or (nothing if np.isnan(low) else padded(low, high, log_y)))
        ax.set_xlim(widened(*x_range(drawn, log=log_x), log=log_x))
        draw_marks(ax, self.marks, drawn)
        for place, s in enumerate(drawn):
            Curve(ax, s.look).show(s, place, len(drawn))
        if at_ends:
            _end_labels(ax, drawn)
        return picture


def curves(
    series: Sequence[Series], *, labels: Literal["end", "legend"] = "end",
    log_x: bool = False, log_y: bool = False, **chart: Any,
) -> style.Picture:  # fmt: skip
    """Curves over training, one per setting, with a band from the lowest to the highest seed.

    Parameters
    ----------
    series:
        The settings; see :class:`Series`.
    labels:
        ``"end"`` writes each label where its line ends; ``"legend"`` above the axes.
    log_x, log_y:
        Whether an axis is logarithmic.
    xlabel, ylabel, title:
        What the axes are, and the picture; there may be no title.
    percent:
        ``y`` holds fractions and is shown as a percentage.
    better:
        ``"lower"`` or ``"higher"``: which end of ``y`` the sentence names first.
    ylim:
        Limits of ``y`` (in the units of ``y``); by default from the runs that did not diverge.
    marks:
        Horizontal reference lines, (y, text), such as chance.
    size:
        Pixels on the page, by default (700, 400).

    Raises
    ------
    ValueError
        If ``series`` is empty, two labels are equal, or an argument has another value.
    """
    return Chart(**chart).picture(series, labels, log_x=log_x, log_y=log_y)


def line_of(look: style.LineLook, x: Any = (), y: Any = (), **more: Any) -> Line2D:
    """A line in its look."""
    dressed: dict[str, Any] = {"color": look.color, "linestyle": look.dash, "marker": look.marker}
    return Line2D(x, y, linewidth=style.LINE_WIDTH, markersize=6, **dressed, **more)


class Curve:
    """The band, the line and, where it diverged, the cross of one series, on its axes."""

    def __init__(self, ax: Axes, look: style.LineLook) -> None:
        self.band = PolyCollection([], facecolor=look.color, alpha=0.18, linewidth=0)
        self.line = line_of(look)
        self.cross = Line2D([], [], color=look.color, marker="x", markersize=10, mew=2.5)
        ax.add_collection(self.band, autolim=False)
        ax.add_line(self.line)
        ax.add_line(self.cross)

    def show(self, s: Summary, place: int, count: int) -> None:
        """Take the data of the ``place``-th of ``count`` lines."""
        x, low, high = thin(s.x, s.low, s.high)
        # One polygon: along the low edge, and back along the high edge.
        outline = np.column_stack([np.append(x, x[::-1]), np.append(low, high[::-1])])
        self.band.set_verts([outline] if s.seeds > 1 and x.size > 1 else [])
        self.line.set_data(s.x, s.mean)
        several = f", mean of {s.seeds} seeds" if s.seeds > 1 else ""
        self.line.set_label(s.name + several)  # as it is read in a table
        self.line.set_markevery(stagger(s.x.size, place, count))
        end = slice(-1, None) if s.diverged else slice(0)
        self.cross.set_data(s.x[end], s.mean[end])


def thin(
    x: np.ndarray, low: np.ndarray, high: np.ndarray, most: int = 700
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """At most about ``most`` points of a band, each keeping the extremes of those it stands for.

    Agg thins lines by itself, polygons not: with 20,000 points a band would cost 30 ms a frame.
    """
    if x.size <= most:
        return x, low, high
    starts = np.arange(0, x.size, -(-x.size // most))
    return x[starts], np.minimum.reduceat(low, starts), np.maximum.reduceat(high, starts)


def draw_marks(ax: Axes, marks: Marks, drawn: Sequence[Summary] = ()) -> None:
    """Horizontal reference lines, their text in the corner that is farthest from the lines.

    Without lines to keep away from it stands at the right, below.
    """
    figure = ax.figure
    assert isinstance(figure, Figure)
    for level, text in marks:
        right, below = max(
            itertools.product((True, False), (True, False)),
            key=lambda corner: _room(ax, level, text, drawn, *corner),
        )
        ax.axhline(level, color=style.MUTED, linewidth=1.2, linestyle=(0, (2, 2)), zorder=1.5)
        x, dx, align = (1, -4, "right") if right else (0, 4, "left")
        dy, va = (-3, "top") if below else (3, "bottom")
        beside = offset_copy(ax.get_yaxis_transform(), figure, dx, dy, "points")
        write(ax, x, level, text, style.SMALL, style.MUTED, align, va=va, transform=beside)


def _room(
    ax: Axes, level: float, text: str, drawn: Sequence[Summary], right: bool, below: bool
) -> float:
    """Pixels, at most 30, between a text beside the line at ``level`` and the nearest curve."""
    frame = ax.get_window_extent()
    wide, tall = 7.5 * len(text) + 8, 1.5 * style.SMALL * style.DPI / 72
    y = float(ax.transData.transform((1.0, level))[1]) + (-tall if below else tall) / 2
    if not frame.y0 + tall / 2 <= y <= frame.y1 - tall / 2:
        return -inf  # it would stand on the axis, or above the frame
    x0, x1 = (frame.x1 - wide, frame.x1) if right else (frame.x0, frame.x0 + wide)
    room = 30.0
    for s in drawn:
        if s.mean.size:
            points = ax.transData.transform(np.column_stack([s.x, s.mean]))
            at = np.interp(np.linspace(x0, x1, 12), points[:, 0], points[:, 1])
            room = min(room, float(np.abs(at - y).min()) - tall / 2)
    return room


def stagger(points: int, place: int, count: int) -> tuple[int, int]:
    """(first, step) of a line's markers: about eight, and not where another line has its own.

    Two lines that lie on each other then show the markers of both.
    """
    step = max(1, points // 8)
    return (place * step // count, step)


def x_range(drawn: Sequence[Summary], *, log: bool = False) -> Limits:
    """The first and the last x of all lines."""
    ends = [float(v) for s in drawn if s.x.size for v in (s.x[0], s.x[-1]) if v > 0 or not log]
    return (min(ends), max(ends)) if ends else (0.1 if log else 0.0, 1.0)


def widened(low: float, high: float, share: float = 0.015, *, log: bool = False) -> Limits:
    """Limits a little further apart, so that the frame cuts neither a marker nor a line.

    Where they are equal, there is room on both sides.
    """
    if log:
        room = (high / low) ** share if low < high else 2.0
        return low / room, high * room
    room = share * (high - low) if low < high else 0.5
    return low - room, high + room


def name_x(ax: Axes, drawn: Sequence[Summary]) -> None:
    """Write the x that were measured (10, 32, 100, ...) on a logarithmic axis, if few and apart.

    matplotlib writes only powers of ten, or 2 x 10^1 and the like.
    """
    every = sorted({float(v) for s in drawn for v in s.x if v > 0})
    apart = all(b / a > (every[-1] / every[0]) ** 0.07 for a, b in itertools.pairwise(every))
    if 2 <= len(every) <= 9 and apart:
        ax.xaxis.set_major_locator(FixedLocator(every))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: style.number(v)))
        ax.xaxis.set_minor_locator(NullLocator())


def padded(low: float, high: float, log: bool) -> Limits:
    """Limits with some room; on a logarithmic axis never less than a power of ten."""
    if log and high < 10 * low:
        bottom = 10.0 ** np.floor(np.log10(low))
        return bottom, bottom * (10 if high <= 10 * bottom else 100)
    if low == high != 0:
        return low - 0.05 * abs(high), high + 0.05 * abs(high)
    return widened(low, high, 0.04, log=log)


def _end_labels(ax: Axes, drawn: Sequence[Summary]) -> None:
    """Labels beside the ends of the lines, moved apart, each with a piece of its line."""
    box = ax.get_window_extent()
    shown = [s for s in drawn if s.mean.size]
    if not shown:
        return
    ends = ax.transData.transform([(s.x[-1], s.end) for s in shown])[:, 1] - box.y0
    ends = np.clip(np.nan_to_num(ends, nan=box.height, posinf=box.height), 0, box.height)
    places = spread_out(list(ends), style.SMALL * style.DPI / 72 * 1.35, 0.0, float(box.height))
    beside: dict[str, Any] = {"transform": ax.transAxes, "clip_on": False}
    for s, end, place in zip(shown, ends, places, strict=True):
        y = place / box.height
        link = [1 + dx / box.width for dx in (4, 12)]
        ax.add_line(Line2D(link, [end / box.height, y], color=s.look.color, lw=0.8, **beside))
        piece = [1 + dx / box.width for dx in (12, 23.5, 35)]
        ax.add_line(line_of(s.look, piece, [y] * 3, markevery=[1], **beside))
        x = 1 + 40 / box.width
        write(ax, x, y, s.name, align="left", va="center_baseline", **beside)
