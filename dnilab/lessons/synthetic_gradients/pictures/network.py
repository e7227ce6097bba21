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
            layers = [str(k) for k in range(1, moment.layers + 1) if moment.of(phase, k) == status]
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
        words.append(Words(12, ground + ROW_HEIGHT - 18, moment.title, FONT_SIZE + 0.5, color=INK))
        step = 540 / moment.layers
        place: dict[tuple[str, int], Box] = {}
        for level, phase in enumerate(PHASES):
            y = ground + 138 - 50 * level
            words.append(Words(12, y, phase, SMALL))
            for k in range(1, moment.layers + 1):
                status = moment.of(phase, k)
                note = {"idle": "", "busy": " works", "waiting": " waits", "done": " done"}
                box = Box(
                    f"{row} {phase} {k}",
                    96 + step * (k - 0.5),
                    y,
                    min(118, step - 44),
                    32,
                    (f"layer {k}{note[status]}",) if step > 150 else (f"{k}{note[status]}",),
                    status,
                    SMALL,
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
            upper, lower = place["backward", k], place["update", k]
            arrows.append(Arrow((upper.side("bottom"), lower.side("top")), "faint"))
        arrows.append(Arrow((last.side("right"), (664, last.y), loss.side("top")), "faint"))
        arrows.append(Arrow((loss.side("bottom"), (664, grad.y), grad.side("right")), "faint"))
        count = len(moment.waits)
        arrows += [
            _waits(place[a], place[b], rank, count) for rank, (a, b) in enumerate(moment.waits)
        ]
    words.append(
        Words(
            12,
            14,
            "Filled: works.   Green: done.   Dashed frame: waits; dashed arrow: for whom it waits.",
        )
    )
    sentence = " ".join(describe_moment(moment) for moment in moments)
    alt = f"Diagram: {listing([m.title for m in moments])}. Described in the text below."
    return Diagram(width, height, tuple(boxes), tuple(arrows), tuple(words), sentence, alt=alt)


def _faint(start: tuple[float, float], end: tuple[float, float], text: str, lift: float) -> Arrow:
    middle = ((start[0] + end[0]) / 2, start[1] + lift)
    return Arrow((start, end), "faint", (text,), middle)


def _waits(who: Box, whom: Box, rank: int, count: int) -> Arrow:
    """From the box that waits to the one it waits for; the ``rank``-th of ``count`` arrows."""
    if abs(who.y - whom.y) < 1:
        lower = -7 if "forward" in who.name else 7
        side, other = ("left", "right") if who.x > whom.x else ("right", "left")
        return Arrow((who.side(side, lower), whom.side(other, lower)), "waits")
    # To another row: beside the boxes, along the gap under the row it ends in, then up.
    beside = who.x + who.width / 2 + 12
    lane = whom.y - whom.height / 2 - 6 - 8 * rank / max(count - 1, 1)
    shift = whom.width * (-0.35 + 0.5 * rank / max(count - 1, 1))
    return Arrow(
        (
            who.side("right"),
            (beside, who.y),
            (beside, lane),
            (whom.x + shift, lane),
            whom.side("bottom", shift),
        ),
        "waits",
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
    width, height = 700, 412
    y_mod, y_gen, y_err = 344.0, 206.0, 92.0
    shape_in, shape_out = shape_text((batch, n_in)), shape_text((batch, n_out))
    shape_w = shape_text((n_in, n_out))
    fit = 5 if k > 1 else 4
    forward = f"{math(f'h{k}')} = f({math(below)} {math(f'W{k}')} + {math(f'b{k}')})"
    mod = Box("module", 258, y_mod, 184, 62, (f"module {k}", forward), "module")
    pull = Box("pullback", 258, y_gen, 184, 58, ("pullback", f"of module {k}"), "pullback")
    gen = Box("generator", 496, y_gen, 124, 58, ("generator", math(f"M{k}")), "generator")
    err = Box("error", 496, y_err, 176, 46, (rf"$\|\hat{{g}}_{{{k}}} - g_{{{k}}}\|^2$",), "loss")
    up = Box("above", 656, y_mod, 72, 62, ("module", str(k + 1)), "ghost", SMALL)
    arrows = [
        Arrow(
            ((36, y_mod), mod.side("left")),
            "signal",
            (math(below), shape_in),
            (98, y_mod + 23),
            number=1,
            number_at=(24, y_mod),
        ),
        Arrow(
            (mod.side("right"), up.side("left")),
            "signal",
            (f"{math(f'h{k}')}  {shape_out}",),
            (420, y_mod + 14),
        ),
        Arrow(
            (gen.side("left"), pull.side("right")),
            "synthetic",
            (math(f"g_hat{k}"), shape_out),
            (392, y_gen + 25),
            number=2,
            number_at=(392, y_gen - 18),
        ),
        Arrow(
            (pull.side("top"), mod.side("bottom")),
            "update",
            (math(f"dW{k}"), shape_w),
            (268, (y_mod + y_gen) / 2),
            "left",
            number=3,
            number_at=(238, (y_mod + y_gen) / 2),
        ),
        Arrow(
            ((656, y_mod - 31), (656, y_err), err.side("right")),
            "message",
            (f"target {math(f'g{k}')}", shape_out),
            (646, y_gen),
            "right",
        ),
        Arrow(
            (err.side("top"), gen.side("bottom")),
            "update",
            (f"fits {math(f'M{k}')}",),
            (508, (y_gen + y_err) / 2),
            "left",
            number=fit,
            number_at=(476, (y_gen + y_err) / 2),
        ),
    ]
    if "h" in context:
        arrows.append(Arrow(((496, y_mod), gen.side("top")), "signal"))
    others = [name for name in context if name != "h"]
    if others:
        x, y = gen.side("top", 36)
        names = ", ".join(math(name) for name in others)
        arrows.append(Arrow(((x, y + 42), (x, y)), "signal", (names,), (x, y + 54)))
    steps = "1 forward    2 synthetic gradient    3 update of the module"
    more = f"{fit} fit of the generator"
    if k > 1:
        more = f"4 message to the module below    {more}, when module {k + 1} sends its own"
        arrows.append(
            Arrow(
                (pull.side("left"), (36, y_gen)),
                "message",
                (f"target {math(f'g{k - 1}')}", shape_in),
                (98, y_gen + 25),
                number=4,
                number_at=(98, y_gen - 18),
            )
        )
    words = (Words(12, 40, steps), Words(12, 18, more))
    saw = listing([f"h{k}" if name == "h" else name for name in context])
    above = "the loss" if k + 1 == modules else f"its own synthetic gradient g_hat{k + 1}"
    sentence = (
        f"One decoupled module, number {k} of {modules}. 1, forward: {below} {shape_in} times "
        f"W{k} {shape_w} gives h{k} {shape_out}, which goes on to module {k + 1}. 2: generator "
        f"M{k} sees {saw} and guesses the gradient, g_hat{k} {shape_out}. 3: the pullback of the "
        f"module turns it into dW{k} {shape_w}, and the module is updated at once. "
    )
    if k > 1:
        sentence += (
            f"4: the pullback also gives g{k - 1} {shape_in}, sent to the module below as the "
            f"target of M{k - 1}. "
        )
    sentence += (
        f"{fit}: when g{k} {shape_out} comes from module {k + 1}, which computes it from {above}, "
        f"M{k} is fitted to it by the squared error."
    )
    alt = f"Diagram: decoupled module {k}. Described in the text below."
    boxes = (mod, pull, gen, err, up)
    return Diagram(width, height, boxes, tuple(arrows), words, sentence, alt=alt)


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
    width, height = 700, 310
    left, right = 78.0, 96.0  # room for x and for the loss
    step = (width - left - right) / modules
    y_mod, y_gen, line = 232.0, 106.0, 8.0
    wide = min(104.0, step - 52)
    roomy = step > 120
    mods = [
        Box(
            f"module {k}",
            left + step * (k - 0.5),
            y_mod,
            wide,
            56,
            (f"module {k}", f"{sizes[k - 1]} → {sizes[k]}") if roomy else (str(k),),
            "module",
            FONT_SIZE if wide > 96 else SMALL,
        )
        for k in range(1, modules + 1)
    ]
    gens = [
        Box(
            f"generator {k}",
            mods[k - 1].x + step / 2,
            y_gen,
            min(76, step - 62),
            40,
            (math(f"M{k}"),),
            "generator",
        )
        for k in range(1, modules)
    ]
    loss = Box("loss", width - 44, y_mod, 64, 56, ("loss", f"sees {math('y')}"), "loss", SMALL)
    arrows = [
        Arrow(
            ((12, y_mod + line), mods[0].side("left", line)),
            "signal",
            (math("x"), shape_text((batch, sizes[0]))),
            (44, y_mod + 46),
        )
    ]
    for k, here in enumerate(mods, start=1):
        above = mods[k] if k < modules else loss
        start, end = here.side("right", line), above.side("left", line)
        middle = (start[0] + end[0]) / 2
        what = (math(f"h{k}"), shape_text((batch, sizes[k])))
        arrows.append(Arrow((start, end), "signal", what, (middle, y_mod + 46)))
        if k == modules:
            ends = loss.side("left", -line), here.side("right", -line)
            arrows.append(Arrow(ends, "message", (math(f"g{k}"),), (middle, y_mod - 24)))
            continue
        gen = gens[k - 1]
        down, up = here.x + 18, above.x - 18
        arrows += [
            Arrow(((gen.x, y_mod + line), gen.side("top")), "signal"),
            Arrow(
                (gen.side("left"), (down, y_gen), here.side("bottom", 18)),
                "synthetic",
                (math(f"g_hat{k}"),),
                (down + 9, (y_gen + y_mod) / 2),
                "left",
            ),
            Arrow(
                (above.side("bottom", -18), (up, y_gen), gen.side("right")),
                "message",
                (math(f"g{k}"),),
                (up - 9, (y_gen + y_mod) / 2),
                "right",
            ),
        ]
    others = [name for name in context if name != "h"]
    solid = "Solid: forward."
    if others:
        solid += f" Each generator also sees {listing([math(name) for name in others])}."
    words = (
        Words(12, 54, solid),
        Words(12, 34, "Dotted: synthetic gradient, with which the module is updated at once."),
        Words(12, 14, "Dashed: gradient sent down, the target to which the generator is fitted."),
    )
    sends = [f"module {k} sends h{k} {shape_text((batch, sizes[k]))}" for k in range(1, modules)]
    sentence = (
        f"A stack of {modules} decoupled modules, {'-'.join(map(str, sizes))}. Forward: "
        f"{listing(sends)} to the module above; module {modules} feeds the loss. Each module "
        f"below the top has a generator, which sees {listing(context)} and hands back a synthetic "
        f"gradient, with which the module is updated at once. What module k + 1 sends down is "
        f"only the target of generator k. The top module uses the true gradient of the loss."
    )
    alt = f"Diagram: a stack of {modules} decoupled modules. Described in the text below."
    return Diagram(width, height, (*mods, *gens, loss), tuple(arrows), words, sentence, alt=alt)


def decoupled_stack(
    sizes: Sequence[int] = (24, 128, 64, 12),
    *,
    batch: int | str = "B",
    context: Sequence[str] = ("h",),
) -> Picture:
    """A whole decoupled network: arguments as in :func:`decoupled_module`."""
    return draw_diagram(stack_diagram(sizes, batch=batch, context=context))
