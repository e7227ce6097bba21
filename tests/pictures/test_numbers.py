"""The numbers behind a picture: what its lines say, where it has no tables of its own."""

from __future__ import annotations

import numpy as np

from dnilab.pictures import (
    Bar,
    LiveCurves,
    Picture,
    Series,
    Stacked,
    Table,
    curves,
    tables_of,
    timeline,
)
from dnilab.pictures.numbers import MOST_ROWS


def test_lines_over_the_same_x_share_a_table() -> None:
    lines = [Series("a", [1, 2], [0.25, 0.5]), Series("b", [1, 2], [[1, 0.5], [1, 0.25]])]
    lines.append(Series("c", [1, 3], [0.125, 1]))
    first, second = tables_of(curves(lines, xlabel="epoch", ylabel="bits right", percent=True))
    assert first.head == ("epoch", "a", "b, mean of 2 seeds")
    assert first.body == (("1", "25.0 %", "100.0 %"), ("2", "50.0 %", "37.5 %"))
    assert first.caption == "Bits right"
    assert second.body == (("1", "12.5 %"), ("3", "100.0 %"))


def test_of_a_long_line_some_points_are_left_out_but_never_the_last() -> None:
    n = 1001
    (table,) = tables_of(curves([Series("a", np.arange(n), np.arange(n))], xlabel="x", ylabel="y"))
    assert len(table.body) <= MOST_ROWS
    assert table.body[-1][0] == "1000"
    assert table.caption == f"Y; {len(table.body)} of {n} points"


def test_formulas_are_read_without_their_marks() -> None:
    (table,) = tables_of(curves([Series("a", [0, 1], [0, 1])], xlabel="$W_{1}[0]$", ylabel="$h$"))
    assert (table.head, table.caption) == (("W1[0]", "a"), "H")


def test_a_live_picture_has_the_numbers_of_its_last_frame() -> None:
    view = LiveCurves(xlabel="epoch", ylabel="loss")
    for last in (0.5, 0.25):
        view.update([Series("a", [0, 1], [1.0, last])])
    (table,) = tables_of(view.shown)
    assert table.body == (("0", "1"), ("1", "0.25"))


def test_a_picture_may_bring_its_own_and_a_stack_has_those_of_its_parts() -> None:
    own, none = Picture(), Picture()
    own.tables = [Table(("a",), (("1",),))]
    assert tables_of(none) == []
    assert tables_of(Stacked([own, none, own])) == [*own.tables, *own.tables]


def test_a_timeline_has_its_steps() -> None:
    bars = [Bar("b", 2e-3, 5e-3, "fit", 1, 0), Bar("a", 1e-3, 2e-3, "forward", 2)]
    (table,) = tables_of(timeline(bars))
    assert table.head == ("worker", "step", "module", "batch", "from (ms)", "to (ms)")
    assert table.body == (("a", "forward", "2", "", "0", "1"), ("b", "fit", "1", "0", "1", "4"))
    (many,) = tables_of(timeline([Bar("a", t, t + 1, "fit") for t in range(150)]))
    assert (len(many.body), many.caption) == (100, "Steps; the first 100 of 150")


def test_as_html_it_has_a_caption_and_header_cells_and_is_escaped() -> None:
    table = Table(("<x>", "y"), (("1", "a & b"),), "why")
    assert table.as_html() == (
        '<table><caption>why</caption><thead><tr><th scope="col">&lt;x&gt;</th>'
        '<th scope="col">y</th></tr></thead><tbody><tr><th scope="row">1</th>'
        "<td>a &amp; b</td></tr></tbody></table>"
    )
