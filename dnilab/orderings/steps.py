"""Steps, wirings and programs: who does what on which batch, and what that needs and makes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import NamedTuple

from dnilab.checks import has_entries, instance_of, one_of, refuse, true_or_false, whole_number

OPERATIONS = {
    "forward_update": "forward, ask the signal for the gradient, pull it back, update",
    "fit": "update the signal by what it learns from: a generator by what came from above",
    "late_fit": "let the generator of today guess again, and update it by that guess's error",
    "forward": "forward alone",
    "forward_keep": "forward alone, and keep the parameters of now for the way back",
    "backward": "pull the gradient that came from above (or the loss) back through the module",
    "backward_input": "pull it back to what the module heard, and leave its own for later",
    "backward_weights": "find the module's own gradients, which backward_input has left",
    "update": "update the module with the gradients that were found",
    "forward_guess": "forward, and guess the gradient at the output, without an update",
    "pull": "pull the module's own guess back through it",
    "unlocked_update": "forward from a predicted input, guess, pull back, update",
    "fit_input": "update the input model by the error of its prediction",
    "late_fit_input": "let the input model of today predict again, and update it by that error",
}
"""The operations a step can name, and what each does to one module on one batch."""

SIGNALS = {
    "truth": "the gradient itself: of the loss at the top, from those above elsewhere",
    "generator": "a guess, learned from the messages that come from above later",
    "readout": "a loss of the module's own, on a readout of its own",
    "feedback": "the error at the top, carried down by a fixed random matrix",
    "own loss": "nothing but a loss inside the module: no gradient comes to its output",
}
"""What may tell a module its gradient."""

MOST_MODULES = 10_000
MOST_BATCHES = 1_000_000  # of a program that is written out


class IllegalProgram(ValueError):
    """A program that can't run, or whose result would depend on chance."""


class Value(NamedTuple):
    """Something that one step makes and one other step needs.

    ``kind`` is "h" (activation of the module), "message" (gradient with respect to what the
    module has heard, sent down), "guess" (g_hat with its pullback, and h), "pullback" (of the
    module), "grads", "owed" (gradients that are still to be found), "error" (of the top, for those
    who have nothing but feedback), or "prediction" (of the module's input, with its pullback).

    Where a module is heard by several, each gets an "h" of its own, and where it has heard
    several, each gets a "message": the second is "h 2", and so on.
    """

    kind: str
    module: int
    batch: int

    def __str__(self) -> str:
        return f"{self.kind} of module {self.module}, batch {self.batch}"


def numbered(kind: str, place: int) -> str:
    """The kind of the value for one of several, from 0: "h", "h 2", "h 3"."""
    return kind if place == 0 else f"{kind} {place + 1}"


class Ear(NamedTuple):
    """What a module hears: the value of ``module``, of ``late`` batches ago.

    Module 0 is the input of the network.
    """

    module: int
    late: int = 0


class User(NamedTuple):
    """Who hears a value: ``module``, as which of the things that it hears, how late."""

    module: int
    place: int
    late: int


