"""The network of a run, small: what goes up, what each module is told, and how true that is.

Data goes up in plain arrows.  What tells a module its gradient comes from above or from beside
it, in arrows whose width and colour say how well it agrees with the true gradient; the number
stands next to each, so that nothing hangs on width or colour.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from matplotlib.axes import Axes

from dnilab.experiments.settings import Settings
from dnilab.lessons.playground.experiments.told import Told
from dnilab.lessons.shared.diagram import Arrow, Box, Words, draw_parts, math
from dnilab.pictures.draw import Point, arrow, headline, pixel_axes, text_width, write
from dnilab.pictures.style import (
    BLUE,
    INK,
    MUTED,
    SMALL,
    VERMILLION,
    Dash,
    Picture,
    Stroke,
    listing,
)

WIDTH = 360
MIDDLE, WIDE, HIGH = 88.0, 160.0, 27.0  # of the modules: their centre and size
BESIDE, SMALLER = 309.0, 86.0  # of what stands beside them: its centre and width
UP, DOWN = 48.0, 120.0  # where data goes up, and a message straight down
KEY, GROUND_FLOOR = 50.0, 60.0  # pixels for the key, and above it for the input
NONE = "#8A8A8A"  # a cosine of 0

BOXES = {
    "generator": ("generator", "generator"),
    "readout": ("own loss", "loss"),
    "feedback": ("random", "plain"),
}
"""What stands beside a module: its words and its look."""


def true_stroke(cosine: float) -> Stroke:
    """How an arrow looks that carries something of this cosine with the truth.

    From thin and grey at 0 to wide and blue at 1; below 0 in another colour, and dashed.
    """
    size = min(abs(cosine), 1.0)
    dash: Dash = (0, (2.2, 1.2)) if cosine < 0 else "-"
    color = _between(NONE, VERMILLION if cosine < 0 else BLUE, size)
    return Stroke(color, dash, 1.0 + 4.0 * size, 7.0 + 3.0 * size)


def _between(low: str, high: str, share: float) -> str:
    """A colour between two."""
    pairs = ((int(low[n : n + 2], 16), int(high[n : n + 2], 16)) for n in (1, 3, 5))
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in pairs)


def cosine_words(cosine: float | None) -> str:
    """A cosine to two places, without the sign of a zero.

    >>> cosine_words(0.934), cosine_words(-0.001), cosine_words(None)
    ('0.93', '0.00', 'not measured')
    """
    return "not measured" if cosine is None else f"{round(cosine, 2) + 0.0:.2f}"


def _short(cosine: float | None) -> str:
    """The same where there is little room."""
    return "?" if cosine is None else cosine_words(cosine)


@dataclass(frozen=True)
class Strand:
    """An arrow that tells a module something: its points, its cosine, where the number stands."""

    points: tuple[Point, ...]
    cosine: float | None
    at: Point
    words: str
    align: str = "center"


def way_told(settings: Settings) -> str:
    """What tells the modules below the top their gradient.

    "truth"; "generator", "readout" or "feedback", which stand beside each module; "fixed": the
    truth, but through random matrices; "nothing".
    """
    other = {"last layer only": "nothing", "feedback alignment": "fixed"}
    return other.get(settings.ordering, settings.signal)


class _Plan:
    """Where everything stands."""

    def __init__(self, told: Told) -> None:
        self.pitch = min(74.0, max(62.0, 310.0 / told.modules))
        self.floors = [KEY + GROUND_FLOOR + HIGH / 2 + k * self.pitch for k in range(told.modules)]
        self.loss = self.floors[-1] + max(HIGH + 32, 0.85 * self.pitch)
        self.height = round(self.loss + HIGH / 2 + 40)


def network(settings: Settings, told: Told, *, label: str, epoch: float) -> Picture:
    """The network of a run, as it was told at ``epoch``, with a sentence that says all of it."""
    plan, way = _Plan(told), way_told(settings)
    picture = Picture(
        WIDTH, plan.height, sentence=_sentence(settings, told, label, epoch),
        alt="Drawing of the network and of what each module is told, described in the text below",
    )  # fmt: skip
    headline(picture, None, _title(picture, f"network of {label}", f", epoch {epoch:.3g}"), left=10)
    ax = pixel_axes(picture)
    strands = _strands(way, told, plan)
    draw_parts(ax, *_fixed_parts(way, told, plan))
    for strand in strands:
        stroke = Stroke(MUTED, (0, (3, 3)), 1.6)
        if strand.cosine is not None:
            stroke = true_stroke(strand.cosine)
        arrow(ax, strand.points, stroke, zorder=3)
        write(ax, *strand.at, strand.words, SMALL, INK, strand.align, zorder=6)
    _key(ax)
    return picture


def _title(picture: Picture, name: str, at: str) -> str:
    """Name and moment, the name cut where it is too long; the sentence has it whole."""
    title = name + at
    while text_width(picture, title) > WIDTH - 16:
        name = name.rstrip("…")[:-1] + "…"
        title = name + at
    return title


def _fixed_parts(way: str, told: Told, plan: _Plan) -> tuple[list[Box], list[Arrow], list[Words]]:
    """Modules, what stands beside them, the loss, and the data that goes up."""
    boxes, arrows = [], []
    below = KEY + 27.0
    for k, (y, units) in enumerate(zip(plan.floors, told.units[1:], strict=True), start=1):
        top = k == told.modules
        what = "outputs" if top else "units"
        look = "ghost" if way == "nothing" and not top else "module"
        lines = (f"module {k}: {units} {what}",)
        boxes.append(Box(f"module {k}", MIDDLE, y, WIDE, HIGH, lines, look, SMALL, 5))
        arrows.append(Arrow(((UP, below), (UP, y - HIGH / 2)), "signal"))
        if way in BOXES and not top:
            called, look = BOXES[way]
            size = (BESIDE, y, SMALLER, HIGH - 3)
            boxes.append(Box(f"{way} {k}", *size, (called,), look, SMALL, 5))
        below = y + HIGH / 2
    arrows.append(Arrow(((UP, below), (UP, plan.loss - HIGH / 2)), "signal"))
    loss = Box("loss", MIDDLE, plan.loss, WIDE, HIGH, ("loss, with the label y",), "loss", SMALL, 5)
    heights = [(a + b) / 2 for a, b in zip(plan.floors, plan.floors[1:], strict=False)]
    words = [
        Words(UP - 8, y, math(f"h{k}"), align="right", color=INK)
        for k, y in enumerate(heights, start=1)
    ]
    words.append(Words(UP - 40, KEY + 16, f"input x: {told.units[0]} numbers", color=INK))
    if way == "nothing":
        words += [Words(BESIDE - 60, y, "told nothing", align="center") for y in plan.floors[:-1]]
    return [*boxes, loss], arrows, words


def _strands(way: str, told: Told, plan: _Plan) -> list[Strand]:
    """The arrows that tell the modules what to do, from the top down."""
    half, left, right = HIGH / 2, BESIDE - SMALLER / 2, MIDDLE + WIDE / 2

    def straight(high: float, low: float, cosine: float | None, words: str) -> Strand:
        ends = ((DOWN, high - half), (DOWN, low + half))
        return Strand(ends, cosine, (DOWN + 15, (high + low) / 2), words, "left")

    found = [straight(plan.loss, plan.floors[-1], 1.0, "true")]
    for k, (used, message) in enumerate(zip(told.used, told.message, strict=True)):
        y, above = plan.floors[k], plan.floors[k + 1]
        if way == "truth":
            found.append(straight(above, y, 1.0, "true"))
        elif way == "fixed":
            found.append(straight(above, y, None, "through random weights"))
        elif way in BOXES:
            words = f"guess {_short(used)}" if way == "generator" else _short(used)
            at = ((left + right) / 2 - 6, y + 13)
            found.append(Strand(((left, y), (right, y)), used, at, words))
        if way == "generator":
            ends = ((right - 24, above - half), (BESIDE, y + half - 1))
            at = (BESIDE + 6, (y + above) / 2 + 7)
            found.append(Strand(ends, message, at, f"told {_short(message)}"))
    if way == "feedback":
        rail = ((right, plan.loss), (BESIDE, plan.loss), (BESIDE, plan.floors[0] + half - 1))
        found.insert(0, Strand(rail, None, (BESIDE - 70, plan.loss + 12), "error"))
    return found


def _key(ax: Axes) -> None:
    """What the width of an arrow says."""
    write(ax, 10, 36, "cosine with the true gradient:", SMALL, MUTED, "left")
    for place, value in enumerate((-0.5, 0.0, 0.5, 1.0)):
        x = 12 + 86 * place
        stroke = replace(true_stroke(value), head=7.0 + 2 * abs(value))
        arrow(ax, ((x, 13), (x + 32, 13)), stroke)
        write(ax, x + 40, 13, f"{value:g}", SMALL, MUTED, "left")


def _sentence(settings: Settings, told: Told, label: str, epoch: float) -> str:
    """All of it in words."""
    below = range(1, told.modules)
    top = f"module {told.modules} has the true gradient of the loss"
    begins = f"The network of {label} at epoch {epoch:.3g}, first seed: {told.modules} modules."
    if told.modules == 1:
        return f"{begins} It has the true gradient of the loss, and nobody has to wait."
    match way_told(settings):
        case "truth":
            return f"{begins} Every module waits until the true gradient comes down from above."
        case "fixed":
            how = "comes down through fixed random weights; its cosine was not measured"
            return f"{begins} The gradient {how}, and {top}."
        case "nothing":
            return f"{begins} Those below the top are told nothing and keep their random weights."
        case "generator":
            each = [
                f"module {k}: guess {cosine_words(told.used[k - 1])}, told "
                f"{cosine_words(told.message[k - 1])}"
                for k in below
            ]
            return (
                f"{begins} Cosine with the true gradient, where 1 is the same direction and 0 is "
                f"none of it: {'; '.join(each)}; {top}. A module learns from its guess, and its "
                "generator learns from what it is told from above."
            )
        case way:
            who = "the gradient of its own loss" if way == "readout" else "the error at the output"
            how = "" if way == "readout" else " through a random matrix"
            each = [f"module {k} {cosine_words(told.used[k - 1])}" for k in below]
            return (
                f"{begins} Each module below the top learns from {who}{how}. Its cosine with the "
                f"true gradient, where 1 is the same direction and 0 is none of it: "
                f"{listing(each)}; {top}."
            )
