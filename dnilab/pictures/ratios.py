"""How many times as fast: one bar a contestant, and a line at "as fast as"."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dnilab.pictures.curves import place_axes
from dnilab.pictures.style import (
    BLUE,
    FONT,
    GROUND,
    INK,
    MUTED,
    SMALL,
    Picture,
    dress,
    headline,
    listing,
    text_width,
)

MEASURED = ("#8FC3E3", "", BLUE)
IDEAL = ("#FFFFFF", "///", MUTED)


def ratio_words(ratio: float) -> str:
    """A ratio as it is read: two decimals, more where it is small.

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
    reference: str = "the Red Box in line",
    title: str | None = None,
    note: str = "",
    width: int = 700,
) -> Picture:
    """Speeds relative to ``reference``, measured (filled) and ideal (hatched), as bars.

    1 is as fast, 2 twice as fast.  The sentence says all of it; the names say which are ideal.

    Raises ValueError for no bar, and for a ratio that is not above 0.
    """
    bars = [(name, value, False) for name, value in measured.items()]
    bars += [(name, value, True) for name, value in (ideal or {}).items()]
    if not bars:
        raise ValueError("measured: got none, need at least one ratio")
    for name, value, _ in bars:
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name!r}: got {value}, need a ratio above 0")
    told = [f"{name}: {ratio_words(value)}" for name, value, _ in bars]
    picture = Picture(
        width,
        int(29 * len(bars) + 82 + (22 if title else 0) + (18 if note else 0)),
        sentence=f"Speed relative to {reference}, where 1 is as fast: {listing(told)}.",
        alt=f"Bars: {title or 'relative speeds'}. Described in the text below.",
    )
    top = headline(picture, title, note)
    left = 24 + max(text_width(picture, name, SMALL) for name, _, _ in bars)
    ax = place_axes(picture, left=left, right=56, top=top, bottom=50)
    dress(ax, xlabel=f"speed ({reference} = 1)")
    ax.grid(False, axis="y")
    ax.set_ylim(len(bars) - 0.45, -0.55)
    ax.set_yticks(range(len(bars)), [name for name, _, _ in bars])
    ax.tick_params(axis="y", length=0)
    for label in ax.get_yticklabels():
        label.set_fontfamily(FONT)
    ax.set_xlim(0, 1.05 * max(1.0, *(value for _, value, _ in bars)))
    for row, (_, value, computed) in enumerate(bars):
        fill, hatch, frame = IDEAL if computed else MEASURED
        ax.barh(row, value, 0.62, color=fill, hatch=hatch, edgecolor=frame, linewidth=1.0)
        ax.annotate(
            ratio_words(value),
            (value, row),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
            color=INK,
            fontfamily=FONT,
            annotation_clip=False,
            bbox={"boxstyle": "round,pad=0.1", "facecolor": GROUND, "edgecolor": "none"},
            zorder=5,
        )
    ax.axvline(1, color=INK, linestyle=(0, (4, 3)), linewidth=1.2)
    return picture
