"""Deeper networks on the digits: synthetic gradients at 3 to 6 layers, sparse, and unlocked.

    python -m benchmarks.depth [--json] [--only PART ...] [--seeds 5] [--fewer-seeds 3]
        [--first-seed 0]

64-128-...-128-10, ReLU, Adam 1e-3, batch 32, 60 epochs; error in percent on 360 unseen images,
mean and standard deviation over seeds, fewer of them without batch normalisation and where
updates are sparse.  Four parts:

- depth: last layer only, backprop, DNI(h), DNI(h, y), a local loss and direct feedback, with batch
  normalisation; backprop, DNI(h) and DNI(h, y) without;
- sparse: four layers, each module updates with probability p, training time scaled by 1/p, and
  backprop that stops at a module that does not update, for the same time and for 60 epochs;
- unlocked: four layers that predict their inputs as well, each with a worker of its own, fits
  1, 4 or 16 batches late;
- waiting: the seconds that the workers of an unlocked run on threads stood still, by operation,
  and whether the threads gave the very weights that one thread gives.

A run is one process's: the two processes of the pool do not change any number.
"""

from __future__ import annotations

from collections.abc import Iterable
from multiprocessing import get_context
from time import perf_counter
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.harness import finish, seed_by_seed, seeded, seeds_of
from dnilab.experiments import Settings, run
from dnilab.lessons.update_orderings.experiments.depth import (
    AT_THE_END,
    CHANCES,
    WAYS,
    Table,
    by_chance,
    by_depth,
    fill,
    final_error,
    unlocked,
    waits,
)
from dnilab.training import Diverged

HERE = {"executor": "one thread"}  # the numbers of threads, in one process of the pool
UNLOCKED: tuple[tuple[str, tuple[int, ...], dict[str, Any]], ...] = (
    # what is trained, how many batches its fits come late, and what is changed
    ("DNI(h)", (1,), {"context": ("h",), **HERE}),
    ("DNI(h, y)", (1, 4, 16), HERE),
)


def one_blas_thread() -> None:
    """In each process of the pool, for as long as it lives."""
    threadpool_limits(1)


def cost(settings: Settings) -> float:
    """A rough measure of how long a run takes: long runs go first, so that none comes last."""
    return settings.epochs * len(settings.hidden) * (2.0 if settings.decoupled else 1.0)


class Pooled:
    """Runs in ``processes`` processes; gives the errors in the order of the settings."""

    def __init__(self, processes: int) -> None:
        # spawn: a process that starts anew has no BLAS threads of its parent's
        self.pool = get_context("spawn").Pool(processes, initializer=one_blas_thread)

    def __call__(self, many: Iterable[Settings]) -> list[float]:
        jobs = list(many)
        order = sorted(range(len(jobs)), key=lambda i: -cost(jobs[i]))
        errors = [0.0] * len(jobs)
        found = self.pool.imap(final_error, [jobs[i] for i in order], chunksize=1)
        for i, error in zip(order, found, strict=True):
            errors[i] = error
        return errors

    def __enter__(self) -> Pooled:
        return self

    def __exit__(self, *error: object) -> None:
        self.pool.terminate()
        self.pool.join()


def rows_of(part: str, column: str, table: Table) -> list[dict[str, Any]]:
    """A table as rows to print: percent, over the seeds that did not diverge.

    Beside each, on how many seeds it is better than backpropagation, where that is in the table.
    """
    rows, exact = [], table.get("backprop")
    for way, columns in table.items():
        for at, errors in columns.items():
            values = 100 * np.array(errors)
            left = values[np.isfinite(values)]
            rows.append(
                {
                    "part": part,
                    "at": f"{column} {at}".strip(),
                    "training": way,
                    "error": round(float(left.mean()), 2) if left.size else None,
                    "spread": round(float(left.std(ddof=1)), 2) if left.size > 1 else None,
                    "worst": round(float(left.max()), 2) if left.size else None,
                    "seeds": len(values),
                    "diverged": int(len(values) - left.size),
                    "beside backprop": seed_by_seed(errors, exact[at], lower=True) if exact else "",
                }
            )
    return rows


def waiting(epochs: int) -> dict[str, Any]:
    """An unlocked run on two threads: who waited, and whether the numbers are one thread's."""
    base = unlocked(workers=2, staleness=16, batch_size=256, epochs=epochs)
    with threadpool_limits(1):
        threads = run(base, report_every=AT_THE_END)
        one = run(base.but(executor="one thread"), report_every=AT_THE_END)
    if isinstance(threads.diverged, Diverged):
        raise RuntimeError(threads.diverged.message)
    spans = threads.reports[-1].spans
    whole = (max(s.end for s in spans) - min(s.start for s in spans)) / 1e9
    return {
        "workers": 2,
        "staleness": 16,
        "seconds shown": round(whole, 3),
        "seconds waited before": {op: round(gap, 5) for op, gap in waits(spans).items()},
        "same bits as one thread": all(map(np.array_equal, threads.stack.thetas, one.stack.thetas)),
    }


def main() -> None:
    parts = ("depth", "sparse", "unlocked", "waiting")
    parser = seeded(__doc__, 5)
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--fewer-seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--chances", type=float, nargs="+", default=CHANCES, help="p, if sparse")
    arguments = parser.parse_args()
    seeds, few = seeds_of(arguments), seeds_of(arguments, arguments.fewer_seeds)
    epochs = arguments.epochs
    began = perf_counter()
    rows: list[dict[str, Any]] = []
    with Pooled(arguments.processes) as pooled:
        if "depth" in arguments.only:
            for part, norm in (("batch norm", True), ("no batch norm", False)):
                ways = tuple(WAYS) if norm else ("backprop", "DNI(h)", "DNI(h, y)")
                table = by_depth(
                    ways=ways,
                    seeds=seeds if norm else few,
                    measure=pooled,
                    batch_norm=norm,
                    epochs=epochs,
                )
                rows += rows_of(part, "layers", table)
        if "sparse" in arguments.only:
            table = by_chance(chances=arguments.chances, seeds=few, measure=pooled, epochs=epochs)
            rows += rows_of("sparse", "p", table)
        if "unlocked" in arguments.only:
            cells = {
                name: {late: unlocked(epochs=epochs, staleness=late, **changes) for late in lates}
                for name, lates, changes in UNLOCKED
            }
            rows += rows_of("unlocked", "staleness", fill(cells, seeds, pooled))
    result: dict[str, Any] = {"depth": rows}
    if "waiting" in arguments.only:
        result["waiting"] = waiting(min(epochs, 20))
    result["seconds"] = round(perf_counter() - began, 1)
    finish(arguments, result, rows)


if __name__ == "__main__":
    main()
