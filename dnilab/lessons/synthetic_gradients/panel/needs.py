"""The panel of what a synthetic gradient needs: the network by hand, trained at each change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dnilab.experiments.settings import Settings
from dnilab.lessons.synthetic_gradients.experiments.mistakes import live
from dnilab.pictures import LiveCurves, Series
from dnilab.widgets.controls import Choice, Slider
from dnilab.widgets.panel import Panel


def needs_panel(settings: Settings, last_only: float) -> Panel[list[Series]]:
    """Accuracy while the network by hand is trained; ``last_only`` is the baseline that is drawn.

    ``settings``: those of the network, of which the generators' rate has a control.
    """

    def learn(values: dict[str, Any]) -> Iterator[list[Series]]:
        of = settings.but(generator_rate=values["rate"])
        epochs, right = [], []
        for epoch, share in live(of, mistake=values["mistake"], sees_y=values["sees_y"]):
            epochs.append(epoch)
            right.append(share)
            yield [Series("bits right", np.array(epochs), np.array(right), look=2)]

    return Panel(
        {
            "mistake": Choice(
                {
                    "no mistake": "",
                    "move away from the message (plus)": "plus",
                    "divide the message by B": "target / B",
                },
                "",
                "Generators",
            ),
            "rate": Slider(0.0001, 1.0, 0.0001, 0.05, "Rate of the generators", log=True),
            "sees_y": Choice({"h and y": True, "h alone": False}, True, "Generators see"),
        },
        learn,
        LiveCurves(
            xlabel="epoch",
            ylabel="unseen bits right",
            percent=True,
            better="higher",
            x_max=settings.epochs,
            ylim=(0.4, 1),
            marks=[(last_only, "last layer only")],
        ),
        title="What a synthetic gradient needs",
        name="03-needs",
    )
