"""Curves over training: a mean line per setting, a band over its seeds, a label at its end.

Compute, then draw: :func:`summarise` turns runs into the arrays that are drawn,
:func:`describe` turns them into the sentence, :func:`curves` only draws.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator

from dnilab.pictures.style import (
    DPI,
    FONT,
    INK,
    LINE_WIDTH,
    MUTED,
    SMALL,
    Dash,
    LineLook,
    Picture,
    capital,
    dress,
    headline,
    listing,
    look,
    number,
    text_width,
)

Band = Literal["range", "std", "none"]
Better = Literal["higher", "lower"]

HUGE = 1e100  # what is larger counts as diverged: no axis could show it beside the others
BAND_WORDS = {
    "range": "band from the lowest to the highest",
    "std": "band of one standard deviation either side",
    "none": "no band",
}


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
            raise ValueError("label: got an empty string, need the name of the line")
        if x.ndim != 1 or not np.all(np.isfinite(x)) or np.any(np.diff(x) <= 0):
            raise ValueError(
                f"x of {self.label!r}: got shape {x.shape}, need (n,), finite and increasing"
            )
        if y.ndim != 2 or y.shape[1] != x.size or y.shape[0] == 0:
            raise ValueError(
                f"y of {self.label!r}: got shape {np.shape(self.y)}, "
                f"need ({x.size},) or (seeds, {x.size}) to go with x"
            )
        object.__setattr__(self, "x", x)
        object.__setattr__(self, "y", y)


@dataclass(frozen=True)
class Summary:
    """What is drawn of one series: arrays (m,) up to the point where its first seed diverged."""

    label: str
    x: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    seeds: int
    diverged: int
    """How many seeds are NaN or infinite anywhere."""
    diverged_at: float | None
    """The first x where a seed is no longer finite."""
    look: LineLook = field(default_factory=lambda: look(0))

    @property
    def end(self) -> float:
        """The mean at the last drawn x, NaN if nothing is drawn."""
        return float(self.mean[-1]) if self.mean.size else float("nan")


def summarise(series: Series, *, band: Band = "range", place: int = 0) -> Summary:
    """Mean and band over the seeds of one series.

    The mean stops where the first seed diverges: a mean over the seeds that happened to survive
    would make a setting look better than it is.

    >>> s = summarise(Series("a", [0, 1], [[1.0, 3.0], [2.0, 5.0]]))
    >>> s.mean.tolist(), s.low.tolist(), s.high.tolist()
    ([1.5, 4.0], [1.0, 3.0], [2.0, 5.0])
    """
    if band not in BAND_WORDS:
        raise ValueError(f"band: got {band!r}, need one of {', '.join(BAND_WORDS)}")
    finite = np.abs(series.y) < HUGE  # False for NaN, too
    whole = finite.all(axis=0)
    count = series.x.size if whole.all() else int(np.argmin(whole))
    y = series.y[:, :count]
    mean = y.mean(axis=0)
    if band == "std" and y.shape[0] > 1:
        spread = y.std(axis=0, ddof=1)
        low, high = mean - spread, mean + spread
    elif band == "range":
        low, high = y.min(axis=0), y.max(axis=0)
    else:
        low, high = mean, mean
    return Summary(
        label=series.label,
        x=series.x[:count],
        mean=mean,
        low=low,
        high=high,
        seeds=series.y.shape[0],
        diverged=int((~finite.all(axis=1)).sum()),
        diverged_at=None if count == series.x.size else float(series.x[count]),
        look=look(place if series.look is None else series.look),
    )


def summarise_all(series: Sequence[Series], *, band: Band = "range") -> list[Summary]:
    """:func:`summarise` for each, refusing an empty list and two lines of one name."""
    series = list(series)
    if not series:
        raise ValueError("series: got an empty list, need at least one Series")
    for one in series:
        if not isinstance(one, Series):
            raise TypeError(f"series: got a {type(one).__name__}, need Series objects")
    labels = [one.label for one in series]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ValueError(f"series: the label {twice[0]!r} is used twice, need different labels")
    return [summarise(one, band=band, place=place) for place, one in enumerate(series)]


def describe(
    summaries: Sequence[Summary],
    *,
    xlabel: str,
    ylabel: str,
    percent: bool = False,
    better: Better | None = None,
    band: Band = "range",
) -> str:
    """The picture in words: who leads at the end, by how much, and which runs diverged."""
    drawn = [s for s in summaries if s.mean.size]
    parts: list[str] = []
    settled = [s for s in drawn if not s.diverged]
    if settled:
        first, last = min(s.x[0] for s in settled), max(s.x[-1] for s in settled)
        parts.append(f"{capital(ylabel)} against {xlabel}, from {number(first)} to {number(last)}")
        parts.append(_ranking(settled, last, xlabel, percent, better, band))
    else:
        parts.append(f"{capital(ylabel)} against {xlabel}")
    for s in summaries:
        if s.diverged:
            seeds = "" if s.seeds == 1 else f" in {s.diverged} of {s.seeds} seeds"
            where = number(s.diverged_at or 0.0)
            parts.append(f"{s.label} diverged{seeds}, first at {xlabel} {where}")
    if any(s.seeds > 1 for s in summaries) and band != "none":
        parts.append(capital(seeds_note(summaries, band)))
    return ". ".join(parts) + "."


def _ranking(
    settled: Sequence[Summary],
    last: float,
    xlabel: str,
    percent: bool,
    better: Better | None,
    band: Band,
) -> str:
    order = sorted(settled, key=lambda s: s.end, reverse=better != "lower")
    extreme = "lowest" if better == "lower" else "highest"

    def value(s: Summary) -> str:
        text = number(s.end, percent=percent)
        if s.seeds > 1 and band != "none":
            low = number(float(s.low[-1]), percent=percent)
            high = number(float(s.high[-1]), percent=percent)
            text += f" ({low} to {high})"
        if s.x[-1] != last:
            text += f" at {xlabel} {number(float(s.x[-1]))}"
        return text

    lead = order[0]
    if len(order) == 1:
        start = number(float(lead.mean[0]), percent=percent)
        return f"{lead.label} goes from {start} to {value(lead)}"
    runner = order[1]
    gap = abs(lead.end - runner.end)
    if number(lead.end, percent=percent) == number(runner.end, percent=percent):
        text = f"At the end {lead.label} and {runner.label} are level with {value(lead)}"
    else:
        points = f"{100 * gap:.2g} percentage points" if percent else number(gap)
        text = (
            f"At the end {lead.label} is {extreme} with {value(lead)}, "
            f"by {points} from {runner.label} with {value(runner)}"
        )
        overlap = lead.low[-1] <= runner.high[-1] and runner.low[-1] <= lead.high[-1]
        if overlap and lead.seeds > 1 and runner.seeds > 1 and band != "none":
            text += "; the bands of these two overlap"
    rest = [f"{s.label} with {value(s)}" for s in order[2:]]
    return text + (f"; then {listing(rest)}" if rest else "")


def seeds_note(summaries: Sequence[Summary], band: Band) -> str:
    counts = sorted({s.seeds for s in summaries})
    if counts == [1]:
        return ""
    seeds = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"mean of {seeds} seeds, {BAND_WORDS[band]}"


def y_range(summaries: Sequence[Summary], *, log: bool = False) -> tuple[float, float]:
    """Lowest and highest value worth showing, or (NaN, NaN).

    A run that diverges passes through 1e100 on its way: it must not flatten the others, so only
    its start counts, unless there is nothing else to see.
    """
    values: list[np.ndarray] = []
    for s in summaries:
        if s.diverged and any(not other.diverged for other in summaries):
            values.append(s.mean[:1])
        elif s.diverged and s.mean.size:
            values.append(s.mean[np.abs(s.mean) <= 1e3 * max(abs(s.mean[0]), 1e-12)])
        else:
            values += [s.low, s.high]
    flat = np.concatenate(values) if values else np.zeros(0)
    if log:
        flat = flat[flat > 0]
    if flat.size == 0:
        return float("nan"), float("nan")
    return float(flat.min()), float(flat.max())


def spread_out(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions as near as possible to ``wanted``, at least ``gap`` apart, within [low, high].

    Blocks that touch are merged and centred on the mean of what their members wanted (pool
    adjacent violators). Where there is no room for all the gap shrinks evenly.

    >>> spread_out([5.0, 5.0, 9.0], 2.0, 0.0, 10.0)
    [4.0, 6.0, 9.0]
    """
    count = len(wanted)
    if count == 0:
        return []
    if count > 1:
        gap = min(gap, (high - low) / (count - 1))
    order = sorted(range(count), key=lambda i: (wanted[i], i))
    blocks: list[list[float]] = []  # [sum of the wanted bottoms, members]
    for rank, i in enumerate(order):
        blocks.append([wanted[i] - rank * gap, 1.0])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, members = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += members
    placed = [0.0] * count
    rank = 0
    for total, members in blocks:
        bottom = min(max(total / members, low), high - (count - 1) * gap)
        for _ in range(int(members)):
            placed[order[rank]] = bottom + rank * gap
            rank += 1
    return placed


