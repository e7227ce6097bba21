"""The checkers of lesson 05: planted mistakes, and what is said to each."""

from __future__ import annotations

import pytest

from dnilab.lessons.update_orderings.lesson05 import (
    CASES,
    MODULES,
    check_greatest_speed_up,
    check_red_box,
)
from dnilab.orderings import Step, module_times, pipeline, sequential, speed_up_limit


def up(k, **more):
    return Step("forward_update", k, **more)


def fit(k, **more):
    return Step("fit", k, **more)


RED = [up(1), up(2), fit(1), up(3), fit(2), up(4), fit(3)]


class TestRedBox:
    def test_right(self):
        assert check_red_box(RED)
        assert check_red_box(tuple(RED))
        assert tuple(RED) == sequential(MODULES).workers[0]

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (None, "is None"),
            ([], "is empty"),
            ("1 2 3", "is str"),
            ([1, 2], "holds 1"),
            ([Step("forward", 1), *RED], "nothing else"),
            ([up(1, batch=1), *RED[1:]], "all is of batch 0"),
            ([*RED[:2], fit(1, alone=True), *RED[3:]], "nothing runs alone"),
            ([up(2), up(1), *RED[2:]], "needs h of module 1, batch 0, which is made only later"),
            ([up(1), fit(1), up(2), *RED[3:]], "message of module 2"),
            ([*RED, fit(4)], "no generator"),
            ([*RED, up(5)], "not among the 4 modules"),
            (RED[:-1], "left out: fit of module 3"),
            ([up(1), up(2), fit(1), up(3), fit(2)], "no step brings"),
            ([*RED[:3], *RED[2:]], "a second time"),
            ([up(1), up(2), up(3), up(4), fit(3), fit(2), fit(1)], "later than it could"),
        ],
    )
    def test_wrong(self, answer, said):
        verdict = check_red_box(answer)
        assert not verdict
        assert said in verdict.message


def right(times, groups):
    return sum(times) / max(sum(times[k - 1] for k in group) for group in groups)


class TestGreatestSpeedUp:
    def test_right(self):
        assert check_greatest_speed_up(right)

    @pytest.mark.parametrize(("times", "groups"), CASES)
    def test_its_truth_is_that_of_the_ideal_timeline(self, times, groups):
        program = pipeline(groups, staleness=6)
        steps = {(s.op, s.module): 0.0 if s.op.endswith("fit") else times[s.module - 1] for s in
                 program.steps()}  # fmt: skip
        assert module_times(program, steps) == list(times)
        assert right(times, groups) == pytest.approx(speed_up_limit(program, steps))

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (lambda times, groups: None, "is None"),
            (lambda times, groups: list(times), "one number"),
            (lambda times, groups: (right(times, groups), [1.0]), "one number"),
            (lambda times, groups: 1 / right(times, groups), "upside down"),
            (lambda times, groups: sum(times) / max(times), "slowest module"),
            (lambda times, groups: len(groups), "number of groups"),
            (
                lambda times, groups: (
                    sum(times) / min(sum(times[k - 1] for k in g) for g in groups)
                ),
                "quickest group",
            ),
            (lambda times, groups: sum(times) / right(times, groups), "is the time of a batch"),
            (lambda times, groups: times[99], "IndexError"),
            (3, "should be a function"),
        ],
    )
    def test_wrong(self, answer, said):
        verdict = check_greatest_speed_up(answer)
        assert not verdict
        assert said in verdict.message
