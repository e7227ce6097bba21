"""Training: the only place where data, networks and orderings meet.

``train(...)`` is an iterator of events: loop over it, ``list()`` it, or close it early.
"""

from dnilab.training.events import Diverged, Event, Report, Span
from dnilab.training.metrics import alignment, scores
from dnilab.training.threads import WorkerFailed
from dnilab.training.train import EXECUTORS, train

__all__ = [
    "EXECUTORS",
    "Diverged",
    "Event",
    "Report",
    "Span",
    "WorkerFailed",
    "alignment",
    "scores",
    "train",
]
