"""What training tells: snapshots, reports on the way, and in words where it broke if it did."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from dnilab.network import Stack


class Span(NamedTuple):
    """One step as it ran: on which worker, and from when to when (ns, a monotonic clock)."""

    worker: int
    op: str
    module: int
    batch: int
    start: int
    end: int


@dataclass(frozen=True)
class Report:
    """The state of a run after ``batch`` batches.

    ``epoch``: batch over batches an epoch.  ``seconds``: time spent on training, without that
    spent on reports.  ``loss``: mean loss of a row, on training rows and on ``test`` rows.
    ``scores``: what the task is judged by, on the test rows, between 0 and 1: "bit_accuracy" and
    "whole_sums" (rows with every bit right) for bits, "class_error" for classes; other tasks have
    others.  What a task does not have is NaN.

    ``cosine`` and ``generator_error`` have one number for each module below the top, or are None
    where they were not asked for: see ``metrics.alignment``.

    ``spans``: the steps since the report before (the latest few thousand of each worker).
    """

    batch: int
    epoch: float = math.nan
    seconds: float = math.nan
    loss: float = math.nan
    test_loss: float = math.nan
    scores: Mapping[str, float] = field(default_factory=dict)
    cosine: tuple[float, ...] | None = None
    generator_error: tuple[float, ...] | None = None
    spans: tuple[Span, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Diverged:
    """The run was stopped: parameters grew without bound.

    ``part`` is the "body", "generator" or "input model" of ``module``; ``message`` says it in
    words, with what to change.
    """

    batch: int
    epoch: float
    module: int
    part: str
    message: str


Event = Report | Diverged


@dataclass(frozen=True)
class Snapshot:
    """The network after ``turn`` turns: to look at, while training may go on elsewhere.

    ``spans``: the latest steps as they ran.  ``seconds``: time spent on training so far.
    """

    turn: int
    stack: Stack
    spans: tuple[Span, ...]
    seconds: float
