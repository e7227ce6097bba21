"""A program that can't run, or whose result would depend on chance, is refused by its step."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from dnilab.orderings import (
    IllegalProgram,
    Program,
    Step,
    backprop,
    chain,
    check,
    last_layer_only,
    sequential,
)


def program(*workers: str, modules: int = 3, per_turn: int = 1) -> Program:
    """A program from words: each worker's steps as "op module" or "op module batch"."""
    lists = []
    for words in workers:
        steps = []
        for word in words.split(","):
            op, *numbers = word.split()
            steps.append(Step(op, *map(int, numbers)))
        lists.append(tuple(steps))
    return Program("mine", modules, tuple(lists), per_turn)


UP = "forward_update 1, forward_update 2, forward_update 3"


@pytest.mark.parametrize(
    ("illegal", "says"),
    [
        # used before it exists
        (
            program("forward_update 1, forward_update 3, forward_update 2"),
            "forward_update of module 3, batch 0: needs h of module 2, batch 0, which is made only",
        ),
        (
            program("forward_update 1, fit 1, forward_update 2, forward_update 3"),
            "fit of module 1, batch 0: needs message of module 2, batch 0, which is made only",
        ),
        (
            program("forward 1, update 1, backward 1", modules=1),
            "update of module 1, batch 0: needs grads of module 1, batch 0, which is made only",
        ),
        # a fit that comes before what it waits for, on two workers that wait for each other
        (
            program("forward_update 1 -1, fit 1 0", "forward_update 2 0", modules=2),
            "fit of module 1, batch 0: needs .*, which is made only later",
        ),
        # used, and never made
        (
            program("forward_update 2, forward_update 3"),
            "forward_update of module 2, batch 0: needs h of module 1, batch 0, which no step",
        ),
        (program(UP + ", update 2"), "update of module 2, batch 0: needs grads of module 2"),
        (
            program("forward 1, forward 2, forward_update 3, backward 1"),
            "backward of module 1, batch 0: needs message of module 2, batch 0, which no step",
        ),
        # the guess of batch -1 is there, its message too; but batch 0 never comes
        (
            program("forward_update 1, forward_update 2, forward_update 3 1"),
            "forward_update of module 3, batch 1: needs h of module 2, batch 1, which is made",
        ),
        # made twice
        (
            program("forward_update 1, " + UP),
            "forward_update of module 1, batch 0: h of module 1, batch 0 is made a second time",
        ),
        (
            program("forward 1, backward 1, update 1, forward 1 -1", modules=1),
            "forward of module 1, batch 0: h of module 1, batch 0 is made a second time",
        ),
        # used twice
        (
            program(UP + ", fit 1, fit 1"),
            "fit of module 1, batch 0: message of module 2, batch 0 is used a second time",
        ),
        (
            program("forward 1, backward 1, update 1, update 1", modules=1),
            "update of module 1, batch 0: grads of module 1, batch 0 is used a second time",
        ),
        # two workers on one module
        (
            program(UP, "fit 1"),
            "fit of module 1, batch 0: worker 2 works on module 1, which worker 1 owns",
        ),
        (
            program("forward_update 1", "forward_update 2", "forward_update 3, fit 2"),
            "fit of module 2, batch 0: worker 3 works on module 2, which worker 2 owns",
        ),
        # nothing to fit at the top
        (program(UP + ", fit 3"), "fit of module 3, batch 0: the top module has no generator"),
        # a batch that is left out
        (program("forward_update 1, forward_update 2"), "mine: no step brings batch 0 to the top"),
        (
            program("forward_update 1 0", modules=1, per_turn=2),
            "mine: no step brings batch 1 to the top module",
        ),
        (program("forward_update 1 1", modules=1), "mine: no step brings batch 0 to the top"),
    ],
)
def test_refused_with_the_step_named(illegal: Program, says: str) -> None:
    with pytest.raises(IllegalProgram, match=f"^{says}"):
        check(illegal)


