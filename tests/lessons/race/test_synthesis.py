"""The rows of notebook 14: locks, prices, and that each method is what its name says."""

from __future__ import annotations

import numpy as np
import pytest

from dnilab.experiments import Settings
from dnilab.lessons.race.experiments import synthesis
from dnilab.lessons.race.experiments.contestants import IN_LINE, Goal, Network, ledger
from dnilab.lessons.race.experiments.synthesis import SAME_BITS, Learned, learn, methods
from dnilab.lessons.race.pictures import synthesis_table
from dnilab.network import FixedFeedbackDense

NETWORK = Network((64, *(64,) * 6, 10))
ALL = ("forward", "update", "backward")
LOCKS = {
    IN_LINE: ALL,
    "GPipe": ALL,
    "1F1B": ALL,
    "zero bubble": ALL,
    "late truth": ALL,
    "feedback alignment": ALL,
    "direct feedback": ("forward", "update"),
    "local loss": ("forward",),
    "generator on (h, y)": ("forward",),
    "generator on h": ("forward",),
    "complete unlock": (),
    "upper module only": ("forward",),
    "last layer only": ("forward",),
}
TINY = Goal(
    Settings(task="digits", hidden=(8, 8, 8), activation="relu", batch_size=128, epochs=1),
    "class_error",
    0.5,
)


def test_locks():
    found = methods(NETWORK, blas_threads=2)
    names = list(found)
    assert names.pop(1) == "backpropagation, 2 BLAS threads"
    assert names == list(LOCKS)
    assert {n: ledger(found[n].contestant, NETWORK).locks for n in names} == LOCKS


def test_prices():
    found = {n: ledger(m.contestant, NETWORK) for n, m in methods(NETWORK).items()}
    work = {name: of.work for name, of in found.items()}
    assert work["feedback alignment"] == 1
    assert work["last layer only"] < 0.5 < work["local loss"] < 1 < work["generator on h"]
    assert work["generator on h"] < work["generator on (h, y)"] < work["complete unlock"]
    assert found["local loss"].messages == found["last layer only"].messages == 1
    assert found["complete unlock"].messages == 2


def test_more_staleness_is_said():
    old = methods(NETWORK, staleness=3)["late truth"]
    assert "3 batches old" in old.gives_up
    assert "1 batch old" in methods(NETWORK)["late truth"].gives_up


@pytest.mark.parametrize("name", [n for n in LOCKS if n not in SAME_BITS])
def test_each_trains(name):
    data = TINY.settings.data()
    one = methods(TINY.network(data))[name].contestant
    found = learn(one, TINY, 0, rate=1e-2)
    assert 0 <= found.score <= 1
    assert (found.cosine is None) == (one.signal == "truth")
    stack = one.stack(TINY.network(data), np.random.default_rng(0))
    layers = [layer for module in stack.modules for layer in module.body.layers]
    fixed = any(isinstance(layer, FixedFeedbackDense) for layer in layers)
    assert fixed == (name == "feedback alignment")
    inputs = [module.input_model is not None for module in stack.modules]
    assert any(inputs) == (name == "complete unlock")


def test_the_cosine_is_that_of_module_1(monkeypatch):
    one = methods(TINY.network(TINY.settings.data()))["generator on (h, y)"].contestant
    found = learn(one, TINY, 0, rate=1e-2)
    monkeypatch.setattr(synthesis, "cosine", lambda guess, true: (guess.shape, true.shape))
    assert learn(one, TINY, 0, rate=1e-2).cosine == ((128, 8), (128, 8))
    assert -1 <= found.cosine <= 1


def test_divergence_is_said():
    one = methods(TINY.network(TINY.settings.data()))[IN_LINE].contestant
    with pytest.raises(RuntimeError, match="diverged with rate 1e"):
        learn(one, TINY, 0, rate=1e200)


def test_the_table():
    rows = methods(NETWORK)
    learned = {name: [Learned(0.1, None), Learned(0.2, None)] for name in rows}
    learned["local loss"] = [Learned(0.0, 0.25), Learned(0.0, 0.75)]
    table = synthesis_table(rows, NETWORK, learned)
    found = {row[0]: dict(zip(table.head, row, strict=True)) for row in table.body}
    assert list(found) == list(rows)
    assert found["local loss"]["cosine"] == "0.50"
    assert found[IN_LINE]["cosine"] == "–"
    assert found[IN_LINE]["error %"] == "15.0 ± 7.1"
    assert found[IN_LINE]["locks"] == "F U B"
    assert found["complete unlock"]["locks"] == "none"
    assert "2 seeds" in table.caption
