"""Lesson 05: write an ordering down, and say how fast a division into groups can be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dnilab.exercises.asking import NotYet, ask, judge_with_mistakes, shape_of
from dnilab.exercises.feedback import Verdict
from dnilab.orderings import IllegalProgram, Program, Step, check, sequential

MODULES = 4


def check_red_box(steps: Any) -> Verdict:
    """Check a list of Steps: one batch of the Red Box, for four modules.

    Whether it can run at all is asked of ``orderings.check``, whose answer is passed on.
    """
    try:
        given = _steps_of(steps)
    except NotYet as stop:
        return stop.verdict
    for step in given:
        if step.op not in ("forward_update", "fit"):
            return Verdict(
                False, f"{step}: the Red Box is made of forward_update and fit, nothing else."
            )
        if step.batch != 0 or step.alone:
            return Verdict(
                False, f"{step}: in the Red Box all is of batch 0, and nothing runs alone."
            )
    try:
        check(Program("your Red Box", MODULES, (given,)))
    except IllegalProgram as fault:
        return Verdict(False, f"this order can't run. {fault}.")
    except ValueError as fault:  # a module that does not exist
        return Verdict(False, f"{fault}.")
    right = sequential(MODULES).workers[0]
    missing = [step for step in right if step not in given]
    if missing:
        return Verdict(
            False, f"it can run, but something is left out: {missing[0].op} of module "
            f"{missing[0].module}."
        )  # fmt: skip
    for place, step in enumerate(given):
        if step.op == "fit" and given[place - 1] != Step("forward_update", step.module + 1):
            return Verdict(
                False,
                f"it can run, and gives the same numbers. But fit of module {step.module} comes "
                "later than it could: its target is there as soon as module "
                f"{step.module + 1} has had its forward_update.",
            )
    return Verdict(True, "it can run, and each generator is fitted as soon as its target is there.")


def _steps_of(steps: Any) -> tuple[Step, ...]:
    if steps is None or not isinstance(steps, list | tuple):
        kind = "None" if steps is None else type(steps).__name__
        raise NotYet(f"red_box is {kind}; it should be a list of Steps.")
    if not steps:
        raise NotYet("red_box is empty. Its first entry is Step('forward_update', 1).")
    for entry in steps:
        if not isinstance(entry, Step):
            raise NotYet(
                f"red_box holds {entry!r}; each entry should be a Step, as Step('fit', 1)."
            )
    return tuple(steps)


CASES: tuple[tuple[tuple[float, ...], tuple[tuple[int, ...], ...]], ...] = (
    ((4.0, 3.0, 1.0), ((1,), (2, 3))),
    ((2.0, 7.0, 3.0, 1.0), ((1, 2), (3,), (4,))),
    ((1.0, 1.0, 2.0, 5.0, 4.0), ((1, 2, 3), (4, 5))),
)


def check_greatest_speed_up(greatest_speed_up: Callable[..., Any]) -> Verdict:
    """Check ``greatest_speed_up(times, groups)`` -> how many times as fast a pipeline can be.

    ``times``: what the steps of each module take, first module first; ``groups``: the modules of
    each worker, as ((1,), (2, 3)).  There are as many cores as workers, and staleness enough.
    """

    def of(rule: Callable[[list[float], list[float]], float]) -> np.ndarray:
        """The answers that a rule for (times, sums of the groups) gives."""
        sums = [[sum(times[k - 1] for k in group) for group in groups] for times, groups in CASES]
        return np.array([rule(list(times), s) for (times, _), s in zip(CASES, sums, strict=True)])

    answers = []
    try:
        for times, groups in CASES:
            answer = ask("greatest_speed_up", greatest_speed_up, times, groups)
            if shape_of(answer) != ():
                raise NotYet("greatest_speed_up(times, groups) should return one number.")
            answers.append(answer)
    except NotYet as stop:
        return stop.verdict
    name = "greatest_speed_up(times, groups)"
    got = None if any(answer is None for answer in answers) else answers
    return judge_with_mistakes(
        name,
        got,
        of(lambda times, sums: sum(times) / max(sums)),
        {},
        {
            "it is upside down: the work of all over the work of the slowest group.": of(
                lambda times, sums: max(sums) / sum(times)
            ),
            "it divides by the slowest module; a worker has to do all modules of its group.": of(
                lambda times, sums: sum(times) / max(times)
            ),
            "it is the number of groups, which is right only where the work is even.": of(
                lambda times, sums: len(sums)
            ),
            "it divides by the quickest group; the others wait for the slowest.": of(
                lambda times, sums: sum(times) / min(sums)
            ),
            "it is the time of a batch. How many times as fast is that as all work in a row?": of(
                lambda times, sums: max(sums)
            ),
        },
    )
