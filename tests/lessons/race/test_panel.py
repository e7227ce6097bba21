"""The panel of notebook 12.  What it measures is planted: the products a second."""

from __future__ import annotations

import pytest

from dnilab.lessons.race import panel as race
from dnilab.lessons.race.experiments.contestants import Network, contestants
from dnilab.lessons.race.panel import (
    LATENCIES,
    SIGNALS,
    WAITING,
    bets,
    picture_of,
    products_a_second,
    race_panel,
    verdict,
)
from tests.pictures.legible import faults

VALUES = {
    "layers": 5,
    "width": 64,
    "batch": 64,
    "modules": 2,
    "cores": 2,
    "signal": "local loss",
    "more": 1.0,
    "staleness": 1,
    "latency": 0.001,
}


@pytest.fixture(autouse=True)
def planted(monkeypatch):
    monkeypatch.setattr(race, "products_a_second", lambda width, batch: 1e9)


def first(**changes):
    return next(bets(VALUES | changes))


def test_it_is_what_the_cost_model_allows():
    network = Network((64, 64, 64, 64, 64, 10))
    among = contestants(network)
    found = first()
    assert list(found.speeds) == [*WAITING, "local loss"]
    for name, speed in found.speeds.items():
        assert speed == pytest.approx(among[name].limit(network, 2), rel=0.05)


def test_products_a_second_are_measured_once():
    assert products_a_second(8, 4) == products_a_second(8, 4) > 0


def test_more_batches_cost_the_chosen_one_alone():
    once, twice = first(), first(more=2.0)
    assert twice.speeds == once.speeds
    for name, speed in twice.to_accuracy.items():
        assert speed == once.to_accuracy[name] / (2 if name == "local loss" else 1)


def test_a_flush_waits_for_every_message_and_staleness_hides_them():
    near, far = first(staleness=16), first(staleness=16, latency=5.0)
    assert far.speeds["1F1B"] < 0.2 * near.speeds["1F1B"]
    for name in ("late truth", "local loss"):
        assert far.speeds[name] == pytest.approx(near.speeds[name], rel=0.01)
    assert first(latency=5.0).speeds["late truth"] < 0.5 * near.speeds["late truth"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "Local loss wins: 2.10 times as fast"),
        ({}, "Of those that wait, late truth is best: 1."),
        ({"more": 1.3}, "Late truth wins: 1."),
        ({"more": 1.05, "signal": "generator"}, "Even with as few batches as backpropagation"),
        ({"more": 3.0, "latency": 100.0}, "Backpropagation in line wins"),
        ({"more": 3.0, "latency": 100.0}, "It would win if it needed at most 2.1 times"),
        ({"modules": 8}, "There are 5 layers, so 5 modules at most."),
    ],
)
def test_who_wins_in_words(changes, said):
    assert said in verdict(first(**changes))


@pytest.mark.parametrize("signal", SIGNALS.values())
def test_the_picture(signal):
    found = list(bets(VALUES | {"signal": signal, "more": 1.5, "modules": 3, "cores": 1}))
    assert len(picture_of(found[0]).parts) == 1
    picture = picture_of(found[-1])
    assert len(picture.parts) == 2
    assert [fault for part in picture.parts for fault in faults(part)] == []
    assert picture.sentence.startswith(verdict(found[-1]))
    assert f"{signal}, 1.5 times the batches" in picture.sentence
    assert {len(line) for line in found[-1].by_latency.values()} == {len(LATENCIES)}


def test_the_panel(nothing_left):
    panel = race_panel()
    nothing_left.append(panel)
    panel.controls["layers"].value = 3
    panel.start()
    panel.wait()
    assert panel.message == ""
    assert "wins" in panel.sentence
    panel.controls["latency"].value = 100.0
    panel.wait()
    assert panel.sentence.startswith("Local loss wins")
