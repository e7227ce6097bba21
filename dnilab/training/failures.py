"""How a run fails where workers run at once, and which of several explosions is told."""

from __future__ import annotations

from collections.abc import Iterable

from dnilab.training.worker import ParametersExploded


class WorkerFailed(RuntimeError):
    """An exception in a worker, with the step in which it was raised; the cause is attached."""

    @classmethod
    def at(cls, worker: int, doing: str, cause: BaseException) -> WorkerFailed:
        """Worker ``worker`` (from 0) raised ``cause`` at the step ``doing``."""
        kind = type(cause).__name__
        failed = cls(f"worker {worker + 1} failed at {doing}: {kind}: {cause}")
        failed.__cause__ = cause
        return failed


def first_of(faults: Iterable[ParametersExploded]) -> ParametersExploded:
    """The one to be told: see ``ParametersExploded``."""
    return min(faults, key=lambda fault: fault.order)


def turn_of(fault: ParametersExploded, per_turn: int) -> int:
    """How many turns of ``per_turn`` batches there were when it was found."""
    return fault.batch // per_turn + 1
