"""Training is an iterator of events: when they come, what they say, and stopping early."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from dnilab.data import Dataset
from dnilab.network import SGD, Adam, BinaryCrossEntropy, SoftmaxCrossEntropy, Stack
from dnilab.orderings import Program, Step, backprop, sequential
from dnilab.training import Report, alignment, scores, train
from tests.learned import Learned
from tests.training.by_hand import bits, on_the_page, small_data

ADAM = Adam(0.01)


def network(context: Any = ("h", "y"), kind: str = "bits", seed: int = 0, **options: Any) -> Stack:
    loss = BinaryCrossEntropy() if kind == "bits" else SoftmaxCrossEntropy()
    rng = np.random.default_rng(seed)
    return Stack.build((4, 6, 5, 2), loss, rng, context=context, **options)


def reports(*arguments: Any, **named: Any) -> list[Report]:
    events = list(train(*arguments, **{"optimiser": ADAM, **named}))
    assert all(type(event) is Report for event in events)
    return events  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("every", "at"),
    [
        (None, [0, 5, 10]),  # an epoch's worth
        (1, list(range(11))),
        (3, [0, 3, 6, 9, 10]),
        (4, [0, 4, 8, 10]),
        (5, [0, 5, 10]),
        (10, [0, 10]),
        (100, [0, 10]),
    ],
)
def test_reports_come_at_the_start_now_and_then_and_at_the_end(
    every: int | None, at: list[int]
) -> None:
    data = small_data(rows=22)  # five batches of 4 an epoch, and two rows left over
    how = {"batch_size": 4, "epochs": 2, "report_every": every}
    for program, context in ((sequential(3), ("h",)), (backprop(3), None)):
        got = reports(network(context), data, program, **how)
        assert [report.batch for report in got] == at
        assert [report.epoch for report in got] == [batch / 5 for batch in at]


@pytest.mark.parametrize(
    ("rows", "epochs", "every"), [(12, 1, 1), (11, 1, 1), (10, 2, 1), (13, 3, 2), (12, 1, 5)]
)
def test_several_batches_a_turn_report_each_stop_once(rows: int, epochs: int, every: int) -> None:
    (steps,) = sequential(3).workers
    several = tuple(Step(s.op, s.module, t) for t in range(3) for s in steps)
    program = Program("several", 3, (several,), batches_per_turn=3)
    how = {"batch_size": 1, "epochs": epochs, "report_every": every}
    got = [r.batch for r in reports(network(), small_data(rows=rows), program, **how)]
    assert got[0] == 0
    assert got[-1] == rows * epochs
    assert got == sorted(set(got))
    assert all(batch % 3 == 0 for batch in got[:-1])


def test_a_report_tells_of_the_network_as_it_is_then() -> None:
    data = small_data(rows=12)
    stack = network()
    loop = stack.copy()
    how = {"batch_size": 3, "epochs": 2, "seed": 4}
    steps = on_the_page(loop, data, sequential(3), ADAM, **how)  # type: ignore[arg-type]
    seen = 0
    for report in train(
        stack, data, sequential(3), optimiser=ADAM, report_every=3, probe_rows=7, **how
    ):
        assert isinstance(report, Report)
        while seen < report.batch:
            seen = next(steps)
        assert bits(stack) == bits(loop)
        for what, x, y in (
            (report.loss, data.x_train, data.y_train),
            (report.test_loss, data.x_test, data.y_test),
        ):
            assert what == pytest.approx(loop.loss.per_row(loop.outputs(x), y).mean(), rel=1e-12)
        assert report.scores == scores("bits", loop.predict(data.x_test), data.y_test)
        wanted = alignment(loop, data.x_train[:7], data.y_train[:7])
        assert (report.cosine, report.generator_error) == wanted
    assert seen == 8


def test_batch_norm_is_calibrated_on_the_training_rows_for_each_report() -> None:
    data = small_data(rows=20)
    stack = network(batch_norm=True)
    for report in train(stack, data, sequential(3), optimiser=ADAM, batch_size=5, epochs=2):
        assert isinstance(report, Report)
        fresh = stack.copy()
        fresh.calibrate(data.x_train)
        wanted = fresh.loss.per_row(fresh.outputs(data.x_test), data.y_test).mean()
        assert report.test_loss == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(
    ("kind", "names"), [("bits", {"bit_accuracy", "whole_sums"}), ("classes", {"class_error"})]
)
def test_scores_that_fit_the_kind(kind: str, names: set[str]) -> None:
    got = reports(network(kind=kind), small_data(kind), sequential(3), epochs=1, batch_size=4)
    assert all(set(report.scores) == names for report in got)
    assert all(0 <= score <= 1 for report in got for score in report.scores.values())


def test_gradients_are_compared_only_where_asked_for() -> None:
    data = small_data()
    how = {"epochs": 1, "batch_size": 4}
    for got in (
        reports(network(), data, sequential(3), **how),
        reports(network(None), data, backprop(3), probe_rows=5, **how),
    ):
        assert all(r.cosine is None and r.generator_error is None for r in got)
    for report in reports(network(), data, sequential(3), probe_rows=5, **how):
        assert report.cosine is not None
        assert report.generator_error is not None
        assert len(report.cosine) == len(report.generator_error) == 2


def test_spans_are_the_steps_that_ran_in_their_order() -> None:
    got = reports(network(), small_data(), sequential(3), batch_size=4, epochs=2)
    assert got[0].spans == ()
    spans = [span for report in got for span in report.spans]
    (steps,) = sequential(3).workers
    assert [(s.op, s.module, s.batch) for s in spans] == [
        (step.op, step.module, batch) for batch in range(6) for step in steps
    ]
    assert {span.worker for span in spans} == {0}
    for one, following in pairwise(spans):
        assert one.start <= one.end <= following.start
    assert [span.batch for span in got[1].spans[:: len(steps)]] == [0, 1, 2]


def test_seconds_only_grow_and_begin_at_nothing() -> None:
    how = {"batch_size": 4, "report_every": 1}
    seconds = [r.seconds for r in reports(network(), small_data(), sequential(3), **how)]
    assert seconds[0] == 0 or seconds[0] < seconds[-1]
    assert seconds == sorted(seconds)


def test_nothing_happens_before_the_next_event_is_asked_for() -> None:
    stack = network()
    start = bits(stack)
    events = train(stack, small_data(), sequential(3), optimiser=ADAM, batch_size=4)
    assert bits(stack) == start
    next(events)
    assert bits(stack) == start
    next(events)
    assert bits(stack) != start


@pytest.mark.parametrize("after", [0, 1, 2])
def test_closing_early_leaves_a_usable_network_as_it_was_then(after: int) -> None:
    data = small_data(rows=12)
    stack, loop = network(), network()
    how = {"batch_size": 3, "epochs": 4, "seed": 2}
    steps = on_the_page(loop, data, sequential(3), ADAM, **how)  # type: ignore[arg-type]
    for _ in range(4 * max(after - 1, 0)):
        next(steps)
    settings = np.geterr()
    events = train(stack, data, sequential(3), optimiser=ADAM, **how)
    for _ in range(after):
        next(events)
    events.close()  # type: ignore[attr-defined]
    assert list(events) == []
    assert np.geterr() == settings
    assert bits(stack) == bits(loop)
    # and it can be trained again, from where it stands
    again = reports(stack, data, sequential(3), **how)
    assert again[-1].batch == 16
    assert bits(stack) != bits(loop)


@pytest.mark.parametrize("optimiser", [Adam(0.01), SGD(1e6)], ids=["sound", "diverging"])
def test_numpys_error_settings_do_not_leak(optimiser: Any) -> None:
    with np.errstate(over="raise", invalid="warn", divide="raise", under="ignore"):
        mine = np.geterr()
        events = train(
            network(), small_data(), sequential(3), optimiser=optimiser, batch_size=4, epochs=20
        )
        for event in events:
            assert np.geterr() == mine, event
        assert np.geterr() == mine


def test_the_data_is_not_changed() -> None:
    data = small_data()
    kept = [a.copy() for a in (data.x_train, data.y_train, data.x_test, data.y_test)]
    reports(network(("h", "y", "x", "h_norm")), data, sequential(3), batch_size=4, probe_rows=5)
    now = (data.x_train, data.y_train, data.x_test, data.y_test)
    assert all((a == b).all() for a, b in zip(kept, now, strict=True))


def test_it_learns(seed: int, learned: Learned) -> None:
    # two labels that a line can tell apart: both orderings must get there
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((200, 4))
    y = (x @ rng.standard_normal((4, 2)) > 0).astype(float)
    data = Dataset("lines", "bits", x[:150], y[:150], x[150:], y[150:])
    for program, context in ((sequential(3), ("h", "y")), (backprop(3), None)):
        stack = network(context, seed=seed)
        got = reports(stack, data, program, batch_size=10, epochs=60, seed=seed)
        learned(f"bits right, {program.name}", got[-1].scores["bit_accuracy"], above=0.9)
        learned(f"loss left, {program.name}", got[-1].loss / got[0].loss, below=0.5)
