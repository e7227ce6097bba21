"""Update orderings: when threads win, that they change no number, and what staleness costs.

    python -m benchmarks.orderings [--json] [--only PART ...]

Parts:
speed      time of a batch by each ordering, relative to backpropagation in line on one thread, with
           the limit that each division into groups allows on the cores that are here
crossover  the smallest batch from which the pipeline beats the Red Box, and backpropagation in
           line, for several sizes of parcels
executor   the sequential program on the one-thread executor beside a hand-written loop of the
           same operations
bits       random programs, of stacks, graphs and loops, on threads against one thread, to the
           last bit; threads left
staleness  accuracy on digits and addition when fits come late, over seeds; and how many batches
           it takes until 80 % of the bits are right.  A late fit guesses again, or takes the old
           error
recording  what it costs to note when each step started and ended

Contestants take turns in one process; ratios are of medians.  Run it on a quiet machine.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from itertools import islice, pairwise
from typing import Any

import numpy as np

from benchmarks.harness import finish_parts, seeded, seeds_of
from dnilab.data import batches
from dnilab.experiments import Settings, compare, stream, summary
from dnilab.lessons.any_graph.network.joins import Concatenate
from dnilab.lessons.shared.timing import (
    RATE,
    cores,
    groups_of,
    in_line,
    noise,
    runner,
    take_turns,
    timed_network,
)
from dnilab.network import (
    SGD,
    Adam,
    BinaryCrossEntropy,
    Chain,
    Dense,
    Generator,
    Module,
    Readout,
    Stack,
    Tanh,
)
from dnilab.network.modules import Heard
from dnilab.orderings import (
    Program,
    backprop,
    blue_box,
    check,
    multiplications,
    pipeline,
    sequential,
    time_per_batch,
)
from dnilab.training import Report, train, wiring_of
from dnilab.training.one_thread import one_blas_thread

SMALL = (24, 128, 64, 12)  # the size of the published timing
LARGE = (784, 256, 256, 256, 256, 10)


def hand_written(widths: tuple[int, ...], batch: int, dtype: str) -> Callable[[int], None]:
    """The sequential step as a plain loop over the same layers: no program, no executor."""
    data = noise(widths, 4 * batch, dtype)
    stack = timed_network(widths, dtype)
    bodies = [module.body for module in stack.modules]
    generators = [module.generator for module in stack.modules if module.generator is not None]
    optimiser = SGD(RATE)
    updates = [optimiser.start(body.thetas) for body in bodies]
    fits = [optimiser.start(generator.thetas) for generator in generators]
    gradient, top = stack.loss.gradient, len(bodies) - 1

    def run(n: int) -> None:
        rng = np.random.default_rng(0)
        with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
            done = 0
            while done < n:
                for rows in islice(batches(rng, len(data.x_train), batch), n - done):
                    h, y = data.x_train.take(rows, axis=0), data.y_train.take(rows, axis=0)
                    guess, fit_below = h, None
                    for k in range(top + 1):
                        h, pullback = bodies[k](h)
                        if k < top:
                            g, fit = generators[k](h)
                        else:
                            g, fit = gradient(h, y), None
                        message, grads = pullback(g, k > 0)
                        updates[k](grads, len(h))
                        if k > 0:
                            _, grads = fit_below(guess - message, False)
                            fits[k - 1](grads, len(h))
                        guess, fit_below = g, fit
                    done += 1

    return run


IN_LINE = "backpropagation in line"


def references(widths: tuple[int, ...], batch: int, dtype: str) -> dict[str, Any]:
    """Backpropagation in line, and with as many BLAS threads as there are cores."""
    found = {IN_LINE: in_line(widths, batch, dtype=dtype)}
    if cores() > 1:
        name = f"backpropagation, {cores()} BLAS threads"
        found[name] = in_line(widths, batch, dtype=dtype, blas_threads=cores())
    return found


def speed(rounds: int) -> list[dict[str, Any]]:
    rows = []
    for widths, batch, seconds in ((SMALL, 1000, 0.25), (LARGE, 256, 0.5)):
        modules = len(widths) - 1
        costs = multiplications(widths)
        for dtype in ("float64", "float32"):
            programs = {
                f"pipeline, {workers} threads": pipeline(groups_of(widths, workers), staleness=1)
                for workers in range(2, modules + 1)
            }
            contestants = references(widths, batch, dtype)
            contestants["Red Box"] = runner(widths, batch, sequential(modules), dtype=dtype)
            for name, program in programs.items():
                contestants[name] = runner(widths, batch, program, "threads", dtype=dtype)
            blue = blue_box(modules)
            contestants["blue box, thread per fit"] = runner(
                widths, batch, blue, "thread per fit", dtype=dtype
            )
            contestants["blue box, process per fit"] = runner(
                widths, batch, blue, "process per fit", dtype=dtype
            )
            medians = take_turns(contestants, rounds=rounds, seconds=seconds)
            for name, median in medians.items():
                row: dict[str, Any] = {
                    "widths": "-".join(map(str, widths)),
                    "batch": batch,
                    "dtype": dtype,
                    "ordering": name,
                    "speed": medians[IN_LINE] / median,
                    "limit": "",
                    "of limit": "",
                    "groups": "",
                }
                if name in programs:
                    program = programs[name]
                    alone = time_per_batch(backprop(modules), costs)
                    limit = alone / time_per_batch(program, costs, cores=cores())
                    row["limit"] = limit
                    row["of limit"] = row["speed"] / limit
                    owners = check(program)
                    row["groups"] = "".join(
                        f"({' '.join(str(k) for k in owners if owners[k] == worker)})"
                        for worker in range(len(program.workers))
                    )
                rows.append(row)
    return rows


CROSSOVER_BATCHES = (10, 20, 40, 60, 80, 100, 150, 250, 500, 1000)
PARCELS = {"by batch": (1, 1), "4 a parcel": (16, 4), "16 a parcel": (64, 16)}


def crossover(rounds: int) -> list[dict[str, Any]]:
    rows = []
    for dtype in ("float64", "float32"):
        for batch in CROSSOVER_BATCHES:
            contestants = references(SMALL, batch, dtype)
            contestants["Red Box"] = runner(SMALL, batch, sequential(3), dtype=dtype)
            for name, (late, per_turn) in PARCELS.items():
                groups = groups_of(SMALL, 2, staleness=late)
                program = pipeline(groups, staleness=late, batches_per_turn=per_turn)
                contestants[name] = runner(SMALL, batch, program, "threads", dtype=dtype)
            medians = take_turns(contestants, rounds=rounds, seconds=0.1)
            rows.append(
                {
                    "dtype": dtype,
                    "batch": batch,
                    **{name: medians[IN_LINE] / medians[name] for name in medians},
                }
            )
    return rows


def crossing(rows: list[dict[str, Any]], rival: str) -> dict[str, Any]:
    """For each dtype and parcel, the smallest batch from which on the pipeline beats a rival."""
    found: dict[str, Any] = {}
    for dtype in ("float64", "float32"):
        for name in PARCELS:
            wins: int | None = None
            for row in reversed([row for row in rows if row["dtype"] == dtype]):
                if row[name] <= row[rival]:
                    break
                wins = row["batch"]
            found[f"{dtype}, {name}"] = wins
    return found


def executor(rounds: int) -> list[dict[str, Any]]:
    rows = []
    for batch in (10, 100, 1000):
        for dtype in ("float64", "float32"):
            medians = take_turns(
                {
                    "executor": runner(SMALL, batch, sequential(3), dtype=dtype),
                    "loop": hand_written(SMALL, batch, dtype),
                },
                rounds=4 * rounds,
                seconds=0.05,
            )
            ratio = medians["executor"] / medians["loop"]
            rows.append({"batch": batch, "dtype": dtype, "executor/loop": ratio})
    return rows


def random_heard(draw: random.Random, modules: int, shape: str) -> Heard:
    """Whom each module hears: a chain, any graph, or one with ears for batches gone by."""
    heard = []
    for k in range(1, modules + 1):
        ears = {(k - 1, 0)}  # so that all lead to the top
        if shape != "chain" and k > 1:
            ears |= {(draw.randrange(0, k), 0) for _ in range(draw.randint(0, 2))}
        if shape == "loops" and k < modules:
            ears |= {
                (draw.randint(k, modules - 1), draw.randint(1, 3))
                for _ in range(draw.randint(0, 2))
            }
        heard.append(tuple(sorted(ears)))
    return tuple(heard)


def random_network(
    draw: random.Random, rng: np.random.Generator, widths: list[int], shape: str
) -> Stack:
    """Modules that hear each other, each below the top with a signal of some kind."""
    modules, dtype = len(widths) - 1, np.dtype(draw.choice(["float32", "float64"]))
    loss, context = BinaryCrossEntropy(), draw.choice([("h",), ("h", "y"), ("h", "x", "y")])
    heard, made = random_heard(draw, modules, shape), []
    kinds = draw.choice([("generator",), ("readout",), ("generator", "readout", "truth")])
    late = {module for ears in heard for module, how_late in ears if how_late}
    for k, ears in enumerate(heard, start=1):
        seen = [widths[module] for module, _ in ears]
        width = widths[k]
        body = Chain([Concatenate(seen), Dense(sum(seen), width, rng, dtype=dtype), Tanh()])
        signal: Generator | Readout | None = None
        if k < modules:
            # who is heard later would wait for a batch to come: it has a signal of its own
            kind = draw.choice([one for one in kinds if one != "truth" or k not in late])
            sizes = {"inputs": widths[0], "outputs": widths[-1], "dtype": dtype}
            if kind == "generator" or (kind == "truth" and shape == "loops"):
                signal = Generator(width, context, **sizes)
            elif kind == "readout":
                signal = Readout(width, widths[-1], loss, rng=rng, dtype=dtype)
        made.append(Module(body, signal))
    return Stack(made, loss, heard)


def random_case(seed: int) -> tuple[Program, Stack, Any, int]:
    """A random small network, division into groups, staleness and parcel."""
    draw = random.Random(seed)
    rng = np.random.default_rng(seed)
    modules = draw.randint(2, 5)
    widths = [draw.randint(2, 12) for _ in range(modules + 1)]
    shape = draw.choice(["stack", "stack", "chain", "graph", "loops"])
    if shape == "stack":
        stack = Stack.build(
            widths,
            BinaryCrossEntropy(),
            rng,
            activation=draw.choice(["tanh", "relu"]),
            batch_norm=draw.random() < 0.3,
            signals=[draw.choice(["generator", "readout"]) for _ in range(modules - 1)],
            context=draw.choice([("h",), ("h", "y"), ("x",), ("h", "x", "y"), ("h_norm", "y")]),
            generator_hidden=draw.choice([(), (5,)]),
            dtype=np.dtype(draw.choice(["float32", "float64"])),
        )
    else:
        stack = random_network(draw, rng, widths, shape)
    wiring = wiring_of(stack)
    batch, data = draw.randint(2, 9), noise(tuple(widths), 40, stack.dtype.name)
    if "truth" in wiring.signals[:-1]:  # it waits for those above it, so it is not in a pipeline
        return on_workers(draw, sequential(wiring)), stack, data, batch
    cuts = sorted(draw.sample(range(1, modules), draw.randint(1, modules - 1)))
    edges = [0, *cuts, modules]
    groups = [tuple(range(a + 1, b + 1)) for a, b in pairwise(edges)]
    late = max(ear.late for ears in wiring.heard for ear in ears)
    per_turn = draw.choice([1, 1, 2, 4]) if not late else 1
    stale = draw.randint(per_turn if per_turn > 1 else 0, per_turn + 6)
    program = pipeline(groups, staleness=stale, batches_per_turn=per_turn, wiring=wiring)
    return program, stack, data, batch


def on_workers(draw: random.Random, program: Program) -> Program:
    """The same steps, each module on one of several workers."""
    owner = {k: draw.randrange(3) for k in range(1, program.modules + 1)}
    steps = list(program.steps())
    workers = (tuple(step for step in steps if owner[step.module] == w) for w in range(3))
    return replace(program, workers=tuple(worker for worker in workers if worker))


def bits(
    count: int, case: Callable[[int], tuple[Program, Stack, Any, int]] = random_case
) -> dict[str, Any]:
    """Run each random program on one thread and on threads; count what differs.

    ``case(seed)`` draws a program, a network for it, rows and a batch size.
    """
    before = threading.active_count()
    equal = 0
    for seed in range(count):
        program, stack, data, batch = case(seed)
        other = stack.copy()
        for network, name in ((stack, "one thread"), (other, "threads")):
            for _ in train(
                network, data, program, optimiser=Adam(1e-2), batch_size=batch, epochs=2,
                executor=name,
            ):  # fmt: skip
                pass
        equal += all(map(np.array_equal, stack.thetas, other.thetas))
    return {
        "programs": count,
        "equal_to_the_last_bit": equal,
        "threads_left": threading.active_count() - before,
    }


def staleness(seeds: range) -> list[dict[str, Any]]:
    digits = Settings(
        task="digits", hidden=(128,) * 3, activation="relu", batch_norm=True, rate=1e-3, epochs=60
    )
    addition = Settings(task="addition", epochs=20)
    rows = []
    for base, what in ((digits, "class_error"), (addition, "bit_accuracy")):
        for context in (("h",), ("h", "y")):
            ways = [piped(base.but(context=context), late) for late in (0, 1, 2, 4, 8)]
            if context == ("h", "y"):  # and by the error of the old guess
                ways += [one.but(guess_again=False) for one in ways[1:]]
            for settings, runs in zip(ways, compare(ways, seeds, 10**9), strict=True):
                mean, spread = summary(runs, what)
                rows.append(
                    {
                        "task": base.task,
                        "context": ", ".join(context),
                        "staleness": settings.staleness,
                        "fits": of_fits(settings),
                        "measure": what,
                        "percent": round(100 * mean, 2),
                        "spread": round(100 * spread, 2),
                        "seeds": len(seeds),
                    }
                )
    return rows


def piped(base: Settings, late: int) -> Settings:
    """A pipeline on one thread, whose late fits guess again."""
    return base.but(
        ordering="pipeline", executor="one thread", staleness=late, guess_again=late > 0
    )


def of_fits(settings: Settings) -> str:
    """What its fits go by, in words."""
    if settings.staleness == 0:
        return "prompt"
    return "guess again" if settings.guess_again else "old error"


ENOUGH = 0.8  # of the bits of unseen sums
EPOCHS_UNTIL = {100: 30, 1000: 150}  # batch size: epochs at most


def until(seeds: range) -> list[dict[str, Any]]:
    """How many batches of addition it takes until enough bits are right, by how late fits are."""
    rows = []
    for batch, epochs in EPOCHS_UNTIL.items():
        ways = [piped(Settings(batch_size=batch, epochs=epochs), late) for late in (0, 1, 2)]
        ways += [one.but(guess_again=False) for one in ways[1:]]
        found = [[batches_until(one.but(seed=seed)) for seed in seeds] for one in ways]
        for one, of_seeds in zip(ways, found, strict=True):
            both = zip(of_seeds, found[0], strict=True)
            rows.append(
                {
                    "batch": batch,
                    "staleness": one.staleness,
                    "fits": of_fits(one),
                    "batches": " ".join("never" if n is None else str(n) for n in of_seeds),
                    "of those of prompt fits": " ".join(
                        "never" if n is None or prompt is None else f"{n / prompt:.2f}"
                        for n, prompt in both
                    ),
                }
            )
    return rows


def batches_until(settings: Settings) -> int | None:
    """After how many batches enough bits are right; None: not in the settings' epochs."""
    with closing(stream(settings, report_every=5)) as events:  # type: ignore[type-var]
        for event in events:
            if isinstance(event, Report) and event.scores["bit_accuracy"] >= ENOUGH:
                return event.batch
    return None


