"""BP(lambda): looked at forward and backward it adds up to the same; its ends are known rules."""

from __future__ import annotations

from itertools import islice, pairwise

import numpy as np
import pytest

from dnilab.experiments import run
from dnilab.lessons.shared.cells import GRU
from dnilab.lessons.shared.trainer import Trainer
from dnilab.lessons.through_time.data import Copy, Echo, Recall
from dnilab.lessons.through_time.experiments import RecurrentSettings
from dnilab.lessons.through_time.network import recurrent
from dnilab.lessons.through_time.network.cells import LSTM, TanhCell
from dnilab.lessons.through_time.network.recurrent import RecurrentNet
from dnilab.lessons.through_time.network.traces import TraceGenerator, jacobian, lambda_targets
from dnilab.lessons.through_time.training import segments, through_time
from dnilab.network import (
    SGD,
    Adam,
    Generator,
    complex_step,
    finite_difference,
    loss_named,
    relative_error,
)

BATCH = 3
CELLS = (TanhCell, GRU, LSTM)
DECAYS = (0.0, 0.3, 0.9, 1.0)


class Recorder(SGD):
    """An optimiser that changes nothing, and adds up the gradients that it is given."""

    def __init__(self):
        super().__init__(1.0)
        object.__setattr__(self, "sums", [])

    def start(self, thetas):
        sums = [np.zeros_like(theta) for theta in thetas]
        self.sums.extend(sums)

        def update(grads, batch_size):
            for total, grad in zip(sums, grads, strict=True):
                total += grad

        return update


def net_for(task, kind, seed=0):
    rng = np.random.default_rng(seed)
    return RecurrentNet(kind(task.inputs, 5, rng), task.outputs, rng)


def generator_for(net, task, decay, context=("h",)):
    """One that guesses something: it is no longer at its start."""
    generator = TraceGenerator(
        net.cell.state_width, context, decay=decay, outputs=task.full_horizon * task.outputs
    )
    generator.thetas[0][:] = np.random.default_rng(7).normal(size=generator.thetas[0].size)
    return generator


class Sequence:
    """All that the forward view needs of one sequence, with the parameters standing still.

    ``own``, ``guesses``, ``jacobians``: as ``lambda_targets`` takes them, of all segments but the
    first, before which nobody guessed; ``made``: those guesses, with their pullbacks; ``true``: the
    true gradient at each cut.
    """

    def __init__(self, net, task, generator, piece, unroll):
        loss = loss_named(task.loss)
        self.own, self.jacobians, self.made, self.true = [], [], [], []
        states, outputs, _ = net(net.cell.start(BATCH), piece.x)
        flat = outputs.reshape(-1, outputs.shape[2])
        g = loss.gradient(flat, piece.y.reshape(flat.shape)).reshape(outputs.shape)
        g *= piece.asked[:, :, None]
        steps = len(piece.x)
        cuts = range(unroll, steps, unroll)
        for start, stop in pairwise([*cuts, steps]):
            state, x = states[start - 1], piece.x[start:stop]
            self.own.append(net(state, x)[2](g[start:stop])[0])
            self.jacobians.append(jacobian(net.cell, state, x))
            self.made.append(plain(generator)(state, None, piece.upcoming[start - 1]))
            self.true.append(net(state, piece.x[start:])[2](g[start:])[0])
        self.guesses = [g_hat for g_hat, _ in self.made[1:]] + [np.zeros_like(states[0])]

    def gradient(self, decay):
        """Of the summed |g_hat - target|^2 / 2, with the targets of the forward view held fixed."""
        targets = lambda_targets(self.own, self.guesses, self.jacobians, decay)
        pairs = zip(self.made, targets, strict=True)
        return sum(pullback(g_hat - told)[1][0] for (g_hat, pullback), told in pairs)


def plain(generator):
    """The same guesses, without a trace."""
    other = Generator(generator.width, generator.context, outputs=outputs_of(generator))
    other.thetas[0][:] = generator.thetas[0]
    return other


def outputs_of(generator):
    n_in = generator.body.layers[0].n_in
    return n_in - generator.width * sum(part != "y" for part in generator.context)


