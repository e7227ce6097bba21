"""Training: the only place where data, networks and orderings meet.

``train(...)`` is an iterator of events: loop over it, ``list()`` it, or close it early.
"""

from dnilab.doors import open_doors
from dnilab.training.events import Diverged, Event, Report, Span
from dnilab.training.failures import WorkerFailed
from dnilab.training.train import EXECUTORS, alignment, scores, train, wiring_of

open_doors(__name__)
