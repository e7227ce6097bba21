"""Modules apart, measured: that what is compared is the same work, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from dnilab.lessons.many_machines import experiments as measured
from dnilab.lessons.many_machines.experiments import (
    Machines,
    Trial,
    cut_times,
    delays,
    layer_times,
    message_time,
    on_machines,
    pays_from,
    shared_out,
    trial,
)
from dnilab.lessons.many_machines.training import cluster
from dnilab.lessons.many_machines.training.messages import Cost
from dnilab.orderings import even_cuts, pipeline

pytest.importorskip("distributed")

WIDTHS = (5, 8, 7, 3)
TWO = pipeline(((1,), (2,)))


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with cluster(workers=2) as client:
        yield client


def made_up(speed: float, sizes: int = 1000, seconds: float = 0.002) -> Trial:
    cost = Cost(
        0, (1,), 3.0, 1.5, 0.25, 0.75, messages=10, bytes=10 * sizes, on_the_way=10 * seconds
    )
    return Trial(WIDTHS, 4, TWO, speed, 0.9, 1.1, 1.8, (cost,), 10, {}, True)


def test_a_trial(client: Any) -> None:
    one = trial(client, WIDTHS, 4, staleness=4, batches_per_turn=2, rounds=2, seconds=1e-3)
    assert one.equal
    assert one.program == pipeline(((1,), (2,)), staleness=4, batches_per_turn=2)
    assert one.batches >= 3 * 10 * 2
    assert {cost.worker for cost in one.costs} == {0, 1}
    assert even_cuts(WIDTHS, 2) == (1,)
    # h of module 1 up, and the gradient there down, for every batch
    assert {cost.bytes for cost in one.costs} == {one.batches * 4 * 8 * 8}
    assert set(one.times) == {(step.op, step.module) for step in one.program.steps()}
    assert 0 < one.communication < 1
    assert min(one.speed, one.blas, one.speed_up, one.limit) > 0


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
    assert pays_from(trials, "blas") is None
    assert pays_from(trials, "speed_up") is (trials[0] if trials else None)


@pytest.mark.parametrize("trials", [[], [made_up(1.2)]])
@pytest.mark.parametrize("what", ["nonsense", "batch", None])
def test_it_pays_by_one_of_three_ratios(trials: list[Trial], what: Any) -> None:
    with pytest.raises(
        ValueError, match=r"^what is .*; it accepts one of 'speed', 'blas', 'speed_up'"
    ):
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


ONE_EACH = {
    (op, k): 1.0
    for op in ("forward", "backward", "update", "forward_update", "fit", "late_fit")
    for k in (1, 2, 3, 4)
}


def test_a_generator_once_a_cut() -> None:
    # three steps for each layer that does not guess, and one for the layer that does
    assert cut_times(((1, 2), (3, 4)), ONE_EACH) == {
        ("forward_update", 1): 4,
        ("fit", 1): 1,
        ("late_fit", 1): 1,
        ("forward_update", 2): 6,
    }
    assert cut_times(((1, 2, 3, 4),), ONE_EACH) == {("forward_update", 1): 12}


def test_layers_are_shared_out_by_their_times() -> None:
    assert shared_out(ONE_EACH, 1, pipeline) == ((1, 2, 3, 4),)
    assert shared_out(ONE_EACH, 2, pipeline) == ((1, 2), (3, 4))  # 5 and 6
    heavy = ONE_EACH | {("late_fit", 2): 9.0}
    assert shared_out(heavy, 2, pipeline) == ((1, 2, 3), (4,))  # 8 and 3
    prompt = partial(pipeline, staleness=0)
    assert shared_out(heavy, 2, prompt) == ((1, 2), (3, 4))


def test_times_of_layers() -> None:
    times = layer_times(WIDTHS, 4, 3)
    layers = {(op, k) for op in ("forward", "backward", "update", "forward_update")
              for k in (1, 2, 3)}  # fmt: skip
    assert set(times) == layers | {(op, k) for op in ("fit", "late_fit") for k in (1, 2)}
    assert min(times.values()) > 0


def test_more_machines_by_the_ideal_timeline() -> None:
    quarter = {step: time / 4 for step, time in ONE_EACH.items()}

    def found(count: int, message: tuple[float, float] = (0.0, 0.0)) -> Machines:
        return on_machines((6,) * 5, 4, count, (ONE_EACH, quarter), message)[0]

    assert found(1) == Machines(12, 12, 12, pytest.approx(12 - 4 * (1 - 1 / 4)))
    assert found(1, (100.0, 0.0)) == found(1)
    two = found(2)
    assert (two.in_line, two.at_once) == (12, pytest.approx(6))  # 5 below and 6 above
    assert two.piped == two.at_once
    assert two.rival < two.in_line
    slow = found(2, (100.0, 0.0))
    assert slow.at_once == two.at_once
    assert slow.piped > 12  # messages that take longer than all the rest are not worth it
    assert slow.rival > 200  # up and down again in each batch
