"""A worker: runs its steps of a program, in order, on the modules it owns.

The same worker serves every executor.  What differs is only what happens when a value from
another worker is not there yet (on one thread ``advance`` returns and another worker goes on; on
threads of their own, it waits), and how a step that is marked ``alone`` is started.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from time import perf_counter_ns
from typing import Any

import numpy as np

from dnilab.network import Loss, Module, Optimiser
from dnilab.network.optimisers import copy_into, memory_of, remember
from dnilab.orderings import Program, Step, needs_and_makes
from dnilab.orderings.steps import reach
from dnilab.training.actions import ACTIONS, Action, Keep, Tools, asker
from dnilab.training.blas import one_blas_thread
from dnilab.training.events import Span
from dnilab.training.feed import Source
from dnilab.training.state import Key, Part, RunState, fitted_as_made

SPANS_KEPT = 4096  # steps a worker remembers: bounded, however long the run
HEALTH_EVERY = 25  # turns between two looks at the size of the parameters
LIMIT = 1e4  # root mean square of a parameter vector that no sane run reaches

# Kind, module and batch, relative to the step's, of each value from another worker.
Waits = tuple[tuple[str, int, int], ...]
Prepared = tuple[Action, str, int, int, int, Waits]


class ParametersExploded(Exception):
    """A parameter vector of one module is not finite, or has grown past all reason.

    ``batch``: the first of the turn after which that was found.  Where several explode, all
    executors name the first by ``order``, whoever of them was the quickest: so a worker that is
    behind goes on to the same turn before the run ends.
    """

    def __init__(self, module: int, part: str, batch: int) -> None:
        super().__init__(f"{part} of module {module} at batch {batch}")
        self.module, self.part, self.batch = module, part, batch

    @property
    def order(self) -> tuple[int, int]:
        """By batch, and then by module."""
        return self.batch, self.module


def users_of_values(program: Program, owners: Mapping[int, int]) -> dict[tuple[str, int], int]:
    """For each (kind, module) that some step needs, the worker that runs this step."""
    return {
        (value.kind, value.module): owners[step.module]
        for step in program.steps()
        for value in needs_and_makes(step, program.wires)[0]
    }


class Worker:
    """Runs the turns of one worker of ``program``, on the modules that it owns.

    ``modules``: those, by number.  ``loss``: that of the network, for the one with the top module.

    ``route(kind, module)`` is asked once, when the run begins: it returns ``send(key, value)`` if
    another worker needs that value, or None if this one keeps it itself.
    ``fetch(key)`` is called when a value from another worker is missing; it returns True once the
    value is in ``store``, or False if it can't wait.
    ``turn_ended()`` is called after every turn.
    ``start_alone(action, step name)`` returns the action that stands in for a step that is marked
    ``alone``; without it such steps run in line.
    """

    def __init__(
        self,
        index: int,
        program: Program,
        owners: Mapping[int, int],
        modules: Mapping[int, Module],
        loss: Loss,
        feed: Source,
        optimiser: Optimiser,
        generator_optimiser: Optimiser,
        batches: int,
    ) -> None:
        self.index = index
        self.program = program
        self.owners = owners
        self.batches = batches
        self.feed = feed
        self.loss = loss
        self.optimiser, self.generator_optimiser = optimiser, generator_optimiser
        self.store: dict[Key, Any] = {}
        self.fetch: Callable[[Key], bool] = lambda key: False
        self.route: Callable[[str, int], Callable[[Key, Any], None] | None] = lambda kind, k: None
        self.turn_ended: Callable[[], None] | None = None
        self.start_alone: Callable[[Action, str, int], Action] = lambda action, op, k: action
        self.doing = "nothing yet"
        self.turn = 0
        self.position = 0
        self.sound = 0  # turns after which the parameters were looked at and found sound
        self.nanoseconds = 0
        self.modules = dict(modules)
        self._spans: deque[tuple[str, int, int, int, int]] = deque(maxlen=SPANS_KEPT)
        self._steps: list[Prepared] | None = None
        self._actions: dict[tuple[str, int, bool], tuple[Action, Waits]] = {}
        self._tools = Tools(
            modules=self.modules,
            wiring=program.wires,
            loss=loss,
            feed=feed,
            store=self.store,
            keeper=self._keeper,
            updates={
                (k, part): (optimiser if part == "body" else generator_optimiser).start(thetas)
                for k, module in self.modules.items()
                for part, thetas in module.parts.items()
            },
        )
        # A value is kept only if some step of the program needs it.
        self._users = users_of_values(program, owners)
        self.saving = False  # whether state() will be asked for at the end of some advance()
        self._as_made = fitted_as_made(program)
        self._made_with: dict[Key, list[np.ndarray]] = {}
        self._noting = False
        # A guess that is pending at a stop was made at most so many turns before.
        self._turns_pending = -(-program.lag // program.batches_per_turn) + 1

    def _keeper(self, kind: str, k: int) -> Keep | None:
        if (kind, k) not in self._users:
            return None
        send = self.route(kind, k)
        if send is not None:
            return lambda t, value: send((kind, k, t), value)
        store = self.store

        def keep(t: int, value: Any) -> None:
            store[kind, k, t] = value

        if (kind, k) not in self._as_made:
            return keep
        model = self.modules[k].parts[self._as_made[kind, k]]

        def keep_and_note(t: int, value: Any) -> None:
            store[kind, k, t] = value
            if self._noting:
                self._made_with[kind, k, t] = [theta.copy() for theta in model]

        return keep_and_note

    def _prepared(self, steps: tuple[Step, ...]) -> list[Prepared]:
        """The steps of a turn: action, operation, module, batch, how far it looks ahead, waits."""
        prepared, wiring = [], self.program.wires
        for step in steps:
            known = (step.op, step.module, step.alone)
            if known not in self._actions:
                action = ACTIONS[step.op](step.module, self._tools)
                if step.alone:
                    action = self.start_alone(action, step.op, step.module)
                waits = tuple(
                    (value.kind, value.module, value.batch - step.batch)
                    for value in needs_and_makes(step, wiring)[0]
                    if self.owners[value.module] != self.index
                )
                self._actions[known] = action, waits
            action, waits = self._actions[known]
            ahead = reach(step, wiring)
            prepared.append((action, step.op, step.module, step.batch, ahead, waits))
        return prepared

    def _steps_of(self, turn: int) -> list[Prepared]:
        if self._steps is None or not self.program.repeats:
            self._steps = self._prepared(self.program.turn(turn)[self.index])
        return self._steps

    def advance(self, until_turn: int) -> bool:
        """Run up to the end of turn ``until_turn`` - 1; False if a value is missing on the way.

        Raises ParametersExploded if the parameters have become useless.
        """
        store, batches = self.store, self.batches
        span, lag, log = self.program.batches_per_turn, self.program.lag, self._spans.append
        began = perf_counter_ns()
        now = began
        if self._made_with:
            self._made_with = {key: v for key, v in self._made_with.items() if key in store}
        op, k, t = "nothing yet", 0, 0
        try:
            while self.turn < until_turn:
                first = self.turn * span
                self._noting = self.saving and until_turn - self.turn <= self._turns_pending
                steps = self._steps_of(self.turn) if self.position == 0 else self._steps
                assert steps is not None
                for position in range(self.position, len(steps)):
                    act, op, k, offset, ahead, waits = steps[position]
                    t = first + offset
                    if not 0 <= t < batches - ahead:
                        continue
                    if waits:
                        for kind, module, after in waits:
                            key = (kind, module, t + after)
                            if key[2] >= 0 and key not in store and not self.fetch(key):
                                self.position = position
                                return False
                        now = perf_counter_ns()
                    start = now  # a step that waits for nobody starts when the last one ended
                    act(t)
                    now = perf_counter_ns()
                    log((op, k, t, start, now))
                self.position = 0
                self.turn += 1
                self.feed.forget(first + span - lag)
                if not self.program.repeats:
                    store.clear()  # what a drawn turn has made and not used
                if self.turn_ended is not None:
                    self.turn_ended()
                if self.turn % HEALTH_EVERY == 0 or self.turn == until_turn:
                    self._check_health(first)
            return True
        finally:
            self.doing = f"{op} of module {k}, batch {t}"  # for the report, should it have failed
            self.nanoseconds += perf_counter_ns() - began

    def take_spans(self) -> list[Span]:
        """The latest steps as they ran, oldest first; they are then forgotten."""
        spans = [Span(self.index, *entry) for entry in self._spans]
        self._spans.clear()
        return spans

    def thetas(self) -> dict[Part, list[np.ndarray]]:
        """The parameter vectors of each part of its modules: the live ones."""
        return {(k, part): v for k, m in self.modules.items() for part, v in m.parts.items()}

    def state(self) -> RunState:
        """Where this worker stands, between two turns.  The arrays are its own: they live on.

        ``saving`` has to be set before it advances.  Raises ValueError if an optimiser does not
        tell what it keeps.
        """
        plain = {"guess": lambda value: value[2], "prediction": lambda value: None}
        return RunState(
            self.turn,
            self.thetas(),
            {part: memory_of(updater) for part, updater in self._tools.updates.items()},
            {
                key: plain[key[0]](value) if key[0] in plain else value
                for key, value in self.store.items()
            },
            {key: self._made_with[key] for key in self.store if key[:2] in self._as_made},
        )

    def restore(self, state: RunState) -> None:
        """Go on from ``state``, of this worker or of all of them: its own part is copied."""
        for part, thetas in self.thetas().items():
            copy_into(thetas, state.thetas[part])
        for of, updater in self._tools.updates.items():
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
                made = (*asker(k, self._tools)(plain, t), plain)
            else:
                predict = self.modules[k].input_model
                assert predict is not None  # it made this prediction
                made = predict(self.feed.x(t))
        copy_into(model, now)  # its fit pulls back through the parameters of that day
        self._made_with[key] = [theta.copy() for theta in made_with]
        return made

    def _check_health(self, batch: int) -> None:
        for k, module in self.modules.items():
            # the generator first: where all is broken, it is the likelier cause
            for part, thetas in reversed(module.parts.items()):
                for theta in thetas:
                    # written so that NaN, which compares false with everything, is caught
                    if not float(theta.dot(theta)) < LIMIT**2 * theta.size:
                        raise ParametersExploded(k, part, batch)
        self.sound = self.turn
