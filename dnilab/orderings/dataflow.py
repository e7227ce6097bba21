"""What follows from a program: what each step needs and makes, legality, and the locks."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from dnilab.orderings.steps import Program, Step, Value


class IllegalProgram(ValueError):
    """A program that can't run, or whose result would depend on chance."""


def needs_and_makes(step: Step, modules: int) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
    """The values that a step needs from other steps, and those it makes, in K = ``modules``.

    The input x and the label y are there from the start, and are not among them.
    """
    k, t = step.module, step.batch
    top, bottom = k == modules, k == 1
    below = () if bottom else (Value("h", k - 1, t),)
    message = () if bottom else (Value("message", k, t),)
    match step.op:
        case "forward_update":
            up = () if top else (Value("h", k, t), Value("guess", k, t))
            return below, message + up
        case "fit" | "late_fit":
            if top:
                raise IllegalProgram(f"{step}: the top module has no generator to fit")
            return (Value("message", k + 1, t), Value("guess", k, t)), ()
        case "forward":
            return below, (Value("h", k, t), Value("pullback", k, t))
        case "backward":
            above = Value("h", k, t) if top else Value("message", k + 1, t)
            return (above, Value("pullback", k, t)), (*message, Value("grads", k, t))
        case "forward_guess":
            if top:
                raise IllegalProgram(f"{step}: the top module has the true gradient, no guess")
            made = (Value("h", k, t), Value("guess", k, t), Value("pullback", k, t))
            return below, made
        case "pull":
            return (Value("pullback", k, t),), (*message, Value("grads", k, t))
        case "unlocked_update":
            up = () if top else (Value("h", k, t), Value("guess", k, t))
            own = () if bottom else (Value("prediction", k, t),)
            return (), message + up + own
        case "fit_input" | "late_fit_input":
            if bottom:
                raise IllegalProgram(f"{step}: module 1 sees x itself and predicts no input")
            return (*below, Value("prediction", k, t)), ()
        case _:  # "update"
            return (Value("grads", k, t),), ()


def writes(step: Step) -> tuple[str, int] | None:
    """The parameters that a step changes: (part of the module, module), or None."""
    parts = {
        "forward_update": "body",
        "unlocked_update": "body",
        "update": "body",
        "fit": "generator",
        "late_fit": "generator",
        "fit_input": "input model",
        "late_fit_input": "input model",
    }
    part = parts.get(step.op)
    return (part, step.module) if part else None


def unroll_turn(program: Program, turn: int, batches: int) -> list[list[Step]]:
    """One turn of a run, for each worker, with true batch numbers."""
    first = turn * program.batches_per_turn
    return [
        [replace(s, batch=first + s.batch) for s in steps if 0 <= first + s.batch < batches]
        for steps in program.turn(turn)
    ]


def unroll(program: Program, batches: int) -> list[list[Step]]:
    """The program written out for a run: for each worker its steps, with true batch numbers."""
    lists: list[list[Step]] = [[] for _ in program.workers]
    for turn in range(program.turns(batches)):
        for steps, out in zip(unroll_turn(program, turn, batches), lists, strict=True):
            out.extend(steps)
    return lists


def all_that_it_can_need(program: Program) -> Program:
    """The program itself; if its turns are drawn, the one whose every turn has all its steps.

    What such a program needs must not depend on what happens to be drawn in the first few turns.
    """
    if program.repeats:
        return program
    return Program(
        program.name, program.modules, program.workers, program.batches_per_turn, program.parcels
    )


def _owners(program: Program) -> dict[int, int]:
    """Which worker owns each module; raises IllegalProgram if two touch the same one."""
    owner: dict[int, int] = {}
    for worker, steps in enumerate(program.workers):
        for step in steps:
            if owner.setdefault(step.module, worker) != worker:
                raise IllegalProgram(
                    f"{step}: worker {worker + 1} works on module {step.module}, which worker "
                    f"{owner[step.module] + 1} owns; a module belongs to one worker"
                )
    return owner


