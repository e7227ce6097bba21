"""The rivals of decoupling, and BP(lambda), agree with PyTorch.

Micro-batches are one large batch there.  Late truth is written once more from its definition: who
pulls which batch back, and with the parameters of which day.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest

from dnilab.lessons.shared.rivals import (
    gpipe,
    late_feedback,
    late_truth,
    micro_batched,
    one_forward_one_backward,
    zero_bubble,
)
from dnilab.lessons.through_time.network.cells import TanhCell
from dnilab.lessons.through_time.network.traces import TraceGenerator, jacobian, lambda_targets
from dnilab.network import SGD, BinaryCrossEntropy, Momentum, SoftmaxCrossEntropy, Stack
from dnilab.orderings import Program
from dnilab.training import train
from tests.parity.in_torch import (
    LOSSES,
    Learner,
    Tensor,
    assert_same,
    dense,
    loss_gradient,
    of_generator,
    of_layer,
    tensor,
    torch,
)
from tests.parity.test_runs import halves, in_batches, random_data
from tests.parity.test_through_time import unrolled

ROWS = 4  # of a batch
HOW = {"optimiser": Momentum(0.05, 0.7), "generator_optimiser": SGD(0.1)}

Batches = Sequence[tuple[Tensor, Tensor]]


def trained(program: Program, loss: Any, rng: np.random.Generator, **parts: Any) -> Any:
    """A network before, the same after two epochs of a program, and the batches it has seen."""
    stack = Stack.build((3, 5, 4, 6, 2), loss, rng, activation="tanh", **parts)
    data = random_data(rng, loss, 3, 2)  # 33 rows: two epochs have 16 batches
    before = [Learner(of_layer(m.body), m.body.thetas, HOW["optimiser"]) for m in stack.modules]
    *_, last = train(stack, data, program, **HOW, batch_size=ROWS, epochs=2, seed=1)
    assert not hasattr(last, "message"), "it diverged"
    return before, stack, in_batches(data, ROWS, 2, 1)


def assert_weights(stack: Stack, learners: Sequence[Learner]) -> None:
    for k, (module, learner) in enumerate(zip(stack.modules, learners, strict=True), start=1):
        assert_same(f"module {k}", module.body.thetas[0], learner.thetas[0])


SCHEDULES: dict[str, Callable[[int], Program]] = {
    "in line": partial(micro_batched, 4),
    "GPipe": partial(gpipe, halves(4)),
    "1F1B": partial(one_forward_one_backward, halves(4)),
    "zero bubble": partial(zero_bubble, halves(4)),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("count", [2, 4])
def test_micro_batches_are_one_large_batch(schedule: str, count: int) -> None:
    loss = SoftmaxCrossEntropy()
    rng = np.random.default_rng(count)
    learners, stack, batches = trained(SCHEDULES[schedule](count), loss, rng)
    for first in range(0, len(batches), count):
        x, y = (torch.cat(part) for part in zip(*batches[first : first + count], strict=True))
        for learner in learners:
            x = learner(x)
        thetas = [theta for learner in learners for theta in learner.thetas]
        grads = torch.autograd.grad(LOSSES[loss.name](x, y), thetas)
        for learner, grad in zip(learners, grads, strict=True):
            learner.update([grad], len(y))
    assert_weights(stack, learners)


class Late:
    """Late truth by its definition, on modules of a dense layer and a tanh; the top has no tanh."""

    def __init__(self, learners: Sequence[Learner], loss: str, widths: Sequence[int]) -> None:
        self.learners, self.loss, self.widths = learners, loss, widths
        self.seen: dict[tuple[int, int], Any] = {}  # by module and batch

    def up(self, k: int, t: int, x: Tensor) -> Tensor:
        theta = self.learners[k].thetas[0].detach()
        h = dense(theta, x, *self.widths[k : k + 2])
        h = h if k == len(self.learners) - 1 else torch.tanh(h)
        self.seen[k, t] = x, h, theta
        return h

    def down(self, k: int, t: int, g: Tensor, keep: bool) -> Tensor:
        """Pull back by the slope of the activation then, and the matrix of then or of today."""
        x, h, then = self.seen.pop((k, t))
        slope = 1.0 if k == len(self.learners) - 1 else 1 - h**2
        theta = (then if keep else self.learners[k].thetas[0].detach()).requires_grad_()
        x = x.detach().requires_grad_()
        z = dense(theta, x, *self.widths[k : k + 2])
        down, grad = torch.autograd.grad((z * (g * slope)).sum(), [x, theta])
        self.learners[k].update([grad], len(g))
        return down

    def run(
        self, groups: Any, batches: Batches, late: int, keep: bool, feedback: Any = None
    ) -> None:
        top, workers = len(self.learners) - 1, len(groups)
        told: dict[tuple[int, int], Tensor] = {}  # message to a module, of a batch
        for turn in range(len(batches) + late * (workers - 1)):
            if turn < len(batches):
                x, y = batches[turn]
                for k in range(top + 1):
                    x = self.up(k, turn, x)
                told[top, turn] = loss_gradient(self.loss, x, y)
            for place in reversed(range(workers)):
                t = turn - late * (workers - 1 - place)
                if not 0 <= t < len(batches):
                    continue
                for k in reversed(groups[place]):
                    g = told[k - 1, t]
                    if feedback is not None and k - 1 < top:
                        g = told[top, t] @ feedback[k - 1]
                    told[k - 2, t] = self.down(k - 1, t, g, keep)


@pytest.mark.parametrize("late", [0, 1, 3])
@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("groups", [[[1, 2], [3, 4]], [[1], [2, 3], [4]]], ids=str)
def test_late_truth(groups: list[list[int]], keep: bool, late: int) -> None:
    loss, rng = BinaryCrossEntropy(), np.random.default_rng(late)
    program = late_truth(groups, staleness=late, keep_weights=keep)
    learners, stack, batches = trained(program, loss, rng)
    Late(learners, loss.name, (3, 5, 4, 6, 2)).run(groups, batches, late, keep)
    assert_weights(stack, learners)


@pytest.mark.parametrize("late", [0, 2])
def test_late_feedback(late: int) -> None:
    loss, rng, groups = BinaryCrossEntropy(), np.random.default_rng(late), [[1, 2], [3], [4]]
    learners, stack, batches = trained(
        late_feedback(groups, staleness=late), loss, rng, signals="feedback"
    )
    B = [tensor(m.signal.B, leaf=False) for m in stack.modules[:-1]]
    Late(learners, loss.name, (3, 5, 4, 6, 2)).run(groups, batches, late, False, B)
    assert_weights(stack, learners)


def by_definition(own: Any, guesses: Any, jacobians: Any, decay: float) -> list[Tensor]:
    """The target of each guess: n losses, then the guess at their end, with geometric weights.

    What is left of the weights goes to the last of them, which reaches the end.
    """
    targets = []
    for k in range(len(own)):
        reach = torch.eye(own[0].shape[1], dtype=torch.float64).expand(len(own[0]), -1, -1)
        losses, mixed, left = 0.0, 0.0, 1.0
        for n in range(k, len(own)):
            losses = losses + torch.einsum("ri,rij->rj", own[n], reach)
            reach = torch.einsum("rij,rjk->rik", jacobians[n], reach)
            share = left if n == len(own) - 1 else left * (1 - decay)
            mixed = mixed + share * (losses + torch.einsum("ri,rij->rj", guesses[n], reach))
            left = left * decay
        targets.append(mixed)
    return targets


@pytest.mark.parametrize("decay", [0.0, 0.3, 1.0])
def test_bp_lambda(decay: float) -> None:
    """While nothing is updated, traces give the gradients of the errors of the lambda-targets."""
    rng = np.random.default_rng(7)
    rows, n, segments = 4, 3, 5
    cell, generator = TanhCell(2, n, rng), TraceGenerator(n, ("h",), decay=decay)
    generator.thetas[0][:] = rng.standard_normal(generator.thetas[0].size)
    theta = tensor(cell.theta, leaf=False)
    state, states, own, ours, jacobians = torch.zeros(rows, n, dtype=torch.float64), [], [], [], []
    for _ in range(segments):
        x = rng.standard_normal((2, rows, 2))  # two steps of time
        ours.append(jacobian(cell, state.numpy(), x))
        states.append(state.clone())
        began = state.requires_grad_()
        after = unrolled(cell, theta, began, tensor(x, leaf=False))[-1]
        weights = tensor(rng.standard_normal((rows, n)), leaf=False)
        for_loss = (torch.sin(after) * weights).sum()  # any loss of the segment's own
        own += torch.autograd.grad(for_loss, began, retain_graph=True)
        each = [torch.autograd.grad(one.sum(), began, retain_graph=True) for one in after.T]
        jacobians.append(torch.stack([row for (row,) in each], dim=1))
        assert_same("the Jacobian", ours[-1], jacobians[-1])
        state = after.detach()

    fitted = tensor(generator.thetas[0])
    said = [of_generator(generator)([fitted], h, None, None) for h in states]
    guesses = [g.detach() for g in said[1:]] + [torch.zeros(rows, n, dtype=torch.float64)]
    targets = by_definition(own, guesses, jacobians, decay)
    r, g_hat = ([one.numpy() for one in several] for several in (own, guesses))
    for k, target in enumerate(lambda_targets(r, g_hat, ours, decay)):
        assert_same(f"target {k}", target, targets[k])

    error = sum(((g - told) ** 2).sum() / 2 for g, told in zip(said, targets, strict=True))
    (expected,) = torch.autograd.grad(error, fitted)
    arrivals = iter([None, *ours])
    generator.arrived = lambda: next(arrivals)
    total = np.zeros_like(generator.thetas[0])
    for k, h in enumerate(states):
        guess, pullback = generator(h.numpy())
        # A segment sends down its own losses, and the guess at its end.
        told = r[k] + np.einsum("ri,rij->rj", g_hat[k], ours[k])
        total += pullback(guess - told)[1][0]
    assert_same("the gradient of the generator", total, expected)
