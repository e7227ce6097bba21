"""The picture itself: what it is on a page, and how numbers are said."""

import base64
import io
import itertools

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from dnilab.pictures import Picture
from dnilab.pictures.draw import dress
from dnilab.pictures.style import LOOKS, encode_png, escape_markdown, listing, look, number


@pytest.fixture
def picture():
    picture = Picture(300, 200, sentence="A line * from 0 to 1.", alt="Line")
    picture.add_axes((0.2, 0.2, 0.7, 0.7)).plot([0, 1], [0, 1])
    return picture


@pytest.fixture
def displayed(monkeypatch):
    outputs = []

    def display(data, metadata=None, raw=False):
        assert raw
        outputs.append((data, metadata))

    monkeypatch.setattr("IPython.display.display", display)
    return outputs


def test_on_a_page_the_image_comes_with_alt_and_then_its_sentence(picture, displayed):
    picture._ipython_display_()
    (image, metadata), (words, _) = displayed
    pixels = Image.open(io.BytesIO(base64.b64decode(image["image/png"]))).size
    assert pixels == (600, 400)
    assert metadata == {"image/png": {"alt": "Line", "width": 300, "height": 200}}
    assert words["text/plain"] == "A line * from 0 to 1."
    assert words["text/markdown"] == r"A line \* from 0 to 1."


def test_its_text_holds_no_address_that_would_differ_from_run_to_run(picture, displayed):
    picture._ipython_display_()
    assert displayed[0][0]["text/plain"] == "<picture 300 x 200>"
    assert repr(picture) == "<Picture 300 x 200: A line * from 0 to 1.>"


def test_png_is_the_size_asked_for_and_the_same_again(picture):
    once = picture.png()
    assert Image.open(io.BytesIO(once)).size == (300, 200)
    assert Image.open(io.BytesIO(picture.png(scale=2))).size == (600, 400)
    assert picture.png() == once


def test_the_image_on_a_page_keeps_its_colours():
    picture = Picture(300, 200)
    ax = picture.add_axes((0, 0, 1, 1))
    ax.axis("off")
    for place in range(7):
        ax.axvspan(place, place + 0.8, color=look(place).color)
    exact = np.asarray(Image.open(io.BytesIO(picture.png(scale=2))).convert("RGB")).astype(int)
    paged = np.asarray(Image.open(io.BytesIO(picture.page_png())).convert("RGB")).astype(int)
    assert np.abs(exact - paged).max() <= 8
    assert len(picture.page_png()) < len(picture.png(scale=2))


def test_the_ground_is_opaque_and_near_white_whatever_the_style_of_the_reader(displayed):
    with mpl.rc_context({"figure.facecolor": "black", "savefig.transparent": True}):
        picture = Picture(200, 100)
    image = Image.open(io.BytesIO(picture.png()))
    assert image.mode == "RGB"
    assert image.getpixel((0, 0)) == (255, 255, 255)


def test_a_dark_style_of_the_reader_does_not_reach_the_axes():
    def png():
        picture = Picture(300, 200)
        dress(picture.add_axes((0.2, 0.2, 0.7, 0.7)), xlabel="epoch", ylabel="loss")
        return picture.png()

    plain = png()
    dark = {
        "axes.facecolor": "black",
        "text.color": "white",
        "axes.labelcolor": "white",
        "xtick.color": "white",
        "ytick.color": "white",
        "axes.edgecolor": "white",
        "font.family": "serif",
        "grid.color": "red",
    }
    with mpl.rc_context(dark):
        assert png() == plain


def test_a_picture_too_small_to_read_is_refused():
    with pytest.raises(ValueError, match="width is 10; it accepts a whole number of at least 100"):
        Picture(10, 200)


def test_no_two_looks_share_colour_dash_or_marker():
    for a, b in itertools.combinations(LOOKS, 2):
        assert a.color != b.color
        assert a.dash != b.dash
        assert a.marker != b.marker
    assert look(7) == look(0)


def test_encoding_keeps_the_pixels():
    rgba = np.full((4, 5, 4), 255, dtype=np.uint8)
    rgba[1, 2, :3] = (10, 20, 30)
    back = np.asarray(Image.open(io.BytesIO(encode_png(rgba))))
    np.testing.assert_array_equal(back, rgba[:, :, :3])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.012345, "0.0123"),
        (1481.0, "1480"),
        (999.6, "1000"),
        (100.0, "100"),
        (-0.5, "-0.5"),
        (0.0, "0"),
        (2.5e23, "2.5e+23"),
        (1e-7, "1e-07"),
        (float("nan"), "not a number"),
        (float("inf"), "not a number"),
    ],
)
def test_numbers_in_words(value, words):
    assert number(value) == words


def test_percentages_in_words():
    assert number(0.99812, percent=True) == "99.8 %"


def test_lists_in_words():
    assert [listing(list("abc")[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]


def test_markdown_shows_names_as_they_are():
    assert escape_markdown("g_hat |x| $1") == r"g\_hat \|x\| \$1"
