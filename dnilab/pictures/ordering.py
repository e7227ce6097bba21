"""An ordering, drawn: one moment of a program, and the bars of a timeline.

The moment comes from ``dnilab.orderings.instants``, which has worked out who waits for what;
here it is only put into boxes and words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from matplotlib.patches import Rectangle

from dnilab.orderings import Instant, Program, Slot, Step, Value, locks
from dnilab.orderings.instants import unit_timeline
from dnilab.pictures.curves import place_axes
from dnilab.pictures.diagram import Box, Diagram, Words, draw_diagram, math
from dnilab.pictures.style import (
    FAINT,
    FONT,
    FONT_SIZE,
    INK,
    MUTED,
    SMALL,
    VERMILLION,
    Picture,
    dress,
    listing,
)
from dnilab.pictures.timeline import FRAMES, KIND_LOOKS, Bar, bar_label
from dnilab.training import Span

KINDS = {
    "forward_update": "forward and update",
    "fit": "fit",
    "late_fit": "fit",
    "forward": "forward",
    "backward": "backward",
    "update": "update",
    "forward_guess": "forward and guess",
    "pull": "pull",
    "unlocked_update": "forward and update",
    "fit_input": "fit of the input model",
    "late_fit_input": "fit of the input model",
}
"""What an operation is called in a picture."""

RED_BOX = {
    ("forward_update", 1): "1",
    ("forward_update", 2): "2",
    ("fit", 1): "3",
    ("forward_update", 3): "4",
    ("fit", 2): "5",
}
BLUE_BOX = {
    ("forward_update", 1): "I",
    ("forward_update", 2): "II",
    ("forward_update", 3): "III",
    ("fit", 1): "III",
    ("fit", 2): "IV",
}
"""The numbers under which the two orderings were published, for three modules."""


def bars_of_spans(spans: Iterable[Span], names: Sequence[str] = ()) -> list[Bar]:
    """Measured steps as bars; batches count from the first that is shown."""
    spans = list(spans)
    first = min((span.batch for span in spans), default=0)
    return _in_rows(
        (
            s.worker,
            Bar(
                _name(s.worker, names),
                s.start / 1e9,
                s.end / 1e9,
                KINDS[s.op],
                s.module,
                s.batch - first,
            ),
        )
        for s in spans
    )


def bars_of_slots(slots: Iterable[Slot], names: Sequence[str] = ()) -> list[Bar]:
    """The slots of an ideal timeline as bars; batches count from the first that is shown."""
    slots = list(slots)
    first = min((slot.step.batch for slot in slots), default=0)
    return _in_rows(
        (
            s.worker,
            Bar(
                _name(s.worker, names),
                s.start,
                s.end,
                KINDS[s.step.op],
                s.step.module,
                s.step.batch - first,
            ),
        )
        for s in slots
    )


def _name(worker: int, names: Sequence[str]) -> str:
    return names[worker] if worker < len(names) else f"worker {worker + 1}"


def _in_rows(pairs: Iterable[tuple[int, Bar]]) -> list[Bar]:
    """Worker by worker: a timeline's rows are in the order of first appearance."""
    return [bar for _, bar in sorted(pairs, key=lambda pair: (pair[0], pair[1].start))]


def value_symbol(value: Value) -> str:
    """A value as a formula.

    >>> value_symbol(Value("h", 1, 0)), value_symbol(Value("message", 2, 0))
    ('$h_{1}$', '$g_{1}$')
    """
    match value.kind:
        case "h":
            return math(f"h{value.module}")
        case "message":  # what module k sends down is the target, or gradient, of h below it
            return math(f"g{value.module - 1}")
        case "guess":
            return math(f"g_hat{value.module}")
        case "grads":
            return math(f"dW{value.module}")
        case _:
            return f"the pullback of {value.module}"


def value_words(value: Value) -> str:
    """A value as a sentence says it."""
    names = {
        "h": f"h{value.module}",
        "message": f"g{value.module - 1}",
        "guess": f"g_hat{value.module}",
        "grads": f"dW{value.module}",
        "pullback": f"the pullback of module {value.module}",
    }
    return names[value.kind]


def step_words(step: Step) -> str:
    """A step as a sentence says it."""
    whom = f"generator {step.module}" if step.op in ("fit", "late_fit") else f"module {step.module}"
    return f"{KINDS[step.op]} of {whom} (batch {step.batch})"


def locks_words(program: Program) -> str:
    """Which locks an ordering holds and which not, in words."""
    found = locks(program)
    held = [name for name, holds in found.items() if holds]
    free = [name for name, holds in found.items() if not holds]
    parts = []
    if held:
        parts.append(f"locks held: {listing(held)}")
    if free:
        parts.append(f"not held: {listing(free)}")
    return ("; ".join(parts) + ".").capitalize()


def describe_instant(program: Program, instant: Instant, title: str) -> str:
    """The moment in words: who works, who waits for what, which locks there are."""
    works = listing([step_words(step) for step in instant.working])
    text = f"{title}, moment {instant.number}. At work: {works or 'nobody'}."
    waits: dict[Step, list[str]] = {}
    for wait in instant.waiting:
        waits.setdefault(wait.step, []).append(value_words(wait.value))
    for what in waits.values():  # where more is missing, the pullback comes with it
        what[1:] = [one for one in what[1:] if "pullback" not in one]
    if waits:
        text += " Waiting: "
        told = [f"{step_words(step)} for {listing(what)}" for step, what in waits.items()]
        text += "; ".join(told) + "."
    return f"{text} {locks_words(program)}"


