"""Recurrent cells and recurrent DNI agree with PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from dnilab.lessons.any_graph.network.watcher import Watcher
from dnilab.lessons.shared.cells import GRU
from dnilab.lessons.shared.trainer import Trainer
from dnilab.lessons.through_time.network.cells import LSTM, TanhCell
from dnilab.lessons.through_time.network.recurrent import RecurrentNet, Segment
from dnilab.lessons.through_time.training import through_time
from dnilab.network import SGD, Adam, BinaryCrossEntropy, Generator
from tests.parity.in_torch import (
    Learner,
    Tensor,
    assert_same,
    dense,
    of_generator,
    tensor,
    torch,
)
from tests.parity.test_layers import with_random_parameters

CELLS = (TanhCell, GRU, LSTM)


def step_of(cell: Any) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """``state = step(theta, state, x)``, by PyTorch's own cell with the same parameters."""
    n_in, n, gates = cell.n_in, cell.width, cell.gates

    def step(theta: Tensor, state: Tensor, x: Tensor) -> Tensor:
        cut = n_in * gates * n
        W, U = theta[:cut].reshape(n_in, -1).T, theta[cut : cut + n * gates * n].reshape(n, -1).T
        b = theta[cut + n * gates * n :]
        if isinstance(cell, GRU):  # z, r and n here; r, z and n there
            W, U, b = (torch.cat([a[n : 2 * n], a[:n], a[2 * n :]]) for a in (W, U, b))
        made = {TanhCell: torch.rnn_tanh_cell, GRU: torch.gru_cell, LSTM: torch.lstm_cell}
        held = tuple(state.split(n, dim=1)) if isinstance(cell, LSTM) else state
        new = made[type(cell)](x, held, W, U, b, torch.zeros_like(b))
        return torch.cat(new, dim=1) if isinstance(cell, LSTM) else new

    return step


def unrolled(cell: Any, theta: Tensor, state: Tensor, xs: Tensor) -> Tensor:
    """The states after each step."""
    step, states = step_of(cell), []
    for x in xs:
        state = step(theta, state, x)
        states.append(state)
    return torch.stack(states)


def assert_cell_agrees(cell: Any, rng: np.random.Generator) -> None:
    """States, and every derivative of a random mix of them, over some steps and over one."""
    steps, rows = int(rng.integers(1, 7)), int(rng.integers(1, 6))
    xs = rng.standard_normal((steps, rows, cell.n_in))
    state = rng.standard_normal((rows, cell.state_width))
    states, pullback = cell.unroll(state, xs)
    d = rng.standard_normal(states.shape)
    dstate, dxs, (grad,) = pullback(d)
    leaves = [tensor(one) for one in (state, xs, cell.theta)]
    theirs = unrolled(cell, leaves[2], *leaves[:2])
    assert_same("the states", states, theirs)
    found = torch.autograd.grad((theirs * tensor(d, leaf=False)).sum(), leaves)
    for name, mine, its in zip(("dstate", "dxs", "grad"), (dstate, dxs, grad), found, strict=True):
        assert_same(name, mine, its)
    assert_same("one step", cell(state, xs[0])[0], theirs[0])


@pytest.mark.parametrize("kind", CELLS)
def test_a_cell_at_random_sizes(kind: Any) -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        cell = kind(int(rng.integers(1, 5)), int(rng.integers(1, 6)), rng)
        assert_cell_agrees(with_random_parameters(cell, rng), rng)


