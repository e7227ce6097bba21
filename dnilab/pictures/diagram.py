"""Boxes and arrows, placed by hand in pixels. The network diagrams are made of these.

A :class:`Diagram` is plain data, so that what a drawing says can be tested without looking.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from dnilab.pictures.style import (
    BLUE,
    FONT,
    FONT_SIZE,
    GREEN,
    INK,
    MUTED,
    PURPLE,
    SMALL,
    VERMILLION,
    Picture,
    headline,
)

Point = tuple[float, float]


@dataclass(frozen=True)
class BoxLook:
    """Fill, frame, text colour and frame style: never the colour alone."""

    fill: str
    frame: str
    text: str = INK
    dash: str | tuple[int, tuple[float, ...]] = "-"
    width: float = 1.4


BOX_LOOKS = {
    "plain": BoxLook("#FFFFFF", MUTED),
    "module": BoxLook("#E3EFF7", BLUE, width=1.8),
    "pullback": BoxLook("#EEF5FA", BLUE, dash=(0, (5, 2))),
    "generator": BoxLook("#F8E9F2", PURPLE, width=1.8, dash=(0, (1.5, 1.5))),
    "loss": BoxLook("#F2F2F2", INK),
    "ghost": BoxLook("#FFFFFF", MUTED, MUTED, (0, (3, 3)), 1.0),
    "idle": BoxLook("#FFFFFF", "#B5B5B5", MUTED),
    "busy": BoxLook(BLUE, BLUE, "#FFFFFF", width=2.0),
    "waiting": BoxLook("#FFFFFF", VERMILLION, INK, (0, (4, 2)), 2.0),
    "done": BoxLook("#DDF1EA", GREEN, INK, width=1.4),
}

ARROW_LOOKS: dict[str, tuple[str, str | tuple[int, tuple[float, ...]], float]] = {
    "signal": (INK, "-", 1.6),
    "faint": ("#9A9A9A", "-", 1.2),
    "synthetic": ("#A8578A", (0, (1.5, 1.2)), 2.0),  # the purple, darker: thin lines need it
    "message": (VERMILLION, (0, (6, 2)), 1.8),
    "update": (GREEN, (0, (6, 2, 1.2, 2)), 1.8),
    "waits": (VERMILLION, (0, (4, 2)), 1.6),
}


@dataclass(frozen=True)
class Box:
    """A box around (x, y), in pixels from the lower left corner of the picture."""

    name: str
    x: float
    y: float
    width: float
    height: float
    lines: tuple[str, ...]
    """The first line at ``size``, further ones small."""
    look: str = "plain"
    size: float = FONT_SIZE

    def side(self, where: str, shift: float = 0.0) -> Point:
        """The middle of a side (left, right, top, bottom), moved along it by ``shift``."""
        if where == "left":
            return self.x - self.width / 2, self.y + shift
        if where == "right":
            return self.x + self.width / 2, self.y + shift
        if where == "top":
            return self.x + shift, self.y + self.height / 2
        if where == "bottom":
            return self.x + shift, self.y - self.height / 2
        raise ValueError(f"where: got {where!r}, need left, right, top or bottom")


@dataclass(frozen=True)
class Arrow:
    """An arrow through ``points``; what it carries is written at ``at``."""

    points: tuple[Point, ...]
    look: str = "signal"
    lines: tuple[str, ...] = ()
    at: Point | None = None
    align: str = "center"
    number: int | None = None
    """A number in a disc at the arrow's start, for the order of things."""
    number_at: Point | None = None


@dataclass(frozen=True)
class Words:
    """Free text. ``align`` is left, center or right."""

    x: float
    y: float
    text: str
    size: float = SMALL
    align: str = "left"
    color: str = MUTED


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
    alt: str = field(default="Diagram, described in the text that follows")

    def box(self, name: str) -> Box:
        """The box of that name; KeyError lists the names there are."""
        for one in self.boxes:
            if one.name == name:
                return one
        raise KeyError(f"box {name!r}: there are {', '.join(b.name for b in self.boxes)}")


