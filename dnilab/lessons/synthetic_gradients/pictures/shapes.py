"""Matrix products with a shape under every symbol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.patches import Rectangle

from dnilab.pictures.diagram import math, shape_text
from dnilab.pictures.style import (
    BLUE,
    FONT,
    GREEN,
    INK,
    MUTED,
    PURPLE,
    SMALL,
    Picture,
    headline,
)

Size = int | str


@dataclass(frozen=True)
class Term:
    """An array: its name in the code's letters ("h1", "W2", "g_hat1", "W1.T") and its shape.

    A dimension is a number or a letter ("B"); ``kind`` picks the look: "value", "weight" or
    "gradient".
    """

    name: str
    shape: tuple[Size, ...]
    kind: str = "value"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind: got {self.kind!r}, need one of {', '.join(KINDS)}")
        if not 1 <= len(self.shape) <= 2:
            raise ValueError(
                f"shape of {self.name}: got {self.shape}, need (n,) or (rows, columns)"
            )
        for part in self.shape:
            if not isinstance(part, int | str) or (isinstance(part, int) and part < 1):
                raise ValueError(f"shape of {self.name}: got {part!r}, need a number or a letter")


KINDS = {
    "value": (BLUE, "#E3EFF7", "-"),
    "weight": (GREEN, "#DDF1EA", (0, (5, 2))),
    "gradient": (PURPLE, "#F8E9F2", (0, (1.5, 1.5))),
}

PRODUCT = "@"
"""Matrix product; other operators, such as "+", "*", "=" or "->", are only written."""


def check_chain(chain: Sequence[Term | str]) -> None:
    """Refuse a chain whose shapes do not fit.

    Around "@" the inner dimensions must agree, around "+", "-" and "*" the shapes must be equal
    (or broadcast from a row (n,)), and what follows "=" must have the shape of what stands
    before it.

    >>> check_chain([Term("x", ("B", 24)), "@", Term("W1", (24, 128)), "=", Term("a", ("B", 128))])
    """
    if (
        not chain
        or len(chain) % 2 == 0
        or not all(isinstance(part, str if i % 2 else Term) for i, part in enumerate(chain))
    ):
        raise ValueError("chain: need Term, operator, Term, ..., beginning and ending with a Term")
    first = chain[0]
    assert isinstance(first, Term)
    shape, sofar = first.shape, first.name
    for operator, term in zip(chain[1::2], chain[2::2], strict=True):
        assert isinstance(operator, str)
        assert isinstance(term, Term)
        if operator == PRODUCT:
            if len(shape) != 2 or len(term.shape) != 2 or shape[1] != term.shape[0]:
                raise ValueError(
                    f"chain: {sofar} {shape_text(shape)} @ {term.name} {shape_text(term.shape)}: "
                    "the inner dimensions differ"
                )
            shape = (shape[0], term.shape[1])
        elif operator in ("+", "-", "*"):
            if shape != term.shape and shape[-1:] != term.shape:
                raise ValueError(
                    f"chain: {sofar} {shape_text(shape)} {operator} {term.name} "
                    f"{shape_text(term.shape)}: the shapes differ"
                )
        elif operator == "=":
            if shape != term.shape:
                raise ValueError(
                    f"chain: {sofar} has shape {shape_text(shape)}, "
                    f"{term.name} {shape_text(term.shape)}"
                )
        else:
            shape = term.shape  # "->" and words: a function that may change the shape
        sofar = term.name if operator == "=" else f"{sofar} {operator} {term.name}"


def shapes(
    rows: Sequence[Sequence[Term | str]],
    *,
    title: str | None = None,
    notes: Sequence[str] = (),
    letter: int = 48,
    width: int = 700,
) -> Picture:
    """Rows of products: each array a rectangle of its proportions, its shape under it.

    Parameters
    ----------
    rows:
        Each a chain ``[Term, operator, Term, ...]``; checked by :func:`check_chain`.
    notes:
        One text a row, written above it.
    letter:
        How tall or wide a dimension given as a letter is drawn, as if it were this number.

    Sides grow with the square root of the dimension, or 12 and 128 could not share a picture.
    """
    if not rows:
        raise ValueError("rows: got none, need at least one chain")
    if notes and len(notes) != len(rows):
        raise ValueError(f"notes: got {len(notes)}, need {len(rows)}, one a row")
    for chain in rows:
        check_chain(chain)

    def side(part: Size) -> float:
        return float(np.clip(9.0 * np.sqrt(part if isinstance(part, int) else letter), 24, 130))

    def box(term: Term) -> tuple[float, float]:
        tall = side(term.shape[0]) if len(term.shape) == 2 else 22.0
        narrowest = 34.0 if len(term.name) < 3 else 42.0  # so that "dW3" fits in
        return max(side(term.shape[-1]), narrowest), tall

    gap = 38.0
    scale = min(
        (width - 60 - gap * (len(chain) // 2))
        / sum(box(t)[0] for t in chain if isinstance(t, Term))
        for chain in rows
    )
    scale = min(1.0, scale)
    tallest = [max(box(t)[1] for t in chain if isinstance(t, Term)) * scale for chain in rows]
    extra = 24 + (22 if notes else 0)
    height = int(sum(tallest) + len(rows) * (extra + 14) + (44 if title else 16))
    picture = Picture(
        width,
        height,
        sentence=_describe(rows, notes),
        alt=f"Shapes: {title or 'matrix products'}. Described in the text below.",
    )
    ax = picture.add_axes((0, 0, 1, 1))
    ax.set_xlim(0, width)
    ax.set_ylim(0, height)
    ax.axis("off")
    y = height - (headline(picture, title, "") if title else 10.0)
    for number, (chain, tall) in enumerate(zip(rows, tallest, strict=True)):
        if notes:
            ax.text(
                14, y - 10, notes[number], fontsize=SMALL, color=MUTED, fontfamily=FONT, va="center"
            )
            y -= 22
        middle = y - tall / 2 - 4
        x = 24.0
        for part in chain:
            if isinstance(part, str):
                sign = {"@": "·", "*": "⊙", "->": "→", "-": "−"}.get(part, part)
                ax.text(
                    x + gap / 2,
                    middle,
                    sign,
                    fontsize=15,
                    color=INK,
                    ha="center",
                    va="center",
                    fontfamily=FONT,
                )
                x += gap
                continue
            wide, high = (scale * v for v in box(part))
            frame, fill, dash = KINDS[part.kind]
            ax.add_patch(
                Rectangle(
                    (x, middle - high / 2),
                    wide,
                    high,
                    facecolor=fill,
                    edgecolor=frame,
                    linestyle=dash,
                    linewidth=1.6,
                )
            )
            ax.text(
                x + wide / 2,
                middle,
                math(part.name),
                fontsize=13,
                color=INK,
                ha="center",
                va="center",
                math_fontfamily="dejavusans",
            )
            ax.text(
                x + wide / 2,
                middle - high / 2 - 11,
                shape_text(part.shape),
                fontsize=SMALL,
                color=INK,
                ha="center",
                va="center",
                fontfamily=FONT,
            )
            x += wide
        y -= tall + extra - (22 if notes else 0) + 14
    return picture


def _describe(rows: Sequence[Sequence[Term | str]], notes: Sequence[str]) -> str:
    parts = []
    for number, chain in enumerate(rows):
        words = [
            part if isinstance(part, str) else f"{part.name} {shape_text(part.shape)}"
            for part in chain
        ]
        before = f"{notes[number]}: " if notes else ""
        parts.append(before + " ".join(words))
    return ". ".join(parts) + "."
