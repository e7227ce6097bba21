"""The checkers of lesson 05: planted mistakes, and what is said to each."""

from __future__ import annotations

import numpy as np
import pytest

from dnilab.lessons.shared.timing import noise
from dnilab.lessons.update_orderings.lesson05 import (
    CASES,
    MODULES,
    check_greatest_speed_up,
    check_ordering,
)
from dnilab.lessons.update_orderings.orderings import program_of
from dnilab.network import SGD, BinaryCrossEntropy, Stack
from dnilab.orderings import Step, backprop, module_times, pipeline, sequential, speed_up_limit
from dnilab.training import train


def up(k, batch=0, **more):
    return Step("forward_update", k, batch, **more)


def fit(k, batch=0, **more):
    return Step("fit", k, batch, **more)


def late(k, batch=-1):
    return Step("late_fit", k, batch)


def wait(*ops_and_modules, batch=0):
    return [Step(op, k, batch) for op, k in ops_and_modules]


RED = [up(1), up(2), fit(1), up(3), fit(2)]
PIPED = [[up(1), late(1)], [up(2), up(3), late(2)]]
DOWN_2 = wait(("backward", 2), ("update", 2))
ONE_CUT = [[up(1), late(1)], [*wait(("forward", 2)), up(3), *DOWN_2]]
LATE_TRUTH = [
    [*wait(("forward", 1)), *wait(("backward", 1), ("update", 1), batch=-1)],
    [*wait(("forward", 2)), up(3), *DOWN_2],
]
FORWARDS = wait(("forward", 1), ("forward", 2))
DOWN_1 = wait(("backward", 1), ("update", 1))


class TestOrdering:
    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (RED, "its 5 steps one after the other"),
            (tuple(RED), "Locks held: forward."),
            ([RED, []], "One worker"),
            (sequential(MODULES), "One worker"),
            (PIPED, "2 workers need 3 units"),
            (pipeline(((1,), (2, 3))), "2 workers need 3 units"),
            ([[fit(1, -1), up(1)], PIPED[1]], "2 workers need 3 units"),
            ([[up(1), late(1)], [up(2), late(2)], [up(3)]], "3 workers need 2 units"),
            (ONE_CUT, "Locks held: forward, update, backward."),
            (LATE_TRUTH, "2 workers need 4 units"),
            ([*FORWARDS, up(3), *DOWN_2, *DOWN_1], "update, backward"),
            (list(backprop(MODULES).workers[0]), "its 9 steps"),
        ],
    )
    def test_right(self, answer, said):
        verdict = check_ordering(answer)
        assert verdict, verdict.message
        assert said in verdict.message

    @pytest.mark.parametrize("answer", [RED, PIPED, ONE_CUT, LATE_TRUTH])
    def test_what_passes_trains_every_part(self, answer):
        program = program_of(answer)
        widths = (24, 8, 6, 12)
        stack = Stack.build(
            widths, BinaryCrossEntropy(), np.random.default_rng(0),
            signals=program.wires.signals[:-1],
        )  # fmt: skip
        before = [theta.copy() for theta in stack.thetas]
        list(train(stack, noise(widths, 40), program, optimiser=SGD(0.1), batch_size=4, epochs=1))
        assert not any(map(np.array_equal, before, stack.thetas))

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (None, "workers is NoneType"),
            ([], "no step yet"),
            ([[], []], "no step yet"),
            ("1 2 3", "workers is str"),
            ([1, 2], "workers holds 1"),
            ([[up(1)], ["fit"]], "where a Step should be"),
            ([up(4), *RED], "not among the 3 modules"),
            (sequential(4), "it is written for 4 modules"),
            ([Step("pull", 1), *RED], "is not in this exercise"),
            ([up(1), up(2), fit(1, alone=True), *RED[3:]], "it runs alone"),
            ([up(1, 1), *RED[1:]], "is not there yet"),
            ([*RED, fit(3)], "no generator to fit"),
            ([*RED, up(1)], "2 steps of the kind 'forward'"),
            ([*RED, late(1)], "2 steps of the kind 'fit'"),
            (RED[:3], "no step takes module 3 forward"),
            (RED[1:], "no step takes module 1 forward"),
            (RED[:-1], "generator of module 2 is never fitted"),
            ([*RED, *DOWN_2], "has pulled back already"),
            ([*FORWARDS, up(3), *DOWN_2, DOWN_1[1]], "update 1 has no gradients"),
            ([*FORWARDS, up(3), *DOWN_2], "module 1 goes forward and never learns"),
            ([*FORWARDS, up(3), *DOWN_2, DOWN_1[0]], "module 1 is pulled back, but never updated"),
            (
                [*FORWARDS, up(3), DOWN_2[1], DOWN_2[0], *DOWN_1],
                "an update before the pullback: update 2 needs the gradients of module 2",
            ),
            ([up(2), up(1), *RED[2:]], "forward_update 2 needs h1, which forward_update 1 makes"),
            ([up(1), fit(1), up(2), *RED[3:]], "fit 1 needs τ1, which forward_update 2 makes"),
            ([*FORWARDS, *DOWN_2, *DOWN_1, up(3)], "backward 2 needs g2, which forward_update 3"),
            ([[fit(1), up(1)], PIPED[1]], "worker 1 waits in fit 1 for τ1, which worker 2 makes"),
            (
                [[DOWN_1[0], FORWARDS[0], DOWN_1[1]], LATE_TRUTH[1]],
                "a circle of waiting: worker 1 waits in backward 1 for g1",
            ),
            ([[up(1), up(2)], [up(3), fit(1), fit(2)]], "a module belongs to one worker"),
            ([up(1, -1), *RED[1:]], "h of module 1, batch 0, which is made only later"),
        ],
    )  # fmt: skip
    def test_wrong(self, answer, said):
        verdict = check_ordering(answer)
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
