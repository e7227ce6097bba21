"""A worker: runs its steps of a program, in order, on the modules it owns.

The same worker serves every executor.  What differs is only what happens when a value from
another worker is not there yet (on one thread ``advance`` returns and another worker goes on; on
threads of their own, it waits), and how a step that is marked ``alone`` is started.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from time import perf_counter_ns
from typing import Any

from dnilab.network import Module, Optimiser, Stack
from dnilab.orderings import Program, Step, needs_and_makes
from dnilab.training.actions import ACTIONS, Action, Keep, Key, Tools
from dnilab.training.events import Span
from dnilab.training.feed import Feed

SPANS_KEPT = 4096  # steps a worker remembers: bounded, however long the run
HEALTH_EVERY = 25  # turns between two looks at the size of the parameters
LIMIT = 1e4  # root mean square of a parameter vector that no sane run reaches

Waits = tuple[tuple[str, int], ...]  # kind and module of each value from another worker
Prepared = tuple[Action, str, int, int, Waits]


class ParametersExploded(Exception):
    """A parameter vector of one module is not finite, or has grown past all reason."""

    def __init__(self, module: int, part: str, batch: int) -> None:
        super().__init__(f"{part} of module {module} at batch {batch}")
        self.module, self.part, self.batch = module, part, batch


def users_of_values(program: Program, owners: Mapping[int, int]) -> dict[tuple[str, int], int]:
    """For each (kind, module) that some step needs, the worker that runs this step."""
    return {
        (value.kind, value.module): owners[step.module]
        for step in program.steps()
        for value in needs_and_makes(step, program.modules)[0]
    }


class Worker:
    """Runs the turns of one worker of ``program``, on the modules of ``stack`` that it owns.

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
        stack: Stack,
        feed: Feed,
        optimiser: Optimiser,
        generator_optimiser: Optimiser,
        batches: int,
    ) -> None:
        self.index = index
        self.program = program
        self.owners = owners
        self.batches = batches
        self.feed = feed
        self.store: dict[Key, Any] = {}
        self.fetch: Callable[[Key], bool] = lambda key: False
        self.route: Callable[[str, int], Callable[[Key, Any], None] | None] = lambda kind, k: None
        self.turn_ended: Callable[[], None] | None = None
        self.start_alone: Callable[[Action, str, int], Action] = lambda action, op, k: action
        self.doing = "nothing yet"
        self.turn = 0
        self.position = 0
        self.nanoseconds = 0
        self.modules: dict[int, Module] = {
            k: stack.modules[k - 1] for k, owner in owners.items() if owner == index
        }
        self._spans: deque[tuple[str, int, int, int, int]] = deque(maxlen=SPANS_KEPT)
        self._steps: list[Prepared] | None = None
        self._actions: dict[tuple[str, int, bool], tuple[Action, Waits]] = {}
        self._tools = Tools(
            modules=self.modules,
            top=len(stack),
            loss=stack.loss,
            feed=feed,
            store=self.store,
            keeper=self._keeper,
            update_body={k: optimiser.start(m.body.thetas) for k, m in self.modules.items()},
            fit_generator={
                k: generator_optimiser.start(m.generator.thetas)
                for k, m in self.modules.items()
                if m.generator is not None
            },
            fits=defaultdict(int),
            fit_input_model={
                k: generator_optimiser.start(m.input_model.thetas)
                for k, m in self.modules.items()
                if m.input_model is not None
            },
        )
        # A value is kept only if some step of the program needs it.
        self._wanted = users_of_values(program, owners).keys()

    def _keeper(self, kind: str, k: int) -> Keep | None:
        if (kind, k) not in self._wanted:
            return None
        send = self.route(kind, k)
        if send is not None:
            return lambda t, value: send((kind, k, t), value)
        store = self.store

        def keep(t: int, value: Any) -> None:
            store[kind, k, t] = value

        return keep

    def _prepared(self, steps: tuple[Step, ...]) -> list[Prepared]:
        """The steps of a turn: action, operation, module, batch, and what to wait for."""
        prepared = []
        for step in steps:
            known = (step.op, step.module, step.alone)
            if known not in self._actions:
                action = ACTIONS[step.op](step.module, self._tools)
                if step.alone:
                    action = self.start_alone(action, step.op, step.module)
                waits = tuple(
                    (value.kind, value.module)
                    for value in needs_and_makes(step, self.program.modules)[0]
                    if self.owners[value.module] != self.index
                )
                self._actions[known] = action, waits
            action, waits = self._actions[known]
            prepared.append((action, step.op, step.module, step.batch, waits))
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
        op, k, t = "nothing yet", 0, 0
        try:
            while self.turn < until_turn:
                first = self.turn * span
                steps = self._steps_of(self.turn) if self.position == 0 else self._steps
                assert steps is not None
                for position in range(self.position, len(steps)):
                    act, op, k, offset, waits = steps[position]
                    t = first + offset
                    if not 0 <= t < batches:
                        continue
                    if waits:
                        for kind, module in waits:
                            key = (kind, module, t)
                            if key not in store and not self.fetch(key):
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

    def _check_health(self, batch: int) -> None:
        for k, module in self.modules.items():
            # the generator first: where all is broken, it is the likelier cause
            for part, thetas in reversed(module.parts.items()):
                for theta in thetas:
                    # written so that NaN, which compares false with everything, is caught
                    if not float(theta.dot(theta)) < LIMIT**2 * theta.size:
                        raise ParametersExploded(k, part, batch)
