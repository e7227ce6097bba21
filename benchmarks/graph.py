"""Graphs and clocks: accuracy with and without gradients that are communicated.

    python -m benchmarks.graph [--json] [--seeds 3] [--first-seed 0] [--windows 2000]

Two networks with different clocks.  A sees and names a scanned digit at each tick; after every
``period`` ticks it sends a message to B, which is asked how many of these digits were odd (or
threes, or from five up).  ``counted`` is B's accuracy on unseen images.  Beside it, computed from
the task: ``blind``, always giving the most frequent count, and ``counting names``, the best that
one could do who knows only which digits A named, with A's own mistakes in that run.

Then a graph with branches, joins and a shortcut on digits: test error by what it is trained with.

All figures in percent, mean and standard deviation over seeds; and on how many seeds a way is
better than the one without a gradient between the networks, or than backpropagation in the graph.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.harness import finish, print_table, seed_by_seed, seeded, seeds_of
from dnilab.experiments import Run, compare
from dnilab.lessons.any_graph.experiments import (
    CLOCK_METHODS,
    GRAPH_METHODS,
    ClockSettings,
    counting_names,
    graph_errors,
)

TASKS = (("odd digits", 5), ("odd digits", 10), ("threes", 10), ("digits from five up", 10))
LAGS = (4, 20)  # windows that B takes until it has worked, where it is late
HIDDEN = (32,)  # of a B that is not one dense layer
GRAPH_EPOCHS = 30


def percent(values: Any) -> tuple[float, float]:
    """Mean and sample standard deviation, in percent."""
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return round(100 * float(np.mean(values)), 1), round(100 * spread, 1)


def final(run: Run, what: str) -> float:
    """The share at the end of a run; a run that diverged has none."""
    return 0.0 if run.diverged is not None else run.final(what)


def kinds_of(base: ClockSettings) -> list[ClockSettings]:
    """All methods; for odd digits also a B that is late, and a B with a hidden layer."""
    kinds = [base.but(method=method) for method in CLOCK_METHODS]
    if base.what == "odd digits":
        guessed = base.but(method="DNI(message, label)")
        if base.period == 5:
            kinds += [guessed.but(lag=lag) for lag in LAGS]
        else:
            kinds += [guessed.but(hidden=HIDDEN), base.but(method="exact", hidden=HIDDEN)]
    return kinds


def clocks(base: ClockSettings, seeds: range) -> list[dict[str, Any]]:
    """One task."""
    kinds = kinds_of(base)
    rows = []
    alone: list[float] = []  # without a gradient between them, which comes first
    for settings, runs in zip(kinds, compare(kinds, seeds), strict=True):
        right = [final(run, "counted") for run in runs]
        alone = alone or right
        counted, spread = percent(right)
        rows.append(
            {
                "what": settings.what,
                "period": settings.period,
                "gradient to A": settings.method,
                "lag": settings.lag,
                "hidden in B": sum(settings.hidden),
                "counted": counted,
                "spread": spread,
                "worst": round(100 * min(right), 1),
                "beside no gradient": seed_by_seed(right, alone, lower=False),
                "A names": percent([final(run, "named") for run in runs])[0],
                "counting names": percent([counting_names(run) for run in runs])[0],
                "blind": round(100 * settings.make_task().blind(), 1),
                "diverged": sum(run.diverged is not None for run in runs),
                "seeds": len(seeds),
            }
        )
    return rows


def graphs(seeds: range) -> list[dict[str, Any]]:
    """The graph with branches and joins, test error after training."""
    rows = []
    exact: list[float] = []  # backpropagation's errors, which come first
    for method in GRAPH_METHODS:
        errors = [graph_errors(method, seed=seed, epochs=GRAPH_EPOCHS)[-1] for seed in seeds]
        exact = exact or errors
        error, spread = percent(errors)
        rows.append(
            {
                "trained with": method,
                "test error": error,
                "spread": spread,
                "worst": round(100 * max(errors), 1),
                "beside backprop": seed_by_seed(errors, exact, lower=True),
                "seeds": len(seeds),
            }
        )
    return rows


def main() -> None:
    parser = seeded(__doc__, 3)
    parser.add_argument("--windows", type=int, default=2000)
    arguments = parser.parse_args()
    seeds = seeds_of(arguments)
    with threadpool_limits(1):
        base = ClockSettings(windows=arguments.windows, report_every=arguments.windows)
        of_clocks = [
            row
            for what, period in TASKS
            for row in clocks(base.but(what=what, period=period), seeds)
        ]
        of_graphs = graphs(seeds)
    finish(arguments, {"clocks": of_clocks, "graph": of_graphs}, of_clocks)
    if not arguments.json:
        print_table(of_graphs)


if __name__ == "__main__":
    main()
