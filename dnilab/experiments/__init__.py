"""Experiments: settings, runs over seeds, and what the published codes did."""

from dnilab.experiments.compare import Run, compare, run, stream, summary
from dnilab.experiments.settings import Settings
