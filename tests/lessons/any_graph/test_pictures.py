"""Graphs with messages, and clocks: what they say, and that they can be read."""

from __future__ import annotations

import itertools

import pytest
from matplotlib.patches import FancyArrowPatch

from dnilab.lessons.any_graph.pictures import (
    LEARNS,
    clock_bars,
    clocks,
    columns_of,
    graph,
)
from tests.lessons.synthetic_gradients.test_diagrams import apart, overflowing
from tests.pictures.legible import faults, is_drawn

BRANCHES = {
    "eye": ("x",),
    "left": ("eye",),
    "right": ("eye",),
    "deep": ("left",),
    "sum": ("deep", "right"),
    "join": ("sum", "eye"),
    "top": ("join",),
}
TWO = {"A": ("images",), "B": ("A",)}
MANY = {"a": ("x",), "b": ("x",), "c": ("a", "b"), "d": ("a", "c", "z"), "e": ("d", "a")}


def widths(heard):
    return dict.fromkeys(columns_of(heard), 128)


@pytest.mark.parametrize("heard", [BRANCHES, TWO, MANY])
@pytest.mark.parametrize("with_widths", [True, False])
def test_readable(heard, with_widths):
    sizes = widths(heard) if with_widths else None
    guesses = list(heard)[:-1]
    diagram = graph(heard, widths=sizes, guesses=guesses, title="A graph").diagram
    assert apart(diagram)
    assert overflowing(diagram) == []
    picture = graph(heard, widths=sizes, guesses=guesses, title="A graph")
    assert faults(picture) == []
    assert is_drawn(picture.png())


def test_columns():
    assert columns_of(BRANCHES) == {
        "x": 0, "eye": 1, "left": 2, "right": 2, "deep": 3, "sum": 4, "join": 5, "top": 6
    }  # fmt: skip


def touches(point, box, side):
    x, y = box.side(side)
    return abs(point[0] - x) < 1e-9 and abs(point[1] - y) <= box.height / 2


@pytest.mark.parametrize("heard", [BRANCHES, TWO, MANY])
def test_each_edge_has_its_two_messages(heard):
    diagram = graph(heard, widths=widths(heard)).diagram
    edges = {(name, user) for user, group in heard.items() for name in group}
    edges |= {(list(heard)[-1], "the loss")}

    def joined(look, first, last):
        return sorted(
            (a.name, b.name)
            for arrow in diagram.arrows
            if arrow.look == look
            for a, b in itertools.permutations(diagram.boxes, 2)
            if touches(arrow.points[0], a, first) and touches(arrow.points[-1], b, last)
        )

    assert joined("signal", "right", "left") == sorted(edges)
    down = {(user, name) for name, user in edges if name in heard}
    assert joined("message", "left", "right") == sorted(down)
    ends = [arrow.points[-1] for arrow in diagram.arrows]
    assert len(set(ends)) == len(ends)  # no two arrows end in one point


@pytest.mark.parametrize("heard", [BRANCHES, TWO, MANY])
def test_what_comes_down_ends_at_the_generator(heard):
    *guesses, _ = heard
    diagram = graph(heard, widths=widths(heard), guesses=guesses).diagram
    boxes = {box.name: box for box in diagram.boxes}
    down = [arrow.points for arrow in diagram.arrows if arrow.look == "message"]
    for name in heard:
        end = boxes[f"M of {name}" if name in guesses else name]
        users = [user for user, group in heard.items() if name in group] or ["the loss"]
        came = [points for points in down if touches(points[-1], end, "right")]
        assert len(came) == len(users)
        for user in users:
            assert any(touches(points[0], boxes[user], "left") for points in came)
    ends = [arrow.points[-1] for arrow in diagram.arrows]
    assert len(set(ends)) == len(ends)


def test_edges_that_pass_by_do_not_cross_a_box():
    diagram = graph(BRANCHES, guesses=("left", "right", "deep", "eye")).diagram
    for arrow in diagram.arrows:
        for x, y in arrow.points[1:-1]:
            for box in diagram.boxes:
                assert abs(x - box.x) > box.width / 2 or abs(y - box.y) > box.height / 2


def test_sentence():
    sentence = graph(BRANCHES, guesses=("eye", "deep")).sentence
    assert "deep hears left; sum hears deep and right" in sentence
    assert "At eye, 3 gradients come in, from left, right and join, and add up." in sentence
    assert sentence.count("gradients come in") == 1
    assert "eye and deep have a generator" in sentence
    assert "add up" not in graph(TWO).sentence
    assert "generator" not in graph(TWO).sentence


def test_refused():
    with pytest.raises(ValueError, match="heard is empty"):
        graph({})
    with pytest.raises(ValueError, match="heard has a cycle at 'b'"):
        graph({"a": ("b",), "b": ("a", "x")})
    with pytest.raises(ValueError, match="guesses is 'x'; it accepts one of 'A', 'B'"):
        graph(TWO, guesses=("x",))


def test_a_that_waits():
    bars, messages = clock_bars(5, 4.0, True)
    kinds = [(b.worker, b.kind) for b in bars]
    assert kinds.count(("A", "forward")) == 15
    learned = [b for b in bars if b.kind == "update"]
    worked = [b for b in bars if b.worker == "B"]
    assert [b.start for b in learned] == [b.end for b in worked]
    assert [b.start for b in learned][:2] == [9.0, 18.0 + LEARNS]
    assert [(a.worker, b.worker) for a, b in messages] == [("A", "B"), ("B", "A")] * 3


def test_a_that_goes_on():
    bars, messages = clock_bars(5, 4.0, False)
    of_a = [b for b in bars if b.worker == "A"]
    for before, after in itertools.pairwise(of_a):
        assert after.start == before.end  # no gap
    assert [(a.worker, b.worker) for a, b in messages] == [("A", "B"), ("B", "M")] * 3
    for a, b in messages:
        assert b.start >= a.end


@pytest.mark.parametrize("waits", [True, False])
def test_clocks_readable(waits):
    picture = clocks(waits=waits, title="Two clocks")
    assert faults(picture) == []
    assert is_drawn(picture.png())
    assert picture.sentence.startswith("Ideal timeline")
    arrows = [patch for patch in picture.axes[0].patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) == 6


def test_clocks_refused():
    with pytest.raises(ValueError, match="period is 21"):
        clocks(21, waits=True)
    with pytest.raises(ValueError, match="work is 6"):
        clocks(5, 6, waits=True)
    with pytest.raises(ValueError, match="waits is 1"):
        clocks(waits=1)
