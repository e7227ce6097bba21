"""A worker: runs its steps of a program, in order, on the modules it owns.

First what each operation does to a live module, one function each: ``ACTIONS[op](k, tools)`` looks
up once whatever stays the same from batch to batch, and returns ``act(t)``, which does the
operation on batch t.  Values that other steps need go through ``tools.keeper(kind, k)``, which
returns ``keep(t, value)``, or None where nobody needs them.

Then the worker.  The same one serves every executor.  What differs is only what happens when a
value from another worker is not there yet (on one thread ``advance`` returns and another worker
goes on; on threads of their own, it waits), and how a step that is marked ``alone`` is started.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Any, TypeAlias

import numpy as np

from dnilab.data.dataset import Stream
from dnilab.network import Loss, Module, Optimiser, Signal
from dnilab.network.layers import add_up
from dnilab.orderings import Program, Step, Value
from dnilab.orderings.steps import flow_of, numbered, reach
from dnilab.training.events import Span

Part = tuple[int, str]  # module, and "body", "generator", "readout" or "input model"
Key = tuple[str, int, int]  # kind, module, batch: an orderings.Value as a plain tuple
Action = Callable[[int], None]
Keep = Callable[[int, Any], None]


Tools: TypeAlias = "Worker"
"""What the actions of a worker work with: the worker itself.

``store`` holds values by (kind, module, batch) until the one step that needs them takes them.
``keeper(kind, k)`` tells where a value goes: into a store, to another worker, or nowhere.
``updates``: the updater of each part of its ``modules``; ``wiring``, ``loss`` and ``feed`` beside.
"""


def _forward(k: int, tools: Tools, keep: bool = False) -> Callable[[int], tuple[np.ndarray, Any]]:
    """Module k on batch t: it hears x, and what others have said of this batch or an earlier one.

    From before the first batch it hears None.  ``keep``: the pullback has parameters of its own.
    """
    take, live = tools.store.pop, tools.modules[k].body
    body: Callable[..., Any] = (lambda *heard: live.copy()(*heard)) if keep else live
    ears: list[Callable[[int], Any]] = []
    for place, (module, late) in enumerate(tools.wiring.heard[k - 1]):
        if module == 0:
            ears.append(tools.feed.x)
            continue
        users = [user[:2] for user in tools.wiring.users[module - 1]]
        ears.append(_ear(take, numbered("h", users.index((k, place))), module, late))
    if len(ears) == 1:
        hear = ears[0]
        return lambda t: body(hear(t))
    return lambda t: body(*[hear(t) for hear in ears])


def _ear(take: Callable[..., Any], kind: str, module: int, late: int) -> Callable[[int], Any]:
    if late:
        return lambda t: take((kind, module, t - late)) if t >= late else None
    return lambda t: take((kind, module, t))


def _several(keeps: Sequence[Keep | None]) -> Keep | None:
    """One for all who need the same value; None if nobody does."""
    wanted = [keep for keep in keeps if keep is not None]
    if len(wanted) < 2:
        return wanted[0] if wanted else None

    def keep_all(t: int, value: Any) -> None:
        for keep in wanted:
            keep(t, value)

    return keep_all


def _say(k: int, tools: Tools) -> Keep | None:
    """Hand h to all who hear module k."""
    places = range(len(tools.wiring.users[k - 1]) or 1)
    return _several([tools.keeper(numbered("h", place), k) for place in places])


def _tell(k: int, tools: Tools) -> Callable[[int, Sequence[Any]], None] | None:
    """Send down what each thing heard was worth; None if nobody wants to know."""
    wanted = [
        (place, ear.late, keep)
        for place, ear in tools.wiring.sources(k)
        if (keep := tools.keeper(numbered("message", place), k)) is not None
    ]
    if not wanted:
        return None
    if len(wanted) == 1 and wanted[0][:2] == (0, 0):
        only = wanted[0][2]
        return lambda t, down: only(t, down[0])

    def tell(t: int, down: Sequence[Any]) -> None:
        for place, late, keep in wanted:
            if t >= late:  # else it would be about a batch before the first
                keep(t, down[place])

    return tell


def _told(k: int, tools: Tools) -> Callable[[int], Any]:
    """The gradient that has come down to module k: the sum of its users' messages.

    None, where they have nothing to tell.
    """
    take = tools.store.pop
    keys = [(numbered("message", u.place), u.module, u.late) for u in tools.wiring.users[k - 1]]
    if len(keys) == 1:
        kind, user, late = keys[0]
        return lambda t: take((kind, user, t + late))

    def told(t: int) -> np.ndarray | None:
        messages = [take((kind, user, t + late)) for kind, user, late in keys]
        known = [message for message in messages if message is not None]
        return add_up(known) if known else None

    return told


def _is_top(k: int, tools: Tools) -> bool:
    return k == tools.wiring.modules and tools.wiring.signal(k) == "truth"


def asker(k: int, tools: Tools) -> Callable[[np.ndarray, int], tuple[Any, Any]]:
    """What tells module k its gradient at once, given h and the batch number.

    Returns ``ask(h, t)``, which gives g_hat and the signal's pullback: the loss at the top, None
    for a module that has nothing but a loss inside it.
    """
    signal, x, y = tools.modules[k].signal, tools.feed.x, tools.feed.y
    if signal is None:
        if _is_top(k, tools):
            gradient = tools.loss.gradient
            return lambda h, t: (gradient(h, y(t)), None)
        return lambda h, t: (None, None)
    sees_x, sees_y = "x" in signal.needs, "y" in signal.needs
    if not (sees_x or sees_y):
        return lambda h, t: signal(h)
    return lambda h, t: signal(h, x(t) if sees_x else None, y(t) if sees_y else None)


def _error_keeper(k: int, tools: Tools) -> Keep | None:
    """At the top: hand its error to all that are told by feedback."""
    if k != tools.wiring.modules:
        return None
    places = range(len(tools.wiring.feedbacks))
    return _several([tools.keeper(numbered("error", place), k) for place in places])


def _update_at_once(k: int, tools: Tools, forward: Callable[[int], Any]) -> Action:
    """``forward``, and an update by the module's own signal."""
    ask, update = asker(k, tools), tools.updates[k, "body"]
    say, tell, keep_guess = _say(k, tools), _tell(k, tools), tools.keeper("guess", k)
    keep_error, want_dx = _error_keeper(k, tools), tell is not None

    def act(t: int) -> None:
        h, pullback = forward(t)
        if say:
            say(t, h)  # first of all: somebody may be waiting for it
        g, learn = ask(h, t)
        down = pullback(g, want_dx)  # and, as the last of them, the gradients of the parameters
        if tell:
            tell(t, down)
        update(down[-1], len(h))
        if keep_guess:
            keep_guess(t, (g, learn, h))
        if keep_error:
            keep_error(t, g)

    return act