def axis_format(ax: Axes, *, percent: bool, log_x: bool, log_y: bool, whole: bool) -> None:
    """Scales, tick labels that say ``80 %`` rather than ``0.8``, no half epochs where ``whole``."""
    if log_x:
        ax.set_xscale("log")
    else:
        ax.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 2.5, 5, 10], integer=whole))
    if log_y:
        ax.set_yscale("log")
        # Limits are whole powers of ten or wider, so the steps between need no numbers.
        ax.yaxis.set_minor_formatter(NullFormatter())
    else:
        ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    if percent:
        ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{round(100 * v, 6):g} %"))


def whole_numbers(summaries: Sequence[Summary]) -> bool:
    """Whether every x is a whole number, such as an epoch."""
    return all(bool(np.all(s.x == np.round(s.x))) for s in summaries)


def place_axes(picture: Picture, *, left: float, right: float, top: float, bottom: float) -> Axes:
    """Axes at margins given in pixels, the same from picture to picture so that they line up."""
    width, height = picture.pixels
    return picture.add_axes(
        (left / width, bottom / height, 1 - (left + right) / width, 1 - (top + bottom) / height)
    )


def curves(
    series: Sequence[Series],
    *,
    xlabel: str,
    ylabel: str,
    title: str | None = None,
    percent: bool = False,
    log_x: bool = False,
    log_y: bool = False,
    band: Band = "range",
    better: Better | None = None,
    labels: Literal["end", "legend"] = "end",
    ylim: tuple[float, float] | None = None,
    marks: Sequence[tuple[float, str]] = (),
    size: tuple[int, int] = (700, 400),
) -> Picture:
    """Curves over training, one per setting.

    Parameters
    ----------
    series:
        The settings; see :class:`Series`.
    percent:
        ``y`` holds fractions and is shown as a percentage.
    band:
        ``"range"`` (lowest to highest seed), ``"std"`` (one sample standard deviation either
        side of the mean) or ``"none"``. The picture says which.
    better:
        ``"lower"`` or ``"higher"``: which end of ``y`` the sentence names first.
    labels:
        ``"end"`` writes each label where its line ends; ``"legend"`` above the axes.
    ylim:
        Limits of ``y`` (in the units of ``y``); by default from the runs that did not diverge.
    marks:
        Horizontal reference lines, (y, text), such as chance.
    size:
        Pixels on the page.

    Raises
    ------
    ValueError
        If ``series`` is empty, two labels are equal, or an argument has another value.
    """
    if better not in (None, "higher", "lower"):
        raise ValueError(f"better: got {better!r}, need 'higher', 'lower' or None")
    if labels not in ("end", "legend"):
        raise ValueError(f"labels: got {labels!r}, need 'end' or 'legend'")
    drawn = summarise_all(series, band=band)
    picture = Picture(
        *size,
        sentence=describe(
            drawn, xlabel=xlabel, ylabel=ylabel, percent=percent, better=better, band=band
        ),
        alt=f"Line chart: {title or f'{ylabel} against {xlabel}'}. Described in the text below.",
    )
    top = headline(picture, title, seeds_note(drawn, band))
    room = 24.0
    if labels == "end":
        room = 52 + max(text_width(picture, _name(s), SMALL) for s in drawn)
        if room > 0.4 * size[0]:
            labels = "legend"  # long names would leave no room for the curves
            room = 24.0
    if labels == "legend":
        top += legend(picture, drawn, top)
    ax = place_axes(picture, left=82, right=room, top=top + 6, bottom=54)
    dress(ax, xlabel=xlabel, ylabel=ylabel)
    axis_format(ax, percent=percent, log_x=log_x, log_y=log_y, whole=whole_numbers(drawn))

    low, high = y_range(drawn, log=log_y)
    levels = [level for level, _ in marks if not log_y or level > 0]
    if ylim is not None:
        ax.set_ylim(*ylim)
    elif np.isfinite(low):
        low, high = min([low, *levels]), max([high, *levels])
        ax.set_ylim(*padded(low, high, log_y))
    else:
        ax.set_ylim(0.1 if log_y else 0.0, 1.0)  # nothing to draw: all diverged at once
    ax.set_xlim(*with_margin(*_x_limits(drawn, log_x), log=log_x))
    if log_x:
        name_x(ax, drawn)

    draw_marks(ax, marks, drawn)
    for place, s in enumerate(drawn):
        if s.seeds > 1 and band != "none":
            ax.fill_between(s.x, s.low, s.high, color=s.look.color, alpha=0.18, linewidth=0)
        ax.plot(
            s.x,
            s.mean,
            color=s.look.color,
            linestyle=s.look.dash,
            linewidth=LINE_WIDTH,
            marker=s.look.marker,
            markersize=6,
            markevery=stagger(s.x.size, place, len(drawn)),
        )
        if s.diverged and s.mean.size:
            ax.plot(s.x[-1:], s.mean[-1:], marker="x", markersize=10, mew=2.5, color=s.look.color)
    if labels == "end":
        _end_labels(picture, ax, drawn)
    return picture


