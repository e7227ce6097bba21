"""The rivals as programs: written out as the papers draw them, legal, and what they are worth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnilab.lessons.shared.rivals import (
    gpipe,
    late_feedback,
    late_truth,
    micro_batched,
    one_forward_one_backward,
    zero_bubble,
)
from dnilab.orderings import Groups, Program, Step, check, locks, speed_up_limit, unroll
from tests.orderings.test_pipeline import groupings, words

FLUSHED = [gpipe, one_forward_one_backward, zero_bubble]
SHORT = {"forward": "F", "backward": "B", "backward_input": "B", "backward_weights": "W"}
TWO: Groups = ((1,), (2,))


def drawn(program: Program) -> list[str]:
    """The schedule of each worker as the papers draw it; the update at the end is left out."""
    lists = []
    for k, steps in enumerate(program.workers, start=1):
        *before, last = steps
        count = program.batches_per_turn
        assert last == Step("update", k, count - 1, over=count)
        assert {step.module for step in steps} == {k}
        lists.append(" ".join(f"{SHORT[step.op]}{step.batch}" for step in before))
    return lists


def test_gpipe() -> None:
    # all up, all down, last first (Huang et al. 2019, figure 2c)
    program = gpipe(TWO, 3)
    assert drawn(program) == ["F0 F1 F2 B2 B1 B0"] * 2
    assert {step.op for step in program.steps()} == {"forward", "backward", "update"}
    assert (program.name, program.modules, program.batches_per_turn) == ("GPipe", 2, 3)


def test_one_forward_one_backward() -> None:
    # the first worker is one micro-batch ahead of the last, which never waits with a backward
    assert drawn(one_forward_one_backward(TWO, 3)) == [
        "F0 F1 B0 F2 B1 B2",
        "F0 B0 F1 B1 F2 B2",
    ]
    assert drawn(one_forward_one_backward(TWO, 1)) == ["F0 B0"] * 2


def test_zero_bubble() -> None:
    # Moment by moment, with three equal parts; "." waits:
    #   worker 1   F0 F1 .  B0 W0 F2 B1 W1 B2 W2
    #   worker 2   .  F0 B0 F1 B1 W0 F2 B2 W1 W2
    program = zero_bubble(TWO, 3)
    assert drawn(program) == [
        "F0 F1 B0 W0 F2 B1 W1 B2 W2",
        "F0 B0 F1 B1 W0 F2 B2 W1 W2",
    ]
    assert drawn(zero_bubble(((1,), (2,), (3,)), 1)) == ["F0 B0 W0"] * 3
    assert {step.op for step in program.steps()} == {
        *("forward", "backward_input", "backward_weights", "update"),
    }


def test_micro_batches_on_one_worker() -> None:
    program = micro_batched(2, 2)
    assert [words(steps) for steps in program.workers] == [
        [
            *("forward 1 0", "forward 2 0", "backward 2 0", "backward 1 0"),
            *("forward 1 1", "forward 2 1", "backward 2 1", "backward 1 1"),
            *("update 2 1", "update 1 1"),
        ]
    ]
    assert [step.over for step in program.steps()] == [1] * 8 + [2, 2]
    assert (program.name, program.batches_per_turn) == ("micro-batches", 2)


def test_late_truth() -> None:
    # PipeDream: who is s batches below the top pulls back s batches later, and each has an update
    program = late_truth(((1,), (2,), (3, 4)), staleness=2)
    assert [words(steps) for steps in program.workers] == [
        ["forward_keep 1 0", "backward 1 -4", "update 1 -4"],
        ["forward_keep 2 0", "backward 2 -2", "update 2 -2"],
        [
            *("forward 3 0", "forward 4 0"),
            *("backward 4 0", "update 4 0", "backward 3 0", "update 3 0"),
        ],
    ]
    assert program.batches_per_turn == 1
    today = late_truth(((1,), (2,), (3, 4)), staleness=2, keep_weights=False)
    assert words(today.workers[0]) == ["forward 1 0", "backward 1 -4", "update 1 -4"]
    assert today.name != program.name
    prompt = late_truth(TWO, staleness=0)  # then there is nothing to keep
    assert words(prompt.workers[0]) == ["forward 1 0", "backward 1 0", "update 1 0"]


def test_late_feedback() -> None:
    program = late_feedback(TWO, staleness=1)
    assert [words(steps) for steps in program.workers] == [
        ["forward 1 0", "backward 1 -1", "update 1 -1"],
        ["forward 2 0", "backward 2 0", "update 2 0"],
    ]
    assert program.wires.signals == ("feedback", "truth")


@st.composite
def divided(draw: st.DrawFn, most: int = 6) -> Groups:
    return draw(st.sampled_from(groupings(draw(st.integers(1, most)))))


@given(groups=divided(), count=st.integers(1, 9), batches=st.integers(1, 30))
def test_whatever_flushes_is_legal_and_does_the_same_to_each_module(
    groups: Groups, count: int, batches: int
) -> None:
    modules = sum(map(len, groups))
    everyone = [make(groups, count) for make in FLUSHED] + [micro_batched(modules, count)]
    for program in everyone:
        owners = check(program)
        check(program, batches)
        if len(program.workers) > 1:
            assert [owners[k] for group in groups for k in group] == [
                w for w, group in enumerate(groups) for _ in group
            ]
        steps = [step for worker in unroll(program, batches) for step in worker]
        both = [step for step in steps if step.op.startswith("backward")]
        halves = 2 if program.name == "zero bubble" else 1
        assert len(both) == halves * modules * batches
        updates = [step for step in steps if step.op == "update"]
        assert len(updates) == modules * (batches // count)
        assert {step.over for step in updates} <= {count}


@given(
    groups=divided(),
    staleness=st.integers(0, 4),
    kept=st.booleans(),
    batches=st.integers(1, 30),
)
def test_whatever_is_late_is_legal_and_every_batch_has_its_update(
    groups: Groups, staleness: int, kept: bool, batches: int
) -> None:
    modules = sum(map(len, groups))
    for program in (
        late_truth(groups, staleness=staleness, keep_weights=kept),
        late_feedback(groups, staleness=staleness),
    ):
        check(program)
        check(program, batches)
        assert program.lag == staleness * (len(groups) - 1)
        steps = [step for worker in unroll(program, batches) for step in worker]
        updates = {(s.module, s.batch) for s in steps if s.op == "update"}
        assert updates == {(k, t) for k in range(1, modules + 1) for t in range(batches)}


# ---- what they are worth -------------------------------------------------------------------------


def in_line(workers: int) -> Groups:
    return tuple((k,) for k in range(1, workers + 1))


def equal_times(program: Program, backward: float = 2.0) -> dict[tuple[str, int], float]:
    """A forward takes 1, half a backward 1, an update nothing."""
    takes = {"backward": backward, "update": 0.0}
    return {(step.op, step.module): takes.get(step.op, 1.0) for step in program.steps()}


@pytest.mark.parametrize(
    ("workers", "count"),
    [(1, 1), (1, 3), (2, 1), (2, 2), (2, 4), (3, 2), (3, 3), (3, 6), (4, 1), (4, 9), (5, 3)],
)
def test_the_limits_are_those_of_the_papers(workers: int, count: int) -> None:
    flushed = count * workers / (count + workers - 1)
    for make in (gpipe, one_forward_one_backward):
        program = make(in_line(workers), count)
        assert speed_up_limit(program, equal_times(program)) == pytest.approx(flushed)
    # what is left of the bubble is a third of it
    program = zero_bubble(in_line(workers), count)
    thirds = 3 * count * workers / (3 * count + workers - 1)
    if count < workers:  # too few to fill it: up and down, and then the last few of one's own
        thirds = 3 * count * workers / (2 * workers + 2 * count - 1)
    assert speed_up_limit(program, equal_times(program)) == pytest.approx(thirds)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_whoever_is_late_waits_for_nobody(workers: int) -> None:
    for program in (
        late_truth(in_line(workers)),
        late_truth(in_line(workers), staleness=3, keep_weights=False),
        late_feedback(in_line(workers)),
    ):
        assert speed_up_limit(program, equal_times(program)) == pytest.approx(workers)
    prompt = late_truth(in_line(workers), staleness=0)
    assert speed_up_limit(prompt, equal_times(prompt)) == pytest.approx(1)


def test_locks() -> None:
    every = {"forward": True, "update": True, "backward": True}
    for modules in (2, 3, 4):
        for groups in groupings(modules):
            for program in (
                *(make(groups, 3) for make in FLUSHED),
                micro_batched(modules, 2),
                late_truth(groups, staleness=2),
                late_truth(groups, keep_weights=False),
            ):
                assert locks(program) == every, program.name
            assert locks(late_feedback(groups)) == {**every, "backward": False}


def most_kept(program: Program) -> list[int]:
    """How many micro-batches each worker has gone forward with, and not all the way back."""
    most = []
    for steps in program.workers:
        last = "backward_weights" if program.name == "zero bubble" else "backward"
        now, highest = 0, 0
        for step in steps:
            now += (step.op == "forward") - (step.op == last)
            highest = max(highest, now)
        assert now == 0
        most.append(highest)
    return most


@given(workers=st.integers(1, 6), count=st.integers(1, 20))
def test_what_each_worker_keeps(workers: int, count: int) -> None:
    groups = in_line(workers)
    assert most_kept(gpipe(groups, count)) == [count] * workers
    counted = most_kept(one_forward_one_backward(groups, count))
    assert counted == [min(workers - place, count) for place in range(workers)]
    assert most_kept(zero_bubble(groups, count)) == [min(workers, count)] * workers


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("make", [*FLUSHED, late_truth, late_feedback])
def test_groups_that_are_no_division_are_refused(make: Callable[..., Program]) -> None:
    given = (3,) if make in FLUSHED else ()
    for groups in (((2,), (1,)), ((1,), (3,)), ((1,), ())):
        with pytest.raises(ValueError, match=r"^groups is .*; it accepts modules 1 to \d in order"):
            make(groups, *given)
    with pytest.raises(ValueError, match=r"^modules is 0"):
        make((), *given)


@pytest.mark.parametrize("count", [0, -1, 2.0, True, None, 1001])
def test_the_number_of_micro_batches_is_checked(count: Any) -> None:
    for make in FLUSHED:
        with pytest.raises(ValueError, match=r"^micro_batches is .*; it accepts 1 to 1000$"):
            make(TWO, count)
    with pytest.raises(ValueError, match=r"^micro_batches is"):
        micro_batched(2, count)


@pytest.mark.parametrize("staleness", [-1, 1.0, None, True])
def test_staleness_is_checked(staleness: Any) -> None:
    for make in (late_truth, late_feedback):
        with pytest.raises(ValueError, match=r"^staleness is .*; it accepts a whole number"):
            make(TWO, staleness=staleness)


def test_the_rest_is_checked() -> None:
    with pytest.raises(ValueError, match=r"^keep_weights is 1; it accepts True or False"):
        late_truth(TWO, keep_weights=1)  # type: ignore[arg-type]
    for modules in (0, 2.0):
        with pytest.raises(ValueError, match=r"^modules is"):
            micro_batched(modules, 2)  # type: ignore[arg-type]