def backward_view(net, task, generator, pieces, unroll):
    """What the fits of a run over these sequences add up to, if nothing ever moves."""
    recorder = Recorder()
    stack, program = through_time(net, loss_named(task.loss), generator)
    trainer = Trainer(stack, program, recorder, recorder)
    for piece in pieces:
        for segment, upcoming in segments(piece, unroll):
            trainer.turn(segment, upcoming)
    return recorder.sums[-1]


def both_views(kind, decay, unroll=2, context=("h",), task=None, sequences=2):
    """(backward, forward), each a sum over all fits."""
    task = task or Copy(4)
    net = net_for(task, kind)
    generator = generator_for(net, task, decay, context)
    pieces = list(islice(task.stream(np.random.default_rng(1), BATCH), sequences))
    looked_at = [Sequence(net, task, generator, piece, unroll) for piece in pieces]
    forward = sum(one.gradient(decay) for one in looked_at)
    return backward_view(net, task, generator, pieces, unroll), forward


class TestJacobian:
    @pytest.mark.parametrize("kind", CELLS)
    @pytest.mark.parametrize("steps", [1, 3])
    def test_against_the_complex_step(self, kind, steps):
        rng = np.random.default_rng(0)
        cell = kind(2, 4, rng)
        state, xs = rng.normal(size=(BATCH, cell.state_width)), rng.normal(size=(steps, BATCH, 2))
        D = jacobian(cell, state, xs)
        assert D.shape == (BATCH, cell.state_width, cell.state_width)
        for i in range(cell.state_width):
            of_one = complex_step(lambda h, i=i: cell.unroll(h, xs)[0][-1, :, i].sum(), state)
            assert relative_error(D[:, i], of_one) < 1e-12


