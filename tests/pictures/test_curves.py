"""Curves: the arrays drawn, the words said, and that both can be read."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnilab.pictures import Series, curves
from dnilab.pictures.curves import Chart, Summary, spread_out, stagger, y_range
from tests.pictures.legible import faults, is_drawn

NAN = float("nan")


def lines(picture):
    """label is not kept on lines, so by colour: the data lines of the axes, long ones only."""
    return [line for line in picture.axes[0].lines if line.get_transform() == line.axes.transData]


def test_mean_and_band_over_seeds():
    s = Summary(Series("a", [1, 2], [[1.0, 10.0], [3.0, 20.0], [5.0, 60.0]]))
    np.testing.assert_array_equal(s.mean, [3.0, 30.0])
    np.testing.assert_array_equal(s.low, [1.0, 10.0])
    np.testing.assert_array_equal(s.high, [5.0, 60.0])
    assert (s.seeds, s.diverged, s.diverged_at) == (3, 0, None)


def test_a_mean_ends_where_the_first_seed_diverges():
    y = [[1.0, 2.0, 3.0, 4.0], [1.0, np.inf, 3.0, 4.0], [3.0, 2.0, 3.0, NAN]]
    s = Summary(Series("a", [0, 5, 10, 15], y))
    np.testing.assert_array_equal(s.x, [0])
    np.testing.assert_array_equal(s.mean, [5 / 3])
    assert (s.diverged, s.diverged_at) == (2, 5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("", [0], [0]), "label is empty"),
        (("a", [0, 0], [1, 2]), "x of 'a'"),
        (("a", [0, NAN], [1, 2]), "x of 'a'"),
        (("a", [[0, 1]], [1, 2]), "x of 'a'"),
        (("a", [0, 1], [1, 2, 3]), r"y of 'a' has shape \(3,\); it accepts \(2,\) or \(seeds, 2\)"),
        (("a", [0, 1], np.zeros((2, 2, 2))), "y of 'a'"),
    ],
)
def test_series_that_do_not_fit_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        Series(*arguments)


def test_what_is_refused_names_its_argument():
    one = Series("a", [0, 1], [1, 2])
    with pytest.raises(ValueError, match="series is empty"):
        curves([], xlabel="x", ylabel="y")
    with pytest.raises(ValueError, match="series has the label 'a' twice"):
        curves([one, one], xlabel="x", ylabel="y")
    with pytest.raises(TypeError, match="series has a list"):
        curves([[1, 2]], xlabel="x", ylabel="y")
    for name in ("better", "labels"):
        with pytest.raises(ValueError, match=f"{name} is 'no'"):
            curves([one], xlabel="x", ylabel="y", **{name: "no"})


def say(*series, **more):
    more = {"xlabel": "epoch", "ylabel": "test error", "better": "lower", **more}
    return Chart(**more).describe([Summary(s) for s in series])


def test_who_leads_and_by_how_much():
    words = say(
        Series("A", [1, 2], [[0.5, 0.1], [0.5, 0.3]]),
        Series("B", [1, 2], [[0.5, 0.4], [0.5, 0.6]]),
        Series("C", [1, 2], [[0.9, 0.8], [0.9, 0.8]]),
        percent=True,
    )
    assert words == (
        "Test error against epoch, from 1 to 2. At the end A 20.0 % (10.0 % to 30.0 %) is 30 "
        "percentage points ahead of B 50.0 % (40.0 % to 60.0 %); then C 80.0 % (80.0 % to "
        "80.0 %). Mean of 2 seeds, band from the lowest to the highest."
    )


def test_the_direction_of_better_decides_who_is_ahead():
    low, high = Series("low", [0, 1], [1, 1]), Series("high", [0, 1], [2, 3])
    assert "low 1 is 2 ahead of high 3" in say(low, high, better="lower")
    assert "high 3 is 2 ahead of low 1" in say(low, high, better="higher")


def test_nobody_is_ahead_where_no_end_is_better():
    loss, size = Series("loss", [0, 1], [1, 1]), Series("size", [0, 1], [2, 3])
    assert "At the end: size 3, loss 1." in say(size, loss, better=None)


def test_bands_that_overlap_are_said():
    words = say(
        Series("A", [0, 1], [[1, 1.0], [1, 3.0]]), Series("B", [0, 1], [[1, 2.0], [1, 4.0]])
    )
    assert "the bands of these two overlap" in words


def test_a_tie_is_called_a_tie():
    words = say(Series("A", [0, 1], [1, 0.2]), Series("B", [0, 1], [1, 0.2000001]))
    assert "At the end A and B are level at 0.2" in words


def test_one_line_is_told_from_start_to_end():
    assert say(Series("A", [0, 4], [1.0, 0.25])) == (
        "Test error against epoch, from 0 to 4. A goes from 1 to 0.25."
    )


def test_divergence_is_told_and_does_not_lead():
    words = say(
        Series("A", [0, 1, 2], [[5.0, NAN, NAN], [5.0, 1.0, 0.0]]),
        Series("B", [0, 1, 2], [3.0, 2.0, 1.0]),
    )
    assert "B goes from 3 to 1" in words
    assert "A diverged in 1 of 2 seeds, first at epoch 1" in words
    assert say(Series("A", [0, 1], [NAN, NAN])) == (
        "Test error against epoch. A diverged, first at epoch 0."
    )


def test_a_run_that_diverged_does_not_set_the_scale():
    bad = Summary(Series("bad", [0, 1, 2], [2.0, 1e90, np.inf]))
    good = Summary(Series("good", [0, 1, 2], [1.0, 0.5, 0.2]))
    assert y_range([bad, good]) == (0.2, 2.0)
    assert y_range([bad]) == (2.0, 2.0)
    assert np.isnan(y_range([Summary(Series("none", [0], [NAN]))])).all()


def test_only_what_a_log_axis_can_show_sets_its_scale():
    s = Summary(Series("a", [0, 1, 2], [0.0, 0.1, 1.0]))
    assert y_range([s], log=True) == (0.1, 1.0)


def test_the_lines_drawn_are_the_means_handed_in():
    y = np.array([[1.0, 2.0, 4.0], [3.0, 4.0, 8.0]])
    picture = curves(
        [Series("a", [0, 1, 2], y), Series("b", [0, 1, 2], [7.0, 8.0, 9.0])],
        xlabel="epoch",
        ylabel="loss",
    )
    first, second = (line for line in lines(picture) if len(line.get_xdata()) == 3)
    np.testing.assert_array_equal(first.get_ydata(), [2, 3, 6])
    np.testing.assert_array_equal(second.get_ydata(), [7, 8, 9])
    assert first.get_color() != second.get_color()
    assert (
        first.get_linestyle() != second.get_linestyle() or first.is_dashed() != second.is_dashed()
    )
    band, of_one_seed = picture.axes[0].collections
    assert not of_one_seed.get_paths()
    corners = {tuple(p) for p in band.get_paths()[0].vertices}
    assert {(0, 1), (0, 3), (1, 2), (1, 4), (2, 4), (2, 8)} <= corners


def test_a_look_can_be_fixed():
    picture = curves([Series("a", [0, 1], [0, 1], look=3)], xlabel="x", ylabel="y")
    assert lines(picture)[0].get_marker() == "D"


ends = st.lists(st.floats(0, 1), min_size=1, max_size=7)


@settings(max_examples=15, deadline=None)
@given(ends=ends, labels=st.sampled_from(["end", "legend"]), title=st.booleans())
def test_every_label_can_be_read_wherever_the_lines_end(ends, labels, title):
    names = ["backprop", "DNI(h)", "DNI(h, y)", "DNI(x, h, y)", "last layer only", "a", "bb"]
    picture = curves(
        [Series(name, [0, 1, 2], [1, 0.5, end]) for name, end in zip(names, ends, strict=False)],
        xlabel="epoch",
        ylabel="test error",
        title="Digits" if title else None,
        percent=True,
        labels=labels,
    )
    assert faults(picture) == []
    assert is_drawn(picture.png())


def test_a_text_on_another_or_cut_off_would_be_found():
    picture = curves([Series("a", [0, 1], [0, 1])], xlabel="x", ylabel="y", title="A title")
    picture.text(0.02, 0.93, "on the title")
    picture.text(0.98, 0.5, "over the edge")
    found = " ".join(faults(picture))
    assert "are on each other" in found
    assert "'over the edge' is cut off" in found


def test_long_labels_go_into_a_legend():
    long = "a name so long that beside the lines it would leave no room for them at all"
    picture = curves([Series(long, [0, 1], [0, 1])], xlabel="x", ylabel="y")
    assert faults(picture) == []
    assert picture.axes[0].get_position().width > 0.7


@pytest.mark.parametrize(
    "series",
    [
        Series("point", [3], [2.0]),
        Series("flat", [0, 1], [2.0, 2.0]),
        Series("zero", [0, 1], [0.0, 0.0]),
        Series("gone", [0, 1], [NAN, NAN]),
        Series("explodes", [0, 1, 2], [1.0, 1e200, np.inf]),
        Series("tiny", [0, 1], [1e-300, 1e-301]),
    ],
)
@pytest.mark.parametrize("log_y", [False, True])
def test_odd_data_is_drawn_without_a_warning(series, log_y):
    picture = curves([series], xlabel="epoch", ylabel="loss", log_y=log_y)
    assert faults(picture) == []
    assert picture.png()
    assert picture.sentence


def test_reference_lines():
    picture = curves(
        [Series("a", [0, 1], [0.6, 0.9])], xlabel="x", ylabel="y", marks=[(0.5, "chance")]
    )
    low, high = picture.axes[0].get_ylim()
    assert low < 0.5 < 0.9 < high
    assert any(text.get_text() == "chance" for text in picture.axes[0].texts)


@pytest.mark.parametrize("end", [0.1, 0.4, 0.6, 0.9])
@pytest.mark.parametrize("start", [0.1, 0.4, 0.6, 0.9])
def test_the_words_of_a_reference_line_keep_away_from_the_curves(start, end):
    picture = curves(
        [Series("a", [0, 1], [start, end])],
        xlabel="x",
        ylabel="y",
        marks=[(0.5, "half of them")],
        ylim=(0, 1),
    )
    ax = picture.axes[0]
    (text,) = [text for text in ax.texts if text.get_text() == "half of them"]
    box = text.get_window_extent()
    x = np.linspace(0, 1, 300)
    points = ax.transData.transform(np.column_stack([x, start + (end - start) * x]))
    assert not any(box.contains(*point) for point in points)


def tick_words(picture):
    picture.canvas.draw()
    return [label.get_text() for label in picture.axes[0].get_xticklabels()]


def test_a_logarithmic_axis_names_what_was_measured():
    x = [10, 32, 100, 320, 1000, 5000]
    picture = curves([Series("a", x, np.ones(6))], xlabel="batch", ylabel="times", log_x=True)
    assert tick_words(picture) == ["10", "32", "100", "320", "1000", "5000"]
    assert faults(picture) == []
    x = [10, 10.5, 11, 1000]
    picture = curves([Series("a", x, np.ones(4))], xlabel="batch", ylabel="times", log_x=True)
    assert "10.5" not in tick_words(picture)
    assert faults(picture) == []


def test_markers_of_lines_on_each_other_are_apart():
    places = [
        set(range(*stagger(100, place, 3)[:1], 100, stagger(100, place, 3)[1]))
        for place in range(3)
    ]
    assert not places[0] & places[1]
    assert not places[1] & places[2]


@given(
    wanted=st.lists(st.floats(0, 300), min_size=1, max_size=12),
    gap=st.floats(1, 60),
)
def test_labels_keep_their_distance_their_order_and_the_frame(wanted, gap):
    placed = spread_out(wanted, gap, 0.0, 300.0)
    room = min(gap, 300 / max(len(wanted) - 1, 1))
    ordered = sorted(placed)
    assert all(b - a >= room - 1e-6 for a, b in itertools.pairwise(ordered))
    assert ordered[0] >= -1e-6
    assert ordered[-1] <= 300 + 1e-6
    for i, j in zip(
        np.argsort(wanted, kind="stable")[:-1], np.argsort(wanted, kind="stable")[1:], strict=True
    ):
        assert placed[i] <= placed[j] + 1e-6


def test_labels_with_room_stay_where_they_are():
    assert spread_out([10.0, 50.0, 90.0], 15.0, 0.0, 100.0) == [10.0, 50.0, 90.0]
    assert spread_out([], 15.0, 0.0, 100.0) == []


@pytest.mark.parametrize(("level", "near"), [(0.4, 0.8), (9.6, 9.2)])
def test_the_words_at_a_mark_stay_in_the_frame_even_where_a_curve_is_in_the_way(level, near):
    picture = curves(
        [Series("a", [0, 1], [near, near])],
        xlabel="x",
        ylabel="y",
        ylim=(0, 10),
        marks=[(level, "here")],
    )
    ax = picture.axes[0]
    (words,) = (text.get_window_extent() for text in ax.texts if text.get_text() == "here")
    frame = ax.get_window_extent()
    assert frame.y0 - 1 <= words.y0
    assert words.y1 <= frame.y1 + 1


@pytest.mark.parametrize("labels", ["end", "legend"])
@pytest.mark.parametrize("name", ["$_$", "costs 5 $", r"$\frac$", "a_b^c"])
def test_a_name_is_no_mathematics(name, labels):
    picture = curves([Series(name, [0, 1], [1, 2])], xlabel="x", ylabel="y", labels=labels)
    assert picture.png().startswith(b"\x89PNG")
    assert name in picture.sentence


@pytest.mark.parametrize("log_y", [False, True])
def test_what_no_axis_can_show_counts_as_diverged(log_y):
    series = [Series("a", [0, 1, 2], [1.0, 2.0, 1.7e308]), Series("b", [0, 1, 2], [1.0, 2.0, 3.0])]
    picture = curves(series, xlabel="x", ylabel="y", log_y=log_y)
    assert picture.png().startswith(b"\x89PNG")
    assert "a diverged, first at x 2" in picture.sentence
