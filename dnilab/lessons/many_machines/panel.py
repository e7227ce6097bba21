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

from dnilab.experiments.timing import middle, runner, step_times
from dnilab.lessons.many_machines.experiments import delays
from dnilab.orderings import (
    Groups,
    Program,
    StepTimes,
    even_groups,
    ideal_timeline,
    module_times,
    pipeline,
    sequential,
    time_per_batch,
)
from dnilab.pictures import Picture, Redrawn, Series, Stacked, bars_of_slots, curves, timeline
from dnilab.pictures.style import ratio_words
from dnilab.widgets.controls import Choice, Slider
from dnilab.widgets.panel import Panel

MODULES = 8
WIDTHS = (32, 64, 128, 256, 512)
BATCHES = (32, 128, 512)
ITEM = 8  # bytes of a float64
LINES = {"100 Mbit/s": 1e8, "1 Gbit/s": 1e9, "10 Gbit/s": 1e10, "100 Gbit/s": 1e11}  # bits a second
HIDDEN = 1.02  # messages are hidden if they cost no more than this factor


@dataclass(frozen=True)
class Offer:
    """What so many machines, and such a line, would be worth.

    ``machines``, ``width``, ``batch``, ``staleness``, ``latency`` (ms), ``line`` (bits a second):
    the values of the controls.  ``times``: seconds of each step.  ``at_once`` and ``sent``:
    seconds of a batch by number of machines, if messages took no time and as they are.
    ``enough``: a staleness that hides the messages, where this one does not and there is one.
    """

    machines: int
    width: int
    batch: int
    staleness: int
    latency: float
    line: float
    times: StepTimes
    at_once: Mapping[int, float] = field(default_factory=dict)
    sent: Mapping[int, float] = field(default_factory=dict)
    enough: int | None = None

    @property
    def alone(self) -> float:
        """Seconds of a batch on one machine, one step after the other."""
        return time_per_batch(sequential(MODULES), self.times)

    @property
    def speed(self) -> float:
        """How many times as fast as one machine, messages and all."""
        return self.alone / self.sent[self.machines]

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

    @property
    def delays(self) -> Mapping[tuple[str, int], float]:
        """How long each value is on its way."""
        return delays((self.width,) * (MODULES + 1), self.batch, (self.on_the_way, 0.0))

    @property
    def program(self) -> Program:
        """The pipeline on these machines, the modules shared out by their times."""
        groups = shared_out(self.times, self.machines, self.staleness)
        return pipeline(groups, staleness=self.staleness)

    def seconds(self) -> tuple[float, float]:
        """Seconds of a batch, without messages and with them."""
        program = self.program
        free = time_per_batch(program, self.times)
        if self.machines == 1:
            return free, free
        # A line carries one message at a time, and every batch needs one each way.
        full = time_per_batch(program, self.times, delays=self.delays)
        return free, max(full, self.sending)

    def hides(self) -> bool:
        """Whether machines that are this late wait for nothing but the work and the line."""
        free, full = self.seconds()
        return full <= HIDDEN * max(free, self.sending)


@cache
def measured_times(width: int, batch: int) -> dict[tuple[str, int], float]:
    """Seconds of each step of a network of ``MODULES`` equal modules, on this machine.

    Three modules are measured: the first, one in the middle, which stands for all such, and the
    top.  A fit comes as it was guessed, and guessed again.
    """
    count = max(4, min(40, round(2.5e9 / (batch * width**2 * 15))))
    modes = [pipeline(((1, 2, 3),), staleness=1, guess_again=again) for again in (False, True)]
    found = step_times(s for mode in modes for s in runner((width,) * 4, batch, mode)(count))
    return {
        (op, k): found[op, 1 if k == 1 else 3 if k == MODULES else 2]
        for op in ("forward_update", "fit", "late_fit")
        for k in range(1, MODULES + 1)
        if op == "forward_update" or k < MODULES
    }


def shared_out(times: StepTimes, machines: int, staleness: int) -> Groups:
    """The modules of each machine, as even as can be by the measured times."""
    everything = (tuple(range(1, MODULES + 1)),)
    return even_groups(module_times(pipeline(everything, staleness=staleness), times), machines)


