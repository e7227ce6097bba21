"""Where a run stands when all workers have finished the same turn: plain data, no closures.

What is not in it follows from it.  The batches follow from the seed.  A pending guess follows from
its h and the parameters of the generator that made it, and a pending prediction of an input from
the batch and those of its input model; a late fit, which guesses again, needs the h alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from dnilab.network.optimisers import OPTIMISERS, Memory, Updater
from dnilab.orderings import Program
from dnilab.orderings.steps import in_a_run, unroll_turn
from dnilab.training.one_thread import one_blas_thread
from dnilab.training.worker import Keep, Key, Part, Worker, asker

# Closures, or made of them: they can't be written down.
UNWRITABLE = ("pullback", "grads", "owed")


def copy_into(kept: Sequence[np.ndarray], arrays: Sequence[np.ndarray]) -> None:
    """Give each array in ``kept`` the numbers of the one in ``arrays``, where it stands."""
    for mine, given in zip(kept, arrays, strict=True):
        mine[...] = given


def memory_of(updater: Updater) -> Memory:
    """What ``updater`` has kept so far: it changes with the next update.

    Raises ValueError for an updater that does not tell: one of an optimiser that is not ours.
    """
    memory: Memory | None = getattr(updater, "memory", None)
    if memory is None:
        said = f"updater {updater!r} does not tell its memory"
        raise ValueError(f"{said}; a checkpoint accepts the optimisers {', '.join(OPTIMISERS)}")
    return memory


def remember(updater: Updater, memory: Memory) -> None:
    """Let ``updater`` go on from what another one of the same optimiser has kept.

    Raises ValueError as ``memory_of``, and where ``memory`` is another optimiser's.
    """
    mine = memory_of(updater)
    if mine.keys() != memory.keys():
        has, accepts = sorted(memory), sorted(mine)
        raise ValueError(f"memory has {has}; this optimiser accepts one with {accepts}")
    for name, kept in memory.items():
        if isinstance(kept, list):
            copy_into(mine[name], kept)
        else:
            mine[name] = int(kept)  # NumPy's would change the last bits of float32 arithmetic


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
    newest: dict[int, int] = {}
    for step in program.steps():
        newest[step.module] = max(step.batch, newest.get(step.module, step.batch))
    found = {}
    for step in program.steps():
        if step.batch < newest[step.module]:
            if step.op == "fit":
                found["guess", step.module] = program.wires.signal(step.module)
            elif step.op == "fit_input":
                found["prediction", step.module] = "input model"
    return found


def pending_at(program: Program, turn: int, batches: int) -> set[Key]:
    """What is pending after ``turn`` turns of a run: made before, and needed later."""
    if not program.repeats:
        return set()  # what a drawn turn has made and not used is thrown away
    drained = turn + program.warm_up() // program.batches_per_turn + 1
    needs_makes = [
        in_a_run(step, program.wires)
        for later in range(turn, drained)
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
    enough = program.warm_up()  # batches, until all is pending that can be
    pending = pending_at(program, enough // program.batches_per_turn + 1, 3 * enough)
    for kind, module, _ in sorted(pending, reverse=True):
        if kind in UNWRITABLE:
            kept = f"which program {program.name!r} keeps from one turn to the next"
            accepts = "programs that pull back and update in the turn of the forward pass"
            said = f"checkpoint can't hold the {kind} of module {module}, {kept}"
            raise ValueError(f"{said}; it accepts {accepts}")


def arguments_of(worker: Worker) -> dict[str, Any]:
    """The arguments that ``worker`` was made with, by name."""
    return {one.name: getattr(worker, one.name) for one in fields(Worker) if one.init}


class ResumableWorker(Worker):
    """A worker that tells where it stands, and can go on from there.

    ``saving``: whether ``state`` will be asked for at the end of some ``advance``: it has to be set
    before.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.saving = False
        self._until = 0
        self._as_made = fitted_as_made(self.program)
        self._made_with: dict[Key, list[np.ndarray]] = {}
        # A guess that is pending at a stop was made at most so many turns before.
        self._turns_pending = -(-self.program.lag // self.program.batches_per_turn) + 1

    def keeper(self, kind: str, k: int) -> Keep | None:
        keep = super().keeper(kind, k)
        if keep is None or (kind, k) not in self._as_made:
            return keep
        model = self.modules[k].parts[self._as_made[kind, k]]

        def keep_and_note(t: int, value: Any) -> None:
            keep(t, value)
            if self.saving and self._until - self.turn <= self._turns_pending:
                self._made_with[kind, k, t] = [theta.copy() for theta in model]

        return keep_and_note

    def advance(self, until_turn: int) -> bool:
        """As every worker does; what was noted of guesses that are fitted by now is let go."""
        self._until = until_turn
        self._made_with = {key: v for key, v in self._made_with.items() if key in self.store}
        return super().advance(until_turn)

    def state(self) -> RunState:
        """Where this worker stands, between two turns.  The arrays are its own: they live on.

        Raises ValueError if an optimiser does not tell what it keeps.
        """
        plain = {"guess": lambda value: value[2], "prediction": lambda value: None}
        # not what nobody needs any more, as the run ends before they would
        needed = pending_at(self.program, self.turn, self.batches) & self.store.keys()
        return RunState(
            self.turn,
            self.thetas(),
            {part: memory_of(updater) for part, updater in self.updates.items()},
            {
                key: plain[key[0]](self.store[key]) if key[0] in plain else self.store[key]
                for key in needed
            },
            {key: self._made_with[key] for key in needed if key[:2] in self._as_made},
        )

    def restore(self, state: RunState) -> None:
        """Go on from ``state``, of this worker or of all of them: its own part is copied."""
        for part, thetas in self.thetas().items():
            copy_into(thetas, state.thetas[part])
        for of, updater in self.updates.items():
            remember(updater, state.memories[of])
        self.turn, self.position = state.turn, 0
        self.feed.skip(max(0, state.turn * self.program.batches_per_turn - self.program.lag))
        self.store.clear()
        self._made_with.clear()
        for key, plain in state.pending.items():
            if self._users[key[:2]] == self.index:
                self.store[key] = self._unwritten(key, plain, state.made_with.get(key))

    def _unwritten(self, key: Key, plain: Any, made_with: list[np.ndarray] | None) -> Any:
        """What the store holds for a pending value of a state."""
        kind, k, t = key
        if kind not in ("guess", "prediction"):
            return plain
        if made_with is None:
            return None, None, plain  # a late fit looks at nothing but h
        model = self.modules[k].parts[self._as_made[kind, k]]
        now = [theta.copy() for theta in model]
        copy_into(model, made_with)
        made: Any
        with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):  # as it was made
            if kind == "guess":
                made = (*asker(k, self)(plain, t), plain)
            else:
                predict = self.modules[k].input_model
                assert predict is not None  # it made this prediction
                made = predict(self.feed.x(t))
        copy_into(model, now)  # its fit pulls back through the parameters of that day
        self._made_with[key] = [theta.copy() for theta in made_with]
        return made
