"""Who did what when: one row a worker, one bar a step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from dnilab.checks import one_of
from dnilab.orderings import Slot
from dnilab.pictures import style
from dnilab.pictures.draw import headline, legend, name_rows, place_axes, rect, write
from dnilab.pictures.style import SMALL, Fill, Picture, listing, number
from dnilab.pictures.table import Table


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
            said = f"start, end is {self.start}, {self.end}"
            raise ValueError(f"{said}; it accepts finite seconds, start first")


KINDS = {
    "forward_update": "forward and update",
    "unlocked_update": "forward and update",
    "fit": "fit",
    "late_fit": "fit",
    "forward": "forward",
    "forward_keep": "forward",
    "backward": "backward",
    "backward_input": "backward",
    "backward_weights": "own gradients",
    "update": "update",
    "forward_guess": "forward and guess",
    "pull": "pull",
    "fit_input": "fit of the input model",
    "late_fit_input": "fit of the input model",
}
"""What an operation is called in a picture."""

TALL = 0.7  # of a bar, in rows
MOST_ROWS = 100  # of the table

UNITS = {"s": 1.0, "ms": 1e3, "µs": 1e6, "steps": 1.0, "ticks": 1.0}


def bars_of_spans(
    spans: Iterable[tuple[int, str, int, int, int, int]], names: Sequence[str] = ()
) -> list[Bar]:
    """Measured steps as bars; batches count from the first that is shown.

    ``spans``: (worker, operation, module, batch, start, end), in nanoseconds.
    """
    return _bars([(*step, start / 1e9, end / 1e9) for *step, start, end in spans], names)


def bars_of_slots(slots: Iterable[Slot], names: Sequence[str] = ()) -> list[Bar]:
    """The slots of an ideal timeline as bars; batches count from the first that is shown."""
    steps = [(s.worker, s.step.op, s.step.module, s.step.batch, s.start, s.end) for s in slots]
    return _bars(steps, names)


def _bars(steps: Sequence[tuple], names: Sequence[str]) -> list[Bar]:
    """Worker by worker: a timeline's rows are in the order of first appearance."""
    first = min((batch for _, _, _, batch, _, _ in steps), default=0)
    bars = []
    for worker, op, module, batch, start, end in sorted(steps, key=lambda s: (s[0], s[4])):
        name = names[worker] if worker < len(names) else f"worker {worker + 1}"
        bars.append(Bar(name, start, end, KINDS[op], module, batch - first))
    return bars


def looks_of(bars: Iterable[Bar]) -> dict[str, Fill]:
    """The look of each kind, in order of first appearance."""
    kinds = list(dict.fromkeys(bar.kind for bar in bars))
    spare = iter(style.SPARE_LOOKS * len(kinds))
    return {kind: style.KIND_LOOKS.get(kind) or next(spare) for kind in kinds}


def span(bars: Sequence[Bar]) -> tuple[float, float]:
    """The first start and the last end, in seconds."""
    if not bars:
        raise ValueError("bars is empty; it accepts one Bar or more")
    return min(b.start for b in bars), max(b.end for b in bars)


def loads(bars: Sequence[Bar]) -> dict[str, float]:
    """For how many seconds each worker was busy. Overlaps are not counted twice."""
    result: dict[str, float] = {}
    for worker in dict.fromkeys(bar.worker for bar in bars):
        reached = -np.inf
        result[worker] = 0.0
        for bar in sorted((b for b in bars if b.worker == worker), key=lambda bar: bar.start):
            result[worker] += max(0.0, bar.end - max(bar.start, reached))
            reached = max(bar.end, reached)
    return result


def best_unit(seconds: float) -> str:
    """µs below 2 ms, ms below 2 s, else s."""
    return "µs" if seconds < 2e-3 else "ms" if seconds < 2 else "s"


