"""Lesson 00: one exercise, to see how exercises work."""

from __future__ import annotations

import numpy as np

from dnilab.exercises import Function, Verdict, checker, judge_call


@checker
def check_weighted_sum(weighted_sum: Function) -> Verdict:
    """Check ``weighted_sum(x, W, b)``: x (batch, n_in), W (n_in, n_out), b (n_out,) -> x W + b."""
    rng = np.random.default_rng(0)
    x, W, b = rng.normal(size=(5, 3)), rng.normal(size=(3, 4)), rng.normal(size=4)
    mistakes = {"b is missing: add it to each row.": x @ W}
    return judge_call("weighted_sum(x, W, b)", weighted_sum, (x, W, b), x @ W + b, mistakes)
