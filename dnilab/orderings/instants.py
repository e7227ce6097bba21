"""A program instant by instant: who works, who waits for what, and what is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from dnilab.checks import whole_number
from dnilab.orderings.locks import makers_of
from dnilab.orderings.steps import Program, Step, Value, in_a_run
from dnilab.orderings.timeline import Slot, ideal_timeline


class Wait(NamedTuple):
    """``step`` can't run yet: it needs ``value``, which ``maker`` makes."""

    step: Step
    value: Value
    maker: Step


@dataclass(frozen=True)
class Instant:
    """One moment of a program in which every step takes one unit of time.

    ``number`` counts from 1.  ``working``: the steps that run now.  ``waiting``: for each
    operation of each module, its next step and what it still needs, if that step's batch is on its
    way (some step of it has begun).  ``ready``: next steps that need nothing more, and whose turn
    has not come.  ``done``: the steps that are over.
    """

    number: int
    working: tuple[Step, ...]
    waiting: tuple[Wait, ...]
    ready: tuple[Step, ...]
    done: frozenset[Step]


def unit_timeline(program: Program, batches: int) -> list[Slot]:
    """The ideal timeline with as many cores as it likes, where every step takes one unit."""
    unit = {(step.op, step.module): 1.0 for step in program.steps()}
    return ideal_timeline(program, unit, batches=batches)


def instants(program: Program, count: int = 12) -> list[Instant]:
    """The first ``count`` moments of a program.

    A moment ends when the steps that run in it do: with steps of equal length all end together.
    """
    whole_number("count", count, 1)
    # Every moment some step runs, and no batch has more steps than the whole program.
    slots = unit_timeline(program, count + program.lag + program.batches_per_turn)
    maker = makers_of(program, (slot.step for slot in slots))
    found = []
    for number in range(1, count + 1):
        now = number - 1
        working = tuple(s.step for s in slots if s.start <= now < s.end)
        done = frozenset(s.step for s in slots if s.end <= now)
        begun = {step.batch for step in (*working, *done)}
        upcoming: dict[tuple[str, int], Step] = {}
        for slot in slots:
            if slot.start > now:
                upcoming.setdefault((slot.step.op, slot.step.module), slot.step)
        waiting, ready = [], []
        for step in upcoming.values():
            missing = [
                value for value in in_a_run(step, program.wires)[0] if maker[value] not in done
            ]
            if step.batch in begun:
                waiting += [Wait(step, value, maker[value]) for value in missing]
            if not missing:
                ready.append(step)
        found.append(Instant(number, working, tuple(waiting), tuple(ready), done))
    return found