def offers(values: dict[str, Any]) -> Iterator[Offer]:
    """The answer for the chosen number of machines at once, and then for all others as well."""
    found = Offer(**values, times=measured_times(values["width"], values["batch"]))
    if not found.hides():
        later = (late for late in (1, 2, 4, 8, 16, 32) if late > found.staleness)
        enough = (late for late in later if replace(found, staleness=late).hides())
        found = replace(found, enough=next(enough, None))
    chosen = found.machines
    for machines in (chosen, *(n for n in range(1, MODULES + 1) if n != chosen)):
        free, full = replace(found, machines=machines).seconds()
        at_once = dict(sorted({**found.at_once, machines: free}.items()))
        sent = dict(sorted({**found.sent, machines: full}.items()))
        found = replace(found, at_once=at_once, sent=sent)
        yield found


def duration(seconds: float) -> str:
    """A short time as it is read: "0.31 ms", "12 ms", "1.2 s"."""
    return f"{seconds:.2g} s" if seconds >= 1 else f"{1e3 * seconds:.2g} ms"


def amount(size: float) -> str:
    """An amount of data as it is read: "8.2 kB", "1.0 MB"."""
    return f"{size / 1e6:.3g} MB" if size >= 1e6 else f"{size / 1e3:.3g} kB"


def verdict(found: Offer) -> str:
    """What the machines are worth, and what holds them back, in words."""
    n = found.machines
    if n == 1:
        return (
            f"One machine: a batch takes {duration(found.sent[1])}, and nothing is sent. All "
            "speeds are relative to its steps one after the other, each fit as soon as it can be."
        )
    text = (
        f"{n} machines would be {ratio_words(found.speed)} times as fast as one; "
        f"{ratio_words(found.alone / found.at_once[n])} times if messages took no time. "
        f"A batch takes {duration(found.sent[n])}. Each message has {amount(found.size)} and "
        f"is there after {duration(found.on_the_way)}. "
    )
    free, full = found.at_once[n], found.sent[n]
    if full <= HIDDEN * free:
        return text + "It is hidden: while it is on its way, the machines work on other batches."
    if full <= HIDDEN * found.sending:
        return text + (
            "The line holds them back: it is busy all the time, and no staleness changes that. "
            "Wider modules would have more work for each byte."
        )
    late = f"{found.staleness} batch{'es' * (found.staleness != 1)} late"
    text += f"They wait for each other's messages: fits are {late}, and no more. "
    if found.enough is None:
        return text + "Even fits that are 32 batches late would not be enough."
    text += f"With a staleness of {found.enough} "
    if found.sending > HIDDEN * free:
        return text + "they would wait for the line alone, which is busy longer than they work."
    return text + "the messages would be hidden behind the work."


def picture_of(found: Offer) -> Picture:
    """The timeline of the chosen machines, and the speed by the number of machines."""
    program, alone = found.program, found.alone
    slots = ideal_timeline(
        program,
        found.times,
        batches=4 * (program.lag + found.machines) + 12,
        delays=found.delays,
    )
    shown = middle(slots, 3.0 if found.machines < 4 else 2.0)
    names = [f"machine {i + 1}" for i in range(found.machines)]
    title = "Ideal: the steps as measured here, the machines and the line as chosen"
    parts = [timeline(bars_of_slots(shown, names), title=title, measured=False)]
    if len(found.sent) == MODULES:
        counts = np.array([*found.sent])
        free, full = (alone / np.array([*each.values()]) for each in (found.at_once, found.sent))
        lines = [
            Series("messages take no time", counts, free, look=0),
            Series("with this line", counts, full, look=2),
        ]
        speeds = curves(
            lines,
            xlabel="machines",
            ylabel="speed (one machine = 1)",
            title=f"{MODULES} modules of width {found.width}, batch {found.batch}",
            better="higher",
            ylim=(0, 1.08 * free.max()),
            labels="legend",
            marks=[(1, "one machine")],
            size=(700, 320),
        )
        parts.append(speeds)
    return Stacked(parts, first=verdict(found), alt="A timeline, and speed by number of machines")


def machines_panel() -> Panel[Offer]:
    """Machines, width, batch, line and staleness: the ideal timeline, and the speed."""
    return Panel(
        {
            "machines": Slider(1, MODULES, 1, 4, "Machines"),
            "width": Choice(list(WIDTHS), 256, "Width of the modules"),
            "batch": Choice(list(BATCHES), 128, "Batch size"),
            "staleness": Slider(0, 16, 1, 1, "Staleness", unit="batches"),
            "latency": Slider(0.01, 100.0, 0.01, 0.1, "Latency", unit="ms", log=True),
            "line": Choice(LINES, 1e9, "Line"),
        },
        offers,
        Redrawn(picture_of),
        title=f"A network of {MODULES} modules on many machines",
        name="11-machines",
        progress=lambda found: len(found.sent) / MODULES,
    )
