"""What each module of a network is told as it learns, and how well that agrees with the truth.

Measured in passing, at a run's own snapshots and always on the same rows: the run neither waits
for it nor notices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from dnilab.data import Dataset
from dnilab.experiments.settings import Settings
from dnilab.network import Stack
from dnilab.orderings import Program
from dnilab.training import Event
from dnilab.training.events import Snapshot
from dnilab.training.one_thread import one_blas_thread
from dnilab.training.train import cosine, executor_for

ROWS = 100  # training rows on which it is measured


@dataclass(frozen=True)
class Told:
    """One look at a network of K modules.

    ``units``: numbers that come in, and that each module hands up, (K + 1,).

    Two rows of cosines with the true gradient of the loss with respect to h_k, for the modules
    below the top, (K - 1,); None where there is nothing to measure, or it was not finite.
    ``used``: of the gradient that module k learns from: a guess, that of a loss of its own, or the
    error through a random matrix.  ``message``: of what its generator is told from above.
    """

    units: tuple[int, ...]
    used: tuple[float | None, ...]
    message: tuple[float | None, ...]

    @property
    def modules(self) -> int:
        """How many modules."""
        return len(self.units) - 1


def look_at(stack: Stack, x: np.ndarray, y: np.ndarray) -> Told:
    """What the modules are told on the rows ``x`` and ``y``.  Nothing is changed."""
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
        few, _ = stack.forward(x[:2])  # for the widths
        nothing: tuple[float | None, ...] = (None,) * (len(stack) - 1)
        used = message = nothing
        kinds = {module.signal.kind for module in stack.modules[:-1] if module.signal is not None}
        if kinds & {"generator", "readout"}:
            found = stack.probe(x, y)
            used = tuple(_cosine(at.guess, at.true) for at in found)
            if "generator" in kinds:
                message = tuple(_cosine(at.told, at.true) for at in found)
        elif "feedback" in kinds:
            said, _ = stack.forward(x)
            true, _ = stack.gradients(x, y)
            error = stack.loss.gradient(said[-1], y)
            signals = [module.signal for module in stack.modules[:-1] if module.signal is not None]
            every = zip(signals, said, true, strict=False)  # the top has none
            used = tuple(_cosine(signal(h, x, y, error)[0], g) for signal, h, g in every)
    return Told((x.shape[1], *(h.shape[1] for h in few)), used, message)


def _cosine(a: np.ndarray, b: np.ndarray) -> float | None:
    found = cosine(a, b)
    return found if math.isfinite(found) else None


def watched(
    settings: Settings, report_every: int, data: Dataset, see: Callable[[Told], None]
) -> Iterator[Event]:
    """The events of one run, as ``settings.start`` gives them; before each report, what is seen."""
    x, y = data.x_train[:ROWS], data.y_train[:ROWS]

    def seen(snapshots: Generator[Snapshot, None, None]) -> Generator[Snapshot, None, None]:
        with closing(snapshots):
            for at in snapshots:
                see(look_at(at.stack, x, y))
                yield at

    def watching(stack: Stack, workers: Any, program: Program, *others: Any) -> Any:
        execute = executor_for(settings.executor_name(), program)
        return seen(execute(stack, workers, program, *others))

    return settings.start(report_every, data, executor=watching)[1]
