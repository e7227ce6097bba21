"""The pictures of notebook 03: arrows, errors, the exhibits of the detective story."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.patches import FancyArrowPatch

from dnilab.data import binary_addition
from dnilab.lessons.synthetic_gradients.pictures import detective
from dnilab.lessons.synthetic_gradients.pictures.arrows import (
    GUESS,
    View,
    errors_chart,
    mean_said,
    planes,
    toy_picture,
)
from dnilab.lessons.synthetic_gradients.pictures.module_shapes import module_shapes
from dnilab.lessons.synthetic_gradients.training.toy import history
from dnilab.lessons.update_orderings.experiments import published
from tests.pictures.legible import faults, is_drawn


def arrows_of(axes):
    """(is a guess, start, end) of every arrow of a plane."""
    found = []
    for patch in axes.findobj(FancyArrowPatch):
        points = patch._path_original.vertices
        found.append((patch.get_linewidth() == GUESS.width, points[0], points[-1]))
    return found


def test_arrows_start_at_h_and_are_as_long_as_the_gradients():
    run = history()
    look = run.looks[50][2]
    (axes,) = planes([View(run, 50, 2)], columns=2).axes
    drawn = arrows_of(axes)
    for which, is_guess in ((look.true, False), (look.guess, True)):
        found = [(start, end) for guess, start, end in drawn if guess == is_guess]
        assert np.allclose([start for start, _ in found], look.h)
        assert np.allclose([end - start for start, end in found], which)


def test_at_first_there_is_no_guess_to_draw():
    (axes,) = planes([View(history(), 0, 1)]).axes
    assert {guess for guess, _, _ in arrows_of(axes)} == {False}


@pytest.mark.parametrize("columns", [2, 3])
@pytest.mark.parametrize("batch", [0, 1, 300])
def test_planes_can_be_read(columns, batch):
    views = [View(history(), batch, k) for k in (2, 1)] * 2
    picture = planes(views, columns=columns, title="Arrows")
    assert faults(picture) == []
    assert is_drawn(picture.png())
    assert len(picture.axes) == 4
    boxes = [axes.get_window_extent() for axes in picture.axes]
    assert all(box.width == pytest.approx(box.height, abs=1) for box in boxes)  # no arrow is bent


def test_what_a_plane_says():
    run = history()
    off = run.errors()["guess of module 1"][300]
    said = planes([View(run, 300, 1), View(run, 1, 2, "mine")]).sentence
    assert said.startswith(f"Module 1, 300 batches: the guesses are off by {off:.3g} of the length")
    assert ". Mine: " in said
    assert "2, 1 batch:" in planes([View(run, 1, 2)]).sentence


@pytest.mark.parametrize(
    ("arguments", "said"), [((301, 1), "batch is 301"), ((0, 3), "module is 3"), ((0, 0), "module")]
)
def test_a_view_that_is_not_there(arguments, said):
    with pytest.raises(ValueError, match=said):
        View(history(), *arguments)


def test_no_view():
    with pytest.raises(ValueError, match="views is empty"):
        planes([])


@pytest.mark.parametrize(("sees_y", "sign"), [(True, -1), (False, -1), (True, 1)])
def test_the_errors_can_be_read(sees_y, sign):
    run = history(sees_y, sign)
    picture = errors_chart(run, 7)
    assert faults(picture) == []
    values = [f"{name} {values[7]:.3g}" for name, values in run.errors().items()]
    assert all(value[:-2] in picture.sentence for value in values)
    assert list(picture.axes[0].lines[-1].get_xdata()) == [7, 7]  # the line that marks the batch


def test_what_is_said_of_equal_h():
    run = history(sees_y=False)
    pairs = run.looks[300][2].true[6:].reshape(2, 2, 2)
    mean = np.linalg.norm(pairs.mean(axis=1), axis=1).mean()
    assert f"the mean of two opposite ones only {mean:.3g}." in mean_said(run, 300)


def test_a_run_that_ran_away_is_shown_at_its_end():
    run = history(sign=+1)
    said = toy_picture(run, 300).sentence
    assert f"The guesses have run away: the run ends after {run.last} batches." in said
    assert f"Errors after {run.last} batches" in said
    assert "move away from what they are told" in said
    assert "run away" not in toy_picture(run, 3).sentence


def test_the_shapes_of_a_module():
    picture = module_shapes(2, 128, 64, 12)
    assert faults(picture) == []
    for said in (
        "s2 (B, 76) @ M2 (76, 64)",
        "da2 (B, 64) @ W2.T (64, 128) = τ1 (B, 128)",
        "s2.T (76, B) @ e2 (B, 64) = dM2 (76, 64)",
    ):
        assert said in picture.sentence
    assert "message" not in module_shapes(1, 24, 128, 12).sentence
    with pytest.raises(ValueError, match="k and the sizes"):
        module_shapes(1, 0, 1, 1)


@pytest.fixture(scope="module")
def printed():
    data = binary_addition(np.random.default_rng(0), 200, n_test=100, bits=6, inputs="binary")
    return published.run_published(data, epochs=200, batch_size=200, alpha=1e-3)


def test_the_exhibits_can_be_read(printed):
    for picture in (detective.printed_and_learned(printed), detective.why_it_lies(printed)):
        for part in picture.parts:
            assert faults(part) == []


def test_the_exhibits_say_their_numbers(printed):
    said = detective.printed_and_learned(printed).sentence
    assert f"{100 * printed.bit_accuracy[-1]:.1f} % of the unseen bits" in said
    assert f"gets {100 * printed.majority:.1f} %" in said
    said = detective.why_it_lies(printed).sentence
    assert f"{np.log10(printed.generator_size[-1]):.0f} after 200." in said


def test_the_size_is_drawn_as_it_is_far_beyond_what_an_axis_could_show(printed):
    assert printed.generator_size[-1] > 1e20
    culprit = detective.why_it_lies(printed).parts[1]
    line = max(culprit.axes[0].lines, key=lambda line: len(line.get_xdata()))
    assert np.array_equal(line.get_ydata(), np.log10(printed.generator_size))
    assert culprit.axes[0].get_ylim()[1] > np.log10(printed.generator_size[-1])


def test_the_table_has_a_row_for_each(printed):
    endless = published.run_published(
        binary_addition(np.random.default_rng(0), 200, n_test=100, bits=6, inputs="binary"),
        published.WEIGHTS_TURNED, epochs=200, batch_size=200, alpha=0.1,
    )  # fmt: skip
    table = detective.what_each_is_worth({"this": printed, "that": endless})
    assert [row[0] for row in table.body] == ["this", "that"]
    assert table.body[0][1] == f"{printed.bit_accuracy[-1]:.1%}"
    assert table.body[1][2] == "overflow"
    assert f"{printed.majority:.1%}" in table.caption
