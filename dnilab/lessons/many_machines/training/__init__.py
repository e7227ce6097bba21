"""Modules that live apart: every worker in a process of its own, near or far.

``with cluster() as client:`` and ``train(..., executor=apart(client))``; with
``executor=Checkpointed(apart(client), checkpoint="run.npz")`` the run is written down on the way.
"""

from dnilab.lessons.many_machines.training.apart import Apart, apart
from dnilab.lessons.many_machines.training.checkpoint import Checkpointed
from dnilab.lessons.many_machines.training.cluster import cluster
from dnilab.lessons.many_machines.training.messages import Cost
