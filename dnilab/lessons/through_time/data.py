"""Tasks through time: what is to be remembered, for how long, and when it is asked for.

A task is a frozen description.  ``task.stream(rng, ...)`` gives batches of sequences without
end, drawn anew each time: there is no test set, for no sequence is seen twice but by chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from dnilab.checks import random_generator, whole_number

BITS = "binary cross-entropy"
CLASSES = "softmax cross-entropy"


@dataclass(frozen=True)
class Sequences:
    """A batch of sequences, or the next piece of endless ones.

    Shapes: x (steps, batch, inputs); y (steps, batch, outputs), of 0 and 1; asked (steps, batch),
    1 where y counts and 0 where nothing is asked; upcoming (steps, batch, horizon * outputs): for
    each step the targets of the ``horizon`` steps *after* it, nearest first, written as -1 and +1,
    and 0 for a step that asks nothing.  A place in it stands for a distance in time, because how
    a target bears on a state depends on how many steps lie between them.  (Recall has a single
    target: there it is one number, however far away the question is.)

    ``starts``: the state before the first step is the start state, and not what went before.
    ``ends``: nothing follows, so that the true gradient after the last step is zero.
    """

    x: np.ndarray
    y: np.ndarray
    asked: np.ndarray
    upcoming: np.ndarray
    starts: bool
    ends: bool


@dataclass(frozen=True)
class SequenceTask:
    """What the tasks have in common.

    ``delay``: how many steps lie between what is shown and the step that asks for it.

    ``task.stream(rng, batch)`` gives sequences without end.  ``horizon``: how many upcoming targets
    each step is told; None: ``full_horizon``.  ``steps``: how many come in one piece, where a
    sequence never ends.

    Raises ValueError for a delay below ``shortest``, and ``stream`` for a horizon outside 1 to
    ``furthest``.
    """

    delay: int
    name: ClassVar[str]
    shortest: ClassVar[int] = 1

    def __post_init__(self) -> None:
        whole_number("delay", self.delay, self.shortest)

    @property
    def inputs(self) -> int:
        """Numbers that are shown at each step."""
        return 1

    @property
    def outputs(self) -> int:
        """Numbers in an answer."""
        return 1

    @property
    def loss(self) -> str:
        """The cross-entropy that fits."""
        return BITS

    @property
    def chance(self) -> float:
        """The mean bits of error of an answer by one who has seen nothing."""
        return 1.0

    @property
    def full_horizon(self) -> int:
        """The number of steps ahead whose targets can be of any use."""
        raise NotImplementedError

    @property
    def furthest(self) -> int | None:
        """The longest horizon that there is."""
        return self.full_horizon

    def harder(self) -> Self:
        """The same with a delay of one more step."""
        return replace(self, delay=self.delay + 1)

    def stream(
        self,
        rng: np.random.Generator,
        batch: int,
        *,
        horizon: int | None = None,
        steps: int = 128,
    ) -> Iterator[Sequences]:
        """Batches of new sequences, or of the next pieces of endless ones."""
        random_generator("rng", rng)
        whole_number("batch", batch, 1)
        whole_number("steps", steps, 1)
        ahead = self.full_horizon if horizon is None else horizon
        return self._draw(rng, batch, whole_number("horizon", ahead, 1, self.furthest), steps)

    def _draw(
        self, rng: np.random.Generator, batch: int, horizon: int, steps: int
    ) -> Iterator[Sequences]:
        raise NotImplementedError


@dataclass(frozen=True)
class Echo(SequenceTask):
    """One random bit a step, to be said ``delay`` steps later; it never ends.

    Input: the bit, -1 or +1.  Until ``delay`` steps have gone by nothing is asked.

    Targets further ahead than ``delay`` are not drawn yet, so that no horizon goes beyond it.
    """

    name = "echo"

    @property
    def full_horizon(self) -> int:
        """The bits that the state has to hold: ``delay`` of them."""
        return self.delay

    def _draw(
        self, rng: np.random.Generator, batch: int, horizon: int, steps: int
    ) -> Iterator[Sequences]:
        k = self.delay
        signs = np.zeros((k, batch))  # the last k bits; none at first
        starts = True
        while True:
            new = 2.0 * rng.integers(0, 2, (steps, batch)) - 1
            signs = np.concatenate([signs[-k:], new])  # signs[t] was shown k steps before step t
            y = signs[:steps, :, None]
            ahead = np.lib.stride_tricks.sliding_window_view(signs[1:], horizon, axis=0)[:steps]
            yield Sequences(
                x=new[:, :, None],
                y=(y > 0).astype(float),
                asked=np.abs(signs[:steps]),
                upcoming=np.ascontiguousarray(ahead),
                starts=starts,
                ends=False,
            )
            starts = False


@dataclass(frozen=True)
class Recall(SequenceTask):
    """One of ``symbols`` is shown, ``delay`` steps of distraction follow, then it is asked for.

    A sequence has ``delay + 2`` steps: symbol, distraction, question.  Input: the symbol (two
    symbols: one number, -1 or +1; more: one-hot), random symbols as distraction, zeros with the
    question; then a number that is 1 when the symbol to keep is shown, and one that is 1 when it
    is asked for.

    One target is all there is, so that the horizon is 1.  Raises ValueError for fewer than 2
    symbols, too.
    """

    symbols: int = 2
    name = "recall"
    shortest = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        whole_number("symbols", self.symbols, 2)

    @property
    def full_horizon(self) -> int:
        """The one target."""
        return 1

    @property
    def outputs(self) -> int:
        """1 for a bit, else one for each symbol."""
        return 1 if self.symbols == 2 else self.symbols

    @property
    def inputs(self) -> int:
        """The symbol, and two signs."""
        return self.outputs + 2

    @property
    def loss(self) -> str:
        """The cross-entropy that fits."""
        return BITS if self.symbols == 2 else CLASSES

    @property
    def chance(self) -> float:
        """log2 of the number of symbols."""
        return float(np.log2(self.symbols))

    def _written(self, symbols: np.ndarray) -> np.ndarray:
        """Numbers 0, 1, ... as 0 and 1, in a new last axis."""
        if self.symbols == 2:
            return symbols[..., None].astype(float)
        return np.eye(self.symbols)[symbols]

    def _draw(
        self, rng: np.random.Generator, batch: int, horizon: int, steps: int
    ) -> Iterator[Sequences]:
        steps, outputs = self.delay + 2, self.outputs
        asked = np.zeros((steps, batch))
        asked[-1] = 1
        while True:
            shown = self._written(rng.integers(0, self.symbols, (steps - 1, batch)))
            x = np.zeros((steps, batch, self.inputs))
            x[:-1, :, :outputs] = 2 * shown - 1 if self.symbols == 2 else shown
            x[0, :, outputs] = 1
            x[-1, :, outputs + 1] = 1
            y = np.zeros((steps, batch, outputs))
            y[-1] = shown[0]
            upcoming = np.zeros((steps, batch, outputs))
            upcoming[:-1] = 2 * shown[0] - 1
            yield Sequences(x, y, asked, upcoming, starts=True, ends=True)


@dataclass(frozen=True)
class Copy(SequenceTask):
    """``delay`` random bits are shown, one a step; then they are asked for in the same order.

    A sequence has ``2 * delay`` steps.  Input: the bit, -1 or +1, and 0 while answering; and a
    number that is 1 while answering.  A curriculum makes it longer (paper, section 3.2: copy).

    ``horizon`` may be larger than the sequence is long: a step that is not there asks nothing, so
    that one generator serves while the length grows.
    """

    name = "copy"

    @property
    def inputs(self) -> int:
        """The bit, and a sign."""
        return 2

    @property
    def full_horizon(self) -> int:
        """All steps of the sequence but the first: no state is older than that."""
        return 2 * self.delay - 1

    @property
    def furthest(self) -> None:
        """There is no end."""
        return None

    def _draw(
        self, rng: np.random.Generator, batch: int, horizon: int, steps: int
    ) -> Iterator[Sequences]:
        n = self.delay
        asked = np.zeros((2 * n, batch))
        asked[n:] = 1
        while True:
            signs = 2.0 * rng.integers(0, 2, (n, batch)) - 1
            x = np.zeros((2 * n, batch, 2))
            x[:n, :, 0] = signs
            x[n:, :, 1] = 1
            y = np.zeros((2 * n, batch, 1))
            y[n:, :, 0] = signs > 0
            # Nothing is asked while the bits are shown, nor after the end.
            said = np.concatenate([np.zeros((n, batch)), signs, np.zeros((horizon, batch))])
            ahead = np.lib.stride_tricks.sliding_window_view(said[1:], horizon, axis=0)
            yield Sequences(x, y, asked, ahead, starts=True, ends=True)


SEQUENCE_TASKS: dict[str, type[SequenceTask]] = {kind.name: kind for kind in (Echo, Recall, Copy)}
