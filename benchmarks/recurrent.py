"""How far back a gradient can reach past the cut: echo, recall, copy.

    python -m benchmarks.recurrent [--json]

Echo: for each unroll T the longest delay, of a rising grid, up to which each was solved (below
0.15 bits of error over a whole report), in at most as many updates.  The same GRU for all.  The
frozen network, of which the readout alone is trained, is beside them: what lies within its reach,
nobody had to teach.  Recall: how many seeds solve it.  Copy: the longest sequence that a curriculum
comes to, at equal updates.  Every run is a process's own, on one BLAS thread; two at a time.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.harness import cores, finish, options
from dnilab.experiments.recurrent import (
    METHODS,
    RecurrentSettings,
    longest_delay,
    run_recurrent,
)

ECHO = RecurrentSettings(
    task="echo", cell="GRU", gate_bias=0.0, rate=2e-3, updates=24_000, report_every=500
)
ECHO_GRID = {1: (1, 2, 3, 4, 6, 8), 2: (2, 3, 4, 6, 8, 12), 4: (4, 6, 8, 12, 16)}

RECALL = RecurrentSettings(
    task="recall", cell="GRU", rate=2e-3, generator_rate=3e-3, stop_when_solved=True
)
THREE = METHODS[:3]
# T, delay, bias of the gate that keeps, sequences at most (each a batch of 32), methods
RECALL_CASES: tuple[tuple[int | None, int, float, int, tuple[str, ...]], ...] = (
    (4, 16, 0.0, 1600, METHODS),
    (4, 32, 0.0, 1600, THREE),
    (1, 16, 0.0, 1600, THREE),
    (None, 16, 0.0, 1600, ("BPTT",)),  # nothing is cut, so there is nothing to guess
    # Where truncated backpropagation gets there by luck: after longer, or in a cell that keeps.
    (4, 16, 0.0, 3200, ("BPTT",)),
    (4, 16, 1.0, 1600, METHODS),
)

COPY = RecurrentSettings(
    task="copy",
    cell="GRU",
    gate_bias=1.0,
    width=64,
    unroll=4,
    delay=1,
    horizon=20,
    curriculum=True,
    rate=2e-3,
    updates=36_000,
    report_every=100,
)


def segments(delay: int, unroll: int | None) -> int:
    """Updates in one sequence of the recall task."""
    steps = delay + 2
    return 1 if unroll is None else -(-steps // unroll)


def recall_case(
    unroll: int | None, delay: int, bias: float, sequences: int, method: str
) -> RecurrentSettings:
    """Equal sequences for every unroll, so more updates where it is short."""
    per_sequence = segments(delay, unroll)
    return RECALL.but(
        unroll=unroll,
        delay=delay,
        gate_bias=bias,
        method=method,
        updates=sequences * per_sequence,
        report_every=100 * per_sequence,
    )


def jobs(seeds: int, copy_seeds: int) -> list[dict[str, Any]]:
    """Everything that is to be run, the long ones first."""
    listed = []
    for seed in range(copy_seeds):
        for method in THREE:
            listed.append({"what": "copy", "settings": COPY.but(method=method, seed=seed)})
    for seed in range(seeds):
        for unroll in sorted(ECHO_GRID, reverse=True):
            for method in METHODS:
                settings = ECHO.but(unroll=unroll, method=method, seed=seed)
                listed.append({"what": "echo", "settings": settings})
        for unroll, delay, bias, sequences, methods in RECALL_CASES:
            for method in methods:
                settings = recall_case(unroll, delay, bias, sequences, method).but(seed=seed)
                listed.append({"what": "recall", "settings": settings})
    return listed


def work(job: dict[str, Any]) -> dict[str, Any]:
    """One job, in a process of its own."""
    settings: RecurrentSettings = job["settings"]
    began = perf_counter()
    if job["what"] == "echo":
        assert settings.unroll is not None
        answer: dict[str, Any] = {"longest": longest_delay(settings, ECHO_GRID[settings.unroll])}
    else:
        run = run_recurrent(settings)
        answer = {
            "longest": run.solved,
            "bits": run.final_bits,
            "least": float(np.nanmin(run.bits)) if len(run.bits) else float("nan"),
            "sequences": run.updates[-1] // segments(settings.delay, settings.unroll),
            "diverged": run.diverged is not None,
        }
    return {**answer, "seconds": perf_counter() - began}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--copy-seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=min(2, cores()))
    parser.add_argument("--only", choices=("echo", "recall", "copy"))
    arguments = parser.parse_args()
    listed = [
        job
        for job in jobs(arguments.seeds, arguments.copy_seeds)
        if arguments.only in (None, job["what"])
    ]
    began = perf_counter()
    with ProcessPoolExecutor(arguments.processes, mp_context=get_context("spawn")) as pool:
        answers = list(pool.map(work, listed))
    seconds = perf_counter() - began

    grouped: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for job, answer in zip(listed, answers, strict=True):
        s: RecurrentSettings = job["settings"]
        delay = s.delay if job["what"] == "recall" else None
        bias = s.gate_bias if job["what"] == "recall" else None
        most = s.updates // segments(s.delay, s.unroll) if job["what"] == "recall" else 0
        key = (job["what"], s.unroll, delay, bias, most, s.method)
        grouped.setdefault(key, []).append(answer)
    rows = []
    for (what, unroll, delay, bias, most, method), found in sorted(
        grouped.items(), key=lambda item: (item[0][0], item[0][1] or 99, item[0][2] or 0)
    ):
        longest = [answer["longest"] for answer in found]
        row: dict[str, Any] = {
            "task": what,
            "T": "all" if unroll is None else unroll,
            "delay": "-" if delay is None else delay,
            "gate bias": "-" if bias is None else bias,
            "method": method,
        }
        if what == "recall":
            row["result"] = f"solved by {sum(n > 0 for n in longest)} of {len(longest)}"
            row["least bits, worst seed"] = round(max(a["least"] for a in found), 3)
            row["least bits, best seed"] = round(min(a["least"] for a in found), 3)
            row["sequences"] = f"{int(np.median([a['sequences'] for a in found]))} of {most}"
        else:
            row["result"] = "longest " + " ".join(map(str, longest))
            row["least bits, worst seed"] = row["least bits, best seed"] = "-"
            row["sequences"] = "-"
        row["seconds a seed"] = round(float(np.mean([a["seconds"] for a in found])), 1)
        rows.append(row)
    result = {"recurrent": rows, "seconds": round(seconds, 1)}
    finish(arguments, result, rows)


if __name__ == "__main__":
    main()
