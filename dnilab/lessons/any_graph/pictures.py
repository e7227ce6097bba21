"""Graphs with the messages on their edges, and two clocks on a timeline.

The protocol is that of Jaderberg et al. 2016, section 2; the drawings are our own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from itertools import pairwise

from dnilab.checks import one_of, real_number, true_or_false, whole_number
from dnilab.lessons.shared.diagram import Arrow, Box, Diagram, Drawn, Point, Words, draw_diagram
from dnilab.pictures.draw import arrow
from dnilab.pictures.style import BLACK, SMALL, Picture, Stroke, listing
from dnilab.pictures.timeline import TALL, Bar, timeline

ROW = 98  # pixels between two nodes of a column
TRACK = 40  # pixels that a passing edge takes
LOSS = "the loss"
LANE = 7  # pixels from the middle of an edge to each of its two arrows
Edge = tuple[str, str]  # who is heard, and by whom
Slot = str | Edge  # what takes a place in a column: a node, or an edge that passes by


def columns_of(heard: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """The column of every name: 0 for what hears nothing, else one after the last thing heard.

    Raises ValueError if there is a cycle.
    """
    names = list(dict.fromkeys([*(n for group in heard.values() for n in group), *heard]))
    column: dict[str, int] = {}
    for _ in names:
        for name in names:
            below = heard.get(name, ())
            if name not in column and all(other in column for other in below):
                column[name] = 1 + max((column[other] for other in below), default=-1)
    missing = [name for name in names if name not in column]
    if missing:
        raise ValueError(f"heard has a cycle at {missing[0]!r}; it accepts graphs without one")
    return column


def _height(slot: Slot) -> int:
    return ROW if isinstance(slot, str) else TRACK


def _edges(heard: Mapping[str, Sequence[str]]) -> list[Edge]:
    return [(name, user) for user, group in heard.items() for name in dict.fromkeys(group)]


def _slots(heard: Mapping[str, Sequence[str]], column: Mapping[str, int]) -> list[list[Slot]]:
    """What stands in each column, from the top down: near what it hears, to cross few edges."""
    slots: list[list[Slot]] = [[] for _ in range(max(column.values()) + 1)]
    for name, user in _edges(heard):
        for at in range(column[name] + 1, column[user]):
            slots[at].append((name, user))
    for name, at in column.items():
        slots[at].append(name)
    for before, there in pairwise(slots):
        share = {slot: (rank + 0.5) / len(before) for rank, slot in enumerate(before)}
        there.sort(key=partial(_pull, heard, share))  # equals stay: edges that pass by stand above
    return slots


def _pull(heard: Mapping[str, Sequence[str]], share: Mapping[Slot, float], slot: Slot) -> float:
    """Where what comes in from the left stands, from 0 at the top to 1."""
    user, sources = (slot, heard.get(slot, ())) if isinstance(slot, str) else (slot[1], slot[:1])
    at = [share.get((name, user), share.get(name, 0.0)) for name in sources]
    return sum(at) / max(len(at), 1)


def graph(
    heard: Mapping[str, Sequence[str]], *, widths: Mapping[str, int] | None = None,
    guesses: Collection[str] = (), title: str | None = None,
) -> Drawn:  # fmt: skip
    """A graph, from left to right: on each edge a value going up and a gradient coming down.

    What comes down ends at the node; at its generator, if it has one, for that learns from it.

    Parameters
    ----------
    heard:
        For each node the names of what it hears; names that are no node are inputs.
    widths:
        How wide the value of each name is, written into its box.
    guesses:
        The nodes with a generator.

    Raises ValueError for an empty graph, a cycle, or a guess at something that is no node.
    """
    if not heard:
        raise ValueError("heard is empty; it accepts one node or more")
    column = columns_of(heard)
    for name in guesses:
        one_of("guesses", name, heard)
    slots = _slots(heard, column)
    users = {name: [u for u, group in heard.items() for n in group if n == name] for name in column}
    outputs = [name for name in column if not users[name]]
    tall = max(sum(map(_height, group)) for group in slots)
    step = 676 / (len(slots) + 1)
    size = min(92.0, step - 30)
    middles = [12 + step * (at + 0.5) for at in range(len(slots) + 1)]
    edges = _edges(heard) + [(name, LOSS) for name in outputs]
    place: dict[str, Point] = {}
    bends: dict[Edge, list[Point]] = {edge: [] for edge in edges}
    for x, group in zip(middles, slots, strict=False):
        y = 32 + tall / 2 + sum(map(_height, group)) / 2
        for slot in group:
            middle = y - _height(slot) / 2
            y -= _height(slot)
            if isinstance(slot, str):
                place[slot] = (x, middle + 8)
            else:  # level past what stands in the column
                bends[slot] += [(x - size / 2, middle), (x + size / 2, middle)]
    place[LOSS] = (middles[-1], place[outputs[0]][1])

    box = {LOSS: Box(LOSS, *place[LOSS], min(size, 56), 34, ("loss",), "loss")}
    for name in column:
        lines = (name,) if widths is None else (name, str(widths[name]))
        edges_there = max(len(users[name]), len(set(heard.get(name, ()))))
        high = max(42, min(2 * LANE * (edges_there + 1), ROW - 42))  # room for both its sides
        look = "module" if name in heard else "plain"
        box[name] = Box(name, *place[name], size, high, lines, look)
    boxes, arrows = list(box.values()), []
    generator: dict[str, Box] = {}
    for name in guesses:
        x, y = box[name].side("bottom")
        generator[name] = Box(f"M of {name}", x, y - 25, 26, 22, ("M",), "generator", SMALL)
        boxes.append(generator[name])
        arrows.append(Arrow(((x, y - 14), (x, y)), "synthetic"))

    def spread(side: int) -> dict[Edge, float]:
        """How far from the middle of its box each edge ends, so that no two end in one point."""
        shifts = {}
        for at in box:
            there = [edge for edge in edges if edge[side] == at]
            there.sort(key=lambda e: (bends[e][-side] if bends[e] else place[e[1 - side]])[1])
            for rank, edge in enumerate(there):
                apart = min(2 * LANE, (box[at].height - 10) / len(there))
                shifts[edge] = (rank - (len(there) - 1) / 2) * apart
        return shifts

    start, end = spread(0), spread(1)
    for edge, points in bends.items():
        name, user = edge
        a, b = start[edge], end[edge]
        lane = LANE / 2 if a or b else LANE
        for dy, look in ((lane, "signal"), (-lane, "message")):
            passing = [(x, y + dy) for x, y in points]
            path = (box[name].side("right", a + dy), *passing, box[user].side("left", b + dy))
            if look == "signal":
                arrows.append(Arrow(path))
            elif name in generator:
                # around the lower corner of the node, to the generator below it
                end_x, end_y = generator[name].side("right", a / 2)
                corner = (box[name].side("right")[0] + 8, end_y)
                arrows.append(Arrow((*path[:0:-1], corner, (end_x, end_y)), look))
            elif name in heard:  # nothing listens for a gradient at an input
                arrows.append(Arrow(path[::-1], look))
    legend = "" if widths is None else "Number: width.   "
    legend += "Solid: values go up.   Dashed: gradients come down."
    legend += "   M: guesses, then learns." if guesses else ""
    words, height = Words(12, 14, legend), tall + (72 if title else 46)
    said = _describe(heard, users, guesses)
    alt = "Diagram: a graph of nodes with the messages on its edges. Described in the text below."
    parts = tuple(boxes), tuple(arrows), (words,)
    return draw_diagram(Diagram(700, height, *parts, said, title, alt))


def _describe(
    heard: Mapping[str, Sequence[str]], users: Mapping[str, Sequence[str]], guesses: Collection[str]
) -> str:
    """The graph in words."""
    parts = [f"{name} hears {listing(list(group))}" for name, group in heard.items()]
    text = "Values: " + "; ".join(parts) + "."
    for name, told in users.items():
        if name in heard and len(told) > 1:
            text += f" At {name}, {len(told)} gradients come in, from {listing(list(told))}"
            text += ", and add up."
    which = [name for name in heard if name in guesses]
    if which:
        text += f" {listing(which)} {'has' if len(which) == 1 else 'have'} a generator M "
        text += "that guesses the gradient at once, and learns from what comes down."
    return text


LEARNS = 0.6  # ticks that an update of A takes in the picture
MESSAGE = Stroke(BLACK, width=1.0, head=5)


WINDOWS = 3


def clock_bars(period: int, work: float, waits: bool) -> tuple[list[Bar], list[tuple[Bar, Bar]]]:
    """The bars of :func:`clocks`, and the messages between them; times in ticks of A."""
    whole_number("period", period, 1, 20)
    real_number("work", work, 0, period + LEARNS, above=True)
    true_or_false("waits", waits)
    bars: list[Bar] = []
    messages = []
    now = b_free = 0.0

    def add(worker: str, start: float, ticks: float, kind: str, window: int | None = None) -> Bar:
        bars.append(Bar(worker, start, start + ticks, kind, batch=window))
        return bars[-1]

    for window in range(WINDOWS):
        for tick in range(period):
            last = add("A", now + tick, 1, "forward")
        now = last.end
        start = max(now, b_free)
        if not waits:
            now = add("A", now, LEARNS, "update").end
        answer = add("B", start, work, "forward and update", window + 1)
        b_free = answer.end
        told = add("A", b_free, LEARNS, "update") if waits else add("M", b_free, LEARNS, "fit")
        messages += [(last, answer), (answer, told)]
        now = told.end if waits else now
    return bars, messages


def clocks(period: int = 5, work: float = 4.0, *, waits: bool, title: str | None = None) -> Picture:
    """Two networks with different clocks on a timeline, computed and not measured.

    A sees ``period`` images, one a tick, and sends a message; B takes ``work`` ticks to answer.
    With ``waits``, A learns from the true gradient, and stands still until it is there. Without,
    A learns from a guess at once, and the generator M is told the truth later.  "forward": A sees
    an image; "update": A learns; "forward and update": B answers and learns; "fit": M learns.

    Raises ValueError for a period outside 1 to 20, or a ``work`` that B cannot keep up with.
    """
    bars, messages = clock_bars(period, work, waits)
    picture = timeline(bars, title=title, measured=False, unit="ticks")
    rows = list(dict.fromkeys(bar.worker for bar in bars))
    for sent, used in messages:
        above, below = rows.index(sent.worker), rows.index(used.worker)
        edge = TALL / 2 if above < below else -TALL / 2
        ends = (sent.end, above + edge), (used.start, below - edge)
        arrow(picture.axes[0], ends, MESSAGE, zorder=5)
    return picture
