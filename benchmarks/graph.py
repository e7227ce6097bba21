"""Graphs and clocks: accuracy with and without gradients that are communicated.

    python -m benchmarks.graph [--json] [--seeds 3] [--windows 2000]

Two networks with different clocks.  A sees and names a scanned digit at each tick; after every
``period`` ticks it sends a message to B, which is asked how many of these digits were odd (or
threes, or from five up).  ``counted`` is B's accuracy on unseen images.  Beside it, computed from
the task: ``blind``, always giving the most frequent count, and ``counting names``, the best that
one could do who knows only which digits A named, with A's own mistakes in that run.

Then a graph with branches, joins and a shortcut on digits: test error by what it is trained with.

All figures in percent, mean and standard deviation over seeds.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.harness import finish, options, print_table
from dnilab.experiments.graph import (
    CLOCK_METHODS,
    GRAPH_METHODS,
    ClockSettings,
    graph_errors,
    run_all_clocks,
)

TASKS = (("odd digits", 5), ("odd digits", 10), ("threes", 10), ("digits from five up", 10))
LAGS = (0, 20)  # windows that B takes until it has worked
GRAPH_EPOCHS = 30


def percent(values: Any) -> tuple[float, float]:
    """Mean and sample standard deviation, in percent."""
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return round(100 * float(np.mean(values)), 1), round(100 * spread, 1)


def clocks(what: str, period: int, seeds: range, windows: int) -> list[dict[str, Any]]:
    """All methods on one task; with the label also where B is late."""
    base = ClockSettings(what=what, period=period, windows=windows, report_every=windows)
    kinds = [
        base.but(method=method, lag=lag)
        for method in CLOCK_METHODS
        for lag in (LAGS if method == "DNI(message, label)" and what == "odd digits" else (0,))
    ]
    rows = []
    for settings, runs in zip(kinds, run_all_clocks(kinds, seeds), strict=True):
        counted, spread = percent([run.counted for run in runs])
        rows.append(
            {
                "what": what,
                "period": period,
                "gradient to A": settings.method,
                "lag": settings.lag,
                "counted": counted,
                "spread": spread,
                "worst": round(100 * min(run.counted for run in runs), 1),
                "A names": percent([run.named for run in runs])[0],
                "counting names": percent([run.counting_names for run in runs])[0],
                "blind": round(100 * settings.make_task().blind(), 1),
                "diverged": sum(run.diverged is not None for run in runs),
                "seeds": len(seeds),
            }
        )
    return rows


def graphs(seeds: range) -> list[dict[str, Any]]:
    """The graph with branches and joins, test error after training."""
    rows = []
    for method in GRAPH_METHODS:
        errors = [graph_errors(method, seed=seed, epochs=GRAPH_EPOCHS)[-1] for seed in seeds]
        error, spread = percent(errors)
        rows.append(
            {
                "trained with": method,
                "test error": error,
                "spread": spread,
                "worst": round(100 * max(errors), 1),
                "seeds": len(seeds),
            }
        )
    return rows


def main() -> None:
    parser: argparse.ArgumentParser = options(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--windows", type=int, default=2000)
    arguments = parser.parse_args()
    seeds = range(arguments.seeds)
    with threadpool_limits(1):
        of_clocks = [
            row for what, period in TASKS for row in clocks(what, period, seeds, arguments.windows)
        ]
        of_graphs = graphs(seeds)
    finish(arguments, {"clocks": of_clocks, "graph": of_graphs}, of_clocks)
    if not arguments.json:
        print_table(of_graphs)


if __name__ == "__main__":
    main()
