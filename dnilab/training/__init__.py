"""Training: the only place where data, networks and orderings meet.

``train(...)`` is an iterator of events: loop over it, ``list()`` it, or close it early.
``train_sequences(...)`` is the same through time.  ``with cluster() as client:`` and
``train(..., executor=apart(client))`` give every worker a process of its own.
"""

from dnilab.training.events import Diverged, Event, Report, Span
from dnilab.training.failures import WorkerFailed
from dnilab.training.metrics import alignment, scores
from dnilab.training.train import EXECUTORS, train
