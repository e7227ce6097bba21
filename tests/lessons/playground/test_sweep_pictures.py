"""The map and the table of a sweep: every cell says what it holds, and where it is."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from dnilab.experiments import Settings
from dnilab.lessons.playground.experiments.records import differing
from dnilab.lessons.playground.pictures import (
    NOT_RUN,
    SCORES,
    WAITING,
    Axis,
    Cell,
    cell_of,
    draw_map,
    luminance,
    sweep_map,
    sweep_table,
)
from dnilab.lessons.playground.sweeps import Job, Record, sweep_plan
from tests.pictures.legible import faults, is_drawn, texts

GRID = {"rate": (0.001, 0.01, 0.1, -1), "hidden": ((64,), (128, 64), (64, 64, 64))}
PLAN = sweep_plan(Settings(), GRID, seeds=(0, 1, 2))


def row(job: Job) -> Record:
    """0.1 diverges, for one seed of three if there is one hidden layer; 64, 64, 64 fails once."""
    rate, layers = job.asked["rate"], len(job.asked["hidden"])
    if job.settings is None:
        return Record(job, "refused", job.refused)
    if rate == 0.1 and (layers > 1 or job.seed == 1):
        return Record(job, "diverged", "Diverged", {"right": (0.1,), "loss": (9e99,)})
    if layers == 3 and rate == 0.01:
        return Record(job, "failed", "ValueError: no")
    right = 0.5 + 10 * rate * (rate < 0.1) + 0.1 * layers + 0.01 * job.seed
    scores = {"right": right, "bit_accuracy": right, "test_loss": 1 - right, "loss": 1 - right}
    curves = {name: (0.0, score) for name, score in scores.items()}
    return Record(job, "done", curves=curves, seconds=1.0)


ROWS = [row(job) for job in PLAN]
RATES, LAYERS = (-1, 0.001, 0.01, 0.1), ((64,), (128, 64), (64, 64, 64))


def done(*shares: float) -> Cell:
    """A cell whose seeds are all done."""
    return cell_of([Record(PLAN[0], "done", curves={"right": (x,)}) for x in shares], "right")


def said(picture: Any) -> dict[tuple[Any, Any], str]:
    return {(RATES[i], LAYERS[j]): cell.words for (i, j), cell in picture.cells.items()}


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
    picture = sweep_map(ROWS[::-1], "rate", "hidden")
    assert said(picture) == said(sweep_map(ROWS, "rate", "hidden"))
    places = dict(texts(picture))
    # To the right it grows, and upwards.
    across = [places[words].x0 for words in ("-1", "0.001", "0.01", "0.1")]
    up = [places[words].y0 for words in ("64", "128, 64", "64, 64, 64")]
    assert across == sorted(across)
    assert up == sorted(up)


@pytest.mark.parametrize("what", ["right", "test_loss"])
def test_the_best_is_lightest_and_framed(what: str) -> None:
    picture = sweep_map(ROWS, "rate", "hidden", what)
    boxes = [box for box in picture.axes[0].patches if isinstance(box, Rectangle)]
    (frame,) = [box for box in boxes if not box.get_fill()]
    colored = {b.get_xy(): b.get_facecolor() for b in boxes if b.get_fill() and not b.get_hatch()}
    lightest = max(colored, key=lambda at: luminance(to_hex(colored[at])))
    assert frame.get_xy() == lightest == (0.5, 1.5)  # rate 0.001, three layers
    assert len(colored) == 12 - 3 - 1 - 2
    assert sum(bool(box.get_hatch()) for box in boxes) == 6


def test_words_on_every_colour_can_be_read() -> None:
    for part in np.linspace(0, 1, 101):
        light = luminance(to_hex(colormaps["cividis"](part)))
        ink = 0.0 if light > 0.179 else 1.0
        ratio = (max(light, ink) + 0.05) / (min(light, ink) + 0.05)
        assert ratio >= 4.5


def test_a_small_difference_does_not_get_all_colours() -> None:
    picture = draw_map(
        (Axis("x", [0, 1], ["0", "1"]), Axis("y", [0], ["0"])),
        {(0, 0): done(0.900), (1, 0): done(0.901)},
        "right",
    )
    boxes = [box for box in picture.axes[0].patches if box.get_fill()]
    assert [to_hex(box.get_facecolor()) for box in boxes] == [
        to_hex(colormaps["cividis"](share)) for share in (0.9, 1.0)
    ]


@pytest.mark.parametrize(
    ("what", "title", "axes"),
    [("right", None, ("rate", "hidden")), ("seconds", "Rates and widths", ("hidden", "rate"))],
)
def test_it_can_be_read(what: str, title: str | None, axes: tuple[str, str]) -> None:
    for rows in (ROWS, ROWS[:1], [r for r in ROWS if r.status != "done"]):
        picture = sweep_map(rows, *axes, what, title=title)
        assert faults(picture) == []
        assert is_drawn(picture.png())


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_long_names_have_room(rows: int) -> None:
    name, values = "learning rate of the generators", [f"{n}000 batches" for n in range(rows)]
    axes = Axis(name, range(8), ["0.00012"] * 8), Axis(name, range(rows), values)
    cells = {(i, j): done(0.5, 0.51) for i in range(8) for j in range(rows)}
    assert faults(draw_map(axes, cells, "right")) == []


def test_the_margins_are_those_of_the_cells() -> None:
    picture = sweep_map(ROWS, "rate", "hidden", title="A title")
    (width, height), margins = picture.pixels, picture.margins
    wide = (width - margins["left"] - margins["right"]) / 4
    tall = (height - margins["top"] - margins["bottom"]) / 3
    ((x, y),) = [
        ((box.x0 + box.x1) / 2, height - (box.y0 + box.y1) / 2)
        for words, box in texts(picture)
        if words == "82.0"  # the best, the second to the right, in the uppermost row
    ]
    assert x == pytest.approx(margins["left"] + 1.5 * wide, abs=2)
    assert margins["top"] < y < margins["top"] + tall


def test_a_sweep_under_way() -> None:
    axes = Axis("rate", RATES, list(map(str, RATES))), Axis("hidden", LAYERS, ["1", "2", "3"])
    cells = {(i, j): cell_of([], "right", *[WAITING] * 3) for i in range(4) for j in range(3)}
    assert set(said(draw_map(axes, cells, "right")).values()) == {"waiting"}
    cells[1, 0] = cell_of(ROWS[:3], "right")
    cells[1, 1] = cell_of(ROWS[9:10], "right", *[WAITING] * 2)
    cells[1, 2] = cell_of(ROWS[:2], "right", NOT_RUN)
    picture = draw_map(axes, cells, "right")
    assert said(picture)[0.001, (64,)] == "62.0 ± 1.0"
    # Few seeds would flatter.
    assert said(picture)[0.001, (128, 64)] == "waiting (2 of 3)"
    assert said(picture)[0.001, (64, 64, 64)] == "61.5 ± 0.7 (1 of 3 not run)"
    assert "Waiting: 10 cells." in picture.sentence
    assert faults(picture) == []


def test_a_hole_in_the_grid() -> None:
    few = [r for r in ROWS if (r.asked["rate"], len(r.asked["hidden"])) != (0.01, 2)]
    assert said(sweep_map(few, "rate", "hidden"))[0.01, (128, 64)] == "not run"


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"rows": []}, "rows is empty; it accepts one or more"),
        ({"x": "rat"}, "x is 'rat'; it accepts the name of a setting"),
        ({"y": "seed"}, "y is 'seed'; it accepts the name of a setting"),
        ({"y": "rate"}, "y is 'rate'; it accepts the name of a setting, each side another one"),
        ({"y": "bits"}, "rows differ in hidden too; a map accepts rows that differ in rate and"),
        ({"what": "joy"}, "what is 'joy'; it accepts one of 'right', 'bit_accuracy'"),
        ({"what": "class_error"}, "what is 'class_error'; it accepts one of seconds, right"),
    ],
)
def test_what_makes_no_sense(how: dict[str, Any], says: str) -> None:
    arguments = {"rows": ROWS, "x": "rate", "y": "hidden", **how}
    with pytest.raises(ValueError, match=re.escape(says)):
        sweep_map(**arguments)


# ---- the table -----------------------------------------------------------------------------------


def test_the_table_has_a_line_for_each_of_the_settings() -> None:
    made = sweep_table(ROWS, ("right", "test_loss"))
    assert made.head == ("Hidden", "Rate", "Seeds", "Right on unseen rows (%)", "Test loss")
    assert len(made.body) == 12
    assert made.body[1] == ("64", "0.001", "3", "62.0 ± 1.0", "0.380 ± 0.010")
    assert made.body[0] == ("64", "-1", "3", "refused", "refused")
    assert made.body[-1][:2] == ("64, 64, 64", "0.1")
    assert re.search(r"\| 64 +\| +0\.1 \| +3 \| +61\.0 ± 1\.4 \(1 of 3 diverged\) \|", str(made))
    with pytest.raises(ValueError, match="rows is empty"):
        sweep_table([])
    with pytest.raises(ValueError, match="what is 'joy'; it accepts one of 'right', "):
        sweep_table(ROWS, ["joy"])


def test_what_differs() -> None:
    alone = [r for r in ROWS if r.asked["rate"] == 0.001 and r.asked["hidden"] == (64,)]
    assert differing(alone) == []
    assert differing(ROWS) == ["hidden", "rate"]


def test_every_score_of_a_run_has_a_name() -> None:
    for what in ROWS[0].scores:
        assert what in SCORES
    assert math.isnan(ROWS[-1].score("right"))
