"""The panels of notebooks 00 and 01: a slope, a weight as a knob, a network that learns to add."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dnilab.experiments import Settings, stream
from dnilab.lessons.synthetic_gradients.pictures.knob import TURNS, knob
from dnilab.lessons.synthetic_gradients.pictures.slopes import FUNCTIONS, function_and_slope
from dnilab.pictures import LiveCurves, Redrawn, Series
from dnilab.training import Report
from dnilab.widgets.controls import Choice, Slider
from dnilab.widgets.panel import Panel

EPOCHS = 6  # of the network that learns to add


def slope_panel() -> Panel[dict[str, Any]]:
    """A function that stands between two layers, and its slope."""
    return Panel(
        {
            "function": Choice({name: name for name in FUNCTIONS}, "tanh", "Function"),
            "steepness": Slider(0.25, 4.0, 0.25, 1.0, "Steepness s"),
        },
        lambda values: [values],
        Redrawn(lambda values: function_and_slope(**values)),
        title="A function between two layers, and its slope",
        name="00-practice",
    )


def knob_panel() -> Panel[float]:
    """One weight of a small network, to be turned."""
    return Panel(
        {"w": Slider(*TURNS, 0.05, 1.0, "Weight W1[0, 1]")},
        lambda values: [values["w"]],
        Redrawn(knob),
        title="One weight as a knob",
        name="01-knob",
    )


def learning(values: Mapping[str, Any]) -> Iterator[list[Series]]:
    """Both curves of a network that learns to add by backpropagation, after every 50 batches."""
    settings = Settings(
        ordering="backprop", optimiser="sgd", batch_size=20, epochs=EPOCHS, **values
    )  # fmt: skip
    epochs, bits, sums = [], [], []
    for event in stream(settings, report_every=50):
        scores = event.scores if isinstance(event, Report) else {}  # Diverged: the curves end
        epochs.append(event.epoch)
        bits.append(scores.get("bit_accuracy", np.nan))
        sums.append(scores.get("whole_sums", np.nan))
        yield [
            Series("bits right", np.array(epochs), np.array(bits), look=0),
            Series("whole sums right", np.array(epochs), np.array(sums), look=1),
        ]


def adder_panel(majority: float) -> Panel[list[Series]]:
    """The network of notebook 01, trained again whenever a control is moved.

    ``majority``: the share of bits that is right without learning, drawn as a line.
    """
    units = {"tanh": "tanh", "sigmoid": "sigmoid"}
    view = LiveCurves(
        xlabel="epoch",
        ylabel="share of unseen sums",
        percent=True,
        x_max=EPOCHS,
        ylim=(0, 1),
        marks=[(majority, "guess each bit's majority")],
    )
    return Panel(
        {
            "rate": Slider(0.01, 3.0, 0.01, 0.2, "Learning rate", log=True),
            "activation": Choice(units, "tanh", "Hidden units"),
            "inputs": Choice({"−1, +1": "centred", "0, 1": "binary"}, "centred", "Bits as"),
        },
        learning,
        view,
        title="A network that learns to add",
        name="01-knobs",
    )
