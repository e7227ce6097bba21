"""What can start here: in a browser Python has one thread, and no process beside its own."""

from __future__ import annotations

import multiprocessing
import sys


def threads_start() -> bool:
    """Whether a thread can start: not in a browser (Pyodide)."""
    return sys.platform != "emscripten"


def processes_can_fork() -> bool:
    """Whether a process can start as a copy of this one: not in a browser, nor on Windows."""
    return threads_start() and "fork" in multiprocessing.get_all_start_methods()


def executor_here(name: str) -> str:
    """The executor that runs what ``name`` would: one thread where none can start, same bits."""
    return name if threads_start() or "thread" not in name else "one thread"
