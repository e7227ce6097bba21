"""Modules that live apart: every worker in a process of its own, near or far.

``with cluster() as client:`` and ``train(..., executor=apart(client))``.
"""

from dnilab.lessons.many_machines.training.apart import Apart, apart
from dnilab.lessons.many_machines.training.cluster import cluster
from dnilab.lessons.many_machines.training.messages import Cost
