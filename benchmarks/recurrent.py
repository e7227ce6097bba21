"""How far back a gradient can reach past the cut: echo, recall, copy.

    python -m benchmarks.recurrent [--json] [--only PART] [--first-seed 0]

Echo: for each unroll T the longest delay, of a rising grid, up to which each was solved (below
0.15 bits of error over a whole report), in at most as many updates.  The same GRU for all.  The
frozen network, of which the readout alone is trained, is beside them: what lies within its reach,
nobody had to teach.  Then the delay k = T by itself, with an LSTM and fewer updates: no answer lies
in the segment of the bit that it asks for, so what truncation throws away is all there is.  How
much a new cell holds by itself decides what truncated backpropagation can do there: the last rows
are of cells whose W is drawn from n_in alone, which writes the one input six times as strongly.

Recall: how many seeds solve it.  One more row is the auxiliary task, to be compared with the row of
the same T without it.

Copy: the longest sequence that a curriculum comes to, at equal updates.

Lambda: generators that see the state alone, fitted by BP(lambda).  Lambda = 0 is the rule of all
the rows above.  Echo by a small tanh cell at T = 1, for several rates of the generator, since a
rate that suits one lambda may not suit another; and by a small GRU at T = 2.  Recall by the small
GRU.  The echo k = 4 by itself is trained on after it is solved, for it may be lost again.  The
networks are small because the work of a trace grows with the fourth power of the width.

Every run is a process's own, on one BLAS thread; two at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.harness import cores, finish, seeded, seeds_of
from dnilab.experiments import run
from dnilab.lessons.through_time.experiments import METHODS, RecurrentSettings, longest_delay

PARTS = ("echo", "echo, k = T", "recall", "copy", "lambda", "lambda, k = 4")

ECHO = RecurrentSettings(
    task="echo", cell="GRU", gate_bias=0.0, rate=1e-3, updates=20_000, report_every=500
)
ECHO_GRID = {1: (1, 2, 3, 4, 6, 8), 2: (2, 3, 4, 6, 8, 12), 4: (4, 6, 8, 12, 16)}
AT_THE_CUT = ECHO.but(cell="LSTM", generator_rate=3e-3, updates=8000, stop_when_solved=True)

RECALL = RecurrentSettings(
    task="recall", cell="GRU", rate=4e-3, generator_rate=1e-3, stop_when_solved=True
)
THREE = METHODS[:3]
# T, delay, bias of the gate that keeps, sequences at most (each a batch of 32), weight of the
# auxiliary task, methods
RECALL_CASES: tuple[tuple[int | None, int, float, int, float, tuple[str, ...]], ...] = (
    (4, 16, 0.0, 1200, 0, METHODS),
    (4, 32, 0.0, 1200, 0, THREE),
    (1, 16, 0.0, 1200, 0, THREE),
    (None, 16, 0.0, 1200, 0, ("BPTT",)),  # nothing is cut, so there is nothing to guess
    (2, 16, 0.0, 1600, 0, ("DNI(state)",)),
    (2, 16, 0.0, 1600, 0.1, ("DNI(state)",)),
    # Can truncated backpropagation get there by luck: after longer, or in a cell that keeps?
    (4, 16, 0.0, 2400, 0, ("BPTT",)),
    (4, 16, 1.0, 1200, 0, METHODS),
)

COPY = RecurrentSettings(
    task="copy",
    cell="GRU",
    gate_bias=0.0,
    width=64,
    unroll=4,
    delay=1,
    horizon=40,
    curriculum=True,
    rate=2e-3,
    generator_rate=1e-3,
    updates=50_000,
    report_every=100,
)

LAMBDAS = (0.0, 0.5, 0.9, 1.0)
LAMBDA_GRID = (1, 2, 3, 4, 6, 8)
LAMBDA_ECHO = RecurrentSettings(
    task="echo",
    cell="tanh",
    width=12,
    unroll=1,
    method="DNI(state)",
    rate=1e-3,
    updates=6000,
    report_every=250,
)
LAMBDA_CASES = (
    *(LAMBDA_ECHO.but(generator_rate=rate) for rate in (3e-3, 3e-2)),
    LAMBDA_ECHO.but(cell="GRU", gate_bias=0.0, width=16, unroll=2, generator_rate=3e-3),
    RECALL.but(width=16, gate_bias=0.0, updates=4500, report_every=250),
)
LAMBDA_TO_THE_END = LAMBDA_ECHO.but(delay=4, generator_rate=3e-2)


def segments(delay: int, unroll: int | None) -> int:
    """Updates in one sequence of the recall task."""
    steps = delay + 2
    return 1 if unroll is None else -(-steps // unroll)


def recall_case(
    unroll: int | None, delay: int, bias: float, sequences: int, auxiliary: float, method: str
) -> RecurrentSettings:
    """Equal sequences for every unroll, so more updates where it is short."""
    per_sequence = segments(delay, unroll)
    return RECALL.but(
        unroll=unroll,
        delay=delay,
        gate_bias=bias,
        auxiliary=auxiliary,
        method=method,
        updates=sequences * per_sequence,
        report_every=100 * per_sequence,
    )


def jobs(seeds: Iterable[int], copy_seeds: Iterable[int]) -> list[dict[str, Any]]:
    """Everything that is to be run, the long ones first."""
    listed = []
    for seed in copy_seeds:
        for method in THREE:
            listed.append({"what": "copy", "settings": COPY.but(method=method, seed=seed)})
    for seed in seeds:
        for unroll in sorted(ECHO_GRID, reverse=True):
            for method in METHODS:
                settings = ECHO.but(unroll=unroll, method=method, seed=seed)
                listed.append({"what": "echo", "settings": settings})
        for case in LAMBDA_CASES:
            for trace in LAMBDAS:
                listed.append({"what": "lambda", "settings": case.but(trace=trace, seed=seed)})
        for trace in LAMBDAS:
            settings = LAMBDA_TO_THE_END.but(trace=trace, seed=seed)
            listed.append({"what": "lambda, k = 4", "settings": settings})
        for unroll in ECHO_GRID:
            for method in METHODS:
                settings = AT_THE_CUT.but(unroll=unroll, delay=unroll, method=method, seed=seed)
                listed.append({"what": "echo, k = T", "settings": settings})
            strong = settings.but(method="BPTT", joint_fan_in=False)
            listed.append({"what": "echo, k = T", "settings": strong})
        for *case, methods in RECALL_CASES:
            for method in methods:
                settings = recall_case(*case, method).but(seed=seed)
                listed.append({"what": "recall", "settings": settings})
    return listed


def grid_of(what: str, settings: RecurrentSettings) -> tuple[int, ...]:
    """The delays of which the longest is looked for; none for a run of its own."""
    if what == "echo":
        return ECHO_GRID[settings.unroll or 0]
    return LAMBDA_GRID if what == "lambda" and settings.task == "echo" else ()


def work(job: dict[str, Any]) -> dict[str, Any]:
    """One job, in a process of its own."""
    settings: RecurrentSettings = job["settings"]
    began = perf_counter()
    grid = grid_of(job["what"], settings)
    if grid:
        answer: dict[str, Any] = {"longest": longest_delay(settings, grid)}
    else:
        one = run(settings)
        updates, solved = (one.final(what) if one.reports else 0 for what in ("batch", "solved"))
        answer = {
            "longest": int(solved),
            "bits": one.final("bits"),
            "least": float(np.nanmin(one.curve("bits"))) if one.reports else float("nan"),
            "sequences": int(updates) // segments(settings.delay, settings.unroll),
            "diverged": one.diverged is not None,
        }
    return {**answer, "seconds": perf_counter() - began}


def row(what: str, s: RecurrentSettings, found: list[dict[str, Any]]) -> dict[str, Any]:
    """What the seeds of one case gave, for the table."""
    longest = [answer["longest"] for answer in found]
    method = s.method + (f", auxiliary {s.auxiliary:g}" if s.auxiliary else "")
    if what.startswith("lambda"):
        method += f", lambda {s.trace:g}, rate of the generator {s.generator_rate:g}"
    recalls = what == "recall" or (what == "lambda" and s.task == "recall")
    shown: dict[str, Any] = {
        "task": what,
        "T": "all" if s.unroll is None else s.unroll,
        "delay": s.delay if recalls or "k =" in what else "-",
        "cell": s.cell,
        "gate bias": s.gate_bias,
        "method": method,
        "inputs": "weak" if s.joint_fan_in else "strong",
        "least bits, worst seed": "-",
        "least bits, best seed": "-",
        "bits at the end, worst seed": "-",
        "sequences": "-",
    }
    if shown["delay"] != "-":
        shown["result"] = f"solved by {sum(n > 0 for n in longest)} of {len(longest)}"
        shown["least bits, worst seed"] = round(max(a["least"] for a in found), 3)
        shown["least bits, best seed"] = round(min(a["least"] for a in found), 3)
        shown["bits at the end, worst seed"] = round(max(a["bits"] for a in found), 3)
    else:
        # The last of the grid was not the limit, as far as anybody looked.
        end = (grid_of(what, s) or (None,))[-1]
        shown["result"] = "longest " + " ".join(f">={n}" if n == end else f"{n}" for n in longest)
    if recalls:
        most = s.updates // segments(s.delay, s.unroll)
        shown["sequences"] = f"{int(np.median([a['sequences'] for a in found]))} of {most}"
    shown["seconds a seed"] = round(float(np.mean([a["seconds"] for a in found])), 1)
    return shown


def main() -> None:
    parser = seeded(__doc__, 5)
    parser.add_argument("--copy-seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=min(2, cores()))
    parser.add_argument("--only", choices=PARTS)
    arguments = parser.parse_args()
    listed = [
        job
        for job in jobs(seeds_of(arguments), seeds_of(arguments, arguments.copy_seeds))
        if arguments.only in (None, job["what"])
    ]
    began = perf_counter()
    with ProcessPoolExecutor(arguments.processes, mp_context=get_context("spawn")) as pool:
        answers = list(pool.map(work, listed))
    seconds = perf_counter() - began

    grouped: dict[tuple[RecurrentSettings, str], list[dict[str, Any]]] = {}
    for job, answer in zip(listed, answers, strict=True):
        key = (job["settings"].but(seed=0), job["what"])
        grouped.setdefault(key, []).append(answer)
    in_order = sorted(
        grouped, key=lambda key: (key[1], not key[0].joint_fan_in, key[0].unroll or 99)
    )
    rows = [row(what, settings, grouped[settings, what]) for settings, what in in_order]
    result = {"recurrent": rows, "seconds": round(seconds, 1)}
    finish(arguments, result, rows)


if __name__ == "__main__":
    main()
