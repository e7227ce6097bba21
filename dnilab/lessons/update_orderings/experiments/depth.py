"""How training fares as networks get deeper: what notebook 07 and its benchmark both run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np

from dnilab.checks import real_number, whole_number
from dnilab.experiments.compare import run, stream
from dnilab.experiments.settings import Settings
from dnilab.network import Stack
from dnilab.training import Report, Span
from dnilab.training.train import cosine

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


def by_frozen(
    *,
    upto: Sequence[int],
    ways: Sequence[str] = PAPER[1:],
    layers: int = 6,
    seeds: Sequence[int] = (0, 1, 2),
    measure: Measure = one_by_one,
    **changes: Any,
) -> Table:
    """Test error where modules 1 to j keep their random start and the rest trains, for j in upto.

    With j = 0 all train.  With j = layers - 1 every way is the same: "last layer only".
    """
    cells: Cells = {
        way: {j: deep(layers, **{**changes, **WAYS[way], "frozen": j}) for j in upto}
        for way in ways
    }
    return fill(cells, seeds, measure)


@dataclass(frozen=True)
class Direction:
    """The gradients at one module's output, on some rows.

    ``own``, ``inherited``: lengths of the two parts of the guess's error, and ``error`` that of
    their sum, all over the length of the true gradient.  ``told``, ``guess``: cosines with the
    true gradient of what the module above sends down, and of the guess.
    """

    own: float
    inherited: float
    error: float
    told: float
    guess: float


def directions(stack: Stack, x: np.ndarray, y: np.ndarray) -> list[Direction]:
    """The :class:`Direction` of modules 1 to K - 1 on the rows x (rows, inputs), y (rows, outputs).

    The error of a guess is its own, guess - told, and what is inherited, told - true, which is the
    error above, pulled back.  Raises ValueError for a stack that has no guesses.
    """

    def ratio(part: np.ndarray, true: np.ndarray) -> float:
        return float(np.linalg.norm(part) / np.linalg.norm(true))

    return [
        Direction(
            own=ratio(at.guess - at.told, at.true),
            inherited=ratio(at.told - at.true, at.true),
            error=ratio(at.guess - at.true, at.true),
            told=cosine(at.told, at.true),
            guess=cosine(at.guess, at.true),
        )
        for at in stack.probe(x, y)
    ]


def cosines_while_learning(settings: Settings, rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Train; the cosines with the truth of what is told and of the guess, each (modules - 1,).

    The mean over the ends of all epochs, measured on the first ``rows`` training rows.  Raises
    ValueError for settings without guesses.
    """
    data = settings.data()
    x, y = data.x_train[:rows], data.y_train[:rows]
    stack, events = settings.start(None, data)
    every = [directions(stack, x, y) for event in events if event.batch]
    told, guess = (
        np.array([[getattr(one, what) for one in at] for at in every]) for what in ("told", "guess")
    )
    return told.mean(axis=0), guess.mean(axis=0)


Curve = tuple[list[float], list[float]]


def side_by_side(
    lines: Mapping[str, Settings], chances: Mapping[str, float]
) -> Iterator[dict[str, Curve]]:
    """Train several settings by turns; after each report, epochs and test errors by name.

    ``chances``: by name the p of a sparse ordering, by which its epochs are counted, so that at
    equal epochs its modules have had as many updates as others.  A run that diverges ends in NaN.
    """
    found: dict[str, Curve] = {name: ([], []) for name in lines}
    going = {}
    for name, settings in lines.items():
        per_epoch = len(settings.data().x_train) // settings.batch_size
        every = max(1, round(per_epoch / 2 / chances.get(name, 1.0)))
        going[name] = stream(settings, report_every=every)
    while going:
        for name, events in list(going.items()):
            event = next(events, None)
            if event is None:
                del going[name]
                continue
            epochs, errors = found[name]
            epochs.append(event.epoch * chances.get(name, 1.0))
            errors.append(event.scores["class_error"] if isinstance(event, Report) else nan)
            yield found


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
