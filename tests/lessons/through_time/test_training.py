"""Segments, guesses at the cut, and their targets: held against longhand computations."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from dnilab.data.dataset import Stream
from dnilab.lessons.many_machines.training.state import (
    ResumableWorker,
    arguments_of,
    check_writable,
)
from dnilab.lessons.shared.cells import GRU
from dnilab.lessons.shared.trainer import Trainer
from dnilab.lessons.through_time.data import Copy, Echo, Recall
from dnilab.lessons.through_time.network.cells import LSTM, TanhCell
from dnilab.lessons.through_time.network.recurrent import Foresee, RecurrentNet
from dnilab.lessons.through_time.training import segments, through_time, train_sequences
from dnilab.network import (
    SGD,
    Adam,
    Dense,
    Generator,
    Module,
    Stack,
    loss_named,
    relative_error,
)
from dnilab.orderings import IllegalProgram, Wiring, backprop, check, locks, sequential
from dnilab.training import Diverged, Report, wiring_of
from dnilab.training.one_thread import one_thread
from dnilab.training.threads import threads
from dnilab.training.train import make_workers

BATCH = 4


def net_for(task, kind=GRU, width=6, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return RecurrentNet(kind(task.inputs, width, rng, dtype=dtype), task.outputs, rng)


def one_sequence(task, seed=1):
    return next(task.stream(np.random.default_rng(seed), BATCH))


def whole_gradient(net, task, sequence, dlast=None, start=None):
    """By one pullback through the whole sequence."""
    state = net.cell.start(BATCH) if start is None else start
    states, outputs, pullback = net(state, sequence.x)
    flat = outputs.reshape(-1, task.outputs)
    g = loss_named(task.loss).gradient(flat, sequence.y.reshape(flat.shape))
    g = g.reshape(outputs.shape) * sequence.asked[..., None]
    dstate, (grad,) = pullback(g, dlast)
    return states, (dstate, grad)


def trainer_for(net, task, optimiser, generator=None, generator_optimiser=None, **options):
    stack, program = through_time(net, loss_named(task.loss), generator, **options)
    return Trainer(stack, program, optimiser, generator_optimiser)


def outputs_of(trainer):
    """What the network has answered, segment by segment."""
    return [outputs for outputs, _ in trainer.stack.modules[0].body.answers]


class Recorder(SGD):
    """An optimiser that changes nothing and keeps the gradients it is given."""

    def __init__(self):
        super().__init__(1.0)
        object.__setattr__(self, "seen", [])

    def start(self, thetas):
        def update(grads, batch_size):
            self.seen.append([np.array(g) for g in grads])
            assert batch_size == BATCH

        return update


class Oracle:
    """A generator that knows the truth: it is handed the guesses it will give, in order.

    After those it guesses nonsense: at the end of a sequence nobody listens.
    """

    kind = "generator"
    needs = ()

    def __init__(self, answers):
        self.answers, self.thetas = iter(answers), [np.zeros(1)]
        self.told = []

    def __call__(self, h, x=None, y=None):
        guess = next(self.answers, np.full_like(h, 1e3))

        def pullback(error, want_dx=True):
            self.told.append(guess - error)  # error is guess minus target
            return None, [np.zeros(1)]

        return guess, pullback


@pytest.mark.parametrize("kind", [TanhCell, GRU, LSTM])
@pytest.mark.parametrize("unroll", [1, 2, 3, 4])
class TestTheGradientThatIsThrownAway:
    """With the true gradient at every cut, truncated segments add up to full BPTT."""

    def run(self, kind, unroll, guesses):
        task = Recall(5, 3)  # 7 steps: the last segment is a short one
        net, sequence = net_for(task, kind), one_sequence(Recall(5, 3))
        states, (_, full) = whole_gradient(net, task, sequence)
        recorder = Recorder()
        oracle = None
        truths = []
        stops = list(range(unroll, 7, unroll))
        for stop in stops:
            state = states[stop - 1]
            rest = type(sequence)(
                sequence.x[stop:], sequence.y[stop:], sequence.asked[stop:], None, False, True
            )
            truths.append(whole_gradient(net, task, rest, start=state)[1][0])
        if guesses:
            oracle = Oracle(truths)
        trainer = trainer_for(net, task, recorder, oracle)
        for segment, upcoming in segments(sequence, unroll):
            trainer.turn(segment, upcoming)
        # with a generator, fits come in between: theirs are of size 1
        grads = [g for (g,) in recorder.seen if g.size > 1]
        return sum(grads), full, oracle, truths

    def test_with_true_guesses_nothing_is_lost(self, kind, unroll):
        total, full, oracle, truths = self.run(kind, unroll, guesses=True)
        assert relative_error(total, full) < 1e-12
        # and the targets that come out of the next segments are those very gradients
        assert len(oracle.told) == len(truths)
        for told, truth in zip(oracle.told, truths, strict=True):
            assert relative_error(told, truth) < 1e-12

    def test_without_a_guess_it_is_lost(self, kind, unroll):
        total, full, _, _ = self.run(kind, unroll, guesses=False)
        assert relative_error(total, full) > 0.01


def test_the_state_is_carried_and_starts_anew_only_where_it_should():
    task = Echo(2)
    net = net_for(task)
    trainer = trainer_for(net, task, Recorder())
    pieces = list(islice(task.stream(np.random.default_rng(0), BATCH, steps=4), 2))
    for piece in pieces:
        for segment, upcoming in segments(piece, 2):
            trainer.turn(segment, upcoming)
    outputs = outputs_of(trainer)
    assert [len(one) for one in outputs] == [2, 2, 2, 2]
    xs = np.concatenate([piece.x for piece in pieces])
    _, expected, _ = net(net.cell.start(BATCH), xs)
    np.testing.assert_allclose(np.concatenate(outputs), expected, rtol=1e-12)
    sequence = one_sequence(Recall(1))
    net = net_for(Recall(1))
    trainer = trainer_for(net, Recall(1), Recorder())
    for _ in range(2):
        ((segment, upcoming),) = segments(sequence)
        trainer.turn(segment, upcoming)
    first, again = outputs_of(trainer)
    assert np.array_equal(first, again)


def test_segments_cover_a_piece():
    sequence = one_sequence(Recall(5))
    parts = segments(sequence, 3)
    assert [len(segment.x) for segment, _ in parts] == [3, 3, 1]
    for name in ("x", "y", "asked"):
        whole = np.concatenate([getattr(segment, name) for segment, _ in parts])
        assert np.array_equal(whole, getattr(sequence, name))
    assert [segment.starts for segment, _ in parts] == [True, False, False]
    assert [segment.ends for segment, _ in parts] == [False, False, True]
    for (_, upcoming), last in zip(parts, (2, 5, 6), strict=True):
        assert np.array_equal(upcoming, sequence.upcoming[last])
    for piece in islice(Echo(2).stream(np.random.default_rng(0), BATCH, steps=4), 2):
        parts = segments(piece, 2)
        assert [segment.starts for segment, _ in parts] == [piece.starts, False]
        assert not any(segment.ends for segment, _ in parts)


def test_two_updates_longhand():
    """Echo, T = 2, plain SGD: network and generator by the formulas, to the last digits."""
    task, rate, rate_M = Echo(3), 0.3, 0.2
    net = net_for(task, TanhCell)
    generator = Generator(6, ("h", "y"), outputs=3)
    by_hand, M = net.copy(), generator.copy()
    (piece,) = islice(task.stream(np.random.default_rng(2), BATCH, steps=6), 1)
    trainer = trainer_for(net, task, SGD(rate), generator, SGD(rate_M))
    for segment, upcoming in segments(piece, 2):
        trainer.turn(segment, upcoming)

    state, before = by_hand.cell.start(BATCH), None
    W = M.body.layers[0]
    for start in (0, 2, 4):
        x, y, asked = (a[start : start + 2] for a in (piece.x, piece.y, piece.asked))
        states, outputs, pullback = by_hand(state, x)
        g = (1 / (1 + np.exp(-outputs)) - y) * asked[..., None]
        s = np.hstack([states[-1], piece.upcoming[start + 1]])
        guess = s @ W.W + W.b
        target, (grad,) = pullback(g, guess)
        if before is not None:
            s_before, guess_before = before
            error = guess_before - target
            W.W -= rate_M / BATCH * (s_before.T @ error)
            W.b -= rate_M / BATCH * error.sum(axis=0)
        by_hand.theta -= rate / BATCH * grad
        state, before = states[-1], (s, guess)
    np.testing.assert_allclose(net.theta, by_hand.theta, rtol=1e-10)
    np.testing.assert_allclose(generator.thetas[0], M.thetas[0], rtol=1e-10)
    assert np.abs(generator.thetas[0]).max() > 0


def test_auxiliary_trains_the_network_to_foresee():
    """Its gradient, longhand: of the squared error of A at one cut against M at the next."""
    task, weight = Echo(2), 0.7
    (piece,) = islice(task.stream(np.random.default_rng(2), BATCH, steps=4), 1)
    seen = {}
    for auxiliary in (0.0, weight):
        net = net_for(task, TanhCell)
        generator = Generator(6, ("h",))
        generator.thetas[0][:] = np.random.default_rng(5).normal(size=generator.thetas[0].size)
        recorder = Recorder()
        foresee = None
        if auxiliary:
            predictor = Generator(6, ("h",))
            A = predictor.body.layers[0]
            A.theta[:] = np.random.default_rng(6).normal(size=A.theta.size)
            foresee = Foresee(predictor, recorder, weight)
        trainer = trainer_for(net, task, recorder, generator, foresee=foresee)
        for segment, upcoming in segments(piece, 2):
            trainer.turn(segment, upcoming)
        seen[auxiliary] = [g for (g,) in recorder.seen if g.size == net.theta.size][-1]
    states, outputs, pullback = net(net.cell.start(BATCH), piece.x[:2])
    late = net(states[-1], piece.x[2:])[0]
    error = A.predict(states[-1]) - generator(late[-1])[0]
    _, (expected,) = pullback(np.zeros_like(outputs), weight * error @ A.W.T)
    np.testing.assert_allclose(seen[weight] - seen[0.0], expected, rtol=1e-9, atol=1e-12)


# ---- a net that hears itself ---------------------------------------------------------------------


def loop(generator=None, width=6):
    """A recurrent network as a module, with sequences to learn from: stack, program, stream."""
    task = Echo(3)
    stack, program = through_time(net_for(task, width=width), loss_named(task.loss), generator)

    def drawn():
        for piece in task.stream(np.random.default_rng(4), BATCH, steps=6):
            yield from segments(piece, 2)

    return stack, program, lambda: Stream(drawn())


def test_a_guess_is_fitted_one_segment_late():
    generator = Generator(6, ("h", "y"), outputs=3)
    _, program, _ = loop(generator)
    assert program.wires.heard == (((1, 1), (0, 0)),)
    assert [(step.op, step.batch) for step in program.steps()] == [
        ("forward_update", 0),
        ("fit", -1),
    ]
    _, cut, _ = loop()
    assert [(step.op, step.batch) for step in cut.steps()] == [("forward_update", 0)]


def test_the_locks_of_a_loop():
    """No module stands above it; what it would have to wait for is a later batch of its own."""
    free = {"forward": False, "update": False, "backward": False}
    assert locks(loop()[1]) == free
    assert locks(loop(Generator(6))[1]) == free
    truth = Wiring((((1, 1), (0, 0)),), ("truth",))
    with pytest.raises(ValueError, match=r"module 1 has the signal 'truth'.*would wait for ever"):
        sequential(truth)
    with pytest.raises(IllegalProgram, match=r"backward of module 1.*needs message of module 1"):
        check(backprop(truth))


def after(stack, program, stream, execute, turns, optimiser=None):
    """The bits of the network after so many turns by this executor."""
    owners, both = check(program), (Adam(1e-2), optimiser or SGD(0.1))
    workers = make_workers(stack, stream, program, owners, *both, 10**6)
    for _ in execute(stack, workers, program, owners, turns):
        pass
    return [theta.tobytes() for theta in stack.thetas]


@pytest.mark.parametrize("guesses", [False, True])
def test_a_loop_on_threads_has_the_same_bits(guesses):
    ends = [
        after(*loop(Generator(6, ("h", "y"), outputs=3) if guesses else None), execute, [3, 20])
        for execute in (one_thread, threads, threads)
    ]
    assert ends[0] == ends[1] == ends[2]


def test_a_loop_and_its_reader_on_two_threads_have_the_bits_of_one():
    """Module 2 hears the states of module 1, which hears itself: its target is what comes next."""

    def made(divided):
        stack, _, stream = loop(Generator(6, ("h", "y"), outputs=3))
        reader = Module(Dense(6, 3, np.random.default_rng(1)))
        heard = (*stack.heard, ((1, 0),))
        both = Stack([stack.modules[0], reader], loss_named("squared error"), heard)
        program = sequential(wiring_of(both))
        assert locks(program) == {"forward": True, "update": False, "backward": False}
        if divided:
            owned = [tuple(s for s in program.steps() if s.module == k) for k in (1, 2)]
            program = replace(program, workers=tuple(owned))
        return both, program, stream

    one = after(*made(False), one_thread, [3, 20])
    assert one == after(*made(True), one_thread, [3, 20])
    assert one == after(*made(True), threads, [3, 20])
    assert one == after(*made(True), threads, [3, 20])
    assert one != after(*made(False), one_thread, [3, 19])


@pytest.mark.parametrize("guesses", [False, True])
@pytest.mark.parametrize("optimiser", [SGD(0.1), Adam(1e-2)])
def test_a_loop_goes_on_from_where_it_stood(guesses, optimiser):
    """Also from between a guess and its fit, with the state that the next segment hears."""

    def made():
        return loop(Generator(6, ("h", "y"), outputs=3) if guesses else None)

    def run(worker, stack, program, stops):
        for _ in one_thread(stack, [worker], program, check(program), stops):
            pass

    def resumable(stack, stream, program):
        both = optimiser, optimiser
        (worker,) = make_workers(stack, stream, program, check(program), *both, 10**6)
        return ResumableWorker(**arguments_of(worker))

    stack, program, stream = made()
    check_writable(program)
    worker = resumable(stack, stream, program)
    worker.saving = True
    run(worker, stack, program, [7])
    state = copy.deepcopy(worker.state())
    kinds = {"h", "guess"} if guesses else {"h"}
    assert {kind for kind, _, _ in state.pending} == kinds
    run(worker, stack, program, [15])

    again, _, stream = made()
    other = resumable(again, stream, program)
    other.restore(state)
    run(other, again, program, [15])
    assert [t.tobytes() for t in again.thetas] == [t.tobytes() for t in stack.thetas]


# ---- the iterator --------------------------------------------------------------------------------


def events_of(task=None, unroll=2, updates=60, report_every=20, seed=0, net=None, **options):
    task = task or Recall(2)
    return train_sequences(
        net or net_for(task),
        task,
        unroll=unroll,
        optimiser=options.pop("optimiser", Adam(5e-3)),
        updates=updates,
        report_every=report_every,
        rng=np.random.default_rng(seed),
        **options,
    )


def test_reports():
    reports = list(events_of(Recall(2), updates=60, report_every=20))
    assert [r.batch for r in reports] == [20, 40, 60]
    assert [r.scores["step"] for r in reports] == [40, 80, 120]
    assert all(isinstance(r, Report) and r.scores["delay"] == 2 for r in reports)
    assert all(set(r.scores) == {"bits", "step", "delay", "solved"} for r in reports)
    assert reports[0].seconds < reports[-1].seconds


def test_bits_are_those_of_the_answers_asked_for():
    task = Recall(2)
    net = net_for(task)
    net.readout.theta[:] = 0
    net.readout.theta[-1] = 1.0  # always the same answer, with a logit of 1
    (report,) = events_of(task, net=net, updates=20, optimiser=SGD(1e-12))
    drawn = islice(task.stream(np.random.default_rng(0), 32), 10)
    y = np.concatenate([s.y[-1] for s in drawn])
    expected = np.where(y > 0, np.log2(1 + np.exp(-1)), np.log2(1 + np.exp(1))).mean()
    assert report.scores["bits"] == pytest.approx(expected, rel=1e-6)


def test_equal_seeds_give_equal_bits_and_other_seeds_do_not():
    def final(seed):
        task = Echo(2)
        net = net_for(task)
        generator = Generator(6, ("h", "y"), outputs=2)
        *_, last = events_of(task, net=net, generator=generator, seed=seed)
        return net.theta.tobytes(), generator.thetas[0].tobytes(), last.scores["bits"]

    assert final(0) == final(0)
    assert final(0) != final(1)


def drawn(task, seed):
    """How to train a network for the task, everything drawn from a seed."""
    return {
        "task": task, "net": net_for(task, seed=seed), "seed": seed, "unroll": None,
        "optimiser": Adam(2e-2),
    }  # fmt: skip


def test_it_learns_and_stops_when_solved(seed, learned):
    *_, last = events_of(**drawn(Recall(1), seed), updates=5000, stop_when_solved=True)
    learned("updates until it is solved", last.batch, below=5000)
    assert last.scores["bits"] < 0.15  # which is what it calls solved
    assert last.scores["solved"] == 1


def test_a_curriculum_moves_on(seed, learned):
    *_, last = events_of(**drawn(Copy(1), seed), updates=4000, curriculum=True)
    learned("longest delay that is solved", last.scores["solved"], above=1)
    assert last.scores["delay"] == last.scores["solved"] + 1


def test_a_frozen_cell_stays_as_it_is():
    task = Recall(1)
    net = net_for(task)
    before = net.copy()
    list(events_of(task, net=net, readout_only=True))
    cut = net.cell.theta.size
    assert np.array_equal(net.theta[:cut], before.theta[:cut])
    assert not np.array_equal(net.theta[cut:], before.theta[cut:])


@pytest.mark.parametrize(
    ("generator_rate", "rate", "part"), [(1e6, 1e-3, "generator"), (1e-3, 1e9, "network")]
)
def test_it_says_that_it_diverged(generator_rate, rate, part, seed, learned):
    task = Echo(2)
    *_, last = events_of(
        task,
        net=net_for(task, seed=seed),
        seed=seed,
        generator=Generator(6, ("h", "y"), outputs=2) if part == "generator" else None,
        optimiser=SGD(rate),
        generator_optimiser=SGD(generator_rate),
        updates=2000,
    )
    assert isinstance(last, Diverged)
    learned("updates until it diverges", last.batch, below=2000)
    assert last.part == part
    assert f"update {last.batch}" in last.message
    assert f"the {part}'s rate" in last.message


@pytest.mark.parametrize("unroll", [1, 2, 3, 4, 100, 1000])
@pytest.mark.parametrize("updates", [1, 2, 7])
def test_a_run_shorter_than_a_piece_makes_the_updates_it_was_asked_for(unroll, updates):
    *_, last = events_of(Echo(2), unroll=unroll, updates=updates)
    assert 0 <= last.batch - updates < 128 / unroll
    if updates * unroll <= 128:
        assert (last.batch, last.scores["step"]) == (updates, updates * unroll)


def test_a_long_run_ends_with_the_piece_or_the_sequence():
    *_, last = events_of(Echo(2), unroll=2, updates=100)
    assert last.batch == 2 * 128 / 2
    *_, last = events_of(Recall(4), unroll=4, updates=61)  # a sequence is of 4 and 2 steps
    assert last.batch == 62
    assert last.scores["step"] == 31 * 6


def test_it_can_be_closed_early():
    events = events_of(updates=10**9)
    next(events)
    events.close()
    assert list(events) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"horizon": 2}, "horizon is 2; it accepts 1 to 1"),
        ({"optimiser": "adam"}, "^optimiser is 'adam'; it accepts an optimiser, as Adam"),
        ({"optimiser": None}, "^optimiser is None; it accepts an optimiser"),
        ({"generator_optimiser": "x"}, "^generator_optimiser is 'x'; it accepts an optimiser"),
        ({"generator_optimiser": 0, "generator": Generator(6)}, "^generator_optimiser is 0"),
    ],
)
def test_bad_arguments_are_named(change, said):
    with pytest.raises(ValueError, match=said):
        events_of(**change)


@pytest.mark.parametrize(
    ("task", "horizon", "context", "outputs"),
    [
        (Recall(2, 3), None, ("h", "y"), 3),
        (Echo(2), 2, ("y", "h"), 2),
        (Copy(2), 5, ("h_norm", "y"), 5),
        (Copy(2), None, ("h",), 0),
    ],
)
def test_what_goes_with_a_curriculum(task, horizon, context, outputs):
    *_, last = events_of(
        task,
        horizon=horizon,
        generator=Generator(6, context, outputs=outputs),
        curriculum=True,
        solved_below=99,  # every report is one
        updates=300,
    )
    assert last.scores["delay"] > task.delay + 1
