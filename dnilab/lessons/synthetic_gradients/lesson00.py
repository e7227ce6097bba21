"""Lesson 00: one exercise, to see how exercises work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dnilab.exercises.asking import NotYet, ask, judge_with_mistakes
from dnilab.exercises.feedback import Verdict


def check_weighted_sum(weighted_sum: Callable[..., Any]) -> Verdict:
    """Check ``weighted_sum(x, W, b)``: x (batch, n_in), W (n_in, n_out), b (n_out,) -> x W + b."""
    rng = np.random.default_rng(0)
    x, W, b = rng.normal(size=(5, 3)), rng.normal(size=(3, 4)), rng.normal(size=4)
    try:
        got = ask("weighted_sum", weighted_sum, x, W, b)
    except NotYet as stop:
        return stop.verdict
    return judge_with_mistakes(
        "weighted_sum(x, W, b)", got, x @ W + b, {}, {"b is missing: add it to each row.": x @ W}
    )
