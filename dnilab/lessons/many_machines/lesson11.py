"""Lesson 11: how much faster many machines are: for runs that are apart, and for modules that are.

Both answers are one number each; the checkers ask for several cases, in which every mistake that
they know of gives another one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dnilab.exercises.asking import NotYet, ask, judge_with_mistakes, shape_of
from dnilab.exercises.feedback import Verdict

# runs, workers, seconds of a run, seconds of the start
SWEEPS: tuple[tuple[int, int, float, float], ...] = (
    (32, 2, 1.0, 1.5),
    (10, 4, 3.0, 2.0),
    (3, 8, 0.5, 0.25),
    (7, 3, 2.0, 5.0),
)
# multiplications a second, bytes a second, products that the other machine takes over
LINKS: tuple[tuple[float, float, int], ...] = (
    (2e9, 1e9, 8),
    (1.5e10, 1.25e8, 4),
    (5e9, 1.25e10, 3),
)
ITEM = 8  # bytes of a float64
Rule = Callable[..., float]


def check_sweep_speed_up(speed_up: Callable[..., Any]) -> Verdict:
    """Check ``speed_up(runs, workers, run, start)`` -> how many times as fast as in line.

    ``runs`` equal runs of ``run`` seconds each on ``workers`` workers, which are there ``start``
    seconds after the beginning.  In line nothing has to be started.
    """

    def ceil(n: float, p: float) -> int:
        return math.ceil(n / p)

    return _check(
        "speed_up(runs, workers, run, start)",
        speed_up,
        SWEEPS,
        lambda n, p, r, s: n * r / (s + ceil(n, p) * r),
        {
            "it is upside down: the time in line over the time with workers.": lambda n, p, r, s: (
                (s + ceil(n, p) * r) / (n * r)
            ),
            "it is the time. How many times as fast is that as all runs in a row?": lambda n, p, r, s: (  # noqa: E501
                s + ceil(n, p) * r
            ),
            "the start is missing.": lambda n, p, r, s: n / ceil(n, p),
            "it shares a run out: one run is done by one worker, so the last round may leave "
            "workers idle. Round up.": lambda n, p, r, s: n * r / (s + n / p * r),
            "it shares a run out, and the start is missing.": lambda n, p, r, s: float(p),
            "it forgets the last round, in which some workers are idle. Round up, not down.": (
                lambda n, p, r, s: n * r / (s + max(1, n // p) * r)
            ),
            "the workers start side by side, so the start counts once, not once a worker.": (
                lambda n, p, r, s: n * r / (s * p + ceil(n, p) * r)
            ),
            "a worker starts once, not once a run.": lambda n, p, r, s: (
                n * r / (ceil(n, p) * (r + s))
            ),
            "in line nothing has to be started: the start is in the lower line only.": (
                lambda n, p, r, s: (s + n * r) / (s + ceil(n, p) * r)
            ),
        },
    )


def check_break_even(break_even: Callable[..., Any]) -> Verdict:
    """Check ``break_even(flops, bandwidth, products)`` -> the width from which it pays.

    ``flops``: multiplications a second.  ``bandwidth``: bytes a second, of a line on which a
    message takes no time to begin.  ``products``: how many products of (B, n) by (n, n) a batch
    another machine takes over, for one activation and one gradient of shape (B, n), float64.
    """

    def width(per_byte: float) -> Rule:
        return lambda f, b, c: per_byte * f / (c * b)

    right = 2 * ITEM
    return _check(
        "break_even(flops, bandwidth, products)",
        break_even,
        LINKS,
        width(right),
        {
            "it counts one message. An activation goes up, and a gradient comes down.": width(ITEM),
            "it counts numbers; a line carries bytes, 8 for each of them.": width(2),
            "it counts numbers, and one message of two.": width(1),
            "it counts bits; the bandwidth is in bytes.": width(8 * right),
            "it is upside down: a quicker machine makes apart pay later, a quicker line sooner.": (
                lambda f, b, c: c * b / (right * f)
            ),
            "flops and bandwidth have changed places.": lambda f, b, c: right * b / (c * f),
            "products has to be below the line: the more the other machine takes over, the sooner "
            "it pays.": lambda f, b, c: right * f * c / b,
            "the number of products is missing.": lambda f, b, c: right * f / b,
            "it is the square. A batch's work grows with n squared and its message with n: divide "
            "one by the other first.": lambda f, b, c: (right * f / (c * b)) ** 2,
            "it is the square root. One n of the n squared of the work is in the message too.": (
                lambda f, b, c: math.sqrt(right * f / (c * b))
            ),
        },
    )


def _check(
    name: str,
    function: Callable[..., Any],
    cases: Sequence[Sequence[float]],
    rule: Rule,
    mistakes: dict[str, Rule],
) -> Verdict:
    """Ask for every case, and compare all answers with those of the rule."""

    def of(one: Rule) -> np.ndarray:
        return np.array([one(*case) for case in cases])

    answers = []
    try:
        for case in cases:
            answer = ask(name.split("(")[0], function, *case)
            if shape_of(answer) != ():
                raise NotYet(f"{name} should return one number.")
            answers.append(answer)
    except NotYet as stop:
        return stop.verdict
    got = None if any(answer is None for answer in answers) else answers
    return judge_with_mistakes(
        name, got, of(rule), {}, {said: of(wrong) for said, wrong in mistakes.items()}
    )
