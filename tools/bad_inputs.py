"""Random bad inputs through the public doors: each is taken, or refused in words.

    python tools/bad_inputs.py [--calls 10000] [--seed 0]

A call has the arguments that its function takes (`tests/doors.py`), but for one, which is drawn
from a bag of misfits.  It may succeed.  If it fails, it has to be with a ValueError or a TypeError
that names an argument, within ten seconds, and the process may not take more than 2 GB.  What
breaks this is printed, and the command fails.  It needs a system with SIGALRM (not Windows).
"""

from __future__ import annotations

import argparse
import random
import re
import resource
import signal
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from types import FrameType, GeneratorType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from tests.doors import ALSO_CALLED, DOORS  # noqa: E402

SECONDS = 10
MEMORY = 2 << 30
NOT_FINITE = np.array([np.nan, 1.0])
MASKED = np.ma.masked_array(np.ones((4, 8)), np.eye(4, 8))

BAG: tuple[Callable[[], Any], ...] = (
    *(lambda one=one: one for one in (None, True, 0, -1, 1, 3.7, -0.5, 1e308, 1j, ...)),
    *(lambda one=one: one for one in (float("nan"), float("inf"), 2**31, 2**40, 10**30, 16**5000)),
    *(lambda one=one: one for one in ("", "a", "tanh", "x" * 100_000, b"ab", range(3))),
    *(lambda one=one: one for one in (np.int8(5), np.uint8(200), np.float32(0.3))),
    *(lambda one=one: one for one in (np.datetime64("2020-01-01"), NOT_FINITE, MASKED)),
    *(lambda one=one: one for one in ((), (-1,), (0, 0), Exception("x"), frozenset({1}))),
    lambda: [],
    lambda: {},
    lambda: {"a": 1},
    lambda: [None],
    lambda: ["a"],
    lambda: [1, "a"],
    lambda: [[1], [2, 3]],
    lambda: [0.5, 0.5],
    lambda: [10**9] * 3,
    lambda: object(),
    lambda: np.array(3),
    lambda: np.array([]),
    lambda: np.array(["h"]),
    lambda: np.ones((2, 2)),
    lambda: np.ones((1, 2, 3)),
    lambda: np.ones((4, 8)) * np.nan,
    lambda: np.ones((4, 8), complex),
    lambda: np.random.default_rng(1),
)


class TooLate(BaseException):
    """The call has not ended in time."""


def too_late(signal_number: int, frame: FrameType | None) -> None:
    raise TooLate


def outcome(function: Callable[..., Any], arguments: dict[str, Any]) -> str:
    """Call it: "accepted", "refused", or what went wrong."""
    names = [*arguments, *ALSO_CALLED]
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        made = function(**arguments)
        if isinstance(made, GeneratorType):
            list(islice(made, 20))
            made.close()
        return "accepted"
    except (TypeError, ValueError) as error:
        named = any(re.search(rf"\b{name}\b", str(error)) for name in names)
        return "refused" if named else f"unnamed: {str(error)[:100]}"
    except TooLate:
        return f"not over after {SECONDS} s"
    except BaseException as error:  # what should never come out of a door
        return f"{type(error).__name__}: {str(error)[:100]}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()

    signal.signal(signal.SIGALRM, too_late)
    warnings.simplefilter("ignore")
    draw, counts = random.Random(asked.seed), Counter[str]()
    doors = sorted(DOORS)
    for name in doors:
        function, make = DOORS[name]
        function(**make())  # what it takes, it takes
    # Memory that is asked for beyond this is refused by the system, with a MemoryError.
    began = int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * 1024
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY + 2 * began, resource.RLIM_INFINITY))
    for _ in range(asked.calls):
        name = draw.choice(doors)
        function, make = DOORS[name]
        arguments = make()
        argument = draw.choice(sorted(arguments))
        bad = draw.choice(BAG)()
        arguments[argument] = bad
        found = outcome(function, arguments)
        counts[found if found in ("accepted", "refused") else "broken"] += 1
        if found not in ("accepted", "refused"):
            print(f"{name}({argument}={type(bad).__name__}): {found}", flush=True)
    print(", ".join(f"{counts[kind]} {kind}" for kind in ("refused", "accepted", "broken")))
    print(f"{len(doors)} doors, {asked.calls} calls, seed {asked.seed}")
    return 1 if counts["broken"] else 0


if __name__ == "__main__":
    sys.exit(main())
