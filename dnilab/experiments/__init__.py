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

__all__ = [
    "Credit",
    "RecurrentRun",
    "RecurrentSettings",
    "Run",
    "Settings",
    "compare",
    "credit",
    "credit_of",
    "longest_delay",
    "run",
    "run_recurrent",
    "run_recurrents",
    "stream",
    "summary",
]
