"""Colours, sizes and words of every picture, and how a picture reaches the page.

A :class:`Picture` is a matplotlib figure that owns its canvas (no pyplot, so no global list of
figures, and it may be drawn on any thread) and that carries its text alternative, ``sentence``.
What is drawn on it, and how, is in ``dnilab.pictures.draw``.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from dnilab.checks import whole_number

if TYPE_CHECKING:
    from dnilab.pictures.table import Table

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


@dataclass(frozen=True)
class Fill:
    """How a filled shape looks: never the colour alone."""

    ground: str
    frame: str
    text: str = INK
    dash: Dash = "-"
    width: float = 1.4
    hatch: str = ""


@dataclass(frozen=True)
class Stroke:
    """How an arrow looks, or, with a ``head`` of 0, a line."""

    color: str
    dash: Dash = "-"
    width: float = 1.6
    head: float = 7.0


BOX_LOOKS = {  # of a diagram
    "plain": Fill(GROUND, MUTED),
    "module": Fill("#E3EFF7", BLUE, width=1.8),
    "pullback": Fill("#EEF5FA", BLUE, dash=(0, (5, 2))),
    "generator": Fill("#F8E9F2", PURPLE, width=1.8, dash=(0, (1.5, 1.5))),
    "loss": Fill("#F2F2F2", INK),
    "ghost": Fill(GROUND, MUTED, MUTED, (0, (3, 3)), 1.0),
    "weight": Fill("#DDF1EA", GREEN, width=1.6, dash=(0, (5, 2))),
    "told": Fill("#F6D9C6", VERMILLION),
    "idle": Fill(GROUND, "#B5B5B5", MUTED),
    "busy": Fill(BLUE, BLUE, GROUND, width=2.0),
    "waiting": Fill(GROUND, VERMILLION, INK, (0, (4, 2)), 2.0),
    "done": Fill("#DDF1EA", GREEN),
}

ARROW_LOOKS = {  # of a diagram
    "signal": Stroke(INK),
    "faint": Stroke("#9A9A9A", width=1.2),
    "synthetic": Stroke("#A8578A", (0, (1.5, 1.2)), 2.0),  # the purple, darker: it is thin
    "message": Stroke(VERMILLION, (0, (6, 2)), 1.8),
    "update": Stroke(GREEN, (0, (6, 2, 1.2, 2)), 1.8),
    "waits": Stroke(VERMILLION, (0, (4, 2))),
    "cut": Stroke(MUTED, (0, (3, 3)), 1.2, head=0),
    "end": Stroke(VERMILLION, "-", 3.4, head=0),
    "level": Stroke("#C8C8C8", "-", 0.8, head=0),
}

KIND_LOOKS = {  # of the bars of a timeline
    "forward": Fill("#8FC3E3", BLUE, width=0.8),
    "update": Fill("#7FCFB5", GREEN, width=0.8, hatch="///"),
    "fit": Fill("#E3B3CE", PURPLE, width=0.8, hatch="..."),
    "backward": Fill("#F2C063", ORANGE, width=0.8, hatch="\\\\\\"),
    "forward and update": Fill("#A9D8E6", BLUE, width=0.8),
}
SPARE_LOOKS = (  # kinds without a look of their own take these in turn
    Fill("#EBA277", MUTED, width=0.8, hatch="xx"),
    Fill("#CCCCCC", MUTED, width=0.8),
    Fill("#B9DDF3", MUTED, width=0.8, hatch="++"),
)

FUTURE = Fill(GROUND, FAINT, MUTED)
"""A bar that has not begun yet."""
NOW = Fill("none", VERMILLION, width=2.0)
"""The frame around the present moment."""


def look(number: int) -> LineLook:
    """The look of line ``number`` (from 0). After seven lines the looks repeat."""
    return LOOKS[number % len(LOOKS)]


def encode_png(rgba: np.ndarray) -> bytes:
    """PNG of an array (height, width, 4) of bytes.

    A compression of 1 costs a third of matplotlib's usual 6; a live panel needs the speed.
    The ground is opaque, so the fourth channel is dropped before compressing.
    """
    stream = io.BytesIO()
    Image.fromarray(rgba).convert("RGB").save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def fewer_colours(png: bytes) -> bytes:
    """A PNG in 128 colours: a third of the bytes."""
    image = Image.open(io.BytesIO(png))
    stream = io.BytesIO()
    image.quantize(128, dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def no_lower(png: bytes, than: bytes) -> bytes:
    """A PNG, with white below it where it is lower than another one (b"": there is none)."""
    image = Image.open(io.BytesIO(png))
    height = Image.open(io.BytesIO(than)).height if than else 0
    if image.height >= height:
        return png
    page = Image.new("RGB", (image.width, height), GROUND)
    page.paste(image)
    stream = io.BytesIO()
    page.save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def show(png: bytes, sentence: str, *, alt: str, width: int, height: int) -> None:
    """Put an image on the page and, under it, its sentence as visible text.

    Two outputs, because one output would show only its richest form: on a code-hosting page, in
    a printed copy and to a screen reader both the image and the words are there; ``alt`` is for
    those who do not see the image.
    """
    from IPython.display import display

    image = base64.b64encode(png).decode("ascii")
    metadata = {"image/png": {"alt": alt, "width": width, "height": height}}
    data = {"image/png": image, "text/plain": f"<picture {width} x {height}>"}
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
        self, width: int = 700, height: int = 400, *, sentence: str = "",
        alt: str = "Picture, described in the text that follows",
    ) -> None:  # fmt: skip
        super().__init__(dpi=DPI, facecolor=GROUND, edgecolor=GROUND)
        FigureCanvasAgg(self)
        self.resize(width, height)
        self.sentence = sentence
        self.alt = alt
        self.tables: Sequence[Table] = ()
        """The numbers behind it, where they are not those of its lines."""

    def resize(self, width: int, height: int) -> None:
        """Take another size on the page: where it follows from the width of what is written."""
        self.pixels = (whole_number("width", width, 100), whole_number("height", height, 40))
        self.set_size_inches(width / DPI, height / DPI)

    def rgba(self, scale: float = 1.0) -> np.ndarray:
        """Render to bytes (height, width, 4), ``scale`` times as many as pixels on the page."""
        canvas = FigureCanvasAgg(self)
        self.set_dpi(DPI * scale)
        try:
            canvas.draw()
            return np.asarray(canvas.buffer_rgba())
        finally:
            self.set_dpi(DPI)

    def png(self, *, scale: float = 1.0) -> bytes:
        """Render to PNG bytes, ``scale`` times as many pixels as the size on the page."""
        return encode_png(self.rgba(scale))

    def page_png(self) -> bytes:
        """The image as it goes into a notebook that is committed.

        Twice the pixels, for sharp screens, in 128 colours: no difference that an eye can see in
        a drawing of lines.
        """
        return fewer_colours(self.png(scale=2.0))

    def _ipython_display_(self) -> None:
        width, height = self.pixels
        show(self.page_png(), self.sentence, alt=self.alt, width=width, height=height)

    def __repr__(self) -> str:
        return f"<Picture {self.pixels[0]} x {self.pixels[1]}: {self.sentence}>"


class Stacked(Picture):
    """Several pictures, one under the other, as one: for a panel that shows more than one thing.

    Made of ``parts``, from top to bottom; its sentence is theirs in order.

    ``first`` is a sentence to be said before them.  All parts must be equally wide.

    Raises
    ------
    ValueError
        If there are no parts, or their widths differ.
    """

    def __init__(self, parts: Sequence[Picture], *, first: str = "", alt: str = "") -> None:
        widths = {part.pixels[0] for part in parts}
        if len(widths) != 1:
            found = ", ".join(map(str, sorted(widths))) or "none"
            raise ValueError(f"parts has widths {found}; it accepts one or more, all equal")
        sentences = [first, *(part.sentence for part in parts)]
        super().__init__(
            widths.pop(),
            sum(part.pixels[1] for part in parts),
            sentence=" ".join(sentence for sentence in sentences if sentence),
            alt=alt or "Several pictures, described in the text that follows",
        )
        self.parts = tuple(parts)

    def rgba(self, scale: float = 1.0) -> np.ndarray:
        """Render the parts and put them together."""
        return np.vstack([part.rgba(scale) for part in self.parts])


def number(value: float, *, percent: bool = False) -> str:
    """A number as a sentence says it: three figures, or a percentage with one decimal.

    >>> number(0.99812, percent=True), number(0.012345), number(1481.0), number(2.5e23)
    ('99.8 %', '0.0123', '1480', '2.5e+23')
    """
    if not np.isfinite(value):
        return "not a number"
    if percent:
        return f"{100 * value:.1f} %"
    if value == 0:
        return "0"
    text = f"{value:.3g}"
    plain = 1e-4 <= abs(value) < 1e6
    return np.format_float_positional(float(text), trim="-") if plain else text


def plus_minus(mean: float, deviation: float | None = None, digits: int = 1) -> str:
    """A mean and its standard deviation, to as many places; None: there is none, of one seed.

    >>> plus_minus(1.63, 0.2), plus_minus(97.0)
    ('1.6 ± 0.2', '97.0')
    """
    text = f"{mean:.{digits}f}"
    return text if deviation is None else f"{text} ± {deviation:.{digits}f}"


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
