"""The benchmark of the race is a command that prints its figures.

Small sizes and goals: the figures are then worth nothing, and the command quick.
"""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import race
from dnilab.experiments import Settings
from dnilab.lessons.race.experiments.contestants import IN_LINE, Goal, Network, contestants
from dnilab.orderings import check
from tests.benchmarks.test_commands import figures

SMALL = ((6, 5, 5, 4), 8)
EASY = Settings(bits=4, examples=48, test_examples=16, hidden=(20, 16), batch_size=16, epochs=40)
WAYS = list(contestants(Network((4, 3, 2))))


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *parts: str) -> Any:
    once = ("--rounds", "1", "--seconds", "0.0001", "--seeds", "1")
    return figures(race, monkeypatch, capsys, *once, "--only", *parts)


def test_the_time_of_a_batch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(race, "SIZES", (SMALL,))
    rows = said(monkeypatch, capsys, "batch")["batch"]
    assert [row["way"] for row in rows] == WAYS * 2
    assert [row["dtype"] for row in rows] == ["float64"] * len(WAYS) + ["float32"] * len(WAYS)
    for row in rows:
        assert (row["network"], row["batch"], row["modules"]) == ("6-5-5-4", 8, 2)
        assert row["speed"] > 0
        assert row["limit by steps"] > 0
        assert row["of limit"] == pytest.approx(row["speed"] / row["limit"])
    assert [row["speed"] for row in rows if row["way"] == IN_LINE] == [1, 1]


def test_the_ledger(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    rows = said(monkeypatch, capsys, "ledger")["ledger"]
    assert [(row["modules"], row["way"]) for row in rows] == [(m, w) for m in (2, 4) for w in WAYS]
    first = rows[0]
    assert (first["network"], first["locks"]) == ("64-128x8-10", "forward, update, backward")
    assert (first["work"], first["activations"], first["weights"]) == (1, 1, 0)


def test_the_time_to_an_accuracy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    easy, never = Goal(EASY, "bit_accuracy", 0.65), Goal(EASY.but(epochs=1), "bit_accuracy", 1.01)
    monkeypatch.setattr(race, "GOALS", {"easy": easy, "never": never})
    monkeypatch.setattr(race, "RATES", (1e-9, 3e-2))
    monkeypatch.setattr(race, "CHOSEN_ON", (100,))
    rows = said(monkeypatch, capsys, "accuracy")["accuracy"]
    reached = {row["way"]: row for row in rows if row["task"] == "easy"}
    missed = {row["way"]: row for row in rows if row["task"] == "never"}
    raced = [way for way in WAYS if way in race.TO_ACCURACY or "BLAS" in way]
    assert list(reached) == list(missed) == raced
    in_line, local = reached[IN_LINE], reached["local loss"]
    assert in_line["rate"] == 3e-2  # with the other one nothing moves
    assert in_line["speed to it"] == 1
    for name, same in {**race.SAME_BITS, WAYS[1]: IN_LINE}.items():
        for figure in ("batches", "rate"):
            assert reached[name][figure] == reached[same][figure]
    ratio = local["speed of a batch"] * float(in_line["batches"]) / float(local["batches"])
    assert local["speed to it"] == pytest.approx(ratio)
    assert in_line["median"] == in_line["batches"]  # of one seed
    assert in_line["beside in line"] == "0 better, 1 level, 0 worse"
    better = float(local["batches"]) < float(in_line["batches"])
    assert local["beside in line"].startswith(f"{better:d} better")
    for row in missed.values():
        assert (row["batches"], row["median"]) == ("never", "never")
        assert row["speed to it"] == "not on all seeds"
        assert row["beside in line"] == "0 better, 1 level, 0 worse"


def test_the_published_goals_fit_their_contestants() -> None:
    for goal in race.GOALS.values():
        for one in contestants(Network((4, *goal.settings.hidden, 2))).values():
            assert one.rows(goal.settings.batch_size) >= 1
    for widths, size in (*race.SIZES, *race.APART_SIZES):
        for one in contestants(Network(widths)).values():
            assert one.rows(size) >= 1
    raced = set(range(5))  # seeds, unless told otherwise
    assert not raced & set(race.CHOSEN_ON)


def test_apart(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("distributed")
    assert set(race.APART) <= set(WAYS)
    monkeypatch.setattr(race, "APART_SIZES", (SMALL,))
    monkeypatch.setattr(race, "APART", ("1F1B", "generator"))
    rows = said(monkeypatch, capsys, "apart")["apart"]
    assert [row["way"] for row in rows] == ["1F1B", "generator"]
    for row in rows:
        assert row["speed"] > 0
        assert row["limit without messages"] > 0


def test_random_cases_are_of_every_kind() -> None:
    drawn = [race.random_case(seed) for seed in range(60)]
    for program, stack, data, size in drawn:
        check(program)
        assert len(stack) == program.modules
        assert len(data.x_train) >= size
    assert {program.name for program, *_ in drawn} == {
        *("GPipe", "1F1B", "zero bubble", "late truth", "late truth, weights of today"),
        *("local loss", "direct feedback", "pipeline"),
    }
    assert {len(program.workers) for program, *_ in drawn} >= {1, 2, 3}
    assert race.random_case(3)[0] == drawn[3][0]
