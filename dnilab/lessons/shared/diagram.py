"""Boxes and arrows, placed by hand in pixels. The network diagrams are made of these.

A :class:`Diagram` is plain data, so that what a drawing says can be tested without looking.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from dnilab.checks import one_of
from dnilab.pictures import style
from dnilab.pictures.draw import Point, arrow, headline, pixel_axes, rect, write
from dnilab.pictures.style import FONT_SIZE, GROUND, MUTED, SMALL, Fill, Picture


@dataclass(frozen=True)
class Box:
    """A box around (x, y), in pixels from the lower left corner of the picture."""

    name: str
    x: float
    y: float
    width: float
    height: float
    lines: tuple[str, ...] = ()
    """The first line at ``size``, further ones small."""
    look: str = "plain"
    size: float = FONT_SIZE
    corner: float = 6.0

    def side(self, where: str, shift: float = 0.0) -> Point:
        """The middle of a side (left, right, top, bottom), moved along it by ``shift``."""
        sides = {"left": (-1, 0), "right": (1, 0), "top": (0, 1), "bottom": (0, -1)}
        across, up = sides[one_of("where", where, sides)]
        x, y = self.x + across * self.width / 2, self.y + up * self.height / 2
        return (x + shift, y) if up else (x, y + shift)


@dataclass(frozen=True)
class Arrow:
    """An arrow through ``points``; what it carries is written at ``at``."""

    points: tuple[Point, ...]
    look: str = "signal"
    lines: tuple[str, ...] = ()
    at: Point = (0.0, 0.0)
    align: str = "center"
    number: int | None = None
    """A number in a disc at ``number_at``, for the order of things."""
    number_at: Point = (0.0, 0.0)


@dataclass(frozen=True)
class Words:
    """Free text. ``align`` is left, center or right; ``ground``: a colour to stand on."""

    x: float
    y: float
    text: str
    size: float = SMALL
    align: str = "left"
    color: str = MUTED
    ground: str = ""


@dataclass(frozen=True)
class Diagram:
    """Everything on one drawing."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...] = ()
    words: tuple[Words, ...] = ()
    sentence: str = ""
    title: str | None = None
    alt: str = "Diagram, described in the text that follows"


def math(name: str) -> str:
    """A name of the code as the formula it stands for.

    >>> math("W1"), math("g_hat2"), math("dW2"), math("h1.T"), math("τ1")
    ('$W_{1}$', '$\\\\hat{g}_{2}$', '$\\\\mathrm{d}W_{2}$', '$h_{1}^{\\\\top}$', '$τ_{1}$')

    A name that already holds a ``$`` is left alone.
    """
    found = re.fullmatch(r"(d?)([A-Za-zτ]+?)(_hat)?_?(\d+|k|K)?(\.T)?", name)
    if found is None:
        return name
    d, letter, hat, index, transposed = found.groups()
    text = rf"\mathrm{{{letter}}}" if len(letter) > 1 else letter
    text = rf"\hat{{{text}}}" if hat else text
    text = rf"\mathrm{{d}}{text}" if d else text
    text += f"_{{{index}}}" if index else ""
    return f"${text}" + (r"^{\top}$" if transposed else "$")


class Drawn(Picture):
    """The picture of a diagram, which it keeps."""

    diagram: Diagram


def draw_diagram(diagram: Diagram) -> Drawn:
    """The drawing of a :class:`Diagram`."""
    picture = Drawn(diagram.width, diagram.height, sentence=diagram.sentence, alt=diagram.alt)
    picture.diagram = diagram
    headline(picture, diagram.title)
    draw_parts(pixel_axes(picture), diagram.boxes, diagram.arrows, diagram.words)
    return picture


def draw_parts(
    ax: Axes, boxes: Iterable[Box], arrows: Iterable[Arrow] = (), words: Iterable[Words] = ()
) -> None:
    """Draw the parts of a diagram into axes in pixels."""
    for one in arrows:
        look = style.ARROW_LOOKS[one.look]
        arrow(ax, one.points, look, zorder=3)
        color = MUTED if one.look == "faint" else look.color
        if one.lines:
            text = "\n".join(one.lines)
            write(ax, *one.at, text, SMALL, color, one.align, linespacing=1.35, zorder=6)
        if one.number is not None:
            x, y = one.number_at
            rect(ax, (x - 10, y - 10), (20, 20), Fill(look.color, GROUND), corner=10, zorder=7)
            bold: dict[str, Any] = {"fontweight": "bold", "va": "center_baseline", "zorder": 8}
            write(ax, x, y, str(one.number), SMALL, GROUND, **bold)
    for box in boxes:
        fill = style.BOX_LOOKS[box.look]
        corner = (box.x - box.width / 2, box.y - box.height / 2)
        rect(ax, corner, (box.width, box.height), fill, corner=box.corner, zorder=4)
        for place, text in enumerate(box.lines):
            y = box.y + 17.0 * ((len(box.lines) - 1) / 2 - place)
            write(ax, box.x, y, text, SMALL if place else box.size, fill.text, zorder=5)
    for word in words:
        look_of = (word.size, word.color, word.align)
        write(ax, word.x, word.y, word.text, *look_of, ground=word.ground, zorder=6)