def draw_marks(ax: Axes, marks: Sequence[tuple[float, str]], drawn: Sequence[Summary] = ()) -> None:
    """Horizontal reference lines, their text in the corner that is farthest from the lines.

    Without lines to keep away from it stands at the right, below.
    """
    for level, text in marks:
        right, below = max(
            itertools.product((True, False), (True, False)),
            key=lambda corner: _room(ax, level, text, drawn, *corner),
        )
        ax.axhline(level, color=MUTED, linewidth=1.2, linestyle=(0, (2, 2)), zorder=1.5)
        ax.annotate(
            text,
            (1 if right else 0, level),
            xycoords=("axes fraction", "data"),
            xytext=(-4 if right else 4, -3 if below else 3),
            textcoords="offset points",
            ha="right" if right else "left",
            va="top" if below else "bottom",
            fontsize=SMALL,
            color=MUTED,
            fontfamily=FONT,
        )


def _room(
    ax: Axes, level: float, text: str, drawn: Sequence[Summary], right: bool, below: bool
) -> float:
    """Pixels, at most 30, between a text beside the line at ``level`` and the nearest curve."""
    frame = ax.get_window_extent()
    wide, tall = 7.5 * len(text) + 8, 1.5 * SMALL * DPI / 72
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


def _x_limits(drawn: Sequence[Summary], log: bool) -> tuple[float, float]:
    ends = [float(v) for s in drawn if s.x.size for v in (s.x[0], s.x[-1]) if v > 0 or not log]
    if not ends:
        return (0.1, 1.0) if log else (0.0, 1.0)
    low, high = min(ends), max(ends)
    if low == high:
        return (low / 2, high * 2) if log else (low - 0.5, high + 0.5)
    return (low, high)


