"""Training through time: truncated backpropagation, with or without a guess at the cut.

A sequence is worked through in segments of T steps (``unroll``).  The state is carried from one
segment to the next; the gradient is not: backpropagation ends at the cut.  What it throws away is
the gradient of all later losses with respect to the last state of the segment.  A generator guesses
it from that state, and, if it is told, from the targets that will be asked for next (Jaderberg et
al. 2016, section 2.2).

So a recurrent network is one module that hears itself, one segment ago, and a segment is a batch.
The generator's target is the message that comes down out of the next segment: it holds the true
gradient of that segment's losses, and, carried back through it, that segment's own guess at its
own end.  A guess that learns from a later guess is bootstrapping, as in temporal-difference
learning.

The auxiliary task of the paper's section 2.2, to predict the synthetic gradients of the next cut
from the state at this one, is an option (``Foresee``).  Its details are ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from dnilab.data.dataset import Batch, Stream
from dnilab.lessons.through_time.data import Sequences, SequenceTask
from dnilab.lessons.through_time.network.recurrent import (
    Foresee,
    OverSegments,
    RecurrentNet,
    Segment,
)
from dnilab.lessons.through_time.network.traces import TraceGenerator
from dnilab.network import Generator, Loss, Module, Optimiser, Stack, loss_named
from dnilab.network.optimisers import check_optimisers
from dnilab.orderings import Program, check, sequential
from dnilab.training import Diverged, Event, Report, wiring_of
from dnilab.training.events import Snapshot
from dnilab.training.one_thread import one_thread
from dnilab.training.train import follow, make_workers
from dnilab.training.worker import ParametersExploded

PIECE = 128  # steps of an endless sequence that are drawn at once, or a few more
ENDLESS = 10**9  # batches: the sequences say when a run is at its end


def through_time(
    net: RecurrentNet,
    loss: Loss,
    generator: Generator | None = None,
    *,
    readout_only: bool = False,
    foresee: Foresee | None = None,
) -> tuple[Stack, Program]:
    """A recurrent network as one module that hears itself one segment ago; and its program."""
    over = OverSegments(net, loss, readout_only, foresee)
    if isinstance(generator, TraceGenerator):
        generator.arrived = over.jacobian
    stack = Stack([Module(over, generator)], loss, (((1, 1), (0, 0)),))
    return stack, sequential(wiring_of(stack))


def segments(piece: Sequences, unroll: int | None = None) -> list[Batch]:
    """A piece of a sequence, cut after every ``unroll`` steps; None: not at all.

    Each as x, with the targets that come after it as y, (batch, horizon * outputs): what a
    generator may see.
    """
    length = len(piece.x)
    size = length if unroll is None else unroll
    return [
        Batch(
            Segment(
                piece.x[start:stop],
                piece.y[start:stop],
                piece.asked[start:stop],
                starts=piece.starts and start == 0,
                ends=piece.ends and stop == length,
                last=stop == length,
            ),
            piece.upcoming[stop - 1],
        )
        for start in range(0, length, size)
        for stop in [min(start + size, length)]
    ]


def _bits(loss: Loss, answers: list[tuple[np.ndarray, Segment]]) -> float:
    """Mean bits of error of the answers that were asked for; NaN if none were."""
    asked = np.concatenate([seen.asked.ravel() for _, seen in answers]) > 0
    if not asked.any():
        return float("nan")
    outputs = np.concatenate([o.reshape(-1, o.shape[2]) for o, _ in answers])[asked]
    y = np.concatenate([seen.y.reshape(-1, seen.y.shape[2]) for _, seen in answers])[asked]
    return float(loss.per_row(outputs.astype(float), y.astype(float)).mean() / np.log(2))


def _in_words(
    fault: ParametersExploded, update: int, rate: float, generator_rate: float
) -> Diverged:
    part = "generator" if fault.part == "generator" else "network"
    what = "the generator" if part == "generator" else "the weights"
    rates = [f"the generator's rate (now {generator_rate:g})", f"the network's rate (now {rate:g})"]
    first, second = rates if part == "generator" else rates[::-1]
    message = (
        f"Diverged: {what} grew without bound at update {update}, and the run was stopped. "
        f"Lower {first}; if that does not help, {second}."
    )
    return Diverged(update, float("nan"), 1, part, message)


def train_sequences(
    net: RecurrentNet,
    task: SequenceTask,
    *,
    unroll: int | None,
    optimiser: Optimiser,
    generator: Generator | None = None,
    generator_optimiser: Optimiser | None = None,
    horizon: int | None = None,
    auxiliary: float = 0.0,
    readout_only: bool = False,
    batch_size: int = 32,
    updates: int = 1000,
    report_every: int = 100,
    solved_below: float = 0.15,
    stop_when_solved: bool = False,
    curriculum: bool = False,
    rng: np.random.Generator,
) -> Iterator[Event]:
    """Train ``net`` in place and yield an event now and then.

    ``unroll``: steps of a segment; None for whole sequences, which is full backpropagation
    through time.  One segment is one update.  ``generator`` guesses at the cuts; its context "h"
    is the state, and "y" the next ``horizon`` targets (None: all that the task says are of use).
    ``readout_only`` leaves the cell frozen.  ``rng`` draws the sequences.

    A report comes after every ``report_every`` updates, at the end of the sequence or piece that
    is being worked on; its ``batch`` counts updates.  Its ``scores``: "bits", the mean
    cross-entropy of an answer since the report before, NaN if nothing was asked: every sequence is
    new, so this is the error on unseen data; "step", steps of time so far; "delay", that of the
    task now; "solved", the longest delay so far that was solved, 0 if none.

    Solved means that "bits" of a report are below ``solved_below``: then the run may stop, or with
    ``curriculum`` go on with a delay of one more.

    The run finishes the sequence or piece in which it makes the last of its ``updates``: answers
    come at the end of a sequence.  A piece of an endless one is 128 steps, or a few more, so that
    with an ``unroll`` of 1 up to 127 updates are added; but a run that is shorter than a piece
    makes ``updates`` and no more.

    A run that diverges ends with ``Diverged``.  Closing the iterator ends the run and
    leaves the network as it is then.

    ``RecurrentSettings`` makes the network and all else that goes in here, and checks it.
    """
    loss = loss_named(task.loss)
    optimiser, for_generator = check_optimisers(optimiser, generator_optimiser)
    # An endless sequence comes in pieces of whole segments, no more of them than there are updates.
    length = PIECE if unroll is None else unroll * min(-(-PIECE // unroll), updates)

    def stream(of: SequenceTask) -> Iterator[Sequences]:
        return of.stream(rng, batch_size, horizon=horizon, steps=length)

    now, pieces = task, stream(task)
    foresee = None
    if auxiliary:
        predictor = Generator(net.cell.state_width, ("h",), dtype=net.theta.dtype)
        foresee = Foresee(predictor, for_generator, auxiliary)
    stack, program = through_time(net, loss, generator, readout_only=readout_only, foresee=foresee)
    over: OverSegments = stack.modules[0].body
    solved = step = 0
    over_now = False  # solved, and asked to stop then

    def drawn() -> Iterator[Batch]:
        while True:  # a harder task takes over where a piece ends
            yield from segments(_as_type(next(pieces), net.theta.dtype), unroll)

    source = Stream(drawn())

    def stops() -> Iterator[int]:
        """How many updates there are at each report."""
        done = 0
        while done < updates and not over_now:
            wanted = min(done + report_every, updates)
            while done < wanted or not source.x(done - 1).last:
                done += 1
            yield done

    def judge(at: Snapshot) -> Report:
        nonlocal now, pieces, solved, step, over_now
        bits, delay = _bits(loss, over.answers), now.delay
        step += sum(len(seen.x) for _, seen in over.answers)
        over.answers.clear()
        if bits < solved_below:
            solved, over_now = max(solved, delay), stop_when_solved
            if curriculum:
                now = now.harder()
                pieces = stream(now)
        scores = {"bits": bits, "step": step, "delay": delay, "solved": solved}
        return Report(at.turn, seconds=at.seconds, scores=scores)

    owners, both = check(program), (optimiser, for_generator)
    workers = make_workers(stack, lambda: source, program, owners, *both, ENDLESS)
    return follow(
        one_thread(stack, workers, program, owners, stops()),
        judge,
        lambda fault: _in_words(fault, workers[0].turn, optimiser.rate, for_generator.rate),
    )


def _as_type(piece: Sequences, dtype: Any) -> Sequences:
    """The same in the network's dtype."""
    arrays = {name: getattr(piece, name) for name in ("x", "y", "asked", "upcoming")}
    return replace(piece, **{name: a.astype(dtype, copy=False) for name, a in arrays.items()})