def accumulated(at: str, per_turn: int = 2) -> Program:
    """Two micro-batches up and down, and "batch over" of an update after the step "op batch"."""
    steps = []
    after, numbers = at.split(": ")
    for word in ("forward 0", "backward 0", "forward 1", "backward 1"):
        op, batch = word.split()
        steps.append(Step(op, 1, int(batch)))
        if word == after:
            batch, over = map(int, numbers.split())
            steps.append(Step("update", 1, batch, over=over))
    return Program("mine", 1, (tuple(steps),), per_turn, wiring=chain(1))


@pytest.mark.parametrize(
    ("at", "says"),
    [
        # before the second batch has come down
        ("forward 1: 1 2", "batches 0 to 1: needs grads of module 1, batch 1, which is made only"),
        ("backward 0: 1 2", "batches 0 to 1: needs grads of module 1, batch 1, which is made only"),
        # a turn has two batches, so gradients would be used twice
        ("backward 1: 1 3", "batches 1 to 3: grads of module 1, batch 1 is used a second time"),
    ],
)
def test_an_update_over_several_batches_in_the_wrong_place_is_refused(at: str, says: str) -> None:
    with pytest.raises(IllegalProgram, match=f"^update of module 1, {says}"):
        check(accumulated(at))


@pytest.mark.parametrize("at", ["backward 1: 1 2", "forward 1: 0 2", "backward 1: 0 2"])
def test_an_update_over_two_batches_may_come_whenever_both_are_there(at: str) -> None:
    # in the last two it adds up the second of one turn and the first of the next
    check(accumulated(at))
    check(accumulated(at), batches=1)


@pytest.mark.parametrize("empty", [Program("mine", 2, ()), Program("mine", 2, ((), ()))])
def test_a_program_without_steps_is_refused(empty: Program) -> None:
    with pytest.raises(IllegalProgram, match=r"^mine: no step brings batch 0 to the top module"):
        check(empty)


@pytest.mark.parametrize(
    "legal",
    [
        program(UP),  # generators that are never fitted: pointless, and legal
        program(UP + ", fit 2, fit 1"),
        program(UP + ", fit 2 -3, fit 1 -1"),
        program("forward_update 1, fit 1", "forward_update 2, fit 2", "forward_update 3"),
        program("forward_update 3", "fit 2 -1, forward_update 2", "forward_update 1, fit 1"),
        program("forward_update 1 0, forward_update 1 1", modules=1, per_turn=2),
        # module 1 is two batches ahead
        program("forward_update 1", "forward_update 2 -2, fit 2 -3", "forward_update 3 -2"),
        # backprop in the middle of a delay: pulled back two batches late
        program("forward 1, forward 2, backward 2 -2, update 2 -2, backward 1 -2", modules=2),
    ],
)
def test_accepted(legal: Program) -> None:
    owners = check(legal)
    for worker, steps in enumerate(legal.workers):
        assert all(owners[step.module] == worker for step in steps)


def test_an_illegal_program_is_a_value_error() -> None:
    assert issubclass(IllegalProgram, ValueError)


# ---- against a second opinion --------------------------------------------------------------------


def touched(step: Step, top: int) -> tuple[list[str], list[str]]:
    """What a step uses up and what it makes, written down a second time."""
    k, t = step.module, step.batch

    def at(kind: str, module: int) -> str:
        return f"{kind} {module} {t}"

    down = [at("down", k)] if k > 1 else []
    h_below = [at("h", k - 1)] if k > 1 else []
    if step.op == "forward":
        return h_below, [at("h", k), at("tape", k)]
    if step.op == "forward_update":
        return h_below, down + ([at("h", k), at("guess", k)] if k < top else [])
    if step.op == "fit":
        return [at("down", k + 1), at("guess", k)], []
    if step.op == "backward":
        return [at("down", k + 1) if k < top else at("h", k), at("tape", k)], [*down, at("gr", k)]
    return [at("gr", k)], []


