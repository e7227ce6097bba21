"""Who works and who waits, moment by moment, against what is known on paper."""

from __future__ import annotations

import pytest

from dnilab.orderings import (
    Step,
    backprop,
    blue_box,
    instants,
    needs_and_makes,
    pipeline,
    sequential,
)


def up(k, t=0):
    return Step("forward_update", k, t)


def fit(k, t=0):
    return Step("fit", k, t)


def names(steps):
    return sorted((step.op, step.module, step.batch) for step in steps)


def test_red_box_one_at_a_time():
    first = instants(sequential(3), 5)
    assert [instant.working for instant in first] == [
        (up(1),), (up(2),), (fit(1),), (up(3),), (fit(2),),
    ]  # fmt: skip
    assert [instant.number for instant in first] == [1, 2, 3, 4, 5]


def test_blue_box_stages():
    working = [names(instant.working) for instant in instants(blue_box(3), 4)]
    assert working[0] == [("forward_update", 1, 0)]
    assert working[1] == [("forward_update", 2, 0)]
    assert working[2] == [("fit", 1, 0), ("forward_update", 3, 0)]
    assert ("fit", 2, 0) in working[3]


def test_backprop_waits_for_all_above():
    third = instants(backprop(3), 3)[2]
    assert third.working == (Step("forward", 3),)
    waiting = {(w.step.op, w.step.module) for w in third.waiting}
    assert waiting == {(op, k) for op in ("backward", "update") for k in (1, 2, 3)}
    (g1,) = [w for w in third.waiting if (w.step, w.value.kind) == (Step("backward", 1), "message")]
    assert g1.maker == Step("backward", 2)


def test_the_next_batch_waits_only_once_it_has_begun():
    first, *_ = instants(sequential(3), 1)
    assert {wait.step.batch for wait in first.waiting} == {0}


@pytest.mark.parametrize(
    "program",
    [
        backprop(3),
        sequential(4),
        blue_box(4),
        pipeline(((1,), (2, 3)), staleness=2),
        pipeline(((1, 2), (3,), (4,)), staleness=0),
        pipeline(((1,), (2, 3)), staleness=4, batches_per_turn=2),
    ],
    ids=lambda program: f"{program.name} {program.modules}",
)
def test_always(program):
    """Nothing runs before what it needs, nothing runs twice, and every moment somebody works."""
    seen, made = set(), set()
    for instant in instants(program, 15):
        assert instant.working
        assert instant.done == frozenset(seen)
        for step in instant.working:
            needs, _ = needs_and_makes(step, program.modules)
            assert made.issuperset(needs)
            assert step not in seen
        for wait in instant.waiting:
            assert wait.value not in made
            assert wait.maker not in seen
        assert not {w.step for w in instant.waiting} & set(instant.ready)
        for step in instant.working:
            seen.add(step)
            made.update(needs_and_makes(step, program.modules)[1])


def test_bad_count():
    with pytest.raises(ValueError, match="count is 2147483648; it accepts 1 to 1000"):
        instants(sequential(2), 2**31)
    with pytest.raises(ValueError, match="count is 0"):
        instants(sequential(3), 0)
