"""Training by hand: turn by turn, on batches that are handed in."""

from __future__ import annotations

from typing import Any

import numpy as np

from dnilab.checks import whole_number
from dnilab.data.dataset import Batch, Stream
from dnilab.doors import open_doors
from dnilab.network import Optimiser, Stack
from dnilab.network.optimisers import check_optimisers
from dnilab.orderings import Program, check
from dnilab.training.one_thread import advance, connect, one_blas_thread
from dnilab.training.train import check_parts, make_workers


class Trainer:
    """Trains ``stack`` by ``program`` turn by turn, on batches that are handed in.

    ``trainer.turn(x, y)`` is one turn, of one batch: x for whoever hears the input, y (batch,
    outputs).  It is what ``train`` does between two reports, for those who want to look at every
    step of it.  On this thread.

    Raises IllegalProgram unless the program can run, and ValueError if its turns have several
    batches, it goes with another network, or what is given is no optimiser.
    """

    def __init__(
        self,
        stack: Stack,
        program: Program,
        optimiser: Optimiser,
        generator_optimiser: Optimiser | None = None,
    ) -> None:
        check_parts(stack, program)
        whole_number("batches_per_turn", program.batches_per_turn, 1, 1)
        self.stack, self.program = stack, program
        self._sources = [Stream() for _ in program.workers]  # each forgets what it is done with
        both = check_optimisers(optimiser, generator_optimiser)
        owners, source = check(program), iter(self._sources).__next__
        self._workers = make_workers(stack, source, program, owners, *both, 10**9)
        connect(self._workers, program, owners)

    def turn(self, x: Any, y: np.ndarray) -> None:
        """Train on one batch.  Raises ParametersExploded if that was the end of it."""
        for source in self._sources:
            source.give(Batch(x, y))
        with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
            advance(self._workers, self._workers[0].turn + 1)


open_doors(__name__)
