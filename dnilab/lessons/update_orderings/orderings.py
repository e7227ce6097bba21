"""An ordering that a learner writes: lists of steps made into a program, and what is wrong with it.

``orderings.check`` says whether a program can run.  Here is said, in a learner's words, what most
often keeps a first one from running, and what it leaves out although it runs.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import Any

from dnilab.orderings import IllegalProgram, Program, Step, Value, Wiring, chain, check
from dnilab.orderings.locks import FORWARDS
from dnilab.orderings.steps import in_a_run, unroll_turn

ALLOWED = ("forward_update", "fit", "late_fit", "forward", "backward", "update")
"""What a learner's ordering is made of."""

WAITS = ("forward", "backward", "update")  # steps of a module that has no generator


def program_of(workers: Any, modules: int = 3, name: str = "your ordering") -> Program:
    """Lists of steps as a Program: one list for each worker, or one list for a single worker.

    A module that has a "backward" waits for the true gradient; any other below the top has a
    generator.

    Raises TypeError or ValueError, naming ``workers``, for anything else than lists of Steps, and
    ValueError for a step of a module that is not there.
    """
    if isinstance(workers, Program):
        return workers
    lists = _lists(workers)
    waits = {step.module for steps in lists for step in steps if step.op in WAITS}
    signals = ["truth" if k in waits else "generator" for k in range(1, modules)]
    return Program(name, modules, lists, wiring=chain(modules, signals))


def _lists(workers: Any) -> tuple[tuple[Step, ...], ...]:
    accepts = "a list of Steps for each worker, as [[Step('forward_update', 1)], []]"
    if not isinstance(workers, list | tuple):
        raise TypeError(f"workers is {type(workers).__name__}; it should be {accepts}")
    if all(isinstance(entry, Step) for entry in workers):
        workers = [workers]  # one worker
    for steps in workers:
        if not isinstance(steps, list | tuple):
            raise TypeError(f"workers holds {steps!r}; it should be {accepts}")
        for step in steps:
            if not isinstance(step, Step):
                raise TypeError(f"workers holds {step!r} where a Step should be, as Step('fit', 1)")
    lists = tuple(tuple(steps) for steps in workers if steps)
    if not lists:
        raise ValueError("workers has no step yet; it could begin with Step('forward_update', 1)")
    return lists


def why_not(program: Program) -> str:
    """Why this program can't run, or what it leaves out, in one sentence; "" if it trains all."""
    steps = list(program.steps())
    for find in (_not_allowed, _doubled, _left_out):
        said = find(program, steps)
        if said:
            return said
    try:
        check(program)
    except IllegalProgram as fault:
        return _stuck(program) or f"it can't run. {fault}."
    return ""


def _not_allowed(program: Program, steps: Sequence[Step]) -> str:
    for step in steps:
        if step.op not in ALLOWED:
            return f"{step} is not in this exercise: take one of {', '.join(ALLOWED)}."
        if step.alone:
            return f"{step}: it runs alone, so it races with the steps after it. Leave out alone."
        if step.batch > 0:
            return (
                f"{step}: 0 is the batch of this turn, and -1 the one before. "
                "A later batch is not there yet."
            )
        if step.module == program.modules and step.op in ("fit", "late_fit"):
            return f"{step}: the top module has the true gradient, so it has no generator to fit."
    return ""


def _doubled(program: Program, steps: Sequence[Step]) -> str:
    kinds = Counter((_kind(step), step.module) for step in steps)
    for (kind, module), count in kinds.items():
        if count > 1:
            return (
                f"module {module} has {count} steps of the kind {kind!r}; once a batch is enough."
            )
    return ""


def _kind(step: Step) -> str:
    if step.op in FORWARDS:
        return "forward"
    return "fit" if step.op == "late_fit" else step.op


