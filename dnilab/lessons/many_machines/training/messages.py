"""What the driver and a worker in a process of its own tell each other: plain data.

And what the driver tells everybody else if such a process is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dnilab.data import Dataset
from dnilab.lessons.many_machines.training.state import RunState
from dnilab.training.events import Span
from dnilab.training.failures import WorkerFailed

NOWHERE = "There is no checkpoint; Checkpointed(executor, checkpoint=path) writes them"


@dataclass(frozen=True)
class Assignment:
    """All that one worker needs, sent once before the run begins.

    ``made_with``: the arguments of ``Worker``, but for the feed; ``feed``: those of ``Feed``, with
    the training rows.  ``state``: where to go on; None: at the beginning.  ``saving``: whether its
    state will be asked for.
    """

    made_with: dict[str, Any]
    feed: tuple[Dataset, int, int]
    state: RunState | None
    saving: bool


@dataclass(frozen=True)
class Cost:
    """What a worker spent its time on since the run began, in seconds.

    ``computing``: processor time of the thread that runs its steps, but for ``handing_over``:
    that of giving values to the thread that sends them.  ``talking``: processor time of this
    other thread: to serialise, send, receive and unpack, and for Dask's own heartbeats.

    ``waiting``: time that passed until a value from another worker was there, or until the worker
    was no longer too far ahead.

    ``messages`` and ``bytes``: how many were sent, and how much was in them.  ``on_the_way``: the
    time from a message's sending to the answer that it is there, summed over the messages.
    """

    worker: int
    modules: tuple[int, ...]
    computing: float = 0.0
    waiting: float = 0.0
    handing_over: float = 0.0
    talking: float = 0.0
    messages: int = 0
    bytes: int = 0
    on_the_way: float = 0.0

    @property
    def communication(self) -> float:
        """The share of communication in all that this worker did, between 0 and 1."""
        told = self.talking + self.handing_over
        return told / (told + self.computing) if told else 0.0


@dataclass(frozen=True)
class Fault:
    """Why a worker stopped before its time.

    ``kind``: "ended" (it was told to), "exploded" (``what`` is module, part and batch), "failed"
    (``what`` is the exception, ``doing`` the step), or "unanswered" (``what`` is the worker that is
    silent).
    """

    kind: str
    what: Any = None
    doing: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a worker hands in at a stop, or instead of it."""

    thetas: dict[Any, list[np.ndarray]]
    spans: list[Span]
    seconds: float
    cost: Cost
    fault: Fault | None = None


class WorkerLost(WorkerFailed):
    """The process that held some modules is gone, or silent.

    ``modules``: which they were.  ``where``: where the run can go on from.
    """

    def __init__(self, what: str, modules: Sequence[int] = (), where: str = NOWHERE) -> None:
        super().__init__(f"{what}. {where}")
        self.what, self.modules = what, tuple(modules)
