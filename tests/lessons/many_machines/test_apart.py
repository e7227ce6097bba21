"""Modules in processes of their own change no number, and every run ends cleanly."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from benchmarks import orderings, race
from dnilab.lessons.many_machines.training import Checkpointed, apart, cluster
from dnilab.lessons.many_machines.training.apart import looked_at
from dnilab.lessons.many_machines.training.checkpoint import load
from dnilab.lessons.many_machines.training.messages import WorkerLost
from dnilab.network import SGD, Adam, BinaryCrossEntropy, Stack
from dnilab.orderings import Program, Step, blue_box, complete_unlock, pipeline, sequential
from dnilab.training import Diverged, Report, WorkerFailed, train, wiring_of
from tests.training.by_hand import bits
from tests.training.planted import (
    DATA,
    LONG,
    PATIENCE,
    Planted,
    blas_threads,
    in_time,
    network,
    nothing_left,
    usable,
)
from tests.training.test_threads import both_ways as on_one_and_on
from tests.training.test_threads import numbers, runs
from tests.training.traps import trapped

pytest.importorskip("distributed")

PROCESSES = 3
ROOT = Path(__file__).parents[3]
TWO, THREE = ((1,), (2, 3)), ((1,), (2,), (3,))
HOW: dict[str, Any] = {"optimiser": Adam(0.01), "batch_size": 3, "epochs": 4, "report_every": 2}


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with cluster(workers=PROCESSES) as client:
        yield client


@pytest.fixture(scope="module")
def doomed() -> Iterator[Any]:
    """A cluster whose processes are killed; Dask starts others in their place."""
    with cluster(workers=PROCESSES) as client:
        yield client


def both_ways(client: Any, stack: Stack, data: Any, program: Program, **how: Any) -> Any:
    """Events and weights on one thread, and the same with modules apart."""
    return on_one_and_on(stack, data, program, apart(client), **how)


def test_nobody_reads_the_frames_of_threads_that_run(client: Any) -> None:
    """As Dask's profiler does.  Without the global lock that ends Python 3.13, now and then."""
    profiled = client.run(lambda dask_worker: "profile" in dask_worker.periodic_callbacks)
    assert list(profiled.values()) == [False] * PROCESSES
    assert "Profile" not in {thread.name for thread in threading.enumerate()}


# ---- no number changes ---------------------------------------------------------------------------


@settings(max_examples=25)
@given(run=runs(most_hidden=3, most_workers=PROCESSES, most_epochs=3, report_from=2))
def test_apart_and_one_thread_tell_the_same_and_end_the_same(client: Any, run: Any) -> None:
    stack, rows, program, how = run
    one, many = both_ways(client, stack, rows, program, **how)
    assert many == one


@pytest.mark.parametrize("cases", [orderings, race], ids=["any wiring", "the race"])
@settings(max_examples=15)
@given(seed=st.integers(0, 10**6))
def test_random_programs(client: Any, cases: Any, seed: int) -> None:
    program, stack, data, batch = cases.random_case(seed)
    assume(len(program.workers) <= PROCESSES)
    event(f"{program.name}, {program.wires.signals[0]}, {len(program.workers)} workers")
    how = {"optimiser": Adam(0.01), "batch_size": batch, "epochs": 2, "report_every": 3}
    one, many = both_ways(client, stack, data, program, **how)
    assert many == one


@pytest.mark.parametrize("late", [1, 3])
@pytest.mark.parametrize("again", [True, False])
def test_complete_unlock(client: Any, late: int, again: bool) -> None:
    stack = network(input_hidden=(4,))
    program = complete_unlock(THREE, staleness=late, guess_again=again)
    one, many = both_ways(client, stack, DATA, program, **HOW)
    assert many == one


