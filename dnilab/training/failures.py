"""Which of several explosions is told, where nobody can say which came first by the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from dnilab.training.worker import ParametersExploded

STANDSTILL = 5.0  # seconds without a turn after which nobody is waited for any more


class WorkerFailed(RuntimeError):
    """An exception in a worker, with the step in which it was raised; the cause is attached."""


class WorkerLost(WorkerFailed):
    """The process that held some modules is gone.  ``modules``: which they were."""

    def __init__(self, message: str, modules: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.modules = tuple(modules)


@dataclass(frozen=True)
class Standing:
    """How far a worker has come: its turn, and the last one after which all was sound.

    ``exploded``: module, part and batch, if that is over.
    """

    turn: int
    sound: int
    exploded: tuple[int, str, int] | None


def first_of(faults: Iterable[ParametersExploded]) -> ParametersExploded:
    """The one to be told: see ``ParametersExploded``."""
    return min(faults, key=lambda fault: fault.order)


def turn_of(fault: ParametersExploded, per_turn: int) -> int:
    """How many turns of ``per_turn`` batches there were when it was found."""
    return fault.batch // per_turn + 1


def first_of_all(
    fault: ParametersExploded, per_turn: int, look: Callable[[], Sequence[Standing]]
) -> ParametersExploded:
    """The one to be told, once the others have come to the turn of the first one, or further.

    ``look()`` says how far they are, after a short while.  They can come so far as long as they
    need nothing that is made later, as in the orderings here.
    """
    stood, since = [-1], time.perf_counter()
    while time.perf_counter() - since < STANDSTILL:
        stands = look()
        fault = first_of(
            [fault, *(ParametersExploded(*one.exploded) for one in stands if one.exploded)]
        )
        turn = turn_of(fault, per_turn)
        if all(one.exploded or one.sound >= turn for one in stands):
            break
        if stood != (turns := [one.turn for one in stands]):
            stood, since = turns, time.perf_counter()
    return fault
