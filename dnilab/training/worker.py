"""A worker: runs its steps of a program, in order, on the modules it owns.

The same worker serves every executor.  What differs is only what happens when a value from
another worker is not there yet: on one thread ``advance`` returns and another worker goes on;
on threads of their own, it waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from time import perf_counter_ns
from typing import Any

import numpy as np

from dnilab.network import Module, Optimiser, Stack
from dnilab.orderings import Program, needs_and_makes
from dnilab.training.events import Span
from dnilab.training.feed import Feed

SPANS_KEPT = 4096  # steps a worker remembers: bounded, however long the run
HEALTH_EVERY = 20  # turns between two looks at the size of the parameters
LIMIT = 1e4  # root mean square of a parameter vector that no sane run reaches

Key = tuple[str, int, int]  # kind, module, batch: an orderings.Value as a plain tuple


class ParametersExploded(Exception):
    """A parameter vector of one module is not finite, or has grown past all reason."""

    def __init__(self, module: int, part: str, batch: int) -> None:
        super().__init__(f"{part} of module {module} at batch {batch}")
        self.module, self.part, self.batch = module, part, batch


class Worker:
    """Runs the turns of one worker of ``program``.

    ``send``: for each (kind, module) that another worker needs, where to put it.
    ``fetch``: called when a value from another worker is missing; it returns True once the value
    is in ``store``, or False if it can't wait.
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
        self.top = len(stack)
        self.loss = stack.loss
        self.feed = feed
        self.batches = batches
        self.span = program.batches_per_turn
        self.store: dict[Key, Any] = {}
        self.send: dict[tuple[str, int], Callable[[Key, Any], None]] = {}
        self.fetch: Callable[[Key], bool] = lambda key: False
        self.turn = 0
        self.position = 0
        self.spans: deque[Span] = deque(maxlen=SPANS_KEPT)
        self.nanoseconds = 0

        self.modules: dict[int, Module] = {
            k: stack.modules[k - 1] for k, owner in owners.items() if owner == index
        }
        self._update_body = {k: optimiser.start(m.body.thetas) for k, m in self.modules.items()}
        self._fit_generator = {
            k: generator_optimiser.start(m.generator.thetas)
            for k, m in self.modules.items()
            if m.generator is not None
        }
        self._sees = {
            k: (m.generator.context if m.generator is not None else ())
            for k, m in self.modules.items()
        }
        # A value is kept only if some step of the program needs it.
        wanted = {
            (value.kind, value.module)
            for step in program.steps()
            for value in needs_and_makes(step, program.modules)[0]
        }
        self._wanted = wanted
        self._lag = program.lag
        self._steps = []
        for step in program.workers[index]:
            waits = tuple(
                (value.kind, value.module)
                for value in needs_and_makes(step, program.modules)[0]
                if owners[value.module] != index
            )
            self._steps.append((getattr(self, step.op), step.op, step.module, step.batch, waits))

    # ---- running -----------------------------------------------------------------------------

    def advance(self, until_turn: int) -> bool:
        """Run up to the end of turn ``until_turn`` - 1; False if a value is missing on the way.

        Raises ParametersExploded if the parameters have become useless.
        """
        began = perf_counter_ns()
        try:
            while self.turn < until_turn:
                first = self.turn * self.span
                for position in range(self.position, len(self._steps)):
                    act, op, k, offset, waits = self._steps[position]
                    t = first + offset
                    if not 0 <= t < self.batches:
                        continue
                    for kind, module in waits:
                        key = (kind, module, t)
                        if key not in self.store and not self.fetch(key):
                            self.position = position
                            return False
                    start = perf_counter_ns()
                    act(k, t)
                    self.spans.append(Span(self.index, op, k, t, start, perf_counter_ns()))
                self.position = 0
                self.turn += 1
                self.feed.forget(self.turn * self.span - self._lag)
                if self.turn % HEALTH_EVERY == 0 or self.turn == until_turn:
                    self._check_health(first)
            return True
        finally:
            self.nanoseconds += perf_counter_ns() - began

    def _check_health(self, batch: int) -> None:
        for k, module in self.modules.items():
            parts = {"body": module.body.thetas}
            if module.generator is not None:
                parts["generator"] = module.generator.thetas
            for part, thetas in parts.items():
                for theta in thetas:
                    # written so that NaN, which compares false with everything, is caught
                    if not float(theta.dot(theta)) < LIMIT**2 * theta.size:
                        raise ParametersExploded(k, part, batch)

    def _put(self, kind: str, module: int, t: int, value: Any) -> None:
        send = self.send.get((kind, module))
        if send is not None:
            send((kind, module, t), value)
        elif (kind, module) in self._wanted:
            self.store[kind, module, t] = value

    def _below(self, k: int, t: int) -> np.ndarray:
        """The input of module k: x, or the activation of the module below."""
        if k == 1:
            return self.feed.x(t)
        h: np.ndarray = self.store.pop(("h", k - 1, t))
        return h

    # ---- the operations, one method each -----------------------------------------------------

    def forward_update(self, k: int, t: int) -> None:
        """Forward and synthetic update: does not wait for any module above."""
        module = self.modules[k]
        h, pullback = module(self._below(k, t))
        if k == self.top:
            g = self.loss.gradient(h, self.feed.y(t))
        else:
            self._put("h", k, t, h)  # first of all: somebody may be waiting for it
            assert module.generator is not None
            sees = self._sees[k]
            g, fit = module.generator(
                h,
                self.feed.x(t) if "x" in sees else None,
                self.feed.y(t) if "y" in sees else None,
            )
            self._put("guess", k, t, (g, fit))
        dx, grads = pullback(g, ("message", k) in self._wanted)
        if dx is not None:
            self._put("message", k, t, dx)
        self._update_body[k](grads, len(h))

    def fit(self, k: int, t: int) -> None:
        """Update of the generator: its target is what module k + 1 sent down."""
        target = self.store.pop(("message", k + 1, t))
        g_hat, pullback = self.store.pop(("guess", k, t))
        _, grads = pullback(g_hat - target, False)
        self._fit_generator[k](grads, len(target))

    def forward(self, k: int, t: int) -> None:
        """Forward alone."""
        h, pullback = self.modules[k](self._below(k, t))
        self._put("h", k, t, h)
        self._put("pullback", k, t, pullback)

    def backward(self, k: int, t: int) -> None:
        """Pull the true gradient back through module k."""
        if k == self.top:
            g = self.loss.gradient(self.store.pop(("h", k, t)), self.feed.y(t))
        else:
            g = self.store.pop(("message", k + 1, t))
        dx, grads = self.store.pop(("pullback", k, t))(g, ("message", k) in self._wanted)
        if dx is not None:
            self._put("message", k, t, dx)
        self._put("grads", k, t, (grads, len(g)))

    def update(self, k: int, t: int) -> None:
        """Update module k with what backward found."""
        self._update_body[k](*self.store.pop(("grads", k, t)))
