"""Training: the only place where data, networks and orderings meet.

``train(...)`` is an iterator of events: loop over it, ``list()`` it, or close it early.
``train_sequences(...)`` is the same through time.  ``with cluster() as client:`` and
``train(..., executor=apart(client))`` give every worker a process of its own.
"""

from dnilab.training.apart import Apart, WorkerLost, apart
from dnilab.training.cluster import cluster
from dnilab.training.errand import Cost
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
    "Apart",
    "Cost",
    "Diverged",
    "Event",
    "Report",
    "SegmentTrainer",
    "SequenceDiverged",
    "SequenceEvent",
    "SequenceReport",
    "Span",
    "WorkerFailed",
    "WorkerLost",
    "alignment",
    "apart",
    "cluster",
    "scores",
    "train",
    "train_sequences",
]
