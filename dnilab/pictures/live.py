"""Pictures that change many times a second, for panels.

A live picture is a *view*: ``update(snapshot) -> PNG bytes`` and ``sentence(snapshot) -> str``.
:class:`LiveCurves` is the fast one: it keeps one figure, keeps its lines, and repaints only them
over a stored background. :class:`Redrawn` makes a view of any function that returns a Picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.lines import Line2D

from dnilab.pictures.curves import (
    Band,
    Better,
    Series,
    Summary,
    axis_format,
    curves,
    describe,
    draw_marks,
    legend,
    place_axes,
    seeds_note,
    stagger,
    summarise_all,
    whole_numbers,
    with_margin,
    y_range,
)
from dnilab.pictures.style import (
    LINE_WIDTH,
    Picture,
    dress,
    encode_png,
    headline,
)

S = TypeVar("S")


def nice_above(value: float) -> float:
    """The next of 1, 1.5, 2, 3, 5, 7.5, 10 times a power of ten that is not below ``value`` > 0.

    >>> nice_above(0.62), nice_above(11.0), nice_above(3.0)
    (0.75, 15.0, 3.0)
    """
    power = 10.0 ** math.floor(math.log10(value))
    for step in (1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0):
        if value <= step * power * (1 + 1e-9):
            return step * power
    return 10.0 * power


def calm_limits(
    low: float,
    high: float,
    before: tuple[float, float] | None = None,
    *,
    log: bool = False,
) -> tuple[float, float]:
    """Axis limits that hold ``low`` and ``high`` and that move seldom.

    They lie on round numbers, so new data mostly stays inside; while it does, and fills at least
    a third of the axis, the limits ``before`` are kept exactly.
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return before or ((0.1, 1.0) if log else (0.0, 1.0))
    if log:
        inside = before is not None and before[0] <= low and high <= before[1]
        if before is not None and inside:
            used, whole = math.log10(high / low), math.log10(before[1] / before[0])
            if whole <= 1 + 1e-9 or used >= whole / 3:
                return before
        bottom = 10.0 ** math.floor(math.log10(low) + 1e-9)
        top = 10.0 ** math.ceil(math.log10(high) - 1e-9)
        return bottom, top if top > bottom else 10 * bottom
    if before is not None and before[0] <= low and high <= before[1]:
        used = max(high, 0.0) - min(low, 0.0) if before[0] <= 0 <= before[1] else high - low
        if used >= (before[1] - before[0]) / 3:
            return before
    # Zero belongs to the axis, unless the data lies far from it (accuracies from 0.9 to 1).
    if 0 <= low < 0.8 * high or low == high == 0:
        return 0.0, nice_above(high) if high > 0 else 1.0
    if high <= 0 and high > 0.8 * low:
        return -nice_above(-low), 0.0
    if low < 0 < high:
        return -nice_above(-low), nice_above(high)
    step = nice_above(max(high - low, 1e-3 * max(abs(high), abs(low)))) / 2
    bottom, top = math.floor(low / step) * step, math.ceil(high / step) * step
    return bottom, top if top > bottom else bottom + step


def with_headroom(low: float, high: float, *, log: bool) -> tuple[float, float]:
    """A little room above, and below unless the axis starts at 0: a line on the edge is cut."""
    if log:
        room = (high / low) ** 0.02
        return low / room, high * room
    room = 0.02 * (high - low)
    return (low if low == 0 else low - room), high + room


