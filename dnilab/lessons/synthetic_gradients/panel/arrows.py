"""The panel in which a synthetic gradient can be seen."""

from __future__ import annotations

from typing import Any

from dnilab.lessons.synthetic_gradients.pictures.arrows import toy_picture
from dnilab.lessons.synthetic_gradients.training.toy import BATCHES, History, history
from dnilab.pictures import Redrawn
from dnilab.widgets.controls import Choice, Slider
from dnilab.widgets.panel import Panel

Moment = tuple[History, int]


def moments(values: dict[str, Any]) -> list[Moment]:
    """The one moment that the controls ask for."""
    return [(history(values["sees_y"], values["sign"]), values["batch"])]


def arrows_panel() -> Panel[Moment]:
    """True and guessed gradients at the two hidden layers of the toy, batch by batch."""
    return Panel(
        {
            "batch": Slider(0, BATCHES, 1, 50, "Batches so far"),
            "sees_y": Choice({"h and y": True, "h alone": False}, True, "Generators see"),
            "sign": Choice(
                {"towards what they are told (−)": -1, "away from it (+)": +1},
                -1,
                "Generators move",
            ),
        },
        moments,
        Redrawn(lambda moment: toy_picture(*moment)),
        title="A synthetic gradient, seen",
        name="03-arrows",
    )
