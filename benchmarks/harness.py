"""What the benchmarks share: where figures come from, and how to print them.

Measuring by turns is in dnilab.lessons.shared.timing, since notebook 05 measures as well.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from dnilab.lessons.shared.timing import cores


def machine() -> dict[str, Any]:
    """What a reader has to know about where figures come from."""
    return {
        "cores": cores(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": platform.machine(),
        "blas": kernels(),
    }


def kernels() -> str:
    """The BLAS that NumPy runs, and for which processor: OPENBLAS_CORETYPE picks another."""
    blas = [lib for lib in threadpool_info() if lib["user_api"] == "blas"]
    parts = (f"{lib['internal_api']} {lib.get('architecture', '')}".strip() for lib in blas)
    return ", ".join(dict.fromkeys(parts)) or "unknown"


def options(description: str | None) -> argparse.ArgumentParser:
    """The command line that all benchmarks share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def seeded(description: str | None, seeds: int) -> argparse.ArgumentParser:
    """The command line of a benchmark of what is learned, by default over so many seeds."""
    parser = options(description)
    parser.add_argument("--seeds", type=int, default=seeds, help=f"how many (default: {seeds})")
    parser.add_argument("--first-seed", type=int, default=0, help="the others follow (default: 0)")
    return parser


def seeds_of(arguments: argparse.Namespace, count: int | None = None) -> range:
    """The seeds that were asked for, or the first ``count`` of them."""
    first = arguments.first_seed
    return range(first, first + (arguments.seeds if count is None else count))


def seed_by_seed(values: Sequence[float], reference: Sequence[float], *, lower: bool) -> str:
    """On how many seeds a way is better than the reference: "3 better, 1 level, 1 worse".

    ``lower``: whether a lower value is better.  A NaN, of a run that diverged, is worse.
    """
    gaps = np.subtract(reference, values) * (1 if lower else -1)
    better, level = int((gaps > 0).sum()), int((gaps == 0).sum())
    return f"{better} better, {level} level, {len(gaps) - better - level} worse"


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
