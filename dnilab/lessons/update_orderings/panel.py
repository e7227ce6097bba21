"""Notebook 05: a stepper through an ordering, and the panel that times one.

:func:`ordering_stepper` goes through a program moment by moment, forward and back.
:func:`ordering_panel` runs an ordering beside the Red Box and shows what happened.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import ipywidgets as widgets
import numpy as np

from dnilab.experiments import Settings
from dnilab.experiments.compare import stream
from dnilab.experiments.timing import cores, medians, middle, rounds_of, runner, step_times
from dnilab.lessons.update_orderings.pictures import BLUE_BOX, RED_BOX, ratios
from dnilab.orderings import (
    Program,
    Slot,
    StepTimes,
    backprop,
    blue_box,
    ideal_timeline,
    instants,
    pipeline,
    sequential,
    time_per_batch,
)
from dnilab.pictures import (
    Picture,
    Redrawn,
    Series,
    Stacked,
    bars_of_spans,
    curves,
    ordering,
    timeline,
)
from dnilab.pictures.ordering import MOMENTS
from dnilab.pictures.style import ratio_words
from dnilab.training import Report, Span
from dnilab.training.published_threads import processes_can_fork
from dnilab.widgets.controls import Choice, Slider
from dnilab.widgets.panel import Panel


class Stepper(Panel[Any]):
    """A panel whose control ``step`` has buttons, Back and Forward, beside its slider."""

    def _build(self) -> widgets.VBox:
        widget = super()._build()
        self.back_button = widgets.Button(icon="step-backward", description="Back")
        self.forward_button = widgets.Button(icon="step-forward", description="Forward")
        self.back_button.on_click(lambda _: self.move(-1))
        self.forward_button.on_click(lambda _: self.move(+1))
        buttons = widgets.Box([self.back_button, self.forward_button])
        buttons.add_class("dnilab-buttons")
        style, heading, grid, *rest = widget.children
        widget.children = (style, heading, grid, buttons, *rest)
        return widget

    def move(self, by: int) -> None:
        """Go ``by`` steps on, and no further than the first and the last."""
        control = self.controls["step"]
        spec = control.spec
        assert isinstance(spec, Slider)
        control.value = int(min(max(control.value + by, spec.min), spec.max))


def ordering_stepper() -> Stepper:
    """Four orderings of a network of three modules, moment by moment."""
    shown: dict[str, dict[str, Any]] = {
        "Backpropagation": {"program": backprop(3), "names": ["worker"]},
        "Red Box": {"program": sequential(3), "names": ["worker"], "stage": RED_BOX},
        "Blue Box": {
            "program": blue_box(3),
            "names": ["main thread", "fits of 1", "fits of 2"],
            "stage": BLUE_BOX,
        },
        "Pipeline, two workers": {"program": pipeline(((1,), (2, 3)))},
    }

    def draw(values: dict[str, Any]) -> Picture:
        how = dict(shown[values["ordering"]])
        program = how.pop("program")
        instant = instants(program, MOMENTS)[values["step"] - 1]
        return ordering(program, instant, title=values["ordering"], **how)

    return Stepper(
        {
            "ordering": Choice(list(shown), "Blue Box", "Ordering"),
            "step": Slider(1, MOMENTS, 1, 3, "Moment"),
        },
        lambda values: [values],
        Redrawn(draw),
        title="Who works, and who waits for whom?",
        name="05-stepper",
    )


NETWORKS = {"24-128-64-12 (3 modules)": (128, 64), "24-128×4-12 (5 modules)": (128,) * 4}
BATCHES = {10: 3000, 32: 1500, 100: 800, 316: 400, 1000: 240}  # batch size: batches at most
LONGEST = 1.5  # seconds of training for one curve: then it ends where it is
RED = "Red Box, in line"
WAYS: dict[str, tuple[str, str]] = {
    RED: ("sequential", "one thread"),
    "Blue Box, a thread per fit": ("blue box", "thread per fit"),
    "Blue Box, a process per fit": ("blue box", "process per fit"),
    "pipeline, a thread per worker": ("pipeline", "threads"),
    "pipeline, on one thread": ("pipeline", "one thread"),
    "backpropagation, in line": ("backprop", "one thread"),
}


@dataclass(frozen=True)
class Measured:
    """What the panel knows of one ordering so far; times in seconds.

    ``per_batch``: median time of a batch by each way that took turns.  ``curves``: for each way,
    batches and test loss so far.
    """

    way: str
    program: Program
    settings: Settings
    per_batch: dict[str, float]
    spans: tuple[Span, ...]
    times: StepTimes
    ideal_cores: int
    over: str
    note: str
    curves: dict[str, tuple[tuple[int, ...], tuple[float, ...]]]

    @property
    def speed(self) -> float:
        """Speed relative to the Red Box in line."""
        return self.per_batch[RED] / self.per_batch[self.way]

    def ideal_speed(self, on: int) -> float:
        """What the ordering could reach on so many cores, with the step times measured in line.

        Relative to the Red Box's own steps one after the other.
        """
        here = time_per_batch(self.program, self.times, cores=on)
        return time_per_batch(sequential(self.program.modules), self.times) / here


def measure(
    values: dict[str, Any], *, rounds: int = 5, seconds: float = 0.08
) -> Iterator[Measured]:
    """Time the ordering that ``values`` names by turns with the Red Box, then train with both.

    Yields after the timing, and then now and then as the training goes on.
    """
    base = _settings(values)
    modules = base.modules
    way = values["way"]
    workers = min(values["workers"], modules)
    notes = []
    if WAYS[way][0] == "pipeline" and workers < values["workers"]:
        notes.append(f"There are {modules} modules, so {workers} workers at most.")
    name, executor = WAYS[way]
    late = values["staleness"]
    settings = base.but(ordering=name, executor=executor, workers=workers, staleness=late)
    data = base.data()
    program = settings.program(data)
    widths = (data.inputs, *base.hidden, data.outputs)
    size = base.batch_size
    contestants = {
        RED: runner(widths, size, sequential(modules)),
        way: runner(widths, size, program, executor),
    }
    per_batch = medians(rounds_of(contestants, rounds=rounds, seconds=seconds))
    times: dict[tuple[str, int], float] = {}
    again = pipeline((range(1, modules + 1),), guess_again=True)
    for one in (sequential(modules), backprop(modules), again):  # all steps of all ways
        times |= step_times(runner(widths, size, one)(20))
    spans = tuple(middle(contestants[way](30)))
    found = Measured(
        way, program, settings, per_batch, spans, times, values["cores"], values["over"],
        " ".join(notes), {},
    )  # fmt: skip
    yield found
    for one, how in {RED: base, way: settings}.items():
        count = BATCHES[size]
        forks = executor == "process per fit" and one == way
        every = 5 if forks else max(1, count // 24)  # a fork for every fit: slow
        deadline = perf_counter() + LONGEST
        batches, losses = [], []
        for event in stream(how, report_every=every):
            if not isinstance(event, Report):
                break  # diverged: the curve ends
            batches.append(event.batch)
            losses.append(event.test_loss)
            found = replace(found, curves=found.curves | {one: (tuple(batches), tuple(losses))})
            yield found
            if event.batch >= count or perf_counter() > deadline:
                break


def _settings(values: dict[str, Any]) -> Settings:
    size = values["batch"]
    rows = 10_000
    return Settings(
        hidden=NETWORKS[values["network"]],
        examples=rows,
        test_examples=500,
        batch_size=size,
        epochs=-(-BATCHES[size] // (rows // size)),
        ordering="sequential",
        executor="one thread",
    )


def verdict(found: Measured, here: int) -> str:
    """What was measured, in words; ``here`` is the number of cores of this machine."""
    where, ideal = f"Measured here, {_cores(here)}", _cores(found.ideal_cores)
    if found.way == RED:
        text = "This is the Red Box in line, which all others are compared with."
    elif found.speed >= 1:
        ratio = ratio_words(found.speed)
        text = f"{where}: {found.way} is {ratio} times as fast as the Red Box in line."
    else:
        ratio = ratio_words(1 / found.speed)
        text = (
            f"{where}: {found.way} takes {ratio} times as long for a batch as the Red Box in line."
        )
    if here == 1 and WAYS[found.way][1] == "threads":
        text += (
            " With one core threads can't win: they only take turns on it. The ideal timeline "
            "still matters. It says what this ordering allows where there are more cores."
        )
    allowed = ratio_words(found.ideal_speed(found.ideal_cores))
    return f"{text} Ideal on {ideal}: {allowed} times as fast. {found.note}".strip()


def _cores(count: int) -> str:
    return f"{count} core{'s' * (count > 1)}"


def picture_of(found: Measured) -> Picture:
    """Measured timeline, ideal timeline, speeds and convergence, one under the other."""
    workers = len(found.program.workers)
    names = ["worker"] if workers == 1 else [f"worker {n + 1}" for n in range(workers)]
    if found.program.races:
        names = ["main thread", *(f"fits of {k}" for k in range(1, found.program.modules))]
    alone = found.program.races and WAYS[found.way][1] != "one thread"
    title = "Measured: four batches in the middle of a run"
    measured = timeline(bars_of_spans(found.spans, names), title=title)
    if alone:
        measured.sentence += " A fit's bar is the time to start it; it runs elsewhere."
    slots = ideal_timeline(
        found.program, found.times, cores=found.ideal_cores, batches=found.program.lag + 12
    )
    some = middle([_as_span(slot) for slot in slots])
    ideal = timeline(
        bars_of_spans(some, names),
        title=f"Ideal on {_cores(found.ideal_cores)}: same steps, nothing else in the way",
        measured=False,
    )
    counts = sorted({1, 2, 4, 8, found.ideal_cores})
    speeds = ratios(
        {f"measured here ({_cores(cores())})": found.speed},
        {f"ideal on {_cores(n)}": found.ideal_speed(n) for n in counts},
        title=f"Speed of: {found.way}",
    )
    parts = [measured, ideal, speeds]
    if found.curves:
        parts.append(_convergence(found))
    return Stacked(parts, first=verdict(found, cores()), alt=f"{found.way}: timelines and curves")


def _as_span(slot: Slot) -> Span:
    step = slot.step
    start, end = round(slot.start * 1e9), round(slot.end * 1e9)
    return Span(slot.worker, step.op, step.module, step.batch, start, end)


def _convergence(found: Measured) -> Picture:
    in_seconds = found.over == "seconds"
    lines = []
    for look, (way, (batches, losses)) in enumerate(found.curves.items()):
        x = np.array(batches) * (found.per_batch[way] if in_seconds else 1)
        lines.append(Series(way, x, np.array(losses), look=look))
    return curves(
        lines,
        xlabel="seconds" if in_seconds else "batches",
        ylabel="test loss",
        title="Convergence on addition" + in_seconds * "; seconds are batches × time of one",
        better="lower",
        labels="legend",
        size=(700, 300),
    )


def ordering_panel() -> Panel[Measured]:
    """Run an ordering beside the Red Box: timelines, time of a batch, convergence."""
    ways = [
        way for way, (_, how) in WAYS.items() if how != "process per fit" or processes_can_fork()
    ]
    return Panel(
        {
            "way": Choice(ways, "pipeline, a thread per worker", "Ordering"),
            "network": Choice(list(NETWORKS), next(iter(NETWORKS)), "Network"),
            "batch": Choice(list(BATCHES), 1000, "Batch size"),
            "over": Choice(["batches", "seconds"], "seconds", "Convergence over"),
            "workers": Slider(1, 5, 1, 2, "Workers (pipeline)"),
            "staleness": Slider(0, 8, 1, 1, "Staleness (pipeline)", unit="batches"),
            "cores": Slider(1, 8, 1, 2, "Cores of the ideal timeline"),
        },
        measure,
        Redrawn(picture_of),
        title=f"Orderings, timed on this machine ({_cores(cores())})",
        name="05-orderings",
    )
