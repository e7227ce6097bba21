"""Tables, dots and timelines: the numbers counted and the words said."""

import numpy as np
import pytest

from dnilab.lessons.race.dots import dots
from dnilab.pictures import Bar, Results, Table, table, timeline
from dnilab.pictures.timeline import bar_label, best_unit, loads, span
from tests.pictures.legible import faults, is_drawn

NAN = float("nan")


@pytest.fixture
def results():
    return Results(
        {
            "backprop": {3: [0.01, 0.03], 4: [0.02, 0.02]},
            "DNI(h)": {3: [0.04, 0.06], 4: [NAN, NAN]},
        },
        quantity="test error",
        rows="trained by",
        columns="layers",
        percent=True,
    )


def test_mean_and_sample_standard_deviation(results):
    mean, std = results.mean_std("backprop", 3)
    assert mean == pytest.approx(0.02)
    assert std == pytest.approx(0.01 * np.sqrt(2))
    assert results.cell("backprop", 3) == "2.0 ± 1.4"
    assert results.cell("DNI(h)", 4) == "diverged (2 of 2)"


def test_the_best_of_a_column(results):
    assert results.best(3) == "backprop"
    higher = Results({"a": {"": [0.1]}, "b": {"": [0.9]}}, quantity="accuracy", better="higher")
    assert higher.best("") == "b"
    assert Results({"a": {"": [NAN]}}, quantity="x").best("") is None


def test_a_seed_that_diverged_is_counted_not_averaged():
    one = Results({"a": {"": [1.0, 3.0, NAN]}}, quantity="loss")
    assert one.cell("a", "") == "2.0 ± 1.4 (1 of 3 diverged)"
    assert Results({"a": {"": [1.0, NAN]}}, quantity="loss").cell("a", "") == "diverged (1 of 2)"
    assert Results({"a": {"": [1.0]}}, quantity="loss").cell("a", "") == "1.0"


def test_the_table_is_aligned_and_is_markdown(results):
    assert str(table(results)) == (
        "Test error (%), mean ± standard deviation of 2 seeds; * marks the best mean of each "
        "column.\n\n"
        "| trained by |    3 layers |          4 layers |\n"
        "|------------|------------:|------------------:|\n"
        "| backprop   | 2.0 ± 1.4 * |       2.0 ± 0.0 * |\n"
        "| DNI(h)     |   5.0 ± 1.4 | diverged (2 of 2) |"
    )


def test_a_table_of_words():
    made = Table(("a|b",), (("c",),))
    assert str(made) == made._repr_markdown_() == "| a\\|b |\n|------|\n| c    |"
    with pytest.raises(ValueError, match="body has a row of 1 cells; it accepts 2"):
        Table(("a", "b"), (("1",),))


def test_the_results_in_words(results):
    assert results.sentence == (
        "Test error (%), mean ± standard deviation of 2 seeds. 3 layers: backprop is best with "
        "2.0 ± 1.4, against DNI(h) 5.0 ± 1.4; 4 layers: backprop is best with 2.0 ± 0.0, against "
        "DNI(h) diverged (2 of 2)."
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "values is empty"),
        ({"a": {1: [0.1]}, "b": {2: [0.1]}}, r"values\['b'\] has columns \[2\]; it accepts \[1\]"),
        ({"a": {1: []}}, r"values\['a'\]\[1\] has shape \(0,\)"),
        ({"a": {1: 0.5}}, r"values\['a'\]\[1\] has shape \(\)"),
    ],
)
def test_results_that_do_not_fit_are_refused(values, words):
    with pytest.raises(ValueError, match=words):
        Results(values, quantity="x")


def test_better_is_checked():
    with pytest.raises(ValueError, match="better is 'up'"):
        Results({"a": {1: [1.0]}}, quantity="x", better="up")


