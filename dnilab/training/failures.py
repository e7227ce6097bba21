"""How a run fails where workers run at once, and which of several explosions is told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dnilab.training.worker import ParametersExploded

NOWHERE = "There is no checkpoint; train(..., checkpoint=path) writes them"


class WorkerFailed(RuntimeError):
    """An exception in a worker, with the step in which it was raised; the cause is attached."""

    @classmethod
    def at(cls, worker: int, doing: str, cause: BaseException) -> WorkerFailed:
        """Worker ``worker`` (from 0) raised ``cause`` at the step ``doing``."""
        kind = type(cause).__name__
        failed = cls(f"worker {worker + 1} failed at {doing}: {kind}: {cause}")
        failed.__cause__ = cause
        return failed


class WorkerLost(WorkerFailed):
    """The process that held some modules is gone, or silent.

    ``modules``: which they were.  ``where``: where the run can go on from.
    """

    def __init__(self, what: str, modules: Sequence[int] = (), where: str = NOWHERE) -> None:
        super().__init__(f"{what}. {where}")
        self.what, self.modules = what, tuple(modules)


def first_of(faults: Iterable[ParametersExploded]) -> ParametersExploded:
    """The one to be told: see ``ParametersExploded``."""
    return min(faults, key=lambda fault: fault.order)


def turn_of(fault: ParametersExploded, per_turn: int) -> int:
    """How many turns of ``per_turn`` batches there were when it was found."""
    return fault.batch // per_turn + 1
