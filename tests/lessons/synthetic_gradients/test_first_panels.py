"""The panels of notebooks 00 and 01."""

from __future__ import annotations

import numpy as np
import pytest

from dnilab.experiments import Settings, run
from dnilab.lessons.synthetic_gradients.panel import first_steps
from dnilab.lessons.synthetic_gradients.panel.first_steps import (
    adder_panel,
    knob_panel,
    learning,
    slope_panel,
)
from dnilab.lessons.synthetic_gradients.pictures.knob import knob
from dnilab.lessons.synthetic_gradients.pictures.slopes import FUNCTIONS, function_and_slope
from dnilab.training import Diverged
from tests.pictures.legible import faults


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_slope_is_the_derivative(name):
    f, derivative = FUNCTIONS[name]
    z = np.array([-2.0, -0.5, 0.3, 2.0])  # away from the kink of the ReLU
    step = 1e-6
    np.testing.assert_allclose(derivative(z), (f(z + step) - f(z - step)) / (2 * step), atol=1e-9)


@pytest.mark.parametrize("steepness", [0.25, 1.0, 4.0])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_picture_of_a_slope(name, steepness):
    assert faults(function_and_slope(name, steepness)) == []


@pytest.mark.parametrize(
    ("name", "steepness", "said"),
    [
        ("tanh", 2.0, "Its slope is 2.00 at a = 0, 0.00 at a = 2"),
        ("sigmoid", 1.0, "Its slope is 0.25 at a = 0, 0.10 at a = 2"),
        ("ReLU", 1.5, "Its slope jumps from 0 to 1.50 at a = 0 and is 1.50 at a = 2"),
    ],
)
def test_the_sentence_of_a_slope(name, steepness, said):
    assert said in function_and_slope(name, steepness).sentence


@pytest.mark.parametrize(
    ("given", "said"), [(("cube", 1.0), "function is 'cube'"), (("tanh", 0.0), "steepness is 0")]
)
def test_refuses(given, said):
    with pytest.raises(ValueError, match=said):
        function_and_slope(*given)


@pytest.fixture
def one_epoch(monkeypatch):
    monkeypatch.setattr(first_steps, "EPOCHS", 1)


def test_what_is_drawn_is_the_run_of_these_settings(one_epoch):
    values = {"rate": 0.2, "activation": "sigmoid", "inputs": "binary"}
    *_, (bits, sums) = learning(values)
    done = run(Settings(ordering="backprop", optimiser="sgd", batch_size=20, epochs=1, **values))
    assert bits.x[-1] == 1
    assert bits.y[0, -1] == done.final("bit_accuracy")
    assert sums.y[0, -1] == done.final("whole_sums")


def test_a_run_that_diverges_breaks_off(monkeypatch):
    diverged = Diverged(batch=750, epoch=1.5, module=1, part="body", message="It grew.")
    monkeypatch.setattr(first_steps, "stream", lambda settings, report_every: iter([diverged]))
    ((bits, sums),) = learning({})
    assert bits.x.tolist() == sums.x.tolist() == [1.5]
    assert np.isnan(bits.y).all()
    assert np.isnan(sums.y).all()


def test_a_turned_knob_is_drawn_anew(nothing_left):
    panel = knob_panel()
    nothing_left.append(panel)
    panel.start()
    panel.wait()
    panel.controls["w"].value = -1.0
    panel.wait()
    assert panel.message == ""
    assert panel.sentence == knob(-1.0).sentence


@pytest.mark.parametrize(
    "make", [slope_panel, knob_panel, lambda: adder_panel(0.6)], ids=["slope", "knob", "adder"]
)
def test_a_panel_shows_its_picture(make, monkeypatch, capsys, one_epoch):
    monkeypatch.setenv("DNILAB_STATIC", "1")
    panel = make()
    panel._ipython_display_()
    assert "picture 700 x" in capsys.readouterr().out
