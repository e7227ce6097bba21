"""Pictures of what a generator can know."""

from __future__ import annotations

import numpy as np
import pytest

from dnilab.experiments import Settings, run
from dnilab.lessons.synthetic_gradients.pictures.contexts import (
    by_module,
    frozen_up_to,
    opposite_arrows,
    reliability,
)


def test_arrows_say_when_nothing_is_left_to_guess():
    picture = opposite_arrows([("Early", 0.5, 0.8), ("Calibrated", 0.8, 0.8)])
    early, late = picture.sentence.split("Calibrated: ")
    assert "their mean is -0.3." in early
    assert "zero" not in early
    assert "their mean is zero." in late
    texts = [text.get_text() for text in picture.axes[0].texts]
    assert "Calibrated: p = 0.8" in texts
    assert "their mean, the best guess" in texts
    assert "their mean, the best guess: zero" in texts


@pytest.mark.parametrize("moment", [("a", 1.5, 0.5), ("a", 0.5, -0.1)])
def test_arrows_of_no_probability(moment):
    with pytest.raises(ValueError, match=r"^(p is 1.5|share is -0.1); it accepts"):
        opposite_arrows([moment])


def test_the_distance_from_the_diagonal_is_that_of_the_mean():
    said = np.array([0.2, 0.6])
    picture = reliability(said, [[0.2, 0.5], [0.2, 0.6]], [[0.4, 0.6], [0.4, 0.6]])
    assert "at most 0.05 away from it, unseen rows 0.20" in picture.sentence
    assert "2 seeds" in picture.sentence


def test_a_curve_for_each_module_below_the_top():
    settings = Settings(
        bits=4, examples=40, test_examples=4, hidden=(5, 4), epochs=2, batch_size=10, probe_rows=9
    )
    picture = by_module([run(settings)], "cosine", "Cosine of the guess", "cosine")
    assert "module 1" in picture.sentence
    assert "module 2" in picture.sentence
    assert "module 3" not in picture.sentence


def test_the_price_of_each_frozen_module_is_said():
    errors = {"DNI(h)": np.array([[0.1, 0.2], [0.2, 0.3]]), "backprop": np.array([[0.0, 0.5]] * 2)}
    picture = frozen_up_to(errors)
    assert "DNI(h): 15.0%, 25.0%; backprop: 0.0%, 50.0%." in picture.sentence
    assert "Mean of 2 seeds" in picture.sentence
