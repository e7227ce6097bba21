"""Matrix products with a shape under every symbol."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dnilab.checks import one_of
from dnilab.lessons.shared.diagram import Box, Diagram, Words, draw_diagram, math
from dnilab.pictures.style import INK, SMALL, Picture

Size = int | str

LOOKS = {"value": "module", "weight": "weight", "gradient": "generator"}  # of the kinds of arrays


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
        one_of("kind", self.kind, LOOKS)
        what = f"shape of {self.name}"
        if not 1 <= len(self.shape) <= 2:
            raise ValueError(f"{what} is {self.shape}; it accepts (n,) or (rows, columns)")
        for part in self.shape:
            if not isinstance(part, int | str) or (isinstance(part, int) and part < 1):
                raise ValueError(f"{what} has {part!r}; it accepts numbers above 0 and letters")


def shape_text(shape: Iterable[object]) -> str:
    """``("B", 24)`` as ``(B, 24)``, and ``(128,)`` as Python writes it."""
    parts = [str(part) for part in shape]
    return f"({parts[0]},)" if len(parts) == 1 else "(" + ", ".join(parts) + ")"


PRODUCT = "@"
"""Matrix product; other operators, such as "+", "*", "=" or "->", are only written."""


Chain = Sequence[Term | str]


def check_chain(chain: Chain) -> None:
    """Refuse a chain whose shapes do not fit.

    Around "@" the inner dimensions must agree, around "+", "-" and "*" the shapes must be equal
    (or broadcast from a row (n,)), and what follows "=" must have the shape of what stands
    before it.

    >>> check_chain([Term("x", ("B", 24)), "@", Term("W1", (24, 128)), "=", Term("a", ("B", 128))])
    """
    in_turn = all(isinstance(part, str if i % 2 else Term) for i, part in enumerate(chain))
    if len(chain) % 2 == 0 or not in_turn:
        accepts = "Term, operator, Term, ..., beginning and ending with a Term"
        raise ValueError(f"chain is {list(chain)}; it accepts {accepts}")
    first = chain[0]
    assert isinstance(first, Term)
    shape, sofar = first.shape, first.name
    for operator, term in zip(chain[1::2], chain[2::2], strict=True):
        assert isinstance(operator, str)
        assert isinstance(term, Term)
        wrong = ""
        if operator == PRODUCT:
            if len(shape) != 2 or len(term.shape) != 2 or shape[1] != term.shape[0]:
                wrong = "equal inner dimensions"
            result = (*shape[:1], *term.shape[1:])
        elif operator in ("+", "-", "*", "="):
            row = () if operator == "=" else shape[-1:]
            wrong = "" if term.shape in (shape, row) else "equal shapes"
            result = shape
        else:
            result = term.shape  # "->" and words: a function that may change the shape
        sofar, before = f"{sofar} {operator} {term.name}", f"{sofar} {shape_text(shape)}"
        if wrong:
            said = f"chain has {before} {operator} {term.name} {shape_text(term.shape)}"
            raise ValueError(f"{said}; it accepts {wrong}")
        sofar, shape = term.name if operator == "=" else sofar, result


WIDTH, GAP = 700, 38
SIGNS = {"*": "⊙", "->": "→", "-": "−"}


def shapes(
    rows: Sequence[Chain], *, title: str | None = None, notes: Sequence[str] = (), letter: int = 48
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
        raise ValueError("rows is empty; it accepts one chain or more")
    if notes and len(notes) != len(rows):
        raise ValueError(f"notes has {len(notes)} texts; it accepts {len(rows)}, one a row")
    for chain in rows:
        check_chain(chain)

    def side(part: Size) -> float:
        return float(np.clip(9.0 * np.sqrt(part if isinstance(part, int) else letter), 24, 130))

    def extent(term: Term) -> tuple[float, float]:
        tall = side(term.shape[0]) if len(term.shape) == 2 else 22.0
        narrowest = 34.0 if len(term.name) < 3 else 42.0  # so that "dW3" fits in
        return max(side(term.shape[-1]), narrowest), tall

    extents = [[extent(part) for part in chain if isinstance(part, Term)] for chain in rows]
    widths = [sum(wide for wide, _ in each) for each in extents]
    rooms = [WIDTH - 60 - GAP * (len(chain) // 2) for chain in rows]
    scale = min(1.0, *(room / wide for room, wide in zip(rooms, widths, strict=True)))
    tallest = [scale * max(tall for _, tall in each) for each in extents]
    height = int(sum(tallest) + len(rows) * (60 if notes else 38) + (44 if title else 16))
    boxes: list[Box] = []
    words: list[Words] = []
    y = height - (38.0 if title else 10.0)
    for place, (chain, tall) in enumerate(zip(rows, tallest, strict=True)):
        if notes:
            words.append(Words(14, y - 10, notes[place]))
            y -= 22
        middle, x = y - tall / 2 - 4, 24.0
        for part in chain:
            if isinstance(part, str):
                sign = SIGNS.get(part, part)
                words.append(Words(x + GAP / 2, middle, sign, 15, "center", INK))
                x += GAP
                continue
            wide, high = (scale * v for v in extent(part))
            x += wide / 2
            box = Box(part.name, x, middle, wide, high, (math(part.name),), LOOKS[part.kind], 13, 0)
            below = middle - high / 2 - 11
            boxes.append(box)
            words.append(Words(x, below, shape_text(part.shape), SMALL, "center", INK))
            x += wide / 2
        y -= tall + 38
    alt = f"Shapes: {title or 'matrix products'}. Described in the text below."
    said = _describe(rows, notes)
    return draw_diagram(Diagram(WIDTH, height, tuple(boxes), (), tuple(words), said, title, alt))


def _describe(rows: Sequence[Chain], notes: Sequence[str]) -> str:
    chains = [
        " ".join(p if isinstance(p, str) else f"{p.name} {shape_text(p.shape)}" for p in chain)
        for chain in rows
    ]
    said = [f"{note}: {chain}" for note, chain in zip(notes, chains, strict=False)]
    return ". ".join(said or chains) + "."