def net_in_torch(net: RecurrentNet) -> Callable[..., tuple[Tensor, Tensor]]:
    """``states, outputs = f(thetas, state, xs)``."""
    cell, readout, cut = net.cell, net.readout, net.cell.theta.size

    def run(thetas: Sequence[Tensor], state: Tensor, xs: Tensor) -> tuple[Tensor, Tensor]:
        states = unrolled(cell, thetas[0][:cut], state, xs)
        visible = states[..., : cell.width]
        return states, dense(thetas[0][cut:], visible, readout.n_in, readout.n_out)

    return run


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("horizon", [0, 2])
def test_recurrent_dni(kind: Any, horizon: int) -> None:
    """Segments, states that are carried on, guesses at the cuts, and sequences that end."""
    rng = np.random.default_rng(horizon)
    rows, inputs, outputs, loss = 4, 3, 2, BinaryCrossEntropy()
    net = RecurrentNet(kind(inputs, 5, rng), outputs, rng)
    context = ("h", "y") if horizon else ("h",)
    generator = Generator(net.cell.state_width, context, outputs=horizon * outputs)
    theirs = Learner(net_in_torch(net), net.thetas, Adam(0.01))
    guess = Learner(of_generator(generator), generator.thetas, SGD(0.05))
    stack, program = through_time(net, loss, generator)
    trainer = Trainer(stack, program, Adam(0.01), SGD(0.05))
    state: Tensor = None
    open_guess: Any = None  # at the cut before, if the sequence goes on; and the weights of then
    for t in range(14):
        steps, starts, ends = int(rng.integers(1, 5)), t % 5 == 0, t % 5 == 4
        x = rng.standard_normal((steps, rows, inputs))
        y = rng.integers(0, 2, (steps, rows, outputs)).astype(float)
        asked = rng.integers(0, 2, (steps, rows)).astype(float)
        upcoming = rng.standard_normal((rows, horizon * outputs))
        trainer.turn(Segment(x, y, asked, starts, ends, ends), upcoming)

        began = torch.zeros(rows, net.cell.state_width, dtype=torch.float64)
        began = (began if starts else state).detach().requires_grad_()
        states, answers = theirs(began, tensor(x, leaf=False))
        wanted = tensor(y, leaf=False)
        each = torch.nn.functional.binary_cross_entropy_with_logits(
            answers, wanted, reduction="none"
        )
        total = (each.sum(2) * tensor(asked, leaf=False)).sum()
        state = states[-1]
        said, by = guess(state.detach(), None, tensor(upcoming, leaf=False)), guess.thetas
        if not ends:
            total = total + (state * said.detach()).sum()
        message, *grads = torch.autograd.grad(total, [began, *theirs.thetas])
        theirs.update(grads, rows)
        if open_guess is not None and not starts:
            told, by_then = open_guess
            error = ((told - message) ** 2).sum() / 2
            guess.update(torch.autograd.grad(error, by_then), rows)
        open_guess = None if ends else (said, by)
        assert_same(f"the network after segment {t}", net.theta, theirs.thetas[0])
        assert_same(f"the generator after segment {t}", generator.thetas[0], guess.thetas[0])


def test_a_watcher() -> None:
    rng = np.random.default_rng(0)
    watcher = with_random_parameters(Watcher(4, 3, 2, rng, features=5, width=6), rng)
    xs = rng.standard_normal((3, 4, 4))
    message, names, pullback = watcher.watch(xs)
    dmessage, dnames = rng.standard_normal(message.shape), rng.standard_normal(names.shape)
    dxs, grads = pullback(dmessage, dnames)
    thetas, heard = [tensor(theta) for theta in watcher.thetas], tensor(xs)
    eye, namer, core, speaker = thetas
    seen = torch.tanh(dense(eye, heard, 4, 5))
    named = dense(namer, seen, 5, 3)
    states = unrolled(watcher.core, core, torch.zeros(4, 6, dtype=torch.float64), seen)
    said = dense(speaker, states[-1], 6, 2)
    assert_same("the message", message, said)
    assert_same("the names", names, named)
    total = (said * tensor(dmessage)).sum() + (named * tensor(dnames)).sum()
    found = torch.autograd.grad(total, [heard, *thetas])
    for mine, its in zip([dxs, *grads], found, strict=True):
        assert_same("a gradient of the watcher", mine, its)