def test_a_process_gets_the_rows_that_its_modules_look_at() -> None:
    def seen(modules: tuple[int, ...], **how: Any) -> tuple[bool, bool]:
        stack = network(**{"context": ("h",), **how})
        own = {k: module for k, module in enumerate(stack.modules, start=1) if k in modules}
        part = looked_at(DATA, own, wiring_of(stack))
        assert len(part.x_train) == len(part.y_train) == len(DATA.x_train)
        assert len(part.x_test) == len(part.y_test) == 1
        assert part.inputs in (1, DATA.inputs)
        assert part.outputs in (1, DATA.outputs)
        return part.x_train is DATA.x_train, part.y_train is DATA.y_train

    assert DATA.inputs > 1 < DATA.outputs
    assert [seen((k,)) for k in (1, 2, 3)] == [(True, False), (False, False), (False, True)]
    assert seen((1, 2, 3)) == (True, True)
    assert seen((2,), context=("h", "y")) == (False, True)
    assert seen((2,), context=("h", "x")) == (True, False)
    assert seen((2,), input_hidden=()) == (True, False)
    assert seen((2,), signals="readout") == (False, True)
    # and in a graph, whoever hears the input
    graph = Stack(network().modules, BinaryCrossEntropy(), (((0, 0),), ((1, 0), (0, 0)), ((2, 0),)))
    part = looked_at(DATA, {2: network(context=("h",)).modules[1]}, wiring_of(graph))
    assert part.x_train is DATA.x_train


def test_two_runs_at_once_share_the_processes(client: Any) -> None:
    program = pipeline(TWO, staleness=2)
    alone = network()
    wanted = numbers(train(alone, DATA, program, **HOW))
    one, other = network(), network()
    runs = [train(stack, DATA, program, **HOW, executor=apart(client)) for stack in (one, other)]
    pairs = in_time(lambda: list(zip(*runs, strict=True)))
    for events in zip(*pairs, strict=True):
        assert numbers(events) == wanted
    assert bits(one) == bits(other) == bits(alone)


# ---- what is sent --------------------------------------------------------------------------------


def costs(client: Any, program: Program, **how: Any) -> Any:
    executor = apart(client)
    list(in_time(lambda: list(train(network(), DATA, program, executor=executor, **HOW, **how))))
    return executor


def test_activations_go_up_and_gradients_come_down_and_nothing_else(client: Any) -> None:
    lower, upper = costs(client, pipeline(TWO, staleness=2)).costs
    assert (lower.worker, lower.modules, upper.worker, upper.modules) == (0, (1,), 1, (2, 3))
    # 4 epochs of 4 batches of 3 rows; h of module 1, and the gradient there, are 6 float64 wide
    assert lower.bytes == upper.bytes == 16 * 3 * 6 * 8
    for cost in (lower, upper):
        assert 0 < cost.messages <= 16
        assert cost.computing > 0
        assert cost.waiting > 0
        assert cost.on_the_way > 0
        assert 0 < cost.communication < 1


def test_parcels_are_fewer_and_longer_messages(client: Any) -> None:
    program = pipeline(TWO, staleness=8, batches_per_turn=8)
    lower, upper = costs(client, program).costs
    assert lower.bytes == upper.bytes == 16 * 3 * 6 * 8
    assert (lower.messages, upper.messages) == (2, 2)


def test_one_worker_has_nobody_to_talk_to(client: Any) -> None:
    (only,) = costs(client, sequential(3)).costs
    assert (only.messages, only.bytes, only.waiting) == (0, 0, 0)


def test_every_worker_is_in_a_process_of_its_own(client: Any) -> None:
    executor = costs(client, pipeline(THREE, staleness=2))
    assert list(executor.places) == [1, 2, 3]
    pids = client.run(os.getpid)
    assert len({pids[place] for place in executor.places.values()} | {os.getpid()}) == 4


def test_nobody_runs_far_ahead_of_one_that_never_answers(client: Any) -> None:
    steps = ((Step("forward", 1), Step("forward", 2)), (Step("forward_update", 3),))
    program = Program("last layer only, two workers", 3, steps)
    stack = network(context=None)
    how = {**HOW, "epochs": 40}
    one, many = both_ways(client, stack, DATA, program, **how)
    assert many == one
    # the lower worker has to wait for one that sleeps, however quick it is itself
    executor = apart(client)
    slow = trapped(stack, 3, "sleep", 5)
    list(train(slow, DATA, program, **{**how, "report_every": 10**6}, executor=executor))
    assert executor.costs[0].waiting > 0.3


# ---- how a run ends ------------------------------------------------------------------------------


