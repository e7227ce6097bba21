"""Notebook 05: a stepper through an ordering, and the panel that times one.

:func:`ordering_stepper` goes through a program moment by moment, forward and back.
:func:`ordering_panel` runs an ordering beside backpropagation and shows what happened.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import ipywidgets as widgets
import numpy as np

from dnilab import orderings, pictures
from dnilab.checks import refuse
from dnilab.data import Dataset
from dnilab.experiments import Settings
from dnilab.here import processes_can_fork
from dnilab.lessons.shared.moments import MOMENTS, Stages, ordering
from dnilab.lessons.shared.ratios import ratio_words, ratios
from dnilab.lessons.shared.timing import (
    Contestant,
    cores,
    in_line,
    medians,
    middle,
    rounds_of,
    runner,
    step_times,
)
from dnilab.lessons.update_orderings.pictures import BLUE_BOX, RED_BOX
from dnilab.network import BinaryCrossEntropy, Stack
from dnilab.training import Event, Report, Span, train
from dnilab.widgets.controls import Choice, Slider
from dnilab.widgets.panel import Panel, button, button_row


class Stepper(Panel[Any]):
    """A panel whose control ``step`` has buttons, Back and Forward, beside its slider."""

    def _build(self) -> widgets.VBox:
        widget = super()._build()
        self.back_button = button("Back", "step-backward", lambda: self.move(-1))
        self.forward_button = button("Forward", "step-forward", lambda: self.move(+1))
        style, heading, grid, *rest = widget.children
        buttons = button_row(self.back_button, self.forward_button)
        widget.children = (style, heading, grid, buttons, *rest)
        return widget

    def move(self, by: int) -> None:
        """Go ``by`` steps on, and no further than the first and the last."""
        control = self.controls["step"]
        control.value = min(max(control.value + by, 1), MOMENTS)


def ordering_stepper() -> Stepper:
    """Four orderings of a network of three modules, moment by moment."""
    alone, fits = ["worker"], ["main thread", "fits of 1", "fits of 2"]
    shown: dict[str, tuple[orderings.Program, list[str], Stages | None]] = {
        "Backpropagation": (orderings.backprop(3), alone, None),
        "Red Box": (orderings.sequential(3), alone, RED_BOX),
        "Blue Box": (orderings.blue_box(3), fits, BLUE_BOX),
        "Pipeline, two workers": (orderings.pipeline(((1,), (2, 3))), [], None),
    }

    def draw(values: dict[str, Any]) -> pictures.Picture:
        name = values["ordering"]
        program, names, stage = shown[name]
        instant = orderings.instants(program, MOMENTS)[values["step"] - 1]
        return ordering(program, instant, title=name, names=names, stage=stage)

    return Stepper(
        {
            "ordering": Choice(list(shown), "Blue Box", "Ordering"),
            "step": Slider(1, MOMENTS, 1, 3, "Moment"),
        },
        lambda values: [values],
        pictures.Redrawn(draw),
        title="Who works, and who waits for whom?",
        name="05-stepper",
    )


NETWORKS = {"24-128-64-12 (3 modules)": (128, 64), "24-128×4-12 (5 modules)": (128,) * 4}
BATCHES = {10: 3000, 32: 1500, 100: 800, 316: 400, 1000: 240}  # batch size: batches at most
LONGEST = 1.5  # seconds of training for one curve: then it ends where it is
IN_LINE = "backpropagation in line"  # the reference
WAYS: dict[str, tuple[str, str]] = {
    IN_LINE: ("backprop", "one thread"),
    "Red Box, in line": ("sequential", "one thread"),
    "Blue Box, a thread per fit": ("blue box", "thread per fit"),
    "Blue Box, a process per fit": ("blue box", "process per fit"),
    "pipeline, a thread per worker": ("pipeline", "threads"),
    "pipeline, on one thread": ("pipeline", "one thread"),
}


@dataclass(frozen=True)
class Measured:
    """What the panel knows of one ordering so far; times in seconds.

    ``values``: of the controls.  ``per_batch``: median time of a batch by each way that took
    turns; with several cores, one of them is backpropagation with as many BLAS threads.
    ``curves``: for each way, batches and test loss so far.
    """

    values: dict[str, Any]
    program: orderings.Program
    per_batch: dict[str, float]
    spans: list[Span]
    times: orderings.StepTimes
    curves: dict[str, tuple[tuple[int, ...], tuple[float, ...]]] = field(default_factory=dict)

    @property
    def way(self) -> str:
        """The ordering and what runs it, by its name in ``WAYS``."""
        return str(self.values["way"])

    @property
    def on_threads(self) -> bool:
        """Whether workers have threads."""
        return self.way not in WAYS or WAYS[self.way][1] == "threads"

    @property
    def speeds(self) -> dict[str, float]:
        """Speed of each way that took turns, relative to backpropagation in line."""
        return {way: self.per_batch[IN_LINE] / took for way, took in self.per_batch.items()}

    @property
    def speed(self) -> float:
        """Speed of the ordering, relative to backpropagation in line."""
        return self.speeds[self.way]

    def ideal_speed(self, on: int) -> float:
        """What the ordering could reach on so many cores, with the step times measured in line.

        Relative to the steps of backpropagation one after the other.
        """
        here = orderings.time_per_batch(self.program, self.times, cores=on)
        alone = orderings.time_per_batch(orderings.backprop(self.program.modules), self.times)
        return alone / here


def measure(
    values: dict[str, Any],
    own: orderings.Program | None = None,
    *,
    rounds: int = 5,
    seconds: float = 0.08,
) -> Iterator[Measured | None]:
    """Time the ordering that ``values`` names by turns with backpropagation, then train with both.

    ``own``: a program that was handed in; it is chosen by its name, and its workers have threads.
    Yields after the timing, and then now and then as the training goes on; None between two rounds
    of the timing, which may be ended there.
    """
    size, way, rows = values["batch"], values["way"], 10_000
    count = BATCHES[size]
    base = Settings(
        hidden=_networks(own)[values["network"]],
        examples=rows,
        test_examples=500,
        batch_size=size,
        epochs=-(-count // (rows // size)),
        ordering="backprop",
        executor="one thread",
    )
    modules, data = base.modules, base.data()
    if own is not None and way == own.name:
        program, executor = own, "threads"
    else:
        name, executor = WAYS[way]
        workers = min(values["workers"], modules)
        staleness = values["staleness"]
        chosen = base.but(ordering=name, executor=executor, workers=workers, staleness=staleness)
        program = chosen.program(data)
    network = (data.inputs, *base.hidden, data.outputs), size
    running = runner(*network, program, executor, stack=_stack(base, data, program))
    contestants: dict[str, Contestant] = {IN_LINE: in_line(*network)}
    if way != IN_LINE:
        contestants[way] = running
    if cores() > 1:
        contestants[on_blas(cores())] = in_line(*network, blas_threads=cores())
    turns = []
    for turn in rounds_of(contestants, rounds=rounds, seconds=seconds):
        turns.append(turn)
        yield None
    per_batch = medians(turns)
    again = orderings.pipeline((range(1, modules + 1),), guess_again=True)
    all_steps = orderings.sequential(modules), orderings.backprop(modules), again  # of all ways
    times = step_times(
        span
        for one in all_steps
        for span in runner(*network, one, stack=_stack(base, data, one))(20)
    )
    found = Measured(values, program, per_batch, middle(running(30)), times)
    yield found
    for trained, how, on in (
        (IN_LINE, base.program(data), "one thread"),
        (way, program, executor),
    ):
        every = 5 if on == "process per fit" else max(1, count // 24)  # a fork for a fit: slow
        deadline = perf_counter() + LONGEST
        batches, losses = [], []
        events = _training(base, data, how, on, every)
        for event in events:
            if not isinstance(event, Report):
                break  # diverged: the curve ends
            batches.append(event.batch)
            losses.append(event.test_loss)
            curve = {trained: (tuple(batches), tuple(losses))}
            found = replace(found, curves=found.curves | curve)
            yield found
            if event.batch >= count or perf_counter() > deadline:
                break


def _networks(own: orderings.Program | None) -> dict[str, tuple[int, ...]]:
    """The hidden widths of the networks on offer: those that a program of one's own fits."""
    if own is None:
        return NETWORKS
    fit = {name: hidden for name, hidden in NETWORKS.items() if len(hidden) + 1 == own.modules}
    hidden = own.modules - 1
    return fit or {f"24-128×{hidden}-12 ({own.modules} modules)": (128,) * hidden}


