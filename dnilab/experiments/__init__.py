"""Experiments: settings, runs over seeds, and what the published codes did."""

from dnilab.experiments.compare import Run, compare, run, stream, summary
from dnilab.experiments.recurrent import (
    Credit,
    RecurrentRun,
    RecurrentSettings,
    credit,
    credit_of,
    longest_delay,
    run_recurrent,
    run_recurrents,
)
from dnilab.experiments.settings import Settings
from dnilab.experiments.sweeps import (
    Job,
    Row,
    SweepInterrupted,
    process_pool,
    read_sweep,
    run_job,
    sweep,
    sweep_plan,
)

__all__ = [
    "Credit",
    "Job",
    "RecurrentRun",
    "RecurrentSettings",
    "Row",
    "Run",
    "Settings",
    "SweepInterrupted",
    "compare",
    "credit",
    "credit_of",
    "longest_delay",
    "process_pool",
    "read_sweep",
    "run",
    "run_job",
    "run_recurrent",
    "run_recurrents",
    "stream",
    "summary",
    "sweep",
    "sweep_plan",
]