def describe_timeline(bars: Sequence[Bar], *, unit: str, measured: bool) -> str:
    """The timeline in words."""
    first, last = span(bars)
    whole, busy = last - first, loads(bars)
    each = [
        f"{worker} is busy {100 * seconds / whole if whole else 100:.0f} % of it"
        for worker, seconds in busy.items()
    ]
    text = (
        f"{'Measured' if measured else 'Ideal'} timeline of {len(bars)} steps on {len(busy)} "
        f"worker{'s' * (len(busy) > 1)}, {number(UNITS[unit] * whole)} {unit} in all: "
        f"{listing(each)}"
    )
    if len(busy) > 1:
        together = sum(busy.values()) / whole if whole else 1.0
        text += f"; on average {together:.2f} workers are at work at once"
    return text + "."


def draw_bars(
    ax: Axes, bars: Iterable[Bar], rows: Sequence[str], look_of: Callable[[Bar], Fill]
) -> None:
    """Draw bars into axes whose limits are set and whose rows are the workers ``rows``."""
    low, high = ax.get_xlim()
    pixels = ax.get_window_extent().width / (high - low)
    for bar in bars:
        look, row = look_of(bar), rows.index(bar.worker)
        wide = bar.end - bar.start
        rect(ax, (bar.start, row - TALL / 2), (wide, TALL), look)
        label = bar_label(bar, wide * pixels)
        if label:
            write(ax, bar.start + wide / 2, row, label, SMALL - 1, look.text, ground=look.ground)


def timeline(
    bars: Sequence[Bar], *, title: str | None = None, measured: bool = True, unit: str | None = None
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

    Raises ValueError for no bars or another unit.
    """
    bars = list(bars)
    first, last = span(bars)
    unit = one_of("unit", unit or best_unit(last - first), UNITS)
    factor = UNITS[unit]
    workers = list(dict.fromkeys(b.worker for b in bars))
    picture = Picture(
        700,
        46 * len(workers) + (134 if title else 112),
        sentence=describe_timeline(bars, unit=unit, measured=measured),
        alt=f"Timeline: {title or 'steps of each worker'}. Described in the text below.",
    )
    note = "measured" if measured else "ideal: computed, not measured"
    labelled = [bar for bar in bars if bar.module is not None and bar.batch is not None]
    for bar in labelled[:1]:
        note += f"; {bar_label(bar, 1e9)} is module {bar.module}, batch {bar.batch}"
    top = headline(picture, title, note)
    looks = looks_of(bars)
    keys = [
        Patch(facecolor=look.ground, hatch=look.hatch, edgecolor=look.frame, label=kind)
        for kind, look in looks.items()
    ]
    legend(picture, keys, top, len(keys))
    left = 24 + 7.6 * max(len(w) for w in workers)
    ax = place_axes(picture, left, 20, top + 24, 48, xlabel=f"time ({unit})")
    name_rows(ax, workers)
    ax.set_xlim(0, max(factor * (last - first), 1e-12))
    shown = [
        replace(bar, start=factor * (bar.start - first), end=factor * (bar.end - first))
        for bar in bars
    ]
    draw_bars(ax, shown, workers, lambda bar: looks[bar.kind])
    picture.tables = [_steps_table(shown, unit)]
    return picture


def _steps_table(bars: Sequence[Bar], unit: str) -> Table:
    """The bars as rows, the earliest first."""
    body = tuple(
        (bar.worker, bar.kind, str(bar.module or ""), "" if bar.batch is None else str(bar.batch),
         number(bar.start), number(bar.end))
        for bar in sorted(bars, key=lambda bar: bar.start)[:MOST_ROWS]
    )  # fmt: skip
    head = ("worker", "step", "module", "batch", f"from ({unit})", f"to ({unit})")
    rest = f"; the first {MOST_ROWS} of {len(bars)}" * (len(bars) > MOST_ROWS)
    return Table(head, body, f"Steps{rest}")


def bar_label(bar: Bar, pixels: float) -> str:
    """``2·b7`` (module 2, batch 7), less where it does not fit, nothing in a narrow bar."""
    module = "" if bar.module is None else str(bar.module)
    batch = "" if bar.batch is None else f"b{bar.batch}"
    for text in ("·".join(part for part in (module, batch) if part), module):
        if text and 7.2 * len(text) + 4 <= pixels:
            return text
    return ""
