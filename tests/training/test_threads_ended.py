"""However a run on threads ends: the caller hears why, no thread is left, the network is usable."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dnilab.network import SGD, Adam, Stack
from dnilab.orderings import Program, Step, pipeline
from dnilab.training import Diverged, Report, WorkerFailed, one_thread, train
from dnilab.training.mailbox import TURNS_AHEAD
from dnilab.training.threads import REPORTS_AHEAD
from tests.training.by_hand import bits
from tests.training.planted import (
    DATA,
    LONG,
    PATIENCE,
    FailingSGD,
    Planted,
    blas_threads,
    hooked,
    in_time,
    network,
    nothing_left,
    usable,
)

ONE, TWO, THREE = ((1, 2, 3),), ((1,), (2, 3)), ((1,), (2,), (3,))
DIVISIONS = pytest.mark.parametrize("groups", [ONE, TWO, THREE], ids=["one", "two", "three"])


def start(stack: Stack, groups: Any = THREE, **how: Any) -> Iterator[Any]:
    program = pipeline(groups, staleness=2)
    return train(stack, DATA, program, **{**LONG, "executor": "threads", **how})


def worker_of(k: int, groups: Any) -> int:
    """The worker of module k, counted from 1."""
    return next(i for i, group in enumerate(groups, 1) if k in group)


# ---- a worker that fails -------------------------------------------------------------------------


def fail_at(batch: int) -> Any:
    def act(t: int) -> None:
        if t == batch:
            raise Planted("no more")

    return act


@DIVISIONS
@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("batch", [0, 7])
def test_a_layer_that_fails(groups: Any, k: int, batch: int) -> None:
    whole = network()
    stack = hooked(whole, k, fail_at(batch))
    with nothing_left():
        with pytest.raises(WorkerFailed) as failed:
            in_time(lambda: list(start(stack, groups)))
        who = f"worker {worker_of(k, groups)}"
        step = f"forward_update of module {k}, batch {batch}"
        assert str(failed.value) == f"{who} failed at {step}: Planted: no more"
        assert isinstance(failed.value.__cause__, Planted)
        assert usable(whole)
        # and it can be trained on
        report = list(start(whole, groups, epochs=2))[-1]
        assert isinstance(report, Report)
        assert report.batch == 6


@DIVISIONS
@pytest.mark.parametrize("k", [1, 2])
def test_a_fit_that_fails(groups: Any, k: int) -> None:
    stack = network()
    (theta,) = stack.modules[k - 1].generator.thetas  # type: ignore[union-attr]
    failing = FailingSGD(1e-3, at=5, size=theta.size)
    with nothing_left():
        with pytest.raises(WorkerFailed) as failed:
            in_time(lambda: list(start(stack, groups, generator_optimiser=failing)))
        who = f"worker {worker_of(k, groups)}"
        step = f"late_fit of module {k}, batch 5"
        assert str(failed.value) == f"{who} failed at {step}: Planted: this update fails"
        assert isinstance(failed.value.__cause__, Planted)
        assert usable(stack)


def test_a_worker_that_fails_while_a_report_is_read() -> None:
    stack = hooked(network(), 2, fail_at(7))
    with nothing_left():
        events = start(stack, report_every=10**6)
        assert isinstance(next(events), Report)
        deadline = time.monotonic() + PATIENCE
        while sum(t.name.startswith("dnilab worker") for t in threading.enumerate()) == 3:
            assert time.monotonic() < deadline
            time.sleep(0.001)  # until it has failed
        with pytest.raises(WorkerFailed, match=r"^worker 2 failed at forward_update of module 2"):
            in_time(lambda: list(events))


def test_even_an_exit_in_a_worker_reaches_the_caller() -> None:
    def leave(t: int) -> None:
        if t == 3:
            raise SystemExit("bye")

    with nothing_left():
        with pytest.raises(WorkerFailed, match=r"module 3, batch 3: SystemExit: bye$") as failed:
            in_time(lambda: list(start(hooked(network(), 3, leave))))
        assert isinstance(failed.value.__cause__, SystemExit)


def test_in_parcels_too() -> None:
    program = pipeline(TWO, staleness=4, batches_per_turn=4)
    how = {**LONG, "executor": "threads"}
    for k in (1, 2, 3):
        with nothing_left():
            stack = hooked(network(), k, fail_at(9))
            with pytest.raises(WorkerFailed, match=rf"forward_update of module {k}, batch 9"):
                in_time(lambda stack=stack: list(train(stack, DATA, program, **how)))


def test_on_one_thread_it_is_the_exception_itself() -> None:
    with nothing_left():
        stack = hooked(network(), 2, fail_at(7))
        with pytest.raises(Planted, match=r"^no more$"):
            list(start(stack, executor="one thread"))


# ---- divergence ----------------------------------------------------------------------------------


@DIVISIONS
@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_divergence_in_one_module(groups: Any, k: int) -> None:
    stack = network()

    def spoil(t: int) -> None:
        if t == 30:
            stack.modules[k - 1].body.thetas[0][-1] = 1e9  # a bias: the others hardly notice

    spoilt = hooked(stack, k, spoil)
    with nothing_left():
        *reports, last = in_time(lambda: list(start(spoilt, groups, report_every=20)))
        assert isinstance(last, Diverged)
        assert (last.module, last.part) == (k, "body")
        assert last.batch >= 30
        assert f"the weights of module {k} grew without bound" in last.message
        assert [report.batch for report in reports] == [0, 20][: len(reports)]
        assert usable(stack)


def test_rates_that_diverge_at_once_and_without_a_warning() -> None:
    for program in (pipeline(THREE, staleness=2), pipeline(TWO, staleness=4, batches_per_turn=4)):
        with nothing_left():
            stack = network(activation="identity")
            # the first look at the parameters comes after 25 turns: time enough for inf and NaN
            how = {**LONG, "optimiser": SGD(1e12), "executor": "threads", "report_every": 10**6}
            last = in_time(lambda s=stack, p=program, h=how: list(train(s, DATA, p, **h)))[-1]
            assert isinstance(last, Diverged)


def test_a_slow_worker_delivers_its_reports_before_another_ends_the_run() -> None:
    def slow(t: int) -> None:
        time.sleep(0.002)

    def both(executor: str) -> list[Any]:
        stack = hooked(network((4, 6, 2)), 2, slow)
        how = {**LONG, "executor": executor, "report_every": 2, "optimiser": SGD(1e-3)}
        how["generator_optimiser"] = SGD(1e9)
        events = list(train(stack, DATA, pipeline(((1,), (2,)), staleness=8), **how))
        return [(type(e), e.batch, getattr(e, "message", "")) for e in events]

    with nothing_left():
        assert in_time(lambda: both("threads")) == both("one thread")


# ---- nothing to do -------------------------------------------------------------------------------


def test_a_module_without_a_step_and_a_worker_without_one() -> None:
    for steps in ([[3], []], [[2], [3]], [[1, 2, 3], []]):
        workers = tuple(tuple(Step("unlocked_update", k) for k in group) for group in steps)
        program = Program("idle", 3, workers)
        told = {}
        for executor in ("one thread", "threads"):
            stack = network(input_hidden=(4,))
            how = {**LONG, "epochs": 2, "report_every": 2, "executor": executor}
            with nothing_left():
                events = in_time(lambda s=stack, p=program, h=how: list(train(s, DATA, p, **h)))
            told[executor] = [e.loss for e in events], bits(stack)
        assert told["threads"] == told["one thread"]
        assert len(told["threads"][0]) > 2


# ---- stopped by the caller -----------------------------------------------------------------------


@DIVISIONS
@pytest.mark.parametrize("reports", range(6))
def test_closing_at_any_report(groups: Any, reports: int) -> None:
    stack = network()
    with nothing_left():
        events = start(stack, groups, report_every=5)
        for n in range(reports):
            assert next(events).batch == 5 * n
            assert len(threading.enumerate()) >= 1 + len(groups)
            assert set(blas_threads()) == {1}
        in_time(events.close)  # type: ignore[attr-defined]
        assert list(events) == []
        assert usable(stack)


def test_closing_at_the_last_report() -> None:
    with nothing_left():
        events = start(network(), epochs=1)
        assert [next(events).batch, next(events).batch] == [0, 3]
        in_time(events.close)  # type: ignore[attr-defined]


def test_dropping_the_iterator() -> None:
    stack = network()
    with nothing_left():
        events = start(stack)
        next(events)
        del events
        gc.collect()
    assert usable(stack)


def test_leaving_the_loop() -> None:
    with nothing_left():
        for report in start(network(), report_every=4):
            if report.batch == 8:
                break
        del report
        gc.collect()


def test_an_iterator_that_was_never_asked_starts_nothing() -> None:
    before = threading.active_count()
    events = start(network())
    assert threading.active_count() == before
    del events


def test_a_consumer_that_fails() -> None:
    def consume() -> None:
        for report in start(network(), report_every=4):
            if report.batch == 8:
                raise Planted

    with nothing_left(), pytest.raises(Planted):
        in_time(consume)


def test_batch_normalisation_is_calibrated_when_a_run_was_closed() -> None:
    stack = network(batch_norm=True)
    with nothing_left():
        events = start(stack, report_every=5, optimiser=Adam(0.01))
        for _ in range(4):
            next(events)
        in_time(events.close)  # type: ignore[attr-defined]
    fresh = stack.copy()
    fresh.calibrate(DATA.x_train)
    assert (fresh.outputs(DATA.x_test) == stack.outputs(DATA.x_test)).all()


def test_dropped_in_a_cycle_and_collected_on_one_of_its_own_threads() -> None:
    dropped = threading.Event()
    collected = threading.Event()

    def collect(t: int) -> None:
        if dropped.is_set() and not collected.is_set():
            gc.collect()
            collected.set()

    class Holder:
        """Holds itself, so that only the garbage collector can free it."""

        def __init__(self, events: Any) -> None:
            self.me, self.events = self, events

    unraisable: list[Any] = []
    before, hook = set(threading.enumerate()), sys.unraisablehook
    sys.unraisablehook = unraisable.append
    gc.disable()
    try:
        holder = Holder(start(hooked(network(), 2, collect), report_every=10**6))
        next(holder.events)
        del holder
        dropped.set()
        assert collected.wait(PATIENCE), "hangs"
        deadline = time.monotonic() + PATIENCE
        while set(threading.enumerate()) - before:
            assert time.monotonic() < deadline, "a thread is left"
            time.sleep(0.001)
    finally:
        gc.enable()
        sys.unraisablehook = hook
    assert unraisable == []


def test_blas_can_be_let_go_by_a_thread_that_is_about_to_hold_it() -> None:
    # what the collection of an abandoned run comes to, at the worst moment
    def work() -> None:
        outer = one_thread.one_blas_thread()
        outer.__enter__()
        with one_thread._lock:
            outer.__exit__(None, None, None)

    with nothing_left():
        in_time(work)


def test_two_runs_that_overlap_restore_blas_with_the_last_of_them() -> None:
    with nothing_left():
        first, second = start(network()), start(network())
        next(first)
        next(second)
        assert set(blas_threads()) == {1}
        in_time(first.close)  # type: ignore[attr-defined]
        assert set(blas_threads()) == {1}
        assert sys.getswitchinterval() == one_thread.SOON  # threads take turns sooner
        next(second)
        in_time(second.close)  # type: ignore[attr-defined]
        assert set(blas_threads()) == {2}


def test_blas_on_one_thread_is_free_between_reports() -> None:
    seen = []
    with nothing_left():
        stack = hooked(network(), 1, lambda t: seen.append(set(blas_threads())))
        for _ in start(stack, epochs=1, executor="one thread"):
            assert set(blas_threads()) == {2}
    assert seen == [{1}] * 3


# ---- interrupted ---------------------------------------------------------------------------------

INTERRUPTED = """
import _thread, os, signal, sys, threading
from dnilab.training import train
from dnilab.orderings import pipeline
from tests.training.planted import DATA, LONG, blas_threads, hooked, network, usable
from threadpoolctl import threadpool_limits

