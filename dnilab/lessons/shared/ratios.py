"""How many times as fast: one bar a contestant, and a line at "as fast as"."""

from __future__ import annotations

from collections.abc import Mapping

from dnilab.checks import real_number
from dnilab.doors import open_doors
from dnilab.pictures import style
from dnilab.pictures.draw import headline, name_rows, place_axes, rect, text_width, write
from dnilab.pictures.style import GROUND, Fill, Picture, listing
from dnilab.pictures.table import Table

MEASURED = Fill("#8FC3E3", style.BLUE, width=1.0)
IDEAL = Fill(GROUND, style.MUTED, width=1.0, hatch="///")
LIMIT = Fill(style.VERMILLION, style.VERMILLION, width=0.0)


def ratio_words(ratio: float) -> str:
    """How many times, as it is read: two decimals, more where it is small.

    >>> ratio_words(1.789), ratio_words(0.034), ratio_words(12.34)
    ('1.79', '0.034', '12.3')
    """
    if 0.1 <= ratio < 10:
        return f"{ratio:.2f}"
    return f"{ratio:.3g}" if ratio >= 10 else f"{ratio:.2g}"


def ratios(
    measured: Mapping[str, float],
    ideal: Mapping[str, float] | None = None,
    *,
    limits: Mapping[str, float] | None = None,
    reference: str = "backpropagation in line",
    title: str | None = None,
    note: str = "",
) -> Picture:
    """Speeds relative to ``reference``, measured (filled) and ideal (hatched), as bars.

    1 is as fast, 2 twice as fast.  ``limits``: what a bar could reach, by its name: a stroke across
    it.  The sentence says all of it; the names say which are ideal.

    Raises ValueError for no bar, and for a ratio that is not above 0.
    """
    bars = [(name, value, MEASURED) for name, value in measured.items()]
    bars += [(name, value, IDEAL) for name, value in (ideal or {}).items()]
    if not bars:
        raise ValueError("measured is empty; it accepts one ratio or more")
    names, values, _ = zip(*bars, strict=True)
    for name, value in zip(names, values, strict=True):
        real_number(repr(name), value, 0, above=True)
    limits = dict(limits or {})
    told = [
        f"{name}: {ratio_words(value)}"
        + (f" (limit {ratio_words(limits[name])})" if name in limits else "")
        for name, value, _ in bars
    ]
    picture = Picture(
        700,
        29 * len(bars) + 82 + (22 if title else 0) + (18 if note else 0),
        sentence=f"Speed relative to {reference}, where 1 is as fast: {listing(told)}.",
        alt=f"Bars: {title or 'relative speeds'}. Described in the text below.",
    )
    top = headline(picture, title, note)
    left = 24 + max(text_width(picture, name) for name in names)
    ax = place_axes(picture, left, 56, top, 50, xlabel=f"speed ({reference} = 1)")
    name_rows(ax, names)
    furthest = 1.05 * max(1.0, *values, *limits.values())
    ax.set_xlim(0, furthest)
    pixel = furthest / ax.get_window_extent().width
    for row, (name, value, look) in enumerate(bars):
        rect(ax, (0, row - 0.31), (value, 0.62), look)
        stroke = limits.get(name, 0.0)
        if stroke:
            rect(ax, (stroke - pixel, row - 0.42), (2 * pixel, 0.84), LIMIT)
        # the number must not stand on the stroke: then it stands in the bar
        inside = value < stroke < value + 50 * pixel and value > 60 * pixel
        at, align = (value - 7 * pixel, "right") if inside else (value + 7 * pixel, "left")
        ground = look.ground if inside else GROUND
        write(ax, at, row, ratio_words(value), align=align, ground=ground, zorder=5)
    ax.axvline(1, color=style.INK, linestyle=(0, (4, 3)), linewidth=1.2)
    head = ("", f"speed ({reference} = 1)", *(["limit"] if limits else []))
    limit = [[ratio_words(limits[name]) if name in limits else ""] for name in names]
    body = [
        (name, ratio_words(value), *(limit[row] if limits else []))
        for row, (name, value, _) in enumerate(bars)
    ]
    picture.tables = [Table(head, tuple(body), title or "Speed")]
    return picture


open_doors(__name__)
