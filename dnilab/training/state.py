"""Where a run stands when all workers have finished the same turn: plain data, no closures.

What is not in it follows from it.  The batches follow from the seed.  A pending guess follows from
its h and the parameters of the generator that made it, and a pending prediction of an input from
the batch and those of its input model; a late fit, which guesses again, needs the h alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from dnilab.network.optimisers import Memory
from dnilab.orderings import Program
from dnilab.orderings.steps import in_a_run, unroll_turn

Part = tuple[int, str]  # module, and "body", "generator" or "input model"
Key = tuple[str, int, int]  # kind, module, batch: an orderings.Value as a plain tuple
# Closures, or made of them: they can't be written down.
UNWRITABLE = ("pullback", "grads")


@dataclass(frozen=True)
class RunState:
    """The modules of one worker, or of several, after ``turn`` turns.

    ``thetas``: the parameter vectors of each part.  ``memories``: what its optimiser keeps.
    ``pending``: what has been made and not used yet, h and messages and the h of guesses, (batch,
    width) each; None for a prediction.

    ``made_with``: for a pending guess or prediction that is fitted as it was made, the parameters
    that made it.
    """

    turn: int
    thetas: dict[Part, list[np.ndarray]] = field(default_factory=dict)
    memories: dict[Part, Memory] = field(default_factory=dict)
    pending: dict[Key, np.ndarray | None] = field(default_factory=dict)
    made_with: dict[Key, list[np.ndarray]] = field(default_factory=dict)


def merged(states: Iterable[RunState]) -> RunState:
    """The states of several workers as one.  Raises ValueError if their turns differ."""
    states = list(states)
    turns = {state.turn for state in states}
    if len(turns) != 1:
        raise ValueError(f"states are of turns {sorted(turns)}; merged accepts those of one turn")
    whole = RunState(turns.pop())
    for state in states:
        for name in ("thetas", "memories", "pending", "made_with"):
            getattr(whole, name).update(getattr(state, name))
    return whole


def fitted_as_made(program: Program) -> dict[tuple[str, int], str]:
    """Which guesses and predictions wait for a fit that takes them as they were made.

    By kind and module; the value is the part of the module that made them.
    """
    parts = {"fit": ("guess", "generator"), "fit_input": ("prediction", "input model")}
    newest = {
        k: max(s.batch for s in program.steps() if s.module == k) for k in modules_of(program)
    }
    return {
        (parts[step.op][0], step.module): parts[step.op][1]
        for step in program.steps()
        if step.op in parts
        and step.batch < newest[step.module]
        and not (step.op == "fit" and program.wires.signal(step.module) == "readout")
    }


def modules_of(program: Program) -> set[int]:
    """The modules that a program has steps for."""
    return {step.module for step in program.steps()}


def pending_at(program: Program, turn: int, batches: int) -> set[Key]:
    """What is pending after ``turn`` turns of a run: made before, and needed later."""
    if not program.repeats:
        return set()  # what a drawn turn has made and not used is thrown away
    reach = program.lag // program.batches_per_turn + 2  # turns until all that is pending is used
    needs_makes = [
        in_a_run(step, program.wires)
        for later in range(turn, turn + reach)
        for worker in unroll_turn(program, later, batches)
        for step in worker
    ]
    needed = {value for needs, _ in needs_makes for value in needs}
    made = {value for _, makes in needs_makes for value in makes}
    return {(value.kind, value.module, value.batch) for value in needed - made}


def check_writable(program: Program) -> None:
    """Raise ValueError if a pullback is pending between two turns of ``program``.

    A pullback is a function that knows the inside of its forward pass.  No ordering of the course
    keeps one of a module from turn to turn, and those of guesses are made again: ``made_with``.
    """
    full = program.lag // program.batches_per_turn + 1  # after so many turns nothing new is pending
    batches = (2 * full + 3) * program.batches_per_turn
    for kind, module, _ in sorted(pending_at(program, full, batches), reverse=True):
        if kind in UNWRITABLE:
            raise ValueError(
                f"checkpoint can't hold the {kind} of module {module}, which program "
                f"{program.name!r} keeps from one turn to the next; it accepts programs that pull "
                "back and update in the turn of the forward pass"
            )