def with_margin(low: float, high: float, *, log: bool = False) -> tuple[float, float]:
    """Limits of x, a little further apart, so that the frame cuts no marker in half."""
    if log:
        factor = (high / low) ** 0.015
        return (low / factor, high * factor)
    margin = 0.015 * (high - low)
    return (low - margin, high + margin)


def name_x(ax: Axes, drawn: Sequence[Summary]) -> None:
    """Write the x that were measured (10, 32, 100, ...) on a logarithmic axis, if few and apart.

    matplotlib writes only powers of ten, or 2 x 10^1 and the like.
    """
    every = sorted({float(v) for s in drawn for v in s.x if v > 0})
    apart = all(b / a > (every[-1] / every[0]) ** 0.07 for a, b in itertools.pairwise(every))
    if 2 <= len(every) <= 9 and apart:
        ax.xaxis.set_major_locator(FixedLocator(every))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: number(v)))
        ax.xaxis.set_minor_locator(NullLocator())


def padded(low: float, high: float, log: bool) -> tuple[float, float]:
    """Limits with some room; on a logarithmic axis never less than a power of ten."""
    if log and high < 10 * low:
        bottom = 10.0 ** np.floor(np.log10(low))
        return bottom, bottom * (10 if high <= 10 * bottom else 100)
    if log:
        factor = (high / low) ** 0.04
        return low / factor, high * factor
    pad = 0.04 * (high - low) or 0.05 * abs(high) or 0.5
    return low - pad, high + pad


