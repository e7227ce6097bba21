"""A fair race: does decoupling save time, beside backpropagation in line on one thread?

    python -m benchmarks.race [--json] [--only PART ...]

Parts:
batch     time of a batch by every contestant, relative to backpropagation in line, with the limit
          that the cost model allows on the cores that are here, and the limit by measured steps
ledger    what each costs: locks, work, messages, memory; nothing is timed
accuracy  batches until an accuracy, by every contestant, with rates chosen on other seeds, and on
          how many seeds these are fewer than in line; the time relative to backpropagation in line
          is that of the batches times that of one
apart     two workers in processes of their own, where messages cost
bits      random programs of all contestants' steps, on threads against one thread, to the last bit

Contestants take turns in one process; ratios are of medians.  Run it on a quiet machine.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from itertools import pairwise
from statistics import fmean, median
from typing import Any

import numpy as np

from benchmarks import orderings
from benchmarks.harness import finish_parts, seed_by_seed, seeded, seeds_of
from dnilab.experiments import Settings
from dnilab.lessons.many_machines.experiments import laps
from dnilab.lessons.many_machines.training import apart as apart_on
from dnilab.lessons.many_machines.training import cluster
from dnilab.lessons.race.experiments.contestants import (
    IN_LINE,
    Contestant,
    Goal,
    Network,
    batches_to,
    contestants,
    ledger,
    measured_limit,
    speeds,
)
from dnilab.lessons.shared.rivals import (
    gpipe,
    late_feedback,
    late_truth,
    one_forward_one_backward,
    zero_bubble,
)
from dnilab.lessons.shared.timing import cores, noise, step_times
from dnilab.network import Adam, BinaryCrossEntropy, Stack
from dnilab.orderings import Program, local_loss, pipeline
from dnilab.training.one_thread import one_thread

SIZES: tuple[tuple[tuple[int, ...], int], ...] = (
    ((24, 128, 64, 12), 100),
    ((24, 128, 64, 12), 1000),
    ((784, 256, 256, 256, 256, 10), 256),
    ((64, *(128,) * 8, 10), 64),
    ((64, *(128,) * 8, 10), 256),
    ((64, *(256,) * 8, 10), 256),
)
APART_SIZES = (SIZES[3], SIZES[5], ((784, 1024, 1024, 1024, 10), 512))
RATES = (1e-3, 3e-3, 1e-2, 3e-2)
CHOSEN_ON = (100, 101, 102)  # seeds for the rates, none of which is raced
# Those that end with the bits of another one need no runs of their own.
SAME_BITS = {"GPipe": "1F1B", "zero bubble": "1F1B"}
TO_ACCURACY = (
    IN_LINE, "GPipe", "1F1B", "zero bubble", "late truth", "local loss", "direct feedback",
    "generator", "bottleneck generator", "Red Box",
)  # fmt: skip


def digits(width: int) -> Goal:
    deep = Settings(
        task="digits",
        hidden=(width,) * 8,
        activation="relu",
        batch_norm=True,
        dtype="float32",
        batch_size=256,
        epochs=25,
    )
    return Goal(deep, "class_error", 0.03)


GOALS = {
    "addition, 99 % of bits": Goal(
        Settings(batch_size=100, epochs=30), "bit_accuracy", 0.99, every=10
    ),
    "digits, 3 % error, 128 wide": digits(128),
    "digits, 3 % error, 256 wide": digits(256),
}


def batch(every: list[int], rounds: int, seconds: float) -> list[dict[str, Any]]:
    rows = []
    for widths, size in SIZES:
        for dtype in ("float64", "float32"):
            network = Network(widths, dtype=dtype)
            for modules in every:
                if modules < len(widths):
                    rows += _batch(network, size, modules, rounds, seconds)
    return rows


def _batch(
    network: Network, size: int, modules: int, rounds: int, seconds: float
) -> list[dict[str, Any]]:
    among = contestants(network, modules=modules)
    found = speeds(network, size, among, rounds=rounds, seconds=seconds)
    in_line = _seconds_of_steps(among[IN_LINE], network, size)
    rows = []
    for name, speed in found.items():
        one = among[name]
        limit = one.limit(network, cores())
        by_steps = measured_limit(one, network, size, in_line, cores())
        rows.append(
            {
                "network": network.name,
                "batch": size,
                "dtype": network.dtype,
                "modules": modules,
                "way": name,
                "speed": speed,
                "limit": limit,
                "of limit": speed / limit,
                "limit by steps": by_steps,
                "cuts": " ".join(map(str, one.cuts)),
            }
        )
    return rows


def _seconds_of_steps(one: Contestant, network: Network, size: int) -> float:
    """Seconds of a batch: the sum of its steps, measured in line."""
    run = one.runner(network, size)
    run(3)
    return sum(step_times(run(30)).values())


def prices() -> list[dict[str, Any]]:
    network = Network(SIZES[4][0])
    rows = []
    for modules in (2, 4):
        for one in contestants(network, modules=modules).values():
            of = ledger(one, network)
            rows.append(
                {
                    "network": network.name,
                    "modules": modules,
                    "way": of.name,
                    "locks": ", ".join(of.locks) or "none",
                    "work": of.work,
                    "messages": of.messages,
                    "activations": of.activations,
                    "weights": of.weights,
                }
            )
    return rows


def accuracy(seeds: range, rounds: int, seconds: float) -> list[dict[str, Any]]:
    fields, speed = {}, {}
    for task, goal in GOALS.items():  # what is timed comes first, while nothing else is running
        network = goal.network(goal.settings.data())
        everyone = contestants(network)
        fields[task] = {
            name: one
            for name, one in everyone.items()
            if name in TO_ACCURACY or one.blas_threads > 1
        }
        speed[task] = speeds(
            network,
            goal.settings.batch_size,
            fields[task],
            rounds=rounds,
            seconds=seconds,
            optimiser=Adam(1e-3),
        )
    rows = []
    with ProcessPoolExecutor(cores()) as pool:
        for task, goal in GOALS.items():
            needs: dict[str, tuple[float, list[float | None]]] = {}
            for name, one in fields[task].items():
                if one.blas_threads > 1:
                    needs[name] = needs[IN_LINE]
                elif name not in SAME_BITS:
                    needs[name] = needed(pool, goal, one, seeds)
            for name in fields[task]:
                rate, took = needs[SAME_BITS.get(name, name)]
                rows.append(
                    {
                        "task": task,
                        "way": name,
                        "rate": rate,
                        "batches": " ".join(map(_shown, _counts(took))),
                        "median": _shown(median(_counts(took))),
                        "beside in line": seed_by_seed(
                            _counts(took), _counts(needs[IN_LINE][1]), lower=True
                        ),
                        "speed of a batch": speed[task][name],
                        "speed to it": _to_accuracy(needs[IN_LINE][1], took, speed[task][name]),
                    }
                )
    return rows


def needed(
    pool: Executor, goal: Goal, one: Contestant, seeds: range
) -> tuple[float, list[float | None]]:
    """The rate that needs the fewest batches on seeds that are not raced; and what it needs."""
    tried = {
        rate: [pool.submit(batches_to, goal, one, rate=rate, seed=seed) for seed in CHOSEN_ON]
        for rate in RATES
    }

    def mean(rate: float) -> float:
        return fmean(_counts([run.result() for run in tried[rate]]))

    best = min(RATES, key=mean)
    return best, list(pool.map(partial(batches_to, goal, one, rate=best), seeds))


NEVER = 1e12  # batches; later than anybody waited


def _counts(took: list[float | None]) -> list[float]:
    return [NEVER if n is None else n for n in took]


def _shown(count: float) -> str:
    return "never" if count >= NEVER / 2 else f"{count:g}"


def _to_accuracy(
    in_line: list[float | None], took: list[float | None], speed: float
) -> float | str:
    """How many times as fast as backpropagation in line it is there; means over seeds."""
    if None in took or None in in_line:
        return "not on all seeds"
    return speed * fmean(n for n in in_line if n) / fmean(n for n in took if n)


APART = ("1F1B", "late truth", "local loss", "direct feedback", "generator")


def apart(rounds: int, turns: int) -> list[dict[str, Any]]:
    """By turns: backpropagation in line in this process, and each contestant in two."""
    rows = []
    with cluster(workers=2) as client:
        for widths, size in APART_SIZES:
            network = Network(widths)
            among = contestants(network)
            for name in APART:
                one = among[name]
                took = _apart(client, network, size, {IN_LINE: among[IN_LINE], name: one},
                              rounds, turns)  # fmt: skip
                rows.append(
                    {
                        "network": network.name,
                        "batch": size,
                        "way": name,
                        "speed": took[IN_LINE] / took[name],
                        "limit without messages": one.limit(network, cores()),
                    }
                )
    return rows


def _apart(
    client: Any,
    network: Network,
    size: int,
    among: Mapping[str, Contestant],
    rounds: int,
    turns: int,
) -> dict[str, float]:
    """Median seconds of a batch by each."""
    executor = apart_on(client)
    executor.ahead = False  # one way at a time
    runs, times = {}, {name: [0.0] for name in among}
    for name, one in among.items():
        rows = one.rows(size)
        stack = one.stack(network, np.random.default_rng(1))
        how = one_thread if name == IN_LINE else executor
        data = noise(network.widths, 4 * rows, network.dtype)
        runs[name] = laps(stack, data, one.program, how, rows, turns, rounds + 1)
    for _ in range(rounds + 1):  # the first to warm up
        for name, run in runs.items():
            times[name].append(next(run).seconds)  # since the run began
    for run in runs.values():
        run.close()
    return {name: median(b - a for a, b in pairwise(of[1:])) / turns for name, of in times.items()}


def random_case(seed: int) -> tuple[Program, Stack, Any, int]:
    """A random small stack, cut and divided at random, and one of the contestants' programs."""
    draw, rng = random.Random(seed), np.random.default_rng(seed)
    layers = draw.randint(2, 6)
    widths = [draw.randint(2, 12) for _ in range(layers + 1)]
    cuts = sorted(draw.sample(range(1, layers), draw.randint(1, layers - 1)))
    modules = len(cuts) + 1
    ends = sorted(draw.sample(range(1, modules), draw.randint(0, modules - 1)))
    groups = [tuple(range(a + 1, b + 1)) for a, b in pairwise([0, *ends, modules])]
    micro, late = draw.randint(1, 6), draw.randint(0, 4)
    signal, program = draw.choice(
        [
            ("truth", gpipe(groups, micro)),
            ("truth", one_forward_one_backward(groups, micro)),
            ("truth", zero_bubble(groups, micro)),
            ("truth", late_truth(groups, staleness=late, keep_weights=draw.random() < 0.5)),
            ("readout", local_loss(groups)),
            ("feedback", late_feedback(groups, staleness=late)),
            ("generator", pipeline(groups, staleness=late, guess_again=draw.random() < 0.5)),
        ]
    )
    stack = Stack.build(
        widths,
        BinaryCrossEntropy(),
        rng,
        activation=draw.choice(["tanh", "relu"]),
        batch_norm=draw.random() < 0.3,
        cuts=cuts,
        signals=signal,
        context=draw.choice([("h",), ("h", "y"), ("h", "x", "y")]),
        generator_hidden=draw.choice([(), (5,)]),
        dtype=np.dtype(draw.choice(["float32", "float64"])),
    )
    return program, stack, noise(widths, 40, stack.dtype.name), draw.randint(2, 9)


def bits(count: int) -> dict[str, Any]:
    """Random programs of the contestants on threads and on one thread; how many of each."""
    of: Counter[str] = Counter()

    def case(seed: int) -> tuple[Program, Stack, Any, int]:
        drawn = random_case(seed)
        of[drawn[0].name] += 1
        return drawn

    return {**orderings.bits(count, case), **of}


def main() -> None:
    parser = seeded(__doc__, 5)
    parts = ("batch", "ledger", "accuracy", "apart", "bits")
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.25, help="of each way in each round")
    parser.add_argument("--modules", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--programs", type=int, default=2000)
    arguments = parser.parse_args()
    timed = arguments.rounds, arguments.seconds
    result: dict[str, Any] = {}
    if "batch" in arguments.only:
        result["batch"] = batch(arguments.modules, *timed)
    if "ledger" in arguments.only:
        result["ledger"] = prices()
    if "accuracy" in arguments.only:
        result["accuracy"] = accuracy(seeds_of(arguments), *timed)
    if "apart" in arguments.only:
        result["apart"] = apart(arguments.rounds, 20)
    if "bits" in arguments.only:
        result["bits"] = bits(arguments.programs)
    finish_parts(arguments, result)


if __name__ == "__main__":
    main()
