"""Sweeps: many settings, several seeds each, on any executor, kept in a file as they finish.

``sweep(sweep_plan(...))`` is an iterator of rows: loop over it, ``list()`` it, or close it early.
"""

from dnilab.lessons.playground.experiments.records import Job, Record
from dnilab.lessons.playground.sweeps.executors import process_pool, workers_here
from dnilab.lessons.playground.sweeps.file import read_sweep
from dnilab.lessons.playground.sweeps.plan import sweep_plan
from dnilab.lessons.playground.sweeps.running import SweepInterrupted, run_job, sweep
