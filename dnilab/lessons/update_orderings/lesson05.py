"""Lesson 05: write an ordering of your own, and say how fast a division into groups can be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dnilab.exercises import Function, NotYet, Verdict, checker, judge_numbers
from dnilab.lessons.update_orderings.orderings import program_of, why_not
from dnilab.orderings import Groups, Program, Step, locks, time_per_batch

MODULES = 3

# What the notebook runs for those who have no ordering of their own yet.
ONE_CUT = [
    [
        Step("forward", 1),
        Step("forward_update", 2),
        Step("backward", 1),
        Step("update", 1),
        Step("late_fit", 2, -1),
    ],
    [Step("forward_update", 3)],
]


@checker
def check_ordering(workers: Any) -> Verdict:
    """Check lists of Steps, one for each worker (or a Program): any ordering that trains it all.

    For three modules.  A wrong one gets the reason why it can't run, or what it leaves out.
    """
    try:
        program = program_of(workers, MODULES)
    except (TypeError, ValueError) as fault:
        raise NotYet(f"{fault}.") from fault
    if program.modules != MODULES:
        raise NotYet(f"it is written for {program.modules} modules; it should be for {MODULES}.")
    reason = why_not(program)
    if reason:
        raise NotYet(reason)
    return Verdict(True, f"it can run, and everything in it learns. {_what_it_allows(program)}")


def _what_it_allows(program: Program) -> str:
    """Locks, and the time of a batch where every step takes one unit."""
    unit = {(step.op, step.module): 1.0 for step in program.steps()}
    work, workers = sum(1 for _ in program.steps()), len(program.workers)
    held = [name for name, is_held in locks(program).items() if is_held]
    said = f"Locks held: {', '.join(held)}. "
    if workers == 1:
        return said + f"One worker does its {work} steps one after the other."
    time = time_per_batch(program, unit, cores=workers)
    return said + (
        f"If every step takes one unit, {workers} workers need {time:.3g} units for a batch; "
        f"one worker would need {work}."
    )


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
