"""What an executor hands out when every worker has finished the same turn."""

from __future__ import annotations

from dataclasses import dataclass

from dnilab.network import Stack
from dnilab.training.events import Span


@dataclass(frozen=True)
class Snapshot:
    """The network after ``turn`` turns: to look at, while training may go on elsewhere.

    ``spans``: the latest steps as they ran.  ``seconds``: time spent on training so far.
    """

    turn: int
    stack: Stack
    spans: tuple[Span, ...]
    seconds: float
