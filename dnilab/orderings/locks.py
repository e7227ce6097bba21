"""What follows from a program's dataflow: which locks it holds, and what it costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from dnilab.checks import real_number
from dnilab.orderings.groups import StepTimes
from dnilab.orderings.steps import Program, Step, Value, check, in_a_run, steps_of, writes

FORWARDS = {"forward", "forward_keep", "forward_update", "forward_guess", "unlocked_update"}


def all_that_it_can_need(program: Program) -> Program:
    """The program itself; if its turns are drawn, the one whose every turn has all its steps.

    What such a program needs must not depend on what happens to be drawn in the first few turns.
    """
    if program.repeats:
        return program
    return Program(**{one.name: getattr(program, one.name) for one in fields(Program)})


def makers_of(program: Program, steps: Iterable[Step]) -> dict[Value, Step]:
    """Which of these steps makes each value."""
    return {value: step for step in steps for value in in_a_run(step, program.wires)[1]}


def ancestors(program: Program, steps: list[Step]) -> dict[Step, set[Step]]:
    """For each step, all the steps whose values it needs, directly or through others."""
    makers = makers_of(program, steps)
    known: dict[Step, set[Step]] = {}

    def above(step: Step) -> set[Step]:
        if step not in known:
            direct = [makers[v] for v in in_a_run(step, program.wires)[0]]
            known[step] = set(direct).union(*(above(s) for s in direct))
        return known[step]

    for step in steps:
        above(step)
    return known


def locks(program: Program) -> dict[str, bool]:
    """Which of the three locks of the paper's introduction the program's dataflow holds.

    forward:  a module can't process a batch before the modules below it have.
    update:   a module can't be updated before the modules above it have gone forward.
    backward: a module can't be updated before a gradient has come down from those above it.

    It asks what a step needs, not which step happens to come first on a worker.  Where turns are
    drawn, a lock is held if any draw holds it.
    """
    check(program)
    program = all_that_it_can_need(program)
    steps = list(steps_of(program, program.warm_up()))
    before = ancestors(program, steps)
    held = {"forward": False, "update": False, "backward": False}
    for step in steps:
        part = writes(step)
        of_body = part is not None and part[0] == "body"
        for other in before[step]:
            if step.op in FORWARDS and other.module < step.module:
                held["forward"] = True
            if of_body and other.module > step.module and other.op in FORWARDS:
                held["update"] = True
        if of_body:
            held["backward"] |= any(
                value.kind.startswith("message") and value.module > step.module
                for one in (step, *before[step])
                for value in in_a_run(one, program.wires)[0]
            )
    return held


@dataclass(frozen=True)
class Price:
    """What an ordering costs a batch: see ``price``."""

    locks: tuple[str, ...]
    work: float
    messages: float


def price(program: Program, times: StepTimes, reference: float = 1.0) -> Price:
    """The locks that a program holds, its work a batch, and its messages a batch.

    ``work``: the sum of its steps' ``times`` over ``reference``, for instance the work of
    backpropagation.  ``messages``: values that modules hand each other, activations and gradients
    alike, whoever their workers are; each is (batch, width).  Means over the batches of a run.

    Raises ValueError for a step without a time.
    """
    real_number("reference", reference, 0, above=True)
    held = tuple(name for name, is_held in locks(program).items() if is_held)
    batches = 32 * program.batches_per_turn
    steps = list(steps_of(program, batches))
    makers = makers_of(program, steps)
    work, messages = 0.0, 0
    for step in steps:
        if (step.op, step.module) not in times:
            raise ValueError(f"times has no entry for {(step.op, step.module)}")
        work += times[step.op, step.module]
        needed = in_a_run(step, program.wires)[0]
        messages += sum(makers[value].module != step.module for value in needed)
    return Price(held, work / reference / batches, messages / batches)
