"""What the interpreter's lock costs: the same work on several Pythons, by turns.

    python -m benchmarks.interpreters PYTHON ... [--json] [--rounds 5]

Each PYTHON is the interpreter of an environment that has NumPy and threadpoolctl, such as those of
python3.13 and of python3.13t, which has no lock.  In each round every one of them is started once,
and times backpropagation in line, the Red Box, and orderings on two threads, by turns in its own
process.

speed      of a batch relative to backpropagation in line on the same Python: medians over rounds
in line    seconds of backpropagation in line there, over those of the first Python
crossover  the smallest batch from which on two threads beat the Red Box, and backpropagation in
           line, at the size of the published timing
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.harness import finish_parts, options
from dnilab.lessons.race.experiments.contestants import IN_LINE, Network, contestants
from dnilab.lessons.shared.timing import interpreter_lock, take_turns

ROOT = Path(__file__).resolve().parent.parent
SMALL, DEEP = (24, 128, 64, 12), (64, *(128,) * 8, 10)
CASES = (
    (SMALL, (10, 32, 100, 316, 1000), ("Red Box", "generator a layer")),
    (DEEP, (16, 64, 256), ("Red Box", "generator", "local loss", "late truth")),
)
DTYPES = ("float64", "float32")
PIPELINE = "generator a layer"


def measured() -> dict[str, Any]:
    """On this Python: seconds of a batch of each, by (dtype, network, batch)."""
    found = {}
    for dtype in DTYPES:
        for widths, batches, names in CASES:
            network = Network(widths, dtype=dtype)
            everyone = contestants(network)
            for batch in batches:
                runs = {name: everyone[name].runner(network, batch) for name in (IN_LINE, *names)}
                key = f"{dtype} {network.name} {batch}"
                found[key] = take_turns(runs, rounds=3, seconds=0.06)
    lock = "with the lock" if interpreter_lock() else "without the lock"
    return {"python": f"{platform.python_version()}, {lock}", "seconds": found}


def on(python: str) -> dict[str, Any]:
    """What ``measured`` finds on another Python, in a process of its own."""
    command = [python, "-m", "benchmarks.interpreters", "--here"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{python} could not run it:\n{done.stderr}")
    return json.loads(done.stdout)


def rows_of(rounds: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """A row for each case and Python: how fast each way is there."""
    rows, first = [], next(iter(rounds))
    ways = dict.fromkeys(name for _, _, names in CASES for name in names)
    for key, times in rounds[first][0]["seconds"].items():
        dtype, network, batch = key.split()
        in_line = {
            python: statistics.median(one["seconds"][key][IN_LINE] for one in several)
            for python, several in rounds.items()
        }
        for python, several in rounds.items():
            row = {"dtype": dtype, "network": network, "batch": int(batch), "python": python}
            row["in line"] = in_line[python] / in_line[first]
            for way in ways:
                row[way] = ""
                if way in times:
                    row[way] = statistics.median(
                        one["seconds"][key][IN_LINE] / one["seconds"][key][way] for one in several
                    )
            rows.append(row)
    return rows


def crossings(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The smallest batch from which on the pipeline is ahead, for each Python and dtype."""
    found = []
    for python in dict.fromkeys(row["python"] for row in rows):
        for dtype in DTYPES:
            own = [r for r in rows if (r["python"], r["dtype"]) == (python, dtype) and r[PIPELINE]]
            line: dict[str, Any] = {"dtype": dtype, "python": python}
            for rival in ("Red Box", IN_LINE):
                ahead = [row[PIPELINE] > (1 if rival == IN_LINE else row[rival]) for row in own]
                since = next((n for n in range(len(own)) if all(ahead[n:])), None)
                line[f"ahead of {rival} from"] = "nowhere" if since is None else own[since]["batch"]
            found.append(line)
    return found


def main() -> None:
    parser = options((__doc__ or "").partition("\n")[0])
    parser.add_argument("pythons", nargs="*", metavar="PYTHON", help="an interpreter's path")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is started")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.here:
        print(json.dumps(measured()))
        return
    if not asked.pythons or asked.rounds < 1:
        parser.error("name one PYTHON or more, and 1 round or more")
    rounds: dict[str, list[dict[str, Any]]] = {}
    for _ in range(asked.rounds):
        for python in asked.pythons:
            found = on(python)
            rounds.setdefault(found["python"], []).append(found)
    rows = rows_of(rounds)
    finish_parts(asked, {"speed": rows, "crossover": crossings(rows)})


if __name__ == "__main__":
    main()
