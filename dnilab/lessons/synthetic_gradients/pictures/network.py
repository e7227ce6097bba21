"""Networks as diagrams: the three locks, one decoupled module, a decoupled stack.

The content is that of Jaderberg et al. 2016, section 1 (the three kinds of locking) and section 2
(synthetic gradients); the drawings are our own. Letters and signs are those of the course:
g is the gradient of the *summed* loss with respect to h, g_hat the guess of generator M, and τ the
message that a module gets from above: the target of its generator, and the truth only at the top.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from dnilab.checks import one_of, whole_numbers
from dnilab.lessons.shared.diagram import Arrow, Box, Diagram, Drawn, Words, draw_diagram, math
from dnilab.lessons.shared.moments import missing, moment_boxes
from dnilab.lessons.synthetic_gradients.pictures.shapes import shape_text
from dnilab.orderings import Instant, Program, Step, Wait, backprop, instants
from dnilab.pictures.style import FONT_SIZE, INK, SMALL, capital, listing
from dnilab.pictures.timeline import KINDS

SIZES = (24, 128, 64, 12)  # of the adder, which most of the lessons train
LAYERS = 3  # of the network whose locks are shown
LOCKS = {
    "forward": "Forward lock: a layer waits for the output of the one below",
    "update": "Update lock: a layer has run, yet must wait until all above it have run",
    "backward": "Backward lock: a layer waits for the gradient of the one above",
}


def lock_moment(lock: str) -> Instant:
    """The moment of backpropagation that shows one lock (Jaderberg et al. 2016, section 1).

    - forward: no layer can process its input before the layers below have run forward.
    - update: no layer can be updated before the layers above have run forward.
    - backward: no layer can be updated before the layers above have run forward *and* backward.

    Of those that wait, only those that the lock is about are kept.
    """
    one_of("lock", lock, LOCKS)
    first, *_, last_forward, backward = instants(backprop(LAYERS), LAYERS + 1)
    moment = {"forward": first, "update": last_forward, "backward": backward}[lock]
    about = ("forward",) if lock == "forward" else ("backward", "update")
    waits = tuple(wait for wait in moment.waiting if wait.step.op in about)
    return replace(moment, waiting=waits)


def _grouped(steps: Iterable[Step]) -> str:
    """Such as "forward of layers 1 and 2"."""
    layers: dict[str, list[str]] = {}
    for step in sorted(steps, key=lambda step: step.module):
        layers.setdefault(KINDS[step.op], []).append(str(step.module))
    many = [f"{op} of layer{'s' * (len(ks) > 1)} {listing(ks)}" for op, ks in layers.items()]
    return listing(many)


def describe_moment(title: str, program: Program, moment: Instant) -> str:
    """The moment in words."""
    lacks = missing(program, moment).items()
    waits = [f"{_grouped([step])} for {listing(words)}" for step, words in lacks]
    parts = [f"done: {_grouped(moment.done)}"] if moment.done else []
    parts += [f"at work: {_grouped(moment.working)}", f"waiting: {listing(waits)}"]
    return f"{title}. {capital('; '.join(parts))}."


LOCK = 236  # pixels of each lock


def locks() -> Drawn:
    """Who waits for whom while a network of three layers learns by backpropagation.

    The forward, the update and the backward lock, one under the other: three moments of the
    ordering ``backprop``.
    """
    program, height = backprop(LAYERS), LOCK * len(LOCKS) + 30
    boxes: list[Box] = []
    arrows: list[Arrow] = []
    legend = "Filled: works.   Green: done.   Dashed frame: waits; dashed arrow: for whom it waits."
    words, sentences = [Words(12, 14, legend)], []
    for place, (lock, title) in enumerate(LOCKS.items()):
        moment, top = lock_moment(lock), height - LOCK * place
        grid, names = moment_boxes(program, moment, top - 44, one_batch=True)
        arrows += wait_arrows(moment.waiting, {box.name: box for box in grid})
        boxes += [replace(box, name=f"{lock}: {box.name}") for box in grid]
        words += [Words(12, top - 18, title, FONT_SIZE + 0.5, color=INK), *names]
        sentences.append(describe_moment(title, program, moment))
    alt = f"Diagram: {listing(list(LOCKS.values()))}. Described in the text below."
    sentence = " ".join(sentences)
    parts = tuple(boxes), tuple(arrows), tuple(words)
    return draw_diagram(Diagram(700, height, *parts, sentence, alt=alt))


def wait_arrows(waiting: Sequence[Wait], boxes: Mapping[str, Box]) -> list[Arrow]:
    """From each box that waits to the one beside, above or below it, for which it waits."""
    arrows = []
    for step, maker in dict.fromkeys((wait.step, wait.maker) for wait in waiting):
        who, whom = (boxes[f"{s.op} {s.module}"] for s in (step, maker))
        sides = ("right", "left") if step.module < maker.module else ("left", "right")
        start, end = ("top", "bottom") if step.module == maker.module else sides
        arrows.append(Arrow((who.side(start), whom.side(end)), "waits"))
    return arrows


def _shape(*sizes: int) -> str:
    """``(B, 24)`` for one size, the width of an activation; ``(24, 128)`` for the two of a W."""
    return shape_text(sizes if len(sizes) == 2 else ("B", *sizes))


def _checked(sizes: Sequence[int], context: Sequence[str]) -> tuple[tuple[int, ...], list[str]]:
    """``sizes`` and ``context`` as they were given, or ValueError."""
    sizes = whole_numbers("sizes", sizes, 1)
    if not 3 <= len(sizes) <= 6:
        raise ValueError(f"sizes has {len(sizes)} widths; it accepts 3 to 6, input first")
    if not context:
        raise ValueError("context is empty; it accepts some of 'h', 'y', 'x'")
    return sizes, [one_of("context", name, ("h", "y", "x")) for name in context]


def decoupled_module(
    k: int, sizes: Sequence[int] = SIZES, *, context: Sequence[str] = ("h",)
) -> Drawn:
    """One module with its generator, and every array that moves, with its shape.

    Parameters
    ----------
    k:
        Module number from 1; not the top one, which has the true gradient and no generator.
    sizes:
        Widths, input first: module k maps ``sizes[k-1]`` to ``sizes[k]``.
    context:
        What the generator sees: some of "h", "y", "x".
    """
    sizes, context = _checked(sizes, context)
    modules = len(sizes) - 1
    if not 1 <= k < modules:
        accepts = f"1 to {modules - 1}: the top module, {modules}, has no generator"
        raise ValueError(f"k is {k}; it accepts {accepts}")
    n_in, n_out = sizes[k - 1], sizes[k]
    below = "x" if k == 1 else f"h{k - 1}"
    y_mod, y_gen, y_err = 344.0, 206.0, 92.0
    shape_in, shape_out, shape_w = _shape(n_in), _shape(n_out), _shape(n_in, n_out)
    fit = 5 if k > 1 else 4
    h, dW, M, told = (math(f"{name}{k}") for name in ("h", "dW", "M", "τ"))
    forward = f"{h} = f({math(below)} {math(f'W{k}')} + {math(f'b{k}')})"
    mod = Box("module", 258, y_mod, 184, 62, (f"module {k}", forward), "module")
    pull = Box("pullback", 258, y_gen, 184, 58, ("pullback", f"of module {k}"), "pullback")
    gen = Box("generator", 496, y_gen, 124, 58, ("generator", M), "generator")
    err = Box("error", 496, y_err, 176, 46, (rf"$\|\hat{{g}}_{{{k}}} - \tau_{{{k}}}\|^2$",), "loss")
    up = Box("above", 656, y_mod, 72, 62, ("module", str(k + 1)), "ghost", SMALL)

    arrows = [  # where it goes, what it is, what is written on it and where, its number and where
        Arrow(((36, y_mod), mod.side("left")), "signal", (math(below), shape_in), (98, y_mod + 23),
              number=1, number_at=(24, y_mod)),
        Arrow((mod.side("right"), up.side("left")), "signal", (f"{h}  {shape_out}",),
              (420, y_mod + 14)),
        Arrow((gen.side("left"), pull.side("right")), "synthetic",
              (math(f"g_hat{k}"), shape_out), (392, y_gen + 25), number=2,
              number_at=(392, y_gen - 18)),
        Arrow((pull.side("top"), mod.side("bottom")), "update", (dW, shape_w), (268, 275), "left",
              number=3, number_at=(238, 275)),
        Arrow(((656, y_mod - 31), (656, y_err), err.side("right")), "message",
              (f"target {told}", shape_out), (646, y_gen), "right"),
        Arrow((err.side("top"), gen.side("bottom")), "update", (f"fits {M}",), (508, 149), "left",
              number=fit, number_at=(476, 149)),
    ]  # fmt: skip
    if "h" in context:
        arrows.append(Arrow(((496, y_mod), gen.side("top"))))
    others = [math(name) for name in context if name != "h"]
    if others:
        x, y = gen.side("top", 36)
        arrows.append(Arrow(((x, y + 42), (x, y)), "signal", (", ".join(others),), (x, y + 54)))
    more = f"{fit} fit of the generator"
    if k > 1:
        more = f"4 message to the module below    {more}, when module {k + 1} sends its own"
        target = (f"target {math(f'τ{k - 1}')}", shape_in)
        path = (pull.side("left"), (36, y_gen))
        at, number_at = (98, y_gen + 25), (98, y_gen - 18)
        arrows.append(Arrow(path, "message", target, at, number=4, number_at=number_at))
    steps = "1 forward    2 synthetic gradient    3 update of the module"
    words = (Words(12, 40, steps), Words(12, 18, more))
    saw = listing([f"h{k}" if name == "h" else name for name in context])
    above = "the loss" if k + 1 == modules else f"its own synthetic gradient g_hat{k + 1}"
    sent = (
        f"4: the pullback also gives τ{k - 1} {shape_in}, sent to the module below as the "
        f"target of M{k - 1}. "
    )
    sentence = (
        f"One decoupled module, number {k} of {modules}. 1, forward: {below} {shape_in} times "
        f"W{k} {shape_w} gives h{k} {shape_out}, which goes on to module {k + 1}. 2: generator "
        f"M{k} sees {saw} and guesses the gradient, g_hat{k} {shape_out}. 3: the pullback of the "
        f"module turns it into dW{k} {shape_w}, and the module is updated at once. "
        f"{sent if k > 1 else ''}"
        f"{fit}: when τ{k} {shape_out} comes from module {k + 1}, which computes it from {above}, "
        f"M{k} is fitted to it by the squared error."
    )
    alt = f"Diagram: decoupled module {k}. Described in the text below."
    parts = (mod, pull, gen, err, up), tuple(arrows), words
    return draw_diagram(Diagram(700, 412, *parts, sentence, alt=alt))


def decoupled_stack(sizes: Sequence[int] = SIZES, *, context: Sequence[str] = ("h",)) -> Drawn:
    """A whole decoupled network: arguments as in :func:`decoupled_module`."""
    sizes, context = _checked(sizes, context)
    modules = len(sizes) - 1
    step = (700 - 78.0 - 96.0) / modules  # left and right there is room for x and for the loss
    y_mod, y_gen, lane = 232.0, 106.0, 8.0
    wide, narrow = min(104.0, step - 52), min(76, step - 62)
    size = FONT_SIZE if wide > 96 else SMALL
    mods, gens = [], []
    for k in range(1, modules + 1):
        x, widths = 78.0 + step * (k - 0.5), f"{sizes[k - 1]} → {sizes[k]}"
        lines = (f"module {k}", widths) if step > 120 else (str(k),)
        mods.append(Box(f"module {k}", x, y_mod, wide, 56, lines, "module", size))
        name = (math(f"M{k}"),)
        gens.append(Box(f"generator {k}", x + step / 2, y_gen, narrow, 40, name, "generator"))
    gens.pop()  # the top module has the true gradient
    loss = Box("loss", 656, y_mod, 64, 56, ("loss", f"sees {math('y')}"), "loss", SMALL)
    what = (math("x"), _shape(sizes[0]))
    arrows = [Arrow(((12, y_mod + lane), mods[0].side("left", lane)), "signal", what, (44, 278))]
    for k, here in enumerate(mods, start=1):
        above = mods[k] if k < modules else loss
        start, end = here.side("right", lane), above.side("left", lane)
        middle = (start[0] + end[0]) / 2
        what, g, told = (math(f"h{k}"), _shape(sizes[k])), math(f"g{k}"), math(f"τ{k}")
        arrows.append(Arrow((start, end), "signal", what, (middle, 278)))
        if k == modules:
            ends = loss.side("left", -lane), here.side("right", -lane)
            arrows.append(Arrow(ends, "message", (g,), (middle, y_mod - 24)))
            continue
        gen, low, high = gens[k - 1], (here.x + 18, y_gen), (above.x - 18, y_gen)
        down = (gen.side("left"), low, here.side("bottom", 18))
        up = (above.side("bottom", -18), high, gen.side("right"))
        guess = (math(f"g_hat{k}"),)
        arrows.append(Arrow(((gen.x, y_mod + lane), gen.side("top"))))
        arrows.append(Arrow(down, "synthetic", guess, (low[0] + 9, 169), "left"))
        true = f" = {g}" if k == modules - 1 and step > 120 else ""  # there it is the truth
        arrows.append(Arrow(up, "message", (told + true,), (high[0] - 9, 169), "right"))
    others = [math(name) for name in context if name != "h"]
    solid = "Solid: forward."
    if others:
        solid += f" Each generator also sees {listing(others)}."
    words = (
        Words(12, 54, solid),
        Words(12, 34, "Dotted: synthetic gradient, with which the module is updated at once."),
        Words(
            12,
            14,
            f"Dashed: {math('τ')}, what the module above sends down: the target of the generator.",
        ),
    )
    sends = [f"module {k} sends h{k} {_shape(sizes[k])}" for k in range(1, modules)]
    sentence = (
        f"A stack of {modules} decoupled modules, {'-'.join(map(str, sizes))}. Forward: "
        f"{listing(sends)} to the module above; module {modules} feeds the loss. Each module "
        f"below the top has a generator, which sees {listing(context)} and hands back a synthetic "
        f"gradient, with which the module is updated at once. What module k + 1 sends down, τk, "
        f"is only the target of generator k. The top module uses the true gradient of the loss, "
        f"so τ{modules - 1} is the truth, g{modules - 1}; the others are made from guesses."
    )
    alt = f"Diagram: a stack of {modules} decoupled modules. Described in the text below."
    parts = (*mods, *gens, loss), tuple(arrows), words
    return draw_diagram(Diagram(700, 310, *parts, sentence, alt=alt))