def left(client: Any) -> list[str]:
    """The threads of workers that live on in the processes."""

    def named() -> list[str]:
        return [t.name for t in threading.enumerate() if t.name.startswith("dnilab worker")]

    return [name for names in client.run(named).values() for name in names]


@pytest.mark.parametrize("groups", [TWO, THREE])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_layer_that_fails(client: Any, groups: Any, k: int) -> None:
    whole = network()
    stack = trapped(whole, k, "raise", 7)
    program = pipeline(groups, staleness=2)
    with pytest.raises(WorkerFailed) as failed:
        in_time(lambda: list(train(stack, DATA, program, **LONG, executor=apart(client))))
    worker = next(i for i, group in enumerate(groups, 1) if k in group)
    step = f"forward_update of module {k}, batch 7"
    assert str(failed.value) == f"worker {worker} failed at {step}: Planted: no more"
    assert not isinstance(failed.value, WorkerLost)
    assert isinstance(failed.value.__cause__, Planted)
    assert usable(whole)
    assert left(client) == []


def test_even_an_exit_in_a_worker_reaches_the_caller(client: Any) -> None:
    stack = trapped(network(), 3, "exit", 3)
    program = pipeline(TWO, staleness=2)
    with pytest.raises(WorkerFailed, match=r"module 3, batch 3: SystemExit: bye$"):
        in_time(lambda: list(train(stack, DATA, program, **LONG, executor=apart(client))))


def test_rates_that_diverge(client: Any) -> None:
    stack = network(activation="identity")
    how = {**LONG, "optimiser": SGD(1e12), "report_every": 10**6}
    program = pipeline(THREE, staleness=2)
    *_, last = in_time(lambda: list(train(stack, DATA, program, **how, executor=apart(client))))
    assert isinstance(last, Diverged)
    assert "grew without bound" in last.message
    assert usable(stack)


@settings(max_examples=12)
@given(data=st.data())
def test_runs_that_diverge_tell_the_same_as_on_one_thread(client: Any, data: Any) -> None:
    draw = data.draw
    groups = draw(st.sampled_from([TWO, THREE]))
    program = pipeline(groups, staleness=draw(st.integers(0, 5)))
    rates = [draw(st.sampled_from([1e-2, 1e3, 1e9])) for _ in range(2)]
    how = {
        "optimiser": SGD(rates[0]),
        "generator_optimiser": SGD(rates[1]),
        "batch_size": 2,
        "epochs": 10,
        "report_every": draw(st.integers(2, 60)),
    }
    stack = network(activation=draw(st.sampled_from(["identity", "tanh"])))
    one = numbers(train(stack.copy(), DATA, program, **how))
    event(one[-1][0])
    many = in_time(lambda: numbers(train(stack, DATA, program, **how, executor=apart(client))))
    assert repr(many) == repr(one)  # NaN is not equal to itself


@pytest.mark.parametrize("reports", [0, 1, 3])
def test_closing_early(client: Any, reports: int) -> None:
    stack, wanted = network(), network()
    program = pipeline(THREE, staleness=2)
    how = {**LONG, "report_every": 5}
    before = threading.active_count()
    events = train(stack, DATA, program, **how, executor=apart(client))
    told = [next(events) for _ in range(reports)]
    in_time(events.close)  # type: ignore[attr-defined]
    assert list(events) == []
    assert left(client) == []
    assert threading.active_count() <= before
    again = train(wanted, DATA, program, **how)
    assert [next(again).batch for _ in range(reports)] == [report.batch for report in told]
    assert bits(stack) == bits(wanted)  # the network of the last report


def test_a_cluster_that_is_left_before_its_run(client: Any) -> None:
    with cluster(client.scheduler.address) as other:
        events = train(network(), DATA, pipeline(TWO), **LONG, executor=apart(other))
        next(events)
    with pytest.raises(WorkerFailed, match=r"^the client was closed before the run was"):
        in_time(lambda: list(events))
    deadline = time.monotonic() + PATIENCE
    while left(client):  # each goes on to its stop, if it can
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_client_that_is_closed() -> None:
    with cluster(workers=2) as client:
        events = train(network(), DATA, pipeline(TWO), **LONG, executor=apart(client))
        next(events)
        client.close()
        for run in (events, train(network(), DATA, pipeline(TWO), **LONG, executor=apart(client))):
            with pytest.raises(WorkerFailed, match=r"^the client was closed before") as failed:
                in_time(lambda run=run: list(run))
            assert not isinstance(failed.value, WorkerLost)


