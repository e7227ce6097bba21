"""What the benchmarks share: one BLAS thread, taking turns, medians, and how to print."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

import numpy as np


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine() -> dict[str, Any]:
    """What a reader has to know about where figures come from."""
    return {
        "cores": cores(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": platform.machine(),
    }


def take_turns(
    contestants: Mapping[str, Callable[[int], None]],
    *,
    rounds: int = 21,
    seconds: float = 0.02,
) -> dict[str, float]:
    """Median seconds for one repetition of each contestant, ``contestant(repetitions)``.

    In each round every contestant runs once, for about ``seconds``; so whatever slows the
    machine down for a while slows all of them.
    """
    repetitions = {}
    for name, run in contestants.items():
        run(3)  # warm up
        start = perf_counter()
        run(5)
        repetitions[name] = max(1, round(seconds / max((perf_counter() - start) / 5, 1e-9)))
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            start = perf_counter()
            run(repetitions[name])
            times[name].append((perf_counter() - start) / repetitions[name])
    return {name: statistics.median(series) for name, series in times.items()}


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
