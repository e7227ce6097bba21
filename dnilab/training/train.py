"""Train a network by an ordering: an iterator of events."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from functools import partial
from importlib import import_module

import numpy as np

from dnilab.checks import one_of, whole_number
from dnilab.data import Dataset
from dnilab.data.dataset import Feed, Stream, check_batch_size
from dnilab.here import executor_here, processes_can_fork
from dnilab.network import Optimiser, Stack
from dnilab.network.layers import check_shapes
from dnilab.network.optimisers import check_optimisers
from dnilab.orderings import Program, Wiring, check
from dnilab.training.events import Diverged, Event, Report, Snapshot
from dnilab.training.one_thread import keep_freed_memory, one_blas_thread
from dnilab.training.worker import ParametersExploded, Worker


def scores(kind: str, prediction: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Judge predictions, (rows, outputs), by labels of the same shape.

    For ``kind`` "bits", an output above 1/2 is read as 1: "bit_accuracy" is the share of bits
    that are right, "whole_sums" the share of rows in which all are.  For "classes", the largest
    output is the answer: "class_error" is the share of rows where it is not the label's.
    """
    check_shapes(prediction, y)
    if one_of("kind", kind, ("bits", "classes")) == "bits":
        right = (prediction > 0.5) == (y > 0.5)
        return {"bit_accuracy": float(right.mean()), "whole_sums": float(right.all(axis=1).mean())}
    wrong = prediction.argmax(axis=1) != y.argmax(axis=1)
    return {"class_error": float(wrong.mean())}


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """The cosine between two arrays, each taken as one long vector; 0 if one of them is 0."""
    lengths = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    return float(np.vdot(a, b)) / lengths if lengths else 0.0


