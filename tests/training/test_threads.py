"""Threads change no number: whatever the program, the network and the operating system."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from benchmarks.orderings import bits as random_programs
from dnilab.data import Dataset
from dnilab.network import SGD, Adam, Stack, loss_named, optimiser_named
from dnilab.orderings import (
    Program,
    Step,
    backprop,
    check,
    last_layer_only,
    pipeline,
    sequential,
    sparse,
)
from dnilab.training import Report, train
from tests.training.by_hand import bits, small_data
from tests.training.planted import in_time, network, nothing_left


@contextmanager
def switching(every: float | None) -> Iterator[None]:
    """How often Python lets another thread have its turn, in seconds; None: as usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(before if every is None else every)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


BOTH = pytest.mark.parametrize("every", [None, 1e-6], ids=["usual", "often"])


def numbers(events: Any) -> list[Any]:
    """All that events say, but for the clock; of each span, what ran on which worker."""
    told = []
    for e in events:
        row: dict[str, Any] = {f.name: getattr(e, f.name) for f in fields(e)}
        row.pop("seconds", None)
        row["spans"] = sorted(span[:4] for span in row.get("spans", ()))
        told.append((type(e).__name__, row))
    return told


def both_ways(
    stack: Stack, data: Any, program: Program, executor: Any = "threads", **how: Any
) -> tuple[Any, Any]:
    """Events and weights on one thread, and the same with another executor."""
    on_one, on_many = stack.copy(), stack.copy()
    one = numbers(train(on_one, data, program, **how))
    many = in_time(lambda: numbers(train(on_many, data, program, **how, executor=executor)))
    if program.repeats:  # a drawn turn may be without updates
        assert bits(on_one) != bits(stack)
    return (one, bits(on_one)), (many, bits(on_many))


@st.composite
def divisions(draw: st.DrawFn, modules: int) -> list[tuple[int, ...]]:
    cuts = sorted(draw(st.sets(st.integers(1, modules - 1)))) if modules > 1 else []
    return [tuple(range(a + 1, b + 1)) for a, b in zip([0, *cuts], [*cuts, modules], strict=True)]


@st.composite
def programs(draw: st.DrawFn, modules: int) -> tuple[str, Program]:
    """A program for one worker or several: the kind of network it trains, and the program."""
    groups = draw(divisions(modules))
    match draw(st.sampled_from(["pipeline", "pipeline", "delayed", "backprop", "one worker"])):
        case "pipeline":
            per_turn = draw(st.sampled_from([1, 1, 2, 3, 5]))
            lowest = per_turn if per_turn > 1 and len(groups) > 1 else 0
            late = draw(st.integers(lowest, per_turn + 5))
            program = pipeline(groups, staleness=late, batches_per_turn=per_turn)
        case "delayed":  # each worker some batches behind the one below, fits later still
            behind, workers = 0, []
            for group in groups:
                steps = [Step("forward_update", k, -behind) for k in group]
                late = behind + draw(st.integers(1, 4))
                steps += [Step("fit", k, -late) for k in group if k < modules]
                workers.append(tuple(steps))
                behind += draw(st.integers(0, 2))
            workers = draw(st.permutations(workers))
            program = Program("delayed", modules, tuple(workers))
            try:
                check(program)
            except ValueError:
                program = pipeline(groups, staleness=1)
        case "backprop":  # all three locks, with a worker for each group
            up = [[Step("forward", k) for k in group] for group in groups]
            down = [
                [Step(op, k) for k in reversed(group) for op in ("backward", "update")]
                for group in groups
            ]
            split = tuple((*a, *b) for a, b in zip(up, down, strict=True))
            return "plain", Program("split backprop", modules, split)
        case _:
            make = draw(st.sampled_from([backprop, sequential, sparse, last_layer_only]))
            program = make(modules)
    return "decoupled", program