def math(name: str) -> str:
    """A name of the code as the formula it stands for.

    >>> math("W1"), math("g_hat2"), math("dW2"), math("h1.T"), math("x")
    ('$W_{1}$', '$\\\\hat{g}_{2}$', '$\\\\mathrm{d}W_{2}$', '$h_{1}^{\\\\top}$', '$x$')

    A name that already holds a ``$`` is left alone.
    """
    if "$" in name:
        return name
    found = re.fullmatch(r"(d?)([A-Za-z]+?)(_hat)?_?(\d+|k|K)?(\.T)?", name)
    if found is None:
        return name
    d, letter, hat, index, transposed = found.groups()
    if d and not letter:
        d, letter = "", "d"
    core = rf"\mathrm{{{letter}}}" if len(letter) > 1 else letter
    if hat:
        core = rf"\hat{{{core}}}"
    text = (r"\mathrm{d}" if d else "") + core
    text += f"_{{{index}}}" if index else ""
    return f"${text}{'^{' + chr(92) + 'top}' if transposed else ''}$"


def shape_text(shape: Iterable[object]) -> str:
    """``("B", 24)`` as ``(B, 24)``, and ``(128,)`` as Python writes it."""
    parts = [str(part) for part in shape]
    return f"({parts[0]},)" if len(parts) == 1 else "(" + ", ".join(parts) + ")"


def draw_diagram(diagram: Diagram) -> Picture:
    """The drawing of a :class:`Diagram`."""
    picture = Picture(diagram.width, diagram.height, sentence=diagram.sentence, alt=diagram.alt)
    ax = picture.add_axes((0, 0, 1, 1))
    ax.set_xlim(0, diagram.width)
    ax.set_ylim(0, diagram.height)
    ax.axis("off")
    if diagram.title:
        headline(picture, diagram.title, "")
    for arrow in diagram.arrows:
        color, dash, width = ARROW_LOOKS[arrow.look]
        straight = [arrow.points[-2], arrow.points[-1]]
        if len(arrow.points) > 2:
            ax.plot(*zip(*arrow.points[:-1], strict=True), color=color, linestyle=dash, lw=width)
        ax.add_patch(
            FancyArrowPatch(
                *straight,
                arrowstyle="-|>,head_length=7,head_width=3.6",
                linewidth=width,
                linestyle=dash,
                color=color,
                shrinkA=0,
                shrinkB=1,
                zorder=3,
            )
        )
    for box in diagram.boxes:
        look = BOX_LOOKS[box.look]
        ax.add_patch(
            FancyBboxPatch(
                (box.x - box.width / 2, box.y - box.height / 2),
                box.width,
                box.height,
                boxstyle="round,pad=0,rounding_size=6",
                facecolor=look.fill,
                edgecolor=look.frame,
                linestyle=look.dash,
                linewidth=look.width,
                zorder=4,
            )
        )
        step = 17.0
        start = box.y + step * (len(box.lines) - 1) / 2
        for place, text in enumerate(box.lines):
            ax.text(
                box.x,
                start - place * step,
                text,
                ha="center",
                va="center",
                fontsize=box.size if place == 0 else SMALL,
                color=look.text,
                fontfamily=FONT,
                math_fontfamily="dejavusans",
                zorder=5,
            )
    for arrow in diagram.arrows:
        color = ARROW_LOOKS[arrow.look][0]
        if arrow.lines and arrow.at is not None:
            ax.text(
                *arrow.at,
                "\n".join(arrow.lines),
                ha=arrow.align,
                va="center",
                fontsize=SMALL,
                linespacing=1.35,
                color=color if arrow.look != "faint" else MUTED,
                fontfamily=FONT,
                math_fontfamily="dejavusans",
                zorder=6,
            )
        if arrow.number is not None:
            x, y = arrow.number_at or arrow.points[0]
            ax.add_patch(Circle((x, y), 10, facecolor=color, edgecolor="#FFFFFF", zorder=7))
            ax.text(
                x,
                y,
                str(arrow.number),
                ha="center",
                va="center_baseline",
                fontsize=SMALL,
                fontweight="bold",
                color="#FFFFFF",
                fontfamily=FONT,
                zorder=8,
            )
    for words in diagram.words:
        ax.text(
            words.x,
            words.y,
            words.text,
            ha=words.align,
            va="center",
            fontsize=words.size,
            color=words.color,
            fontfamily=FONT,
            math_fontfamily="dejavusans",
            zorder=6,
        )
    return picture
