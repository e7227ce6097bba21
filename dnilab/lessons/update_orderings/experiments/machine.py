"""What this machine allows: whether two threads help, and what starting one costs."""

from __future__ import annotations

import multiprocessing
import threading
import warnings

import numpy as np

from dnilab.here import processes_can_fork, threads_start
from dnilab.lessons.shared.timing import Contestant
from dnilab.training.one_thread import one_blas_thread


def together(*runs: Contestant) -> Contestant:
    """Several contestants at once, each on a thread of its own: ``run(n)`` runs n of each.

    In a browser, where no thread starts, in turn.
    """
    if not threads_start():
        return in_turn(*runs)

    def run(n: int) -> None:
        threads = [threading.Thread(target=one, args=(n,)) for one in runs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return run


def in_turn(*runs: Contestant) -> Contestant:
    """Several contestants one after the other, on this thread: the same work as ``together``."""

    def run(n: int) -> None:
        for one in runs:
            one(n)

    return run


def counting(n: int) -> None:
    """Work that is nothing but Python: it holds the interpreter's lock all the time."""
    total = 0
    for i in range(20_000 * n):
        total += i


def products(batch: int = 1000, width: int = 128) -> Contestant:
    """Work that is nothing but matrix products, which let go of the interpreter's lock."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((batch, width)), rng.standard_normal((width, width))
    out = np.empty((batch, width))

    def run(n: int) -> None:
        with one_blas_thread():
            for _ in range(n):
                np.matmul(a, b, out=out)

    return run


def _nothing() -> None:
    pass


def start_threads(n: int) -> None:
    """Start n threads that do nothing, and wait for each."""
    for _ in range(n):
        thread = threading.Thread(target=_nothing)
        thread.start()
        thread.join()


def start_processes(n: int) -> None:
    """Start n processes that do nothing, as copies of this one, and wait for each.

    Raises ValueError where a process can't be a copy of this one (no fork).
    """
    if not processes_can_fork():
        raise ValueError("start_processes accepts systems that can fork only")
    context = multiprocessing.get_context("fork")
    for _ in range(n):
        process = context.Process(target=_nothing)
        with warnings.catch_warnings():
            # A fork of a process with threads may deadlock, says Python; this child does nothing.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        process.join()
        process.close()
