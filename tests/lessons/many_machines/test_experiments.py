"""Modules apart, measured: that what is compared is the same work, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from dnilab.lessons.many_machines import experiments as measured
from dnilab.lessons.many_machines.experiments import (
    Trial,
    delays,
    machines,
    message_time,
    pays_from,
    trial,
)
from dnilab.lessons.many_machines.training import cluster
from dnilab.lessons.many_machines.training.messages import Cost
from dnilab.orderings import pipeline

pytest.importorskip("distributed")

WIDTHS = (5, 8, 7, 3)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with cluster(workers=2) as client:
        yield client


def made_up(speed_up: float, sizes: int = 1000, seconds: float = 0.002) -> Trial:
    cost = Cost(
        0, (1,), 3.0, 1.5, 0.25, 0.75, messages=10, bytes=10 * sizes, on_the_way=10 * seconds
    )
    return Trial(WIDTHS, 4, pipeline(((1,), (2, 3))), speed_up, 0.9, 1.8, (cost,), 10, {}, True)


def test_a_trial(client: Any) -> None:
    one = trial(client, WIDTHS, 4, staleness=4, batches_per_turn=2, rounds=2, seconds=1e-3)
    assert one.equal
    assert one.program == pipeline(measured.groups_of(WIDTHS, 2), staleness=4, batches_per_turn=2)
    assert one.batches >= 3 * 10 * 2
    assert {cost.worker for cost in one.costs} == {0, 1}
    # h of module 1 up, and the gradient there down, for every batch
    assert {cost.bytes for cost in one.costs} == {one.batches * 4 * 8 * 8}
    assert set(one.times) == {(step.op, step.module) for step in one.program.steps()}
    assert 0 < one.communication < 1
    assert one.speed_up > 0
    assert 1 <= one.limit <= 2


def test_a_trial_that_differs_says_so(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = measured.apart

    def wrong(client: Any) -> Any:
        executor = real(client)
        run = executor.__class__.__call__

        class Wrong(type(executor)):  # type: ignore[misc]
            def __call__(self, stack: Any, *arguments: Any, **named: Any) -> Any:
                for at in run(self, stack, *arguments, **named):
                    stack.thetas[-1][0] += 1e-9
                    yield at

        executor.__class__ = Wrong
        return executor

    monkeypatch.setattr(measured, "apart", wrong)
    assert not trial(client, WIDTHS, 4, rounds=1, seconds=1e-3).equal


def test_numbers_of_four_bytes(client: Any) -> None:
    one = trial(client, WIDTHS, 6, rounds=1, seconds=1e-3, dtype="float32")
    assert (one.widths, one.batch) == (WIDTHS, 6)
    assert one.equal
    assert {cost.bytes for cost in one.costs} == {one.batches * 6 * 8 * 4}


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"rounds": 0}, "^rounds is 0"),
        ({"seconds": 0}, "^seconds is 0"),
        ({"batch": 1.5}, "^batch is 1.5; it accepts a whole number of at least 1"),
        ({"batch": 0}, "^batch is 0"),
        ({"widths": 5}, "^widths is 5; it accepts several whole numbers"),
        ({"widths": (5, 2.5, 3)}, "^widths is 2.5"),
        ({"dtype": "int8"}, "^dtype is 'int8'; it accepts float32 or float64"),
    ],
)
def test_what_can_not_be_measured(how: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        trial(None, **{"widths": WIDTHS, "batch": 4, **how})


def test_shares() -> None:
    one = made_up(1.2)
    assert one.communication == pytest.approx(0.25)  # 0.75 and 0.25 of 4 seconds
    assert one.waiting == pytest.approx(0.5)
    assert one.message == (1000, pytest.approx(0.002))
    silent = replace(one, costs=(Cost(0, (1, 2, 3), 3.0),))
    assert silent.message == (0, 0)
    assert silent.communication == 0


@pytest.mark.parametrize(
    ("ratios", "found"),
    [([0.5, 1.1, 0.9, 1.2, 1.3], 3), ([1.1, 1.2], 0), ([1.2, 0.9], None), ([], None)],
)
def test_it_pays_from_where_it_wins_for_good(ratios: list[float], found: int | None) -> None:
    trials = [made_up(ratio) for ratio in ratios]
    one = pays_from(trials)
    assert one is (None if found is None else trials[found])
    assert pays_from(trials, "in_line") is None


@pytest.mark.parametrize("trials", [[], [made_up(1.2)]])
@pytest.mark.parametrize("what", ["nonsense", "batch", None])
def test_it_pays_by_one_of_two_ratios(trials: list[Trial], what: Any) -> None:
    with pytest.raises(ValueError, match=r"^what is .*; it accepts one of 'speed_up', 'in_line'"):
        pays_from(trials, what)


def test_messages_on_a_straight_line() -> None:
    trials = [made_up(1, size, 1e-3 + 2e-9 * size) for size in (100, 10_000, 3_000_000)]
    assert message_time(trials) == (pytest.approx(1e-3), pytest.approx(2e-9))
    with pytest.raises(ValueError, match=r"^trials has fewer than two sizes"):
        message_time(trials[:1])


def test_delays_are_those_of_what_is_sent() -> None:
    found = delays((5, 8, 7, 3), 4, (0.5, 0.01))
    up = 0.5 + 0.01 * 4 * 8 * 8
    assert found["h", 1] == found["message", 2] == pytest.approx(up)
    assert found["h", 2] == found["message", 3] == pytest.approx(0.5 + 0.01 * 4 * 7 * 8)
    assert len(found) == 4


def test_more_machines_by_the_ideal_timeline() -> None:
    program = pipeline([(1, 2, 3)], staleness=4)
    times = {(step.op, step.module): 1.0 for step in program.steps()}
    found = machines((5, 6, 6, 6), 4, times, (0.0, 0.0))
    prompt = {("fit" if op == "late_fit" else op, k): time for (op, k), time in times.items()}
    assert machines((5, 6, 6, 6), 4, prompt, (0.0, 0.0)) == found
    assert found[1] == (1, 1)
    assert found[3] == (pytest.approx(2.5), pytest.approx(2.5))  # 5 steps, 2 on the busiest
    slow = machines((5, 6, 6, 6), 4, times, (100.0, 0.0))
    assert slow[1] == (1, 1)
    assert slow[3][0] == pytest.approx(2.5)
    assert slow[3][1] < 0.2  # messages that take longer than all the rest are not worth it
