"""Who did what when: one row a worker, one bar a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.patches import FancyArrowPatch, Patch, Rectangle

from dnilab.pictures.curves import place_axes
from dnilab.pictures.style import (
    BLACK,
    BLUE,
    FONT,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    PURPLE,
    SMALL,
    Picture,
    dress,
    headline,
    listing,
    number,
)


@dataclass(frozen=True)
class Bar:
    """One step: worker ``worker`` works from ``start`` to ``end`` (seconds).

    ``kind`` (such as "forward", "update" or "fit") gives the look, ``module`` and ``batch`` the
    label.
    """

    worker: str
    start: float
    end: float
    kind: str
    module: int | None = None
    batch: int | None = None

    def __post_init__(self) -> None:
        if not (np.isfinite(self.start) and np.isfinite(self.end) and self.start <= self.end):
            raise ValueError(
                f"start, end: got {self.start} and {self.end}, need finite seconds, start first"
            )


# Fill, hatch and label colour. Unknown kinds take the last ones in turn.
KIND_LOOKS: dict[str, tuple[str, str, str]] = {
    "forward": ("#8FC3E3", "", INK),
    "update": ("#7FCFB5", "///", INK),
    "fit": ("#E3B3CE", "...", INK),
    "backward": ("#F2C063", "\\\\\\", INK),
    "forward and update": ("#A9D8E6", "", INK),
}
SPARE_LOOKS = [
    ("#EBA277", "xx", INK),
    ("#CCCCCC", "", INK),
    ("#B9DDF3", "++", INK),
]
FRAMES = {
    "forward": BLUE,
    "update": GREEN,
    "fit": PURPLE,
    "backward": ORANGE,
    "forward and update": BLUE,
}

UNITS = {"s": 1.0, "ms": 1e3, "µs": 1e6, "steps": 1.0, "ticks": 1.0}


@dataclass(frozen=True)
class Load:
    """What :func:`loads` counts for one worker; times in seconds."""

    worker: str
    busy: float
    share: float
    """Busy time over the time from the first start to the last end of all workers."""
    steps: int


def span(bars: Sequence[Bar]) -> tuple[float, float]:
    """The first start and the last end, in seconds."""
    if not bars:
        raise ValueError("bars: got none, need at least one Bar")
    return min(b.start for b in bars), max(b.end for b in bars)


def loads(bars: Sequence[Bar]) -> list[Load]:
    """How busy each worker was, in order of first appearance. Overlaps are not counted twice."""
    first, last = span(bars)
    whole = last - first
    result = []
    for worker in dict.fromkeys(b.worker for b in bars):
        own = sorted((b.start, b.end) for b in bars if b.worker == worker)
        busy, reached = 0.0, -np.inf
        for start, end in own:
            busy += max(0.0, end - max(start, reached))
            reached = max(reached, end)
        result.append(Load(worker, busy, busy / whole if whole > 0 else 1.0, len(own)))
    return result


def best_unit(seconds: float) -> str:
    """µs below 2 ms, ms below 2 s, else s."""
    return "µs" if seconds < 2e-3 else "ms" if seconds < 2 else "s"


def describe_timeline(bars: Sequence[Bar], *, unit: str, measured: bool) -> str:
    """The timeline in words."""
    first, last = span(bars)
    factor = UNITS[unit]
    each = loads(bars)
    kind = "Measured" if measured else "Ideal"
    busy = listing([f"{load.worker} is busy {100 * load.share:.0f} % of it" for load in each])
    together = sum(load.busy for load in each) / (last - first) if last > first else 1.0
    text = (
        f"{kind} timeline of {len(bars)} steps on {len(each)} "
        f"worker{'s' * (len(each) > 1)}, {number(factor * (last - first))} {unit} in all: {busy}"
    )
    if len(each) > 1:
        text += f"; on average {together:.2f} workers are at work at once"
    return text + "."


def timeline(
    bars: Sequence[Bar],
    *,
    title: str | None = None,
    measured: bool = True,
    unit: str | None = None,
    arrows: Sequence[tuple[int, int]] = (),
    width: int = 700,
) -> Picture:
    """A Gantt picture.

    Parameters
    ----------
    bars:
        The steps; rows in order of the workers' first appearance. Time starts at the first.
    measured:
        False for a computed, ideal timeline; the picture and the sentence say which it is.
    unit:
        "µs", "ms", "s", or "steps" or "ticks" where ``start`` and ``end`` count those; by
        default what fits.
    arrows:
        Pairs of places in ``bars``: (what is needed, who needs it).
    """
    bars = list(bars)
    first, last = span(bars)
    unit = unit or best_unit(last - first)
    if unit not in UNITS:
        raise ValueError(f"unit: got {unit!r}, need one of {', '.join(UNITS)}")
    for pair in arrows:
        if any(not 0 <= place < len(bars) for place in pair):
            raise ValueError(f"arrows: got {pair}, need places from 0 to {len(bars) - 1}")
    factor = UNITS[unit]
    workers = list(dict.fromkeys(b.worker for b in bars))
    height = int(46 * len(workers) + (134 if title else 112))
    picture = Picture(
        width,
        height,
        sentence=describe_timeline(bars, unit=unit, measured=measured),
        alt=f"Timeline: {title or 'steps of each worker'}. Described in the text below.",
    )
    top = headline(picture, title, timeline_note(bars, measured))
    kinds = list(dict.fromkeys(b.kind for b in bars))
    spare = iter(SPARE_LOOKS * len(kinds))
    looks = {kind: KIND_LOOKS.get(kind) or next(spare) for kind in kinds}
    frames = {kind: FRAMES.get(kind, MUTED) for kind in kinds}
    picture.legend(
        handles=[
            Patch(facecolor=looks[k][0], hatch=looks[k][1], edgecolor=frames[k], label=k)
            for k in kinds
        ],
        loc="upper left",
        bbox_to_anchor=(8 / width, 1 - (top - 4) / height),
        ncols=len(kinds),
        frameon=False,
        borderpad=0.2,
        borderaxespad=0.0,
        labelcolor=INK,
        prop={"family": FONT, "size": SMALL},
    )
    left = 24 + 7.6 * max(len(w) for w in workers)
    ax = place_axes(picture, left=left, right=20, top=top + 24, bottom=48)
    dress(ax, xlabel=f"time ({unit})")
    ax.grid(False, axis="y")
    ax.set_ylim(len(workers) - 0.45, -0.55)
    ax.set_yticks(range(len(workers)), workers)
    ax.tick_params(axis="y", length=0)
    ax.set_xlim(0, max(factor * (last - first), 1e-12))
    per_unit = ax.get_window_extent().width / max(factor * (last - first), 1e-12)
    for bar in bars:
        row = workers.index(bar.worker)
        fill, hatch, ink = looks[bar.kind]
        x, wide = factor * (bar.start - first), factor * (bar.end - bar.start)
        ax.add_patch(
            Rectangle(
                (x, row - 0.34),
                wide,
                0.68,
                facecolor=fill,
                edgecolor=frames[bar.kind],
                hatch=hatch,
                linewidth=0.8,
            )
        )
        label = bar_label(bar, wide * per_unit)
        if label:
            ax.text(
                x + wide / 2,
                row,
                label,
                ha="center",
                va="center",
                fontsize=SMALL - 1,
                color=ink,
                fontfamily=FONT,
                bbox={"boxstyle": "round,pad=0.12", "facecolor": fill, "edgecolor": "none"},
            )
    for needed, needs in arrows:
        a, b = bars[needed], bars[needs]
        above, below = workers.index(a.worker), workers.index(b.worker)
        edge = 0.34 if below > above else -0.34 if below < above else 0.0
        ax.add_patch(
            FancyArrowPatch(
                (factor * (a.end - first), above + edge),
                (factor * (b.start - first), below - edge),
                arrowstyle="-|>,head_length=5,head_width=2.5",
                color=BLACK,
                linewidth=1.0,
                shrinkA=0,
                shrinkB=0,
                zorder=5,
            )
        )
    return picture


def timeline_note(bars: Sequence[Bar], measured: bool) -> str:
    """Whether it was measured, and how to read a label."""
    text = "measured" if measured else "ideal: computed, not measured"
    named = [b for b in bars if b.module is not None and b.batch is not None]
    if named:
        text += f"; {bar_label(named[0], 1e9)} is module {named[0].module}, batch {named[0].batch}"
    return text


def bar_label(bar: Bar, pixels: float) -> str:
    """``2·b7`` (module 2, batch 7), less where it does not fit, nothing in a narrow bar."""
    module = "" if bar.module is None else str(bar.module)
    batch = "" if bar.batch is None else f"b{bar.batch}"
    for text in ("·".join(part for part in (module, batch) if part), module):
        if text and 7.2 * len(text) + 4 <= pixels:
            return text
    return ""
