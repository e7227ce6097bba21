"""Killed workers, interrupted sweeps: what there is stays, the rest is run, nothing is left."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, ClassVar

import pytest

from dnilab.experiments import run
from dnilab.lessons.many_machines.training.cluster import cluster
from dnilab.lessons.playground.sweeps import (
    Record,
    SweepInterrupted,
    process_pool,
    read_sweep,
    run_job,
    running,
    sweep,
    sweep_plan,
)
from dnilab.lessons.playground.sweeps.executors import OnDask
from dnilab.lessons.playground.sweeps.running import beating
from tests.lessons.playground.sweep_jobs import (
    TINY,
    Planted,
    killed_always,
    killed_once,
    odd_seeds_leave,
    waits_after,
)
from tests.lessons.playground.test_sweep import InLine, by_job, statuses
from tests.training.planted import PATIENCE, in_time, nothing_left

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills processes by signals")
ROOT = Path(__file__).parents[3]
PLAN = sweep_plan(TINY, seeds=range(8))
# Whatever ends these in time, it is not that they came to their end.
WAITING = partial(waits_after, 0, "no such file")


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Any]:
    return by_job(map(run_job, PLAN))


def soon(true: Callable[[], bool]) -> bool:
    """Whether it becomes true."""
    deadline = time.monotonic() + PATIENCE
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return true()


# ---- processes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("own", [True, False], ids=["own processes", "a pool handed in"])
def test_a_killed_process(own: bool, tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    file, mark = tmp_path / "sweep.jsonl", tmp_path / "mark"
    runner = partial(killed_once, str(mark), 3)
    context = multiprocessing.get_context("spawn")
    pool = None if own else ProcessPoolExecutor(2, mp_context=context)
    rows: list[Record] = []
    with nothing_left():
        try:
            with pytest.raises(SweepInterrupted) as interrupted:
                rows.extend(sweep(PLAN, pool, file=file, progress=False, runner=runner))
        finally:
            if pool is not None:
                pool.shutdown()
    fault = interrupted.value
    assert fault.rows == rows
    assert len(rows) + len(fault.missing) == len(PLAN)
    assert 3 in {job.seed for job in fault.missing}
    assert {row.status for row in rows} <= {"done"}
    assert str(fault).startswith(
        "A worker was killed, or could not begin, and its pool is broken. "
        f"{len(rows)} of 8 rows are there, {len(fault.missing)} are missing: the same call with "
        f"file={str(file)!r} runs the rest."
    )
    assert by_job(read_sweep(file)) == by_job(rows)
    # The same call again.
    again = list(sweep(PLAN, None if own else InLine(), file=file, progress=False, runner=runner))
    assert by_job(again) == undisturbed
    assert all(row in again for row in rows)


def test_a_killed_process_without_a_file(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    runner = partial(killed_once, str(tmp_path / "mark"), 7)
    with pytest.raises(SweepInterrupted, match=r"sweep\(fault\.missing\) runs the rest") as fault:
        list(sweep(PLAN, progress=False, runner=runner))
    rest = list(sweep(fault.value.missing, InLine(), progress=False))
    assert by_job([*fault.value.rows, *rest]) == undisturbed


def test_runs_that_were_cancelled_elsewhere() -> None:
    class Leaving(InLine):
        def submit(self, fn: Any, /, job: Any, *args: Any, **kwargs: Any) -> Future[Any]:
            if job.seed < 5:
                return super().submit(fn, job, *args, **kwargs)
            future: Future[Any] = Future()
            future.cancel()
            future.set_running_or_notify_cancel()
            return future

    rows: list[Record] = []
    with pytest.raises(SweepInterrupted, match=r"cluster that had them is gone. 5 of 8 rows are"):
        rows.extend(sweep(PLAN, Leaving(), progress=False))
    assert len(rows) == 5


def test_an_executor_that_is_shut() -> None:
    with ThreadPoolExecutor(1) as threads:
        pass
    with pytest.raises(RuntimeError, match="after shutdown"):
        list(sweep(PLAN, threads, progress=False))


# ---- ended early ---------------------------------------------------------------------------------


def test_closing_early_ends_the_processes() -> None:
    before = set(multiprocessing.active_children())
    with nothing_left():
        rows = sweep(PLAN, progress=False, runner=WAITING)
        assert next(rows).seed == 0
        workers = set(multiprocessing.active_children()) - before
        assert workers
        rows.close()  # type: ignore[attr-defined]
        assert all(worker.exitcode is not None for worker in workers)
        assert set(multiprocessing.active_children()) == before


def test_a_reader_that_fails_ends_the_processes() -> None:
    before = set(multiprocessing.active_children())

    def read() -> None:
        for row in sweep(PLAN, progress=False, runner=WAITING):
            row.seed / 0

    with nothing_left(), pytest.raises(ZeroDivisionError):
        read()
    assert soon(lambda: set(multiprocessing.active_children()) == before)


def test_closing_early_cancels_what_has_not_begun(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    begun = []

    def runner(settings: Any) -> Any:
        begun.append(settings.seed)
        return waits_after(0, str(mark), settings)

    with nothing_left(), ThreadPoolExecutor(2) as threads:
        rows = sweep(PLAN, threads, progress=False, runner=runner)
        next(rows)
        rows.close()  # type: ignore[attr-defined]
        mark.touch()
    assert len(begun) <= 3  # one that was done, two that were under way


def test_ended_by_another_thread_between_two_rows() -> None:
    before = set(multiprocessing.active_children())
    enough, rows = threading.Event(), []
    timer = threading.Timer(0.1, enough.set)

    def read() -> None:
        with (
            process_pool(2) as workers,
            closing(beating(PLAN, workers, runner=WAITING)) as beats,
        ):
            for row in beats:
                if row is not None:
                    rows.append(row)
                    timer.start()
                if enough.is_set():  # while the sweep waits for the next row
                    timer.join()
                    raise Planted

    with nothing_left(), pytest.raises(Planted):
        read()
    assert set(multiprocessing.active_children()) == before
    assert [row.seed for row in rows] == [0]


def test_a_pool_is_ended_in_order_on_a_slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its processes are gone long before its own thread gets to run again."""
    terminate = SpawnProcess.terminate

    def slowly(process: SpawnProcess) -> None:
        terminate(process)
        process.join()
        time.sleep(0.3)

    def begin_and_fail() -> None:
        with process_pool(1) as workers:
            workers.submit(os.getpid).result(PATIENCE)  # it has begun
            futures = [workers.submit(time.sleep, PATIENCE) for _ in range(5)]
            assert soon(futures[1].running)
            time.sleep(0.2)  # its thread is at rest
            for future in futures:  # as a sweep does that is closed
                future.cancel()
            raise Planted

    monkeypatch.setattr(SpawnProcess, "terminate", slowly)
    with nothing_left(), pytest.raises(Planted):
        begin_and_fail()


