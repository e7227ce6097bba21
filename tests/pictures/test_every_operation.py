"""Whatever a program can do, a timeline can name."""

from __future__ import annotations

from dnilab.orderings import complete_unlock, ideal_timeline
from dnilab.orderings.steps import OPERATIONS
from dnilab.pictures import bars_of_slots
from dnilab.pictures.timeline import KINDS


def test_every_operation_has_a_name() -> None:
    assert set(KINDS) == set(OPERATIONS)


def test_bars_of_an_unlocked_program() -> None:
    program = complete_unlock(((1,), (2,)))
    times = {(step.op, step.module): 1.0 for step in program.steps()}
    bars = bars_of_slots(ideal_timeline(program, times, batches=2))
    assert {bar.kind for bar in bars} == {"forward and update", "fit", "fit of the input model"}
    assert bars[0].worker == "worker 1"
