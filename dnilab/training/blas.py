"""One BLAS thread for each worker while anything trains, and the old number afterwards.

Otherwise the workers' BLAS threads fight over the cores (notebook 05 measures it), and sums may
be split differently, so that not even one thread would give the same bits everywhere.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

# An RLock: collecting garbage may close an abandoned run, which ends up here, on a thread that is
# in here already.
_lock = threading.RLock()
_users = 0
_held: Any = None


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()  # looks through all loaded libraries: once is enough


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold BLAS at one thread.  The setting is the process's: the last one out restores it."""
    global _users, _held
    with _lock:
        if _users == 0:
            _held = _controller().limit(limits=1, user_api="blas")
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _held.restore_original_limits()
                _held = None
