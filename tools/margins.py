"""How far learned numbers stay from the bounds that the tests set them, on any processor.

    python tools/margins.py [--seeds 20] [--kernels Haswell SkylakeX Prescott ...] [--others]
        [tests ...]

NumPy's OpenBLAS picks its kernels by the processor.  The last bits differ, and a long training
that stands on an edge falls to another side.  Here the kernels are picked by hand
(OPENBLAS_CORETYPE), each in a process of its own (``--others``: but for the one that runs if none
is picked, as in `make test`), and every test that asks for the fixture
``learned`` is run with so many seeds.  The table has a row for each statement: its bound, how
often it held under each kernel, its worst number, and how far that is from the bound, as a share
of the bound.  The command fails if a test failed, or if no kernel could be run.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.learned import PROPERTY  # noqa: E402

KERNELS = ("Haswell", "SkylakeX", "Prescott")

# Prints whose kernels really run, after a product made with them: the processor may lack them.
PROBE = """
import numpy as np, threadpoolctl
np.ones((50, 50)) @ np.ones((50, 50))
print(*[lib.get("architecture") for lib in threadpoolctl.threadpool_info()
        if lib["internal_api"] == "openblas"][:1])
"""


@dataclass
class Statement:
    """One statement of one test, over all seeds and kernels."""

    side: str
    bound: str = ""
    held: dict[str, list[bool]] = field(default_factory=dict)
    worst: tuple[float, float] = (math.inf, math.nan)  # its margin, and the number

    def add(self, kernel: str, value: float, bound: float) -> None:
        gap = (bound - value if self.side == "below" else value - bound) / (abs(bound) or 1.0)
        gap = -math.inf if math.isnan(gap) else gap
        self.held.setdefault(kernel, []).append(gap > 0)
        self.worst = min(self.worst, (gap, value))
        self.bound = f"{self.side} {bound:.4g}"


def environment(kernel: str) -> dict[str, str]:
    one_thread = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return os.environ | one_thread | {"OPENBLAS_CORETYPE": kernel}


def running(environment: dict[str, str]) -> str:
    """The kernels that NumPy runs there, by OpenBLAS's name; nothing if it can't."""
    probe = subprocess.run(
        [sys.executable, "-c", PROBE], env=environment, capture_output=True, text=True
    )
    return "" if probe.returncode else probe.stdout.strip()


def kernels_that_run(asked: list[str], *, others: bool = False) -> list[str]:
    """Those that this processor has, each once; says aloud why another one is left out.

    ``others``: without the one that runs here if none is picked.
    """
    found = {running(dict(os.environ)): "what runs unasked"} if others else {}
    kernels = []
    for kernel in asked:
        runs = running(environment(kernel))
        if not runs:
            print(f"SKIPPED {kernel}: it can't be run here, or NumPy's BLAS is not OpenBLAS")
        elif runs in found:
            print(f"SKIPPED {kernel}: what runs here is {runs}, the same as for {found[runs]}")
        else:
            print(f"{kernel}: what runs here is {runs}")
            found[runs] = kernel
            kernels.append(kernel)
    return kernels


def run(kernel: str, seeds: int, tests: list[str], record: Path) -> bool:
    """Run the tests of what is learned under a kernel; whether all passed."""
    command = [sys.executable, "-m", "pytest", "-m", "learned", "-q", "-n", "2", "--tb=line"]
    command += ["--seeds", str(seeds), f"--junitxml={record}", *tests]
    print(f"\n== {kernel}", flush=True)
    return subprocess.run(command, cwd=ROOT, env=environment(kernel)).returncode == 0


def add_record(record: Path, kernel: str, table: dict[tuple[str, str], Statement]) -> None:
    for case in ET.parse(record).iter("testcase"):
        name = re.sub(r"-?seed\d+-?(?=[^\[]*\]$)", "", case.get("name", "")).removesuffix("[]")
        test = case.get("classname", "").removeprefix("tests.") + "." + name
        for found in case.iter("property"):
            if found.get("name") == PROPERTY:
                what, value, side, bound = json.loads(found.get("value", ""))
                table.setdefault((test, what), Statement(side)).add(kernel, value, bound)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=20, help="of each test (default: 20)")
    parser.add_argument("--kernels", nargs="+", default=KERNELS, help="OPENBLAS_CORETYPE of each")
    parser.add_argument("--others", action="store_true", help="than the one that runs unasked")
    parser.add_argument("tests", nargs="*", default=["tests"], help="files, folders or tests")
    asked = parser.parse_args()

    kernels = kernels_that_run(asked.kernels, others=asked.others)
    table: dict[tuple[str, str], Statement] = {}
    passed = bool(kernels)
    with tempfile.TemporaryDirectory() as folder:
        for kernel in kernels:
            record = Path(folder, f"{kernel}.xml")
            passed &= run(kernel, asked.seeds, asked.tests, record)
            add_record(record, kernel, table)

    print(f"\n| test | what | bound | {' | '.join(kernels)} | worst | margin |")
    print("|" + " --- |" * (5 + len(kernels)))
    for (test, what), one in sorted(table.items(), key=lambda row: row[1].worst):
        held = [f"{sum(h)} of {len(h)}" for h in (one.held.get(k, []) for k in kernels)]
        gap, value = one.worst
        print(f"| {test} | {what} | {one.bound} | {' | '.join(held)} | {value:.4g} | {gap:.0%} |")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
