"""Two networks with different clocks: what each channel does, and nothing else."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
import pytest

from dnilab.lessons.any_graph.data import Counting
from dnilab.lessons.any_graph.network.watcher import Watcher
from dnilab.lessons.any_graph.training import clock_program, train_clocks, two_clocks
from dnilab.lessons.shared.trainer import Trainer
from dnilab.network import SGD, Adam, Chain, Dense, Generator, SoftmaxCrossEntropy, relative_error
from dnilab.orderings import instants, locks
from dnilab.training import Diverged, Report

TASK = Counting("odd digits", 3)
LOSS = SoftmaxCrossEntropy()


def networks(context=("h", "y")):
    rng = np.random.default_rng(0)
    watcher = Watcher(64, 10, 4, rng, features=6, width=5)
    counter = Chain([Dense(4, TASK.answers, rng)])
    return watcher, counter, Generator(4, context, outputs=TASK.answers)


def window(seed=0):
    return next(TASK.windows(np.random.default_rng(seed), 8))


class Windows(Trainer):
    """Trains both, window by window."""

    def __init__(self, watcher, counter, channel="DNI", generator=None, lag=0):
        stack = two_clocks(watcher, counter, generator)
        super().__init__(stack, clock_program(stack, channel, lag), SGD(0.1))

    def window(self, seen):
        self.turn(seen, seen.count)


def bits(*nodes):
    return [theta.tobytes() for node in nodes for theta in node.thetas]


def gradients(watcher, counter, seen, with_message=True):
    """By the chain rule through both networks, summed over the batch: of A, of B, of message."""
    message, names, through_a = watcher.watch(seen.images)
    flat = names.reshape(-1, 10)
    dnames = LOSS.gradient(flat, seen.names.reshape(-1, 10)).reshape(names.shape)
    answer, through_b = counter(message)
    dmessage, of_b = through_b(LOSS.gradient(answer, seen.count))
    _, of_a = through_a(dmessage if with_message else None, dnames)
    return of_a, of_b, dmessage


def moved(node, start, grads, rate=0.1, batch=8):
    return all(
        relative_error(theta, old - rate / batch * grad) < 1e-6
        for theta, old, grad in zip(node.thetas, start, grads, strict=True)
    )


def programs(lag=0):
    return {
        channel: clock_program(
            two_clocks(*networks()[: 3 if channel == "DNI" else 2]), channel, lag
        )
        for channel in ("no gradient", "DNI", "exact")[: 2 if lag else 3]
    }


def test_who_waits_for_whom():
    """Whether A's update needs anything of B's; B always waits for A's message."""
    for lag in (0, 2):
        for channel, program in programs(lag).items():
            waits = channel == "exact"
            held = {"forward": True, "update": waits, "backward": waits}
            assert locks(program) == held, (channel, lag)


def test_b_may_be_late():
    a, b = [[(step.op, step.batch) for step in steps] for steps in programs(lag=2)["DNI"].workers]
    assert a == [("forward_update", 0), ("late_fit", -2)]
    assert b == [("forward_update", -2)]


def at_once(program):
    """Whether A and B ever work in the same moment, each on a worker of its own."""
    return any({s.module for s in moment.working} == {1, 2} for moment in instants(program, 9))


def test_who_works_at_once():
    assert at_once(programs()["no gradient"])
    assert not at_once(programs()["exact"])
    assert not at_once(programs()["DNI"])  # the fit waits for B
    assert at_once(programs(lag=1)["DNI"])


@pytest.mark.parametrize("channel", ["exact", "no gradient"])
def test_one_window(channel):
    watcher, counter, _ = networks()
    seen = window()
    of_a, of_b, _ = gradients(watcher, counter, seen, channel == "exact")
    wrong_a, _, _ = gradients(watcher, counter, seen, channel != "exact")
    before = [t.copy() for t in watcher.thetas], [t.copy() for t in counter.thetas]
    Windows(watcher, counter, channel).window(seen)
    assert moved(watcher, before[0], of_a)
    assert moved(counter, before[1], of_b)
    assert not moved(watcher, before[0], wrong_a)


def test_one_window_with_a_guess():
    watcher, counter, generator = networks()
    for theta in generator.thetas:
        theta[:] = np.random.default_rng(1).standard_normal(theta.size)
    seen = window()
    message, names, through_a = watcher.watch(seen.images)
    dnames = LOSS.gradient(names.reshape(-1, 10), seen.names.reshape(-1, 10)).reshape(names.shape)
    guess, fit = generator(message, None, seen.count)
    _, of_a = through_a(guess, dnames)
    _, of_b, true = gradients(watcher, counter, seen)
    _, of_m = fit(guess - true)
    before = [[t.copy() for t in node.thetas] for node in (watcher, counter, generator)]
    Windows(watcher, counter, "DNI", generator).window(seen)
    assert moved(watcher, before[0], of_a)
    assert moved(counter, before[1], of_b)
    assert moved(generator, before[2], of_m)