def forward_update(k: int, tools: Tools) -> Action:
    """Forward and update by the module's own signal: does not wait for any module above."""
    return _update_at_once(k, tools, _forward(k, tools))


def fit(k: int, tools: Tools) -> Action:
    """Update of the signal: a generator's target is what came down, a readout has its own loss."""
    take, kind = tools.store.pop, tools.wiring.signal(k)
    update = tools.updates[k, kind]
    if kind == "readout":

        def act_alone(t: int) -> None:
            g_hat, learn, _ = take(("guess", k, t))
            update(learn()[-1], len(g_hat))

        return act_alone
    told = _told(k, tools)

    def act(t: int) -> None:
        target = told(t)
        g_hat, pullback, _ = take(("guess", k, t))
        if target is None or g_hat is None:
            return  # the end of a sequence: nothing came after it
        update(pullback(g_hat - target, False)[-1], len(target))

    return act


def late_fit(k: int, tools: Tools) -> Action:
    """Update of the generator long after its guess: with today's parameters it guesses again.

    The error of the old guess tells how wrong the generator was then.  The same mistake would be
    put right once for every batch on the way, and the generator would swing ever wider.
    """
    take, update, told = tools.store.pop, tools.updates[k, "generator"], _told(k, tools)
    ask = asker(k, tools)

    def act(t: int) -> None:
        target = told(t)
        h = take(("guess", k, t))[2]
        g_hat, pullback = ask(h, t)
        if target is None or g_hat is None:
            return
        update(pullback(g_hat - target, False)[-1], len(target))

    return act


def forward(k: int, tools: Tools, keep: bool = False) -> Action:
    """Forward alone."""
    go, say, keep_pullback = _forward(k, tools, keep), _say(k, tools), tools.keeper("pullback", k)

    def act(t: int) -> None:
        h, pullback = go(t)
        if say:
            say(t, h)
        if keep_pullback:
            keep_pullback(t, pullback)

    return act


def forward_keep(k: int, tools: Tools) -> Action:
    """Forward with a copy of the parameters: the way back will be that of today."""
    return forward(k, tools, keep=True)