@dataclass(frozen=True)
class Wiring:
    """Modules, whom each of them hears, and what tells each its gradient.

    ``heard[k - 1]``: the ears of module k; modules count from 1 at the input to K at the output.
    ``signals[k - 1]``: one of ``SIGNALS``.  A stack is a chain, see ``chain``; in a graph modules
    hear several; through time a module hears itself, one batch ago.

    Raises ValueError, naming the module, for a circle in no time, something heard that is not
    there, a signal that can't be had, and a module that leads nowhere.
    """

    heard: tuple[tuple[Ear, ...], ...]
    signals: tuple[str, ...]

    def __post_init__(self) -> None:
        heard = tuple(tuple(Ear(*ear) for ear in ears) for ears in self.heard)
        object.__setattr__(self, "heard", heard)
        object.__setattr__(self, "signals", tuple(self.signals))
        top = self.modules
        whole_number("heard", top, 1, MOST_MODULES)
        has_entries("signals", self.signals, top)
        for k, (ears, signal) in enumerate(zip(heard, self.signals, strict=True), start=1):
            one_of(f"the signal of module {k}", signal, tuple(SIGNALS))
            if not ears:
                raise ValueError(f"module {k} hears nothing; it accepts one ear or more")
            for module, late in ears:
                whole_number(f"what module {k} hears", module, 0, top)
                whole_number(f"how late module {k} hears module {module}", late, 0)
                if late == 0 and module >= k:
                    said = f"module {k} hears module {module} of the same batch"
                    accepts = "modules below it, or values of earlier batches"
                    raise ValueError(f"{said}: a circle in no time; it accepts {accepts}")
        for k, signal in enumerate(self.signals, start=1):
            alone = not self.users[k - 1]
            if alone and k < top and signal not in ("readout", "own loss"):
                said = f"module {k} leads nowhere, and its signal is {signal!r}"
                why = "no gradient would ever come to it"
                accepts = "'readout' or 'own loss', or somebody who hears it"
                raise ValueError(f"{said}: {why}; it accepts {accepts}")
            if k == top and alone and signal not in ("truth", "own loss"):
                raise ValueError(
                    f"module {k} is the top; its signal accepts 'truth', from the loss"
                )

    @property
    def modules(self) -> int:
        """How many modules."""
        return len(self.heard)

    @cached_property
    def users(self) -> tuple[tuple[User, ...], ...]:
        """For each module who hears it; the order is that in which their messages are added."""
        found: list[list[User]] = [[] for _ in self.heard]
        for k, ears in enumerate(self.heard, start=1):
            for place, (module, late) in enumerate(ears):
                if module:
                    found[module - 1].append(User(k, place, late))
        return tuple(tuple(users) for users in found)

    @cached_property
    def known(self) -> dict[tuple[str, int, int], Needs]:
        """What the operations on its modules need and make, at batch 0, as far as asked for."""
        return {}

    @cached_property
    def feedbacks(self) -> tuple[int, ...]:
        """The modules that are told the error at the top."""
        return tuple(k for k, signal in enumerate(self.signals, start=1) if signal == "feedback")

    def sources(self, k: int) -> list[tuple[int, Ear]]:
        """The modules that module ``k`` hears, each with its place among all that it hears."""
        return [(place, ear) for place, ear in enumerate(self.heard[k - 1]) if ear.module]

    def signal(self, k: int) -> str:
        """What tells module ``k`` its gradient."""
        return self.signals[k - 1]

    def is_top(self, k: int) -> bool:
        """Whether module ``k`` is the top, which nobody hears."""
        return k == self.modules and not self.users[k - 1]

    def told_with(self, signal: str) -> Wiring:
        """The same, with one signal for all modules that are heard by others."""
        signals = (
            signal if users else known
            for users, known in zip(self.users, self.signals, strict=True)
        )
        return replace(self, signals=tuple(signals))


def chain(modules: int, signals: str | Sequence[str] = "generator") -> Wiring:
    """Modules one above the other; ``signals`` of all below the top, or of each of them.

    Raises ValueError, naming the argument, for less than one module, or other signals than that.
    """
    modules = whole_number("modules", modules, 1, MOST_MODULES)
    below = (signals,) * (modules - 1) if isinstance(signals, str) else tuple(signals)
    has_entries("signals", below, modules - 1, ": one for each module below the top")
    return _chain(modules, below)


@cache
def _chain(modules: int, below: tuple[str, ...]) -> Wiring:
    return Wiring(tuple((Ear(k),) for k in range(modules)), (*below, "truth"))


def wired(modules: int | Wiring, signals: str = "generator") -> Wiring:
    """A wiring as it is; a number of modules as a chain of them."""
    return modules if isinstance(modules, Wiring) else chain(modules, signals)