def watcher_after(*seen):
    """A as it is when it has seen these windows, and B has not yet answered."""
    watcher, counter, generator = networks()
    two = Windows(watcher, counter, "DNI", generator, lag=2)
    for one in seen:
        two.window(one)
    return watcher


def test_with_a_lag_b_works_later_and_a_does_not_wait():
    watcher, counter, generator = networks()
    two = Windows(watcher, counter, "DNI", generator, lag=2)
    start_a, start_b = bits(watcher), bits(counter, generator)
    for seed in range(2):
        two.window(window(seed))
        assert bits(watcher) != start_a
        assert bits(counter, generator) == start_b
        start_a = bits(watcher)
    first = networks()
    message, _, _ = first[0].watch(window(0).images)  # what B hears now was said at the start
    answer, through_b = first[1](message)
    _, of_b = through_b(LOSS.gradient(answer, window(0).count))
    before = [t.copy() for t in counter.thetas]
    two.window(window(2))
    assert moved(counter, before, of_b)
    # the next fit: the generator has been fitted since that guess, and guesses again
    message, _, _ = watcher_after(window(0)).watch(window(1).images)
    answer, through_b = counter(message)
    true, _ = through_b(LOSS.gradient(answer, window(1).count))
    guess, fit = generator(message, None, window(1).count)
    _, of_m = fit(guess - true)
    before = [t.copy() for t in generator.thetas]
    two.window(window(3))
    assert moved(generator, before, of_m)


def test_without_a_gradient_b_changes_nothing_in_a():
    """A is the same to the last bit, whatever B is asked."""
    ends = []
    for what in ("odd digits", "threes"):
        watcher, counter, _ = networks()
        task = Counting(what, 3)
        list(
            train_clocks(
                watcher, counter, task, optimiser=Adam(1e-3), channel="no gradient",
                windows=4, unseen=20, rng=np.random.default_rng(0),
            )
        )  # fmt: skip
        ends.append(bits(watcher))
    assert ends[0] == ends[1]


def run(channel="DNI", generator=None, optimiser=None, seed=0, **words):
    watcher, counter, made = networks()
    generator = made if channel == "DNI" and generator is None else generator
    words = {"windows": 10, "report_every": 4, "unseen": 30, **words}
    return train_clocks(
        watcher, counter, TASK, optimiser=optimiser or Adam(1e-3), channel=channel,
        generator=generator, rng=np.random.default_rng(seed), **words,
    )  # fmt: skip


def told(events):
    """What the reports say, but for the time that it took; a NaN is equal to itself."""
    return [astuple(replace(event, seconds=0.0)) for event in events]


def test_reports():
    events = list(run())
    assert [event.batch for event in events] == [0, 4, 8, 10]
    assert all(isinstance(event, Report) for event in events)
    assert events[0].cosine == (0.0,)  # a new generator guesses nothing
    assert -1 <= events[-1].cosine[0] <= 1
    assert events[-1].cosine[0] != 0
    assert [event.cosine for event in run("exact")] == [None] * 4
    assert told(events) == told(run())
    assert [e.scores for e in run(report_every=3)][-1] == events[-1].scores
    assert set(events[0].scores) == {"counted", "named"}
    assert events[0].seconds <= events[-1].seconds


@pytest.mark.parametrize(
    ("channel", "lag"), [("no gradient", 0), ("exact", 0), ("DNI", 0), ("DNI", 1), ("DNI", 3)]
)
def test_threads_give_the_same_bits(channel, lag):
    """A on one thread and B on another, whoever is quicker."""
    ends = []
    for executor in ("one thread", "threads", "threads"):
        watcher, counter, generator = networks()
        events = train_clocks(
            watcher, counter, TASK, optimiser=Adam(1e-2), channel=channel, lag=lag,
            generator=generator if channel == "DNI" else None, windows=40, report_every=15,
            unseen=30, batch_size=8, executor=executor, rng=np.random.default_rng(0),
        )  # fmt: skip
        ends.append((told(events), bits(watcher, counter, generator)))
    assert ends[0] == ends[1] == ends[2]
    assert ends[0][0][-1][0] == 40  # batches


def test_a_run_that_diverges_ends_with_a_sentence(seed, learned):
    *_, last = run("exact", optimiser=SGD(1e9), windows=50, seed=seed)
    learned("windows until it diverges", last.batch, below=50)
    assert isinstance(last, Diverged)
    assert last.part in ("A", "B")
    assert last.module == "AB".index(last.part) + 1
    assert f"the weights of {last.part} grew" in last.message
    assert "Lower the rate (now 1e+09)" in last.message


class TestRefused:
    def test_optimiser(self):
        with pytest.raises(ValueError, match="optimiser is 'adam'; it accepts an optimiser"):
            run(optimiser="adam")

    def test_executor(self):
        with pytest.raises(ValueError, match="executor is 'thread per fit'; it accepts one of"):
            run(executor="thread per fit")