def runs(program: Program, batches: int) -> bool:
    """Play the program: every step takes what it needs off the table and puts down what it made."""
    owner: dict[int, int] = {}
    for number, steps in enumerate(program.workers):
        for step in steps:
            if owner.setdefault(step.module, number) != number:
                return False
            if step.op == "fit" and step.module == program.modules:
                return False
    latest = max([0, *(-step.batch for step in program.steps())])
    table: set[str] = set()
    ever: set[str] = set()
    reached: set[int] = set()
    first = 0
    while first < batches + latest:
        left = [
            [replace(step, batch=first + step.batch) for step in steps] for steps in program.workers
        ]
        left = [[step for step in steps if 0 <= step.batch < batches] for steps in left]
        while any(left):
            movable = [
                steps
                for steps in left
                if steps and table.issuperset(touched(steps[0], program.modules)[0])
            ]
            if not movable:
                return False
            step = movable[0].pop(0)
            uses, makes = touched(step, program.modules)
            if ever.intersection(makes):
                return False
            table.difference_update(uses)
            table.update(makes)
            ever.update(makes)
            if step.module == program.modules:
                reached.add(step.batch)
        first += program.batches_per_turn
    return reached == set(range(batches))


PLAIN = ("forward_update", "fit", "forward", "backward", "update")


@st.composite
def nearly_legal(draw: st.DrawFn) -> Program:
    """A legal program, perhaps divided among workers and delayed, with up to two changes."""
    top = draw(st.integers(1, 4))
    make = draw(st.sampled_from([sequential, backprop, last_layer_only]))
    (steps,) = make(top).workers
    if make is sequential:
        # each module later than the one below, each fit later than its target
        late = draw(st.lists(st.integers(0, 1), min_size=top, max_size=top))
        fits = draw(st.lists(st.integers(0, 2), min_size=top, max_size=top))
        delay = [sum(late[:k]) for k in range(1, top + 1)]
        steps = tuple(
            Step(s.op, s.module, -(delay[s.module] + fits[s.module - 1]))
            if s.op == "fit"
            else Step(s.op, s.module, -delay[s.module - 1])
            for s in steps
        )
    cuts = sorted(draw(st.sets(st.integers(1, top - 1), max_size=2))) if top > 1 else []
    workers = [
        [step for step in steps if low < step.module <= high]
        for low, high in zip([0, *cuts], [*cuts, top], strict=True)
    ]
    for _ in range(draw(st.integers(0, 2))):
        worker = draw(st.sampled_from(workers))
        if not worker:
            continue
        at = draw(st.integers(0, len(worker) - 1))
        match draw(st.sampled_from(["drop", "twice", "swap", "shift", "rename", "lift", "move"])):
            case "drop":
                del worker[at]
            case "twice":
                worker.insert(draw(st.integers(0, len(worker))), worker[at])
            case "swap":
                other = draw(st.integers(0, len(worker) - 1))
                worker[at], worker[other] = worker[other], worker[at]
            case "shift":
                by = draw(st.sampled_from([-2, -1, 1]))
                worker[at] = replace(worker[at], batch=worker[at].batch + by)
            case "rename":
                worker[at] = replace(worker[at], op=draw(st.sampled_from(PLAIN)))
            case "lift":
                worker[at] = replace(worker[at], module=draw(st.integers(1, top)))
            case "move":
                draw(st.sampled_from(workers)).append(worker.pop(at))
    return Program("drawn", top, tuple(map(tuple, workers)))


@settings(max_examples=300)
@given(drawn=nearly_legal())
def test_check_agrees_with_playing_the_program(drawn: Program) -> None:
    assume(any(drawn.steps()))
    latest = max([0, *(-step.batch for step in drawn.steps())])
    legal = runs(drawn, 2 * latest + 4)
    event("legal" if legal else "illegal")
    if legal:
        check(drawn)
        return
    with pytest.raises(IllegalProgram) as refused:
        check(drawn)
    said = str(refused.value)
    named = re.match(r"(\w+) of module (\d+), batch (-?\d+): ", said)
    if named:
        op, module, _ = named.groups()
        assert any(s.op == op and s.module == int(module) for s in drawn.steps())
    else:
        assert said.startswith("drawn: no step brings batch ")


@given(drawn=nearly_legal(), batches=st.integers(1, 12))
def test_a_program_that_check_accepts_runs_for_any_number_of_batches(
    drawn: Program, batches: int
) -> None:
    assume(any(drawn.steps()))
    try:
        check(drawn)
    except IllegalProgram:
        return
    assert runs(drawn, batches)
