"""What the benchmarks share: where figures come from, and how to print them.

Measuring by turns is in dnilab.experiments.timing, since notebook 05 measures as well.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable
from typing import Any

import numpy as np

from dnilab.experiments.timing import cores


def machine() -> dict[str, Any]:
    """What a reader has to know about where figures come from."""
    return {
        "cores": cores(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": platform.machine(),
    }


def options(description: str | None) -> argparse.ArgumentParser:
    """The command line that all benchmarks share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print rows with equal keys as an aligned table."""
    if not rows:
        return
    heads = list(rows[0])
    cells = [heads] + [
        [f"{row[h]:.4g}" if isinstance(row[h], float) else str(row[h]) for h in heads]
        for row in rows
    ]
    widths = [max(len(line[i]) for line in cells) for i in range(len(heads))]
    for line in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


def finish(
    arguments: argparse.Namespace, result: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    """Print the result as asked for."""
    result = {**machine(), **result}
    if arguments.json:
        print(json.dumps(result, indent=1))
        return
    print(", ".join(f"{k} {v}" for k, v in machine().items()))
    print_table(rows)


def print_part(what: Any) -> None:
    """Print rows, or one row, as a table."""
    print_table(what if isinstance(what, list) else [what])


def finish_parts(
    arguments: argparse.Namespace,
    result: dict[str, Any],
    show: Callable[[Any], None] = print_part,
) -> None:
    """Print the result as asked for: as text, part by part under its name."""
    finish(arguments, result, [])
    if arguments.json:
        return
    for part, what in result.items():
        print(f"\n{part}")
        show(what)
