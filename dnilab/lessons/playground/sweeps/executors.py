"""Where the runs of a sweep are done: a pool of processes of one's own, or Dask.

The pool is gone when it is left, and no larger than this machine allows.  In a browser, where no
process starts, the runs are done one after the other in this one.

Dask's own executor (distributed 2026.8, ``cfexecutor.py``) forgets a future whose result was on
its way when the connection broke or the client was closed: it stays pending, and who waits for it
waits for ever.  The client knows better: it drops such a future.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any
from uuid import uuid4

from dnilab.checks import whole_number
from dnilab.here import threads_start
from dnilab.lessons.shared.timing import cores

_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # Linux, control groups version 2


def workers_here() -> int:
    """How many processes can compute at once: the cores that this process may use.

    A container is often given a share of a large machine's time and still sees all its cores, so
    its quota counts as well, and what JupyterHub says (``CPU_LIMIT``).  A browser has one.
    """
    if not threads_start():
        return 1
    limits = [float(cores())]
    with suppress(OSError, ValueError):  # no such file, or "max": no quota
        quota, period = _QUOTA.read_text("ascii").split()
        limits.append(int(quota) / int(period))
    with suppress(ValueError):  # none, or no number
        limits.append(float(os.environ.get("CPU_LIMIT", "")))
    least = min(limit for limit in limits if limit > 0)
    return max(1, math.floor(least))


class _Worker(SpawnProcess):
    """A process that hears no Ctrl-C from its first moment on.

    A terminal sends it to all processes, and the one that waits for the rows decides.  A worker
    that is still importing what it needs would die of it, and say so.
    """

    def start(self) -> None:
        if sys.platform == "win32":  # no masks there: from `_begin_worker` on
            super().start()
            return
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # children inherit it
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Remembering(SpawnContext):
    """Starts processes afresh, and remembers them, so that they can be ended.

    A process that is started afresh has no half-copied locks of the threads here, and starts in
    the same way on every system.
    """

    def __init__(self) -> None:
        super().__init__()
        self.started: list[SpawnProcess] = []

    # A class in the library; the pool calls it to make a worker.
    def Process(self, *args: Any, **named: Any) -> SpawnProcess:  # type: ignore[override]
        process = _Worker(*args, **named)
        self.started.append(process)
        return process


def _begin_worker() -> None:
    """In each worker, first of all."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # and what it starts ignores it as well
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    from multiprocessing.connection import wait  # in a browser there is none

    def follow() -> None:
        wait([parent.sentinel])
        os._exit(1)  # it was killed and could not end its workers: nobody waits for this one

    threading.Thread(target=follow, name="follow the parent", daemon=True).start()


class InProcess(Executor):
    """Does what is submitted in this process, one at a time, whenever ``work`` is called."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        """Keep the call for later."""
        future: Future[Any] = Future()
        self._waiting.append((future, partial(fn, *args, **named)))
        return future

    def work(self) -> None:
        """Do the next call that nobody has cancelled, if there is one."""
        while self._waiting:
            future, call = self._waiting.popleft()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except Exception as fault:
                    future.set_exception(fault)
                return


@contextmanager
def process_pool(workers: int | None = None) -> Iterator[Executor]:
    """An executor with ``workers`` processes; None: :func:`workers_here`.

    In a browser it is :class:`InProcess`.

    At the end of the ``with`` block all are gone: ended if something is raised in it, and waited
    for otherwise.  A script that makes one needs ``if __name__ == "__main__":``, for every worker
    imports it.
    """
    count = workers_here() if workers is None else whole_number("workers", workers, 1)
    if not threads_start():
        yield InProcess()
        return
    from concurrent.futures import ProcessPoolExecutor  # in a browser it can't be imported

    context = _Remembering()
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_begin_worker)
    try:
        yield pool
    except BaseException:
        # The order matters.  A pool that loses a process trips over cancelled runs that it has not
        # heard of (Python 3.11 and 3.12), and its thread dies, with another one left behind.  It
        # hears of them when it is shut down, so that comes first; but then it forgets its thread.
        manager: Any = pool._executor_manager_thread
        pool.shutdown(wait=False, cancel_futures=True)
        for process in context.started:
            if process.is_alive():  # not so if it was never started, either
                process.terminate()
        if manager is not None:
            manager.join()
        raise
    pool.shutdown(wait=True, cancel_futures=True)


class OnDask(Executor):
    """Submits to a Dask client's executor, and says which futures are lost."""

    def __init__(self, executor: Any, client: Any) -> None:
        self._executor, self._client = executor, client
        self._keys: dict[Future[Any], str] = {}

    def submit(self, fn: Any, /, *args: Any, **named: Any) -> Future[Any]:
        """Submit a call, which is new to Dask even if an equal one failed before."""
        key = f"{fn.__name__}-{uuid4().hex}"
        future: Future[Any] = self._executor.submit(fn, *args, **named, key=key)
        self._keys[future] = key
        return future

    def lost(self, future: Future[Any]) -> bool:
        """Whether nothing will ever come."""
        return not future.done() and self._keys[future] not in self._client.futures


def on_dask(executor: Any) -> Any:
    """A Dask client, or its executor, as :class:`OnDask`; anything else as it is."""
    distributed = sys.modules.get("distributed")  # loaded, if there is a client
    if distributed is None:
        return executor
    if isinstance(executor, distributed.Client):
        return OnDask(executor.get_executor(), executor)
    if isinstance(executor, distributed.cfexecutor.ClientExecutor):
        return OnDask(executor, executor._client)  # it has no public name for it
    return executor
