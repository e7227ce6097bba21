"""Runs seed by seed: what is drawn, what is said, and that it can be read."""

from __future__ import annotations

import pytest

from dnilab.lessons.playground.pictures import pairs
from tests.pictures.legible import faults, is_drawn

ENDS = {"backprop": [0.9, 0.8, 0.95], "DNI(h, y)": [0.85, 0.82, 0.9], "DNI(h)": [0.5, 0.6, 0.55]}
LOOKS = {"backprop": 0, "DNI(h, y)": 2, "DNI(h)": 1}


def picture(ends=ENDS, **more):
    return pairs(ends, quantity="unseen bits right", title="Seed by seed", **more)


def test_readable():
    drawn = picture(looks=LOOKS)
    assert faults(drawn) == []
    assert is_drawn(drawn.png())


def test_there_is_a_line_for_each_seed_and_dots_for_each_setting():
    joined, dotted = picture().axes[0].lines[:3], picture().axes[0].lines[3:]
    assert [list(line.get_ydata()) for line in joined] == [
        [ends[seed] for ends in ENDS.values()] for seed in range(3)
    ]
    assert [list(line.get_ydata()) for line in dotted] == list(ENDS.values())


def test_the_sentence_subtracts_seed_from_seed():
    sentence = picture().sentence
    assert "backprop minus DNI(h, y), in points: +5.0, -2.0 and +5.0 (2 of 3 above 0)" in sentence
    assert "DNI(h, y) minus DNI(h), in points: +35.0, +22.0 and +35.0 (3 of 3" in sentence
    assert "backprop minus DNI(h)," not in sentence  # neighbours alone


def test_a_seed_that_diverged_is_said():
    drawn = picture({"a": [0.9, 0.8], "b": [float("nan"), 0.7]})
    assert "a minus b, in points: diverged and +10.0 (1 of 2 above 0)" in drawn.sentence
    assert "× diverged" in [text.get_text() for text in drawn.axes[0].texts]
    assert faults(drawn) == []


def test_refused():
    with pytest.raises(ValueError, match="ends has 1 settings"):
        pairs({"a": [1.0]}, quantity="x")
    with pytest.raises(ValueError, match=r"ends\['b'\] has 1 entries; it accepts 2, one for each"):
        pairs({"a": [1.0, 2.0], "b": [1.0]}, quantity="x")
