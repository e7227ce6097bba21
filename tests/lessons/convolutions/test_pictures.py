"""Small images in rows: what is drawn, what is said, what is refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from dnilab.lessons.convolutions.pictures import images
from tests.pictures.legible import faults, is_drawn

RNG = np.random.default_rng(0)
TRUE, GUESS, DIGITS = (RNG.standard_normal((8, n, n)) for n in (4, 4, 8))


def example(**changes):
    rows = {"digit": DIGITS, "true gradient": TRUE, "guess": GUESS}
    arguments = {
        "columns": [f"channel {k}" for k in range(1, 9)],
        "grey": ("digit",),
        "compare": ("guess", "true gradient"),
        "title": "What the generator thinks",
        "note": "blue below 0, red above",
    }
    return images(rows, **(arguments | changes))


@pytest.mark.parametrize("width", [700, 900])
def test_it_can_be_read(width):
    picture = example(width=width)
    assert faults(picture) == []
    assert is_drawn(picture.png())
    assert picture.pixels[0] == width


def test_few_images_do_not_become_huge():
    picture = images({"g": TRUE[:1]})
    assert picture.pixels[1] < 150
    assert faults(picture) == []


def test_the_sentence_says_each_cosine():
    sentence = images(
        {"g": TRUE[:2], "guess": np.stack([2 * TRUE[0], -2 * TRUE[1]])}, compare=("guess", "g"),
        columns=("a", "b"),
    ).sentence  # fmt: skip
    assert "1.00 (a) and −1.00 (b)" in sentence
    assert "Guess is 2 times as long as g." in sentence


def test_a_guess_of_zero():
    picture = images({"g": TRUE, "guess": 0 * TRUE}, compare=("guess", "g"))
    assert "0.00, 0.00" in picture.sentence
    assert "Guess is 0 times as long" in picture.sentence
    assert is_drawn(picture.png())


def colours(picture):
    return np.asarray(Image.open(io.BytesIO(picture.png())).convert("RGB")).astype(int)


def test_signs_have_their_colours():
    pixels = colours(images({"g": np.array([[[-1.0, 1.0]]])}, width=300))
    blue = (pixels[:, :, 2] > pixels[:, :, 0] + 60).nonzero()[1]
    red = (pixels[:, :, 0] > pixels[:, :, 2] + 60).nonzero()[1]
    assert blue.size > 200
    assert red.size > 200
    assert blue.max() < red.min()  # -1 stands on the left


def test_each_image_has_its_own_scale():
    """How far from grey each of two images is: one of size 1, one of size 0.1."""
    pixels = colours(images({"g": np.array([1.0, 0.1]).reshape(2, 1, 1)}, width=300))
    spread = pixels.max(axis=2) - pixels.min(axis=2)
    columns = spread.max(axis=0)
    halves = np.flatnonzero(columns > 5)
    middle = (halves[0] + halves[-1]) // 2
    assert columns[:middle].max() == columns[middle:].max()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: images({}), "rows is empty"),
        (lambda: images({"a": TRUE[0]}), r"rows\['a'\] has shape \(4, 4\)"),
        (lambda: images({"a": TRUE, "b": TRUE[:3]}), r"rows\['b'\] has shape .* 8 images"),
        (lambda: images({"a": np.full((1, 2, 2), np.nan)}), "NaN or infinite"),
        (lambda: example(columns=["one"]), "columns has 1 names; it accepts 8"),
        (lambda: example(grey=("pixels",)), "grey is 'pixels'; it accepts one of 'digit', "),
        (lambda: example(compare=("guess", "digit")), "compare has rows of shapes"),
    ],
)
def test_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
