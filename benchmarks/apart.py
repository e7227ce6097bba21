"""Modules apart: what a process for each worker gains, and what the messages cost.

    python -m benchmarks.apart [--json] [--rounds N] [--address tcp://...]

Layers cut once into two modules, each in a process of its own on a Dask cluster on loopback, at
several widths and batch sizes: "speed" beside backpropagation in line on one thread, "BLAS" beside
backpropagation with as many BLAS threads as there are cores, "speed-up" beside the same program on
one thread.  All take turns; ratios are of medians.  "equal" says whether apart and one thread ended
with the same weights, to the last bit.  "machines" goes on by the ideal timeline: measured steps
and measured messages, for as many machines as there are layers, beside backpropagation on one of
them; and 1F1B on the same machines.

Run it on a quiet machine: two processes need two cores.
"""

from __future__ import annotations

from typing import Any

from benchmarks.harness import finish_parts, options, print_table
from dnilab.lessons.many_machines.experiments import (
    MICRO_BATCHES,
    Trial,
    layer_times,
    message_time,
    on_machines,
    pays_from,
    trial,
)
from dnilab.lessons.many_machines.training import cluster

# widths, batch size, staleness, batches in a parcel
CASES: tuple[tuple[tuple[int, ...], int, int, int], ...] = (
    ((24, 64, 10), 32, 1, 1),
    ((24, 64, 10), 32, 16, 8),
    ((64, 128, 128, 10), 64, 1, 1),
    ((64, 128, 128, 10), 64, 16, 8),
    ((64, 256, 256, 10), 128, 1, 1),
    ((64, 256, 256, 10), 128, 8, 4),
    ((784, 512, 384, 10), 256, 1, 1),
    ((784, 512, 384, 10), 256, 2, 1),
    ((784, 1024, 768, 10), 512, 1, 1),
    ((784, 1024, 1024, 10), 512, 1, 1),
)
DEEP: tuple[tuple[int, ...], int] = ((784, 512, 512, 512, 512, 512, 512, 10), 256)


def row(one: Trial, staleness: int) -> dict[str, Any]:
    size, seconds = one.message
    return {
        "widths": "-".join(map(str, one.widths)),
        "batch": one.batch,
        "staleness": staleness,
        "parcel": one.program.batches_per_turn,
        "speed": one.speed,
        "limit": one.limit,
        "BLAS": one.blas,
        "speed-up": one.speed_up,
        "communication": one.communication,
        "waiting": one.waiting,
        "message kB": size / 1000,
        "message ms": 1000 * seconds,
        "equal": one.equal,
    }


def print_rows_or_figures(what: Any) -> None:
    """Print rows as a table, and figures that differ in kind as they are."""
    if isinstance(what, list):
        print_table(what)
    else:
        print(what)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.6, help="of each way in each round")
    parser.add_argument("--address", help="of a running cluster, instead of one on this machine")
    arguments = parser.parse_args()
    rows, trials = [], []
    with cluster(arguments.address, workers=2) as client:
        for widths, batch, staleness, per_turn in CASES:
            one = trial(
                client,
                widths,
                batch,
                staleness=staleness,
                batches_per_turn=per_turn,
                rounds=arguments.rounds,
                seconds=arguments.seconds,
            )
            trials.append(one)
            rows.append(row(one, staleness))
    widths, batch = DEEP
    times = layer_times(widths, batch), layer_times(widths, batch // MICRO_BATCHES)
    message = message_time([one for one in trials if one.program.batches_per_turn == 1])
    plain = [one for one in trials if one.program.batches_per_turn == 1]
    best = max(trials, key=lambda one: one.speed)
    pays = {what: pays_from(plain, what) for what in ("speed", "blas", "speed_up")}
    result = {
        "apart": rows,
        "best": {
            "widths": "-".join(map(str, best.widths)),
            "batch": best.batch,
            "speed": best.speed,
            "communication": best.communication,
        },
        "all equal": all(one.equal for one in trials),
        "pays from": {
            what: None if one is None else f"{'-'.join(map(str, one.widths))}, batch {one.batch}"
            for what, one in pays.items()
        },
        "message": {"milliseconds": 1e3 * message[0], "milliseconds a megabyte": 1e9 * message[1]},
        "machines": [
            {
                "machines": count,
                "staleness": late,
                "no delay": found.in_line / found.at_once,
                "with messages": found.in_line / found.piped,
                "1F1B": found.in_line / found.rival,
            }
            for late in (1, 4)
            for count in range(1, len(widths))
            for found in [on_machines(*DEEP, count, times, message, staleness=late)[0]]
        ],
    }
    finish_parts(arguments, result, print_rows_or_figures)


if __name__ == "__main__":
    main()