def _loss_gradient(k: int, tools: Tools) -> Callable[[int], Any]:
    """The gradient of the loss at the top."""
    take, gradient, y = tools.store.pop, tools.loss.gradient, tools.feed.y
    return lambda t: gradient(take(("h", k, t)), y(t))


def _fed_back(k: int, signal: Signal, tools: Tools) -> Callable[[int], Any]:
    """The error at the top, as feedback carries it to module k."""
    take, top = tools.store.pop, tools.wiring.modules
    kind = numbered("error", tools.wiring.feedbacks.index(k))
    return lambda t: signal(None, error=take((kind, top, t)))[0]


def backward(k: int, tools: Tools, kind: str = "grads", *later: bool) -> Action:
    """Pull the gradient from above, or from the loss, back through module k."""
    take, tell, signal = tools.store.pop, _tell(k, tools), tools.modules[k].signal
    keep_grads, keep_error = tools.keeper(kind, k), _error_keeper(k, tools)
    want_dx = tell is not None
    if _is_top(k, tools):
        find = _loss_gradient(k, tools)
    elif signal is not None and tools.wiring.signal(k) == "feedback":
        find = _fed_back(k, signal, tools)
    else:
        find = _told(k, tools)

    def act(t: int) -> None:
        g = find(t)
        *down, grads = take(("pullback", k, t))(g, want_dx, *later)
        if tell:
            tell(t, down)
        if keep_grads:
            keep_grads(t, (grads, len(g)))
        if keep_error:
            keep_error(t, g)

    return act


def backward_input(k: int, tools: Tools) -> Action:
    """The half of ``backward`` that others wait for: what goes down."""
    return backward(k, tools, "owed", True)


def backward_weights(k: int, tools: Tools) -> Action:
    """The other half: the gradients of the module's own parameters."""
    take, keep_grads = tools.store.pop, tools.keeper("grads", k)

    def act(t: int) -> None:
        owed, rows = take(("owed", k, t))
        grads = [grad() if callable(grad) else grad for grad in owed]
        if keep_grads:
            keep_grads(t, (grads, rows))

    return act


def forward_guess(k: int, tools: Tools) -> Action:
    """Forward, and a guess of the gradient at the output; whether it is used is decided later."""
    forward, ask, say = _forward(k, tools), asker(k, tools), _say(k, tools)
    keep_guess, keep_pullback = tools.keeper("guess", k), tools.keeper("pullback", k)

    def act(t: int) -> None:
        h, pullback = forward(t)
        if say:
            say(t, h)
        guess = ask(h, t)
        if keep_guess:
            keep_guess(t, (*guess, h))
        if keep_pullback:
            keep_pullback(t, (pullback, guess[0]))

    return act


def pull(k: int, tools: Tools) -> Action:
    """Pull the module's own guess back through it."""
    take, tell, keep_grads = tools.store.pop, _tell(k, tools), tools.keeper("grads", k)
    want_dx = tell is not None

    def act(t: int) -> None:
        pullback, g_hat = take(("pullback", k, t))
        *down, grads = pullback(g_hat, want_dx)
        if tell:
            tell(t, down)
        if keep_grads:
            keep_grads(t, (grads, len(g_hat)))

    return act


def update(k: int, tools: Tools, over: int = 1) -> Action:
    """Update module k with what backward or pull found.

    ``over`` several batches: with their mean gradient, added up in their order.  The first one of
    a run may have fewer: there are none from before the first batch.
    """
    take, apply = tools.store.pop, tools.updates[k, "body"]

    def act(t: int) -> None:
        if over == 1:
            apply(*take(("grads", k, t)))
            return
        found = [take(("grads", k, each)) for each in range(max(0, t - over + 1), t + 1)]
        sums = [add_up(of) for of in zip(*(grads for grads, _ in found), strict=True)]
        apply(sums, sum(rows for _, rows in found))

    return act


def _predict(k: int, tools: Tools) -> Callable[[int], tuple[np.ndarray, Any]]:
    """The input of module k, predicted from x; x itself where there is no input model."""
    model, x = tools.modules[k].input_model, tools.feed.x
    if model is None:
        return lambda t: (x(t), None)
    return lambda t: model(x(t))


def unlocked_update(k: int, tools: Tools) -> Action:
    """Forward from a predicted input, guess, pull back and update: waits for nobody at all."""
    body, predict = tools.modules[k].body, _predict(k, tools)
    keep_prediction = tools.keeper("prediction", k)

    def forward(t: int) -> Any:
        prediction = predict(t)
        if keep_prediction:
            keep_prediction(t, prediction)
        return body(prediction[0])

    return _update_at_once(k, tools, forward)


