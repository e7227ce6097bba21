"""Training: the only place where data, networks and orderings meet.

``train(...)`` is an iterator of events: loop over it, ``list()`` it, or close it early.
"""

from dnilab.training.events import Diverged, Event, Report, Span
from dnilab.training.metrics import alignment, scores
from dnilab.training.train import train

__all__ = ["Diverged", "Event", "Report", "Span", "alignment", "scores", "train"]
