"""The decisions of lesson 14: four cases with four answers, and what is said to the others."""

from __future__ import annotations

import pytest

from dnilab.lessons.race.experiments.contestants import IN_LINE
from dnilab.lessons.race.experiments.decisions import CASES, WAYS, Case
from dnilab.lessons.race.lesson14 import check_decisions
from dnilab.lessons.race.pictures import cases_table

RIGHT = {"A": "1F1B", "B": IN_LINE, "C": "late truth", "D": "generator"}


def test_right():
    assert {name: case.ahead for name, case in CASES.items()} == RIGHT
    assert set(RIGHT.values()) == set(WAYS)
    assert check_decisions(RIGHT)
    assert check_decisions({name: f"  {way.upper()} " for name, way in RIGHT.items()})


@pytest.mark.parametrize("name", CASES)
def test_no_case_is_a_close_call(name):
    first, second = sorted(CASES[name].speeds.values(), reverse=True)[:2]
    assert first > 1.2 * second


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "answers is NoneType"),
        ("1F1B", "answers is str"),
        ({}, "case A has no answer"),
        (RIGHT | {"B": ""}, "case B has no answer"),
        (RIGHT | {"E": "1F1B"}, "the cases are A, B, C, D"),
        (RIGHT | {"C": "local loss"}, "'local loss' is not in the race"),
        (RIGHT | {"C": 3}, "3 is not in the race"),
        (RIGHT | {"A": IN_LINE}, "3 of 4 machines have nothing to do"),
        (RIGHT | {"A": "late truth"}, "it needs 2.5 times the batches"),
        (RIGHT | {"C": "1F1B"}, "waits for 6 messages in each batch"),
        (RIGHT | {"B": "late truth"}, "on their way for longer than 1 batch"),
        (RIGHT | {"C": "generator"}, "it needs 2 times the batches"),
        (RIGHT | {"D": "late truth"}, "it needs 4 times the batches"),
    ],
)  # fmt: skip
def test_wrong(answer, said):
    verdict = check_decisions(answer)
    assert not verdict
    assert said in verdict.message


def test_a_latency_longer_than_all_lateness_is_said():
    case = Case(2, 64, 16, 2, 1000.0, 3)
    assert case.ahead == IN_LINE
    assert case.of_a_batch["late truth"] < 1


def test_the_table():
    table = cases_table(CASES)
    assert [row[0] for row in table.body] == list(CASES)
    assert table.body[0][4] == "0.02 ms"
    assert table.body[3][-1] == "late truth 4 ×, generator 1.5 ×"