def fit_input(k: int, tools: Tools, again: bool = False) -> Action:
    """Update of the input model: its target is what the module below computed."""
    take, update, below = tools.store.pop, tools.updates[k, "input model"], k - 1
    predict = _predict(k, tools)

    def act(t: int) -> None:
        h = take(("h", below, t))
        made = take(("prediction", k, t))
        predicted, pullback = predict(t) if again else made
        update(pullback(predicted - h, False)[-1], len(h))

    return act


def late_fit_input(k: int, tools: Tools) -> Action:
    """Update of the input model long after its prediction: it predicts again, as in late_fit."""
    return fit_input(k, tools, again=True)


ACTIONS: dict[str, Callable[..., Action]] = {
    "forward_update": forward_update,
    "fit": fit,
    "late_fit": late_fit,
    "forward": forward,
    "forward_keep": forward_keep,
    "backward": backward,
    "backward_input": backward_input,
    "backward_weights": backward_weights,
    "update": update,
    "forward_guess": forward_guess,
    "pull": pull,
    "unlocked_update": unlocked_update,
    "fit_input": fit_input,
    "late_fit_input": late_fit_input,
}


SPANS_KEPT = 4096  # steps a worker remembers: bounded, however long the run
HEALTH_EVERY = 25  # turns between two looks at the size of the parameters
LIMIT = 1e4  # root mean square of a parameter vector that no sane run reaches

# Kind, module and batch, relative to the step's, of each value from another worker.
Waits = tuple[Value, ...]
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
        for value in flow_of(step, program.wires)[0]
    }


@dataclass(eq=False)
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

    index: int
    program: Program
    owners: Mapping[int, int]
    modules: dict[int, Module]
    loss: Loss
    feed: Stream
    optimiser: Optimiser
    generator_optimiser: Optimiser
    batches: int

    doing: str = field(default="nothing yet", init=False)
    turn: int = field(default=0, init=False)
    position: int = field(default=0, init=False)
    sound: int = field(default=0, init=False)  # turns after which all parameters were sound
    nanoseconds: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.store: dict[Key, Any] = {}
        self.fetch: Callable[[Key], bool] = lambda key: False
        self.route: Callable[[str, int], Callable[[Key, Any], None] | None] = lambda kind, k: None
        self.turn_ended: Callable[[], None] | None = None
        self.start_alone: Callable[[Action, str, int], Action] = lambda action, op, k: action
        self._spans: deque[tuple[str, int, int, int, int]] = deque(maxlen=SPANS_KEPT)
        self._steps: list[Prepared] | None = None
        self._actions: dict[tuple[str, int, bool, int], tuple[Action, Waits]] = {}
        both = self.optimiser, self.generator_optimiser
        self.updates = {
            of: both[of[1] != "body"].start(thetas) for of, thetas in self.thetas().items()
        }
        self.wiring = self.program.wires
        # A value is kept only if some step of the program needs it.
        self._users = users_of_values(self.program, self.owners)

    def keeper(self, kind: str, k: int) -> Keep | None:
        """Where a value of this kind goes: None, where nobody needs it."""
        if (kind, k) not in self._users:
            return None
        keep = self.route(kind, k) or self.store.__setitem__
        return lambda t, value: keep((kind, k, t), value)

    def _prepared(self, steps: tuple[Step, ...]) -> list[Prepared]:
        """The steps of a turn: action, operation, module, batch, how far it looks ahead, waits."""
        prepared, wiring = [], self.wiring
        for step in steps:
            known = (step.op, step.module, step.alone, step.over)
            if known not in self._actions:
                several = {"over": step.over} if step.over > 1 else {}
                action = ACTIONS[step.op](step.module, self, **several)
                if step.alone:
                    action = self.start_alone(action, step.op, step.module)
                needs, _ = flow_of(step, wiring)
                waits = tuple(value for value in needs if self.owners[value.module] != self.index)
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
        op, k, t = "nothing yet", 0, 0
        try:
            while self.turn < until_turn:
                first = self.turn * span
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

    def _check_health(self, batch: int) -> None:
        for k, module in self.modules.items():
            # the generator first: where all is broken, it is the likelier cause
            for part, thetas in reversed(module.parts.items()):
                for theta in thetas:
                    # written so that NaN, which compares false with everything, is caught
                    if not float(theta.dot(theta)) < LIMIT**2 * theta.size:
                        raise ParametersExploded(k, part, batch)
        self.sound = self.turn
