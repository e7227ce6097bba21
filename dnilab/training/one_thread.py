"""One thread: the executor that runs every worker on the calling thread, one after the other.

And what all executors do to the machine meanwhile: one BLAS thread for each worker, and the memory
that NumPy's temporaries free is kept instead of given back at every step.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from dnilab.network import Stack
from dnilab.orderings import Program
from dnilab.training.events import Snapshot
from dnilab.training.failures import first_of
from dnilab.training.worker import Key, ParametersExploded, Worker, users_of_values

# An RLock: collecting garbage may close an abandoned run, which ends up here, on a thread that is
# in here already.
_lock = threading.RLock()
_users = 0
_held: list[tuple[Any, int]] = []  # each library, and its number of threads before
_switched = 0.005  # how often threads took turns before, in seconds
SOON = 5e-4  # a thread that waits for the interpreter's lock asks for it ten times as often


@lru_cache(maxsize=1)
def _libraries(modules: int) -> list[Any]:
    # It looks through all loaded libraries, which takes a while: again only if modules were
    # imported since, for they may bring another BLAS along, as SciPy does.
    return [lib for lib in ThreadpoolController().lib_controllers if lib.user_api == "blas"]


def _set(library: Any, number: int) -> None:
    """Set a library's number of threads, from whatever thread this is called on.

    threadpoolctl 3.8 lets only one living Python thread change OpenBLAS, the first that tried, and
    ignores all others without a word.  But a panel trains on another thread than a cell, and a run
    may be closed on another thread than it was started on.  The counting below keeps the peace.
    """
    getattr(library, "_real_set_num_threads", library.set_num_threads)(number)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold BLAS at one thread, and let threads take turns soon.

    Both settings are the process's: the last one out restores them.
    """
    global _users, _held, _switched
    with _lock:
        if _users == 0:
            _switched = sys.getswitchinterval()
            sys.setswitchinterval(min(_switched, SOON))
            _held = [(library, library.num_threads) for library in _libraries(len(sys.modules))]
            for library, _ in _held:
                _set(library, 1)
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                for library, number in _held:
                    _set(library, number)
                _held = []
                sys.setswitchinterval(_switched)


@contextmanager
def blas_threads(number: int) -> Iterator[None]:
    """Hold BLAS at ``number`` threads, also in all that trains inside: to show what that costs."""
    with one_blas_thread():  # what is inside finds BLAS held, and leaves the number as it is
        with _lock:
            libraries = [library for library, _ in _held]
            for library in libraries:
                _set(library, number)
        try:
            yield
        finally:
            with _lock:
                for library in libraries:
                    _set(library, 1)


# From malloc.h.  Setting one of them also stops glibc from adapting the two by itself.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_MEBIBYTE = 2**20


@cache
def keep_freed_memory() -> bool:
    """Tell glibc to keep up to 256 MiB that were freed; True if it was there to be told.

    It applies to the whole process, once, and takes memory from nobody: what is kept is used for
    the next arrays.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is None:
        return False
    kept = mallopt(_M_TRIM_THRESHOLD, 256 * _MEBIBYTE)
    on_heap = mallopt(_M_MMAP_THRESHOLD, 32 * _MEBIBYTE)  # the most that it accepts
    return bool(kept and on_heap)


def connect(workers: Sequence[Worker], program: Program, owners: Mapping[int, int]) -> None:
    """Let each worker put what another one needs straight into the other's store."""
    users = users_of_values(program, owners)

    def route(maker: int, kind: str, module: int) -> Callable[[Key, Any], None] | None:
        user = users[kind, module]
        return None if user == maker else workers[user].store.__setitem__

    for worker in workers:
        worker.route = partial(route, worker.index)


def advance(workers: Sequence[Worker], stop: int) -> None:
    """Run all workers up to turn ``stop``; or, if parameters explode, up to the turn of that."""
    faults: list[ParametersExploded] = []
    going, stood = list(workers), [(-1, 0)]
    while going and stood != (stands := [(worker.turn, worker.position) for worker in going]):
        waiting = []
        for worker in going:
            try:
                if not worker.advance(stop):
                    waiting.append(worker)
            except ParametersExploded as fault:
                faults.append(fault)
                stop = min(stop, worker.turn)
        going, stood = waiting, stands
    assert faults or not going, "orderings.check lets nothing pass that comes to a standstill"
    if faults:
        raise first_of(faults)


def one_thread(
    stack: Stack,
    workers: Sequence[Worker],
    program: Program,
    owners: Mapping[int, int],
    stops: Iterable[int],
    at_rest: Callable[[], None] = lambda: None,
) -> Generator[Snapshot, None, None]:
    """Run all workers up to each turn in ``stops`` and yield there, with all of them at rest.

    A worker goes on until a value from another one is missing; then the next one has its go.
    ``orderings.check`` has made sure that somebody can always go on.  ``at_rest`` is called
    before each snapshot.  A stop is asked for only when the one before has been looked at.
    """
    connect(workers, program, owners)
    for stop in stops:
        # A run that diverges is reported in words, so NumPy's own warnings add nothing.  Neither
        # setting may leak out of the iterator, hence not around the yield.
        with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
            advance(workers, stop)
            at_rest()
        spans = tuple(span for worker in workers for span in worker.take_spans())
        seconds = sum(worker.nanoseconds for worker in workers) / 1e9
        yield Snapshot(stop, stack, spans, seconds)
