"""The panels of notebook 08: a bit kept through time, with or without a guess; and BP(lambda)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dnilab.experiments.compare import stream
from dnilab.lessons.through_time.experiments import RecurrentSettings, credit
from dnilab.lessons.through_time.pictures import CHANCE, SOLVED, Reach, credit_picture
from dnilab.pictures import Redrawn, Series
from dnilab.pictures.live import LiveCurves
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


ECHO_UPDATES = 2000
ECHO_EVERY = 40  # updates between two points of a curve


def echo_settings(values: dict[str, Any]) -> RecurrentSettings:
    """What the controls of the panel on lambda ask for."""
    return RecurrentSettings(
        task="echo",
        cell="tanh",
        width=12,  # the work of a trace grows with its fourth power
        method="DNI(state)",
        delay=values["delay"],
        unroll=values["unroll"],
        trace=values["trace"],
        rate=1e-3,
        generator_rate=3e-2,
        updates=ECHO_UPDATES,
        report_every=ECHO_EVERY,
        seed=values["seed"],
    )


def lambda_frames(values: dict[str, Any]) -> Iterator[list[Series]]:
    """Train with this lambda, and beside it with lambda = 0, which differs in nothing else.

    The curves grow together.  ValueError if a run diverges.
    """
    runs = {"lambda 0": echo_settings(values | {"trace": 0.0})}
    if values["trace"]:
        runs[f"lambda {values['trace']:g}"] = echo_settings(values)
    at: list[float] = []
    bits: dict[str, list[float]] = {name: [] for name in runs}
    for events in zip(*map(stream, runs.values()), strict=True):
        for name, event in zip(runs, events, strict=True):
            if isinstance(event, Diverged):
                raise ValueError(event.message)
            bits[name].append(event.scores["bits"])
        at.append(events[0].batch)
        yield [Series(name, np.array(at), np.array(found)) for name, found in bits.items()]


def lambda_panel() -> Panel[list[Series]]:
    """Echo from the state alone, with a lambda of one's choice."""
    return Panel(
        {
            "trace": Slider(0.0, 1.0, 0.05, 0.9, "Lambda"),
            "delay": Slider(1, 10, 1, 6, "Delay", unit="steps"),
            "unroll": Slider(1, 6, 1, 1, "T, steps between two cuts"),
            "seed": Slider(0, 9, 1, 0, "Seed"),
        },
        lambda_frames,
        LiveCurves(
            xlabel="updates",
            ylabel="bits of error",
            better="lower",
            ylim=(0.0, 1.2),
            marks=[(CHANCE, "chance"), (SOLVED, "solved")],
            x_max=ECHO_UPDATES,
        ),
        title="How much of the target is a guess?",
        name="08-lambda",
        progress=lambda series: min(1.0, float(series[0].x[-1]) / ECHO_UPDATES),
    )