def _left_out(program: Program, steps: Sequence[Step]) -> str:
    """A module that does not go forward, or does not learn."""
    of = {k: {step.op for step in steps if step.module == k} for k in range(1, program.modules + 1)}
    for k, ops in of.items():
        if not ops & FORWARDS:
            return (
                f"no step takes module {k} forward. It needs forward_update {k}, or forward {k} "
                f"with backward {k} and update {k}."
            )
    for k, ops in of.items():
        if "backward" in ops and "forward" not in ops:
            return (
                f"module {k} has a backward beside forward_update, which has pulled back already. "
                "Take forward instead, or leave the backward out."
            )
        if "update" in ops and "backward" not in ops:
            return f"update {k} has no gradients to update with: no step pulls module {k} back."
        if "forward" in ops and "backward" not in ops:
            return f"module {k} goes forward and never learns: no step pulls it back. Add backward."
        if "backward" in ops and "update" not in ops:
            return f"module {k} is pulled back, but never updated: its gradients are not used."
        if k < program.modules and "forward" not in ops and not ops & {"fit", "late_fit"}:
            return (
                f"the generator of module {k} is never fitted. It stays as it began, at zero, so "
                f"module {k} learns nothing."
            )
    return ""


def _stuck(program: Program) -> str:
    """Who waits for whom where nobody can go on; "" if it is nothing of that kind."""
    try:
        lists = unroll_turn(program, program.lag, 2 * program.lag + 1)
    except IllegalProgram:
        return ""
    made_by = {
        value: (worker, step)
        for worker, steps in enumerate(lists)
        for step in steps
        for value in in_a_run(step, program.wires)[1]
    }
    waiting = _run(lists, set(made_by), program.wires)
    if not waiting:
        return ""
    worker = next(iter(waiting))
    seen: list[int] = []
    while worker not in seen:  # from each to the one that makes what it waits for
        seen.append(worker)
        worker = made_by[waiting[worker][1]][0]
    circle = seen[seen.index(worker) :]
    parts = []
    for one in circle:
        step, value = waiting[one]
        other, maker = made_by[value]
        letter = _letter(value, program.wires)
        if len(circle) == 1:
            early = "an update before the pullback: " if step.op == "update" else ""
            return (
                f"{early}{_short(step)} needs {letter}, which {_short(maker)} makes, and that "
                "stands further down in the same list. Swap them."
            )
        parts.append(
            f"worker {one + 1} waits in {_short(step)} for {letter}, which worker {other + 1} "
            f"makes in {_short(maker)}"
        )
    return (
        f"a circle of waiting: {'; '.join(parts)}. Nobody can go on. Let one of "
        "these steps take an earlier batch, or move it down."
    )


def _run(
    lists: Iterable[Sequence[Step]], to_come: set[Value], wiring: Wiring
) -> dict[int, tuple[Step, Value]]:
    """Run one turn as far as it goes: for each worker that is left waiting its step, and for what.

    ``to_come``: what is made within the turn; all else is there.
    """
    queues = {worker: deque(steps) for worker, steps in enumerate(lists)}
    missing, moved = set(to_come), True
    while moved:
        moved = False
        for queue in queues.values():
            while queue and not missing.intersection(in_a_run(queue[0], wiring)[0]):
                missing.difference_update(in_a_run(queue.popleft(), wiring)[1])
                moved = True
    return {
        worker: (queue[0], next(v for v in in_a_run(queue[0], wiring)[0] if v in missing))
        for worker, queue in queues.items()
        if queue
    }


def _letter(value: Value, wiring: Wiring) -> str:
    """What is waited for, with the letters of the course."""
    k = value.module
    if value.kind == "message":
        return f"g{k - 1}" if wiring.signal(k - 1) == "truth" else f"τ{k - 1}"
    named = {"h": f"h{k}", "grads": f"the gradients of module {k}"}
    return named.get(value.kind, f"the {value.kind} of module {k}")


def _short(step: Step) -> str:
    return f"{step.op} {step.module}"
