"""The executor that runs every worker on the calling thread, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from dnilab.orderings import Program, needs_and_makes
from dnilab.training.actions import Key
from dnilab.training.worker import Worker


def _connect(workers: Sequence[Worker], program: Program, owners: Mapping[int, int]) -> None:
    """Let each worker put what another one needs straight into the other's store."""
    users = {
        (value.kind, value.module): owners[step.module]
        for step in program.steps()
        for value in needs_and_makes(step, program.modules)[0]
    }

    def route(maker: int, kind: str, module: int) -> Callable[[Key, Any], None] | None:
        user = users[kind, module]
        return None if user == maker else workers[user].store.__setitem__

    for worker in workers:
        worker.route = partial(route, worker.index)


def one_thread(
    workers: Sequence[Worker], program: Program, owners: Mapping[int, int], stops: Iterable[int]
) -> Iterator[int]:
    """Run all workers up to each turn in ``stops`` and yield there, with all of them at rest.

    A worker goes on until a value from another one is missing; then the next one has its go.
    ``orderings.check`` has made sure that somebody can always go on.
    """
    _connect(workers, program, owners)
    for stop in stops:
        # A run that diverges is reported in words, so NumPy's own warnings add nothing.  The
        # setting must not leak out of the iterator, hence not around the yield.
        with np.errstate(over="ignore", invalid="ignore"):
            going = list(workers)
            while going:
                going = [worker for worker in going if not worker.advance(stop)]
        yield stop
