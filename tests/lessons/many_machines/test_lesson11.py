"""The checkers of lesson 11: planted mistakes, and what is said to each."""

from __future__ import annotations

from math import ceil, sqrt

import pytest

from dnilab.lessons.many_machines.lesson11 import (
    LINKS,
    SWEEPS,
    check_break_even,
    check_sweep_speed_up,
)
from dnilab.orderings import multiplications


def faster(runs, workers, run, start):
    return runs * run / (start + ceil(runs / workers) * run)


def time(runs, workers, run, start):
    return start + ceil(runs / workers) * run


class TestSweep:
    def test_right(self):
        verdict = check_sweep_speed_up(faster)
        assert verdict
        assert "agrees" in verdict.message

    @pytest.mark.parametrize("case", SWEEPS)
    def test_its_truth_is_that_of_runs_dealt_out_one_by_one(self, case):
        runs, workers, run, start = case
        free_at = [start] * workers
        for _ in range(runs):
            free_at[free_at.index(min(free_at))] += run
        assert faster(*case) == pytest.approx(runs * run / max(free_at))

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (lambda n, p, r, s: None, "is None"),
            (lambda n, p, r, s: [1.0], "one number"),
            (lambda n, p, r, s: 1 / faster(n, p, r, s), "upside down"),
            (time, "it is the time"),
            (lambda n, p, r, s: n / ceil(n / p), "the start is missing"),
            (lambda n, p, r, s: n * r / (s + n / p * r), "shares a run out: one run"),
            (lambda n, p, r, s: p, "shares a run out, and the start"),
            (lambda n, p, r, s: n * r / (s + max(1, n // p) * r), "Round up, not down"),
            (lambda n, p, r, s: n * r / (s * p + ceil(n / p) * r), "not once a worker"),
            (lambda n, p, r, s: n * r / (ceil(n / p) * (r + s)), "not once a run"),
            (lambda n, p, r, s: (s + n * r) / time(n, p, r, s), "lower line only"),
            (lambda n, p, r, s: -faster(n, p, r, s), "wrong sign"),
            (lambda n, p, r, s: r / 0, "ZeroDivisionError"),
            (lambda n: n, "TypeError"),
            (1.8, "should be a function"),
        ],
    )
    def test_wrong(self, answer, said):
        verdict = check_sweep_speed_up(answer)
        assert not verdict
        assert said in verdict.message


def width(flops, bandwidth, products):
    return 16 * flops / (products * bandwidth)


class TestBreakEven:
    def test_right(self):
        assert check_break_even(width)

    @pytest.mark.parametrize("case", LINKS)
    def test_its_truth_is_where_the_work_takes_as_long_as_the_messages(self, case):
        flops, bandwidth, products = case
        n = width(*case)
        for batch in (1, 100):
            sent = 2 * batch * n * 8 / bandwidth
            assert products * batch * n * n / flops == pytest.approx(sent)

    def test_what_is_saved_in_the_notebook_is_counted_by_the_cost_model(self):
        costs = multiplications((10,) * 5)
        of_module = [
            sum(costs.get((op, k), 0) for op in ("forward_update", "fit")) / 100
            for k in (1, 2, 3, 4)
        ]
        assert of_module == [4, 5, 5, 3]

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (lambda f, b, c: None, "is None"),
            (lambda f, b, c: (f, b), "one number"),
            (lambda f, b, c: (f, [b]), "one number"),
            (lambda f, b, c: 8 * f / (c * b), "counts one message"),
            (lambda f, b, c: 2 * f / (c * b), "carries bytes"),
            (lambda f, b, c: f / (c * b), "one message of two"),
            (lambda f, b, c: 128 * f / (c * b), "counts bits"),
            (lambda f, b, c: 1 / width(f, b, c), "upside down"),
            (lambda f, b, c: 16 * b / (c * f), "changed places"),
            (lambda f, b, c: 16 * f * c / b, "below the line"),
            (lambda f, b, c: 16 * f / b, "products is missing"),
            (lambda f, b, c: width(f, b, c) ** 2, "the square."),
            (lambda f, b, c: sqrt(width(f, b, c)), "square root"),
            (lambda f, b, c: {}["n"], "KeyError"),
            ("n", "should be a function"),
        ],
    )
    def test_wrong(self, answer, said):
        verdict = check_break_even(answer)
        assert not verdict
        assert said in verdict.message
