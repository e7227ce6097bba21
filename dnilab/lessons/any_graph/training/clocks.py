"""Train two networks that tick at different rates.

A sees an image at each of its ticks, names it, and after T of them sends a message to B.  B ticks
once for T ticks of A, and is asked for a count.  A can learn from B only if a message comes down.

- "no gradient": nothing comes down; A learns to name, and nothing else.
- "exact": A waits at the end of its window until B has worked, and gets the true gradient.
- "DNI": a generator guesses the gradient from the message, at once; A goes on.  B may take its
  time: it works on a message ``lag`` windows after it was sent, and only then is the generator
  told the truth.  (Jaderberg et al. 2016, section 2.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from dnilab.checks import one_of, random_generator, whole_number
from dnilab.lessons.any_graph.data import Counting, Window
from dnilab.lessons.any_graph.network.graph import Node
from dnilab.lessons.any_graph.network.watcher import Watcher
from dnilab.network import Chain, Generator, Optimiser, SoftmaxCrossEntropy
from dnilab.training.blas import one_blas_thread
from dnilab.training.worker import LIMIT

CHANNELS = ("no gradient", "exact", "DNI")


@dataclass(frozen=True)
class ClockReport:
    """The state of a run after ``window`` windows; all on windows of unseen images.

    ``counted``: the share of windows for which B gives the right count.  ``named``: the share of
    images that A names correctly.  ``cosine``: between guess and true gradient of the message,
    all rows as one vector; None without a generator, and 0 while the guess is 0.
    """

    window: int
    counted: float
    named: float
    cosine: float | None


@dataclass(frozen=True)
class ClockDiverged:
    """The run was stopped: the parameters of ``part`` ("A", "B" or "generator") grew too large."""

    window: int
    part: str
    message: str


ClockEvent = ClockReport | ClockDiverged


class TwoClocks:
    """The two networks and the channel between them.  ``window(w)`` is T ticks of A, one of B.

    B is any node that hears one message.
    """

    def __init__(
        self,
        watcher: Watcher,
        counter: Node,
        optimiser: Optimiser,
        channel: str = "DNI",
        generator: Generator | None = None,
        *,
        lag: int = 0,
    ) -> None:
        one_of("channel", channel, CHANNELS)
        whole_number("lag", lag, 0)
        if (generator is not None) != (channel == "DNI"):
            raise ValueError(
                f"generator is {'None' if generator is None else 'given'}; the channel "
                f"{channel!r} accepts {'one' if channel == 'DNI' else 'None'}"
            )
        if channel == "exact" and lag:
            raise ValueError(
                f"lag is {lag}; with the exact gradient A waits for B, and it accepts 0"
            )
        self.watcher, self.counter, self.generator = watcher, counter, generator
        self.channel, self.lag = channel, lag
        self.loss = SoftmaxCrossEntropy()
        self._update_a = optimiser.start(watcher.thetas)
        self._update_b = optimiser.start(counter.thetas)
        if generator is not None:
            self._fit = optimiser.start(generator.thetas)
        self._sent: deque[tuple[np.ndarray, np.ndarray, Any, Any]] = deque()

    def window(self, seen: Window) -> None:
        """One update of A, and of B once the first message is old enough."""
        batch = len(seen.count)
        message, names, through_a = self.watcher.watch(seen.images)
        flat = names.reshape(-1, names.shape[2])
        dnames = self.loss.gradient(flat, seen.names.reshape(flat.shape)).reshape(names.shape)
        if self.channel == "exact":
            dmessage = self._work(message, seen.count)
        else:
            guess = fit = dmessage = None
            if self.generator is not None:
                guess, fit = self.generator(message, None, seen.count)
                dmessage = guess
            self._sent.append((message, seen.count, guess, fit))
        _, grads = through_a(dmessage, dnames, want_dx=False)
        self._update_a(grads, batch)
        if len(self._sent) > self.lag:
            old, count, guess, fit = self._sent.popleft()
            true = self._work(old, count)
            if self.generator is not None:
                if self.lag:  # fitted since then: today's generator is to be put right
                    guess, fit = self.generator(old, None, count)
                _, grads = fit(guess - true, want_dx=False)
                self._fit(grads, batch)

    def _work(self, message: np.ndarray, count: np.ndarray) -> np.ndarray:
        """A tick of B: answer, learn; what the message was worth."""
        answer, through_b = self.counter(message)
        dmessage, grads = through_b(self.loss.gradient(answer, count))
        self._update_b(grads, len(count))
        down: np.ndarray = dmessage
        return down

    def report(self, window: int, unseen: Window) -> ClockReport:
        """Measure on these windows; nothing is changed."""
        message, names, _ = self.watcher.watch(unseen.images)
        answer, through_b = self.counter(message)
        cosine = None
        if self.generator is not None:
            true, _ = through_b(self.loss.gradient(answer, unseen.count))
            guess, _ = self.generator(message, None, unseen.count)
            lengths = float(np.linalg.norm(guess)) * float(np.linalg.norm(true))
            cosine = float(np.vdot(guess, true)) / lengths if lengths else 0.0
        return ClockReport(
            window,
            float((answer.argmax(axis=1) == unseen.count.argmax(axis=1)).mean()),
            float((names.argmax(axis=2) == unseen.names.argmax(axis=2)).mean()),
            cosine,
        )

    def exploded(self) -> str | None:
        """The part whose parameters are out of all reason, if one is."""
        parts = {"A": self.watcher.thetas, "B": self.counter.thetas}
        if self.generator is not None:
            parts["generator"] = self.generator.thetas
        for part, thetas in parts.items():
            for theta in thetas:
                if not float(np.vdot(theta, theta)) < LIMIT**2 * theta.size:
                    return part
        return None


def train_clocks(
    watcher: Watcher,
    counter: Chain,
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
    rng: np.random.Generator,
) -> Iterator[ClockEvent]:
    """Train A (``watcher``) and B (``counter``) in place; yield a report now and then.

    The first report comes before the first window, then one every ``report_every`` windows and at
    the end, each on the same ``unseen`` windows of unseen images.  Each row of a batch is a stream
    of its own.  ``rng`` draws the windows.  A run that diverges ends with ``ClockDiverged``.

    Raises ValueError at once, naming the argument, if something does not go together.
    """
    two = TwoClocks(watcher, counter, optimiser, channel, generator, lag=lag)
    random_generator("rng", rng)
    whole_number("batch_size", batch_size, 1)
    whole_number("windows", windows, 1)
    whole_number("report_every", report_every, 1)
    whole_number("unseen", unseen, 1)
    judged = next(task.windows(np.random.default_rng(0), unseen, unseen=True))
    stream = task.windows(rng, batch_size)
    first = next(stream)
    message, names, _ = watcher.watch(first.images[:, :1])
    if names.shape[2] != task.classes:
        raise ValueError(
            f"watcher gives {names.shape[2]} names; the task accepts {task.classes} of them"
        )
    if generator is not None and generator.width != message.shape[1]:
        raise ValueError(
            f"generator has width {generator.width}; it accepts {message.shape[1]}, the width of "
            "the message"
        )
    answer, _ = counter(message)
    if answer.shape[1] != task.answers:
        raise ValueError(
            f"counter gives {answer.shape[1]} answers; it accepts {task.answers}: counts from 0 "
            f"to {task.period}"
        )

    def events() -> Iterator[ClockEvent]:
        seen = first
        done = 0
        while True:
            with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
                part = two.exploded()
                report = None if part else two.report(done, judged)
            if part is not None:
                yield ClockDiverged(
                    done,
                    part,
                    f"Diverged: the weights of {part} grew without bound at window {done}, and "
                    f"the run was stopped. Lower the rate (now {optimiser.rate:g}).",
                )
                return
            assert report is not None
            yield report
            if done == windows:
                return
            with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
                for _ in range(min(report_every, windows - done)):
                    two.window(seen)
                    seen = next(stream)
                    done += 1

    return events()
