"""Something new for every fit, as published: what trains, what is lost, and who is refused."""

from __future__ import annotations

import gc
import threading
import time
from functools import partial
from typing import Any

import numpy as np
import pytest

from dnilab.data.dataset import Feed
from dnilab.here import processes_can_fork
from dnilab.network import SGD, Adam
from dnilab.orderings import (
    Program,
    Step,
    backprop,
    blue_box,
    check,
    last_layer_only,
    pipeline,
    sequential,
    sparse,
)
from dnilab.training import Diverged, Report, WorkerFailed, published_threads, train
from dnilab.training.train import executor_for, make_workers
from tests.learned import Learned
from tests.training.by_hand import bits, small_data
from tests.training.planted import (
    DATA,
    LONG,
    FailingSGD,
    Planted,
    blas_threads,
    hooked,
    in_time,
    network,
    nothing_left,
    usable,
)

FORK = pytest.mark.skipif(not processes_can_fork(), reason="this system can't fork")
EITHER = pytest.mark.parametrize(
    "executor", ["thread per fit", pytest.param("process per fit", marks=FORK)]
)
HOW: dict[str, Any] = {"optimiser": Adam(0.01), "batch_size": 4, "epochs": 4}


def generators(stack: Any) -> list[np.ndarray]:
    return [theta for m in stack.modules if m.generator for theta in m.generator.thetas]


def test_a_thread_per_fit_trains_everything() -> None:
    stack = network()
    start = bits(stack)
    with nothing_left():
        events = in_time(
            lambda: list(train(stack, DATA, blue_box(3), **HOW, executor="thread per fit"))
        )
    assert [event.batch for event in events] == [0, 3, 6, 9, 12]
    assert all(a != b for a, b in zip(bits(stack), start, strict=True))
    assert all(np.isfinite(theta).all() for theta in stack.thetas)


def test_a_thread_per_fit_learns(seed: int, learned: Learned) -> None:
    # y is a copy of two of the inputs
    rng = np.random.default_rng(seed)
    x = rng.choice([-1.0, 1.0], (200, 4))
    data = small_data(rows=13)
    data = type(data)("copy", "bits", x, (x[:, :2] + 1) / 2, x[:50], (x[:50, :2] + 1) / 2)
    how = {**HOW, "epochs": 15, "batch_size": 20, "seed": seed}
    stack = network(seed=seed)
    first, *_, last = train(stack, data, blue_box(3), **how, executor="thread per fit")
    assert isinstance(first, Report)
    assert isinstance(last, Report)
    learned("loss left", last.loss / first.loss, below=0.5)


def test_one_fit_at_a_time_for_each_module_each_on_a_new_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[tuple[str, threading.Thread]] = []

    class Noted(published_threads._InThread):
        def __init__(self, action: Any, name: str, t: int) -> None:
            module = name.split()[-1]
            for other, thread in started:
                assert other != module or not thread.is_alive()
            super().__init__(action, name, t)
            started.append((module, self.thread))

    noted = partial(published_threads._run, Noted)
    monkeypatch.setattr(published_threads, "thread_per_fit", noted)
    with nothing_left():
        list(train(network(), DATA, blue_box(3), **HOW, executor="thread per fit"))
    assert [module for module, _ in started].count("1") == 12
    assert len({id(thread) for _, thread in started}) == 24
    assert threading.main_thread() not in {thread for _, thread in started}


@FORK
def test_a_process_per_fit_leaves_the_generators_where_they_were() -> None:
    stack = network()
    with nothing_left():
        events = in_time(
            lambda: list(
                train(stack, DATA, blue_box(3), **HOW, probe_rows=5, executor="process per fit")
            )
        )
    assert [event.batch for event in events] == [0, 3, 6, 9, 12]
    assert all((theta == 0).all() for theta in generators(stack))
    # what they say is 0: module 1 is told 0 by module 2, and module 2 has learned nothing
    assert events[-1].cosine == (0, 0)
    assert events[-1].generator_error == (0, 1)
    # which comes to the same as training the last layer alone
    top = network()
    list(train(top, DATA, last_layer_only(3), **HOW))
    assert bits(stack) == bits(top)


@EITHER
def test_nothing_is_kept_of_a_fit_that_is_done(executor: str) -> None:
    stack, program, rate = network(), blue_box(3), SGD(1e-3)
    owners = check(program)
    workers = make_workers(stack, lambda: Feed(DATA, 4, 0), program, owners, rate, rate, 12)
    with nothing_left():
        for _ in executor_for(executor, program)(stack, workers, program, owners, [5, 12]):
            assert workers[0].store == {}
            assert workers[0].feed._kept == {}


def test_on_one_thread_the_blue_box_is_the_red_box() -> None:
    red, blue = network(), network()
    list(train(red, DATA, sequential(3), **HOW))
    list(train(blue, DATA, blue_box(3), **HOW))
    assert bits(red) == bits(blue)


@EITHER
@pytest.mark.parametrize("every", [1, 2, 5])
def test_reports_come_when_every_fit_is_done(executor: str, every: int) -> None:
    with nothing_left():
        before = threading.active_count()
        batches = []
        how = {**HOW, "epochs": 2}
        for event in train(
            network(), DATA, blue_box(3), **how, report_every=every, executor=executor
        ):
            assert threading.active_count() == before
            batches.append(event.batch)
    assert batches == sorted({*range(0, 6, every), 6})


