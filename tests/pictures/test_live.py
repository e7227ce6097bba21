"""Live curves: a frame shows its data and nothing of the frame before; limits are calm."""

import gc
import io

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from dnilab.pictures import LiveCurves, Picture, Redrawn, Series, curves
from dnilab.pictures.curves import thin
from dnilab.pictures.live import calm_limits, nice_above
from tests.pictures.legible import is_drawn

NAN = float("nan")


def live(**more):
    return LiveCurves(**{"xlabel": "epoch", "ylabel": "loss", "size": (400, 300), **more})


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def test_a_frame_has_its_size_and_something_on_it():
    png = live(size=(700, 400)).update([Series("a", [0, 1, 2], [1.0, 0.5, 0.2])])
    assert Image.open(io.BytesIO(png)).size == (700, 400)
    assert is_drawn(png)


def test_nothing_of_the_frame_before_is_left():
    view = live(x_max=10, ylim=(0, 1))
    rng = np.random.default_rng(0)
    a = [Series("a", np.arange(9), rng.random((3, 9)))]
    b = [Series("a", np.arange(4), rng.random((3, 4)))]
    first = view.update(a)
    other = view.update(b)
    assert other != first
    assert view.update(a) == first
    assert view.backgrounds == 1


def test_a_frame_is_the_same_as_one_painted_without_history():
    rng = np.random.default_rng(1)
    y = rng.random((2, 30))
    grown = live(x_max=30, ylim=(0, 1))
    for n in range(1, 31):
        frame = grown.update([Series("a", np.arange(n), y[:, :n])])
    fresh = live(x_max=30, ylim=(0, 1)).update([Series("a", np.arange(30), y)])
    assert frame == fresh


def test_the_line_is_where_the_data_is():
    view = live(x_max=1, ylim=(0, 1), size=(400, 300))
    image = pixels(view.update([Series("a", [0, 1], [0.5, 0.5])]))
    blue = (image[:, :, 2] > 150) & (image[:, :, 0] < 60)
    rows = np.flatnonzero(blue[:, 200])
    axes = view._axes.get_window_extent()
    low, high = view._axes.get_ylim()
    wanted = 300 - (axes.y0 + axes.height * (0.5 - low) / (high - low))
    assert abs(rows.mean() - wanted) < 2.5


def test_the_line_drawn_is_the_mean_of_the_seeds():
    view = live()
    view.update([Series("a", [0, 1], [[1.0, 2.0], [3.0, 6.0]])])
    np.testing.assert_array_equal(view._curves[0].line.get_ydata(), [2.0, 4.0])


def test_what_is_drawn_does_not_pile_up():
    view = live()
    view.update([Series("a", [0, 1], [1.0, 2.0])])
    counts = [len(view._axes.lines), len(view._axes.collections), len(view._picture.axes)]
    gc.collect()
    figures = sum(isinstance(one, Figure) for one in gc.get_objects())
    for n in range(2, 80):
        view.update([Series("a", np.arange(n), np.linspace(1, n, n))])
    assert [len(view._axes.lines), len(view._axes.collections), len(view._picture.axes)] == counts
    gc.collect()
    assert sum(isinstance(one, Figure) for one in gc.get_objects()) == figures


def test_the_background_is_painted_seldom():
    view = live(x_max=200)
    for n in range(1, 201):
        view.update([Series("a", np.arange(n) / 1.0, np.exp(-np.arange(n) / 40))])
    assert view.backgrounds <= 8


def test_another_set_of_lines_is_another_picture():
    view = live(x_max=2)
    one = view.update([Series("a", [0, 1, 2], [1.0, 0.5, 0.2])])
    two = view.update([Series("a", [0, 1, 2], [1.0, 0.5, 0.2]), Series("b", [0, 1, 2], [1, 1, 1])])
    assert one != two
    assert view.update([Series("a", [0, 1, 2], [1.0, 0.5, 0.2])]) == one


def test_the_sentence_is_that_of_the_still_picture():
    series = [Series("a", [0, 1], [1.0, 0.5]), Series("b", [0, 1], [1.0, 0.7])]
    view = live(better="lower")
    still = curves(series, xlabel="epoch", ylabel="loss", better="lower")
    assert view.sentence(series) == still.sentence == view.picture(series).sentence


