"""The pipeline and the Blue Box as programs: written out, legal, refused, and their locks."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnilab.orderings import (
    Groups,
    IllegalProgram,
    Program,
    Step,
    blue_box,
    check,
    complete_unlock,
    locks,
    pipeline,
    sequential,
    unroll,
)

ONLY_FORWARD = {"forward": True, "update": False, "backward": False}
NONE = {"forward": False, "update": False, "backward": False}


def groupings(modules: int) -> list[Groups]:
    """Every way to cut modules 1 to K into groups of neighbours."""
    cut = []
    for count in range(modules):
        for cuts in combinations(range(1, modules), count):
            edges = zip([0, *cuts], [*cuts, modules], strict=True)
            cut.append(tuple(tuple(range(a + 1, b + 1)) for a, b in edges))
    return cut


def words(steps: tuple[Step, ...]) -> list[str]:
    return [f"{step.op} {step.module} {step.batch}" for step in steps]


def test_all_groupings_are_there() -> None:
    assert len(groupings(5)) == 16
    assert groupings(3) == [((1, 2, 3),), ((1,), (2, 3)), ((1, 2), (3,)), ((1,), (2,), (3,))]


def test_written_out() -> None:
    program = pipeline(((1,), (2, 3)), staleness=2)
    assert [words(steps) for steps in program.workers] == [
        ["forward_update 1 0", "late_fit 1 -2"],
        ["forward_update 2 0", "forward_update 3 0", "late_fit 2 -2"],
    ]
    assert (program.modules, program.batches_per_turn, program.parcels) == (3, 1, False)
    assert program.lag == 2
    assert not program.races


def test_written_out_with_two_batches_a_turn() -> None:
    program = pipeline(((1,), (2,)), staleness=3, batches_per_turn=2)
    assert [words(steps) for steps in program.workers] == [
        ["forward_update 1 0", "late_fit 1 -3", "forward_update 1 1", "late_fit 1 -2"],
        ["forward_update 2 0", "forward_update 2 1"],
    ]
    assert (program.batches_per_turn, program.parcels) == (2, True)


def test_fits_guess_again_where_they_are_late_or_as_told() -> None:
    def ops(program: Program) -> set[str]:
        return {step.op for step in program.steps()} - {"forward_update", "unlocked_update"}

    for staleness, by_default in ((0, "fit"), (1, "late_fit"), (2, "late_fit"), (9, "late_fit")):
        assert ops(pipeline(((1,), (2,)), staleness=staleness)) == {by_default}
        for again, told in ((False, "fit"), (True, "late_fit")):
            program = pipeline(((1,), (2,)), staleness=staleness, guess_again=again)
            assert ops(program) == {told}
    groups = ((1,), (2,))
    assert ops(complete_unlock(groups)) == {"late_fit", "late_fit_input"}
    assert ops(complete_unlock(groups, guess_again=False)) == {"fit", "fit_input"}
    for make in (pipeline, complete_unlock):
        with pytest.raises(ValueError, match=r"^guess_again is 1; it accepts True or False"):
            make(groups, guess_again=1)
        assert make(groups, guess_again=None) == make(groups)


def by_module(program: Program, batches: int) -> dict[int, list[tuple[str, int]]]:
    """The operations on each module, in order, with the batch of each."""
    lists: dict[int, list[tuple[str, int]]] = {k: [] for k in range(1, program.modules + 1)}
    for steps in unroll(program, batches):
        for step in steps:
            lists[step.module].append((step.op, step.batch))
    return lists


@pytest.mark.parametrize("modules", range(1, 6))
@pytest.mark.parametrize("staleness", [0, 1, 2, 5])
def test_groups_and_parcels_do_not_change_what_a_module_goes_through(
    modules: int, staleness: int
) -> None:
    batches = 7
    one = by_module(pipeline([range(1, modules + 1)], staleness=staleness), batches)
    # and this is what it goes through: forward and update, then the fit of an older batch
    for k, steps in one.items():
        wanted = []
        for t in range(batches + staleness):
            if t < batches:
                wanted.append(("forward_update", t))
            if k < modules and t >= staleness:
                wanted.append(("late_fit" if staleness else "fit", t - staleness))
        assert steps == wanted
    for groups in groupings(modules):
        for per_turn in (1, 2, 3, 5):
            if per_turn > max(1, staleness) and len(groups) > 1:
                continue  # refused, see below
            program = pipeline(groups, staleness=staleness, batches_per_turn=per_turn)
            assert by_module(program, batches) == one
            owners = check(program)
            assert [[k for k in owners if owners[k] == i] for i in range(len(groups))] == [
                list(group) for group in groups
            ]
            check(program, batches=1)


def test_without_staleness_a_module_goes_through_what_it_does_in_the_red_box() -> None:
    for groups in groupings(4):
        assert by_module(pipeline(groups, staleness=0), 5) == by_module(sequential(4), 5)


@pytest.mark.parametrize(
    ("groups", "modules"),
    [
        (((2,), (1,)), 2),
        (((1,), (3,)), 2),
        (((1, 2), (2, 3)), 4),
        (((1,), (), (2,)), 2),
        (((0,), (1,)), 2),
        ((), 0),
    ],
)
def test_groups_that_are_no_division_are_refused(groups: Groups, modules: int) -> None:
    says = rf"^groups is .*; it accepts modules 1 to {modules} in order, each in one group"
    with pytest.raises(ValueError, match=says if groups else "^(groups|modules) is"):
        pipeline(groups)


@pytest.mark.parametrize("groups", [((1.0,), (2,)), ((True,), (2,))])
def test_groups_of_what_only_equals_the_modules_are_refused(groups: Any) -> None:
    with pytest.raises(ValueError, match=r"^groups is (1\.0|True); it accepts a whole number"):
        pipeline(groups)


@pytest.mark.parametrize("staleness", [-1, 1.0, None, True])
def test_staleness_is_checked(staleness: int) -> None:
    with pytest.raises(ValueError, match=r"^staleness is .*; it accepts a whole number"):
        pipeline(((1,), (2,)), staleness=staleness)


@pytest.mark.parametrize("per_turn", [0, -2, 1.5])
def test_batches_per_turn_is_checked(per_turn: int) -> None:
    with pytest.raises(ValueError, match=r"^batches_per_turn is"):
        pipeline(((1,), (2,)), staleness=9, batches_per_turn=per_turn)


def test_parcels_that_come_later_than_the_fits_that_need_them_are_refused() -> None:
    says = "^staleness is 2; it accepts a whole number of at least 3"
    with pytest.raises(ValueError, match=says):
        pipeline(((1,), (2, 3)), staleness=2, batches_per_turn=3)
    check(pipeline(((1,), (2, 3)), staleness=3, batches_per_turn=3))
    check(pipeline(((1, 2, 3),), staleness=0, batches_per_turn=3))  # no parcel to wait for


def two_workers(staleness: int, per_turn: int, parcels: bool) -> Program:
    """The steps of a pipeline of two modules, by hand: nothing looks at the staleness first."""
    below = tuple(
        step
        for t in range(per_turn)
        for step in (Step("forward_update", 1, t), Step("fit", 1, t - staleness))
    )
    above = tuple(Step("forward_update", 2, t) for t in range(per_turn))
    return Program("by hand", 2, (below, above), per_turn, parcels)


@pytest.mark.parametrize("per_turn", [1, 2, 3, 4])
@pytest.mark.parametrize("staleness", [0, 1, 2, 3, 4, 5])
def test_what_is_in_a_parcel_is_not_there_before_the_turn_ends(
    staleness: int, per_turn: int
) -> None:
    # piece by piece, anything goes
    check(two_workers(staleness, per_turn, parcels=False))
    # a message for a fit in the same turn would have to leave its parcel too early
    program = two_workers(staleness, per_turn, parcels=True)
    if staleness >= per_turn:
        check(program)
        return
    says = r"^fit of module 1, batch \d: needs message of module 2, batch \d, which is made only"
    with pytest.raises(IllegalProgram, match=says):
        check(program)


def test_one_worker_sees_what_it_made_itself_at_once_with_parcels_too() -> None:
    steps = tuple(
        Step(s.op, s.module, t)
        for t in range(2)
        for worker in sequential(3).workers
        for s in worker
    )
    check(Program("parcels", 3, (steps,), 2, parcels=True))


@pytest.mark.parametrize("modules", [2, 3, 5])
def test_locks_of_the_pipeline(modules: int) -> None:
    for groups in groupings(modules):
        assert locks(pipeline(groups, staleness=1)) == ONLY_FORWARD
    assert locks(pipeline(groupings(modules)[-1], staleness=4, batches_per_turn=3)) == ONLY_FORWARD


def test_locks_of_the_blue_box_are_those_of_the_red_box() -> None:
    for modules in (2, 3, 5):
        assert locks(blue_box(modules)) == locks(sequential(modules)) == ONLY_FORWARD
    assert locks(blue_box(1)) == locks(pipeline([[1]])) == NONE


@pytest.mark.parametrize("modules", range(2, 6))
def test_the_blue_box_is_the_red_box_with_fits_that_run_alone(modules: int) -> None:
    program = blue_box(modules)
    (steps,) = program.workers  # one worker: what is threaded is only the fits
    (red,) = sequential(modules).workers
    assert words(steps) == words(red)
    assert all(step.alone == (step.op == "fit") for step in steps)
    assert program.races
    assert not sequential(modules).races
    assert check(program) == dict.fromkeys(range(1, modules + 1), 0)


def test_a_blue_box_of_one_module_has_nothing_to_race() -> None:
    assert not blue_box(1).races


@pytest.mark.parametrize("modules", [0, -1, 2.0, None])
def test_modules_of_the_blue_box_are_checked(modules: int) -> None:
    with pytest.raises(ValueError, match=r"^modules is"):
        blue_box(modules)


@given(
    modules=st.integers(1, 6),
    cut=st.integers(0, 31),
    per_turn=st.integers(1, 6),
    later=st.integers(0, 6),
    batches=st.integers(1, 30),
)
def test_turns_are_just_enough_to_finish(
    modules: int, cut: int, per_turn: int, later: int, batches: int
) -> None:
    groups = groupings(modules)[cut % 2 ** (modules - 1)]
    late = later if per_turn == 1 else per_turn + later
    program = pipeline(groups, staleness=late, batches_per_turn=per_turn)
    check(program, batches=batches)
    steps = [step for worker in unroll(program, batches) for step in worker]
    fits = {(step.module, step.batch) for step in steps if step.op.endswith("fit")}
    assert fits == {(k, t) for k in range(1, modules) for t in range(batches)}
    assert len(steps) == batches * (2 * modules - 1)
