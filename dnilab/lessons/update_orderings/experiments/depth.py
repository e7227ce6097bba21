"""How training fares as networks get deeper: what notebook 07 and its benchmark both run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import nan
from typing import Any

from dnilab.checks import real_number, whole_number
from dnilab.experiments.compare import run
from dnilab.experiments.settings import Settings
from dnilab.training import Span

WAYS: Mapping[str, Mapping[str, Any]] = {
    "last layer only": {"ordering": "last layer only"},
    "backprop": {"ordering": "backprop"},
    "DNI(h)": {"ordering": "sequential", "context": ("h",)},
    "DNI(h, y)": {"ordering": "sequential", "context": ("h", "y")},
    "local loss": {"ordering": "local loss"},
    "direct feedback": {"ordering": "direct feedback"},
}
"""Ways of training, and what each changes in the settings.

The first four are the columns of the paper's table (section 3.1); the others need no guess.
"""

PAPER = tuple(WAYS)[:4]
DEPTHS = (3, 4, 5, 6)
CHANCES = (1.0, 0.5, 0.2, 0.1)  # that a module updates on a batch
AT_THE_END = 10**9  # report before the first batch and after the last: the rest is not looked at

Cells = Mapping[str, Mapping[object, Settings]]
"""Row, column, what is run there."""
Table = dict[str, dict[object, list[float]]]
"""Row, column, errors over seeds: what ``pictures.Results`` takes."""
Measure = Callable[[Iterable[Settings]], Iterable[float]]
"""Settings in, an error for each out, in order; the benchmark's goes to two processes."""


def deep(layers: int, *, width: int = 128, **changes: Any) -> Settings:
    """A network of ``layers`` modules for images: ReLU, batch normalisation, Adam at 1e-3."""
    whole_number("layers", layers, 2)
    whole_number("width", width, 1)
    base = Settings(
        task="digits",
        hidden=(width,) * (layers - 1),
        activation="relu",
        batch_norm=True,
        rate=1e-3,
        epochs=60,
    )
    return base.but(**changes)


def final_error(settings: Settings) -> float:
    """Share of unseen images that are named wrong after the run; NaN if it diverged."""
    done = run(settings, report_every=AT_THE_END)
    return nan if done.diverged else done.final("class_error")


def one_by_one(many: Iterable[Settings]) -> Iterable[float]:
    """Run them here, one after the other."""
    return map(final_error, many)


def fill(cells: Cells, seeds: Sequence[int], measure: Measure) -> Table:
    """Run every cell with every seed and put the errors in their places."""
    every = [
        settings.but(seed=seed)
        for columns in cells.values()
        for settings in columns.values()
        for seed in seeds
    ]
    errors = iter(measure(every))
    return {
        row: {column: [next(errors) for _ in seeds] for column in columns}
        for row, columns in cells.items()
    }


def by_depth(
    *,
    depths: Sequence[int] = DEPTHS,
    ways: Sequence[str] = PAPER,
    seeds: Sequence[int] = (0, 1, 2),
    measure: Measure = one_by_one,
    **changes: Any,
) -> Table:
    """Test error of each way of training at each number of layers.

    ``changes`` are settings: task="mnist", batch_norm=False, epochs=20, ...
    """
    cells: Cells = {way: {d: deep(d, **{**changes, **WAYS[way]}) for d in depths} for way in ways}
    return fill(cells, seeds, measure)


def scaled_epochs(epochs: int, p: float) -> int:
    """As many epochs as give a module that updates with probability p the same updates."""
    return round(whole_number("epochs", epochs, 1) / real_number("p", p, 0, 1, above=True))


def by_chance(
    *,
    chances: Sequence[float] = CHANCES,
    layers: int = 4,
    seeds: Sequence[int] = (0, 1, 2),
    measure: Measure = one_by_one,
    **changes: Any,
) -> Table:
    """Test error where each module updates with probability p.

    Synthetic gradients against backpropagation that stops at a module that does not update, all
    with their training time scaled by 1/p; and such a backpropagation at equal epochs.
    """
    base = deep(layers, **changes)

    def kind(longer: bool, **of_kind: Any) -> dict[object, Settings]:
        return {
            p: base.but(
                p=p, epochs=scaled_epochs(base.epochs, p) if longer else base.epochs, **of_kind
            )
            for p in chances
        }

    cells: Cells = {
        "backprop, same epochs": kind(False, ordering="sparse backprop"),
        "backprop": kind(True, ordering="sparse backprop"),
        "DNI(h)": kind(True, ordering="sparse", context=("h",)),
        "DNI(h, y)": kind(True, ordering="sparse", context=("h", "y")),
    }
    return fill(cells, seeds, measure)


def unlocked(layers: int = 4, **changes: Any) -> Settings:
    """Complete unlock, a worker for each module; generators and input models at 3e-3.

    They learn at a higher rate than the modules they serve, which they have to follow.
    """
    of_unlock: dict[str, Any] = {
        "ordering": "complete unlock",
        "workers": layers,
        "staleness": 1,
        "generator_rate": 3e-3,
    }
    return deep(layers, **{**of_unlock, **changes})


def waits(spans: Iterable[Span]) -> dict[str, float]:
    """Seconds that workers stood still before a step of each operation.

    ``spans`` as in a ``Report``.  A step that waits for nobody starts when the worker's last one
    ended; any gap before it is a wait for a value from another worker.
    """
    gaps: dict[str, float] = {}
    last: dict[int, int] = {}
    for span in sorted(spans, key=lambda s: s.start):
        gaps.setdefault(span.op, 0.0)
        if span.worker in last:
            gaps[span.op] += (span.start - last[span.worker]) / 1e9
        last[span.worker] = span.end
    return gaps
