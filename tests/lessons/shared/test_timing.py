"""Measuring: equal turns, medians, and that what is timed does the work.

No test asserts a time.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from dnilab.here import processes_can_fork
from dnilab.lessons.shared import timing
from dnilab.lessons.shared.rivals import gpipe
from dnilab.lessons.update_orderings.experiments import machine
from dnilab.network import SGD, Adam, BinaryCrossEntropy, Stack
from dnilab.orderings import blue_box, multiplications, pipeline, sequential
from dnilab.training import Span
from dnilab.training.one_thread import one_thread
from tests.training.by_hand import bits

SIZES = (6, 5, 4, 3)
forks = pytest.mark.skipif(not processes_can_fork(), reason="processes cannot fork here")


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


class TestTurns:
    def test_every_contestant_runs_in_every_round(self):
        order = []
        done = timing.take_turns(
            {"a": lambda n: order.append("a"), "b": lambda n: order.append("b")},
            rounds=4,
            seconds=1e-9,
        )
        assert set(done) == {"a", "b"}
        assert order == ["a", "a", "b", "b"] + 4 * ["a", "b"]  # two to warm up and to gauge

    def test_median_of_each(self):
        rounds = [{"a": 1.0, "b": 5.0}, {"a": 9.0, "b": 5.0}, {"a": 2.0, "b": 7.0}]
        assert timing.medians(rounds) == {"a": 2.0, "b": 5.0}

    def test_a_round_at_a_time(self):
        count = []
        rounds = timing.rounds_of({"a": count.append}, rounds=1000, seconds=1e-9)
        next(rounds)
        assert len(count) == 3

    @pytest.mark.parametrize(("name", "value"), [("rounds", 0), ("seconds", 0)])
    def test_bad(self, name, value):
        with pytest.raises(ValueError, match=f"{name} is 0"):
            timing.take_turns({"a": lambda n: None}, **{name: value})


class TestRunner:
    @pytest.mark.parametrize(
        ("program", "executor"),
        [
            (sequential(3), "one thread"),
            (pipeline(((1,), (2, 3)), staleness=2), "threads"),
            (pipeline(((1,), (2,), (3,)), staleness=4, batches_per_turn=2), "one thread"),
            (blue_box(3), "thread per fit"),
            pytest.param(blue_box(3), "process per fit", marks=forks),
        ],
    )
    def test_takes_every_step_of_every_batch(self, program, executor):
        before = threading.active_count()
        spans = timing.runner(SIZES, 4, program, executor)(6)
        expected = {(step.op, step.module, t) for step in program.steps() for t in range(6)}
        assert {(s.op, s.module, s.batch) for s in spans} == expected
        assert len(spans) == 5 * 6
        assert threading.active_count() == before

    def test_may_run_again(self):
        run = timing.runner(SIZES, 4, sequential(3))
        assert len(run(2)) == len(run(2))

    def test_trains_the_network_that_it_is_given_with_the_optimiser_that_it_is_given(self):
        ends = set()
        for optimiser in ({}, {"optimiser": SGD(0.1)}, {"optimiser": Adam(0.1)}):
            stack = Stack.build(SIZES, BinaryCrossEntropy(), np.random.default_rng(3), cuts=(2,))
            program = gpipe(((1,), (2,)), 2)
            before = bits(stack)
            spans = timing.runner(SIZES, 4, program, "threads", stack=stack, **optimiser)(4)
            assert len(spans) == 2 * (4 + 4 + 2)
            assert all(a != b for a, b in zip(bits(stack), before, strict=True))
            ends.add(tuple(bits(stack)))
        assert len(ends) == 3

    @pytest.mark.parametrize("threads", [1, 2])
    def test_blas_threads_are_held_and_restored(self, threads):
        before = blas_threads()
        seen = set()

        def spy(*arguments):
            for at in one_thread(*arguments):
                seen.update(blas_threads() if threads > 1 else {1})
                yield at

        timing.runner(SIZES, 4, sequential(3), spy, blas_threads=threads)(2)
        assert seen == {threads}
        assert blas_threads() == before

    def test_bad(self):
        with pytest.raises(ValueError, match="blas_threads is 0"):
            timing.runner(SIZES, 4, sequential(3), blas_threads=0)


class TestSpans:
    def test_step_times_are_medians_in_seconds(self):
        spans = [Span(0, "fit", 1, t, 10, 10 + length) for t, length in enumerate((5, 100, 7))]
        assert timing.step_times([*spans, Span(0, "fit", 2, 0, 0, 3)]) == {
            ("fit", 1): 7e-9,
            ("fit", 2): 3e-9,
        }

    def test_the_middle_has_as_many_batches_as_asked_for(self):
        spans = [Span(t % 2, "forward_update", 1, t, 10 * t, 10 * t + 10) for t in range(20)]
        assert [s.batch for s in timing.middle(spans, 4)] == [8, 9, 10, 11]
        assert timing.middle(spans[::-1], 4) == timing.middle(spans, 4)

    def test_a_pause_in_the_middle_of_a_run_is_not_all_there_is(self):
        pause = 10_000
        spans = [
            Span(0, "fit", 1, t, start, start + 10)
            for t in range(20)
            for start in [10 * t + pause * (t > 7)]
        ]
        assert timing.middle(spans, 2)
        assert timing.middle(spans[::-1], 2) == timing.middle(spans, 2)

    def test_a_short_run_is_shown_whole(self):
        spans = [Span(0, "fit", 1, t, 10 * t, 10 * t + 10) for t in range(3)]
        assert timing.middle(spans, 4) == spans

    def test_no_spans(self):
        with pytest.raises(ValueError, match="spans is empty"):
            timing.middle([])


def test_the_reference_is_one_module_without_a_guess():
    spans = timing.in_line((4, 6, 5, 3), 5, dtype="float32", blas_threads=2)(3)
    assert [(s.op, s.module) for s in spans] == [
        (op, 1) for _ in range(3) for op in ("forward", "backward", "update")
    ]


def test_groups_of_is_the_most_even_by_the_cost_model():
    assert timing.groups_of((24, 128, 64, 12), 2) == ((1,), (2, 3))
    assert timing.groups_of((784, 256, 256, 10), 2) == ((1,), (2, 3))
    # the work is 160, 320 and 192; to guess again is 64 more in the lower two
    assert timing.groups_of((2, 8, 8, 8), 2, staleness=0) == ((1, 2), (3,))
    assert timing.groups_of((2, 8, 8, 8), 2) == ((1,), (2, 3))
    costs = multiplications((24, 128, 64, 12))
    assert costs["fit", 1] == 128 * 128


class TestTwoAtOnce:
    @pytest.mark.parametrize("how", [machine.together, machine.in_turn])
    def test_each_does_its_work(self, how):
        done = []
        how(lambda n: done.append(("a", n)), lambda n: done.append(("b", n)))(3)
        assert sorted(done) == [("a", 3), ("b", 3)]

    def test_together_is_on_other_threads(self):
        here = []
        machine.together(lambda n: here.append(threading.current_thread()))(1)
        machine.in_turn(lambda n: here.append(threading.current_thread()))(1)
        assert here[0] is not threading.main_thread()
        assert here[1] is threading.current_thread()


def test_what_does_nothing_leaves_nothing():
    before = threading.active_count()
    machine.start_threads(3)
    machine.counting(1)
    machine.products(4, 3)(2)
    assert threading.active_count() == before


@forks
def test_processes_end():
    import multiprocessing

    machine.start_processes(2)
    assert multiprocessing.active_children() == []


def test_without_fork(monkeypatch):
    monkeypatch.setattr(machine, "processes_can_fork", lambda: False)
    with pytest.raises(ValueError, match="can fork"):
        machine.start_processes(1)


def test_the_machine():
    assert timing.cores() >= 1
    assert isinstance(timing.interpreter_lock(), bool)


def test_blas_threads_are_held_whichever_thread_asks():
    """threadpoolctl heeds only the first thread that sets OpenBLAS; a panel is another one."""
    seen = []

    def watch(stack, *given):
        seen.append(blas_threads())
        return one_thread(stack, *given)

    run = timing.runner(SIZES, 8, sequential(3), watch, blas_threads=2)
    before = blas_threads()
    run(2)
    with ThreadPoolExecutor(1) as other:
        other.submit(run, 2).result()
    assert seen == [{2}, {2}]
    assert blas_threads() == before
