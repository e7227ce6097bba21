"""The drawing kit: text, filled shapes, arrows, axes and legends, all in the course's look.

Everything visible is set explicitly here, because a reader's own ``matplotlibrc`` or a dark style
must not change what the course shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Patch, Rectangle
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, MaxNLocator

from dnilab.pictures import style
from dnilab.pictures.style import INK, MUTED, SMALL, Fill, Picture

Point = tuple[float, float]


def write(
    where: Axes | Figure,
    x: float,
    y: float,
    text: str,
    size: float = SMALL,
    color: str = INK,
    align: str = "center",
    *,
    ground: str = "",
    **more: Any,
) -> Text:
    """Write ``text`` at (x, y), centred on y unless ``va`` says otherwise.

    ``ground``: the colour of a patch that hides what lies under the text.
    """
    if ground:
        more["bbox"] = {"boxstyle": "round,pad=0.12", "facecolor": ground, "edgecolor": "none"}
    look = {"fontfamily": style.FONT, "math_fontfamily": "dejavusans", "va": "center"} | more
    return where.text(x, y, text, fontsize=size, color=color, ha=align, **look)


def rect(ax: Axes, at: Point, size: Point, look: Fill, *, corner: float = 0, **more: Any) -> None:
    """A rectangle: its lower left corner, its width and height, the radius of its corners.

    With a radius of half its width it is a disc.
    """
    shape: Patch = Rectangle(at, *size)
    if corner:
        outline = "circle" if 2 * corner >= size[0] else f"round,rounding_size={corner}"
        shape = FancyBboxPatch(at, *size, boxstyle=f"{outline},pad=0")
    shape.set(facecolor=look.ground, edgecolor=look.frame, linestyle=look.dash, **more)
    shape.set(linewidth=look.width, hatch=look.hatch or None)
    ax.add_patch(shape)


def arrow(ax: Axes, points: Sequence[Point], look: style.Stroke, **more: Any) -> None:
    """An arrow through ``points``; without a head, a line."""
    head = f"-|>,head_length={look.head},head_width={look.head / 2}" if look.head else "-"
    shape = FancyArrowPatch(path=Path(points), arrowstyle=head)
    shape.set(color=look.color, linestyle=look.dash, linewidth=look.width, **more)
    ax.add_patch(shape)


def pixel_axes(picture: Picture, top: float = 0.0, height: float | None = None) -> Axes:
    """Axes without a frame, as wide as the picture, in pixels from their lower left corner.

    ``top``: pixels above them; ``height``: by default down to the picture's lower edge.
    """
    width, whole = picture.pixels
    height = whole - top if height is None else height
    ax = picture.add_axes((0, 1 - (top + height) / whole, 1, height / whole))
    ax.set(xlim=(0, width), ylim=(0, height))
    ax.axis("off")
    return ax


def place_axes(
    picture: Picture, left: float, right: float, top: float, bottom: float, *,
    xlabel: str = "", ylabel: str = "",
) -> Axes:  # fmt: skip
    """Axes in the course's look at margins in pixels, so that those of several pictures line up."""
    width, height = picture.pixels
    ax = picture.add_axes(
        (left / width, bottom / height, 1 - (left + right) / width, 1 - (top + bottom) / height)
    )
    dress(ax, xlabel=xlabel, ylabel=ylabel)
    return ax


def dress(ax: Axes, *, xlabel: str = "", ylabel: str = "") -> None:
    """Give axes the course's look: two spines, a faint grid, text a projector can carry."""
    ax.set_facecolor(style.GROUND)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set(color=MUTED, linewidth=1.0)
    ax.grid(True, color=style.FAINT, linewidth=0.8, linestyle="-")
    ax.set_axisbelow(True)
    ax.tick_params(which="both", colors=MUTED, labelcolor=INK, labelsize=SMALL, width=1.0, length=4)
    ax.tick_params(which="both", labelfontfamily=style.FONT)
    ax.tick_params(which="minor", length=2.5)
    ax.set_xlabel(xlabel, fontsize=style.FONT_SIZE, color=INK, fontfamily=style.FONT)
    ax.set_ylabel(ylabel, fontsize=style.FONT_SIZE, color=INK, fontfamily=style.FONT)


def name_ticks(axis: Axis, most: int, *, percent: bool = False, whole: bool = False) -> None:
    """At most about ``most`` round numbers; ``percent``: of fractions, ``whole``: no halves."""
    axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 2.5, 5, 10], integer=whole))
    if percent:
        axis.set_major_formatter(FuncFormatter(lambda v, _: f"{round(100 * v, 6):g} %"))


def name_rows(ax: Axes, names: Sequence[str]) -> None:
    """Make the y axis one of rows, from the top down: row 0, 1, ... with these names."""
    ax.grid(False, axis="y")
    ax.set_ylim(len(names) - 0.45, -0.55)
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(axis="y", length=0)


def text_width(picture: Picture, text: str, size: float = SMALL) -> float:
    """Width in pixels of ``text`` at ``size`` points."""
    artist = write(picture, 0, 0, text, size)
    try:
        return float(artist.get_window_extent().width)
    finally:
        artist.remove()


def headline(picture: Picture, title: str | None, note: str = "", *, left: float = 12) -> float:
    """Title and, in smaller type, a note under it. Returns the pixels used at the top."""
    width, height = picture.pixels
    used = 10.0
    for text, size, color in ((title, style.TITLE_SIZE, INK), (note, SMALL, MUTED)):
        if text:
            write(picture, left / width, 1 - used / height, text, size, color, "left", va="top")
            used += size * style.DPI / 72 * 1.35
    return used + 4


def legend(
    picture: Picture, handles: Sequence[Artist], top: float, columns: int, length: float = 2.0
) -> float:
    """A legend in rows of ``columns``, ``top`` pixels down. Returns its height in pixels.

    ``length``: of a handle, in letters.
    """
    width, height = picture.pixels
    picture.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(8 / width, 1 - (top - 4) / height),
        ncols=columns,
        frameon=False,
        borderpad=0.2,
        borderaxespad=0.0,
        columnspacing=1.6,
        handlelength=length,
        labelcolor=INK,
        prop={"family": style.FONT, "size": SMALL},
    )
    return -(-len(handles) // columns) * SMALL * style.DPI / 72 * 1.5 + 2
