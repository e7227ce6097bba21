"""Run the notebooks as another processor would, and with other seeds: what they claim has to hold.

    python tools/claims.py [--kernel Prescott] [--shift 100] [--processes 2] [notebook ...]

Beside each sentence of a notebook that matters stands an ``assert``.  Here every notebook is run
with OpenBLAS's kernels for another processor (OPENBLAS_CORETYPE), and with every seed larger by
``shift``, in the kernel and in all processes that it starts.  Nothing is written.  The command
fails if a cell of any notebook does.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.execute_notebooks import ENVIRONMENT, FOLDER, ran  # noqa: E402

TIMEOUT = 600  # seconds for a cell: nothing is claimed of times, and the machine may be busy
# Python runs a module of this name when it starts, if one is on its path: so do its children.
STARTS_WITH = "sitecustomize.py"
OTHER_SEEDS = """
import os
import numpy.random

_real = numpy.random.default_rng
_shift = int(os.environ["DNILAB_SEED_SHIFT"])


def default_rng(seed=None):
    if isinstance(seed, int):
        seed += _shift
    elif isinstance(seed, (list, tuple)):
        seed = [seed[0] + _shift, *seed[1:]]
    return _real(seed)


numpy.random.default_rng = default_rng
"""


def run(path: Path) -> tuple[str, float, list[str]]:
    """Name, seconds, and what is wrong with it."""
    began = perf_counter()
    _, found = ran(path, TIMEOUT)
    return path.name, perf_counter() - began, found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kernel", default="Prescott", help="OPENBLAS_CORETYPE")
    parser.add_argument("--shift", type=int, default=100, help="what is added to every seed")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("notebooks", nargs="*", type=Path, default=sorted(FOLDER.glob("*.ipynb")))
    asked = parser.parse_args()

    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, STARTS_WITH).write_text(OTHER_SEEDS, "utf-8")
        path = os.pathsep.join([folder, *filter(None, [os.environ.get("PYTHONPATH")])])
        os.environ.update(ENVIRONMENT, PYTHONPATH=path, DNILAB_SEED_SHIFT=str(asked.shift))
        os.environ["OPENBLAS_CORETYPE"] = asked.kernel
        with ProcessPoolExecutor(asked.processes, mp_context=get_context("spawn")) as pool:
            for name, seconds, found in pool.map(run, map(Path.resolve, asked.notebooks)):
                print(f"{name}: {'failed' if found else 'holds'}, {seconds:.0f} s", flush=True)
                for problem in found:
                    print(f"  {problem}")
                failed += bool(found)
    print(f"{asked.kernel}, every seed larger by {asked.shift}: {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
