"""Sparse, random updates: what is drawn, how often, and that every turn is a whole one."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnilab.lessons.update_orderings.critical_path import critical_path
from dnilab.network import Adam, BinaryCrossEntropy, Stack
from dnilab.orderings import (
    Step,
    backprop,
    check,
    locks,
    sequential,
    sparse,
    sparse_backprop,
)
from dnilab.training import train
from tests.training.by_hand import bits, small_data


def updates(steps: tuple[Step, ...]) -> list[int]:
    return [step.module for step in steps if step.op == "update"]


def turns(program: Any, count: int) -> list[tuple[Step, ...]]:
    return [program.turn(number)[0] for number in range(count)]


@given(
    modules=st.integers(1, 6),
    p=st.floats(0, 1, exclude_min=True),
    seed=st.integers(0, 2**40),
    number=st.integers(0, 10**6),
)
def test_every_turn_is_a_whole_one(modules: int, p: float, seed: int, number: int) -> None:
    (steps,) = sparse(modules, p=p, seed=seed).turn(number)
    names = [(step.op, step.module) for step in steps]
    assert len(set(names)) == len(names)
    # everybody goes forward, from the bottom to the top
    ups = ["forward_guess"] * (modules - 1) + ["forward"]
    assert names[:modules] == [(op, k) for k, op in enumerate(ups, 1)]
    learners = updates(steps)
    # whoever updates was pulled back before, and fits its generator to what the module above says
    fitted = [k for op, k in names if op == "fit"]
    assert fitted == [k for k in learners if k < modules]

    def pulled(k: int) -> int:
        return names.index(("backward" if k == modules else "pull", k))

    for k in learners:
        assert pulled(k) < names.index(("update", k))
        if k < modules:
            assert pulled(k + 1) < names.index(("fit", k))
    # and nobody else is pulled back
    answers = {k + 1 for k in learners if k < modules}
    down = {k for op, k in names if op in ("pull", "backward")}
    assert down == answers | set(learners)
    assert all(step.batch == 0 and not step.alone for step in steps)


@given(modules=st.integers(1, 5), p=st.floats(0.01, 1), seed=st.integers(0, 99))
def test_legal(modules: int, p: float, seed: int) -> None:
    program = sparse(modules, p=p, seed=seed)
    assert check(program) == dict.fromkeys(range(1, modules + 1), 0)
    check(program, batches=40)
    assert not program.repeats
    assert not program.races


@pytest.mark.parametrize("p", [0.05, 0.3, 0.7])
def test_each_module_updates_on_about_p_of_the_batches(p: float) -> None:
    modules, count = 4, 4000
    drawn = [updates(steps) for steps in turns(sparse(modules, p=p, seed=3), count)]
    spread = 5 * (p * (1 - p) / count) ** 0.5
    for k in range(1, modules + 1):
        assert sum(k in learners for learners in drawn) / count == pytest.approx(p, abs=spread)
    # independently of one another: both of two on about p squared of them
    both = sum({1, 4} <= set(learners) for learners in drawn) / count
    assert both == pytest.approx(p * p, abs=5 * (p * p * (1 - p * p) / count) ** 0.5)


def test_in_random_order() -> None:
    drawn = [updates(steps) for steps in turns(sparse(3, p=1.0, seed=1), 1200)]
    assert all(sorted(learners) == [1, 2, 3] for learners in drawn)
    for order in ([1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]):
        assert drawn.count(order) == pytest.approx(200, abs=5 * (1200 / 6 * 5 / 6) ** 0.5)


def test_equal_seeds_draw_equal_turns_and_other_seeds_others() -> None:
    one, same, other = sparse(4, seed=7), sparse(4, seed=7), sparse(4, seed=8)
    assert turns(one, 50) == turns(same, 50)
    assert one == same
    assert turns(one, 50) != turns(other, 50)
    assert len({tuple(steps) for steps in turns(one, 50)}) > 20


def test_a_turn_does_not_depend_on_which_turns_were_asked_for_before() -> None:
    forwards, backwards = sparse(4, seed=7), sparse(4, seed=7)
    wanted = turns(forwards, 30)
    assert [backwards.turn(number)[0] for number in reversed(range(30))] == wanted[::-1]
    assert forwards.turn(11)[0] == wanted[11]
    assert any(a != b for a, b in pairwise(wanted))


@pytest.mark.parametrize("executor", ["one thread", "threads"])
def test_with_p_of_1_the_numbers_are_those_of_the_red_box(executor: str) -> None:
    data = small_data()
    start = Stack.build(
        (4, 6, 5, 3, 2), BinaryCrossEntropy(), np.random.default_rng(0), context=("h", "y")
    )
    how: dict[str, Any] = {"optimiser": Adam(0.01), "batch_size": 3, "epochs": 5}
    red, drawn, less = start.copy(), start.copy(), start.copy()
    list(train(red, data, sequential(4), **how))
    list(train(drawn, data, sparse(4, p=1.0, seed=5), **how, executor=executor))
    list(train(less, data, sparse(4, p=0.9, seed=5), **how, executor=executor))
    assert bits(drawn) == bits(red)
    assert all(a != b for a, b in zip(bits(less), bits(red), strict=True))


def test_a_module_that_does_not_update_keeps_its_numbers() -> None:
    data = small_data()
    program = sparse(3, p=0.3, seed=2)
    stack = Stack.build(
        (4, 6, 5, 2), BinaryCrossEntropy(), np.random.default_rng(0), context=("h", "y")
    )
    how: dict[str, Any] = {"optimiser": Adam(0.01), "batch_size": 4, "epochs": 7}
    for module in stack.modules[:-1]:  # a guess of 0 would change nothing
        assert module.generator is not None
        module.generator.thetas[0][:] = np.random.default_rng(1).standard_normal()
    states = []
    for _ in train(stack, data, program, **how, report_every=1):
        states.append([[theta.tobytes() for theta in m.thetas] for m in stack.modules])
    assert len(states) == 22
    for number, (before, after) in enumerate(pairwise(states)):
        learners = updates(program.turn(number)[0])
        changed = [k for k in (1, 2, 3) if before[k - 1][0] != after[k - 1][0]]
        assert changed == sorted(learners)


def test_locks() -> None:
    only_forward = {"forward": True, "update": False, "backward": False}
    assert locks(sparse(3)) == only_forward
    assert locks(sparse(5, p=0.1, seed=9)) == only_forward
    assert locks(sparse(1)) == dict.fromkeys(only_forward, False)


@pytest.mark.parametrize("p", [0.5, 0.1, 1e-6])
def test_what_is_needed_does_not_depend_on_the_draw(p: float) -> None:
    unit = {
        (op, k): 1.0
        for op in ("forward", "forward_guess", "backward", "pull", "update", "fit")
        for k in (1, 2, 3)
    }
    # backprop with a mask holds the locks of backprop, also where nothing is drawn for long
    for seed in range(20):
        masked, guessing = sparse_backprop(3, p=p, seed=seed), sparse(3, p=p, seed=seed)
        assert locks(masked) == {"forward": True, "update": True, "backward": True}
        assert critical_path(masked, unit) == critical_path(backprop(3), unit)
        assert [f"{step.op} {step.module}" for step in critical_path(guessing, unit)] == [
            *("forward_guess 1", "forward_guess 2", "forward 3", "backward 3", "update 3")
        ]


@pytest.mark.parametrize("p", [0, -0.1, 1.1, float("nan"), None, "half"])
def test_p_is_checked(p: Any) -> None:
    with pytest.raises(ValueError, match=r"^p is .*; it accepts a number above 0 and at most 1"):
        sparse(3, p=p)


def test_seed_and_modules_are_checked() -> None:
    with pytest.raises(ValueError, match=r"^seed is -1"):
        sparse(3, seed=-1)
    with pytest.raises(ValueError, match=r"^modules is 0"):
        sparse(0)
