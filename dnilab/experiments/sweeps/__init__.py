"""Sweeps: many settings, several seeds each, on any executor, kept in a file as they finish.

``sweep(sweep_plan(...))`` is an iterator of rows: loop over it, ``list()`` it, or close it early.
"""

from dnilab.experiments.sweeps.file import read_sweep
from dnilab.experiments.sweeps.plan import Job, sweep_plan
from dnilab.experiments.sweeps.pool import process_pool, workers_here
from dnilab.experiments.sweeps.row import Row, run_job
from dnilab.experiments.sweeps.running import SweepInterrupted, sweep

__all__ = [
    "Job",
    "Row",
    "SweepInterrupted",
    "process_pool",
    "read_sweep",
    "run_job",
    "sweep",
    "sweep_plan",
    "workers_here",
]