@dataclass(frozen=True, slots=True)
class Step:
    """One operation on one module and one batch.

    ``module`` counts from 1 at the input.  In a program's turn, ``batch`` is relative to the
    turn: 0 is the turn's own (first) batch, -2 the batch two before it.

    ``alone``: run on a new thread, started for this step and forgotten, as the published
    threaded code does it.  Such a step races with the steps after it.

    ``over``: of an update, over how many batches it adds up, this one and those before it.
    """

    op: str
    module: int
    batch: int = 0
    alone: bool = False
    over: int = 1

    def __post_init__(self) -> None:
        one_of("op", self.op, tuple(OPERATIONS))
        object.__setattr__(self, "module", whole_number("module", self.module, 1))
        if type(self.batch) is not int:
            refuse("batch", self.batch, "a whole number")
        true_or_false("alone", self.alone)
        whole_number("over", self.over, 1, None if self.op == "update" else 1)

    def __str__(self) -> str:
        since = f"es {self.batch - self.over + 1} to" if self.over > 1 else ""
        return f"{self.op} of module {self.module}, batch{since} {self.batch}"


@dataclass(frozen=True)
class Program:
    """An ordering: for each worker, the steps of one turn.

    ``modules``: how many modules the network has.  ``workers``: one tuple of steps a worker, run
    from first to last.  A turn covers ``batches_per_turn`` batches; then the next turn begins.
    Steps whose batch would be before the first or after the last batch of a run are left out, and
    so are those that wait for a later batch which will not come.

    ``parcels``: what one worker makes for another is handed over in one parcel when the maker's
    turn ends, instead of piece by piece.

    ``wiring``: who hears whom; None for a chain of decoupled modules.
    """

    name: str
    modules: int
    workers: tuple[tuple[Step, ...], ...]
    batches_per_turn: int = 1
    parcels: bool = False
    wiring: Wiring | None = None

    def __post_init__(self) -> None:
        for name in ("modules", "batches_per_turn"):  # plain, also where NumPy's came in
            object.__setattr__(self, name, whole_number(name, getattr(self, name), 1))
        if self.wiring is not None and self.wiring.modules != self.modules:
            found = self.wiring.modules
            raise ValueError(f"wiring is of {found} modules; it accepts {self.modules}")
        for step in self.steps():
            if step.module > self.modules:
                raise ValueError(f"{step} is not among the {self.modules} modules")

    @property
    def wires(self) -> Wiring:
        """Who hears whom."""
        return self.wiring or chain(self.modules)

    def turn(self, number: int) -> tuple[tuple[Step, ...], ...]:
        """The steps of turn ``number``, worker by worker: the same in every turn."""
        return self.workers

    @property
    def repeats(self) -> bool:
        """Whether all turns have the same steps."""
        return True

    def steps(self) -> Iterator[Step]:
        """All steps that a turn can have, worker by worker."""
        for worker in self.workers:
            yield from worker

    @property
    def lag(self) -> int:
        """How many batches the latest step of a turn is behind the turn's first batch."""
        return max((0, *(-step.batch for step in self.steps())))

    @property
    def races(self) -> bool:
        """Whether the result depends on chance: a step that runs alone races with later ones."""
        return any(step.alone for step in self.steps())

    def turns(self, batches: int) -> int:
        """How many turns it takes to finish ``batches`` batches, the late steps included."""
        return -(-(batches + self.lag) // self.batches_per_turn)

    def warm_up(self) -> int:
        """Batches that are enough to fill and to drain every delay."""
        reach = max((ear.late for ears in self.wires.heard for ear in ears), default=0)
        return 2 * (self.lag + reach) + 3 * self.batches_per_turn + 1


Needs = tuple[tuple[Value, ...], tuple[Value, ...]]
FLOW = {
    "forward_update": ("hears", "down says guess errors"),
    "fit": ("told guess", ""),
    "late_fit": ("told guess", ""),
    "forward": ("hears", "output pullback"),
    "forward_keep": ("hears", "output pullback"),
    "backward": ("above pullback", "down grads errors"),
    "backward_input": ("above pullback", "down owed errors"),
    "backward_weights": ("owed", "grads"),
    "update": ("sum", ""),
    "forward_guess": ("hears", "says guess pullback"),
    "pull": ("pullback", "down grads"),
    "unlocked_update": ("", "down says guess prediction"),
    "fit_input": ("hears prediction", ""),
    "late_fit_input": ("hears prediction", ""),
}
"""What each operation needs, and what it makes: see ``_values_around``."""


def needs_and_makes(step: Step, modules: int | Wiring) -> Needs:
    """The values that a step needs from other steps, and those it makes.

    ``modules``: the wiring, or K for a chain of decoupled modules.  The input x and the label y
    are there from the start, and are not among them, nor is what a module hears from before the
    first batch.  Raises IllegalProgram for a step that the wiring gives no meaning to.
    """
    wiring = wired(modules)
    why_not = _impossible(step, wiring)
    if why_not:
        raise IllegalProgram(f"{step}: {why_not}")
    around = _values_around(step, wiring)
    needs, makes = (
        tuple(value for name in names.split() for value in around[name]) for names in FLOW[step.op]
    )
    return needs, makes


def _values_around(step: Step, wiring: Wiring) -> dict[str, Sequence[Value]]:
    """All that goes in and out of the step's module on its batch, by what it is to the module."""
    k, t = step.module, step.batch
    users, signal, top = wiring.users[k - 1], wiring.signal(k), wiring.modules
    below = [(ear, User(k, place, ear.late)) for place, ear in wiring.sources(k)]
    says = [Value(numbered("h", place), k, t) for place in range(len(users))]
    told = [Value(numbered("message", u.place), u.module, t + u.late) for u in users]
    output = says or [Value("h", k, t)]  # at the top, for the loss
    feedback = signal == "feedback" and numbered("error", wiring.feedbacks.index(k))
    return {
        "hears": [
            Value(numbered("h", wiring.users[j - 1].index(me)), j, t - late)
            for (j, late), me in below
        ],
        "down": [Value(numbered("message", me.place), k, t) for _, me in below],
        "says": says,
        "output": output,
        "told": [] if signal == "readout" else told,  # it has a loss of its own
        "above": [Value(feedback, top, t)] if feedback else told or output,
        "errors": [
            Value(numbered("error", place), k, t)
            for place in range(len(wiring.feedbacks) * wiring.is_top(k))
        ],
        "guess": [Value("guess", k, t)] * (bool(users) or signal == "readout"),
        "prediction": [Value("prediction", k, t)] * bool(below),
        "pullback": [Value("pullback", k, t)],
        "owed": [Value("owed", k, t)],
        "grads": [Value("grads", k, t)],
        "sum": [Value("grads", k, t - back) for back in reversed(range(step.over))],
    }


def _impossible(step: Step, wiring: Wiring) -> str:
    """Why the wiring gives the step no meaning, or ""."""
    k, op = step.module, step.op
    signal, is_top = wiring.signal(k), wiring.is_top(k)
    waits = not is_top and signal in ("truth", "feedback")
    if op in ("forward_update", "forward_guess", "unlocked_update") and waits:
        return f"its signal is {signal!r}, which comes only when those above it have been at work"
    if op == "forward_guess" and is_top:
        return "the top module has the true gradient, no guess"
    if op in ("fit", "late_fit") and signal not in ("generator", "readout"):
        what = "the top module has" if is_top else f"the module has {signal!r}, and"
        return f"{what} no generator to fit"
    if op in ("backward", "backward_input") and signal == "readout" and not wiring.users[k - 1]:
        return "nobody hears the module, so nothing comes down"
    if op in ("fit_input", "late_fit_input") and not wiring.sources(k):
        return f"module {k} sees x itself and predicts no input"
    return ""


def flow_of(step: Step, wiring: Wiring) -> Needs:
    """``needs_and_makes`` of a step, as if it were on batch 0."""
    # kept by the wiring: to look a long one up would take as long as it is
    key = step.op, step.module, step.over
    if key not in wiring.known:
        wiring.known[key] = needs_and_makes(replace(step, batch=0), wiring)
    return wiring.known[key]


def in_a_run(step: Step, wiring: Wiring) -> Needs:
    """``needs_and_makes`` in a run, where nothing comes from before its first batch."""
    needs, makes = flow_of(step, wiring)
    t = step.batch
    return (
        tuple(Value(kind, k, b + t) for kind, k, b in needs if b + t >= 0),
        tuple(Value(kind, k, b + t) for kind, k, b in makes),
    )


def reach(step: Step, wiring: Wiring) -> int:
    """How many batches after its own a step has to wait for."""
    needs, _ = flow_of(step, wiring)
    return max((0, *(value.batch for value in needs)))


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
    first, wiring = turn * program.batches_per_turn, program.wires
    return [
        [
            replace(s, batch=first + s.batch)
            for s in steps
            if 0 <= first + s.batch < batches - reach(s, wiring)
        ]
        for steps in program.turn(turn)
    ]


def unroll(program: Program, batches: int) -> list[list[Step]]:
    """The program written out for a run: for each worker its steps, with true batch numbers."""
    lists: list[list[Step]] = [[] for _ in program.workers]
    whole_number("batches", batches, 0, MOST_BATCHES)
    for turn in range(program.turns(batches)):
        for steps, out in zip(unroll_turn(program, turn, batches), lists, strict=True):
            out.extend(steps)
    return lists


def _owners(program: Program) -> dict[int, int]:
    """Which worker owns each module; raises IllegalProgram if two touch the same one."""
    owner: dict[int, int] = {}
    for worker, steps in enumerate(program.workers):
        for step in steps:
            if owner.setdefault(step.module, worker) != worker:
                module = f"module {step.module}, which worker {owner[step.module] + 1} owns"
                said = f"{step}: worker {worker + 1} works on {module}"
                raise IllegalProgram(f"{said}; a module belongs to one worker")
    return owner


def check(program: Program, batches: int | None = None) -> dict[int, int]:
    """Raise IllegalProgram, naming the step, unless the program can run and is deterministic.

    It is refused if a step needs something that no step makes, or that is made only after it is
    needed; if a value is made or needed twice; if a batch is left out; or if two workers touch
    one module.  Otherwise any executor that keeps each worker's order gets the same result,
    unless steps are marked ``alone``: those race, because the program says so.

    Returns the worker (from 0) that owns each module.
    """
    instance_of("program", program, Program, "a Program, as sequential(3)")
    owners = _owners(program)
    if not program.repeats and len(program.workers) > 1:
        has = f"its turns are drawn, and it has {len(program.workers)} workers"
        why = "what is left over from a turn is thrown away, so it accepts one worker"
        raise IllegalProgram(f"{program.name}: {has}; {why}")
    batches = program.warm_up() if batches is None else whole_number("batches", batches, 0)
    lists, wiring = unroll(program, batches), program.wires
    makers: dict[Value, Step] = {}
    users: dict[Value, Step] = {}
    for step in (step for steps in lists for step in steps):
        needs, makes = in_a_run(step, wiring)
        for values, known, done in ((makes, makers, "made"), (needs, users, "used")):
            for value in values:
                if value in known:
                    raise IllegalProgram(f"{step}: {value} is {done} a second time")
                known[value] = step
    for value, step in users.items():
        if value not in makers:
            raise IllegalProgram(f"{step}: needs {value}, which no step makes")
    _run_turn_by_turn(program, batches)
    at_top = {s.batch for steps in lists for s in steps if s.module == program.modules}
    for t in range(batches):
        if t not in at_top:
            raise IllegalProgram(f"{program.name}: no step brings batch {t} to the top module")
    return owners


def _run_turn_by_turn(program: Program, batches: int) -> None:
    """Raise IllegalProgram unless every turn can be finished before the next one begins."""
    wiring = program.wires
    ready: list[set[Value]] = [set() for _ in program.workers]  # what each worker can see
    for turn in range(program.turns(batches)):
        waiting = [deque(steps) for steps in unroll_turn(program, turn, batches)]
        parcels: list[list[Value]] = [[] for _ in waiting]
        while any(waiting):
            moved = False
            for worker, queue in enumerate(waiting):
                while queue:
                    needs, makes = in_a_run(queue[0], wiring)
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
                needs, _ = in_a_run(step, wiring)
                missing = [value for value in needs if value not in ready[worker]]
                raise IllegalProgram(f"{step}: needs {missing[0]}, which is made only later")


def steps_of(program: Program, batches: int) -> Sequence[Step]:
    """All steps of a run, worker by worker."""
    return [step for steps in unroll(program, batches) for step in steps]