@pytest.mark.parametrize(
    "y",
    [[NAN], [0.0], [1e200, np.inf], [1e-300, 1e-301], [-5.0, -3.0], [3.0, 3.0]],
)
def test_odd_data_is_drawn_without_a_warning(y):
    assert live().update([Series("a", np.arange(len(y)), y)])


def test_a_wrong_direction_is_refused():
    with pytest.raises(ValueError, match="better is 'up'"):
        live(better="up")


# -- calm limits -----------------------------------------------------------------------------

size = st.floats(-1e6, 1e6).filter(lambda v: v == 0 or abs(v) > 1e-6)


@given(a=size, b=size)
def test_limits_hold_the_data(a, b):
    low, high = min(a, b), max(a, b)
    bottom, top = calm_limits(low, high)
    slack = 1e-9 * max(abs(low), abs(high), 1e-9)
    assert bottom <= low + slack
    assert high <= top + slack
    assert bottom < top


@given(a=size, b=size)
def test_limits_are_kept_while_the_data_stays_inside(a, b):
    low, high = min(a, b), max(a, b)
    limits = calm_limits(low, high)
    assume(limits[0] <= low and high <= limits[1])
    assert calm_limits(low, high, limits) == limits


@settings(max_examples=50)
@given(steps=st.lists(st.floats(0, 1), min_size=50, max_size=200))
def test_limits_of_growing_data_move_few_times(steps):
    limits, moves, high = None, 0, 0.0
    for step in steps:
        high += step
        new = calm_limits(0.0, max(high, 1e-3), limits)
        moves += new != limits
        limits = new
    assert moves <= 25  # at most seven a power of ten


def test_limits_by_hand():
    assert calm_limits(0.02, 0.62) == (0.0, 0.75)
    assert calm_limits(0.1, 0.7, (0.0, 0.75)) == (0.0, 0.75)
    assert calm_limits(0.0, 0.05, (0.0, 0.75)) == (0.0, 0.05)  # a third is not filled any more
    assert calm_limits(0.1, 0.9, (0.0, 0.75)) == (0.0, 1.0)
    bottom, top = calm_limits(0.985, 0.999)
    assert 0.95 < bottom <= 0.985
    assert 0.999 <= top < 1.02
    assert calm_limits(NAN, NAN) == (0.0, 1.0)
    assert calm_limits(NAN, NAN, (2.0, 3.0)) == (2.0, 3.0)


@given(st.floats(1e-9, 1e9))
def test_nice_numbers(value):
    nice = nice_above(value)
    assert value * (1 - 1e-9) <= nice <= 2 * value


def test_a_thinned_band_keeps_its_extremes():
    rng = np.random.default_rng(0)
    low, high = rng.random(5000), rng.random(5000) + 1
    x, thin_low, thin_high = thin(np.arange(5000.0), low, high)
    assert x.size <= 700
    assert thin_low.min() == low.min()
    assert thin_high.max() == high.max()
    np.testing.assert_array_equal(thin(np.arange(3.0), low[:3], high[:3])[1], low[:3])


# -- redrawn ---------------------------------------------------------------------------------


def test_redrawn_draws_once_for_picture_and_sentence():
    calls = []

    def draw(snapshot):
        calls.append(snapshot)
        return Picture(200, 100, sentence=f"shows {snapshot}")

    view = Redrawn(draw)
    assert view.update(5)
    assert view.sentence(5) == "shows 5"
    assert calls == [5]
    assert view.sentence(6) == "shows 6"


def test_redrawn_does_not_mistake_an_array_changed_in_place_for_the_old_one():
    view = Redrawn(lambda a: Picture(200, 100, sentence=f"sum {a.sum():g}"))
    array = np.ones(3)
    view.update(array)
    array += 1
    view.update(array)
    assert view.sentence(array) == "sum 6"


def test_redrawn_wants_a_picture():
    with pytest.raises(TypeError, match="draw gives a str"):
        Redrawn(lambda snapshot: "no picture").update(1)
