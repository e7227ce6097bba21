"""One moment of a program, drawn: what each module does, and whom it waits for.

The moment comes from ``dnilab.orderings.timeline``, which has worked out who waits for what;
here it is only put into boxes and words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from dnilab.doors import open_doors
from dnilab.lessons.shared.diagram import Box, Diagram, Words, draw_diagram, math
from dnilab.orderings import Instant, Program, Step, Value, Wiring, locks
from dnilab.orderings.timeline import unit_timeline
from dnilab.pictures.draw import name_rows, place_axes, rect
from dnilab.pictures.style import FONT_SIZE, FUTURE, INK, NOW, SMALL, Picture, listing
from dnilab.pictures.table import Table
from dnilab.pictures.timeline import KINDS, bars_of_slots, draw_bars, looks_of

Stages = Mapping[tuple[str, int], str]
"""The number under which an operation of a module was published."""

MOMENTS = 12  # that the strip shows: more than one batch of every ordering
ROW, LOW_ROW = 62, 54  # pixels from one operation to the next; the low one says less
STRIP_ROW = 30


def value_words(value: Value, wiring: Wiring) -> str:
    """What a step waits for, as its box and its sentence say it.

    >>> from dnilab.orderings import chain
    >>> value_words(Value("message", 2, 0), chain(3)), value_words(Value("guess", 2, 0), chain(3))
    ('τ1', 'g_hat2')
    >>> value_words(Value("message", 2, 0), chain(3, "truth"))
    'g1'
    """
    # "message 2" is for the second of those heard
    (kind, _, number), k = value.kind.partition(" "), value.module
    if kind == "message":  # what the module below is told; the truth, where it waits for that
        below = wiring.heard[k - 1][int(number or 1) - 1].module
        return f"{'g' if wiring.signal(below) == 'truth' else 'τ'}{below}"
    return {
        "h": f"h{k}",
        "guess": f"g_hat{k}",
        "grads": f"dW{k}",
        "owed": f"dW{k}",
        "prediction": f"h_hat{k - 1}",
        "error": "the error",
        "pullback": "its pullback",
    }[kind]


def step_words(step: Step, wiring: Wiring) -> str:
    """A step as a sentence says it."""
    whom = wiring.signal(step.module) if step.op in ("fit", "late_fit") else "module"
    return f"{KINDS[step.op]} of {whom} {step.module} (batch {step.batch})"


def locks_words(program: Program) -> str:
    """Which locks an ordering holds and which not, in words."""
    found = locks(program)
    parts = [
        f"{words}: {listing([name for name, held in found.items() if held is state])}"
        for words, state in (("locks held", True), ("not held", False))
        if state in found.values()
    ]
    return ("; ".join(parts) + ".").capitalize()


def missing(program: Program, instant: Instant) -> dict[Step, list[str]]:
    """What each waiting step waits for; where more is missing, the pullback comes with it."""
    found: dict[Step, list[str]] = {}
    for wait in instant.waiting:
        found.setdefault(wait.step, []).append(value_words(wait.value, program.wires))
    return {
        step: [word for word in words if word != "its pullback"] or words
        for step, words in found.items()
    }


def describe_instant(program: Program, instant: Instant, title: str) -> str:
    """The moment in words: who works, who waits for what, which locks there are."""
    works = listing([step_words(step, program.wires) for step in instant.working])
    text = f"{title}, moment {instant.number}. At work: {works or 'nobody'}. "
    waits = [
        f"{step_words(step, program.wires)} for {listing(words)}"
        for step, words in missing(program, instant).items()
    ]
    if waits:
        text += f"Waiting: {'; '.join(waits)}. "
    return text + locks_words(program)


def moment_boxes(
    program: Program, instant: Instant, top: float, stage: Stages | None = None, *,
    one_batch: bool = False,
) -> tuple[list[Box], list[Words]]:  # fmt: skip
    """A box for each operation of each module and the names of rows and columns, from ``top`` down.

    ``one_batch``: the program is a network that handles one batch, so that the boxes name none,
    and what has a column is called a layer.
    """
    waits = {(step.op, step.module): said[0] for step, said in missing(program, instant).items()}
    works = {(step.op, step.module): step.batch for step in instant.working}
    past = sorted(instant.done, key=lambda step: step.batch)
    done = {(step.op, step.module): step.batch for step in past}  # the last of each
    ready = {(step.op, step.module) for step in instant.ready}

    def state(at: tuple[str, int]) -> tuple[str, str, str]:
        """The look of a box, and the two halves of what it says."""
        if at in works and one_batch:
            return "busy", "works", ""
        if at in works:
            return "busy", "works on", f"batch {works[at]}"
        if at in waits:
            return "waiting", "waits for", math(waits[at])
        if at in done:
            return "done", "" if one_batch else f"batch {done[at]}", "done"
        return "idle", "ready" if at in ready else "not yet", ""

    left, wide = 140.0, (700 - 140.0 - 8) / program.modules
    width = min(158.0, wide - 24 if one_batch else 0.92 * wide)
    least = 100 if one_batch else 126  # narrower boxes write two lines
    tall, row = (36, LOW_ROW) if one_batch else (46, ROW)
    columns = {k: left + wide * (k - 0.5) for k in range(1, program.modules + 1)}
    noun = "layer" if one_batch else "module"
    crowded = width < 70  # of nine modules, say
    before = "" if crowded else f"{noun} "
    words = [Words(x, top, f"{before}{k}", SMALL, "center") for k, x in columns.items()]
    words.append(Words(12, top, noun if crowded else ""))
    boxes = []
    owned = {(step.op, step.module) for step in program.steps()}
    for place, op in enumerate(op for op in KINDS if op in {name for name, _ in owned}):
        y = top - 20 - row * (place + 0.5)
        words.append(Words(12, y, KINDS[op].replace(" and ", "\nand "), SMALL))
        for k in (k for k in columns if (op, k) in owned):
            look, *halves = state((op, k))
            said = [half for half in halves if half]
            if crowded:
                said = [half.removesuffix(" on").removesuffix(" for") for half in said]
            number = [stage[op, k]] if stage and (op, k) in stage else []
            lines = (*number, *(said if width < least else [" ".join(said)]))
            size = FONT_SIZE if number else SMALL
            boxes.append(Box(f"{op} {k}", columns[k], y, width, tall, lines, look, size))
    return boxes, words


def ordering_diagram(
    program: Program, instant: Instant, title: str, stage: Stages | None = None
) -> Diagram:
    """The boxes and words of :func:`ordering`."""
    strip = STRIP_ROW * len({slot.worker for slot in unit_timeline(program, MOMENTS)}) + 74
    height = strip + ROW * len({step.op for step in program.steps()}) + 92
    boxes, words = moment_boxes(program, instant, height - 50, stage)
    words += [
        Words(12, height - 20, title, FONT_SIZE + 1.0, color=INK),
        Words(688, height - 20, f"moment {instant.number} of {MOMENTS}", SMALL, "right", INK),
        Words(12, strip + 8, locks_words(program), SMALL, color=INK),
    ]
    sentence = describe_instant(program, instant, title)
    alt = f"Diagram: {title}, moment {instant.number}. Described in the text below."
    return Diagram(700, height, tuple(boxes), (), tuple(words), sentence, alt=alt)


def ordering(
    program: Program,
    instant: Instant,
    *,
    title: str,
    stage: Stages | None = None,
    names: Sequence[str] = (),
) -> Picture:
    """One moment of a program: what each module does or waits for, and the moments around it.

    Parameters
    ----------
    instant:
        One of ``instants(program, MOMENTS)``: the strip at the bottom shows so many; every step
        takes one of them.
    stage:
        The numbers under which the operations of modules were published.
    names:
        What the workers are called, in their order.
    """
    diagram = ordering_diagram(program, instant, title, stage)
    picture = draw_diagram(diagram)
    slots = [
        replace(slot, start=slot.start + 0.04, end=slot.end - 0.04)  # apart, to be counted
        for slot in unit_timeline(program, MOMENTS)
        if slot.start < MOMENTS
    ]
    bars = bars_of_slots(slots, names)
    rows = list(dict.fromkeys(bar.worker for bar in bars))
    top = diagram.height - STRIP_ROW * len(rows) - 54
    words = "moment; a label such as 2·b1 is module 2, batch 1"
    ax = place_axes(picture, 104, 14, top, 54, xlabel=words)
    name_rows(ax, rows)
    ax.grid(False)
    ax.set_xlim(0, MOMENTS)
    ax.set_xticks([n + 0.5 for n in range(MOMENTS)], [str(n + 1) for n in range(MOMENTS)])
    ax.tick_params(axis="x", length=0)
    now = instant.number - 1
    looks = looks_of(bars)
    draw_bars(ax, bars, rows, lambda bar: FUTURE if bar.start > now + 1 else looks[bar.kind])
    rect(ax, (now, -0.5), (1, len(rows)), NOW, clip_on=False, zorder=6)
    body = sorted(
        (round(bar.start + 0.5), bar.worker, bar.kind, str(bar.module), str(bar.batch))
        for bar in bars
    )
    head = ("moment", "worker", "step", "module", "batch")
    caption = "Who works when"
    picture.tables = [Table(head, tuple((str(n), *rest) for n, *rest in body), caption)]
    return picture


open_doors(__name__)