def alignment(
    stack: Stack, x: np.ndarray, y: np.ndarray
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """How good the guesses are on one batch, for modules 1 to K - 1.  Nothing is changed.

    Returns ``cosine``, between the synthetic and the true gradient, all rows of the batch taken
    as one long vector (0 while a guess is 0), and ``generator_error``, the squared distance of
    the guess from the target it is fitted to, over the target's squared length (1 for a guess
    of 0).
    """
    cosines, errors = [], []
    for at in stack.probe(x, y):
        cosines.append(cosine(at.guess, at.true))
        size = float(np.sum(at.told**2))
        errors.append(float(np.sum((at.guess - at.told) ** 2)) / size if size else 0.0)
    return tuple(cosines), tuple(errors)


_ASKING = ("forward_update", "forward_guess", "unlocked_update", "fit", "late_fit")


def _check_dtypes(stack: Stack, data: Dataset) -> None:
    for name in ("x_train", "y_train", "x_test", "y_test"):
        dtype = getattr(data, name).dtype
        if dtype != stack.dtype:
            said = f"data has {name} of {dtype} and stack is {stack.dtype}"
            raise ValueError(f"{said}; train accepts equal dtypes: use data.astype(...)")


def wiring_of(stack: Stack) -> Wiring:
    """Who hears whom in a network, and what tells each module its gradient."""
    return Wiring(stack.heard, stack.signals)  # type: ignore[arg-type]  # it makes ears of pairs


def check_parts(stack: Stack, program: Program) -> None:
    """Raise ValueError unless the network has what the steps of the program need."""
    wiring, signals = program.wires, stack.signals
    if program.modules != len(stack):
        said = f"program is written for {program.modules} modules"
        raise ValueError(f"{said}; this stack has {len(stack)}")
    for k, (ears, heard) in enumerate(zip(wiring.heard, stack.heard, strict=True), start=1):
        if ears != tuple(heard):
            said = f"program is written for a module {k} that hears {_listed(ears)}"
            raise ValueError(f"{said}; in this stack it hears {_listed(heard)}")
    accepts = f"program {program.name!r} accepts stacks with"
    for step in program.steps():
        k = step.module
        signal, there = wiring.signal(k), signals[k - 1]
        backward = step.op in ("backward", "backward_input") and signal == "feedback"
        if (step.op in _ASKING or backward) and signal != there:
            has = "no" if there == "truth" else f"a {there}, and no"
            wanted = f"a {signal} at every module where it asks for one"
            raise ValueError(f"stack has {has} {signal} at module {k}; {accepts} {wanted}")
        if step.op == "backward_input" and not getattr(
            stack.modules[k - 1].body, "puts_off", False
        ):
            wanted = "bodies that can put off their own gradients, as chains and dense layers can"
            raise ValueError(f"stack has another kind of body at module {k}; {accepts} {wanted}")
        if step.op in ("fit_input", "late_fit_input") and stack.modules[k - 1].input_model is None:
            wanted = "one at every module but the first"
            raise ValueError(f"stack has no input model at module {k}; {accepts} {wanted}")


def _listed(ears: Iterable[tuple[int, int]]) -> str:
    named = ("x" if module == 0 else f"module {module}" for module, _ in ears)
    lates = (f", {late} batches late" if late else "" for _, late in ears)
    return " and ".join(map(str.__add__, named, lates))


def check_together(
    stack: Stack, data: Dataset, program: Program, batch_size: int, probe_rows: int
) -> None:
    """Raise ValueError, naming the argument, unless all go together.

    One batch is taken through every part of the network, so a layer that does not fit says so.
    """
    _check_dtypes(stack, data)
    check_parts(stack, program)
    if probe_rows == 1 and stack.normalises:
        raise ValueError("probe_rows is 1; with batch normalisation train accepts 0, or 2 or more")
    x, y = data.x_train[:batch_size], data.y_train[:batch_size]
    said, _ = stack.forward(x)
    for k, (module, h) in enumerate(zip(stack.modules, said, strict=True), start=1):
        if module.signal is not None:
            try:
                module.signal(h, x, y, y)
            except ValueError as fault:
                said_so = f"stack has a {module.signal.kind} at module {k} that does not fit"
                raise ValueError(f"{said_so}: {fault}") from None
    if (width := said[-1].shape[1]) != data.outputs:
        accepted = f"{data.outputs}, the width of y"
        raise ValueError(f"stack has {width} outputs; the labels accept {accepted}")


MOST_REPORTS = 1_000_000  # a list of when they come has to fit into memory
LOSS_ROWS = 2000  # training rows on which a report measures the loss: enough, and quick


def _in_words(
    per_epoch: int, optimiser: Optimiser, generator_optimiser: Optimiser, fault: ParametersExploded
) -> Diverged:
    rates = (
        f"the generators' rate (now {generator_optimiser.rate:g})",
        f"the modules' rate (now {optimiser.rate:g})",
    )
    first, second = rates[::-1] if fault.part == "body" else rates
    what = "the weights" if fault.part == "body" else f"the {fault.part}"
    epoch = fault.batch / per_epoch
    message = (
        f"Diverged: {what} of module {fault.module} grew without bound at batch {fault.batch} "
        f"(epoch {epoch:.1f}), and the run was stopped. Lower {first}; if that does not help, "
        f"{second}."
    )
    return Diverged(fault.batch, epoch, fault.module, fault.part, message)


Executor = Callable[..., Generator[Snapshot, None, None]]
"""``execute(stack, workers, program, owners, stops)``: runs workers up to each turn in ``stops``.

It hands out a snapshot at each.  One that is no name in ``EXECUTORS``, as ``apart(client)`` of
notebook 11, refuses for itself what it can't run, as it is called.
"""


EXECUTORS = {
    "one thread": "one_thread",
    "threads": "threads",
    "thread per fit": "published_threads",
    "process per fit": "published_threads",
}
"""The executors, and the module that has each: it is imported when a run asks for it."""


def executor_for(name: str | Executor, program: Program) -> Executor:
    """The executor, if it can run this program; else ValueError.  In a browser: on one thread."""
    if callable(name):
        return name
    if one_of("executor", name, EXECUTORS) != "one thread":
        refuse_racing(repr(name), program, name in ("thread per fit", "process per fit"))
    runs = executor_here(name)
    return getattr(import_module(f"dnilab.training.{EXECUTORS[runs]}"), runs.replace(" ", "_"))


def refuse_racing(executor: str, program: Program, new_for_each: bool = False) -> None:
    """Raise ValueError unless program and executor agree on steps that run alone.

    ``new_for_each``: whether the executor starts something new for each of them.
    """
    said = f"executor is {executor}, and program is {program.name!r}"
    if program.races != new_for_each:
        accepted = "steps that run alone" if new_for_each else "programs without such steps"
        raise ValueError(f"{said}; this executor accepts {accepted}, as in the Blue Box")
    if not new_for_each:
        return
    if len(program.workers) > 1:
        accepted = "programs with one worker, as the Blue Box"
        found = f"{said} with {len(program.workers)} workers"
        raise ValueError(f"{found}; this executor accepts {accepted}")
    if "process" in executor and not processes_can_fork():
        raise ValueError("executor is 'process per fit'; it accepts systems that can fork only")


def judged(at: Snapshot, data: Dataset, batch: int, epoch: float, probe_rows: int) -> Report:
    """The state of a run after ``batch`` batches."""
    stack, cosines, errors = at.stack, None, None
    stack.calibrate(data.x_train)
    output, test_output = map(stack.evaluate, (data.x_train[:LOSS_ROWS], data.x_test))
    if probe_rows and stack.decoupled and len(stack) > 1:
        cosines, errors = alignment(stack, data.x_train[:probe_rows], data.y_train[:probe_rows])
    loss = float(stack.loss.per_row(output, data.y_train[:LOSS_ROWS]).mean())
    test_loss = float(stack.loss.per_row(test_output, data.y_test).mean())
    found = scores(data.kind, stack.loss.prediction(test_output), data.y_test)
    return Report(batch, epoch, at.seconds, loss, test_loss, found, cosines, errors, at.spans)


def make_workers(
    stack: Stack,
    source: Callable[[], Stream],
    program: Program,
    owners: Mapping[int, int],
    optimiser: Optimiser,
    generator_optimiser: Optimiser,
    batches: int,
) -> list[Worker]:
    """One worker for each list of steps, each with a source of batches of its own.

    ``owners``: which of them owns each module, as ``check`` has told.
    """
    keep_freed_memory()
    workers, both = [], (optimiser, generator_optimiser)
    for index in range(len(program.workers)):
        mine = {k: stack.modules[k - 1] for k, owner in owners.items() if owner == index}
        workers.append(Worker(index, program, owners, mine, stack.loss, source(), *both, batches))
    return workers


def follow(
    snapshots: Generator[Snapshot, None, None],
    judge: Callable[[Snapshot], Report],
    in_words: Callable[[ParametersExploded], Diverged],
) -> Iterator[Event]:
    """A report of each snapshot, by ``judge``; if parameters explode, a ``Diverged``.

    However it ends, the workers are at rest afterwards.
    """
    try:
        with closing(snapshots):
            for at in snapshots:
                with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
                    report = judge(at)
                yield report
    except ParametersExploded as fault:
        yield in_words(fault)


def train(
    stack: Stack,
    data: Dataset,
    program: Program,
    *,
    optimiser: Optimiser,
    generator_optimiser: Optimiser | None = None,
    batch_size: int = 32,
    epochs: int = 10,
    seed: int = 0,
    report_every: int | None = None,
    probe_rows: int = 0,
    executor: str | Executor = "one thread",
) -> Iterator[Event]:
    """Train ``stack`` in place and yield an event now and then.

    The first report comes before the first batch, then one every ``report_every`` batches (an
    epoch's worth if None), and one at the end.  A run that diverges ends with a ``Diverged``
    event instead.  On one thread, nothing happens between two events unless the next one is asked
    for; on threads, training goes on, a report or two ahead.  Closing the iterator ends the run,
    joins all threads and leaves the stack as it is then.

    ``executor``: "one thread"; "threads", one for each worker of the program; and for the Blue
    Box as published "thread per fit" or "process per fit".  All but these last two give the same
    numbers to the last bit.  They tell the same divergence too, but the weights that it leaves may
    differ.  Or any other function like those: in notebook 11's room, ``apart(client)`` has every
    worker in a process of its own, and ``Checkpointed(...)`` writes down how far the run has come.

    ``seed`` shuffles the batches.  ``generator_optimiser`` is ``optimiser`` if None.  With
    ``probe_rows`` above 0 and a decoupled stack, each report compares the synthetic gradients
    with the true ones on that many training rows.

    Raises ValueError at once, naming the argument, if something is out of range or does not go
    together.  While it runs, an exception in a worker comes out as it is on one thread, and
    elsewhere as ``WorkerFailed``, with the step that raised it.
    """
    owners = check(program)
    execute = executor_for(executor, program)
    batch_size = check_batch_size(batch_size, len(data.x_train))
    per_epoch = len(data.x_train) // batch_size
    batches = whole_number("epochs", epochs, 1) * per_epoch
    every = per_epoch if report_every is None else whole_number("report_every", report_every, 1)
    seed = whole_number("seed", seed, 0)
    probe_rows = whole_number("probe_rows", probe_rows, 0, len(data.x_train))
    both = check_optimisers(optimiser, generator_optimiser)
    check_together(stack, data, program, batch_size, probe_rows)
    source = partial(Feed, data, batch_size, seed)
    workers = make_workers(stack, source, program, owners, *both, batches)
    stops = stops_every(every, program, batches)
    snapshots = execute(stack, workers, program, owners, stops)

    def judge(at: Snapshot) -> Report:
        # every worker has had this many batches, and finished the run at the last stop
        batch = min(at.turn * program.batches_per_turn, batches)
        return judged(at, data, batch, batch / per_epoch, probe_rows)

    def events() -> Iterator[Event]:
        try:
            yield from follow(snapshots, judge, partial(_in_words, per_epoch, *both))
        finally:
            with np.errstate(over="ignore", invalid="ignore"):
                stack.calibrate(data.x_train)

    return events()


def stops_every(number: int, program: Program, batches: int) -> list[int]:
    """The turns before the first batch, after every ``number`` batches or so, and at the end."""
    span = program.batches_per_turn
    if batches > number * MOST_REPORTS:
        found = f"epochs and report_every ask for {batches // number:.2g} reports"
        raise ValueError(f"{found}; train accepts at most {MOST_REPORTS:,}")
    return sorted({*(-(-b // span) for b in range(0, batches, number)), program.turns(batches)})
