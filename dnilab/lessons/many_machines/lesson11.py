"""Lesson 11: how much faster many machines are: for runs that are apart, and for modules that are.

Both answers are one number each; the checkers ask for several cases, in which every mistake that
they know of gives another one.
"""

from __future__ import annotations

import math

from dnilab.exercises import Function, Verdict, checker, judge_numbers

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


@checker
def check_sweep_speed_up(speed_up: Function) -> Verdict:
    """Check ``speed_up(runs, workers, run, start)`` -> how many times as fast as in line.

    ``runs`` equal runs of ``run`` seconds each on ``workers`` workers, which are there ``start``
    seconds after the beginning.  In line nothing has to be started.
    """

    def rule(n: int, p: int, r: float, s: float) -> tuple[float, dict[str, float]]:
        rounds = math.ceil(n / p)
        in_line, with_workers = n * r, s + rounds * r
        return in_line / with_workers, {
            "it is upside down: the time in line over the time with workers.": (
                with_workers / in_line
            ),
            "it is the time. How many times as fast is that as all runs in a row?": with_workers,
            "the start is missing.": n / rounds,
            "it shares a run out: one run is done by one worker, so the last round may leave "
            "workers idle. Round up.": in_line / (s + in_line / p),
            "it shares a run out, and the start is missing.": p,
            "it forgets the last round, in which some workers are idle. Round up, not down.": (
                in_line / (s + max(1, n // p) * r)
            ),
            "the workers start side by side, so the start counts once, not once a worker.": (
                in_line / (s * p + rounds * r)
            ),
            "a worker starts once, not once a run.": in_line / (rounds * (s + r)),
            "in line nothing has to be started: the start is in the lower line only.": (
                (s + in_line) / with_workers
            ),
        }

    return judge_numbers("speed_up(runs, workers, run, start)", speed_up, SWEEPS, rule)


@checker
def check_break_even(break_even: Function) -> Verdict:
    """Check ``break_even(multiplications, bandwidth, products)`` -> the width from which it pays.

    ``multiplications``: those of a second.  ``bandwidth``: bytes a second, of a line on which a
    message takes no time to begin.  ``products``: how many products of (B, n) by (n, n) a batch
    another machine takes over, for one activation and one gradient of shape (B, n), float64.
    """

    def rule(f: float, b: float, c: float) -> tuple[float, dict[str, float]]:
        right = 2 * ITEM * f / (c * b)
        return right, {
            "it counts one message. An activation goes up, and a gradient comes down.": right / 2,
            "it counts numbers; a line carries bytes, 8 for each of them.": right / ITEM,
            "it counts numbers, and one message of two.": right / ITEM / 2,
            "it counts bits; the bandwidth is in bytes.": right * 8,
            "it is upside down: a quicker machine makes splitting pay later, a line sooner.": (
                1 / right
            ),
            "multiplications and bandwidth have changed places.": 2 * ITEM * b / (c * f),
            "products has to be below the line: the more the other machine takes over, the sooner "
            "it pays.": right * c**2,
            "the number of products is missing.": right * c,
            "it is the square. A batch's work grows with n squared and its message with n: divide "
            "one by the other first.": right**2,
            "it is the square root. One n of the n squared of the work is in the message too.": (
                math.sqrt(right)
            ),
        }

    name = "break_even(multiplications, bandwidth, products)"
    return judge_numbers(name, break_even, LINKS, rule)
