"""Training: the only place where data, networks and orderings meet.

``train(...)`` is an iterator of events: loop over it, ``list()`` it, or close it early.
``train_sequences(...)`` is the same through time.
"""

from dnilab.training.events import Diverged, Event, Report, Span
from dnilab.training.metrics import alignment, scores
from dnilab.training.recurrent import (
    SegmentTrainer,
    SequenceDiverged,
    SequenceEvent,
    SequenceReport,
    train_sequences,
)
from dnilab.training.threads import WorkerFailed
from dnilab.training.train import EXECUTORS, train

__all__ = [
    "EXECUTORS",
    "Diverged",
    "Event",
    "Report",
    "SegmentTrainer",
    "SequenceDiverged",
    "SequenceEvent",
    "SequenceReport",
    "Span",
    "WorkerFailed",
    "alignment",
    "scores",
    "train",
    "train_sequences",
]