def _box_state(
    op: str, k: int, instant: Instant, stage: Mapping[tuple[str, int], str]
) -> tuple[tuple[str, ...], str]:
    """What is written in the box of operation ``op`` of module ``k``, and its look."""
    name = stage.get((op, k), "")

    def lines(text: str) -> tuple[str, ...]:
        return (name, text) if name else (text,)

    for step in instant.working:
        if (step.op, step.module) == (op, k):
            return lines(f"works on batch {step.batch}"), "busy"
    missing = [w for w in instant.waiting if (w.step.op, w.step.module) == (op, k)]
    if missing:
        needed = [w.value for w in missing if w.value.kind != "pullback"] or [missing[0].value]
        return lines(f"waits for {value_symbol(needed[0])}"), "waiting"
    past = [s.batch for s in instant.done if (s.op, s.module) == (op, k)]
    if past:
        return lines(f"batch {max(past)} done"), "done"
    return lines("ready"), "idle"


ROW = 62
STRIP_ROW = 30


def ordering_diagram(
    program: Program,
    instant: Instant,
    *,
    title: str,
    stage: Mapping[tuple[str, int], str] | None = None,
    count: int = 12,
) -> Diagram:
    """The boxes and words of :func:`ordering`."""
    ops = [op for op in KINDS if any(step.op == op for step in program.steps())]
    rows = len({slot.worker for slot in unit_timeline(program, count)})
    strip = STRIP_ROW * rows + 74
    height = strip + ROW * len(ops) + 92
    boxes, words = [], [Words(12, height - 20, title, FONT_SIZE + 1.0, color=INK)]
    words.append(
        Words(688, height - 20, f"moment {instant.number} of {count}", SMALL, "right", INK)
    )
    left, wide = 140.0, (700 - 140.0 - 12) / program.modules
    top = height - 50
    for k in range(1, program.modules + 1):
        words.append(Words(left + wide * (k - 0.5), top, f"module {k}", SMALL, "center"))
    owned = {(step.op, step.module) for step in program.steps()}
    for row, op in enumerate(ops):
        y = top - 20 - ROW * (row + 0.5)
        words.append(Words(12, y, KINDS[op].replace(" and ", "\nand "), SMALL))
        for k in range(1, program.modules + 1):
            if (op, k) not in owned:
                continue
            lines, look = _box_state(op, k, instant, stage or {})
            boxes.append(
                Box(f"{op} {k}", left + wide * (k - 0.5), y, min(158.0, wide - 10), 46, lines, look)
                if len(lines) > 1
                else Box(
                    f"{op} {k}",
                    left + wide * (k - 0.5),
                    y,
                    min(158.0, wide - 10),
                    46,
                    lines,
                    look,
                    SMALL,
                )
            )
    words.append(Words(12, strip + 8, locks_words(program), SMALL, color=INK))
    return Diagram(
        700,
        height,
        tuple(boxes),
        words=tuple(words),
        sentence=describe_instant(program, instant, title),
        alt=f"Diagram: {title}, moment {instant.number}. Described in the text below.",
    )


def ordering(
    program: Program,
    instant: Instant,
    *,
    title: str,
    stage: Mapping[tuple[str, int], str] | None = None,
    names: Sequence[str] = (),
    count: int = 12,
) -> Picture:
    """One moment of a program: what each module does or waits for, and the moments around it.

    Parameters
    ----------
    instant:
        One of ``instants(program, count)``.
    stage:
        The number of an operation of a module, such as ``RED_BOX``.
    names:
        What the workers are called, in their order.
    count:
        How many moments the strip at the bottom shows; every step takes one of them.
    """
    diagram = ordering_diagram(program, instant, title=title, stage=stage, count=count)
    picture = draw_diagram(diagram)
    slots = [slot for slot in unit_timeline(program, count) if slot.start < count]
    workers = sorted({slot.worker for slot in slots})
    labels = [_name(worker, names) for worker in workers]
    height = diagram.height
    strip = STRIP_ROW * len(workers)
    ax = place_axes(picture, left=104, right=14, top=height - strip - 54, bottom=54)
    dress(ax, xlabel="moment; a label such as 2·b1 is module 2, batch 1")
    ax.grid(False)
    ax.set_xlim(0, count)
    ax.set_ylim(len(workers) - 0.5, -0.5)
    ax.set_yticks(range(len(workers)), labels)
    ax.set_xticks([n + 0.5 for n in range(count)], [str(n + 1) for n in range(count)])
    ax.tick_params(axis="both", length=0)
    for label in (*ax.get_yticklabels(), *ax.get_xticklabels()):
        label.set_fontfamily(FONT)
    now = instant.number - 1
    for slot in slots:
        kind = KINDS[slot.step.op]
        fill, hatch, ink = KIND_LOOKS.get(kind, ("#CCCCCC", "", INK))
        future = slot.start > now
        row = workers.index(slot.worker)
        ax.add_patch(
            Rectangle(
                (slot.start + 0.04, row - 0.38),
                slot.end - slot.start - 0.08,
                0.76,
                facecolor="#FFFFFF" if future else fill,
                edgecolor=FAINT if future else FRAMES.get(kind, MUTED),
                hatch="" if future else hatch,
                linewidth=1.0,
            )
        )
        text = bar_label(Bar("", 0, 1, kind, slot.step.module, slot.step.batch), 46)
        ax.text(
            (slot.start + slot.end) / 2,
            row,
            text,
            ha="center",
            va="center",
            fontsize=SMALL - 1.5,
            color=MUTED if future else ink,
            fontfamily=FONT,
            bbox=None if future else {"boxstyle": "round,pad=0.1", "fc": fill, "ec": "none"},
        )
    ax.add_patch(
        Rectangle(
            (now, -0.5),
            1,
            len(workers),
            facecolor="none",
            edgecolor=VERMILLION,
            linewidth=2.0,
            clip_on=False,
            zorder=6,
        )
    )
    return picture