def test_dots_are_where_the_means_are(results):
    picture = dots(results, title="Digits")
    single = [line for line in picture.axes[0].lines if len(line.get_xdata()) == 1]
    np.testing.assert_allclose([line.get_xdata()[0] for line in single], [0.02, 0.05, 0.02])
    bars = [
        line
        for line in picture.axes[0].lines
        if line.get_linewidth() == 2 and len(line.get_xdata()) == 2
    ]
    np.testing.assert_allclose(bars[0].get_xdata(), [0.02 - 0.01 * 2**0.5, 0.02 + 0.01 * 2**0.5])
    assert picture.sentence == results.sentence
    assert faults(picture) == []
    assert is_drawn(picture.png())


@pytest.mark.parametrize("rows", [1, 6])
def test_dots_of_one_column_can_be_read(rows):
    one = Results({f"setting {n}": {"": [n + 1.0, n + 1.5]} for n in range(rows)}, quantity="loss")
    assert faults(dots(one)) == []


def test_dots_where_all_diverged():
    gone = Results({"a": {"": [NAN]}}, quantity="loss")
    assert faults(dots(gone)) == []
    assert gone.sentence == "Loss. All diverged."


# -- timelines -------------------------------------------------------------------------------

BARS = [
    Bar("worker 1", 10.000, 10.002, "forward", 1, 0),
    Bar("worker 2", 10.002, 10.006, "forward", 2, 0),
    Bar("worker 1", 10.003, 10.004, "fit", 1, 0),
    Bar("worker 2", 10.006, 10.008, "update", 2, 0),
]


def test_how_busy_each_worker_is():
    assert span(BARS) == (10.000, 10.008)
    assert loads(BARS) == pytest.approx({"worker 1": 0.003, "worker 2": 0.006})


def test_steps_that_overlap_count_once():
    assert loads([Bar("w", 0, 2, "a"), Bar("w", 1, 3, "b"), Bar("w", 1, 2, "c")]) == {"w": 3}


def test_the_timeline_in_words():
    assert timeline(BARS).sentence == (
        "Measured timeline of 4 steps on 2 workers, 8 ms in all: worker 1 is busy 38 % of it and "
        "worker 2 is busy 75 % of it; on average 1.12 workers are at work at once."
    )
    assert timeline(BARS, measured=False, unit="µs").sentence.startswith(
        "Ideal timeline of 4 steps on 2 workers, 8000 µs in all"
    )


def test_bars_are_drawn_from_the_first_start_in_the_unit():
    picture = timeline(BARS, title="Two workers")
    patches = [p for p in picture.axes[0].patches if hasattr(p, "get_width")]
    np.testing.assert_allclose([p.get_x() for p in patches], [0, 2, 3, 6], atol=1e-6)
    np.testing.assert_allclose([p.get_width() for p in patches], [2, 4, 1, 2], atol=1e-6)
    assert [round(p.get_y() + p.get_height() / 2) for p in patches] == [0, 1, 0, 1]
    assert faults(picture) == []
    assert is_drawn(picture.png())


def test_kinds_differ_in_hatch_as_well_as_colour():
    bars = [Bar("w", n, n + 1, kind) for n, kind in enumerate(["forward", "update", "fit", "new"])]
    patches = timeline(bars, unit="steps").axes[0].patches
    assert len({p.get_hatch() for p in patches}) == 4
    assert len({p.get_facecolor() for p in patches}) == 4


def test_labels_shrink_with_the_bar():
    bar = Bar("w", 0, 1, "forward", 2, 17)
    assert [bar_label(bar, pixels) for pixels in (100, 20, 5)] == ["2·b17", "2", ""]
    assert bar_label(Bar("w", 0, 1, "forward"), 100) == ""


def test_units():
    assert [best_unit(seconds) for seconds in (1e-4, 0.1, 30)] == ["µs", "ms", "s"]


def test_many_bars_can_be_read():
    bars = [Bar(f"w{n % 4}", n, n + 0.9, "forward", n % 4, n) for n in range(200)]
    assert faults(timeline(bars, unit="steps")) == []


def test_timelines_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="start, end is 2, 1"):
        Bar("w", 2, 1, "forward")
    with pytest.raises(ValueError, match="bars is empty"):
        timeline([])
    with pytest.raises(ValueError, match="unit is 'h'"):
        timeline(BARS, unit="h")
