"""A generator after each convolution: dense or convolutional, with the labels and without.

    python -m benchmarks.convolutions [--json] [--seeds 5] [--first-seed 0] [--channels 16 32 64]

Scanned digits as images of 8 x 8 pixels; three convolutions with windows of 3 x 3, two pixels
apart, batch normalisation over channels, ReLU; a dense layer on top; Adam 2e-3, batch 32, 30
epochs, float32.  Error on 360 unseen images, mean and standard deviation over seeds, and on how
many seeds a way is better than backpropagation with the same seed.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

from threadpoolctl import threadpool_limits

from benchmarks.harness import finish, seed_by_seed, seeded, seeds_of
from dnilab.experiments import compare, summary
from dnilab.lessons.convolutions.experiments import ConvolutionSettings


def trainings(base: ConvolutionSettings) -> list[ConvolutionSettings]:
    """The six ways that are compared."""
    return [
        base.but(ordering="backprop"),
        base.but(generator="dense", context=("h", "y")),
        base.but(generator="convolutional", context=("h", "y")),
        base.but(generator="dense", context=("h",)),
        base.but(generator="convolutional", context=("h",)),
        base.but(ordering="last layer only"),
    ]


def main() -> None:
    parser = seeded(__doc__, 5)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--channels", type=int, nargs="+", default=[16, 32, 64])
    arguments = parser.parse_args()
    base = ConvolutionSettings(hidden=tuple(arguments.channels), epochs=arguments.epochs)
    rows: list[dict[str, Any]] = []
    exact: list[float] = []  # backpropagation's errors, which come first
    with threadpool_limits(1):
        for settings in trainings(base):
            began = perf_counter()
            # reports only at the start and at the end: they are not what is measured
            (runs,) = compare([settings], seeds=seeds_of(arguments), report_every=10**9)
            mean, spread = summary(runs, "class_error")
            errors = [run.final("class_error") for run in runs]
            exact = exact or errors
            rows.append(
                {
                    "training": settings.name,
                    "channels": " ".join(map(str, settings.hidden)),
                    "test error %": round(100 * mean, 2),
                    "spread": round(100 * spread, 2),
                    "worst": round(100 * max(errors), 2),
                    "beside backprop": seed_by_seed(errors, exact, lower=True),
                    "seeds": arguments.seeds,
                    "diverged": sum(run.diverged is not None for run in runs),
                    "seconds a run": round((perf_counter() - began) / arguments.seeds, 1),
                }
            )
    finish(arguments, {"convolutions": rows}, rows)


if __name__ == "__main__":
    main()