def test_dropping_the_iterator(client: Any) -> None:
    events = train(network(), DATA, pipeline(TWO), **LONG, executor=apart(client))
    next(events)
    del events
    gc.collect()
    assert left(client) == []


def test_blas_is_held_in_the_processes_while_they_train_and_free_here(client: Any) -> None:
    with nothing_left():
        events = train(network(), DATA, pipeline(TWO), **LONG, executor=apart(client))
        next(events)
        assert set(blas_threads()) == {2}
        in_time(events.close)  # type: ignore[attr-defined]
    for threads in client.run(blas_threads).values():
        assert set(threads) == {1}


# ---- a process that is lost ----------------------------------------------------------------------

needs_signals = pytest.mark.skipif(os.name == "nt", reason="kills with a signal")


@needs_signals
def test_a_lost_process_is_named_and_the_run_goes_on_elsewhere(
    client: Any, doomed: Any, tmp_path: Path
) -> None:
    path = tmp_path / "run.npz"
    program = pipeline(TWO, staleness=2)
    how: dict[str, Any] = {**HOW, "epochs": 60, "report_every": 20}
    whole, stack = network(), network()
    wanted = numbers(train(whole, DATA, program, **how))
    doomed.wait_for_workers(PROCESSES)
    executor = apart(doomed)
    kept = Checkpointed(executor, checkpoint=path)
    events = train(stack, DATA, program, **how, executor=kept)
    reports = [next(events) for _ in range(4)]
    pid = doomed.run(os.getpid, workers=[executor.places[2]])[executor.places[2]]
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(WorkerLost) as lost:
        in_time(lambda: list(events))
    said = str(lost.value)
    assert lost.value.modules == (2, 3)
    assert said.startswith("the process that held modules (2, 3) (worker 2, at tcp://127.0.0.1:")
    last = f"The last checkpoint is {str(path)!r}, at batch {load(path).batch}: Checkpointed(execut"
    assert f" is gone. {last}" in said
    assert said.endswith("goes on from there")
    assert load(path).batch >= reports[-1].batch
    again = network()
    rest = Checkpointed(apart(client), resume=path)
    more = numbers(train(again, DATA, program, **how, executor=rest))
    assert bits(again) == bits(whole)
    for _, row in [*more, *wanted]:
        row.pop("spans")
    assert more == wanted[-len(more) :]


@needs_signals
@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_process_that_dies_at_work(doomed: Any, k: int) -> None:
    doomed.wait_for_workers(PROCESSES)
    stack = trapped(network(), k, "kill", 40)
    how = {**LONG, "report_every": 10**6, "executor": apart(doomed)}
    with pytest.raises(WorkerLost, match=rf"held module {k} \(worker {k}.*There is no checkpoint"):
        in_time(lambda: list(train(stack, DATA, pipeline(THREE, staleness=2), **how)))


@needs_signals
def test_a_process_that_is_frozen_is_given_up(doomed: Any) -> None:
    doomed.wait_for_workers(PROCESSES)
    executor = apart(doomed, patience=2)
    events = train(network(), DATA, pipeline(TWO, staleness=2), **LONG, executor=executor)
    next(events)
    place = executor.places[2]
    pid = doomed.run(os.getpid, workers=[place])[place]
    os.kill(pid, signal.SIGSTOP)  # it lives, and its connections stay open
    says = r"^the process that held modules \(2, 3\) .* has not answered for 2 seconds\. There is"
    try:
        with pytest.raises(WorkerLost, match=says) as lost:
            in_time(lambda: list(events))
    finally:
        os.kill(pid, signal.SIGKILL)
    assert lost.value.modules == (2, 3)