@st.composite
def networks(
    draw: st.DrawFn,
    rows: Dataset,
    hidden: list[int],
    needs: str,
    seed: int,
    *,
    most_epochs: int = 4,
    report_from: int = 1,
    cuts: list[int] | None = None,
) -> tuple[Stack, dict[str, Any]]:
    """A network for these rows, of the kind that a program needs, and how to train it."""
    contexts = [("h",), ("y",), ("x",), ("h", "y"), ("x", "h", "y"), ("h_norm", "y")]
    fitting = {"bits": "binary cross-entropy", "classes": "softmax cross-entropy"}
    stack = Stack.build(
        (rows.inputs, *hidden, rows.outputs),
        loss_named(fitting[rows.kind]),
        np.random.default_rng(seed),
        activation=draw(st.sampled_from(["tanh", "relu", "sigmoid"])),
        batch_norm=draw(st.booleans()),
        cuts=cuts,
        context=draw(st.sampled_from(contexts)) if needs == "decoupled" else None,
        generator_hidden=draw(st.sampled_from([(), (3,)])),
        dtype=rows.x_train.dtype,
    )
    how: dict[str, Any] = {
        "optimiser": optimiser_named(draw(st.sampled_from(["sgd", "momentum", "adam"])), 1e-2),
        "generator_optimiser": optimiser_named(draw(st.sampled_from(["sgd", "adam"])), 1e-3),
        "batch_size": draw(st.integers(2, 9)),
        "epochs": draw(st.integers(1, most_epochs)),
        "seed": seed,
        "report_every": draw(st.none() | st.integers(report_from, 30)),
        "probe_rows": draw(st.sampled_from([0, 5])),
    }
    return stack, how


@st.composite
def runs(
    draw: st.DrawFn, *, most_hidden: int = 4, most_workers: int | None = None, **how: int
) -> tuple[Stack, Dataset, Program, dict[str, Any]]:
    """A network, rows, a program and how to train: anything small."""
    hidden = draw(st.lists(st.integers(1, 7), max_size=most_hidden))
    kind = draw(st.sampled_from(["bits", "classes"]))
    dtype = draw(st.sampled_from(["float32", "float64"]))
    seed = draw(st.integers(0, 99))
    rows = small_data(kind, rows=17, dtype=dtype, seed=seed)
    drawn = programs(len(hidden) + 1)
    if most_workers is not None:
        drawn = drawn.filter(lambda found: len(found[1].workers) <= most_workers)
    needs, program = draw(drawn)
    event(f"{program.name}, {len(program.workers)} workers")
    stack, options = draw(networks(rows, hidden, needs, seed, **how))
    return stack, rows, program, options


@BOTH
@settings(max_examples=60)
@given(run=runs())
def test_threads_and_one_thread_tell_the_same_and_end_the_same(
    every: float | None, run: Any
) -> None:
    stack, rows, program, how = run
    with switching(every):
        one, many = both_ways(stack, rows, program, **how)
    assert many == one


@BOTH
def test_a_few_hundred_random_programs(every: float | None) -> None:
    count = 120  # python -m benchmarks.orderings does the same with 2,000
    with switching(every):
        result = in_time(lambda: random_programs(count), 120)
    assert result == {
        "programs": count,
        "equal_to_the_last_bit": count,
        "threads_left": 0,
    }


@BOTH
@given(data=st.data())
def test_runs_that_diverge_tell_the_same_too(every: float | None, data: Any) -> None:
    """All reports before, and of several modules that explode the same one is named."""
    draw = data.draw
    hidden = draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    seed = draw(st.integers(0, 999))
    rows = small_data(rows=30, seed=seed)
    needs, program = draw(programs(len(hidden) + 1))
    stack, how = draw(networks(rows, hidden, needs, seed, report_from=2))
    how |= {
        "optimiser": SGD(draw(st.sampled_from([1e-2, 1e4, 1e9]))),
        "generator_optimiser": SGD(draw(st.sampled_from([1e-2, 1e2, 1e9]))),
        "epochs": 12,
    }
    with switching(every):
        one = numbers(train(stack.copy(), rows, program, **how))
        many = in_time(lambda: numbers(train(stack, rows, program, **how, executor="threads")))
    event(one[-1][0])
    assert repr(many) == repr(one)  # NaN is not equal to itself


HOW: dict[str, Any] = {"optimiser": Adam(0.01), "batch_size": 3, "epochs": 4, "report_every": 2}


@BOTH
def test_the_same_run_many_times(every: float | None) -> None:
    data = small_data(rows=30)
    program = pipeline(((1,), (2,), (3,)), staleness=2)
    one, _ = both_ways(network(), data, program, **HOW)
    with switching(every):
        for _ in range(25):
            stack = network()
            events = numbers(train(stack, data, program, **HOW, executor="threads"))
            assert (events, bits(stack)) == one


