"""The tables of notebook 05, and its speeds: their shape and what must be so on any machine."""

from __future__ import annotations

import pytest

from dnilab.here import processes_can_fork
from dnilab.lessons.update_orderings.experiments import speeds
from dnilab.lessons.update_orderings.pictures import locks_table, needs_table
from dnilab.orderings import backprop, blue_box, pipeline, sequential

TINY = (6, 5, 4, 3)


def test_needs():
    table = needs_table(sequential(3))
    assert table.body[0] == ("forward_update 1", "x alone", "h1, g_hat1")
    assert table.body[2] == ("fit 1", "τ1, g_hat1", "nothing that others need")
    waits = needs_table(backprop(2))
    assert ("backward 1", "g1, its pullback", "dW1") in waits.body


def test_locks():
    piped = pipeline(((1,), (2, 3)))
    found = {row[0]: row[1:] for row in locks_table({"all": backprop(3), "piped": piped}).body}
    assert found == {
        "all": ("held", "held", "held", "7 of 9"),
        "piped": ("held", "free", "free", "4 of 5"),
    }


@pytest.fixture
def one_round(monkeypatch):
    turns = speeds.take_turns
    monkeypatch.setattr(
        speeds, "take_turns", lambda among, **_: turns(among, rounds=1, seconds=1e-4)
    )


def test_who_is_timed(one_round, monkeypatch):
    forks = processes_can_fork()
    assert list(speeds.costs_of_starting(TINY, 4)) == ["a thread", *["a process"] * forks]
    boxes = speeds.boxes(TINY, 4)
    assert boxes[speeds.IN_LINE] == 1
    assert len(boxes) == 3 + forks
    assert len(speeds.twice_at_once(TINY)) == 5
    monkeypatch.setattr(speeds, "processes_can_fork", lambda: False)
    assert not [way for way in speeds.boxes(TINY, 4) if "process" in way]


@pytest.mark.parametrize("here", [1, 2])
def test_the_second_reference_is_there_where_cores_are(one_round, monkeypatch, here):
    monkeypatch.setattr(speeds, "cores", lambda: here)
    found = speeds.pipelines(TINY, (2, 4), pipeline(((1,), (2, 3))))
    assert (speeds.MANY in found) == (here > 1)
    assert {len(of_batches) for of_batches in found.values()} == {2}


def test_limits():
    modules = len(TINY) - 1
    steps = {*sequential(modules).steps(), *backprop(modules).steps(), *blue_box(modules).steps()}
    assert {(s.op, s.module) for s in steps} <= set(speeds.times_of_steps(TINY, 4))
    unit = dict.fromkeys(speeds.times_of_steps(TINY, 4), 1.0)
    division, allowed = speeds.limits(TINY, unit, 1, 0)
    assert division == "1+2+3"
    assert allowed == dict.fromkeys((1, 2, 4), 9 / 5)  # nine steps in line against five
    assert speeds.limits(TINY, unit, 3, 1)[1][4] == pytest.approx(9 / 2)
