"""Experiments: settings, runs over seeds, and what the published codes did."""

from dnilab.doors import open_doors
from dnilab.experiments.compare import Run, compare, run, stream, summary
from dnilab.experiments.settings import Settings

open_doors(__name__)
