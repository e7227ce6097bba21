"""Which of several explosions is told, where nobody can say which came first by the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from dnilab.training.errand import Standing
from dnilab.training.worker import ParametersExploded

STANDSTILL = 5.0  # seconds without a turn after which nobody is waited for any more


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
