"""Notebook 12: who wins?  Any depth, width, cuts, signal, cores and latency, by the cost model.

Only how many multiplications this machine does in a second is measured; all else is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from time import perf_counter
from typing import Any

import numpy as np

from dnilab.lessons.race.experiments.contestants import (
    IN_LINE,
    Contestant,
    Network,
    contestants,
    far_limit,
)
from dnilab.lessons.shared.ratios import ratio_words, ratios
from dnilab.pictures import Picture, Redrawn, Series, Stacked, curves
from dnilab.pictures.style import capital
from dnilab.training.one_thread import one_blas_thread
from dnilab.widgets.controls import Choice, Slider
from dnilab.widgets.panel import Panel

SIGNALS = {
    "a loss of its own": "local loss",
    "random feedback": "direct feedback",
    "a linear generator": "generator",
    "a bottleneck generator": "bottleneck generator",
}
"""What may stand at the cuts, and which contestant that is."""

WAITING = ("1F1B", "zero bubble", "late truth")
LATENCIES = np.logspace(-3, 3, 13)  # ms
INPUTS, OUTPUTS = 64, 10


@dataclass(frozen=True)
class Bet:
    """Who would be how fast, with the values of the controls.

    ``speeds``: of a batch, relative to backpropagation in line.  ``by_latency``: the same for
    each latency of ``LATENCIES``, for some of them.
    """

    values: Mapping[str, Any]
    speeds: Mapping[str, float]
    by_latency: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def chosen(self) -> str:
        """The contestant that does not wait."""
        return str(self.values["signal"])

    @property
    def to_accuracy(self) -> dict[str, float]:
        """Speed on the way to an accuracy: the chosen one needs ``more`` times the batches."""
        return {**self.speeds, self.chosen: self.speeds[self.chosen] / self.values["more"]}

    @property
    def winner(self) -> tuple[str, float]:
        """The quickest of all, backpropagation in line among them, and its speed."""
        return max({IN_LINE: 1.0, **self.to_accuracy}.items(), key=lambda one: one[1])


@cache
def products_a_second(width: int, batch: int) -> float:
    """Multiplications that a layer of this width does in a second here, on one core."""
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((batch, width)), rng.standard_normal((width, width))
    count = max(3, round(2e7 / (batch * width**2)))
    times = []
    with one_blas_thread():
        for _ in range(5):
            start = perf_counter()
            for _ in range(count):
                x.dot(w)
            times.append((perf_counter() - start) / count)
    return batch * width**2 / min(times)


def bets(values: dict[str, Any]) -> Iterator[Bet]:
    """The speeds with this latency at once, and then those with all others."""
    network = Network((INPUTS, *(values["width"],) * (values["layers"] - 1), OUTPUTS))
    modules = min(values["modules"], values["layers"])
    among = contestants(network, modules=modules, staleness=values["staleness"])
    chosen = among[values["signal"]]
    raced = [*(among[name] for name in WAITING), chosen]
    products = products_a_second(values["width"], values["batch"])

    def speed(one: Contestant, latency: float) -> float:
        far = {"products": products, "latency": latency / 1e3}
        return far_limit(one, network, values["batch"], values["cores"], **far)

    found = Bet(values, {one.name: speed(one, values["latency"]) for one in raced})
    yield found
    lines: dict[str, tuple[float, ...]] = {}
    for one in (among["1F1B"], among["late truth"], chosen):
        of_one: list[float] = []
        for latency in LATENCIES:
            of_one.append(speed(one, float(latency)))
            yield found
        lines[one.name] = tuple(of_one)
    yield Bet(values, found.speeds, lines)


def verdict(found: Bet) -> str:
    """Who wins, and by how much, in words."""
    values, to_accuracy, chosen = found.values, found.to_accuracy, found.chosen
    best, speed = found.winner
    faster = f"{ratio_words(speed)} times as fast as {IN_LINE}"
    faster = "nobody else would be faster" if best == IN_LINE else faster
    text = f"{capital(best)} wins: {faster}. "
    if best == chosen:
        waiting = max(WAITING, key=lambda name: to_accuracy[name])
        text += f"Of those that wait, {waiting} is best: {ratio_words(to_accuracy[waiting])}. "
    else:
        text += f"The {chosen} would be {ratio_words(to_accuracy[chosen])} times as fast. "
        may = found.speeds[chosen] / speed
        text += (
            f"It would win if it needed at most {may:.2g} times the batches. "
            if may > 1
            else "Even with as few batches as backpropagation it would not win. "
        )
    if values["modules"] > values["layers"]:
        text += f"There are {values['layers']} layers, so {values['layers']} modules at most. "
    return text + "BLAS threads are left out: what they lose has to be measured, as above."


def picture_of(found: Bet) -> Picture:
    """The speeds as bars, and how they change with the latency."""
    more = found.values["more"]
    speeds = {
        name
        + (f", {more:g} times the batches" if name == found.chosen and more != 1 else ""): speed
        for name, speed in found.to_accuracy.items()
    }
    parts = [
        ratios(
            {},
            speeds,
            reference="backpropagation in line",
            title="What the cost model allows, to the same accuracy",
        )
    ]
    if found.by_latency:
        parts.append(
            curves(
                [
                    Series(
                        name, LATENCIES, np.array(line) / (more if name == found.chosen else 1.0)
                    )
                    for name, line in found.by_latency.items()
                ],
                xlabel="latency of a message, ms",
                ylabel="speed (backprop = 1)",
                title="And at every latency",
                log_x=True,
                better="higher",
                labels="legend",
                marks=[(1, "in line")],
                size=(700, 320),
            )
        )
    return Stacked(parts, first=verdict(found), alt="Bars of speed, and speed by latency")


def race_panel() -> Panel[Bet]:
    """Depth, width, cuts, signal, cores and latency: who wins?"""
    return Panel(
        {
            "layers": Slider(2, 16, 1, 9, "Layers"),
            "width": Choice([64, 128, 256, 512, 1024], 256, "Width"),
            "batch": Choice([64, 256, 1024], 256, "Batch size"),
            "modules": Slider(2, 8, 1, 2, "Modules, a worker each"),
            "cores": Slider(1, 8, 1, 2, "Cores"),
            "signal": Choice(SIGNALS, "local loss", "At the cuts"),
            "more": Slider(0.5, 5.0, 0.1, 1.0, "Batches it needs", unit="times backprop's"),
            "staleness": Slider(1, 16, 1, 1, "Staleness", unit="batches"),
            "latency": Slider(0.001, 1000.0, 0.001, 0.01, "Latency", unit="ms", log=True),
        },
        bets,
        Redrawn(picture_of),
        title="Who wins the race?",
        name="12-race",
    )