class TestForwardView:
    """``lambda_targets``, held against the mean of n-step targets, written out."""

    def parts(self, segments_=5):
        rng = np.random.default_rng(3)
        own, guesses = rng.normal(size=(2, segments_, BATCH, 4))
        return list(own), list(guesses), list(rng.normal(size=(segments_, BATCH, 4, 4)))

    def n_step(self, own, guesses, jacobians, n):
        """The target of the guess before the first segment: n segments, then a guess."""
        target = guesses[n - 1]
        for r, D in zip(own[n - 1 :: -1], jacobians[n - 1 :: -1], strict=True):
            target = r + (target[:, None] @ D)[:, 0]
        return target

    @pytest.mark.parametrize("decay", DECAYS)
    def test_it_is_the_mean_of_all_n_step_targets(self, decay):
        parts = self.parts()
        for first in range(5):
            rest = [part[first:] for part in parts]
            n_steps = [self.n_step(*rest, n) for n in range(1, 6 - first)]
            weights = [(1 - decay) * decay**n for n in range(len(n_steps) - 1)]
            weights.append(decay ** (len(n_steps) - 1))
            assert sum(weights) == pytest.approx(1)
            mean = sum(w * target for w, target in zip(weights, n_steps, strict=True))
            assert relative_error(lambda_targets(*parts, decay)[first], mean) < 1e-12

    def test_lambda_0_ends_at_the_next_guess(self):
        own, guesses, jacobians = self.parts()
        for r, g_hat, D, told in zip(
            own, guesses, jacobians, lambda_targets(own, guesses, jacobians, 0), strict=True
        ):
            np.testing.assert_allclose(told, r + (g_hat[:, None] @ D)[:, 0], rtol=1e-12)

    @pytest.mark.parametrize("kind", CELLS)
    @pytest.mark.parametrize("unroll", [1, 2, 3])
    def test_lambda_1_is_the_true_gradient(self, kind, unroll):
        task = Recall(5, 3)  # 7 steps: the last segment may be a short one
        net = net_for(task, kind)
        generator = generator_for(net, task, 1.0)
        piece = next(task.stream(np.random.default_rng(1), BATCH))
        at = Sequence(net, task, generator, piece, unroll)
        told = lambda_targets(at.own, at.guesses, at.jacobians, 1)
        assert len(told) == len(at.true) == -(-7 // unroll) - 1
        for one, true in zip(told, at.true, strict=True):
            assert relative_error(one, true) < 1e-12
        biased = lambda_targets(at.own, at.guesses, at.jacobians, 0.9)
        if len(told) > 1:
            assert relative_error(biased[0], at.true[0]) > 1e-3

    def test_nothing_gives_nothing(self):
        assert lambda_targets([], [], [], 0.5) == []

    def test_bad_arguments_are_named(self):
        own, guesses, jacobians = self.parts()
        with pytest.raises(ValueError, match=r"decay is 1\.5; it accepts"):
            lambda_targets(own, guesses, jacobians, 1.5)
        with pytest.raises(ValueError, match="guesses has 4"):
            lambda_targets(own, guesses[1:], jacobians, 0.5)
        with pytest.raises(ValueError, match="jacobians has 4"):
            lambda_targets(own, guesses, jacobians[1:], 0.5)


class TestBackwardView:
    @pytest.mark.parametrize("decay", DECAYS)
    @pytest.mark.parametrize("kind", CELLS)
    @pytest.mark.parametrize("unroll", [1, 2, 3])
    def test_it_adds_up_to_the_forward_view(self, kind, decay, unroll):
        backward, forward = both_views(kind, decay, unroll)
        assert relative_error(backward, forward) < 1e-10

    @pytest.mark.parametrize("context", [("h", "y"), ("y", "h"), ("y",), ("h_norm",)])
    def test_whatever_it_sees(self, context):
        backward, forward = both_views(GRU, 0.7, context=context)
        assert relative_error(backward, forward) < 1e-10

    @pytest.mark.parametrize("context", [("h",), ("h", "y")])
    def test_one_step_of_it_by_differences(self, context):
        """The summed squared error of all guesses, as the generator's parameters are moved."""
        task, decay = Copy(3), 0.6
        net = net_for(task, TanhCell)
        generator = generator_for(net, task, decay, context)
        piece = next(task.stream(np.random.default_rng(1), BATCH))
        at = Sequence(net, task, generator, piece, 2)
        targets = lambda_targets(at.own, at.guesses, at.jacobians, decay)
        states = net(net.cell.start(BATCH), piece.x)[0]

        def error(theta):
            moved = plain(generator)
            moved.thetas[0][:] = theta
            guesses = [moved(states[c - 1], None, piece.upcoming[c - 1])[0] for c in (2, 4)]
            pairs = zip(guesses, targets, strict=True)
            return sum(((g_hat - told) ** 2).sum() / 2 for g_hat, told in pairs)

        expected = finite_difference(error, generator.thetas[0].copy())
        found = backward_view(net, task, generator, [piece], 2)
        assert relative_error(found, expected) < 1e-7

    def test_the_pullback_in_full(self):
        """With dx, which no worker asks for: it is that of the guess itself."""
        task = Copy(3)
        net = net_for(task, TanhCell)
        generator = generator_for(net, task, 0.6)
        generator.arrived = lambda: None
        h, error = np.random.default_rng(0).normal(size=(2, BATCH, 5))
        (dx, grads), (of_plain, also) = (f(h)[1](error) for f in (generator, plain(generator)))
        np.testing.assert_array_equal(dx, of_plain)
        np.testing.assert_allclose(grads[0], also[0], rtol=1e-12)
        assert generator(h)[1](error, want_dx=False)[0] is None


MISTAKES = {
    "turned": lambda D: D.transpose(0, 2, 1),
    "left out": np.zeros_like,
    "of one row for all": lambda D: np.broadcast_to(D[:1], D.shape),
}


class TestPlanted:
    """What would go unnoticed if the comparison could not fail."""

    @pytest.mark.parametrize("mistake", MISTAKES)
    def test_a_wrong_jacobian(self, mistake, monkeypatch):
        spoil = MISTAKES[mistake]
        monkeypatch.setattr(recurrent, "jacobian", lambda *a: spoil(jacobian(*a)))
        backward, forward = both_views(TanhCell, 0.7)
        assert relative_error(backward, forward) > 1e-3

    def test_a_trace_that_outlives_its_sequence(self, monkeypatch):
        real = recurrent.OverSegments.jacobian
        batch = np.broadcast_to(np.eye(5), (BATCH, 5, 5))

        def never_none(self):
            D = real(self)
            return batch if D is None else D

        monkeypatch.setattr(recurrent.OverSegments, "jacobian", never_none)
        backward, forward = both_views(TanhCell, 0.7)
        assert relative_error(backward, forward) > 1e-3
        backward, forward = both_views(TanhCell, 0.7, sequences=1)
        assert relative_error(backward, forward) < 1e-10

    def test_another_lambda(self):
        assert relative_error(both_views(TanhCell, 0.7)[0], both_views(TanhCell, 0.8)[1]) > 1e-3


def trained(generator, task, unroll, optimiser):
    """The bits of network and generator after 40 segments."""
    net = net_for(task, GRU)
    stack, program = through_time(net, loss_named(task.loss), generator)
    trainer = Trainer(stack, program, optimiser, optimiser)
    pieces = task.stream(np.random.default_rng(2), BATCH, steps=40 * unroll)
    all_segments = (each for piece in pieces for each in segments(piece, unroll))
    for segment, upcoming in islice(all_segments, 40):
        trainer.turn(segment, upcoming)
    return [theta.tobytes() for theta in stack.thetas]


@pytest.mark.parametrize("task", [Echo(3), Recall(5)], ids=str)
@pytest.mark.parametrize("unroll", [1, 3])
@pytest.mark.parametrize("optimiser", [SGD(0.1), Adam(1e-2)])
def test_lambda_0_is_a_generator_to_the_last_bit(task, unroll, optimiser):
    as_ever = trained(Generator(5), task, unroll, optimiser)
    assert trained(TraceGenerator(5, decay=0), task, unroll, optimiser) == as_ever
    assert trained(TraceGenerator(5, decay=0.5), task, unroll, optimiser) != as_ever


def test_a_copy_has_no_trace_and_disturbs_none():
    task = Copy(4)
    net = net_for(task, GRU)
    generator = generator_for(net, task, 0.8)
    stack, program = through_time(net, loss_named(task.loss), generator)
    pieces = list(islice(task.stream(np.random.default_rng(1), BATCH), 2))

    def fits(look):
        recorder = Recorder()
        trainer = Trainer(stack, program, recorder, recorder)
        for piece in pieces:
            for segment, upcoming in segments(piece, 2):
                trainer.turn(segment, upcoming)
                if look:
                    other = stack.copy().modules[0].signal
                    other(segment.x[0, :, :1].repeat(5, axis=1))[1](np.ones((BATCH, 5)))
        return recorder.sums[-1]

    assert np.array_equal(fits(look=False), fits(look=True))
    assert generator.copy(np.float32).thetas[0].dtype == np.float32


@pytest.mark.parametrize("decay", [-0.1, 1.1, "much", None])
def test_lambda_is_checked(decay):
    with pytest.raises(ValueError, match="decay is "):
        TraceGenerator(4, decay=decay)


def test_where_no_sequence_begins_the_trace_goes_on():
    """Pieces of an endless stream are one sequence: cut into pieces or not, the fits are the same.

    The trace is as old as the stream, and its length is not: the Jacobians shrink it.
    """
    task = Echo(3)
    net = net_for(task, TanhCell)
    sums = []
    for steps in (8, 4):
        generator = generator_for(net, task, 1.0)
        pieces = list(islice(task.stream(np.random.default_rng(1), BATCH, steps=steps), 8 // steps))
        sums.append(backward_view(net, task, generator, pieces, 2))
    assert relative_error(*sums) < 1e-10


ECHO = RecurrentSettings(
    task="echo", delay=6, cell="tanh", width=12, unroll=1, method="DNI(state)", rate=1e-3,
    generator_rate=3e-2, updates=1500, report_every=250,
)  # fmt: skip


def test_what_the_state_alone_could_not_reach_was_bootstrapping(seed, learned):
    """Each bit is asked for six segments later; the rule is all that differs.

    The middle of three seeds, since with a trace one in ten still learns nothing.
    """
    for decay, bound in ((0.0, {"above": 0.5}), (0.9, {"below": 0.35})):
        runs = [run(ECHO.but(trace=decay, seed=3 * seed + i)) for i in range(3)]
        middle = float(np.median([one.curve("bits").min() for one in runs]))
        learned(f"bits lost, lambda {decay:g}", middle, **bound)
