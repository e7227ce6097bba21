"""How far back credit travels: steps of time, cuts, and the gradient that goes back to them.

Time runs to the right.  What the loss says about a state travels to the left.  At a cut it ends,
or a guess takes its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle

from dnilab.checks import whole_number
from dnilab.pictures.diagram import ARROW_LOOKS, BOX_LOOKS
from dnilab.pictures.style import (
    BLUE,
    FONT,
    FONT_SIZE,
    GREEN,
    GROUND,
    INK,
    LINE_WIDTH,
    MUTED,
    SMALL,
    Picture,
    dress,
    headline,
    number,
)

WIDTH = 700
LEFT, RIGHT = 40.0, 40.0  # pixels left of the first step and right of the last
ROW, BARS, CURVE = 150, 92, 210  # pixels of the three parts


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
            raise ValueError(
                f"cosine has {len(self.cosine)} numbers; it accepts {self.steps}, one for each step"
            )

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
        back = "is in the last segment alone" if self.told_truly == last else "goes back"
        text += f"There {cuts}. The true gradient of the answer {back}, to step "
        text += f"{self.told_truly}. "
        if not self.guess:
            text += "There it is thrown away: no step before is told anything by the answer."
        else:
            text += "At every cut a guess takes its place and goes on to the left, to step 0."
        if self.cosine is not None and self.guess:
            before = self.cosine[: self.told_truly]
            text += (
                f" The cosine of the gradient that is used with the true one is "
                f"{number(round(before[0], 2))} at step 0, and on average over the steps before "
                f"the last cut {number(round(float(np.mean(before)), 2))}."
            )
        return text


def _arrow(ax: Axes, start: float, stop: float, y: float, look: str) -> None:
    color, dash, width = ARROW_LOOKS[look]
    ax.add_patch(
        FancyArrowPatch(
            (start, y),
            (stop, y),
            arrowstyle="-|>,head_length=6,head_width=3.2",
            linewidth=width,
            linestyle=dash,
            color=color,
            shrinkA=0,
            shrinkB=0,
            zorder=3,
        )
    )


def _text(
    ax: Axes,
    x: float,
    y: float,
    text: str,
    color: str = MUTED,
    align: str = "center",
    ground: bool = False,
) -> None:
    """Small text; with ``ground``, on a patch that hides the lines below it."""
    patch = {"facecolor": GROUND, "edgecolor": "none", "pad": 1.5} if ground else None
    ax.text(
        x,
        y,
        text,
        ha=align,
        va="center",
        fontsize=SMALL,
        color=color,
        fontfamily=FONT,
        math_fontfamily="dejavusans",
        zorder=6,
        bbox=patch,
    )


def _draw_row(ax: Axes, reach: Reach, xs: np.ndarray) -> None:
    """Circles, cuts, arrows; ``xs``: where each step is, in pixels."""
    gap = float(xs[1] - xs[0])
    radius = min(11.0, 0.32 * gap)
    states, credit = 92.0, 44.0  # heights
    last = reach.steps - 1
    for t, x in enumerate(xs):
        look = BOX_LOOKS["busy" if t in (0, last) else "plain"]
        ax.add_patch(
            Circle((x, states), radius, facecolor=look.fill, edgecolor=look.frame, lw=1.4, zorder=4)
        )
        if t:
            _arrow(ax, xs[t - 1] + radius, x - radius - 1, states, "faint")
    every = 1 if gap > 24 else 2 if gap > 14 else 4
    for t in range(0, last + 1, every):
        if last - t >= every or t == last:
            _text(ax, xs[t], states + radius + 12, str(t))
    if last % every:
        _text(ax, xs[last], states + radius + 12, str(last))
    _text(ax, xs[0] - radius, states + radius + 30, "shown", INK, "left")
    _text(ax, xs[-1] + radius, states + radius + 30, "asked", INK, "right")
    for cut in reach.cuts:
        x = float(xs[cut]) - gap / 2
        ax.plot([x, x], [22, states + radius + 3], color=MUTED, lw=1.2, ls=(0, (3, 3)), zorder=2)
    edges = [0, *reach.cuts, reach.steps]
    for start, stop in pairwise(edges):
        is_last = stop == reach.steps
        if not is_last and not reach.guess:
            continue
        # from the last step of the segment, or the cut behind it, back to its first step
        begin = float(xs[last]) + radius if is_last else float(xs[stop]) - gap / 2
        end = float(xs[start]) - (gap / 2 - 3 if start else radius)
        _arrow(ax, begin, end, credit, "message" if is_last else "synthetic")
    for cut in reach.cuts:
        x = float(xs[cut]) - gap / 2
        if reach.guess:
            size = min(9.0, 0.3 * gap)
            look = BOX_LOOKS["generator"]
            ax.add_patch(
                FancyBboxPatch(
                    (x - size, credit - size),
                    2 * size,
                    2 * size,
                    boxstyle="round,pad=0,rounding_size=3",
                    facecolor=look.fill,
                    edgecolor=look.frame,
                    linestyle=look.dash,
                    lw=1.4,
                    zorder=4,
                )
            )
            if size > 6:
                _text(ax, x, credit, "$M$", INK)
        elif cut == reach.told_truly:
            color = ARROW_LOOKS["message"][0]
            ax.plot([x, x], [credit - 13, credit + 13], color=color, lw=3.4, zorder=5)
            room = x - LEFT > 120
            _text(
                ax,
                x - 8 if room else x + 8,
                credit - (0 if room else 22),
                "thrown away",
                color,
                "right" if room else "left",
                ground=True,
            )


def _draw_bars(ax: Axes, reach: Reach, xs: np.ndarray) -> None:
    assert reach.cosine is not None
    gap = float(xs[1] - xs[0])
    color, dash = ARROW_LOOKS["synthetic"][0], (0, (1.5, 1.2))
    floor, tall = 26.0, 50.0
    for level in (0.0, 1.0):
        ax.plot(
            [LEFT - 12, WIDTH - RIGHT + 12], [floor + level * tall] * 2, color="#C8C8C8", lw=0.8
        )
        _text(ax, LEFT - 17, floor + level * tall, f"{level:g}", align="right")
    for t, (x, value) in enumerate(zip(xs, reach.cosine, strict=True)):
        truly = t >= reach.told_truly
        ax.add_patch(
            Rectangle(
                (x - 0.3 * gap, floor),
                0.6 * gap,
                tall * float(np.clip(value, -0.4, 1)),
                facecolor="#F6D9C6" if truly else "#F8E9F2",
                edgecolor=ARROW_LOOKS["message"][0] if truly else color,
                linestyle="-" if truly else dash,
                lw=1.3,
                zorder=3,
            )
        )
    _text(ax, LEFT - 12, 8, "cosine of the gradient that is used with the true one", align="left")


def _draw_curve(
    ax: Axes, updates: np.ndarray, bits: np.ndarray, chance: float, most: int, solved_below: float
) -> None:
    dress(ax, xlabel="updates", ylabel="bits of error")
    ax.plot(updates, bits, color=BLUE, lw=LINE_WIDTH, zorder=3)
    ax.set_xlim(0, most)
    ax.set_ylim(0, 1.2 * chance)
    for level, words, color, dash in (
        (chance, "chance", MUTED, (0, (4, 3))),
        (solved_below, "solved", GREEN, (0, (6, 2, 1.2, 2))),
    ):
        ax.axhline(level, color=color, lw=1.3, ls=dash, zorder=2)
        ax.annotate(
            words,
            (1, level),
            xycoords=("axes fraction", "data"),
            xytext=(-4, 4),
            textcoords="offset points",
            ha="right",
            fontsize=SMALL,
            color=color,
            fontfamily=FONT,
        )


def credit_picture(
    reach: Reach,
    *,
    title: str | None = None,
    updates: Sequence[float] = (),
    bits: Sequence[float] = (),
    chance: float = 1.0,
    most: int | None = None,
    solved_below: float = 0.15,
) -> Picture:
    """The arrows of credit; below them the cosines, if measured, and the bits of error so far.

    ``updates`` and ``bits`` of equal length: the curve; without ``most``, the number of updates
    at the right end, there is no curve.

    Raises ValueError if the two differ in length.
    """
    if len(updates) != len(bits):
        raise ValueError(f"bits has {len(bits)} numbers; it accepts {len(updates)}, as updates has")
    curve = most is not None
    height = (34 if title else 6) + ROW
    height += (BARS if reach.cosine is not None else 0) + (CURVE if curve else 0)
    sentence = reach.sentence
    if curve and len(bits):
        last = float(bits[-1])
        word = "solved" if last < solved_below else "chance" if last > 0.9 * chance else "between"
        sentence += (
            f" After {number(float(updates[-1]))} updates {number(last)} bits of error are left, "
            f"where chance is {number(chance)}: {word}."
        )
    picture = Picture(WIDTH, height, sentence=sentence)
    top = headline(picture, title, "") if title else 6.0
    xs = np.linspace(LEFT, WIDTH - RIGHT, reach.steps)
    used = top

    def part(pixels: float) -> Axes:
        nonlocal used
        used += pixels
        ax = picture.add_axes((0, 1 - used / height, 1, pixels / height))
        ax.set_xlim(0, WIDTH)
        ax.set_ylim(0, pixels)
        ax.axis("off")
        return ax

    _draw_row(part(ROW - 6), reach, xs)
    if reach.cosine is not None:
        _draw_bars(part(BARS), reach, xs)
    if most is not None:
        bottom = 52 / height
        ax = picture.add_axes((72 / WIDTH, bottom, 1 - 100 / WIDTH, (CURVE - 74) / height))
        _draw_curve(ax, np.asarray(updates), np.asarray(bits), chance, most, solved_below)
        ax.xaxis.label.set_fontsize(FONT_SIZE)
    return picture