class LiveCurves:
    """Curves that grow: one figure, its lines reused, painted over a stored background.

    As a view of a panel its snapshot is a sequence of :class:`Series`.

    Parameters
    ----------
    xlabel, ylabel, title, percent, log_y, band, better, marks, size:
        As in :func:`dnilab.pictures.curves`.
    x_max:
        The x at which a run ends. Give it where it is known: the axis then never moves.
    ylim:
        Fixed limits of ``y``. Without them the axis moves in calm steps.

    A lock is not needed for one user; a panel draws under its own.
    """

    def __init__(
        self,
        *,
        xlabel: str,
        ylabel: str,
        title: str | None = None,
        percent: bool = False,
        log_y: bool = False,
        band: Band = "range",
        better: Better | None = None,
        x_max: float | None = None,
        ylim: tuple[float, float] | None = None,
        marks: Sequence[tuple[float, str]] = (),
        size: tuple[int, int] = (700, 400),
    ) -> None:
        if better not in (None, "higher", "lower"):
            raise ValueError(f"better: got {better!r}, need 'higher', 'lower' or None")
        self._words: dict[str, Any] = {
            "xlabel": xlabel,
            "ylabel": ylabel,
            "percent": percent,
            "better": better,
            "band": band,
        }
        self._title, self._percent, self._log_y = title, percent, log_y
        self._band: Band = band
        self._x_max, self._ylim, self._marks, self._size = x_max, ylim, tuple(marks), size
        self._key: tuple[Any, ...] | None = None
        self._xlim: tuple[float, float] | None = None
        self._now: tuple[float, float] | None = None
        self._picture = Picture(*size)
        self.backgrounds = 0
        """How often the background was painted anew: what calm limits keep small."""

    @property
    def limits(self) -> tuple[tuple[float, float], tuple[float, float]] | None:
        """((x low, x high), (y low, y high)) of the last frame; None before the first."""
        return None if self._xlim is None or self._now is None else (self._xlim, self._now)

    def reset(self) -> None:
        """Forget the limits, as when another task is chosen."""
        self._xlim = self._now = self._key = None

    def sentence(self, series: Sequence[Series]) -> str:
        """What the picture of ``series`` shows, in words."""
        return describe(summarise_all(series, band=self._band), **self._words)

    def picture(self, series: Sequence[Series]) -> Picture:
        """``series`` as a still picture, labels at the ends of the lines."""
        return curves(
            series,
            title=self._title,
            log_y=self._log_y,
            ylim=self._ylim,
            marks=self._marks,
            size=self._size,
            **self._words,
        )

    def update(self, series: Sequence[Series]) -> bytes:
        """Draw ``series`` and return the frame as PNG bytes."""
        drawn = summarise_all(series, band=self._band)
        xlim, ylim = self._limits(drawn)
        key = (
            tuple((s.label, s.look, bool(s.diverged)) for s in drawn),
            seeds_note(drawn, self._band),
            whole_numbers(drawn),
            xlim,
            ylim,
        )
        if key != self._key:
            self._paint_background(drawn, xlim, ylim)
            self._key = key
        canvas = self._picture.canvas
        assert isinstance(canvas, FigureCanvasAgg)
        canvas.restore_region(self._background)
        for place, s in enumerate(drawn):
            x, low, high = thin(s.x, s.low, s.high)
            if s.seeds > 1 and self._band != "none" and x.size > 1:
                self._bands[place].set_verts([band_outline(x, low, high)])
                self._axes.draw_artist(self._bands[place])
            self._lines[place].set_data(s.x, s.mean)
            self._lines[place].set_markevery(stagger(s.x.size, place, len(drawn)))
            self._axes.draw_artist(self._lines[place])
            if s.diverged and s.mean.size:
                self._crosses[place].set_data(s.x[-1:], s.mean[-1:])
                self._axes.draw_artist(self._crosses[place])
        return encode_png(np.asarray(canvas.buffer_rgba()))

    def _limits(self, drawn: Sequence[Summary]) -> tuple[tuple[float, float], tuple[float, float]]:
        ends = [float(v) for s in drawn if s.x.size for v in (s.x[0], s.x[-1])]
        first, last = (min(ends), max(ends)) if ends else (0.0, 1.0)
        if self._x_max is not None:
            self._xlim = (min(first, 0.0), max(self._x_max, last))
        else:
            self._xlim = calm_limits(min(first, 0.0), max(last, 1e-9), self._xlim)
        if self._ylim is not None:
            self._now = self._ylim
        else:
            low, high = y_range(drawn, log=self._log_y)
            levels = [level for level, _ in self._marks if level > 0 or not self._log_y]
            if math.isfinite(low):
                low, high = min([low, *levels]), max([high, *levels])
            self._now = calm_limits(low, high, self._now, log=self._log_y)
        return self._xlim, self._now

    def _paint_background(
        self, drawn: Sequence[Summary], xlim: tuple[float, float], ylim: tuple[float, float]
    ) -> None:
        self.backgrounds += 1
        picture = self._picture
        picture.clear()
        top = headline(picture, self._title, seeds_note(drawn, self._band))
        top += legend(picture, drawn, top)
        ax: Axes = place_axes(picture, left=82, right=24, top=top + 6, bottom=54)
        dress(ax, xlabel=self._words["xlabel"], ylabel=self._words["ylabel"])
        axis_format(
            ax,
            percent=self._percent,
            log_x=False,
            log_y=self._log_y,
            whole=whole_numbers(drawn),
        )
        ax.set_xlim(*with_margin(*xlim))
        ax.set_ylim(*with_headroom(*ylim, log=self._log_y))
        draw_marks(ax, self._marks)
        canvas = picture.canvas
        assert isinstance(canvas, FigureCanvasAgg)
        canvas.draw()
        self._background = canvas.copy_from_bbox(picture.bbox)
        self._axes = ax
        self._lines, self._bands, self._crosses = [], [], []
        for s in drawn:
            band = PolyCollection([], facecolor=s.look.color, alpha=0.18, linewidth=0)
            line = Line2D(
                [],
                [],
                color=s.look.color,
                linestyle=s.look.dash,
                linewidth=LINE_WIDTH,
                marker=s.look.marker,
                markersize=6,
            )
            cross = Line2D([], [], color=s.look.color, marker="x", markersize=10, mew=2.5)
            # Added after the background is stored, so that it does not hold them.
            ax.add_collection(band, autolim=False)
            ax.add_line(line)
            ax.add_line(cross)
            self._bands.append(band)
            self._lines.append(line)
            self._crosses.append(cross)


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


def band_outline(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The band as one polygon (2 n, 2): along the low edge, back along the high edge."""
    return np.column_stack([np.concatenate([x, x[::-1]]), np.concatenate([low, high[::-1]])])


class Redrawn(Generic[S]):
    """A view of a function ``draw(snapshot) -> Picture``, which draws anew each time.

    Some 40 to 60 ms a frame, fit for a picture that changes when a control is moved. The picture
    drawn last is kept until the next, so that its sentence is not computed twice.
    """

    def __init__(self, draw: Callable[[S], Picture]) -> None:
        self._draw = draw
        self._last: tuple[S, Picture] | None = None

    def picture(self, snapshot: S) -> Picture:
        """The picture of ``snapshot``."""
        if self._last is None or self._last[0] is not snapshot:
            picture = self._draw(snapshot)
            if not isinstance(picture, Picture):
                raise TypeError(f"draw: got a {type(picture).__name__} back, need a dnilab Picture")
            self._last = (snapshot, picture)
        return self._last[1]

    def update(self, snapshot: S) -> bytes:
        """Draw ``snapshot`` and return the frame as PNG bytes."""
        self._last = None  # a snapshot may be an array that was changed in place
        return self.picture(snapshot).png()

    def sentence(self, snapshot: S) -> str:
        """What the picture of ``snapshot`` shows, in words."""
        return self.picture(snapshot).sentence
