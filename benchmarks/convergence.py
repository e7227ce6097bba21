"""How well each way of training learns: binary addition, and scanned digits with four layers.

    python -m benchmarks.convergence [--json]

Addition: 10,000 sums of 12 bits, 24-128-64-12, tanh, 20 epochs; bit accuracy and whole sums on
1,000 unseen sums.  Digits: 64-128-128-128-10, ReLU and batch normalisation, 60 epochs; error on
360 unseen images.  Mean and standard deviation over seeds.
"""

from __future__ import annotations

from typing import Any

from threadpoolctl import threadpool_limits

from benchmarks.harness import finish, options
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


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--addition-seeds", type=int, default=3)
    parser.add_argument("--digits-seeds", type=int, default=5)
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with threadpool_limits(1):
        for base, seeds, measures in (
            (ADDITION, arguments.addition_seeds, ("bit_accuracy", "whole_sums")),
            (DIGITS, arguments.digits_seeds, ("class_error",)),
        ):
            ways = trainings(base)
            # reports only at the start and at the end: they are not what is measured
            results = compare(ways, seeds=range(seeds), report_every=10**9)
            for settings, runs in zip(ways, results, strict=True):
                for what in measures:
                    mean, spread = summary(runs, what)
                    rows.append(
                        {
                            "task": base.task,
                            "training": settings.name,
                            "measure": what,
                            "percent": round(100 * mean, 3),
                            "spread": round(100 * spread, 3),
                            "worst": round(
                                100
                                * (max if what == "class_error" else min)(
                                    run.final(what) for run in runs
                                ),
                                3,
                            ),
                            "seeds": seeds,
                            "diverged": sum(run.diverged is not None for run in runs),
                        }
                    )
    finish(arguments, {"convergence": rows}, rows)


if __name__ == "__main__":
    main()