# ---- ended early ---------------------------------------------------------------------------------


def failing(k: int) -> FailingSGD:
    (theta,) = network().modules[k - 1].generator.thetas  # type: ignore[union-attr]
    return FailingSGD(1e-3, at=0, size=theta.size)


@pytest.mark.parametrize("k", [1, 2])
def test_a_fit_that_fails_on_its_thread_is_told(k: int) -> None:
    stack = network()
    how = {**LONG, "generator_optimiser": failing(k), "executor": "thread per fit"}
    with nothing_left():
        with pytest.raises(WorkerFailed) as failed:
            in_time(lambda: list(train(stack, DATA, blue_box(3), **how)))
        assert str(failed.value) == f"fit of module {k}, batch 0 failed: Planted: this update fails"
        assert isinstance(failed.value.__cause__, Planted)
        assert usable(stack)


@FORK
@pytest.mark.parametrize("k", [1, 2])
def test_a_fit_that_fails_in_its_process_is_told(k: int, capfd: pytest.CaptureFixture[str]) -> None:
    stack = network()
    how = {**LONG, "generator_optimiser": failing(k), "executor": "process per fit"}
    with nothing_left():
        with pytest.raises(WorkerFailed) as failed:
            in_time(lambda: list(train(stack, DATA, blue_box(3), **how)))
        assert str(failed.value) == f"fit of module {k}, batch 0 failed with exit code 1"
        assert usable(stack)
    assert "Planted: this update fails" in capfd.readouterr().err  # where the child could say it


@EITHER
def test_a_module_that_fails_while_fits_are_under_way(executor: str) -> None:
    def fail(t: int) -> None:
        if t == 3:
            raise Planted("no more")

    stack = hooked(network(), 3, fail)
    with nothing_left(), pytest.raises(Planted, match=r"^no more$"):
        in_time(lambda: list(train(stack, DATA, blue_box(3), **LONG, executor=executor)))


@EITHER
@pytest.mark.parametrize("way", ["close", "drop"])
def test_closed_or_dropped(executor: str, way: str) -> None:
    stack = network()
    with nothing_left():
        events = train(stack, DATA, blue_box(3), **LONG, report_every=2, executor=executor)
        for _ in range(3):
            next(events)
        if way == "close":
            in_time(events.close)  # type: ignore[attr-defined]
        del events
        gc.collect()
        assert usable(stack)


def test_diverged() -> None:
    how = {**LONG, "optimiser": SGD(1e12), "executor": "thread per fit"}
    with nothing_left():
        stack = network(activation="identity")
        events = in_time(lambda: list(train(stack, DATA, blue_box(3), **how)))
    assert isinstance(events[-1], Diverged)
    assert all(isinstance(event, Report) for event in events[:-1])


def test_blas_is_held_while_fits_run() -> None:
    seen = []

    def look(t: int) -> None:
        time.sleep(0.001)
        seen.append(set(blas_threads()))

    with nothing_left():
        stack = hooked(network(), 2, look)
        list(train(stack, DATA, blue_box(3), **HOW, executor="thread per fit"))
    assert seen == [{1}] * 12


# ---- refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "program",
    [
        sequential(3),
        pipeline(((1,), (2, 3)), staleness=1),
        sparse(3),
        backprop(3),
        last_layer_only(3),
    ],
    ids=lambda program: program.name,
)
@pytest.mark.parametrize("executor", ["thread per fit", "process per fit"])
def test_only_steps_that_run_alone(program: Program, executor: str) -> None:
    says = (
        rf"^executor is '{executor}', and program is '{program.name}'; this executor accepts "
        r"steps that run alone, as in the Blue Box$"
    )
    with pytest.raises(ValueError, match=says):
        train(network(), DATA, program, **HOW, executor=executor)


def test_threads_do_not_take_what_races() -> None:
    says = (
        r"^executor is 'threads', and program is 'blue box'; this executor accepts "
        r"programs without such steps, as in the Blue Box$"
    )
    with pytest.raises(ValueError, match=says):
        train(network(), DATA, blue_box(3), **HOW, executor="threads")


@pytest.mark.parametrize("executor", ["thread per fit", "process per fit"])
def test_one_worker_only(executor: str) -> None:
    below = (Step("forward_update", 1), Step("fit", 1, -1, alone=True))
    above = (Step("forward_update", 2), Step("forward_update", 3))
    program = Program("two", 3, (below, above))
    with pytest.raises(ValueError, match=r"^executor is .* with 2 workers; .* with one worker"):
        train(network(), DATA, program, **HOW, executor=executor)


def test_processes_that_can_not_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        published_threads.multiprocessing, "get_all_start_methods", lambda: ["spawn"]
    )
    assert not processes_can_fork()
    says = r"^executor is 'process per fit'; it accepts systems that can fork only"
    with pytest.raises(ValueError, match=says):
        train(network(), DATA, blue_box(3), **HOW, executor="process per fit")


@pytest.mark.parametrize("executor", ["fast", None, 3])
def test_an_unknown_executor(executor: Any) -> None:
    with pytest.raises(ValueError, match=r"^executor is .*; it accepts one of 'one thread', 'thr"):
        train(network(), DATA, sequential(3), **HOW, executor=executor)
