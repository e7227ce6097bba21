"""Tables of what follows from an ordering, and the numbers under which two were published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dnilab.lessons.shared.moments import value_words
from dnilab.lessons.update_orderings.critical_path import critical_path
from dnilab.orderings import Program, Value, locks, needs_and_makes
from dnilab.pictures import Table

# Red Box and Blue Box, for three modules.

RED_BOX = {
    ("forward_update", 1): "1",
    ("forward_update", 2): "2",
    ("fit", 1): "3",
    ("forward_update", 3): "4",
    ("fit", 2): "5",
}
BLUE_BOX = {
    ("forward_update", 1): "I",
    ("forward_update", 2): "II",
    ("forward_update", 3): "III",
    ("fit", 1): "III",
    ("fit", 2): "IV",
}


def needs_table(program: Program) -> Table:
    """What each step of a program needs from other steps, and what it makes."""

    def words(values: Iterable[Value]) -> str:
        return ", ".join(value_words(value, program.wires) for value in values)

    body = []
    for step in program.steps():
        needs, makes = needs_and_makes(step, program.wires)
        made = words(makes) or "nothing that others need"
        body.append((f"{step.op} {step.module}", words(needs) or "x alone", made))
    return Table(("step", "needs", "makes"), tuple(body), "One batch, step by step.")


def locks_table(programs: Mapping[str, Program]) -> Table:
    """The locks that each program holds, and the longest chain of its steps for one batch."""
    body = []
    for title, program in programs.items():
        held = ["held" if is_held else "free" for is_held in locks(program).values()]
        unit = {(step.op, step.module): 1.0 for step in program.steps()}
        chain = len(critical_path(program, unit))
        of_batch = sum(1 for _ in program.steps()) / program.batches_per_turn
        body.append((title, *held, f"{chain} of {of_batch:g}"))
    return Table(
        ("ordering", "forward", "update", "backward", "steps in a chain"),
        tuple(body),
        "The locks, and how many of a batch's steps can only run one after the other.",
    )
