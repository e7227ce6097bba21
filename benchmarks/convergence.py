"""How well each way of training learns: binary addition, and scanned digits with four layers.

    python -m benchmarks.convergence [--json] [--seeds 5] [--first-seed 0]

Addition: 10,000 sums of 12 bits, 24-128-64-12, tanh, 20 epochs; bit accuracy and whole sums on
1,000 unseen sums.  Digits: 64-128-128-128-10, ReLU and batch normalisation, 60 epochs; error on
360 unseen images.  Mean and standard deviation over seeds, and on how many seeds a way is better
than backpropagation with the same seed.
"""

from __future__ import annotations

from typing import Any

from threadpoolctl import threadpool_limits

from benchmarks.harness import finish, seed_by_seed, seeded, seeds_of
from dnilab.experiments import Settings, compare, summary

ADDITION = Settings(task="addition", epochs=20, rate=3e-3)
DIGITS = Settings(
    task="digits",
    hidden=(128, 128, 128),
    activation="relu",
    batch_norm=True,
    rate=1e-3,
    epochs=60,
)


def trainings(base: Settings) -> list[Settings]:
    """The ways that are compared."""
    return [
        base.but(ordering="backprop"),
        base.but(context=("h",)),
        base.but(context=("h", "y")),
        base.but(ordering="local loss"),
        base.but(ordering="direct feedback"),
        base.but(ordering="feedback alignment"),
        base.but(ordering="last layer only"),
    ]


def rows_of(base: Settings, measures: tuple[str, ...], seeds: range) -> list[dict[str, Any]]:
    """One task."""
    ways = trainings(base)
    # reports only at the start and at the end: they are not what is measured
    results = compare(ways, seeds=seeds, report_every=10**9)
    rows = []
    for settings, runs in zip(ways, results, strict=True):
        for what in measures:
            lower = what == "class_error"
            mean, spread = summary(runs, what)
            values, exact = ([run.final(what) for run in of] for of in (runs, results[0]))
            rows.append(
                {
                    "task": base.task,
                    "training": settings.name,
                    "measure": what,
                    "percent": round(100 * mean, 3),
                    "spread": round(100 * spread, 3),
                    "worst": round(100 * (max if lower else min)(values), 3),
                    "seeds": len(seeds),
                    "diverged": sum(run.diverged is not None for run in runs),
                    "beside backprop": seed_by_seed(values, exact, lower=lower),
                }
            )
    return rows


def main() -> None:
    arguments = seeded(__doc__, 5).parse_args()
    seeds = seeds_of(arguments)
    with threadpool_limits(1):
        rows = rows_of(ADDITION, ("bit_accuracy", "whole_sums"), seeds)
        rows += rows_of(DIGITS, ("class_error",), seeds)
    finish(arguments, {"convergence": rows}, rows)


if __name__ == "__main__":
    main()