def _stack(base: Settings, data: Dataset, program: orderings.Program) -> Stack:
    """The network of the settings with the signals that the program asks for, seeing h and y.

    It is timed and trained alike; equal seeds give equal layers to all.
    """
    return Stack.build(
        (data.inputs, *base.hidden, data.outputs),
        BinaryCrossEntropy(),
        np.random.default_rng([base.seed, 2]),
        signals=program.wires.signals[:-1],
        context=base.context,
    )


def _training(
    base: Settings, data: Dataset, program: orderings.Program, executor: str, every: int
) -> Iterator[Event]:
    optimiser, generator_optimiser = base.optimisers()
    return train(
        _stack(base, data, program),
        data,
        program,
        optimiser=optimiser,
        generator_optimiser=generator_optimiser,
        batch_size=base.batch_size,
        epochs=base.epochs,
        seed=base.seed,
        report_every=every,
        executor=executor,
    )


def on_blas(threads: int) -> str:
    """The second reference, by name."""
    return f"backpropagation, {threads} BLAS threads"


def verdict(found: Measured, here: int) -> str:
    """What was measured, in words; ``here`` is the number of cores of this machine."""
    on, modules = found.values["cores"], found.program.modules
    if found.way == IN_LINE:
        text = "This is backpropagation in line, which all others are compared with."
    else:
        speed = f"is {ratio_words(found.speed)} times as fast as"
        if found.speed < 1:
            speed = f"takes {ratio_words(1 / found.speed)} times as long for a batch as"
        text = f"Measured here, {_cores(here)}: {found.way} {speed} {IN_LINE}."
        longer = ratio_words(1 / found.ideal_speed(1))
        text += f" One after the other, its steps take {longer} times as long."
    if here == 1 and found.on_threads:
        text += (
            " With one core threads can't win: they only take turns on it. The ideal timeline "
            "still matters. It says what this ordering allows where there are more cores."
        )
    text += f" Ideal on {_cores(on)}: {ratio_words(found.ideal_speed(on))} times as fast."
    piped = found.way in WAYS and WAYS[found.way][0] == "pipeline"
    if piped and found.values["workers"] > modules:
        text += f" There are {modules} modules, so {modules} workers at most."
    return text