def recording() -> dict[str, Any]:
    """Nanoseconds that the record of one step costs, measured on an empty step."""
    from collections import deque
    from time import perf_counter_ns

    log = deque(maxlen=4096)
    append = log.append

    def noted(n: int) -> None:
        now = perf_counter_ns()
        for _ in range(n):
            start = now
            now = perf_counter_ns()
            append(("fit", 1, 1, start, now))

    def empty(n: int) -> None:
        for _ in range(n):
            pass

    medians = take_turns({"noted": noted, "empty": empty}, rounds=51, seconds=0.01)
    step = take_turns({"step": runner(SMALL, 10, sequential(3), dtype="float32")}, rounds=21)
    per_step = medians["noted"] - medians["empty"]
    return {
        "nanoseconds_a_step": per_step * 1e9,
        "share_of_the_shortest_batch": 5 * per_step / step["step"],
    }


def main() -> None:
    parser = seeded(__doc__, 5)
    parts = ("speed", "crossover", "executor", "bits", "staleness", "recording")
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--programs", type=int, default=2000)
    arguments = parser.parse_args()
    result: dict[str, Any] = {}
    if "speed" in arguments.only:
        result["speed"] = speed(arguments.rounds)
    if "crossover" in arguments.only:
        result["crossover"] = crossover(arguments.rounds)
        result["pipeline_beats_from_batch"] = {
            rival: crossing(result["crossover"], rival) for rival in (IN_LINE, "Red Box")
        }
    if "executor" in arguments.only:
        result["executor"] = executor(arguments.rounds)
    if "recording" in arguments.only:
        result["recording"] = recording()
    if "bits" in arguments.only:
        result["bits"] = bits(arguments.programs)
    if "staleness" in arguments.only:
        result["staleness"] = staleness(seeds_of(arguments))
        result["until"] = until(seeds_of(arguments))
    finish_parts(arguments, result)


if __name__ == "__main__":
    main()
