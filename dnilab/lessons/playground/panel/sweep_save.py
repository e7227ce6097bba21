"""A sweep of the playground as files: a table, and what ``read_sweep`` reads."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from dnilab.lessons.playground.experiments.comparison import Lineup
from dnilab.lessons.playground.panel.sweep_map import Rows
from dnilab.lessons.playground.panel.sweep_plan import Plan
from dnilab.lessons.playground.sweeps.file import SweepFile
from dnilab.lessons.playground.sweeps.row import Row

SCORES = ("right", "test_loss", "loss")


def rows_of(plan: Plan, rows: Rows) -> list[Row]:
    """The rows of a plan, cell by cell, as far as they are there."""
    return [rows[job.key] for jobs in plan.jobs.values() for job in jobs if job.key in rows]


def to_csv(plan: Plan, rows: Rows) -> str:
    """A line for each run and for each refused setting, with the string of its settings."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(_table(plan, rows))
    return out.getvalue()


def _table(plan: Plan, rows: Rows) -> Iterator[list[str]]:
    axes = (plan.across.name, plan.up.name)
    yield [*axes, "seed", "status", *SCORES, "seconds", "message", "settings"]
    for place, cell in plan.cells.items():
        at = [f"{cell.values[name]:g}" for name in axes]
        if cell.settings is None:
            yield [*at, "", "refused", *("" for _ in SCORES), "", cell.refused, ""]
        for job in plan.jobs[place]:
            row = rows.get(job.key)
            if row is None or cell.settings is None:
                continue
            scores = (f"{row.scores[name]:.6g}" if name in row.scores else "" for name in SCORES)
            text = Lineup(cell.settings, 1).text
            yield [*at, str(row.seed), row.status, *scores, f"{row.seconds:.6g}", row.message, text]


def to_jsonl(plan: Plan, rows: Rows) -> str:
    """What ``sweep(jobs, file=...)`` writes, for ``read_sweep``, and to be gone on with."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "sweep.jsonl")
        with SweepFile(path) as file:
            for row in rows_of(plan, rows):
                file.append(row)
        return path.read_text("utf-8")


def links_html(plan: Plan, rows: Rows) -> str:
    """Links that save it without a server; "" while there is nothing to save."""
    if not rows_of(plan, rows):
        return ""
    kinds = (("csv", "CSV", "text/csv", to_csv), ("jsonl", "JSON lines", "text/plain", to_jsonl))
    return " ".join(
        f'<a class="dnilab-link" download="dnilab-sweep.{end}" href="data:{mime};base64,'
        f'{base64.b64encode(write(plan, rows).encode()).decode()}">Save the sweep as {kind}</a>'
        for end, kind, mime, write in kinds
    )
