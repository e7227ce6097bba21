"""Notebook 11: as many machines as you like, by the ideal timeline.

The steps are measured on this machine.  The machines, and the line between them, are made up: so
the panel can say what a purchase would be worth, and what would hold it back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np

from dnilab.lessons.many_machines.experiments import (
    MICRO_BATCHES,
    Machines,
    layer_times,
    on_machines,
)
from dnilab.lessons.shared.ratios import ratio_words
from dnilab.lessons.shared.timing import middle
from dnilab.orderings import Delays, Program, StepTimes, ideal_timeline
from dnilab.pictures import Picture, Redrawn, Series, Stacked, bars_of_slots, curves, timeline
from dnilab.widgets.controls import Choice, Slider
from dnilab.widgets.panel import Panel

LAYERS = 8
WAYS = {
    "pipeline, messages take no time": "at_once",
    "pipeline, with this line": "piped",
    "1F1B, with this line": "rival",
}
WIDTHS = (32, 64, 128, 256, 512)
BATCHES = (32, 128, 512)
ITEM = 8  # bytes of a float64
LINES = {"100 Mbit/s": 1e8, "1 Gbit/s": 1e9, "10 Gbit/s": 1e10, "100 Gbit/s": 1e11}  # bits a second
HIDDEN = 1.02  # messages are hidden if they cost no more than this factor
EVEN = 1.02  # neither of two ways wins if they differ by no more than this factor


@dataclass(frozen=True)
class Offer:
    """What so many machines, and such a line, would be worth.

    ``machines``, ``width``, ``batch``, ``staleness``, ``latency`` (ms), ``line`` (bits a second):
    the values of the controls.  ``times``: seconds of the steps of each layer, for a batch and for
    a micro-batch.  ``found``: seconds of a batch by each way, by number of machines.
    ``enough``: a staleness that hides the messages, where this one does not and there is one.
    """

    machines: int
    width: int
    batch: int
    staleness: int
    latency: float
    line: float
    times: tuple[StepTimes, StepTimes]
    found: Mapping[int, Machines] = field(default_factory=dict)
    enough: int | None = None

    @property
    def here(self) -> Machines:
        """What was found for the chosen number of machines."""
        return self.found[self.machines]

    @property
    def size(self) -> int:
        """Bytes of a message."""
        return self.batch * self.width * ITEM

    @property
    def sending(self) -> float:
        """Seconds for which a message keeps the line busy."""
        return 8 * self.size / self.line

    @property
    def on_the_way(self) -> float:
        """Seconds until a message is there."""
        return self.latency / 1e3 + self.sending

    def played(self) -> tuple[Machines, Program, StepTimes, Delays]:
        """The chosen machines; the pipeline on them, its steps and its messages."""
        found, program, times, late = on_machines(
            (self.width,) * (LAYERS + 1),
            self.batch,
            self.machines,
            self.times,
            (self.latency / 1e3, 8 / self.line),
            staleness=self.staleness,
            itemsize=ITEM,
        )
        if self.machines > 1:
            # A line carries one message at a time, and every batch needs one each way: by
            # micro-batches as many bytes.
            busy = self.sending
            found = replace(found, piped=max(found.piped, busy), rival=max(found.rival, busy))
        return found, program, times, late

    def hides(self) -> bool:
        """Whether machines that are this late wait for nothing but the work and the line."""
        found, *_ = self.played()
        return found.piped <= HIDDEN * max(found.at_once, self.sending)


@cache
def measured_times(width: int, batch: int) -> tuple[StepTimes, StepTimes]:
    """Seconds of each step of ``LAYERS`` equal layers on this machine: a batch, a micro-batch.

    Three layers are measured: the first, one in the middle, which stands for all such, and the top.
    """

    def of(rows: int) -> StepTimes:
        count = max(4, min(40, round(2.5e9 / (rows * width**2 * 15))))
        found = layer_times((width,) * 4, rows, count)
        stands = {k: 1 if k == 1 else 3 if k == LAYERS else 2 for k in range(1, LAYERS + 1)}
        ops = dict.fromkeys(op for op, _ in found)
        return {
            (op, k): found[op, like]
            for op in ops
            for k, like in stands.items()
            if (op, like) in found
        }

    return of(batch), of(batch // MICRO_BATCHES)


def offers(values: dict[str, Any]) -> Iterator[Offer]:
    """The answer for the chosen number of machines at once, and then for all others as well."""
    offer = Offer(**values, times=measured_times(values["width"], values["batch"]))
    if not offer.hides():
        later = (late for late in (1, 2, 4, 8, 16, 32) if late > offer.staleness)
        enough = (late for late in later if replace(offer, staleness=late).hides())
        offer = replace(offer, enough=next(enough, None))
    chosen = offer.machines
    for machines in (chosen, *(n for n in range(1, LAYERS + 1) if n != chosen)):
        now, *_ = replace(offer, machines=machines).played()
        offer = replace(offer, found=dict(sorted({**offer.found, machines: now}.items())))
        yield offer


def duration(seconds: float) -> str:
    """A short time as it is read: "0.31 ms", "12 ms", "1.2 s"."""
    return f"{seconds:.2g} s" if seconds >= 1 else f"{1e3 * seconds:.2g} ms"


def amount(size: float) -> str:
    """An amount of data as it is read: "8.2 kB", "1.0 MB"."""
    return f"{size / 1e6:.3g} MB" if size >= 1e6 else f"{size / 1e3:.3g} kB"


def winner(here: Machines) -> str:
    """Which of two ways to use the same machines is quicker for a batch, in words."""
    if here.in_line < min(here.piped, here.rival):
        return "Neither is worth it: backpropagation on one machine is quicker."
    ahead = here.rival / here.piped
    if 1 / EVEN <= ahead <= EVEN:
        return "Neither wins."
    if ahead > 1:
        return f"The pipeline wins, by a factor of {ratio_words(ahead)} for a batch."
    return f"1F1B wins, by a factor of {ratio_words(1 / ahead)}, and its gradients are exact."


def verdict(offer: Offer) -> str:
    """What the machines are worth, and what holds them back, in words."""
    n, here = offer.machines, offer.here
    if n == 1:
        return (
            f"One machine: a batch takes {duration(here.in_line)}, and nothing is sent. This is "
            "backpropagation in line, which all speeds are relative to."
        )
    in_line = here.in_line
    text = (
        f"{n} machines with a cut between each two, fits {_late(offer)}: "
        f"{ratio_words(in_line / here.piped)} times as fast as backpropagation on one machine; "
        f"{ratio_words(in_line / here.at_once)} times if messages took no time. "
        f"1F1B on the same machines, in {MICRO_BATCHES} micro-batches: "
        f"{ratio_words(in_line / here.rival)} times. {winner(here)} "
        f"Each message is {amount(offer.size)} and arrives after {duration(offer.on_the_way)}. "
    )
    free, full = here.at_once, here.piped
    if full <= HIDDEN * free:
        return text + (
            "The pipeline hides it: while it is on its way, the machines work on other batches."
        )
    if full <= HIDDEN * offer.sending:
        return text + (
            "The line holds them back: it is busy all the time, and no staleness changes that. "
            "Wider layers would have more work for each byte."
        )
    text += "In the pipeline they wait for each other's messages. "
    if offer.enough is None:
        return text + "Even fits that are 32 batches late would not be enough."
    text += f"With a staleness of {offer.enough} "
    if offer.sending > HIDDEN * free:
        return text + "they would wait for the line alone, which is busy longer than they work."
    return text + "the messages would be hidden behind the work."


def _late(offer: Offer) -> str:
    return f"{offer.staleness} batch{'es' * (offer.staleness != 1)} late"


def picture_of(offer: Offer) -> Picture:
    """The timeline of the chosen machines, and the speed by the number of machines."""
    _, program, times, late = offer.played()
    slots = ideal_timeline(
        program, times, batches=4 * (program.lag + offer.machines) + 12, delays=late
    )
    shown = middle(slots, 3.0 if offer.machines < 4 else 2.0)
    names = [f"machine {i + 1}" for i in range(offer.machines)]
    title = "The pipeline, ideal: steps as measured here, machines and line as chosen"
    parts = [timeline(bars_of_slots(shown, names), title=title, measured=False)]
    if len(offer.found) == LAYERS:
        counts = np.array([*offer.found])
        lines = [
            Series(
                label,
                counts,
                np.array([one.in_line / getattr(one, what) for one in offer.found.values()]),
                look=look,
            )
            for look, (label, what) in zip((0, 2, 1), WAYS.items(), strict=True)
        ]
        speeds = curves(
            lines,
            xlabel="machines",
            ylabel="speed (one machine = 1)",
            title=f"{LAYERS} layers of width {offer.width}, batch {offer.batch}",
            better="higher",
            ylim=(0, 1.08 * max(1.0, *(float(line.y.max()) for line in lines))),
            labels="legend",
            marks=[(1, "backpropagation on one machine")],
            size=(700, 340),
        )
        parts.append(speeds)
    return Stacked(parts, first=verdict(offer), alt="A timeline, and speed by number of machines")


def machines_panel() -> Panel[Offer]:
    """Machines, width, batch, line and staleness: the ideal timeline, and the speed."""
    return Panel(
        {
            "machines": Slider(1, LAYERS, 1, 4, "Machines"),
            "width": Choice(list(WIDTHS), 256, "Width of the layers"),
            "batch": Choice(list(BATCHES), 128, "Batch size"),
            "staleness": Slider(0, 16, 1, 1, "Staleness", unit="batches"),
            "latency": Slider(0.01, 100.0, 0.01, 0.1, "Latency", unit="ms", log=True),
            "line": Choice(LINES, 1e9, "Line"),
        },
        offers,
        Redrawn(picture_of),
        title=f"A network of {LAYERS} layers on many machines",
        name="11-machines",
        progress=lambda offer: len(offer.found) / LAYERS,
    )