def _name(s: Summary) -> str:
    label = s.label.replace("$", r"\$")  # a name, maybe typed by a reader, and not mathematics
    return f"{label} (diverged)" if s.diverged else label


def _end_labels(picture: Picture, ax: Axes, drawn: Sequence[Summary]) -> None:
    """Labels beside the ends of the lines, moved apart, each with a piece of its line."""
    box = ax.get_window_extent()
    shown = [s for s in drawn if s.mean.size]
    if not shown:
        return
    ends = ax.transData.transform([(s.x[-1], s.end) for s in shown])[:, 1] - box.y0
    ends = np.clip(np.nan_to_num(ends, nan=box.height, posinf=box.height), 0, box.height)
    gap = SMALL * DPI / 72 * 1.35
    places = spread_out(list(ends), gap, 0.0, float(box.height))
    for s, end, place in zip(shown, ends, places, strict=True):
        pieces: tuple[tuple[tuple[int, int], tuple[float, float], Dash, float], ...] = (
            ((4, 12), (end, place), "-", 0.8),
            ((12, 35), (place, place), s.look.dash, LINE_WIDTH),
        )
        for xs, ys, dash, width in pieces:
            line = Line2D(
                [1 + dx / box.width for dx in xs],
                [y / box.height for y in ys],
                transform=ax.transAxes,
                color=s.look.color,
                linestyle=dash,
                linewidth=width,
                clip_on=False,
            )
            ax.add_line(line)
        ax.plot(
            [1 + 23.5 / box.width],
            [place / box.height],
            transform=ax.transAxes,
            marker=s.look.marker,
            markersize=5.5,
            color=s.look.color,
            clip_on=False,
        )
        ax.text(
            1 + 40 / box.width,
            place / box.height,
            _name(s),
            transform=ax.transAxes,
            fontsize=SMALL,
            color=INK,
            fontfamily=FONT,
            va="center_baseline",
        )


def legend(picture: Picture, drawn: Sequence[Summary], top: float) -> float:
    """A legend in rows under the headline. Returns its height in pixels."""
    width, height = picture.pixels
    widest = 60 + max(text_width(picture, _name(s), SMALL) for s in drawn)
    columns = max(1, min(len(drawn), int((width - 24) // widest)))
    handles = [
        Line2D(
            [],
            [],
            color=s.look.color,
            linestyle=s.look.dash,
            linewidth=LINE_WIDTH,
            marker=s.look.marker,
            markersize=6,
            label=_name(s),
        )
        for s in drawn
    ]
    picture.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(8 / width, 1 - (top - 4) / height),
        ncols=columns,
        frameon=False,
        handlelength=3.2,
        columnspacing=1.6,
        borderpad=0.2,
        borderaxespad=0.0,
        labelcolor=INK,
        prop={"family": FONT, "size": SMALL},
    )
    rows = -(-len(drawn) // columns)
    return rows * SMALL * DPI / 72 * 1.5 + 2
