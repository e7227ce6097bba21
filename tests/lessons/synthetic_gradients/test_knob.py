"""One weight as a knob: the three slopes are true, and the picture says them."""

from __future__ import annotations

import numpy as np
import pytest

from dnilab.lessons.synthetic_gradients.pictures import knob as knob_module
from dnilab.lessons.synthetic_gradients.pictures.knob import (
    LABEL,
    TURNS,
    W1,
    W2,
    X,
    knob,
    measured_slope,
    turn,
)
from dnilab.network import BinaryCrossEntropy, Dense, finite_difference
from tests.pictures.legible import faults

PLACES = (*TURNS, -0.7, 0.0, 0.9)


@pytest.mark.parametrize("w", PLACES)
def test_the_product_of_the_slopes_is_the_derivative(w):
    (derivative,) = finite_difference(lambda v: turn(v[0]).loss, np.array([np.clip(w, -1.9, 2.9)]))
    assert turn(np.clip(w, -1.9, 2.9)).product == pytest.approx(derivative, rel=1e-6)
    assert measured_slope(turn(w)) == pytest.approx(turn(w).product, rel=1e-3)


@pytest.mark.parametrize("w", PLACES)
def test_it_is_a_network_of_the_package(w):
    first, second = Dense(2, 2, gain=0), Dense(2, 1, gain=0)
    first.W[:], second.W[:] = W1, W2[:, None]
    first.W[0, 1] = w
    a = first.predict(X[None])
    z = second.predict(np.tanh(a))
    (loss,) = BinaryCrossEntropy().per_row(z, np.array([[LABEL]]))
    assert turn(w).loss == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(turn(w).a, a[0])


def test_only_what_depends_on_the_knob_moves():
    one, other = turn(0.2), turn(0.3)
    assert one.a[0] == other.a[0]
    assert one.h[0] == other.h[0]
    assert one.a[1] != other.a[1]


@pytest.mark.parametrize("w", PLACES)
def test_the_picture_can_be_read(w):
    assert faults(knob(w)) == []


def test_what_is_filled_is_what_moves(monkeypatch):
    drawn = {}

    def keep(ax, boxes, arrows, words):
        drawn.update({box.lines[0].split(" = ")[0]: box.look for box in boxes})

    monkeypatch.setattr(knob_module, "draw_parts", keep)
    knob(0.5)
    filled = {name for name, look in drawn.items() if look == "told"}
    assert filled == {"$a[1]$", "$h[1]$", "$z$", "loss"}
    assert set(drawn) - filled == {"$x[0]$", "$x[1]$", "$a[0]$", "$h[0]$"}


def test_the_sentence_says_the_slopes():
    said = knob(0.9).sentence
    for slope in turn(0.9).slopes:
        assert f"{slope:.2f}" in said
    assert f"their product is {turn(0.9).product:.3f}" in said


@pytest.mark.parametrize("w", [-2.1, 3.5, "1", float("nan")])
def test_refuses(w):
    with pytest.raises((ValueError, TypeError), match=r"^w "):
        knob(w)
