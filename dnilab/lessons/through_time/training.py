"""Training through time: truncated backpropagation, with or without a guess at the cut.

A sequence is worked through in segments of T steps (``unroll``).  The state is carried from one
segment to the next; the gradient is not: backpropagation ends at the cut.  What it throws away is
the gradient of all later losses with respect to the last state of the segment.  A generator guesses
it from that state, and, if it is told, from the targets that will be asked for next (Jaderberg et
al. 2016, section 2.2).

The generator's target comes out of the next segment, at its first state: it holds the true
gradient of that segment's losses, and, carried back through it, that segment's own guess at its
own end.  A guess that learns from a later guess is bootstrapping, as in temporal-difference
learning.

The auxiliary task of the paper's section 2.2, to predict the synthetic gradients of the next cut
from the state at this one, is an option.  The details are ours: a second generator A, linear, sees
the state s at a cut and is fitted to what M says at the next cut; the gradient of its squared error
with respect to s, times ``auxiliary``, trains the network by way of the segment that made s.  That
pullback is called one segment late, with the weights as they are then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from dnilab.checks import real_number, true_or_false, whole_number
from dnilab.lessons.through_time.data import Sequences, SequenceTask
from dnilab.lessons.through_time.network import RecurrentNet
from dnilab.network import Dense, Generator, Loss, Optimiser, loss_named
from dnilab.training.blas import one_blas_thread
from dnilab.training.malloc import keep_freed_memory
from dnilab.training.worker import LIMIT

CHECK_EVERY = 200  # updates between two looks at whether parameters grow without bound
PIECE = 128  # steps of an endless sequence that are drawn at once, or a few more


@dataclass(frozen=True)
class SequenceReport:
    """The state of a run after ``update`` updates, that is segments.

    ``step``: steps of time so far.  ``seconds``: time spent on training.  ``bits``: the mean
    cross-entropy of an answer since the report before, in bits, NaN if nothing was asked; every
    sequence is new, so this is the error on unseen data.  ``delay``: that of the task now, which a
    curriculum makes longer.  ``solved``: the longest delay so far at which ``bits`` was below the
    threshold; 0 if none.
    """

    update: int
    step: int
    seconds: float
    bits: float
    delay: int
    solved: int


@dataclass(frozen=True)
class SequenceDiverged:
    """The run was stopped: parameters grew without bound.  ``part`` is "network" or "generator"."""

    update: int
    part: str
    message: str


SequenceEvent = SequenceReport | SequenceDiverged


class _Exploded(Exception):
    def __init__(self, part: str) -> None:
        super().__init__(part)
        self.part = part


@dataclass
class _Waiting:
    """A guess that waits for its target, and what is needed once the target is there."""

    guess: np.ndarray
    fit: Any  # the pullback of the generator
    state: np.ndarray
    through: Any  # the pullback of the segment that made the state
    outputs: np.ndarray


class SegmentTrainer:
    """The two operations of a segment, for one network; ``train_sequences`` drives it.

    ``segment(piece, start, stop)`` works through steps start to stop of a piece and updates;
    it returns the outputs (steps, batch, outputs).
    """

    def __init__(
        self,
        net: RecurrentNet,
        loss: Loss,
        optimiser: Optimiser,
        generator: Generator | None = None,
        generator_optimiser: Optimiser | None = None,
        *,
        readout_only: bool = False,
        auxiliary: float = 0.0,
    ) -> None:
        self.net, self.loss, self.generator = net, loss, generator
        self.readout_only, self.auxiliary = readout_only, auxiliary
        for_generator = generator_optimiser or optimiser
        if readout_only:
            # The cell stays as it is: the optimiser is not even shown its parameters.
            self._cut = net.cell.theta.size
        else:
            self._cut = 0
        self._update = optimiser.start([net.theta[self._cut :]])
        if generator is not None:
            self._fit = for_generator.start(generator.thetas)
        self.predictor: Generator | None = None
        if generator is not None and auxiliary:
            width = net.cell.state_width
            self.predictor = Generator(width, ("h",), dtype=net.theta.dtype)
            self._fit_predictor = for_generator.start(self.predictor.thetas)
        self.state: np.ndarray | None = None
        self._waiting: _Waiting | None = None

    def segment(self, piece: Sequences, start: int, stop: int) -> np.ndarray:
        """One update."""
        xs = piece.x[start:stop]
        batch = xs.shape[1]
        if start == 0 and (piece.starts or self.state is None):
            self.state = self.net.cell.start(batch)
            self._waiting = None
        assert self.state is not None
        states, outputs, through = self.net(self.state, xs)
        last = states[-1]
        flat = outputs.reshape(-1, outputs.shape[2])
        doutputs = self.loss.gradient(flat, piece.y[start:stop].reshape(flat.shape))
        doutputs = doutputs.reshape(outputs.shape)
        doutputs *= piece.asked[start:stop, :, None]

        # The guess of all that comes after the cut.  At the end of a sequence it is zero, truly.
        guess, fit = None, None
        cut_off = not (piece.ends and stop == len(piece.x))
        if self.generator is not None and cut_off:
            guess, fit = self.generator(last, None, piece.upcoming[stop - 1])
        target, (grad,) = through(doutputs, guess, self.readout_only)

        if self._waiting is not None:
            # What came out at the first state is the target of the guess made there.
            was = self._waiting
            _, grads = was.fit(was.guess - target, want_dx=False)
            self._fit(grads, batch)
            if self.predictor is not None and guess is not None:
                grad += self._foresee(was, guess, batch)
        self._update([grad[self._cut :]], batch)
        self.state = last
        self._waiting = (
            None if guess is None else _Waiting(guess, fit, last, through, np.zeros_like(outputs))
        )
        return outputs

    def _foresee(self, was: _Waiting, guess: np.ndarray, batch: int) -> np.ndarray:
        """Fit the predictor to the guess at this cut; its gradient for the network."""
        assert self.predictor is not None
        foreseen, back = self.predictor(was.state)
        dstate, grads = back(foreseen - guess)
        self._fit_predictor(grads, batch)
        _, (grad,) = was.through(was.outputs, dstate * self.auxiliary)
        return grad

    def check(self) -> None:
        """Raise _Exploded if parameters grew without bound."""
        parts = [("network", [self.net.theta])]
        if self.generator is not None:
            parts.insert(0, ("generator", self.generator.thetas))
        for part, thetas in parts:
            for theta in thetas:
                mean_square = float(np.vdot(theta, theta)) / theta.size
                if not mean_square < LIMIT**2:
                    raise _Exploded(part)


def _bits(
    loss: Loss, outputs: list[np.ndarray], ys: list[np.ndarray], asked: list[np.ndarray]
) -> float:
    """Mean bits of error of the answers that were asked for; NaN if none were."""
    counts = np.concatenate([a.ravel() for a in asked]) > 0
    if not counts.any():
        return float("nan")
    flat = np.concatenate([o.reshape(-1, o.shape[2]) for o in outputs])[counts]
    y = np.concatenate([y.reshape(-1, y.shape[2]) for y in ys])[counts]
    return float(loss.per_row(flat.astype(float), y.astype(float)).mean() / np.log(2))


def _in_words(part: str, update: int, rate: float, generator_rate: float) -> str:
    what = "the generator" if part == "generator" else "the weights"
    rates = [f"the generator's rate (now {generator_rate:g})", f"the network's rate (now {rate:g})"]
    first, second = rates if part == "generator" else rates[::-1]
    return (
        f"Diverged: {what} grew without bound at update {update}, and the run was stopped. "
        f"Lower {first}; if that does not help, {second}."
    )


def _check_generator(
    generator: Generator, net: RecurrentNet, task: SequenceTask, horizon: int | None, grows: bool
) -> None:
    """Raise ValueError unless the generator fits the state and the targets that it is shown."""
    if not isinstance(generator, Generator):
        raise ValueError(f"generator is {generator!r}; it accepts a Generator or None")
    width = net.cell.state_width
    if generator.width != width:
        raise ValueError(
            f"generator has width {generator.width}; it accepts {width}, the width of the state"
        )
    if "x" in generator.context:
        raise ValueError(
            f"generator has the context {generator.context}; through time it accepts h, h_norm "
            "and y: every x has gone into the state"
        )
    if "y" not in generator.context:
        return
    ahead = task.full_horizon if horizon is None else horizon
    theirs = sum(width for part in generator.context if part != "y")
    first = generator.body.layers[0]
    assert isinstance(first, Dense)
    outputs, shown = first.n_in - theirs, ahead * task.outputs
    if outputs != shown:
        raise ValueError(
            f"generator has outputs={outputs}; with horizon {ahead} task {task.name!r} accepts "
            f"{shown}"
        )
    if grows and horizon is None and task.harder().full_horizon != task.full_horizon:
        raise ValueError(
            "horizon is None and curriculum is True; with a generator that sees y, horizon accepts "
            "a whole number, for the generator's width cannot grow"
        )


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
) -> Iterator[SequenceEvent]:
    """Train ``net`` in place and yield an event now and then.

    ``unroll``: steps of a segment; None for whole sequences, which is full backpropagation
    through time.  One segment is one update.  ``generator`` guesses at the cuts; its context "h"
    is the state, and "y" the next ``horizon`` targets (None: all that the task says are of use).
    ``readout_only`` leaves the cell frozen.  ``rng`` draws the sequences.

    A report comes after every ``report_every`` updates, at the end of the sequence or piece that
    is being worked on.  Solved means that ``bits`` of a report are below ``solved_below``: then
    the run may stop, or with ``curriculum`` go on with a delay of one more.

    The run finishes the sequence or piece in which it makes the last of its ``updates``: answers
    come at the end of a sequence.  A piece of an endless one is 128 steps, or a few more, so that
    with an ``unroll`` of 1 up to 127 updates are added; but a run that is shorter than a piece
    makes ``updates`` and no more.

    A run that diverges ends with ``SequenceDiverged``.  Closing the iterator ends the run and
    leaves the network as it is then.

    Raises ValueError at once, naming the argument, if something is out of range or does not go
    together.
    """
    loss = loss_named(task.loss)
    if unroll is not None:
        unroll = whole_number("unroll", unroll, 1)
    elif task.name == "echo":
        raise ValueError("unroll is None; the echo task never ends and accepts a whole number")
    batch_size = whole_number("batch_size", batch_size, 1)
    updates = whole_number("updates", updates, 1)
    report_every = whole_number("report_every", report_every, 1)
    real_number("solved_below", solved_below, 0)
    real_number("auxiliary", auxiliary, 0)
    true_or_false("readout_only", readout_only)
    true_or_false("stop_when_solved", stop_when_solved)
    true_or_false("curriculum", curriculum)
    for_generator = optimiser if generator_optimiser is None else generator_optimiser
    for name, given in (("optimiser", optimiser), ("generator_optimiser", for_generator)):
        if not isinstance(given, Optimiser):
            raise ValueError(f"{name} is {given!r}; it accepts an optimiser, as Adam(1e-3)")
    if net.cell.n_in != task.inputs or net.readout.n_out != task.outputs:
        raise ValueError(
            f"net has {net.cell.n_in} inputs and {net.readout.n_out} outputs; task {task.name!r} "
            f"accepts {task.inputs} and {task.outputs}"
        )
    if generator is not None and readout_only:
        raise ValueError("generator is given and readout_only is True; a frozen cell accepts None")
    if generator is None and auxiliary:
        raise ValueError(f"auxiliary is {auxiliary:g}; without a generator it accepts 0")
    # An endless sequence comes in pieces of whole segments, no more of them than there are updates.
    length = PIECE if unroll is None else unroll * min(-(-PIECE // unroll), updates)

    def stream(of: SequenceTask) -> Iterator[Sequences]:
        return of.stream(rng, batch_size, horizon=horizon, steps=length)

    first = stream(task)  # a wrong horizon is said at once
    if generator is not None:
        _check_generator(generator, net, task, horizon, curriculum)
    keep_freed_memory()  # a segment's arrays are made anew each time
    trainer = SegmentTrainer(
        net,
        loss,
        optimiser,
        generator,
        for_generator,
        readout_only=readout_only,
        auxiliary=auxiliary,
    )
    dtype = net.theta.dtype

    def events() -> Iterator[SequenceEvent]:
        now, pieces = task, first
        update = step = solved = reported = 0
        seconds = 0.0
        while update < updates:
            outputs: list[np.ndarray] = []
            ys: list[np.ndarray] = []
            asked: list[np.ndarray] = []
            began = perf_counter()
            try:
                with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
                    while update < min(reported + report_every, updates):
                        piece = _as_type(next(pieces), dtype)
                        size = len(piece.x) if unroll is None else unroll
                        for start in range(0, len(piece.x), size):
                            stop = min(start + size, len(piece.x))
                            outputs.append(trainer.segment(piece, start, stop))
                            ys.append(piece.y[start:stop])
                            asked.append(piece.asked[start:stop])
                            update += 1
                            step += stop - start
                            if update % CHECK_EVERY == 0:
                                trainer.check()
                    trainer.check()
            except _Exploded as fault:
                message = _in_words(fault.part, update, optimiser.rate, for_generator.rate)
                yield SequenceDiverged(update, fault.part, message)
                return
            reported = update
            bits = _bits(loss, outputs, ys, asked)
            seconds += perf_counter() - began
            delay = now.delay
            if bits < solved_below:
                solved = max(solved, delay)
                if curriculum:
                    now = now.harder()
                    pieces = stream(now)
            yield SequenceReport(update, step, seconds, bits, delay, solved)
            if stop_when_solved and bits < solved_below:
                return

    return events()


def _as_type(piece: Sequences, dtype: Any) -> Sequences:
    """The same in the network's dtype."""
    if piece.x.dtype == dtype:
        return piece
    x, y, asked, upcoming = (
        a.astype(dtype) for a in (piece.x, piece.y, piece.asked, piece.upcoming)
    )
    return Sequences(x, y, asked, upcoming, piece.starts, piece.ends)
