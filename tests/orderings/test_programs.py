"""The programs of the course: written out, legal at any depth, and the locks they hold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from dnilab.lessons.shared.rivals import (
    gpipe,
    late_feedback,
    late_truth,
    micro_batched,
    one_forward_one_backward,
    zero_bubble,
)
from dnilab.orderings import (
    IllegalProgram,
    Program,
    Step,
    backprop,
    blue_box,
    check,
    complete_unlock,
    last_layer_only,
    locks,
    pipeline,
    sequential,
    sparse,
    sparse_backprop,
)

PROGRAMS = [backprop, sequential, last_layer_only]


def words(program: Program) -> list[str]:
    return [f"{step.op} {step.module}" for (steps,) in [program.workers] for step in steps]


def test_the_red_box() -> None:
    assert words(sequential(3)) == [
        "forward_update 1",
        "forward_update 2",
        "fit 1",
        "forward_update 3",
        "fit 2",
    ]


def test_backprop() -> None:
    assert words(backprop(3)) == [
        *("forward 1", "forward 2", "forward 3"),
        *("backward 3", "update 3", "backward 2", "update 2", "backward 1", "update 1"),
    ]


def test_last_layer_only() -> None:
    assert words(last_layer_only(3)) == ["forward 1", "forward 2", "forward_update 3"]


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("modules", range(1, 8))
def test_legal_at_any_depth_and_on_one_worker(
    program: Callable[[int], Program], modules: int
) -> None:
    assert check(program(modules)) == dict.fromkeys(range(1, modules + 1), 0)
    assert check(program(modules), batches=1) is not None


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("modules", [0, -1, 2.0, None])
def test_the_number_of_modules_is_checked(program: Callable[[int], Program], modules: int) -> None:
    with pytest.raises(ValueError, match=r"^modules is"):
        program(modules)


def three_with_numpy() -> list[Program]:
    three, two = np.int64(3), np.int64(2)
    groups = [list(np.arange(1, 2)), list(np.arange(2, 4))]
    return [
        *(make(three) for make in (*PROGRAMS, blue_box)),
        *(make(three, seed=two) for make in (sparse, sparse_backprop)),
        pipeline(groups, staleness=two, batches_per_turn=two),
        complete_unlock(groups, staleness=two),
        micro_batched(three, two),
        *(make(groups, two) for make in (gpipe, one_forward_one_backward, zero_bubble)),
        *(make(groups, staleness=two) for make in (late_truth, late_feedback)),
    ]


@pytest.mark.parametrize("program", three_with_numpy(), ids=lambda program: program.name)
def test_numpy_integers_become_plain_ones(program: Program) -> None:
    # a program is data, and plain: JSON, for one, takes no others
    numbers = [program.modules, program.batches_per_turn, getattr(program, "seed", 0)]
    for turn in (program.workers, program.turn(5)):
        numbers += [
            n for steps in turn for step in steps for n in (step.module, step.batch, step.over)
        ]
    assert {type(number) for number in numbers} == {int}


ALL = {"forward": True, "update": True, "backward": True}
ONLY_FORWARD = {"forward": True, "update": False, "backward": False}
NONE = {"forward": False, "update": False, "backward": False}


@pytest.mark.parametrize("modules", [2, 3, 5])
def test_locks(modules: int) -> None:
    assert locks(backprop(modules)) == ALL
    assert locks(sequential(modules)) == ONLY_FORWARD
    assert locks(last_layer_only(modules)) == ONLY_FORWARD


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_single_module_waits_for_nobody(program: Callable[[int], Program]) -> None:
    assert locks(program(1)) == NONE


def test_locks_are_about_needs_and_not_about_who_comes_first() -> None:
    # module 1 is updated after module 2 has gone forward, backward and all: but it needs nothing
    # of that, so it holds no update lock
    late = Program(
        "late",
        2,
        (
            (
                Step("forward", 1),
                Step("forward", 2),
                Step("backward", 2),
                Step("update", 2),
                Step("forward_update", 1, -1),
            ),
        ),
    )
    with pytest.raises(IllegalProgram):  # h of module 1 would be made twice: so it is no program
        check(late)
    fits_last = Program(
        "fits last",
        3,
        (
            (
                *(Step("forward_update", k) for k in (1, 2, 3)),
                *(Step("fit", k) for k in (2, 1)),
            ),
        ),
    )
    assert locks(fits_last) == ONLY_FORWARD


def test_a_fit_that_waits_is_no_update_lock_since_it_writes_the_generator() -> None:
    on_two = Program(
        "two workers",
        2,
        ((Step("forward_update", 1), Step("fit", 1, -1)), (Step("forward_update", 2),)),
    )
    assert check(on_two) == {1: 0, 2: 1}
    assert locks(on_two) == ONLY_FORWARD


def test_locks_refuses_an_illegal_program() -> None:
    with pytest.raises(IllegalProgram, match=r"^forward_update of module 2"):
        locks(Program("upside down", 2, ((Step("forward_update", 2), Step("forward_update", 1)),)))
