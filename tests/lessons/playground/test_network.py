"""The drawing of the network: readable, true to its numbers, and nothing hangs on colour."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from dnilab.experiments import Settings
from dnilab.experiments.settings import ORDERINGS
from dnilab.lessons.playground.experiments.told import Told
from dnilab.lessons.playground.pictures.network import network, true_stroke, way_told
from tests.pictures.legible import faults, is_drawn, texts


def told_of(hidden, used=0.5, message=0.9, inputs=24, outputs=12):
    below = len(hidden)
    some = tuple(None if used is None else used - 0.1 * k for k in range(below))
    return Told((inputs, *hidden, outputs), some, (message,) * below)


def drawn(ordering="sequential", hidden=(128, 64), **told):
    settings = Settings(ordering=ordering, hidden=hidden, workers=1)
    label = settings.name
    return network(settings, told_of(hidden, **told), label=label, epoch=10.53)


@pytest.mark.parametrize("ordering", ORDERINGS)
@pytest.mark.parametrize("hidden", [(5,), (128, 64), (2000,) * 8])
def test_readable_for_every_ordering_and_depth(ordering, hidden):
    picture = drawn(ordering, hidden, inputs=784, outputs=100)
    assert faults(picture) == []
    assert is_drawn(picture.png())
    assert f"{len(hidden) + 1} modules" in picture.sentence


def test_it_says_every_number_that_it_draws():
    picture = drawn(used=0.5, message=0.934)
    words = [text for text, _ in texts(picture)]
    for number in ("guess 0.50", "guess 0.40"):
        assert number in words
    assert words.count("told 0.93") == 2
    assert "module 1: guess 0.50, told 0.93" in picture.sentence
    assert "module 2: guess 0.40, told 0.93" in picture.sentence
    assert "module 3 has the true gradient" in picture.sentence
    assert "epoch 10.5" in picture.sentence


@pytest.mark.parametrize(
    ("ordering", "said"),
    [
        ("backprop", "waits until the true gradient"),
        ("sparse backprop", "waits until the true gradient"),
        ("last layer only", "told nothing"),
        ("feedback alignment", "fixed random weights"),
        ("direct feedback", "the error at the output through a random matrix"),
        ("local loss", "the gradient of its own loss"),
    ],
)
def test_it_says_what_tells_the_modules(ordering, said):
    assert said in drawn(ordering).sentence


def test_without_a_number_it_says_so():
    picture = drawn(used=None, message=None)
    assert "module 1: guess not measured, told not measured" in picture.sentence
    assert faults(picture) == []


def test_one_module_has_nobody_to_wait_for():
    settings = Settings(hidden=(8,), cuts=())
    picture = network(settings, Told((24, 12), (), ()), label="x", epoch=1)
    assert faults(picture) == []
    assert "nobody has to wait" in picture.sentence


def test_the_better_the_wider_and_bluer():
    strokes = [true_stroke(cosine) for cosine in np.linspace(0, 1, 5)]
    widths = [stroke.width for stroke in strokes]
    assert widths == sorted(set(widths))
    blueness = [to_rgb(stroke.color)[2] - to_rgb(stroke.color)[0] for stroke in strokes]
    assert blueness == sorted(set(blueness))


def test_against_the_truth_is_dashed():
    assert true_stroke(0.3).dash == "-"
    assert true_stroke(-0.3).dash != "-"


def test_the_ways():
    ways = {name: way_told(Settings(ordering=name, workers=1)) for name in ORDERINGS}
    assert ways["sequential"] == ways["pipeline"] == ways["sparse"] == "generator"
    assert ways["backprop"] == ways["sparse backprop"] == "truth"
    assert ways["local loss"] == "readout"
    assert ways["direct feedback"] == "feedback"