def check(program: Program, batches: int | None = None) -> dict[int, int]:
    """Raise IllegalProgram, naming the step, unless the program can run and is deterministic.

    It is refused if a step needs something that no step makes, or that is made only after it is
    needed; if a value is made or needed twice; if a batch is left out; or if two workers touch
    one module.  Otherwise any executor that keeps each worker's order gets the same result,
    unless steps are marked ``alone``: those race, because the program says so.

    Returns the worker (from 0) that owns each module.
    """
    owners = _owners(program)
    if batches is None:  # enough to fill and to drain every delay
        batches = 2 * program.lag + 3 * program.batches_per_turn + 1
    lists = unroll(program, batches)
    makers: dict[Value, Step] = {}
    users: dict[Value, Step] = {}
    for step in (step for steps in lists for step in steps):
        needs, makes = needs_and_makes(step, program.modules)
        for value in makes:
            if value in makers:
                raise IllegalProgram(f"{step}: {value} is made a second time")
            makers[value] = step
        for value in needs:
            if value in users:
                raise IllegalProgram(f"{step}: {value} is used a second time")
            users[value] = step
    for value, step in users.items():
        if value not in makers:
            raise IllegalProgram(f"{step}: needs {value}, which no step makes")
    _run_turn_by_turn(program, batches)
    for t in range(batches):
        if not any(s.module == program.modules and s.batch == t for steps in lists for s in steps):
            raise IllegalProgram(f"{program.name}: no step brings batch {t} to the top module")
    return owners


def _run_turn_by_turn(program: Program, batches: int) -> None:
    """Raise IllegalProgram unless every turn can be finished before the next one begins."""
    ready: list[set[Value]] = [set() for _ in program.workers]  # what each worker can see
    for turn in range(program.turns(batches)):
        waiting = [deque(steps) for steps in unroll_turn(program, turn, batches)]
        parcels: list[list[Value]] = [[] for _ in waiting]
        while any(waiting):
            moved = False
            for worker, queue in enumerate(waiting):
                while queue:
                    needs, makes = needs_and_makes(queue[0], program.modules)
                    if not ready[worker].issuperset(needs):
                        break
                    ready[worker].update(makes)
                    parcels[worker].extend(makes)
                    queue.popleft()
                    moved = True
                if not (queue and program.parcels):
                    for seen in ready:
                        seen.update(parcels[worker])
                    parcels[worker].clear()
            if not moved:
                worker, step = next((w, queue[0]) for w, queue in enumerate(waiting) if queue)
                needs, _ = needs_and_makes(step, program.modules)
                missing = [value for value in needs if value not in ready[worker]]
                raise IllegalProgram(f"{step}: needs {missing[0]}, which is made only later")


def ancestors(program: Program, steps: list[Step]) -> dict[Step, set[Step]]:
    """For each step, all the steps whose values it needs, directly or through others."""
    makers = {v: s for s in steps for v in needs_and_makes(s, program.modules)[1]}
    known: dict[Step, set[Step]] = {}

    def above(step: Step) -> set[Step]:
        if step not in known:
            direct = [makers[v] for v in needs_and_makes(step, program.modules)[0]]
            known[step] = set(direct).union(*(above(s) for s in direct))
        return known[step]

    for step in steps:
        above(step)
    return known


def locks(program: Program) -> dict[str, bool]:
    """Which of the three locks of the paper's introduction the program's dataflow holds.

    forward:  a module can't process a batch before the modules below it have.
    update:   a module can't be updated before the modules above it have gone forward.
    backward: a module can't be updated before the modules above it have gone backward.

    It asks what a step needs, not which step happens to come first on a worker.  Where turns are
    drawn, a lock is held if any draw holds it.
    """
    check(program)
    program = all_that_it_can_need(program)
    batches = 2 * program.lag + 3 * program.batches_per_turn + 1
    steps = [s for worker in unroll(program, batches) for s in worker]
    before = ancestors(program, steps)
    forwards = {"forward", "forward_update", "forward_guess", "unlocked_update"}
    held = {"forward": False, "update": False, "backward": False}
    for step in steps:
        part = writes(step)
        for other in before[step]:
            if step.op in forwards and other.module < step.module:
                held["forward"] = True
            if part and part[0] == "body" and other.module > step.module:
                held["update"] |= other.op in forwards
                held["backward"] |= other.op == "backward"
    return held
