"""How far back credit travels: steps of time, cuts, and the gradient that goes back to them.

Time runs to the right.  What the loss says about a state travels to the left.  At a cut it ends,
or a guess takes its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from dnilab.checks import whole_number
from dnilab.lessons.shared.diagram import Arrow, Box, Words, draw_parts
from dnilab.pictures.curves import Curve, Series, Summary, draw_marks
from dnilab.pictures.draw import headline, pixel_axes, place_axes
from dnilab.pictures.style import GROUND, INK, MUTED, SMALL, VERMILLION, Picture, number

WIDTH = 700
LEFT, RIGHT = 40.0, 40.0  # pixels left of the first step and right of the last
ROW, BARS, CURVE = 150, 92, 210  # pixels of the three parts
CHANCE, SOLVED = 1.0, 0.15  # bits of error: of a coin, and below which a task counts as solved


@dataclass(frozen=True)
class Reach:
    """A sequence whose last step is asked for what its first step showed.

    ``steps``: how many there are, 2 to 40.  ``unroll``: steps between two cuts; None: no cut.
    ``guess``: whether a generator guesses at the cuts.  ``cosine``: for each step that of the
    gradient which training uses there with the true one, or None where it was not measured.

    Raises ValueError, naming the field, for sizes that do not fit.
    """

    steps: int
    unroll: int | None
    guess: bool
    cosine: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        whole_number("steps", self.steps, 2, 40)
        if self.unroll is not None:
            whole_number("unroll", self.unroll, 1)
        if self.cosine is not None and len(self.cosine) != self.steps:
            said = f"cosine has {len(self.cosine)} numbers"
            raise ValueError(f"{said}; it accepts {self.steps}, one for each step")

    @property
    def cuts(self) -> tuple[int, ...]:
        """The steps before which the sequence is cut."""
        return () if self.unroll is None else tuple(range(self.unroll, self.steps, self.unroll))

    @property
    def told_truly(self) -> int:
        """The first step of the last segment: so far back goes the true gradient."""
        return self.cuts[-1] if self.cuts else 0

    @property
    def sentence(self) -> str:
        """All of this in words."""
        last = self.steps - 1
        text = f"Step 0 shows what step {last} asks for. "
        if not self.cuts:
            return text + "Nothing is cut: the true gradient of the answer goes back to step 0."
        cuts = "is one cut" if len(self.cuts) == 1 else f"are {len(self.cuts)} cuts"
        back = "reaches" if self.told_truly == last else "goes back to"
        text += f"There {cuts}. The true gradient of the answer {back} step {self.told_truly}"
        if not self.guess:
            return f"{text} and is thrown away there: no earlier step hears of the answer."
        text += ". At every cut a guess takes over, and so it goes on to step 0."
        if self.cosine is None:
            return text
        before = self.cosine[: self.told_truly]
        first, mean = (number(round(float(c), 2)) for c in (before[0], np.mean(before)))
        return (
            f"{text} The gradient in use has a cosine of {first} with the true one at step 0, and "
            f"of {mean} on average over the steps before the last cut."
        )


Parts = tuple[list[Box], list[Arrow], list[Words]]


def _row(reach: Reach, xs: np.ndarray) -> Parts:
    """Circles, cuts, arrows; ``xs``: where each step is, in pixels."""
    gap = float(xs[1] - xs[0])
    radius = min(11.0, 0.32 * gap)
    states, credit = 92.0, 44.0  # heights
    last = reach.steps - 1

    boxes = []
    for t, x in enumerate(xs):
        look = "busy" if t in (0, last) else "plain"
        boxes.append(Box(str(t), x, states, 2 * radius, 2 * radius, (), look, corner=radius))
    ends = [((x + radius, states), (y - radius - 1, states)) for x, y in pairwise(xs)]
    arrows = [Arrow(both, "faint") for both in ends]
    every = 1 if gap > 24 else 2 if gap > 14 else 4
    numbered = [*(t for t in range(0, last, every) if last - t >= every), last]
    above = states + radius + 12
    texts = [Words(xs[t], above, str(t), SMALL, "center", MUTED) for t in numbered]
    texts.append(Words(xs[0] - radius, above + 18, "shown", SMALL, "left", INK))
    texts.append(Words(xs[-1] + radius, above + 18, "asked", SMALL, "right", INK))
    size = min(9.0, 0.3 * gap)
    for cut in reach.cuts:
        x = float(xs[cut]) - gap / 2
        arrows.append(Arrow(((x, 22), (x, states + radius + 3)), "cut"))
        if reach.guess:
            lines = ("$M$",) if size > 6 else ()
            at = (x, credit, 2 * size, 2 * size)
            boxes.append(Box(f"M {cut}", *at, lines, "generator", SMALL, 3))
        elif cut == reach.told_truly:
            arrows.append(Arrow(((x, credit - 13), (x, credit + 13)), "end"))
            place = (x - 8, credit, "right") if x - LEFT > 120 else (x + 8, credit - 22, "left")
            x, y, align = place
            texts.append(Words(x, y, "thrown away", SMALL, align, VERMILLION, GROUND))
    for start, stop in pairwise([0, *reach.cuts, reach.steps]):
        is_last = stop == reach.steps
        if is_last or reach.guess:
            # from the last step of the segment, or the cut behind it, back to its first step
            begin = float(xs[last]) + radius if is_last else float(xs[stop]) - gap / 2
            end = float(xs[start]) - (gap / 2 - 3 if start else radius)
            look = "message" if is_last else "synthetic"
            arrows.append(Arrow(((begin, credit), (end, credit)), look))
    return boxes, arrows, texts


def _bars(cosine: Sequence[float], told_truly: int, xs: np.ndarray) -> Parts:
    """A bar for each step; negative ones hang below the line."""
    gap, floor, tall = float(xs[1] - xs[0]), 26.0, 50.0
    boxes, arrows = [], []
    texts = [Words(LEFT - 12, 8, "cosine of the gradient in use with the true one")]
    for level in (0, 1):
        y = floor + level * tall
        arrows.append(Arrow(((LEFT - 12, y), (WIDTH - RIGHT + 12, y)), "level"))
        texts.append(Words(LEFT - 17, y, str(level), align="right"))
    for t, (x, value) in enumerate(zip(xs, cosine, strict=True)):
        high = tall * float(np.clip(value, -0.4, 1))
        look = "told" if t >= told_truly else "generator"
        boxes.append(Box(str(t), x, floor + high / 2, 0.6 * gap, high, look=look, corner=0))
    return boxes, arrows, texts


def credit_picture(
    reach: Reach,
    *,
    title: str | None = None,
    updates: Sequence[float] = (),
    bits: Sequence[float] = (),
    most: int | None = None,
) -> Picture:
    """The arrows of credit; below them the cosines, if measured, and the bits of error so far.

    ``updates`` and ``bits`` of equal length: the curve; without ``most``, the number of updates
    at the right end, there is no curve.

    Raises ValueError if the two differ in length.
    """
    if len(updates) != len(bits):
        raise ValueError(f"bits has {len(bits)} numbers; it accepts {len(updates)}, as updates has")
    top = 34 if title else 6
    bars = ROW if reach.cosine is None else ROW + BARS
    sentence = reach.sentence
    if most is not None and len(bits):
        last = float(bits[-1])
        word = "solved" if last < SOLVED else "chance" if last > 0.9 * CHANCE else "between"
        sentence += (
            f" After {number(float(updates[-1]))} updates {number(last)} bits of error are left, "
            f"where chance is {number(CHANCE)}: {word}."
        )
    height = top + bars + (0 if most is None else CURVE)
    picture = Picture(WIDTH, height, sentence=sentence)
    headline(picture, title)
    xs = np.linspace(LEFT, WIDTH - RIGHT, reach.steps)
    draw_parts(pixel_axes(picture, top, ROW - 6), *_row(reach, xs))
    if reach.cosine is not None:
        parts = _bars(reach.cosine, reach.told_truly, xs)
        draw_parts(pixel_axes(picture, top + ROW - 6, BARS), *parts)
    if most is not None:
        names = {"xlabel": "updates", "ylabel": "bits of error"}
        ax = place_axes(picture, 72, 28, top + bars + 22, 52, **names)
        ax.set(xlim=(0, most), ylim=(0, 1.2 * CHANCE))
        line = Summary(Series("bits", np.asarray(updates), np.asarray(bits)))
        Curve(ax, line.look).show(line, 0, 1)
        draw_marks(ax, [(CHANCE, "chance"), (SOLVED, "solved")], [line])
    return picture
