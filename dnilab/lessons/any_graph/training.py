"""Train two networks that tick at different rates.

A sees an image at each of its ticks, names it, and after T of them sends a message to B.  B ticks
once for T ticks of A, and is asked for a count.  A can learn from B only if a message comes down.

- "no gradient": nothing comes down; A learns to name, and nothing else.
- "exact": A waits at the end of its window until B has worked, and gets the true gradient.
- "DNI": a generator guesses the gradient from the message, at once; A goes on.  B may take its
  time: it works on a message ``lag`` windows after it was sent, and only then is the generator
  told the truth.  (Jaderberg et al. 2016, section 2.)

So A and B are two modules, one above the other, and a window is a batch.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from dnilab.checks import one_of
from dnilab.data.dataset import Batch, Stream
from dnilab.lessons.any_graph.data import Counting, Window
from dnilab.lessons.any_graph.network.watcher import Watcher
from dnilab.network import Generator, Module, Optimiser, SoftmaxCrossEntropy, Stack
from dnilab.network.layers import Back, Layer, Pullback
from dnilab.network.optimisers import check_optimisers
from dnilab.orderings import Program, Step, backprop, check
from dnilab.training import Diverged, Event, Report, wiring_of
from dnilab.training.events import Snapshot
from dnilab.training.train import cosine, executor_for, follow, make_workers
from dnilab.training.worker import ParametersExploded


class Naming(Layer):
    """A watcher that is asked for the name of each image that it sees.

    ``message, pullback = naming(window)``; ``_, grads = pullback(dmessage)``: ``grads`` are those
    of the names' summed loss, and of what the message was worth, unless dmessage is None.
    """

    signal = "own loss"  # all that it learns from, if nothing comes down

    def __init__(self, watcher: Watcher) -> None:
        self.watcher, self.loss = watcher, SoftmaxCrossEntropy()

    @property
    def thetas(self) -> list[np.ndarray]:
        """The parameter vectors of the watcher."""
        return self.watcher.thetas

    def __call__(self, window: Window) -> tuple[np.ndarray, Pullback]:
        message, names, through = self.watcher.watch(window.images)
        flat = names.reshape(-1, names.shape[2])
        dnames = self.loss.gradient(flat, window.names.reshape(flat.shape)).reshape(names.shape)

        def pullback(dmessage: np.ndarray | None, want_dx: bool = False) -> Back:
            back: Back = through(dmessage, dnames, want_dx=False)
            return back

        return message, pullback

    def copy(self, dtype: Any = None) -> Naming:
        """An independent copy, in another dtype if one is given."""
        return Naming(self.watcher.copy(dtype))


def two_clocks(watcher: Watcher, counter: Any, generator: Generator | None = None) -> Stack:
    """A below, B above: B is any node that hears one message."""
    return Stack([Module(Naming(watcher), generator), Module(counter)], SoftmaxCrossEntropy())


def clock_program(stack: Stack, channel: str = "DNI", lag: int = 0) -> Program:
    """Who works when: A on one worker, B on another, ``lag`` windows behind, as is the fit."""
    if channel == "exact":
        return backprop(2)
    of_a, of_b = [Step("forward_update", 1)], [Step("forward_update", 2, -lag)]
    if channel == "DNI":
        # fitted since then: today's generator is to be put right
        of_a.append(Step("late_fit" if lag else "fit", 1, -lag))
    return Program(channel, 2, (tuple(of_a), tuple(of_b)), wiring=wiring_of(stack))


def _named(fault: ParametersExploded, rate: float) -> Diverged:
    part = "generator" if fault.part == "generator" else ("A", "B")[fault.module - 1]
    what = "the generator" if part == "generator" else f"the weights of {part}"
    message = (
        f"Diverged: {what} grew without bound at window {fault.batch}, and the run was stopped. "
        f"Lower the rate (now {rate:g})."
    )
    return Diverged(fault.batch, float("nan"), fault.module, part, message)


def judged(stack: Stack, at: Snapshot, unseen: Window) -> Report:
    """The state of a run, on windows of unseen images; nothing is changed.

    ``scores``: "counted", the share of windows for which B gives the right count; "named", the
    share of images that A names correctly.  ``cosine``: between guess and true gradient of the
    message, all rows as one vector; None without a generator, and 0 while the guess is 0.
    """
    below, above = stack.modules
    message, names, _ = below.body.watcher.watch(unseen.images)
    answer, through_b = above(message)
    found = None
    if below.generator is not None:
        true, _ = through_b(stack.loss.gradient(answer, unseen.count))
        guess, _ = below.generator(message, None, unseen.count)
        found = (cosine(guess, true),)
    counted = answer.argmax(axis=1) == unseen.count.argmax(axis=1)
    named = names.argmax(axis=2) == unseen.names.argmax(axis=2)
    scores = {"counted": float(counted.mean()), "named": float(named.mean())}
    return Report(at.turn, seconds=at.seconds, scores=scores, cosine=found)


def train_clocks(
    watcher: Watcher,
    counter: Any,
    task: Counting,
    *,
    optimiser: Optimiser,
    channel: str = "DNI",
    generator: Generator | None = None,
    lag: int = 0,
    batch_size: int = 32,
    windows: int = 1500,
    report_every: int = 100,
    unseen: int = 1000,
    executor: str = "one thread",
    rng: np.random.Generator,
) -> Iterator[Event]:
    """Train A (``watcher``) and B (``counter``) in place; yield a report now and then.

    The first report comes before the first window, then one every ``report_every`` windows and at
    the end, each on the same ``unseen`` windows of unseen images: see ``judged``.  Each row of a
    batch is a stream of its own.  ``rng`` draws the windows.  ``executor``: "one thread", or
    "threads", for the same numbers.  A run that diverges ends with ``Diverged``.

    ``ClockSettings`` makes the networks and all else that goes in here, and checks it.
    """
    stack = two_clocks(watcher, counter, generator)
    program = clock_program(stack, channel, lag)
    seen = next(task.windows(np.random.default_rng(0), unseen, unseen=True))
    owners = check(program)
    workers = make_workers(
        stack,
        lambda: Stream(Batch(w, w.count) for w in task.windows(copy.deepcopy(rng), batch_size)),
        program,
        owners,
        *check_optimisers(optimiser),
        windows + lag,
    )
    stops = sorted({*range(0, windows, report_every), windows})
    execute = executor_for(one_of("executor", executor, ("one thread", "threads")), program)
    return follow(
        execute(stack, workers, program, owners, stops),
        lambda at: judged(at.stack, at, seen),
        lambda fault: _named(fault, optimiser.rate),
    )
