"""The map and the table of a sweep: every cell says what it holds, and where it is."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.patches import Rectangle

from dnilab.experiments import Settings
from dnilab.lessons.playground.pictures import (
    SCORES,
    _luminance,
    sweep_map,
    sweep_results,
    sweep_table,
    varied,
)
from dnilab.lessons.playground.sweeps import Job, Row, sweep_plan
from dnilab.pictures import dots, table
from tests.pictures.legible import faults, is_drawn, texts

GRID = {"rate": (0.001, 0.01, 0.1, -1), "hidden": ((64,), (128, 64), (64, 64, 64))}
PLAN = sweep_plan(Settings(), GRID, seeds=(0, 1, 2))


def row(job: Job) -> Row:
    """0.1 diverges, for one seed of three if there is one hidden layer; 64, 64, 64 fails once."""
    rate, layers = job.asked["rate"], len(job.asked["hidden"])
    if job.settings is None:
        return Row(job, "refused", job.refused)
    if rate == 0.1 and (layers > 1 or job.seed == 1):
        return Row(job, "diverged", "Diverged", {"right": 0.1, "loss": 9e99})
    if layers == 3 and rate == 0.01:
        return Row(job, "failed", "ValueError: no")
    right = 0.5 + 10 * rate * (rate < 0.1) + 0.1 * layers + 0.01 * job.seed
    scores = {"right": right, "bit_accuracy": right, "test_loss": 1 - right, "loss": 1 - right}
    return Row(job, "done", scores=scores, seconds=1.0)


ROWS = [row(job) for job in PLAN]


def said(picture: Any) -> dict[tuple[Any, Any], str]:
    return {(cell.x, cell.y): cell.words for cell in picture.cells}


# ---- the map -------------------------------------------------------------------------------------


def test_every_cell_says_what_it_holds() -> None:
    cells = said(sweep_map(ROWS, "rate", "hidden"))
    assert len(cells) == 12
    assert cells[0.001, (64,)] == "62.0 ± 1.0"
    assert cells[0.01, (128, 64)] == "81.0 ± 1.0"
    assert cells[0.1, (64,)] == "61.0 ± 1.4 (1 of 3 diverged)"
    assert cells[0.1, (128, 64)] == "diverged"
    assert cells[0.01, (64, 64, 64)] == "failed"
    assert cells[-1, (64,)] == "refused"


def test_the_sentence_says_best_and_worst_and_what_is_wrong() -> None:
    assert sweep_map(ROWS, "rate", "hidden").sentence == (
        "Right on unseen rows (%), mean of 3 seeds, by rate (across) and hidden (up). Best is "
        "82.0 ± 1.0, at rate 0.001 and hidden 64, 64, 64; worst is 61.0 ± 1.4 (1 of 3 diverged), "
        "at rate 0.1 and hidden 64. Refused: rate -1 and hidden 64; rate -1 and hidden 128, 64; "
        "rate -1 and hidden 64, 64, 64. Failed: rate 0.01 and hidden 64, 64, 64. Diverged: "
        "rate 0.1 and hidden 128, 64; rate 0.1 and hidden 64, 64, 64."
    )
    losses = sweep_map(ROWS, "hidden", "rate", "test_loss").sentence
    assert "Best is 0.180 ± 0.010, at hidden 64, 64, 64 and rate 0.001" in losses


def test_values_are_in_order_whatever_came_first() -> None:
    cells = sweep_map(ROWS[::-1], "rate", "hidden").cells
    assert list(dict.fromkeys(cell.x for cell in cells)) == [-1, 0.001, 0.01, 0.1]
    assert list(dict.fromkeys(cell.y for cell in cells)) == [(64,), (128, 64), (64, 64, 64)]
    # To the right it grows, and upwards.
    places = {(cell.x, cell.y): (cell.left, cell.top) for cell in cells}
    assert places[0.1, (64,)][0] > places[-1, (64,)][0]
    assert places[-1, (64, 64, 64)][1] < places[-1, (64,)][1]


@pytest.mark.parametrize("what", ["right", "test_loss"])
def test_the_best_is_lightest_and_framed(what: str) -> None:
    picture = sweep_map(ROWS, "rate", "hidden", what)
    boxes = [box for box in picture.axes[0].patches if isinstance(box, Rectangle)]
    (frame,) = [box for box in boxes if not box.get_fill()]
    colored = {b.get_xy(): b.get_facecolor() for b in boxes if b.get_fill() and not b.get_hatch()}
    lightest = max(colored, key=lambda at: _luminance(colored[at]))
    assert frame.get_xy() == lightest == (0.5, 1.5)  # rate 0.001, three layers
    assert len(colored) == 12 - 3 - 1 - 2
    assert sum(bool(box.get_hatch()) for box in boxes) == 6


def test_words_on_every_colour_can_be_read() -> None:
    for part in np.linspace(0, 1, 101):
        light = _luminance(colormaps["cividis"](part))
        ink = 0.0 if light > 0.179 else 1.0
        ratio = (max(light, ink) + 0.05) / (min(light, ink) + 0.05)
        assert ratio >= 4.5


@pytest.mark.parametrize(
    ("what", "title", "axes"),
    [("right", None, ("rate", "hidden")), ("seconds", "Rates and widths", ("hidden", "rate"))],
)
def test_it_can_be_read(what: str, title: str | None, axes: tuple[str, str]) -> None:
    for rows in (ROWS, ROWS[:1], [r for r in ROWS if r.status != "done"]):
        picture = sweep_map(rows, *axes, what, title=title, width=300)
        assert faults(picture) == []
        assert is_drawn(picture.png())


def test_a_point_of_the_picture_is_in_its_cell() -> None:
    picture = sweep_map(ROWS, "rate", "hidden", title="A title")
    width, height = picture.pixels
    found = {
        words: picture.cell_at((box.x0 + box.x1) / 2, height - (box.y0 + box.y1) / 2)
        for words, box in texts(picture)
    }
    best = found["82.0"]
    assert best is not None
    assert (best.x, best.y) == (0.001, (64, 64, 64))
    assert best.words == "82.0 ± 1.0"
    assert found["A title"] is None
    assert found["hidden"] is None
    for cell in picture.cells:
        assert picture.cell_at(cell.left, cell.top) == cell
        assert picture.cell_at(cell.right - 0.01, cell.bottom - 0.01) == cell
        assert 0 <= cell.left < cell.right <= width
        assert 0 <= cell.top < cell.bottom <= height


def test_a_sweep_under_way() -> None:
    cells = said(sweep_map([], "rate", "hidden", plan=PLAN))
    assert set(cells.values()) == {"waiting"}
    picture = sweep_map(ROWS[:4], "rate", "hidden", plan=PLAN)
    cells = said(picture)
    assert len(cells) == 12
    assert cells[0.001, (64,)] == "62.0 ± 1.0"
    assert cells[0.001, (128, 64)] == "71.0"
    assert cells[-1, (64,)] == "waiting"
    assert "Waiting: 10 cells." in picture.sentence
    assert faults(picture) == []


def test_a_hole_in_the_grid() -> None:
    few = [r for r in ROWS if (r.asked["rate"], len(r.asked["hidden"])) != (0.01, 2)]
    assert said(sweep_map(few, "rate", "hidden"))[0.01, (128, 64)] == "not run"


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"rows": []}, "rows: got none, need at least one, or a plan"),
        ({"x": "rat"}, "x: got 'rat', need the name of a setting"),
        ({"y": "seed"}, "y: got 'seed', need the name of a setting"),
        ({"y": "rate"}, "x, y: got 'rate' twice"),
        ({"y": "bits"}, "rows: they differ in hidden too; a map needs rows that differ in rate"),
        ({"what": "joy"}, "what: got 'joy', need one of right, bit_accuracy"),
        ({"what": "class_error"}, "what is 'class_error'; it accepts one of seconds, right"),
    ],
)
def test_what_makes_no_sense(how: dict[str, Any], says: str) -> None:
    arguments = {"rows": ROWS, "x": "rate", "y": "hidden", **how}
    with pytest.raises(ValueError, match=re.escape(says)):
        sweep_map(**arguments)


# ---- the table and the results -------------------------------------------------------------------


def test_the_table_has_a_line_for_each_of_the_settings() -> None:
    made = sweep_table(ROWS, ("right", "test_loss"))
    assert made.head == ("Hidden", "Rate", "Seeds", "Right on unseen rows (%)", "Test loss")
    assert len(made.body) == 12
    assert made.body[1] == ("64", "0.001", "3", "62.0 ± 1.0", "0.380 ± 0.010")
    assert made.body[0] == ("64", "-1", "3", "refused", "refused")
    assert made.body[-1][:2] == ("64, 64, 64", "0.1")
    assert "| 64 | 0.1 | 3 | 61.0 ± 1.4 (1 of 3 diverged) |" in made.markdown()
    with pytest.raises(ValueError, match="rows: got none"):
        sweep_table([])
    with pytest.raises(ValueError, match="what: got 'joy'"):
        sweep_table(ROWS, ["joy"])


def test_results_leave_out_what_was_not_run() -> None:
    results = sweep_results(ROWS)
    assert len(results.row_names) == 8
    assert results.values["hidden 64, rate 0.001"][""] == [0.61, 0.62, 0.63]
    assert results.cell("hidden 64, rate 0.1", "") == "61.0 ± 1.4 (1 of 3 diverged)"
    assert results.cell("hidden 128, 64, rate 0.1", "") == "diverged (3 of 3)"
    assert ("hidden 128, 64, rate 0.001", "72.0 ± 1.0") in table(results).body
    assert results.percent
    assert results.better == "higher"
    assert faults(dots(results)) == []
    with pytest.raises(ValueError, match="got none that is done or diverged"):
        sweep_results([r for r in ROWS if r.status == "failed"])


def test_results_of_one_setting_have_its_name() -> None:
    alone = [r for r in ROWS if r.asked["rate"] == 0.001 and r.asked["hidden"] == (64,)]
    assert sweep_results(alone, "test_loss").row_names == ["DNI(h, y)"]
    assert varied(alone) == []
    assert varied(ROWS) == ["hidden", "rate"]


def test_every_score_of_a_run_has_a_name() -> None:
    for what in ROWS[0].scores:
        assert what in SCORES
    assert math.isnan(ROWS[-1].score("right"))