def interrupt(t):
    if t == 40:
        if sys.argv[1] == "signal":
            os.kill(os.getpid(), signal.SIGINT)
        else:
            _thread.interrupt_main()

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored, where started in the background
with threadpool_limits(2, user_api="blas"):
    stack = hooked(network(), 2, interrupt)
    how = {**LONG, "epochs": 10**5, "report_every": int(sys.argv[2])}
    program = pipeline(((1,), (2,), (3,)), staleness=2)
    try:
        for event in train(stack, DATA, program, executor="threads", **how):
            pass
    except KeyboardInterrupt:
        # the traceback still holds the loop's iterator, as it does in a notebook
        names = [thread.name for thread in threading.enumerate()]
        print("interrupted", names, set(blas_threads()), usable(stack))
"""


@pytest.mark.parametrize(
    ("how", "report_every"),
    [
        pytest.param(
            "signal",
            10**9,  # the caller is waiting for a report that is far away
            marks=pytest.mark.skipif(os.name == "nt", reason="os.kill ends the process there"),
        ),
        ("interrupt_main", 1),
    ],
)
def test_an_interrupt_in_the_middle(how: str, report_every: int) -> None:
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", INTERRUPTED, how, str(report_every)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE,
        check=False,
    )
    assert result.stderr == ""
    assert result.stdout == "interrupted ['MainThread'] {2} True\n"


# ---- bounded -------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_caller_that_reads_no_further_is_not_left_far_behind(k: int) -> None:
    reached = threading.Event()
    seen = []

    def note(t: int) -> None:
        seen.append(t)
        if t + 1 == REPORTS_AHEAD:
            reached.set()

    with nothing_left():
        events = start(hooked(network(), k, note), report_every=1)
        next(events)
        assert reached.wait(PATIENCE)
        time.sleep(0.05)  # time enough for hundreds of batches
        assert seen == list(range(REPORTS_AHEAD))
        # it goes on by one for each report that is read
        next(events)
        deadline = time.monotonic() + PATIENCE
        while len(seen) <= REPORTS_AHEAD:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        time.sleep(0.02)
        assert len(seen) == REPORTS_AHEAD + 1
        in_time(events.close)  # type: ignore[attr-defined]


def test_closing_while_workers_wait_for_one_that_never_answers() -> None:
    # see test_threads_memory: the lower worker stops a few turns ahead of the upper one
    steps = ((Step("forward", 1), Step("forward", 2)), (Step("forward_update", 3),))
    program = Program("last layer only, two workers", 3, steps)
    release, far_ahead = threading.Event(), threading.Event()

    def hold(t: int) -> None:
        if t == 5:
            release.wait(PATIENCE)

    def ahead(t: int) -> None:
        if t == 5 + TURNS_AHEAD - 1:
            far_ahead.set()

    with nothing_left():
        stack = hooked(hooked(network(), 3, hold), 1, ahead)
        events = train(stack, DATA, program, **LONG, executor="threads", report_every=10**6)
        next(events)
        assert far_ahead.wait(PATIENCE)
        time.sleep(0.02)  # until it waits
        later = threading.Timer(0.05, release.set)
        later.start()
        in_time(events.close)  # type: ignore[attr-defined]
        later.join()


@pytest.mark.parametrize("executor", ["one thread", "threads"])
def test_blas_is_held_whichever_thread_trains(executor: str) -> None:
    seen = []
    with nothing_left():  # here, the main thread has set BLAS before
        stack = hooked(network(), 1, lambda t: seen.append(set(blas_threads())))
        in_time(lambda: list(start(stack, epochs=1, executor=executor)))
    assert seen == [{1}] * 3
