"""What no number of workers can shorten: the longest chain of needs."""

from __future__ import annotations

from dnilab.doors import door
from dnilab.orderings.groups import StepTimes
from dnilab.orderings.locks import all_that_it_can_need, makers_of
from dnilab.orderings.steps import Program, Step, in_a_run, unroll_turn
from dnilab.orderings.timeline import durations


@door
def critical_path(program: Program, times: StepTimes) -> list[Step]:
    """The steps of one batch that no number of workers can shorten: the longest chain of needs.

    Where turns are drawn, it is that of a batch for which everything is drawn.  Raises ValueError
    for a step without a time, and for a time below 0.
    """
    program = all_that_it_can_need(program)
    batches = 2 * program.lag + 2 * program.batches_per_turn + 1
    turns = range(program.turns(batches))
    steps = [s for r in turns for worker in unroll_turn(program, r, batches) for s in worker]
    takes = durations(steps, times)
    makers = makers_of(program, steps)
    longest: dict[Step, tuple[float, list[Step]]] = {}

    def chain(step: Step) -> tuple[float, list[Step]]:
        if step not in longest:
            before = [chain(makers[v]) for v in in_a_run(step, program.wires)[0]]
            time, path = max(before, key=lambda pair: pair[0], default=(0.0, []))
            longest[step] = (time + takes[step.op, step.module], [*path, step])
        return longest[step]

    of_one = [step for step in steps if step.batch == program.lag]
    return max((chain(step) for step in of_one), key=lambda pair: pair[0])[1]
