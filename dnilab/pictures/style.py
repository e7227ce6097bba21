"""How every picture looks, and how it reaches the page.

A :class:`Picture` is a matplotlib figure that owns its canvas (no pyplot, so no global list of
figures, and it may be drawn on any thread) and that carries its text alternative, ``sentence``.
Everything visible is set explicitly here, because a reader's own ``matplotlibrc`` or a dark style
must not change what the course shows.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

# Okabe and Ito, "Color Universal Design" (2008). Their yellow is left out: on a white ground it
# has a contrast of 1.3 to 1, which a projector loses.
BLUE = "#0072B2"
VERMILLION = "#D55E00"
GREEN = "#009E73"
PURPLE = "#CC79A7"
ORANGE = "#E69F00"
SKY = "#56B4E9"
BLACK = "#000000"

INK = "#222222"
"""Text and frames."""
MUTED = "#5A5A5A"
"""Second-rank text; contrast with the ground 6.7 to 1."""
FAINT = "#D9D9D9"
"""Grid lines."""
GROUND = "#FFFFFF"
"""Opaque, so that a picture reads the same in a light and in a dark theme."""

DPI = 100
FONT = "DejaVu Sans"  # comes with matplotlib, so every machine has it
FONT_SIZE = 11.5
SMALL = 10.0
TITLE_SIZE = 13.0
LINE_WIDTH = 2.2

Dash = Literal["-"] | tuple[int, tuple[float, ...]]


@dataclass(frozen=True)
class LineLook:
    """What tells one line from another: never the colour alone."""

    color: str
    dash: Dash
    marker: str


LOOKS: tuple[LineLook, ...] = (
    LineLook(BLUE, "-", "o"),
    LineLook(VERMILLION, (0, (6, 2)), "s"),
    LineLook(GREEN, (0, (6, 2, 1.2, 2)), "^"),
    LineLook(PURPLE, (0, (1.2, 1.6)), "D"),
    LineLook(BLACK, (0, (3, 1.5)), "v"),
    LineLook(ORANGE, (0, (9, 2, 1.2, 2, 1.2, 2)), "P"),
    LineLook(SKY, (0, (10, 3)), "X"),
)
"""Colour, dash and marker come in pairs; the first four are the easiest to tell apart."""


def look(number: int) -> LineLook:
    """The look of line ``number`` (from 0). After seven lines the looks repeat."""
    return LOOKS[number % len(LOOKS)]


def encode_png(rgba: np.ndarray, compress_level: int = 1) -> bytes:
    """PNG of an array (height, width, 4) of bytes.

    ``compress_level`` 1 costs a third of matplotlib's usual 6; a live panel needs the speed.
    The ground is opaque, so the fourth channel is dropped before compressing.
    """
    stream = io.BytesIO()
    Image.fromarray(rgba).convert("RGB").save(stream, "PNG", compress_level=compress_level)
    return stream.getvalue()


def page_bundle(
    png: bytes, *, alt: str, width: int, height: int
) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """The MIME data and metadata of one image output, with ``alt`` for those who do not see it."""
    data = {
        "image/png": base64.b64encode(png).decode("ascii"),
        "text/plain": f"<picture {width} x {height}>",
    }
    return data, {"image/png": {"alt": alt, "width": width, "height": height}}


def show(png: bytes, sentence: str, *, alt: str, width: int, height: int) -> None:
    """Put an image on the page and, under it, its sentence as visible text.

    Two outputs, because one output would show only its richest form: on a code-hosting page, in
    a printed copy and to a screen reader both the image and the words are there.
    """
    from IPython.display import display

    data, metadata = page_bundle(png, alt=alt, width=width, height=height)
    display(data, metadata=metadata, raw=True)
    display({"text/plain": sentence, "text/markdown": escape_markdown(sentence)}, raw=True)


def escape_markdown(text: str) -> str:
    """``text`` so that Markdown shows it as it is written.

    >>> escape_markdown("g_hat * 2")
    'g\\\\_hat \\\\* 2'
    """
    return re.sub(r"([\\`*_{}\[\]<>#|$~])", r"\\\1", text)


class Picture(Figure):
    """A figure with a text alternative.

    Parameters
    ----------
    width, height:
        Size on the page in pixels.
    sentence:
        What the picture shows, in words. It is set before the picture is displayed.
    alt:
        The short name that a screen reader says for the image; the sentence follows as text.

    As the result of a cell, or through ``display``, it shows the image and then the sentence.
    """

    def __init__(
        self,
        width: int = 700,
        height: int = 400,
        *,
        sentence: str = "",
        alt: str = "Picture, described in the text that follows",
    ) -> None:
        if width < 100 or height < 40:
            raise ValueError(f"width, height: got {width} x {height} px, need at least 100 x 40 px")
        super().__init__(
            figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=GROUND, edgecolor=GROUND
        )
        FigureCanvasAgg(self)
        self.pixels = (int(width), int(height))
        self.sentence = sentence
        self.alt = alt

    def png(self, *, scale: float = 1.0, compress_level: int = 1) -> bytes:
        """Render to PNG bytes, ``scale`` times as many pixels as the size on the page."""
        canvas = FigureCanvasAgg(self)
        self.set_dpi(DPI * scale)
        try:
            canvas.draw()
            return encode_png(np.asarray(canvas.buffer_rgba()), compress_level)
        finally:
            self.set_dpi(DPI)

    def page_png(self) -> bytes:
        """The image as it goes into a notebook that is committed.

        Twice the pixels, for sharp screens, in 128 colours: a third of the bytes, and no
        difference that an eye can see in a drawing of lines.
        """
        image = Image.open(io.BytesIO(self.png(scale=2.0)))
        stream = io.BytesIO()
        image.quantize(128, dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
        return stream.getvalue()

    def _repr_mimebundle_(
        self, include: Any = None, exclude: Any = None
    ) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
        width, height = self.pixels
        return page_bundle(self.page_png(), alt=self.alt, width=width, height=height)

    def _ipython_display_(self) -> None:
        width, height = self.pixels
        show(self.page_png(), self.sentence, alt=self.alt, width=width, height=height)

    def __repr__(self) -> str:
        return f"<Picture {self.pixels[0]} x {self.pixels[1]}: {self.sentence}>"


def dress(ax: Axes, *, xlabel: str = "", ylabel: str = "", title: str | None = None) -> None:
    """Give axes the course's look: two spines, a faint grid, text a projector can carry."""
    ax.set_facecolor(GROUND)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(MUTED)
        ax.spines[side].set_linewidth(1.0)
    ax.grid(True, color=FAINT, linewidth=0.8, linestyle="-")
    ax.set_axisbelow(True)
    ax.tick_params(which="both", colors=MUTED, labelcolor=INK, labelsize=SMALL, width=1.0, length=4)
    ax.tick_params(which="minor", length=2.5)
    for label in (*ax.get_xticklabels(), *ax.get_yticklabels()):
        label.set_fontfamily(FONT)
    ax.set_xlabel(xlabel, fontsize=FONT_SIZE, color=INK, fontfamily=FONT)
    ax.set_ylabel(ylabel, fontsize=FONT_SIZE, color=INK, fontfamily=FONT)
    if title:
        ax.set_title(title, fontsize=TITLE_SIZE, color=INK, fontfamily=FONT, loc="left", pad=10)


