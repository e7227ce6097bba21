"""Networks as diagrams: the three locks, one decoupled module, a decoupled stack.

The content is that of Jaderberg et al. 2016, section 1 (the three kinds of locking) and section 2
(synthetic gradients); the drawings are our own. Letters and signs are those of the course:
g is the gradient of the *summed* loss with respect to h, g_hat the guess of generator M.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dnilab.pictures.diagram import (
    Arrow,
    Box,
    Diagram,
    Words,
    draw_diagram,
    math,
    shape_text,
)
from dnilab.pictures.style import FONT_SIZE, INK, SMALL, Picture, listing

Status = Literal["idle", "busy", "waiting", "done"]
Lock = Literal["forward", "update", "backward"]

STATUSES = ("idle", "busy", "waiting", "done")
PHASES = ("forward", "backward", "update")


@dataclass(frozen=True)
class Moment:
    """Who works and who waits at one moment of a step of backpropagation.

    Parameters
    ----------
    title:
        A few words.
    status:
        ``{("forward", 1): "busy", ...}`` for phase forward, backward or update and layer from 1;
        what is not named is idle.
    waits:
        Pairs ``(who waits, for whom)`` of such keys, drawn as dashed arrows.
    layers:
        Number of layers.
    """

    title: str
    status: Mapping[tuple[str, int], Status]
    waits: tuple[tuple[tuple[str, int], tuple[str, int]], ...] = ()
    layers: int = 3

    def __post_init__(self) -> None:
        if not 2 <= self.layers <= 5:
            raise ValueError(f"layers: got {self.layers}, need 2 to 5")
        keys = [*self.status, *(key for pair in self.waits for key in pair)]
        for key in keys:
            phase, layer = key
            if phase not in PHASES or not 1 <= layer <= self.layers:
                raise ValueError(
                    f"status, waits: got {key!r}, need a phase ({', '.join(PHASES)}) "
                    f"and a layer from 1 to {self.layers}"
                )
        for key, status in self.status.items():
            if status not in STATUSES:
                raise ValueError(
                    f"status[{key!r}]: got {status!r}, need one of {', '.join(STATUSES)}"
                )

    def of(self, phase: str, layer: int) -> Status:
        """The status of one box."""
        return self.status.get((phase, layer), "idle")


def lock_moment(lock: Lock, layers: int = 3) -> Moment:
    """A moment that shows one lock (Jaderberg et al. 2016, section 1).

    - forward: no layer can process its input before the layers below have run forward.
    - update: no layer can be updated before the layers above have run forward.
    - backward: no layer can be updated before the layers above have run forward *and* backward.
    """
    top = layers
    if lock == "forward":
        return Moment(
            "Forward lock: a layer waits for the output of the one below",
            {
                ("forward", 1): "busy",
                **{("forward", k): "waiting" for k in range(2, top + 1)},
            },
            tuple((("forward", k), ("forward", k - 1)) for k in range(2, top + 1)),
            layers,
        )
    done: dict[tuple[str, int], Status] = {("forward", k): "done" for k in range(1, top)}
    if lock == "update":
        return Moment(
            "Update lock: a layer has run, yet must wait until all above it have run",
            {
                **done,
                ("forward", top): "busy",
                **{("update", k): "waiting" for k in range(1, top)},
            },
            tuple((("update", k), ("forward", top)) for k in range(1, top)),
            layers,
        )
    if lock == "backward":
        return Moment(
            "Backward lock: a layer waits for the gradient of the one above",
            {
                **done,
                ("forward", top): "done",
                ("backward", top): "busy",
                **{("backward", k): "waiting" for k in range(1, top)},
                **{("update", k): "waiting" for k in range(1, top)},
            },
            tuple((("backward", k), ("backward", k + 1)) for k in range(1, top)),
            layers,
        )
    raise ValueError(f"lock: got {lock!r}, need 'forward', 'update' or 'backward'")


def describe_moment(moment: Moment) -> str:
    """The moment in words."""
    parts = []
    for status, words in (("done", "done"), ("busy", "at work"), ("waiting", "waiting")):
        groups = []
        for phase in PHASES:
            layers = [
                str(k) for k in range(1, moment.layers + 1) if moment.of(phase, k) == status
            ]
            if layers:
                groups.append(f"{phase} of layer{'s' * (len(layers) > 1)} {listing(layers)}")
        if groups:
            parts.append(f"{words}: {listing(groups)}")
    waits = [f"{p} {k} waits for {q} {m}" for (p, k), (q, m) in moment.waits]
    if waits:
        parts.append(listing(waits))
    return f"{moment.title}. " + "; ".join(parts).capitalize() + "."


ROW_HEIGHT = 196


def locks_diagram(moments: Sequence[Moment]) -> Diagram:
    """The boxes and arrows of :func:`locks`."""
    if not moments:
        raise ValueError("moments: got none, need at least one Moment")
    width, height = 700, ROW_HEIGHT * len(moments) + 30
    boxes: list[Box] = []
    arrows: list[Arrow] = []
    words: list[Words] = []
    for row, moment in enumerate(moments):
        ground = height - ROW_HEIGHT * (row + 1)
        words.append(
            Words(12, ground + ROW_HEIGHT - 18, moment.title, FONT_SIZE + 0.5, color=INK)
        )
        step = 540 / moment.layers
        place: dict[tuple[str, int], Box] = {}
        for level, phase in enumerate(PHASES):
            y = ground + 138 - 50 * level
            words.append(Words(12, y, phase, SMALL))
            for k in range(1, moment.layers + 1):
                status = moment.of(phase, k)
                note = {"idle": "", "busy": ": at work", "waiting": ": waits", "done": ": done"}
                box = Box(
                    f"{row} {phase} {k}",
                    96 + step * (k - 0.5),
                    y,
                    min(118, step - 44),
                    32,
                    (f"layer {k}{note[status]}",) if step > 150 else (f"{k}{note[status]}",),
                    status,
                )
                place[phase, k] = box
                boxes.append(box)
        for k in range(1, moment.layers):
            low, high = place["forward", k], place["forward", k + 1]
            arrows.append(_faint(low.side("right", 7), high.side("left", 7), math(f"h{k}"), 10))
            low, high = place["backward", k], place["backward", k + 1]
            arrows.append(_faint(high.side("left", -7), low.side("right", -7), math(f"g{k}"), -10))
        last = place["forward", moment.layers]
        grad = place["backward", moment.layers]
        loss = Box(f"{row} loss", 664, (last.y + grad.y) / 2, 52, 32, ("loss",), "loss")
        boxes.append(loss)
        for k in range(1, moment.layers + 1):
            arrows.append(
                Arrow((place["backward", k].side("bottom"), place["update", k].side("top")), "faint")
            )
        arrows.append(Arrow((last.side("right"), (664, last.y), loss.side("top")), "faint"))
        arrows.append(Arrow((loss.side("bottom"), (664, grad.y), grad.side("right")), "faint"))
        arrows += [
            _waits(place[a], place[b], rank) for rank, (a, b) in enumerate(moment.waits)
        ]
    words.append(
        Words(
            12,
            14,
            "Dashed arrows and frames: waits for.   Filled: at work.   Green: done.",
        )
    )
    sentence = " ".join(describe_moment(moment) for moment in moments)
    return Diagram(width, height, tuple(boxes), tuple(arrows), tuple(words), sentence)


def _faint(start: tuple[float, float], end: tuple[float, float], text: str, lift: float) -> Arrow:
    middle = ((start[0] + end[0]) / 2, start[1] + lift)
    return Arrow((start, end), "faint", (text,), middle)


def _waits(who: Box, whom: Box, rank: int) -> Arrow:
    """From the box that waits to the one it waits for."""
    if abs(who.y - whom.y) < 1:
        lower = -7 if "forward" in who.name else 7
        side, other = ("left", "right") if who.x > whom.x else ("right", "left")
        return Arrow((who.side(side, lower), whom.side(other, lower)), "waits")
    # Up to another row: right along the gap under the row it ends in, then up.
    lane = whom.y - whom.height / 2 - 6 - 4 * rank
    shift = -34 + 12 * rank
    start = who.side("top", 30)
    return Arrow(
        (start, (start[0], lane), (whom.x + shift, lane), whom.side("bottom", shift)), "waits"
    )


def locks(moments: Sequence[Moment] | None = None, *, layers: int = 3) -> Picture:
    """Who waits for whom while a network learns by backpropagation.

    Without ``moments``: the forward, update and backward lock of a network of ``layers`` layers,
    one under the other. With them: those moments, so that a stepper can draw its own.
    """
    if moments is None:
        moments = [lock_moment(lock, layers) for lock in ("forward", "update", "backward")]
    return draw_diagram(locks_diagram(moments))


def _sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    sizes = tuple(sizes)
    if not 3 <= len(sizes) <= 6 or any(not isinstance(n, int) or n < 1 for n in sizes):
        raise ValueError(f"sizes: got {sizes}, need 3 to 6 whole numbers above 0, input first")
    return sizes


def _context(context: Sequence[str]) -> tuple[str, ...]:
    context = tuple(context)
    if not context or any(name not in ("h", "y", "x") for name in context):
        raise ValueError(f"context: got {context}, need some of 'h', 'y', 'x'")
    return context


def module_diagram(
    k: int,
    sizes: Sequence[int] = (24, 128, 64, 12),
    *,
    batch: int | str = "B",
    context: Sequence[str] = ("h",),
) -> Diagram:
    """The boxes and arrows of :func:`decoupled_module`."""
    sizes, context = _sizes(sizes), _context(context)
    modules = len(sizes) - 1
    if not 1 <= k < modules:
        raise ValueError(
            f"k: got {k}, need 1 to {modules - 1}: the top module, {modules}, has no generator"
        )
    n_in, n_out = sizes[k - 1], sizes[k]
    below = "x" if k == 1 else f"h{k - 1}"
    width, height = 700, 440
    shape_in, shape_out = shape_text((batch, n_in)), shape_text((batch, n_out))
    shape_w = shape_text((n_in, n_out))
    mod = Box(
        "module",
        258,
        340,
        176,
        64,
        (f"module {k}", f"{math(f'h{k}')} = f({math(below)} {math(f'W{k}')} + {math(f'b{k}')})"),
        "module",
    )
    pull = Box("pullback", 258, 200, 176, 58, (f"pullback of module {k}",), "pullback")
    gen = Box("generator", 500, 200, 130, 58, (f"generator {math(f'M{k}')}",), "generator")
    err = Box(
        "error",
        500,
        78,
        186,
        46,
        (rf"$\|\hat{{g}}_{{{k}}} - g_{{{k}}}\|^2$",),
        "loss",
    )
    up = Box("above", 654, 340, 66, 64, ("module", f"{k + 1}"), "ghost")
    boxes = [mod, pull, gen, err, up]
    others = [name for name in context if name != "h"]
    arrows = [
        Arrow(
            ((34, 340), mod.side("left")),
            "signal",
            (math(below), shape_in),
            (86, 362),
            number=1,
            number_at=(24, 340),
        ),
        Arrow(
            (mod.side("right"), up.side("left")),
            "signal",
            (f"{math(f'h{k}')}  {shape_out}",),
            (416, 354),
        ),
        Arrow(
            (gen.side("left"), pull.side("right")),
            "synthetic",
            (math(f"g_hat{k}"), shape_out),
            (391, 224),
            number=2,
            number_at=(391, 182),
        ),
        Arrow(
            (pull.side("top"), mod.side("bottom")),
            "update",
            (math(f"dW{k}"), shape_w),
            (268, 270),
            "left",
            number=3,
            number_at=(240, 270),
        ),
        Arrow(
            ((654, 306), (654, 78), err.side("right")),
            "message",
            (math(f"g{k}"), shape_out),
            (646, 200),
            "right",
        ),
        Arrow(
            (err.side("top"), gen.side("bottom")),
            "update",
            ("fits", f"{math(f'M{k}')}"),
            (510, 137),
            "left",
            number=5 if k > 1 else 4,
            number_at=(482, 137),
        ),
    ]
    if "h" in context:
        arrows.append(Arrow(((500, 340), gen.side("top")), "signal"))
    if others:
        entry = gen.side("top", 38)
        arrows.append(
            Arrow(
                ((entry[0], 276), entry), "signal", (math(", ".join(others)) if 0 else ", ".join(math(o) for o in others),), (entry[0], 288)
            )
        )
    if k > 1:
        arrows.append(
            Arrow(
                (pull.side("left"), (34, 200)),
                "message",
                (math(f"g{k - 1}"), shape_in),
                (100, 224),
                number=4,
                number_at=(156, 182),
            )
        )
    words = [
        Words(654, 392, "from above", align="center"),
    ]
    steps = [
        "1 forward",
        "2 synthetic gradient",
        "3 update",
        *(["4 message to the module below"] if k > 1 else []),
        f"{5 if k > 1 else 4} fit of the generator",
    ]
    words = [Words(12, 22, "   ".join(steps))]
    if k > 1:
        words.append(Words(34, 166, f"the target of {math(f'M{k - 1}')}"))
    saw = listing([f"h{k}" if name == "h" else name for name in context])
    sentence = (
        f"One decoupled module, number {k} of {modules}. 1, forward: {below} {shape_in} times "
        f"W{k} {shape_w} gives h{k} {shape_out}, which goes on to module {k + 1}. 2: generator "
        f"M{k} sees {saw} and guesses the gradient, g_hat{k} {shape_out}. 3: the pullback of the "
        f"module turns it into dW{k} {shape_w} and updates at once. "
    )
    if k > 1:
        sentence += (
            f"4: the pullback also gives g{k - 1} {shape_in}, sent to the module below, where it "
            f"is the target of M{k - 1}. "
        )
    sentence += (
        f"{5 if k > 1 else 4}: when g{k} {shape_out} comes from module {k + 1}, M{k} is fitted "
        f"to it by the squared error."
    )
    return Diagram(width, height, tuple(boxes), tuple(arrows), tuple(words), sentence)


def decoupled_module(
    k: int,
    sizes: Sequence[int] = (24, 128, 64, 12),
    *,
    batch: int | str = "B",
    context: Sequence[str] = ("h",),
) -> Picture:
    """One module with its generator, and every array that moves, with its shape.

    Parameters
    ----------
    k:
        Module number from 1; not the top one, which has the true gradient and no generator.
    sizes:
        Widths, input first: module k maps ``sizes[k-1]`` to ``sizes[k]``.
    batch:
        The number of rows, or the letter for it.
    context:
        What the generator sees: some of "h", "y", "x".
    """
    return draw_diagram(module_diagram(k, sizes, batch=batch, context=context))


def stack_diagram(
    sizes: Sequence[int] = (24, 128, 64, 12),
    *,
    batch: int | str = "B",
    context: Sequence[str] = ("h",),
) -> Diagram:
    """The boxes and arrows of :func:`decoupled_stack`."""
    sizes, context = _sizes(sizes), _context(context)
    modules = len(sizes) - 1
    width, height = 760, 330
    step = (width - 150) / modules
    y_mod, y_gen = 240.0, 106.0
    mods = [
        Box(
            f"module {k}",
            62 + step * (k - 0.5),
            y_mod,
            min(108, step - 62),
            56,
            (f"module {k}", f"{sizes[k - 1]} → {sizes[k]}"),
            "module",
        )
        for k in range(1, modules + 1)
    ]
    gens = [
        Box(
            f"generator {k}",
            mods[k - 1].x + step / 2,
            y_gen,
            min(84, step - 62),
            42,
            (math(f"M{k}"),),
            "generator",
        )
        for k in range(1, modules)
    ]
    loss = Box("loss", width - 46, y_mod, 60, 56, ("loss", "with " + math("y")), "loss")
    arrows = [
        Arrow(
            ((10, y_mod), mods[0].side("left")),
            "signal",
            (math("x"), shape_text((batch, sizes[0]))),
            (36, y_mod + 26),
        )
    ]
    for k in range(1, modules + 1):
        here = mods[k - 1]
        above = mods[k] if k < modules else loss
        start, end = here.side("right", 8), above.side("left", 8)
        middle = (start[0] + end[0]) / 2
        arrows.append(
            Arrow(
                (start, end),
                "signal",
                (math(f"h{k}"), shape_text((batch, sizes[k]))),
                (middle, y_mod + 36),
            )
        )
        if k == modules:
            arrows.append(
                Arrow(
                    (loss.side("left", -10), here.side("right", -10)),
                    "message",
                    (math(f"g{k}"),),
                    (middle, y_mod - 24),
                )
            )
        else:
            gen = gens[k - 1]
            arrows.append(Arrow(((gen.x, y_mod + 8), gen.side("top")), "signal"))
            arrows.append(
                Arrow(
                    (gen.side("left"), (here.x, y_gen), here.side("bottom")),
                    "synthetic",
                    (math(f"g_hat{k}"),),
                    (here.x - 8, (y_gen + y_mod) / 2 - 8),
                    "right",
                )
            )
            arrows.append(
                Arrow(
                    (above.side("bottom", -16), (above.x - 16, y_gen + 8), gen.side("right", 8)),
                    "message",
                    (math(f"g{k}"),),
                    (above.x - 24, (y_gen + y_mod) / 2 - 8),
                    "right",
                )
            )
    shown = listing([f"h" if name == "h" else name for name in context])
    others = [name for name in context if name != "h"]
    words = [
        Words(
            12,
            44,
            "Solid: forward.   Dotted, from a generator: synthetic gradient, used at once.",
        ),
        Words(
            12,
            22,
            "Dashed: gradient sent down, the target to which the generator below is fitted."
            + (f"   Each generator also sees {listing([math(o) for o in others])}." if others else ""),
        ),
    ]
    sentence = (
        f"A stack of {modules} decoupled modules, {'-'.join(map(str, sizes))}. Forward: "
        + listing([f"module {k} sends h{k} {shape_text((batch, sizes[k]))}" for k in range(1, modules)])
        + f" to the module above; module {modules} feeds the loss. Each module below the top has "
        f"a generator that sees {shown} and hands back a synthetic gradient, with which the "
        f"module updates at once. The gradient that module k + 1 sends down is only the target "
        f"of generator k. The top module uses the true gradient of the loss."
    )
    return Diagram(
        width, height, (*mods, *gens, loss), tuple(arrows), tuple(words), sentence
    )


def decoupled_stack(
    sizes: Sequence[int] = (24, 128, 64, 12),
    *,
    batch: int | str = "B",
    context: Sequence[str] = ("h",),
) -> Picture:
    """A whole decoupled network: arguments as in :func:`decoupled_module`."""
    return draw_diagram(stack_diagram(sizes, batch=batch, context=context))
