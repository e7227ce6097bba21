"""The panel of notebook 08: a bit kept through time, cut every T steps, with or without a guess."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dnilab.lessons.through_time.experiments import RecurrentSettings, credit
from dnilab.lessons.through_time.pictures import Reach, credit_picture
from dnilab.pictures import Redrawn
from dnilab.training import Diverged
from dnilab.widgets.controls import Choice, Slider
from dnilab.widgets.panel import Panel

SEQUENCES = 600  # batches of sequences that a run lasts at most
STEPS_A_FRAME = 250  # of time, between two frames: a few tens of milliseconds
SOLVED_BELOW = 0.02  # bits: a run goes on until the answers are sure
MEASURE_EVERY = 2  # frames between two measurements of the cosine

Frame = dict[str, Any]
"""What ``credit_picture`` takes: the reach, and the curve so far."""


def settings_of(values: dict[str, Any]) -> RecurrentSettings:
    """What the controls ask for."""
    per_sequence = -(-(values["delay"] + 2) // values["unroll"])
    return RecurrentSettings(
        task="recall",
        delay=values["delay"],
        unroll=values["unroll"],
        method=values["method"],
        gate_bias=values["bias"],
        rate=2e-3,  # slower than the benchmark, so that there is something to watch
        generator_rate=1e-3,
        updates=SEQUENCES * per_sequence,
        report_every=max(1, STEPS_A_FRAME // values["unroll"]),
        solved_below=SOLVED_BELOW,
        stop_when_solved=True,
    )


def frames(values: dict[str, Any]) -> Iterator[Frame]:
    """Train by the controls; a frame for every report.  ValueError if the run diverges."""
    settings = settings_of(values)
    stack, events = settings.start()

    def reach() -> Reach:
        cosine = tuple(float(c) for c in credit(settings, stack, rows=32).cosine)
        return Reach(settings.delay + 2, settings.unroll, settings.decoupled, cosine)

    frame: Frame = {"reach": reach(), "updates": (), "bits": (), "most": settings.updates}
    yield frame
    for event in events:
        if isinstance(event, Diverged):
            raise ValueError(event.message)
        updates = (*frame["updates"], event.batch)
        frame = frame | {"updates": updates, "bits": (*frame["bits"], event.scores["bits"])}
        over = event.scores["solved"] or event.batch >= settings.updates
        if over or len(updates) % MEASURE_EVERY == 0:
            frame["reach"] = reach()
        yield frame


def progress(frame: Frame) -> float:
    """The share of the run that is done: all of it once the task is solved."""
    if not frame["updates"]:
        return 0.0
    solved = frame["bits"][-1] < SOLVED_BELOW
    return 1.0 if solved else min(1.0, float(frame["updates"][-1] / frame["most"]))


def recall_panel() -> Panel[Frame]:
    """A bit is shown, distraction follows, then it is asked for."""
    methods = {
        "nothing": "BPTT",
        "a guess from the state": "DNI(state)",
        "a guess from state and target": "DNI(state, targets)",
    }
    return Panel(
        {
            "unroll": Slider(1, 20, 1, 4, "T, steps between two cuts"),
            "delay": Slider(2, 32, 1, 16, "Delay", unit="steps"),
            "method": Choice(methods, "DNI(state, targets)", "At the cut"),
            "bias": Slider(-1.0, 2.0, 0.25, 0.0, "Bias of the gate that keeps"),
        },
        frames,
        Redrawn(lambda frame: credit_picture(**frame)),
        title="How far does credit travel?",
        name="08-credit",
        progress=progress,
    )
