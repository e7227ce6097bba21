"""Pictures that change many times a second, for panels.

A live picture is a *view*: ``update(snapshot) -> PNG bytes`` and ``sentence(snapshot) -> str``.
:class:`LiveCurves` is the fast one: it keeps one figure, keeps its lines, and repaints only them
over a stored background. :class:`Redrawn` makes a view of any function that returns a Picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

from dnilab.pictures.curves import (
    Chart,
    Curve,
    Limits,
    Series,
    Summary,
    draw_marks,
    seeds_note,
    summarise_all,
    whole_numbers,
    widened,
    x_range,
    y_range,
)
from dnilab.pictures.style import Picture, encode_png

S = TypeVar("S")


def nice_above(value: float) -> float:
    """The next of 1, 1.5, 2, 3, 5, 7.5, 10 times a power of ten that is not below ``value`` > 0.

    >>> nice_above(0.62), nice_above(11.0), nice_above(3.0)
    (0.75, 15.0, 3.0)
    """
    power = 10.0 ** math.floor(math.log10(value))
    steps = (step * power for step in (1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0))
    return next(step for step in steps if value <= step * (1 + 1e-9))


def calm_limits(low: float, high: float, before: Limits | None = None) -> Limits:
    """Axis limits that hold ``low`` and ``high`` and that move seldom.

    They lie on round numbers, so new data mostly stays inside; while it does, and fills at least
    a third of the axis, the limits ``before`` are kept exactly.
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return before or (0.0, 1.0)
    if before is not None and before[0] <= low and high <= before[1]:
        used = max(high, 0.0) - min(low, 0.0) if before[0] <= 0 <= before[1] else high - low
        if used >= (before[1] - before[0]) / 3:
            return before
    # Zero belongs to the axis, unless the data lies far from it (accuracies from 0.9 to 1).
    if not (low >= 0.8 * high > 0 or high <= 0.8 * low < 0):
        bottom = -nice_above(-low) if low < 0 else 0.0
        top = nice_above(high) if high > 0 else 0.0
        return bottom, top if top > bottom else 1.0
    step = nice_above(max(high - low, 1e-3 * max(abs(high), abs(low)))) / 2
    bottom, top = math.floor(low / step) * step, math.ceil(high / step) * step
    return bottom, top if top > bottom else bottom + step


@dataclass(kw_only=True, eq=False)
class LiveCurves(Chart):
    """Curves that grow: one figure, its lines reused, painted over a stored background.

    As a view of a panel its snapshot is a sequence of :class:`Series`.

    Parameters
    ----------
    xlabel, ylabel, title, percent, better, marks, size:
        As in :func:`dnilab.pictures.curves`.
    x_max:
        The x at which a run ends. Give it where it is known: the axis then never moves.
    ylim:
        Fixed limits of ``y``. Without them the axis moves in calm steps.

    A lock is not needed for one user; a panel draws under its own.
    """

    x_max: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._picture = Picture(*self.size)
        self._curves: list[Curve] = []
        self.backgrounds = 0
        """How often the background was painted anew: what calm limits keep small."""
        self._key: tuple[Any, ...] | None = None
        self.limits: tuple[Limits, Limits] | None = None
        """((x low, x high), (y low, y high)) of the last frame; None before the first."""

    @property
    def shown(self) -> Picture:
        """The picture drawn last."""
        return self._picture

    def sentence(self, series: Sequence[Series]) -> str:
        """What the picture of ``series`` shows, in words."""
        return self.describe(summarise_all(series))

    def update(self, series: Sequence[Series]) -> bytes:
        """Draw ``series`` and return the frame as PNG bytes."""
        drawn = summarise_all(series)
        self.limits = self._limits(drawn)
        names = tuple((s.name, s.look) for s in drawn)
        key = (names, seeds_note(drawn), whole_numbers(drawn), self.limits)
        canvas = self._picture.canvas
        assert isinstance(canvas, FigureCanvasAgg)
        if key != self._key:
            self._paint_background(drawn, canvas)
            self._key = key
        canvas.restore_region(self._background)
        for place, (s, curve) in enumerate(zip(drawn, self._curves, strict=True)):
            curve.show(s, place, len(drawn))
            for artist in (curve.band, curve.line, curve.cross):
                self._axes.draw_artist(artist)
        return encode_png(np.asarray(canvas.buffer_rgba()))

    def _limits(self, drawn: Sequence[Summary]) -> tuple[Limits, Limits]:
        x_before, y_before = self.limits or (None, None)
        first, last = x_range(drawn)
        xlim = (min(first, 0.0), max(self.x_max or 1e-9, last))
        if self.x_max is None:
            xlim = calm_limits(*xlim, x_before)
        return xlim, self.ylim or calm_limits(*y_range(drawn, marks=self.marks), y_before)

    def _paint_background(self, drawn: Sequence[Summary], canvas: FigureCanvasAgg) -> None:
        assert self.limits is not None
        self.backgrounds += 1
        self._picture.clear()
        self._axes = self.axes(self._picture, drawn, None)
        self._axes.set_xlim(widened(*self.limits[0]))
        low, high = widened(*self.limits[1], 0.02)  # a line on the edge is cut
        self._axes.set_ylim(0 if self.limits[1][0] == 0 else low, high)
        draw_marks(self._axes, self.marks)
        canvas.draw()
        self._background = canvas.copy_from_bbox(self._picture.bbox)
        # After the background is stored, so that it does not hold them.
        self._curves = [Curve(self._axes, s.look) for s in drawn]


class Redrawn(Generic[S]):
    """A view of a function ``draw(snapshot) -> Picture``, which draws anew each time.

    Some 40 to 60 ms a frame, fit for a picture that changes when a control is moved. The picture
    drawn last is kept until the next, so that its sentence is not computed twice.
    """

    def __init__(self, draw: Callable[[S], Picture]) -> None:
        self._draw = draw
        self._last: tuple[S, Picture] | None = None

    @property
    def shown(self) -> Picture | None:
        """The picture drawn last; None before the first."""
        return self._last and self._last[1]

    def picture(self, snapshot: S) -> Picture:
        """The picture of ``snapshot``."""
        if self._last is None or self._last[0] is not snapshot:
            picture = self._draw(snapshot)
            if not isinstance(picture, Picture):
                raise TypeError(f"draw gives a {type(picture).__name__}; it accepts a Picture")
            self._last = (snapshot, picture)
        return self._last[1]

    def update(self, snapshot: S) -> bytes:
        """Draw ``snapshot`` and return the frame as PNG bytes."""
        self._last = None  # a snapshot may be an array that was changed in place
        return self.picture(snapshot).png()

    def sentence(self, snapshot: S) -> str:
        """What the picture of ``snapshot`` shows, in words."""
        return self.picture(snapshot).sentence