@pytest.mark.parametrize("first", ["one thread", "apart"])
def test_a_checkpoint_of_one_is_taken_up_by_the_other(
    client: Any, first: str, tmp_path: Path
) -> None:
    path = tmp_path / "run.npz"
    executors: dict[str, Any] = {"one thread": "one thread", "apart": apart(client)}
    second = next(name for name in executors if name != first)
    how: dict[str, Any] = {**HOW, "epochs": 8}
    for program, divided in [
        (pipeline(TWO, staleness=3), pipeline(THREE, staleness=3)),
        (pipeline(THREE, staleness=1), pipeline(TWO, staleness=1)),
        (pipeline(THREE, staleness=4, batches_per_turn=2, guess_again=False),) * 2,
        (complete_unlock(THREE, staleness=2), complete_unlock(TWO, staleness=2)),
        (sequential(3), pipeline(TWO, staleness=0)),
    ]:
        start = network(input_hidden=(4,), generator_hidden=(3,), batch_norm=True)
        whole, stack, again = start.copy(), start.copy(), start.copy()
        list(train(whole, DATA, program, **how))
        kept = Checkpointed(executors[first], checkpoint=path)
        events = train(stack, DATA, program, **how, executor=kept)
        for _ in range(5):
            report = next(events)
        in_time(events.close)  # type: ignore[attr-defined]
        assert isinstance(report, Report)
        assert load(path).batch == report.batch
        rest = Checkpointed(executors[second], resume=path)
        list(train(again, DATA, divided, **how, executor=rest))
        assert bits(again) == bits(whole)


# ---- asked for what can't be ---------------------------------------------------------------------


def test_too_few_processes(client: Any) -> None:
    stack = network(widths=(4, 6, 5, 3, 2))
    program = pipeline([(k,) for k in (1, 2, 3, 4)], staleness=2)
    with pytest.raises(ValueError, match=r"with 3 processes; program 'pipeline' accepts 4"):
        list(train(stack, DATA, program, **LONG, executor=apart(client)))


def test_steps_that_run_alone(client: Any) -> None:
    with pytest.raises(ValueError, match=r"^executor is modules apart, and program is 'blue box'"):
        train(network(), DATA, blue_box(3), **LONG, executor=apart(client))


@pytest.mark.parametrize("patience", [0, -1, "long", None])
def test_a_patience_that_can_not_be(client: Any, patience: Any) -> None:
    with pytest.raises(ValueError, match=r"^patience is .*; it accepts a number above 0"):
        apart(client, patience=patience)


def test_what_is_no_client() -> None:
    with pytest.raises(ValueError, match=r"^client is 'tcp://.*'; it accepts a Dask client"):
        apart("tcp://127.0.0.1:8786")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"address": 8786}, r"^address is 8786; it accepts None or the address of a scheduler"),
        ({"workers": 0}, r"^workers is 0; it accepts a whole number of at least 1"),
    ],
)
def test_a_cluster_that_can_not_be(how: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message), cluster(**how):
        pass


def test_a_cluster_by_its_address_runs_on(client: Any) -> None:
    address = client.scheduler.address
    with cluster(address, workers=2) as other:
        stack, one = network(), network()
        program = pipeline(TWO, staleness=2)
        list(train(stack, DATA, program, **HOW, executor=apart(other)))
        list(train(one, DATA, program, **HOW))
        assert bits(stack) == bits(one)
    assert len(client.nthreads()) == PROCESSES


def test_without_dask_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install -e "\.\[cluster\]"'), cluster():
        pass
    with pytest.raises(ModuleNotFoundError, match=r'pip install -e "\.\[cluster\]"'):
        apart(None)


WHOLE = """
import os, sys, threading
import numpy as np
from dnilab.orderings import pipeline
from dnilab.lessons.many_machines.training import apart, cluster
from dnilab.training import train
from tests.training.planted import DATA, LONG, network

if __name__ == "__main__":
    with cluster(workers=2) as client:
        pids = list(client.run(os.getpid).values())
        how = {**LONG, "epochs": 5, "executor": apart(client)}
        for _ in train(network(), DATA, pipeline(((1,), (2, 3))), **how):
            pass
    alive = []
    for pid in pids:
        try:
            os.kill(pid, 0)
            alive.append(pid)
        except ProcessLookupError:
            pass
    print("done", alive)
"""


@needs_signals
def test_a_whole_run_in_a_script_says_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    script = tmp_path / "whole.py"
    script.write_text(WHOLE, "utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout == "done []\n"
