"""Steps, values and programs: the words in which an ordering is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from dnilab.checks import one_of, true_or_false, whole_number

OPERATIONS = {
    "forward_update": "forward, guess the gradient at the output, pull it back, update",
    "fit": "update the generator by the error of its guess: the gradient came from above",
    "late_fit": "let the generator of today guess again, and update it by that guess's error",
    "forward": "forward alone",
    "backward": "pull the gradient that came from above (or the loss) back through the module",
    "update": "update the module with the gradients that were found",
    "forward_guess": "forward, and guess the gradient at the output, without an update",
    "pull": "pull the module's own guess back through it",
    "unlocked_update": "forward from a predicted input, guess, pull back, update",
    "fit_input": "update the input model by the error of its prediction",
    "late_fit_input": "let the input model of today predict again, and update it by that error",
}
"""The operations a step can name, and what each does to one module on one batch."""


class Value(NamedTuple):
    """Something that one step makes and one other step needs.

    ``kind`` is "h" (activation of the module), "message" (gradient with respect to the module's
    input, sent down), "guess" (g_hat with its pullback, and h), "pullback" (of the module),
    "grads", or "prediction" (of the module's input, with its pullback).
    """

    kind: str
    module: int
    batch: int

    def __str__(self) -> str:
        return f"{self.kind} of module {self.module}, batch {self.batch}"


@dataclass(frozen=True, slots=True)
class Step:
    """One operation on one module and one batch.

    ``module`` counts from 1 at the input.  In a program's turn, ``batch`` is relative to the
    turn: 0 is the turn's own (first) batch, -2 the batch two before it.

    ``alone``: run on a new thread, started for this step and forgotten, as the published
    threaded code does it.  Such a step races with the steps after it.
    """

    op: str
    module: int
    batch: int = 0
    alone: bool = False

    def __post_init__(self) -> None:
        one_of("op", self.op, tuple(OPERATIONS))
        object.__setattr__(self, "module", whole_number("module", self.module, 1))
        if type(self.batch) is not int:
            raise ValueError(f"batch is {self.batch!r}; it accepts a whole number")
        true_or_false("alone", self.alone)

    def __str__(self) -> str:
        return f"{self.op} of module {self.module}, batch {self.batch}"


@dataclass(frozen=True)
class Program:
    """An ordering: for each worker, the steps of one turn.

    ``modules``: how many modules the network has.  ``workers``: one tuple of steps a worker, run
    from first to last.  A turn covers ``batches_per_turn`` batches; then the next turn begins.
    Steps whose batch would be before the first or after the last batch of a run are left out.

    ``parcels``: what one worker makes for another is handed over in one parcel when the maker's
    turn ends, instead of piece by piece.
    """

    name: str
    modules: int
    workers: tuple[tuple[Step, ...], ...]
    batches_per_turn: int = 1
    parcels: bool = False

    def __post_init__(self) -> None:
        for name in ("modules", "batches_per_turn"):  # plain, also where NumPy's came in
            object.__setattr__(self, name, whole_number(name, getattr(self, name), 1))
        for step in self.steps():
            if step.module > self.modules:
                raise ValueError(f"{step} is not among the {self.modules} modules")

    def turn(self, number: int) -> tuple[tuple[Step, ...], ...]:
        """The steps of turn ``number``, worker by worker: the same in every turn."""
        return self.workers

    @property
    def repeats(self) -> bool:
        """Whether all turns have the same steps."""
        return True

    def steps(self) -> Iterator[Step]:
        """All steps that a turn can have, worker by worker."""
        for worker in self.workers:
            yield from worker

    @property
    def lag(self) -> int:
        """How many batches the latest step of a turn is behind the turn's first batch."""
        return max((0, *(-step.batch for step in self.steps())))

    @property
    def races(self) -> bool:
        """Whether the result depends on chance: a step that runs alone races with later ones."""
        return any(step.alone for step in self.steps())

    def turns(self, batches: int) -> int:
        """How many turns it takes to finish ``batches`` batches, the late steps included."""
        return -(-(batches + self.lag) // self.batches_per_turn)
