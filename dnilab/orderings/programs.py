"""The orderings of the course, each written down as a program for K modules."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dnilab.checks import instance_of, real_number, true_or_false, whole_number
from dnilab.orderings.groups import check_groups
from dnilab.orderings.steps import MOST_MODULES, Program, Step, Wiring, wired


def _wired(groups: Sequence[Sequence[int]], wiring: Wiring | None) -> Wiring:
    """The wiring that is told, or a chain of all modules in the groups."""
    if wiring is None:
        return wired(sum(len(group) for group in groups))
    return instance_of("wiring", wiring, Wiring)


def backprop(modules: int | Wiring) -> Program:
    """Forward through all modules, then backward through all: the baseline with all three locks.

    Each module is updated right after its backward, when nobody needs its old weights any more.
    ``modules``: how many, in a chain; or any wiring.
    """
    wiring = wired(modules, "truth").told_with("truth")
    up = [Step("forward", k) for k in range(1, wiring.modules + 1)]
    return _on_one_worker("backprop", [*up, *_down(wiring)], wiring)


def _down(wiring: Wiring, top: int | None = None) -> list[Step]:
    """Backward and update, from module ``top`` down to the first."""
    top = wiring.modules if top is None else top
    return [Step(op, k) for k in range(top, 0, -1) for op in ("backward", "update")]


def _on_one_worker(name: str, steps: Sequence[Step], wiring: Wiring) -> Program:
    return Program(name, wiring.modules, (tuple(steps),), wiring=wiring)


def sequential(modules: int | Wiring) -> Program:
    """The Red Box: decoupled modules on one worker, each fit as soon as its target is there.

    Module 1 goes forward and updates, then module 2, whose message is the target that the
    generator of module 1 is fitted to, and so on up: 1 to 6 for three modules (the sixth, a fit
    of the top module's generator, is not needed: the top module has the true gradient).

    ``modules``: how many, in a chain; or any wiring.  There is one rule in all of them: a module
    that knows a gradient at its output acts.  With a signal of its own it knows one as soon as it
    has gone forward; without, once all who have heard it have sent their messages down.

    Raises ValueError, naming the module, for one that would wait for ever.
    """
    wiring = wired(modules)
    latest = max(ear.late for ears in wiring.heard for ear in ears)
    told: Counter[tuple[int, int]] = Counter()  # messages that have come, by module and batch
    acted: set[int] = set()
    steps: list[Step] = []

    def act(k: int, batch: int) -> None:
        """Module ``k`` has pulled back: who was heard is told."""
        acted.add(k)
        for _, (heard, late) in wiring.sources(k):
            told[heard, batch - late] += 1
            if told[heard, batch - late] == len(wiring.users[heard - 1]):
                answer(heard, batch - late)

    def answer(k: int, batch: int) -> None:
        """All messages to module ``k`` have come."""
        if wiring.signal(k) == "generator":
            steps.append(Step("fit", k, batch))
        elif wiring.signal(k) == "truth":
            steps.extend((Step("backward", k, batch), Step("update", k, batch)))
            act(k, batch)

    for turn in range(latest + 1):  # late messages come in from the turn number ``latest`` on
        steps.clear()
        for k in range(1, wiring.modules + 1):
            if wiring.users[k - 1] and wiring.signal(k) == "truth":
                steps.append(Step("forward", k, turn))
                continue
            steps.append(Step("forward_update", k, turn))
            if wiring.signal(k) == "readout":
                steps.append(Step("fit", k, turn))
            act(k, turn)
    idle = set(range(1, wiring.modules + 1)) - acted
    if idle:
        said = f"module {min(idle)} has the signal 'truth' and is told its gradient by nobody who"
        raise ValueError(f"{said} has one: it would wait for ever; it accepts a signal of its own")
    relative = [replace(step, batch=step.batch - latest) for step in steps]
    return _on_one_worker("sequential", relative, wiring)


def blue_box(modules: int) -> Program:
    """The Blue Box as it was published: the Red Box, but each fit starts a thread of its own.

    Stages I to V for three modules: forward 1; forward 2; forward 3 while generator 1 is fitted;
    generator 2; (generator 3, which is not needed).  A fit may still be running when the next
    batch reaches its module, so this program races.
    """
    red = sequential(modules)
    steps = [replace(step, alone=step.op == "fit") for step in red.steps()]
    return Program("blue box", red.modules, (tuple(steps),))


def last_layer_only(modules: int | Wiring) -> Program:
    """Only the top module learns: the baseline that a generator has to beat."""
    wiring = wired(modules, "truth").told_with("truth")
    below = [Step("forward", k) for k in range(1, wiring.modules)]
    top = Step("forward_update", wiring.modules)
    return _on_one_worker("last layer only", [*below, top], wiring)


def local_loss(groups: Sequence[Sequence[int]], wiring: Wiring | None = None) -> Program:
    """A worker for each group of modules, each with a loss of its own on a readout of its own.

    Nothing comes down, so nothing is late: a module updates itself and its readout, and goes on
    (Mostafa et al. 2018, arXiv 1711.06756; Nokland and Eidnes 2019, arXiv 1901.06656).

    Raises ValueError if ``groups`` are not modules 1 to K in order.
    """
    wiring = _wired(groups, wiring).told_with("readout")
    return replace(pipeline(groups, staleness=0, wiring=wiring), name="local loss")


def direct_feedback(modules: int | Wiring) -> Program:
    """Direct feedback alignment: the error at the top goes to every module, at random.

    All modules go forward; then each is told the top's error through a fixed random matrix, so
    none waits for another's backward (Nokland 2016, arXiv 1609.01596).
    """
    wiring = wired(modules, "feedback").told_with("feedback")
    below = [Step("forward", k) for k in range(1, wiring.modules)]
    top = Step("forward_update", wiring.modules)
    steps = [*below, top, *_down(wiring, wiring.modules - 1)]
    return _on_one_worker("direct feedback", steps, wiring)


def pipeline(
    groups: Sequence[Sequence[int]],
    *,
    staleness: int = 1,
    batches_per_turn: int = 1,
    guess_again: bool | None = None,
    wiring: Wiring | None = None,
) -> Program:
    """A worker for each group of modules; every fit comes ``staleness`` batches late.

    A worker takes one batch through its modules, forward and update, and then fits their
    generators for the batch ``staleness`` before.  So it may be that many batches ahead of the
    worker above, and both have something to do.  The late fits are part of the program: every
    division into groups, and every ``batches_per_turn``, gives the same numbers.

    ``guess_again``: whether a fit lets the generator of its own day guess again before it is put
    right, for the price of one more product.  Corrections by errors that are s batches old swing
    ever wider where their rate is above 2 sin(pi / (4 s + 2)), about pi / (2 s + 1): far sooner
    than prompt ones do (notebook 05).  None: where fits are late, that is for a ``staleness`` from
    1 on.

    With ``batches_per_turn`` above 1, workers hand their values over in parcels, once a turn:
    fewer, longer visits to a queue.

    ``wiring``: who hears whom, and by which signal each learns; None: a chain with generators.  A
    readout is never late: it learns from its own loss.

    Raises ValueError if ``groups`` are not modules 1 to K in order, or ``staleness`` is below 0
    or, with several workers and parcels, below ``batches_per_turn``.
    """
    modules = sum(len(group) for group in groups)
    checked = check_groups(groups, modules)
    wiring = _wired(groups, wiring)
    per_turn = whole_number("batches_per_turn", batches_per_turn, 1)
    lowest = per_turn if per_turn > 1 and len(checked) > 1 else 0
    late = whole_number("staleness", staleness, lowest)
    fit = "late_fit" if _guesses_again(guess_again, late > 0) else "fit"
    workers = []
    for group in checked:
        steps: list[Step] = []
        for batch in range(per_turn):
            steps += [Step("forward_update", k, batch) for k in group]
            for k in group:
                if wiring.signal(k) == "readout":
                    steps.append(Step("fit", k, batch))
                elif wiring.signal(k) == "generator":
                    soonest = max(user.late for user in wiring.users[k - 1])
                    steps.append(Step(fit, k, batch - max(late, soonest)))
        workers.append(tuple(steps))
    parcels = per_turn > 1
    return Program("pipeline", modules, tuple(workers), per_turn, parcels, wiring)


def complete_unlock(
    groups: Sequence[Sequence[int]], *, staleness: int = 1, guess_again: bool | None = None
) -> Program:
    """A worker for each group of modules, and no module waits for any other.

    Each module predicts its input from x, as well as the gradient at its output, and updates on
    its own; the generator and the input model are fitted ``staleness`` batches later, with what
    the neighbours have sent (paper, section 2.1: unlocking the forward pass too).
    ``guess_again`` as in ``pipeline``, and input models predict again.  These swing even sooner, so
    that None stands for True here.

    Raises ValueError if ``groups`` are not modules 1 to K in order, or ``staleness`` is below 1.
    """
    modules = sum(len(group) for group in groups)
    checked = check_groups(groups, modules)
    late = whole_number("staleness", staleness, 1)
    mark = "late_" if _guesses_again(guess_again, True) else ""
    workers = []
    for group in checked:
        steps = [Step("unlocked_update", k) for k in group]
        steps += [Step(f"{mark}fit", k, -late) for k in group if k < modules]
        steps += [Step(f"{mark}fit_input", k, -late) for k in group if k > 1]
        workers.append(tuple(steps))
    return Program("complete unlock", modules, tuple(workers))


def _guesses_again(told: bool | None, otherwise: bool) -> bool:
    return otherwise if told is None else true_or_false("guess_again", told)


@dataclass(frozen=True)
class SparseProgram(Program):
    """A program whose turns are drawn: see ``sparse``."""

    p: float = 0.5
    seed: int = 0

    @property
    def repeats(self) -> bool:
        return False

    def turn(self, number: int) -> tuple[tuple[Step, ...], ...]:
        """The steps of turn ``number``: equal seeds and numbers draw equal steps."""
        draw = random.Random(f"{self.seed}/{number}")  # independent of the turns before it
        top = self.modules
        chosen = [k for k in range(1, top + 1) if draw.random() < self.p]
        draw.shuffle(chosen)
        steps = [Step("forward_guess", k) for k in range(1, top)] + [Step("forward", top)]
        pulled: set[int] = set()

        def pull(k: int) -> None:
            if k not in pulled:
                pulled.add(k)
                steps.append(Step("backward" if k == top else "pull", k))

        for k in chosen:
            pull(k)
            steps.append(Step("update", k))
            if k < top:
                pull(k + 1)  # the module above answers, whether it updates itself or not
                steps.append(Step("fit", k))
        return (tuple(steps),)


def sparse(modules: int, *, p: float = 0.5, seed: int = 0) -> Program:
    """Each module updates, and fits its generator, with probability p, in random order.

    All modules go forward.  A module that does not update still answers the one below with its
    message.  (Paper, section 3.1: modules that are updated sparsely and at random.)

    Raises ValueError unless 0 < p <= 1.
    """
    modules = whole_number("modules", modules, 1, MOST_MODULES)
    chance = real_number("p", p, 0, 1, above=True)
    seed = whole_number("seed", seed, 0)
    every = SparseProgram("sparse", modules, (), p=1.0).turn(0)  # all that a turn can have
    return SparseProgram("sparse", modules, every, p=chance, seed=seed)


@dataclass(frozen=True)
class SparseBackprop(SparseProgram):
    """A program whose turns are drawn: see ``sparse_backprop``."""

    def turn(self, number: int) -> tuple[tuple[Step, ...], ...]:
        """The steps of turn ``number``: equal seeds and numbers draw equal steps."""
        draw = random.Random(f"{self.seed}/{number}")
        chosen = {k for k in range(1, self.modules + 1) if draw.random() < self.p}
        steps = [Step("forward", k) for k in range(1, self.modules + 1)]
        for k in range(self.modules, 0, -1):
            if k not in chosen:
                break  # the gradient goes no further down
            steps += [Step("backward", k), Step("update", k)]
        return (tuple(steps),)


def sparse_backprop(modules: int, *, p: float = 0.5, seed: int = 0) -> Program:
    """Backpropagation when each module takes part with probability p: what sparse has to beat.

    The gradient stops at the first module from the top that does not take part, so the modules
    below it can't update either.  Raises ValueError unless 0 < p <= 1.
    """
    modules = whole_number("modules", modules, 1, MOST_MODULES)
    chance = real_number("p", p, 0, 1, above=True)
    seed = whole_number("seed", seed, 0)
    every = backprop(modules).workers
    return SparseBackprop("sparse backprop", modules, every, p=chance, seed=seed)