def test_rows_that_were_there_by_then_are_kept(tmp_path: Path) -> None:
    file, go_on = tmp_path / "sweep.jsonl", threading.Event()
    ran: list[int] = []

    def runner(settings: Any) -> Any:
        if settings.seed > 5:
            go_on.wait(PATIENCE)
        done = run(settings)
        ran.append(settings.seed)
        return done

    with nothing_left(), ThreadPoolExecutor(1) as threads:
        rows = sweep(PLAN, threads, file=file, progress=False, runner=runner)
        next(rows)
        assert soon(lambda: len(ran) == 6)  # five of them while nobody took a row
        assert soon(lambda: threads._work_queue.qsize() == 1)  # and their futures are done
        rows.close()  # type: ignore[attr-defined]
        go_on.set()
    assert len(read_sweep(file)) >= 6


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="no process is forked here"
)
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_pool_that_forks_does_not_hold_the_file(tmp_path: Path) -> None:
    file = tmp_path / "sweep.jsonl"
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        first = by_job(sweep(PLAN[:2], pool, file=file, progress=False))
        assert by_job(sweep(PLAN[:2], pool, file=file, progress=False)) == first


SCRIPT = """
import os, signal, sys
from functools import partial
from dnilab.lessons.playground.sweeps import sweep, sweep_plan
from tests.lessons.playground.sweep_jobs import TINY, waits_after

PLAN, WAITING = sweep_plan(TINY, seeds=range(8)), partial(waits_after, 0, "no such file")
if __name__ == "__main__":
    # Jobs in the background of a shell ignore Ctrl-C, and so does what they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for row in sweep(PLAN, file=sys.argv[1], progress=False, runner=WAITING):
        print("one", flush=True)
"""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_a_sweep_that_is_stopped_from_outside(sent: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C in a terminal, and a kernel that is restarted."""
    script, file = tmp_path / "script.py", tmp_path / "sweep.jsonl"
    script.write_text(SCRIPT, "utf-8")
    with subprocess.Popen(
        [sys.executable, str(script), str(file)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # and so a group of processes of its own
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "one\n"
        if sent == signal.SIGINT:
            os.killpg(process.pid, sent)  # a terminal sends it to the whole group
        else:
            process.send_signal(sent)
        _, said = process.communicate(timeout=PATIENCE)

    def gone() -> bool:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        return False

    assert soon(gone)
    assert process.returncode != 0
    if sent == signal.SIGINT:
        assert said.rstrip().endswith("KeyboardInterrupt")
        assert said.count("Traceback") <= 2  # those of the sweep
        assert "spawn_main" not in said  # none of the workers
    assert [row.seed for row in read_sweep(file)] == [0]


def done_by(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A script that has come to its end; its sweep's file is `sweep.jsonl`."""
    script = folder / "script.py"
    script.write_text(text, "utf-8")
    return subprocess.run(
        [sys.executable, str(script), str(folder / "sweep.jsonl")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE,
    )


def test_a_ctrl_c_that_wakes_nobody(tmp_path: Path) -> None:
    """As one does that comes between Python's last look at the signals and its wait for a row."""
    silent = "import _thread, threading; threading.Timer(0.5, _thread.interrupt_main).start()"
    done = done_by(SCRIPT.replace("print(", f"{silent}; print("), tmp_path)
    assert done.stderr.rstrip().endswith("KeyboardInterrupt")
    assert done.stdout == "one\n"
    assert [row.seed for row in read_sweep(tmp_path / "sweep.jsonl")] == [0]


def test_a_worker_that_is_still_starting_hears_no_ctrl_c(tmp_path: Path) -> None:
    starting = 'if __name__ == "__mp_main__":\n    os.kill(os.getpid(), signal.SIGINT)\n'
    done = done_by(SCRIPT.replace(", runner=WAITING", "") + starting, tmp_path)
    assert done.stderr == ""
    assert done.stdout.count("one") == len(PLAN)


def test_a_script_that_does_not_say_main(tmp_path: Path) -> None:
    done = done_by(SCRIPT.replace('if __name__ == "__main__":', "if True:"), tmp_path)
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert re.search(r'SweepInterrupted: .* a script must call this under if __name__ == "', last)


# ---- Dask ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def local() -> Iterator[Any]:
    """Two workers on this machine."""
    dask = pytest.importorskip("dask")
    pytest.importorskip("distributed")
    # A job that kills its worker is given up after the second, not after the fourth.
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        cluster(workers=2) as one,
    ):
        yield one.cluster


@pytest.fixture
def client(local: Any) -> Iterator[Any]:
    from distributed import Client

    with Client(local, set_as_default=False) as one:
        one.wait_for_workers(2, timeout=PATIENCE)  # a killed one is started again
        yield one


def test_the_same_on_dask(client: Any, undisturbed: dict[str, Any]) -> None:
    rows = list(sweep(PLAN, client.get_executor(), progress=False))
    assert by_job(rows) == undisturbed
    assert all(re.fullmatch(r"process \d+, tcp://.+", row.worker) for row in rows)
    # A client does as well, and is left open.
    assert by_job(sweep(PLAN[:2], client, progress=False)).items() <= undisturbed.items()
    assert client.status == "running"


def test_dask_runs_the_jobs_of_a_killed_worker_elsewhere(
    client: Any, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    mark = tmp_path / "mark"
    rows = sweep(PLAN, client, progress=False, runner=partial(killed_once, str(mark), 3))
    assert by_job(rows) == undisturbed
    assert mark.exists()


def test_a_job_that_kills_every_worker_of_dask(client: Any, tmp_path: Path) -> None:
    file = tmp_path / "sweep.jsonl"
    plan, runner = PLAN[:2], partial(killed_always, 1)
    rows = list(sweep(plan, client, file=file, progress=False, runner=runner))
    assert statuses(rows) == ["done", "failed"]
    assert "failed: KilledWorker: " in repr(rows)
    # Once more: Dask does not remember the failure, and neither do we.
    again = list(sweep(plan, client, file=file, progress=False))
    assert statuses(again) == ["done", "done"]


def test_a_job_that_leaves_on_dask(client: Any) -> None:
    rows = list(sweep(PLAN[:2], client, progress=False, runner=odd_seeds_leave))
    assert statuses(rows) == ["done", "failed"]


def test_a_result_that_dask_lost_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """As its executor leaves it: the future stays pending, and the client has dropped it."""

    class Client:
        futures: ClassVar[dict[str, Any]] = {}

    class Theirs(InLine):
        def submit(self, fn: Any, /, job: Any, *args: Any, key: str) -> Future[Any]:
            if job.seed == 2:
                return Future()
            return super().submit(fn, job, *args)

    monkeypatch.setattr(running, "LOOK", 0.01)
    rows = sweep(PLAN, OnDask(Theirs(), Client), progress=False)
    with pytest.raises(SweepInterrupted, match=r"7 of 8 rows are there") as fault:
        in_time(lambda: list(rows))
    assert [job.seed for job in fault.value.missing] == [2]


# Dask does not start jobs in their order, so only the last one waits, on one of two workers.


def test_a_client_that_is_gone(client: Any, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    rows = sweep(PLAN, client, progress=False, runner=partial(waits_after, 6, str(mark)))
    next(rows)
    client.close()
    with pytest.raises(SweepInterrupted, match=r"the cluster that had them is gone") as fault:
        list(rows)
    mark.touch()
    assert 7 in {job.seed for job in fault.value.missing}
    assert len(fault.value.rows) + len(fault.value.missing) == 8


def not_done(dask_scheduler: Any) -> list[str]:
    """What Dask still means to do, or does."""
    return [task.state for task in dask_scheduler.tasks.values() if task.state != "memory"]


def test_closing_early_takes_back_what_dask_has_not_begun(
    client: Any, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    mark = tmp_path / "mark"
    rows = sweep(PLAN, client, progress=False, runner=partial(waits_after, 6, str(mark)))
    next(rows)
    rows.close()  # type: ignore[attr-defined]
    # Not client.futures: a log of a cancelled one may hold it by its traceback.
    assert soon(lambda: client.run_on_scheduler(not_done) == [])
    mark.touch()
    assert by_job(sweep(PLAN, client, progress=False)) == undisturbed
