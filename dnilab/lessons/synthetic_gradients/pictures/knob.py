"""One weight as a knob: it moves a, a moves h, h moves the loss, and three slopes multiply.

One example goes through a network of two inputs, two tanh units and one logit, into the binary
cross-entropy.  The knob is W1[0, 1], the weight from the first input to the second unit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from dnilab.checks import real_number
from dnilab.lessons.shared.diagram import Arrow, Box, Words, draw_parts
from dnilab.network.layers import sigmoid
from dnilab.pictures import style
from dnilab.pictures.draw import dress, name_ticks, pixel_axes, write
from dnilab.pictures.style import INK, SMALL, Picture

X = np.array([1.5, -1.0])
W1 = np.array([[0.3, 0.0], [-0.6, 0.8]])  # W1[0, 1] is the knob
W2 = np.array([1.2, -1.6])
LABEL = 1.0
TURNS = (-2.0, 3.0)
"""How far the knob can be turned."""


@dataclass(frozen=True)
class Turned:
    """Everything in the network while the knob stands at ``w``.

    ``a``, ``h``: of both units, (2,).  ``z``: the logit; ``loss``.
    ``slopes``: da/dw, dh/da and dloss/dh at the second unit, the three factors of the chain rule.
    """

    w: float
    a: np.ndarray
    h: np.ndarray
    z: float
    loss: float
    slopes: tuple[float, float, float]

    @property
    def product(self) -> float:
        """By the chain rule the derivative of the loss with respect to the weight."""
        return float(np.prod(self.slopes))


def loss_of(h: np.ndarray) -> tuple[float, float]:
    """The logit and the loss of h, (2,): log(1 + exp(z)) - y z."""
    z = float(h @ W2)
    return z, float(np.logaddexp(0, z) - LABEL * z)


def turn(w: float) -> Turned:
    """The network with the knob at ``w``."""
    w = real_number("w", w, *TURNS)
    weights = W1.copy()
    weights[0, 1] = w
    a = X @ weights
    h = np.tanh(a)
    z, loss = loss_of(h)
    g = (float(sigmoid(np.array(z))) - LABEL) * W2[1]
    return Turned(w, a, h, z, loss, (float(X[0]), float(1 - h[1] ** 2), float(g)))


def measured_slope(now: Turned, step: float = 1e-5) -> float:
    """By how much the loss moves when the knob is turned a little, for each unit of the turn."""
    other = turn(now.w - step if now.w > 0 else now.w + step)
    return (other.loss - now.loss) / (other.w - now.w)


WIDTH, HEIGHT, TOP = 700, 424, 205  # of the picture, and of the diagram in it


def knob(w: float = 1.0) -> Picture:
    """What moves when the knob is turned, and the three slopes at this place.

    Raises ValueError for ``w`` outside of -2 to 3.
    """
    now = turn(w)
    by_a, by_h, by_loss = now.slopes
    sentence = (
        f"The weight W1[0, 1] is {w:.2f}. Only the filled numbers depend on it: a[1], which is "
        f"{now.a[1]:.2f}, then h[1], which is {now.h[1]:.2f}, then the logit and the loss, which "
        f"is {now.loss:.2f}. The three slopes here are {by_a:.2f}, {by_h:.2f} and {by_loss:.2f}; "
        f"their product is {now.product:.3f}. Measured: turn the weight a little, and the loss "
        f"moves {measured_slope(now):.3f} times as far."
    )
    alt = "A weight as a knob, and the three slopes it acts through. Described in the text below."
    picture = Picture(WIDTH, HEIGHT, sentence=sentence, alt=alt)
    _draw_network(pixel_axes(picture, height=TOP), now)
    turned = [turn(one) for one in np.linspace(*TURNS, 201)]
    a, h = (np.array([getattr(one, name)[1] for one in turned]) for name in ("a", "h"))
    heights = np.linspace(-1, 1, 201)
    losses = np.array([loss_of(np.array([now.h[0], height]))[1] for height in heights])
    weights = np.array([one.w for one in turned])
    plots = (
        ("$W_1[0,1]$", "$a[1]$", weights, a, (w, now.a[1]), f"slope $x[0]$ = {by_a:.2f}"),
        ("$a[1]$", "$h[1]$", a, h, (now.a[1], now.h[1]), f"slope $1-h^2$ = {by_h:.2f}"),
        ("$h[1]$", "loss", heights, losses, (now.h[1], now.loss), f"slope $g$ = {by_loss:.2f}"),
    )
    for place, (xlabel, ylabel, across, up, at, said) in enumerate(plots):
        left, wide = 58 + 234 * place, 158
        ax = picture.add_axes((left / WIDTH, 52 / HEIGHT, wide / WIDTH, 138 / HEIGHT))
        dress(ax, xlabel=xlabel, ylabel=ylabel)
        _draw_slope(ax, across, up, at, now.slopes[place])
        middle = (left + wide / 2) / WIDTH
        write(picture, middle, 205 / HEIGHT, f"{place + 1}   {said}", SMALL, INK)
    return picture


def _draw_slope(
    ax: Axes, across: np.ndarray, up: np.ndarray, at: tuple[float, float], slope: float
) -> None:
    """A curve, the place where we are on it, and its slope there as a dashed line."""
    line, tangent = style.look(0), style.look(1)
    name = ax.get_ylabel()  # as it is read in a table
    ax.plot(across, up, color=line.color, linewidth=style.LINE_WIDTH, label=name)
    reach = 0.3 * (across.max() - across.min())
    ends = np.array([-reach, reach])
    ax.plot(
        at[0] + ends, at[1] + slope * ends,
        color=tangent.color, linestyle=tangent.dash, linewidth=style.LINE_WIDTH,
    )  # fmt: skip
    ax.plot(*at, marker="o", markersize=8, color=tangent.color)
    margin = 0.12 * (up.max() - up.min())
    ax.set_xlim(across.min(), across.max())
    ax.set_ylim(up.min() - margin, up.max() + margin)
    name_ticks(ax.xaxis, 4)
    name_ticks(ax.yaxis, 5)


def _draw_network(ax: Axes, now: Turned) -> None:
    """Every number of the network, those that depend on the knob filled."""
    high, low = 144.0, 62.0
    middle = (high + low) / 2

    def box(name: str, x: float, y: float, value: float, *, moves: bool, wide: float = 104) -> Box:
        lines = (f"{name} = {value:.2f}".replace("-", "−"),)
        return Box(name, x, y, wide, 38, lines, "told" if moves else "plain", SMALL)

    xs = [box(f"$x[{i}]$", 76, y, X[i], moves=False) for i, y in enumerate((high, low))]
    a = [box(f"$a[{i}]$", 270, y, now.a[i], moves=i == 1) for i, y in enumerate((high, low))]
    h = [box(f"$h[{i}]$", 412, y, now.h[i], moves=i == 1) for i, y in enumerate((high, low))]
    logit = box("$z$", 530, middle, now.z, moves=True, wide=96)
    loss = box("loss", 642, middle, now.loss, moves=True, wide=96)
    arrows = [
        Arrow((one.side("right"), other.side("left")), "faint" if (i, j) != (0, 1) else "message")
        for i, one in enumerate(xs) for j, other in enumerate(a)
    ]  # fmt: skip
    arrows += [
        Arrow((one.side("right"), other.side("left")), "message" if i else "faint")
        for i, (one, other) in enumerate(zip(a, h, strict=True))
    ]
    arrows += [
        Arrow((one.side("right"), logit.side("left", shift)), "message" if i else "faint")
        for i, (one, shift) in enumerate(zip(h, (6, -6), strict=True))
    ]
    arrows.append(Arrow((logit.side("right"), loss.side("left")), "message"))
    words = (
        Words(12, 190, "Filled: moves with the knob, the weight $W_1[0,1]$.   Plain: stays."),
        Words(160, middle, f"$W_1[0,1]$ = {now.w:.2f}", SMALL, "right", INK),
    )
    draw_parts(ax, (*xs, *a, *h, logit, loss), arrows, words)