def text_width(picture: Picture, text: str, size: float) -> float:
    """Width in pixels of ``text`` at ``size`` points."""
    artist = picture.text(0, 0, text, fontsize=size, fontfamily=FONT)
    try:
        return float(artist.get_window_extent().width)
    finally:
        artist.remove()


def headline(picture: Picture, title: str | None, note: str, *, left: float = 12) -> float:
    """Title and, in smaller type, a note under it. Returns the pixels used at the top."""
    width, height = picture.pixels
    used = 10.0
    for text, size, color in ((title, TITLE_SIZE, INK), (note, SMALL, MUTED)):
        if text:
            picture.text(
                left / width,
                1 - used / height,
                text,
                fontsize=size,
                color=color,
                fontfamily=FONT,
                va="top",
                ha="left",
            )
            used += size * DPI / 72 * 1.35
    return used + 4


def number(value: float, *, percent: bool = False, spread: float | None = None) -> str:
    """A number as a sentence says it: three figures, or a percentage with one decimal.

    Where a ``spread`` is given and one decimal would hide it, two decimals are used.

    >>> number(0.99812, percent=True), number(0.012345), number(1481.0), number(2.5e23)
    ('99.8 %', '0.0123', '1480', '2.5e+23')
    """
    if not np.isfinite(value):
        return "not a number"
    if percent:
        fine = spread is not None and 0 < 100 * abs(spread) < 0.1
        return f"{100 * value:.{2 if fine else 1}f} %"
    if value == 0:
        return "0"
    if 1e-4 <= abs(value) < 1e6:
        rounded = float(f"{value:.3g}")
        return f"{rounded:.6f}".rstrip("0").rstrip(".") if abs(rounded) < 1e3 else f"{rounded:.0f}"
    return f"{value:.3g}"


def capital(text: str) -> str:
    """``text`` with a capital first letter, but never "Μs" for "µs".

    >>> capital("test error"), capital("µs a step")
    ('Test error', 'µs a step')
    """
    return text[:1].upper() + text[1:] if text[:1].isascii() else text


def listing(words: Sequence[str]) -> str:
    """``["a", "b", "c"]`` as ``a, b and c``."""
    if len(words) < 2:
        return "".join(words)
    return ", ".join(words[:-1]) + " and " + words[-1]