@pytest.mark.parametrize("executor", ["one thread", "threads"])
@pytest.mark.parametrize("groups", [((1, 2, 3),), ((1,), (2, 3)), ((1,), (2,), (3,))])
def test_a_pipeline_without_staleness_is_the_red_box(groups: Any, executor: str) -> None:
    data = small_data()
    red, stack = network(), network()
    wanted = numbers(train(red, data, sequential(3), **HOW))
    got = numbers(train(stack, data, pipeline(groups, staleness=0), **HOW, executor=executor))
    assert bits(stack) == bits(red)
    for (_, one), (_, other) in zip(wanted, got, strict=True):
        one.pop("spans")
        other.pop("spans")
        assert one == other


@pytest.mark.parametrize("executor", ["one thread", "threads"])
def test_groups_and_parcels_change_no_number_and_staleness_does(executor: str) -> None:
    data = small_data()
    results: dict[int, set[Any]] = {}
    for late in (0, 1, 4):
        for groups in (((1, 2, 3),), ((1, 2), (3,)), ((1,), (2,), (3,))):
            for per_turn in (1, 2, 4):
                if per_turn > 1 and late < per_turn:
                    continue
                stack = network()
                program = pipeline(groups, staleness=late, batches_per_turn=per_turn)
                list(train(stack, data, program, **HOW, executor=executor))
                results.setdefault(late, set()).add(tuple(bits(stack)))
    assert [len(found) for found in results.values()] == [1, 1, 1]
    assert len(set.union(*results.values())) == 3


def test_one_group_in_parcels_without_staleness() -> None:
    program = pipeline([(1, 2, 3)], staleness=0, batches_per_turn=2)
    how = {**HOW, "report_every": 1}
    one, many = both_ways(network(), small_data(rows=12), program, **how)
    assert many == one


def test_what_is_timed_is_what_ran_on_a_clock_that_never_goes_back() -> None:
    data = small_data()
    program = pipeline(((1,), (2, 3)), staleness=1)
    reports = list(train(network(), data, program, **HOW, executor="threads"))
    spans = [span for report in reports for span in report.spans]  # type: ignore[union-attr]
    assert {span.worker for span in spans} == {0, 1}
    for worker in (0, 1):
        mine = [span for span in spans if span.worker == worker]
        assert all(span.start <= span.end for span in mine)
        assert all(a.end <= b.start for a, b in pairwise(mine))
    ends = {(s.op, s.module, s.batch): s.end for s in spans}
    for span in spans:  # nothing began before what it needs was made
        if span.op == "forward_update" and span.module > 1:
            below = next(
                s for s in spans if s[1:4] == ("forward_update", span.module - 1, span.batch)
            )
            assert below.start <= span.start
        if span.op == "fit":
            above = next(
                s for s in spans if s[1:4] == ("forward_update", span.module + 1, span.batch)
            )
            assert above.start <= span.start
    assert len(ends) == len(spans) == 16 * 5


def test_reports_are_of_the_network_as_it_was_then_and_not_as_it_is() -> None:
    # threads go on while a report is read: what it says must not move
    data = small_data(rows=30)
    program = pipeline(((1,), (2,), (3,)), staleness=2)
    how = {**HOW, "report_every": 1, "epochs": 1}
    wanted = numbers(train(network(), data, program, **how))
    got = []
    for report in train(network(), data, program, **how, executor="threads"):
        assert isinstance(report, Report)
        got.append(report)
        for _ in range(2000):
            pass
    assert numbers(got) == wanted


def test_two_runs_at_once_do_not_get_in_each_others_way() -> None:
    data = small_data(rows=30)
    program = pipeline(((1,), (2, 3)), staleness=2)
    alone = network()
    wanted = numbers(train(alone, data, program, **HOW))
    with nothing_left():
        one, other = network(), network()
        runs = [train(stack, data, program, **HOW, executor="threads") for stack in (one, other)]
        pairs = list(zip(*runs, strict=True))
    for events in zip(*pairs, strict=True):
        assert numbers(events) == wanted
    assert bits(one) == bits(other) == bits(alone)
