"""A plan, its rows, and that they are the same on every executor."""

from __future__ import annotations

import math
import re
import subprocess
import sys
import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dnilab.experiments import Settings, run
from dnilab.experiments.settings import OWN
from dnilab.lessons.playground.experiments.saved_runs import in_order
from dnilab.lessons.playground.sweeps import Job, Record, executors, run_job, sweep, sweep_plan
from dnilab.lessons.playground.sweeps.running import beating
from tests.lessons.playground.sweep_jobs import TINY, Planted, odd_seeds_fail, odd_seeds_leave
from tests.training.planted import blas_threads, nothing_left

ROOT = Path(__file__).parents[3]


class InLine(Executor):
    """Runs a job when it is submitted: the least that an executor can be."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as fault:
            future.set_exception(fault)
        return future


def by_job(rows: Any) -> dict[str, Any]:
    """What has to be the same everywhere, by the key of the job."""
    rows = list(rows)
    found = {row.job.key: row.same for row in rows}
    assert len(found) == len(rows)
    return found


def statuses(rows: Any) -> list[str]:
    return [row.status for row in sorted(rows, key=lambda row: row.seed)]


# ---- the plan ------------------------------------------------------------------------------------


def test_a_plan_is_every_combination_with_every_seed() -> None:
    plan = sweep_plan(TINY, {"rate": (0.1, 0.2), "hidden": ((4,), (5, 6))}, seeds=(0, 3))
    assert [(job.asked["rate"], job.asked["hidden"], job.seed) for job in plan] == [
        *[(0.1, (4,), 0), (0.1, (4,), 3), (0.1, (5, 6), 0), (0.1, (5, 6), 3)],
        *[(0.2, (4,), 0), (0.2, (4,), 3), (0.2, (5, 6), 0), (0.2, (5, 6), 3)],
    ]
    assert plan[-1].settings == TINY.but(rate=0.2, hidden=(5, 6), seed=3)
    assert len({job.key for job in plan}) == 8


def test_a_plan_of_several_settings() -> None:
    ways = [TINY, TINY.but(ordering="backprop"), TINY.but(rate=1)]
    plan = sweep_plan(iter(ways), seeds=[1])
    assert [job.settings for job in plan] == [way.but(seed=1) for way in ways]
    doubled = sweep_plan([TINY, TINY.but(seed=9)], {"rate": np.array([1, 2.0])}, seeds=[1])
    assert [job.settings for job in doubled] == [TINY.but(rate=r, seed=1) for r in (1, 2)]


def test_a_combination_that_cannot_be_is_a_job_that_says_so() -> None:
    values = [1, 0, -1.5, math.inf, "fast", None, [1], np.float32(0.5), np.zeros(2), {"a": {1}}]
    plan = sweep_plan(TINY, {"rate": values}, seeds=(0, 1))
    assert len(plan) == 2 * len(values)
    accepted = [job.asked["rate"] for job in plan if job.settings is not None]
    assert accepted == [1.0, 1.0, 0.5, 0.5]
    assert plan[2].refused == "rate is 0; it accepts a number above 0"
    assert plan[4].refused == "rate is -1.5; it accepts a number above 0"
    assert plan[4].asked == {**plan[0].asked, "rate": -1.5, "seed": 0}
    assert "rate is 'fast'" in plan[8].refused
    assert all(job.refused for job in plan if job.settings is None)


def test_own_arrays_are_refused() -> None:
    (job,) = sweep_plan(TINY.but(task=OWN), seeds=[0])
    assert job.settings is None
    assert job.refused.startswith("task is 'own arrays', whose rows are not in the settings")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((TINY, {"rat": (1,)}), "grid names 'rat', which is not a setting; it accepts task, bits"),
        ((TINY, {"seed": (1,)}), "grid names 'seed'; the seeds are handed over as seeds="),
        ((TINY, {"rate": 0.1}), "grid['rate'] is 0.1; it accepts several values"),
        ((TINY, {"task": "digits"}), "grid['task'] is 'digits'; it accepts several values"),
        ((TINY, {"rate": ()}), "grid['rate'] is empty; it accepts at least one value"),
        ((TINY, None, ()), "seeds is (); it accepts different whole numbers, at least 1"),
        ((TINY, None, (1, 1)), "seeds is (1, 1); it accepts different"),
        ((TINY, None, (0.5,)), "seeds is 0.5; it accepts a whole number of at least 0"),
        (([],), "settings is empty; it accepts Settings, one or several"),
        (([3],), "settings is 3; it accepts Settings, one or several"),
        ((3,), "settings is 3; it accepts Settings, one or several"),
        ((None,), "settings is None; it accepts Settings, one or several"),
        ((TINY, None, 3), "seeds is 3; it accepts several whole numbers"),
        ((TINY, None, None), "seeds is None; it accepts several whole numbers"),
        ((TINY, None, "12"), "seeds is '12'; it accepts several whole numbers"),
        ((TINY, None, iter([1, 1])), "seeds is (1, 1); it accepts different"),
        ((TINY, [("rate", 1)]), "grid is [('rate', 1)]; it accepts several values by a setting's"),
        ((TINY, []), "grid is []; it accepts several values by a setting's name, as {'rate': (1"),
    ],
)
def test_a_plan_that_makes_no_sense(arguments: Any, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        sweep_plan(*arguments)


@pytest.mark.parametrize("long", ["x" * 10**6, ["y"] * 10**5, {"z": "z" * 10**6}])
def test_an_error_does_not_repeat_all_of_what_it_got(long: Any) -> None:
    for attempt in (
        lambda: sweep_plan(long),
        lambda: sweep_plan(TINY, [long]),  # type: ignore[arg-type]
        lambda: sweep_plan(TINY, {"x" * 10**6: (1,)}),
        lambda: sweep_plan(TINY, {"rate": 10**6 * "x"}),
        lambda: sweep([long]),
        lambda: sweep([TINY], executor=long),
        lambda: in_order([], long),
        lambda: run_job(Job.of(TINY)).score(str(long)),
    ):
        with pytest.raises(ValueError, match="accepts") as caught:
            attempt()
        assert len(str(caught.value)) < 600


# ---- the rows ------------------------------------------------------------------------------------


def test_a_row_has_the_numbers_of_a_run() -> None:
    (row,) = sweep([TINY.but(seed=4)], InLine(), progress=False)
    alone = run(TINY.but(seed=4))
    assert row.status == "done"
    assert row.settings == TINY.but(seed=4)
    assert row.seed == 4
    assert row.message == ""
    assert row.score("test_loss") == alone.final("test_loss")
    assert row.score("loss") == alone.final("loss")
    assert row.score("right") == row.score("bit_accuracy") == alone.final("bit_accuracy")
    assert row.curve == tuple(alone.curve("bit_accuracy"))
    assert len(row.curve) == 3
    assert row.score("seconds") == row.seconds > 0
    with pytest.raises(ValueError, match=r"what is 'x'; it accepts one of seconds, loss, test_l"):
        row.score("x")


@pytest.mark.parametrize("asked", [{}, {"seed": None}, {"seed": "one"}, {"seed": [1]}])
def test_a_refused_row_that_was_asked_without_a_seed(asked: Any) -> None:
    row = run_job(Job({"rate": -1, **asked}, None, "rate is -1"))
    assert row.status == "refused"
    for one in (row, row.job):
        with pytest.raises(
            ValueError, match=r"^seed is .*; it accepts a whole number of at least 0"
        ):
            _ = one.seed


def test_the_digest_tells_weights_apart() -> None:
    rows = [run_job(Job.of(TINY.but(seed=seed))) for seed in (0, 1, 0)]
    assert rows[0].weights == rows[2].weights != rows[1].weights
    assert rows[0].same == rows[2].same != rows[1].same


def test_images_are_right_where_the_class_is() -> None:
    images = Settings(task="digits", hidden=(8,), epochs=1, batch_size=200)
    (row,) = sweep([images], InLine(), progress=False)
    assert row.score("right") == 1 - row.score("class_error")


def test_a_run_that_fails_is_a_row_that_says_so() -> None:
    plan = sweep_plan(TINY, seeds=range(4))
    for runner, says in ((odd_seeds_fail, "Planted: seed 3 is odd"), (odd_seeds_leave, "bye")):
        with ThreadPoolExecutor(2) as threads:
            rows = list(sweep(plan, threads, progress=False, runner=runner))
        assert statuses(rows) == ["done", "failed", "done", "failed"]
        (row,) = [row for row in rows if row.seed == 3]
        assert row.message.endswith(says)
        assert math.isnan(row.score("loss"))
        assert math.isnan(row.score("seconds"))


def test_what_the_executor_itself_raises_is_a_row_too() -> None:
    class Careless(InLine):
        def submit(self, fn: Any, /, job: Any, *args: Any, **kwargs: Any) -> Future[Any]:
            if job.seed != 1:
                return super().submit(fn, job, *args, **kwargs)
            future: Future[Any] = Future()
            future.set_exception(Planted("lost on the way"))
            return future

    rows = list(sweep(sweep_plan(TINY), Careless(), progress=False))
    assert statuses(rows) == ["done", "failed", "done"]
    assert "failed: Planted: lost on the way" in repr(rows)


def test_rows_come_as_they_finish() -> None:
    second = threading.Event()

    def runner(settings: Settings) -> Any:
        if settings.seed == 0:
            assert second.wait(20)
        return run(settings)

    with ThreadPoolExecutor(2) as threads:
        rows = sweep(sweep_plan(TINY, seeds=(0, 1)), threads, progress=False, runner=runner)
        assert next(rows).seed == 1
        second.set()
        assert [row.seed for row in rows] == [0]


def test_equal_jobs_are_run_once() -> None:
    assert len(list(sweep([TINY, TINY, *sweep_plan(TINY)], InLine(), progress=False))) == 3


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"jobs": [3]}, "jobs holds 3; it accepts what sweep_plan made"),
        ({"jobs": TINY}, "it accepts what sweep_plan made, in a list"),
        ({"file": 5}, "file is 5; it accepts the path of a file, as 'sweep.jsonl'"),
        ({"file": "nowhere/x.jsonl"}, "it accepts a file in a folder that exists"),
        ({"executor": 2}, "executor is 2; it accepts a concurrent.futures.Executor"),
        ({"progress": "yes"}, "progress is 'yes'; it accepts True or False"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_at_once(how: Any, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        sweep(**{"jobs": [TINY], **how})


# ---- everywhere the same -------------------------------------------------------------------------

EVERY_KIND = [
    *sweep_plan(TINY, {"rate": (1e-3, 1e9, -1)}, seeds=(0, 1)),
    *sweep_plan(TINY, {"dtype": ("float32",), "batch_norm": (True, False)}, seeds=[2]),
    *sweep_plan(TINY.but(hidden=(6, 5)), {"ordering": ("pipeline", "backprop")}, seeds=[3]),
    *sweep_plan(TINY.but(ordering="pipeline", rate=1e9), seeds=range(5)),
    *sweep_plan(Settings(task="digits", hidden=(8,), epochs=1, batch_size=200), seeds=[0]),
]


@pytest.fixture(scope="module")
def in_line() -> dict[str, Any]:
    rows = [run_job(job) for job in EVERY_KIND]
    assert {row.status for row in rows} == {"done", "diverged", "refused"}
    return by_job(rows)


def test_the_same_on_threads(in_line: dict[str, Any]) -> None:
    with nothing_left(), ThreadPoolExecutor(3) as threads:
        assert by_job(sweep(EVERY_KIND, threads, progress=False)) == in_line


def test_the_same_in_processes(in_line: dict[str, Any]) -> None:
    with nothing_left():
        rows = list(sweep(EVERY_KIND, progress=False))
    assert by_job(rows) == in_line
    workers = {row.worker for row in rows if row.status != "refused"}
    assert 1 <= len(workers) <= executors.workers_here()
    assert not any(f"process {executors.os.getpid()}" in worker for worker in workers)


@pytest.mark.usefixtures("in_a_browser")
def test_the_same_in_a_browser_one_after_the_other(in_line: dict[str, Any]) -> None:
    assert executors.workers_here() == 1
    with nothing_left():
        rows = list(sweep(EVERY_KIND, progress=False))
    assert by_job(rows) == in_line
    ran = [row.job.key for row in rows if row.status != "refused"]
    assert ran == [job.key for job in EVERY_KIND if job.settings is not None]


@pytest.mark.usefixtures("in_a_browser")
def test_in_a_browser_a_sweep_does_a_run_only_when_its_row_is_asked_for() -> None:
    ran: list[int] = []

    def runner(settings: Settings) -> Any:
        ran.append(settings.seed)
        return run(settings)

    with executors.process_pool() as pool:
        rows = beating(sweep_plan(TINY, seeds=range(3)), pool, runner=runner)
        first = next(row for row in rows if row is not None)
        assert (first.status, ran) == ("done", [first.seed])
        rows.close()
    assert len(ran) == 1


def test_in_this_process_a_fault_is_kept_and_what_is_cancelled_is_left_out() -> None:
    pool = executors.InProcess()
    bad, never, good = pool.submit(int, "x"), pool.submit(int, "2"), pool.submit(int, "3")
    never.cancel()
    pool.work()
    assert isinstance(bad.exception(0), ValueError)
    pool.work()
    assert good.result(0) == 3
    pool.work()  # nothing is left


def test_a_job_has_one_blas_thread() -> None:
    seen: list[int] = []

    def runner(settings: Settings) -> Any:
        seen.extend(blas_threads())
        return run(settings)

    with nothing_left():
        list(sweep([TINY], InLine(), progress=False, runner=runner))
    assert set(seen) == {1}


def test_the_workers_of_an_ordering_take_turns_unless_threads_are_asked_for() -> None:
    used: list[str] = []

    def runner(settings: Settings) -> Any:
        used.append(settings.executor_name())
        return run(settings)

    pipeline = TINY.but(ordering="pipeline")
    ways = [pipeline, pipeline.but(executor="threads"), TINY.but(ordering="blue box"), TINY]
    rows = list(sweep(ways, InLine(), progress=False, runner=runner))
    assert sorted(used) == ["one thread", "one thread", "thread per fit", "threads"]
    assert {row.settings for row in rows} == set(ways)
    digests = {row.weights for row in rows if row.asked["ordering"] == "pipeline"}
    assert len(digests) == 1


# ---- how many processes --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "quota", "limit", "workers"),
    [
        (8, None, None, 8),
        (8, "max 100000\n", "", 8),
        (8, "300000 100000\n", None, 3),
        (8, "50000 100000\n", None, 1),
        (8, "600000 100000\n", "2.5", 2),
        (8, "nonsense", "many", 8),
        (1, "600000 100000\n", "0", 1),
    ],
)
def test_a_container_has_as_many_workers_as_its_share(
    there: int,
    quota: str | None,
    limit: str | None,
    workers: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(executors, "cores", lambda: there)
    monkeypatch.setattr(executors, "_QUOTA", tmp_path / "cpu.max")
    monkeypatch.delenv("CPU_LIMIT", raising=False)
    if quota is not None:
        (tmp_path / "cpu.max").write_text(quota, "ascii")
    if limit is not None:
        monkeypatch.setenv("CPU_LIMIT", limit)
    assert executors.workers_here() == workers


# ---- the progress bar ----------------------------------------------------------------------------


def test_the_bar_counts_and_says_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    before = threading.active_count()
    list(sweep(sweep_plan(TINY, seeds=range(4)), InLine(), runner=odd_seeds_fail))
    said = capsys.readouterr().err
    assert "Sweep" in said
    assert "4/4" in said
    assert "2 failed" in said
    assert threading.active_count() == before
    list(sweep([TINY], InLine(), progress=False))
    assert capsys.readouterr().err == ""


def test_importing_the_experiments_loads_no_bar_and_no_cluster() -> None:
    program = (
        "import sys, dnilab.experiments; "
        "print(sorted({'tqdm', 'distributed', 'IPython'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_a_row_in_words() -> None:
    row = Record(Job.of(TINY.but(seed=3)), "done", curves={"right": (0.25, 0.5)})
    assert repr(row).endswith("rate=0.01, batch_size=10, epochs=2, seed=3>, done, right 50.0 %>")