def _cores(count: int) -> str:
    return f"{count} core{'s' * (count > 1)}"


def picture_of(found: Measured) -> pictures.Picture:
    """Measured timeline, ideal timeline, speeds and convergence, one under the other."""
    program, on = found.program, found.values["cores"]
    names = ["worker"] if len(program.workers) == 1 else []
    if program.races:
        names = ["main thread", *(f"fits of {k}" for k in range(1, program.modules))]
    title = "Measured: four batches in the middle of a run"
    measured = pictures.timeline(pictures.bars_of_spans(found.spans, names), title=title)
    if program.races and found.way in WAYS and WAYS[found.way][1] != "one thread":
        measured.sentence += " A fit's bar is the time to start it; it runs elsewhere."
    slots = orderings.ideal_timeline(program, found.times, cores=on, batches=program.lag + 12)
    title = f"Ideal on {_cores(on)}: same steps, nothing else in the way"
    ideal = pictures.timeline(
        pictures.bars_of_slots(middle(slots), names), title=title, measured=False
    )
    speeds = ratios(
        {f"{way}, measured": speed for way, speed in found.speeds.items() if way != IN_LINE},
        {f"ideal on {_cores(n)}": found.ideal_speed(n) for n in sorted({1, 2, 4, 8, on})},
        title=f"Speed of: {found.way}",
        note=f"{_cores(cores())} here",
    )
    parts = [measured, ideal, speeds, *([_convergence(found)] if found.curves else [])]
    return pictures.Stacked(
        parts, first=verdict(found, cores()), alt=f"{found.way}: timelines and curves"
    )


def _convergence(found: Measured) -> pictures.Picture:
    in_seconds = found.values["over"] == "seconds"
    lines = []
    for look, (way, (batches, losses)) in enumerate(found.curves.items()):
        x = np.array(batches) * (found.per_batch[way] if in_seconds else 1)
        lines.append(pictures.Series(way, x, np.array(losses), look=look))
    return pictures.curves(
        lines,
        xlabel="seconds" if in_seconds else "batches",
        ylabel="test loss",
        title="Convergence on addition" + in_seconds * "; seconds are batches × time of one",
        better="lower",
        labels="legend",
        size=(700, 300),
    )


class Timings(pictures.Redrawn[Measured]):
    """The view of what was measured: cores of the ideal timeline, and the axis, are chosen last."""

    def __init__(self) -> None:
        self._how: dict[str, Any] = {}
        super().__init__(lambda found: picture_of(replace(found, values=found.values | self._how)))

    def choose(self, values: dict[str, Any]) -> None:
        """How to show it: ``over`` and ``cores``."""
        self._how = values


def without_use(values: dict[str, Any]) -> tuple[str, ...]:
    """The controls of a pipeline, where another ordering is timed."""
    piped = WAYS.get(values["way"], ("",))[0] == "pipeline"
    return () if piped else ("workers", "staleness")


def ordering_panel(own: orderings.Program | None = None) -> Panel[Measured]:
    """Run an ordering beside backpropagation: timelines, time of a batch, convergence.

    ``own``: an ordering that was handed in; it is offered by its name, first of all, and run with
    a thread for each worker, on a network of as many modules.

    Raises IllegalProgram for one that can't run, ValueError for one with the name of another.
    """
    ways = [w for w in WAYS if processes_can_fork() or WAYS[w][1] != "process per fit"]
    if own is not None:
        orderings.check(own)
        if own.name in ways:
            refuse("the name of own", own.name, "another name than those in the panel")
        ways.insert(0, own.name)
    networks = list(_networks(own))
    return Panel(
        {
            "way": Choice(ways, own.name if own else "pipeline, a thread per worker", "Ordering"),
            "network": Choice(networks, networks[0], "Network"),
            "batch": Choice(list(BATCHES), 1000, "Batch size"),
            "over": Choice(["batches", "seconds"], "seconds", "Convergence over"),
            "workers": Slider(1, 5, 1, 2, "Workers (pipeline)"),
            "staleness": Slider(0, 8, 1, 1, "Staleness (pipeline)", unit="batches"),
            "cores": Slider(1, 8, 1, 2, "Cores of the ideal timeline"),
        },
        lambda values: measure(values, own),
        Timings(),
        redraw=("over", "cores"),
        idle=without_use,
        title=f"Orderings, timed on this machine ({_cores(cores())})",
        name="05-orderings",
    )
