"""Lesson 05: write an ordering down, and say how fast a division into groups can be."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from dnilab.exercises import Function, NotYet, Verdict, checker, judge_numbers
from dnilab.orderings import Groups, IllegalProgram, Program, Step, check, sequential

MODULES = 4


@checker
def check_red_box(steps: Any) -> Verdict:
    """Check a list of Steps: one batch of the Red Box, for four modules.

    Whether it can run at all is asked of ``orderings.check``, whose answer is passed on.
    """
    given = _steps_of(steps)
    for step in given:
        if step.op not in ("forward_update", "fit"):
            raise NotYet(f"{step}: the Red Box is made of forward_update and fit, nothing else.")
        if step.batch != 0 or step.alone:
            raise NotYet(f"{step}: in the Red Box all is of batch 0, and nothing runs alone.")
    try:
        check(Program("your Red Box", MODULES, (given,)))
    except IllegalProgram as fault:
        raise NotYet(f"this order can't run. {fault}.") from fault
    except ValueError as fault:  # a module that does not exist
        raise NotYet(f"{fault}.") from fault
    for step in sequential(MODULES).workers[0]:
        if step not in given:
            raise NotYet(
                f"it can run, but something is left out: {step.op} of module {step.module}."
            )
    for before, step in pairwise(given):
        if step.op == "fit" and before != Step("forward_update", step.module + 1):
            raise NotYet(
                f"it can run, and gives the same numbers. But fit of module {step.module} comes "
                "later than it could: its target is there as soon as module "
                f"{step.module + 1} has had its forward_update."
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


CASES: tuple[tuple[tuple[float, ...], Groups], ...] = (
    ((4.0, 3.0, 1.0), ((1,), (2, 3))),
    ((2.0, 7.0, 3.0, 1.0), ((1, 2), (3,), (4,))),
    ((1.0, 1.0, 2.0, 5.0, 4.0), ((1, 2, 3), (4, 5))),
)


@checker
def check_greatest_speed_up(greatest_speed_up: Function) -> Verdict:
    """Check ``greatest_speed_up(times, groups)`` -> how many times as fast a pipeline can be.

    ``times``: what the steps of each module take, first module first; ``groups``: the modules of
    each worker, as ((1,), (2, 3)).  There are as many cores as workers, and staleness enough.
    """

    def rule(times: Sequence[float], groups: Groups) -> tuple[float, dict[str, float]]:
        work, sums = sum(times), [sum(times[k - 1] for k in group) for group in groups]
        return work / max(sums), {
            "it is upside down: the work of all over the work of the slowest group.": (
                max(sums) / work
            ),
            "it divides by the slowest module; a worker has to do all modules of its group.": (
                work / max(times)
            ),
            "it is the number of groups, which is right only where the work is even.": len(groups),
            "it divides by the quickest group; the others wait for the slowest.": work / min(sums),
            "it is the time of a batch. How many times as fast is that as all work in a row?": (
                max(sums)
            ),
        }

    name = "greatest_speed_up(times, groups)"
    return judge_numbers(name, greatest_speed_up, CASES, rule)
