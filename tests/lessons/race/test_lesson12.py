"""The checkers of lesson 12: planted mistakes, and what is said to each."""

from __future__ import annotations

import pytest

from dnilab.lessons.race.lesson12 import (
    PIPELINES,
    RIVALS,
    check_most_batches,
    check_pipeline_speed,
)
from dnilab.lessons.shared.rivals import one_forward_one_backward
from dnilab.orderings import speed_up_limit


def speed(workers, micro_batches):
    return micro_batches * workers / (micro_batches + workers - 1)


def most(workers, micro_batches, signal):
    return (1 + (workers - 1) / micro_batches) / (1 + workers * signal)


class TestPipelineSpeed:
    def test_right(self):
        assert check_pipeline_speed(speed)

    @pytest.mark.parametrize("case", PIPELINES)
    def test_its_truth_is_that_of_the_ideal_timeline(self, case):
        workers, micro_batches = case
        program = one_forward_one_backward([(k,) for k in range(1, workers + 1)], micro_batches)
        takes = {"forward": 1.0, "backward": 2.0, "update": 0.0}
        times = {(step.op, step.module): takes[step.op] for step in program.steps()}
        assert speed_up_limit(program, times) == pytest.approx(speed(*case))

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (lambda w, m: None, "is None"),
            (lambda w, m: [1.0], "one number"),
            (lambda w, m: 1 / speed(w, m), "upside down"),
            (lambda w, m: m + w - 1, "it is the time, in turns"),
            (lambda w, m: w, "forgets the bubble"),
            (lambda w, m: m * w / (m + w), "W - 1 turns, not W"),
            (lambda w, m: 3 * m * w / (3 * m + w - 1), "speed of zero bubble"),
            (lambda w, m: m * w / (m + 2 * (w - 1)), "counts the bubble twice"),
            (lambda w, m: m * w / (w + m * (m - 1)), "changed places in the bubble"),
            (lambda w, m: (w - 1) / (m + w - 1), "the share of the bubble"),
            (lambda w, m: m / (m + w - 1), "There are W of them"),
            (lambda w, m: -speed(w, m), "wrong sign"),
            (lambda w: w, "TypeError"),
            (1.6, "should be a function"),
        ],
    )
    def test_wrong(self, answer, said):
        verdict = check_pipeline_speed(answer)
        assert not verdict
        assert said in verdict.message


class TestMostBatches:
    def test_right(self):
        assert check_most_batches(most)

    @pytest.mark.parametrize("case", RIVALS)
    def test_its_truth_is_where_both_take_equally_long(self, case):
        workers, micro_batches, signal = case
        decoupled = most(*case) * (1 / workers + signal)
        assert decoupled == pytest.approx(1 / speed(workers, micro_batches))

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (lambda w, m, s: None, "is None"),
            (lambda w, m, s: (w, m), "one number"),
            (lambda w, m, s: 1 / most(w, m, s), "upside down"),
            (lambda w, m, s: w / (1 + w * s), "compares with backpropagation in line"),
            (lambda w, m, s: 1 + (w - 1) / m, "forgets the signal"),
            (lambda w, m, s: 1 / (1 + w * s), "forgets the bubble of 1F1B"),
            (lambda w, m, s: (1 + (w - 1) / m) / (1 + s), "only 1 / W of that"),
            (lambda w, m, s: 1 + (w - 1) / m - w * s, "e multiplies 1 + W s"),
            (lambda w, m, s: most(w, m, s) - 1, "less one"),
            (lambda w, m, s: {}["e"], "KeyError"),
            ("e", "should be a function"),
        ],
    )
    def test_wrong(self, answer, said):
        verdict = check_most_batches(answer)
        assert not verdict
        assert said in verdict.message
