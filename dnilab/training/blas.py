"""One BLAS thread for each worker while anything trains, and the old number afterwards.

Otherwise the workers' BLAS threads fight over the cores (notebook 05 measures it), and sums may
be split differently, so that not even one thread would give the same bits everywhere.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from threadpoolctl import ThreadpoolController

# An RLock: collecting garbage may close an abandoned run, which ends up here, on a thread that is
# in here already.
_lock = threading.RLock()
_users = 0
_held: list[tuple[Any, int]] = []  # each library, and its number of threads before


@lru_cache(maxsize=1)
def _controller(modules: int) -> ThreadpoolController:
    # It looks through all loaded libraries, which takes a while: again only if modules were
    # imported since, for scikit-learn brings another BLAS along.
    return ThreadpoolController()


def _set(library: Any, number: int) -> None:
    """Set a library's number of threads, from whatever thread this is called on.

    threadpoolctl 3.8 lets only one living Python thread change OpenBLAS, the first that tried, and
    ignores all others without a word.  But a panel trains on another thread than a cell, and a run
    may be closed on another thread than it was started on.  The counting below keeps the peace.
    """
    getattr(library, "_real_set_num_threads", library.set_num_threads)(number)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold BLAS at one thread.  The setting is the process's: the last one out restores it."""
    global _users, _held
    with _lock:
        if _users == 0:
            libraries = [
                lib
                for lib in _controller(len(sys.modules)).lib_controllers
                if lib.user_api == "blas"
            ]
            _held = [(library, library.num_threads) for library in libraries]
            for library in libraries:
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
