"""The executor that runs every worker on the calling thread, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from dnilab.network import Stack
from dnilab.orderings import Program
from dnilab.training.blas import one_blas_thread
from dnilab.training.failures import first_of
from dnilab.training.snapshot import Snapshot
from dnilab.training.state import Key
from dnilab.training.worker import ParametersExploded, Worker, users_of_values


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
