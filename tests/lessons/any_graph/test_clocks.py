"""Two networks with different clocks: what each channel does, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from dnilab.lessons.any_graph.data import Counting
from dnilab.lessons.any_graph.network.watcher import Watcher
from dnilab.lessons.any_graph.training.clocks import (
    ClockDiverged,
    ClockReport,
    TwoClocks,
    train_clocks,
)
from dnilab.network import SGD, Adam, Chain, Dense, Generator, SoftmaxCrossEntropy, relative_error

TASK = Counting("odd digits", 3)
LOSS = SoftmaxCrossEntropy()


def networks(context=("h", "y")):
    rng = np.random.default_rng(0)
    watcher = Watcher(64, 10, 4, rng, features=6, width=5)
    counter = Chain([Dense(4, TASK.answers, rng)])
    return watcher, counter, Generator(4, context, outputs=TASK.answers)


def window(seed=0):
    return next(TASK.windows(np.random.default_rng(seed), 8))


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


@pytest.mark.parametrize("channel", ["exact", "no gradient"])
def test_one_window(channel):
    watcher, counter, _ = networks()
    seen = window()
    of_a, of_b, _ = gradients(watcher, counter, seen, channel == "exact")
    wrong_a, _, _ = gradients(watcher, counter, seen, channel != "exact")
    before = [t.copy() for t in watcher.thetas], [t.copy() for t in counter.thetas]
    TwoClocks(watcher, counter, SGD(0.1), channel).window(seen)
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
    TwoClocks(watcher, counter, SGD(0.1), "DNI", generator).window(seen)
    assert moved(watcher, before[0], of_a)
    assert moved(counter, before[1], of_b)
    assert moved(generator, before[2], of_m)


def watcher_after(*seen):
    """A as it is when it has seen these windows, and B has not yet answered."""
    watcher, counter, generator = networks()
    two = TwoClocks(watcher, counter, SGD(0.1), "DNI", generator, lag=2)
    for one in seen:
        two.window(one)
    return watcher


def test_with_a_lag_b_works_later_and_a_does_not_wait():
    watcher, counter, generator = networks()
    two = TwoClocks(watcher, counter, SGD(0.1), "DNI", generator, lag=2)
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


def run(channel="DNI", generator=None, optimiser=None, **words):
    watcher, counter, made = networks()
    generator = made if channel == "DNI" and generator is None else generator
    words = {"windows": 10, "report_every": 4, "unseen": 30, **words}
    return train_clocks(
        watcher, counter, TASK, optimiser=optimiser or Adam(1e-3), channel=channel,
        generator=generator, rng=np.random.default_rng(0), **words,
    )  # fmt: skip


def test_reports():
    events = list(run())
    assert [event.window for event in events] == [0, 4, 8, 10]
    assert all(isinstance(event, ClockReport) for event in events)
    assert events[0].cosine == 0  # a new generator guesses nothing
    assert -1 <= events[-1].cosine <= 1
    assert events[-1].cosine != 0
    assert [event.cosine for event in run("exact")] == [None] * 4
    assert events == list(run())
    assert [e.counted for e in run(report_every=3)][-1] == events[-1].counted


def test_a_run_that_diverges_ends_with_a_sentence():
    *_, last = run("exact", optimiser=SGD(1e9), windows=50)
    assert isinstance(last, ClockDiverged)
    assert last.part in ("A", "B")
    assert "Lower the rate (now 1e+09)" in last.message


class TestRefused:
    def test_channel(self):
        with pytest.raises(ValueError, match="channel is 'loud'; it accepts one of 'no gradient'"):
            run("loud")

    def test_generator(self):
        with pytest.raises(ValueError, match="generator is given; the channel 'exact' accepts"):
            run("exact", generator=Generator(4))
        watcher, counter, _ = networks()
        with pytest.raises(ValueError, match="generator is None; the channel 'DNI' accepts one"):
            TwoClocks(watcher, counter, SGD(0.1), "DNI")

    def test_lag(self):
        with pytest.raises(ValueError, match="lag is 1; with the exact gradient A waits"):
            run("exact", lag=1)

    def test_widths(self):
        with pytest.raises(ValueError, match="generator has width 5; it accepts 4"):
            run(generator=Generator(5))
        watcher, counter, _ = networks()
        words = {"optimiser": SGD(0.1), "channel": "exact", "rng": np.random.default_rng(0)}
        with pytest.raises(ValueError, match="counter gives 4 answers; it accepts 6: counts from"):
            train_clocks(watcher, counter, Counting("odd digits", 5), **words)
        other = Watcher(64, 9, 4, np.random.default_rng(0), features=6, width=5)
        with pytest.raises(ValueError, match="watcher gives 9 names; the task accepts 10"):
            train_clocks(other, counter, TASK, **words)

    @pytest.mark.parametrize("name", ["windows", "report_every", "unseen", "batch_size"])
    def test_numbers(self, name):
        with pytest.raises(ValueError, match=f"{name} is 0"):
            run(**{name: 0})
