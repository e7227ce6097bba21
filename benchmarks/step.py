"""Time of one sequential decoupled training step, beside its floor and beside PyTorch.

    python -m benchmarks.step [--json]

Four contestants take turns in one process, on one BLAS thread:

ours    the sequential program on the one-thread executor, as ``train`` runs it: batches gathered,
        steps timed, parameters watched
floor   the step's matrix products alone, into arrays that are there already
torch   the same step in eager PyTorch on one thread, with plain SGD (where torch is installed)

The step: Dense + tanh modules, linear generators that see h, SGD everywhere, cross-entropy.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.harness import finish, options
from dnilab.data.dataset import Feed
from dnilab.lessons.shared.timing import RATE, noise, take_turns
from dnilab.network import SGD, BinaryCrossEntropy, Stack
from dnilab.orderings import check, sequential
from dnilab.training.train import make_workers

CASES = [
    ((24, 128, 64, 12), 10),
    ((24, 128, 64, 12), 100),
    ((24, 128, 64, 12), 1000),
    ((784, 256, 256, 10), 256),
]


def ours(widths: tuple[int, ...], batch: int, dtype: str) -> Callable[[int], None]:
    """n turns of the sequential program on the one-thread executor."""
    data = noise(widths, 4 * batch, dtype)
    rng = np.random.default_rng(1)
    stack = Stack.build(widths, BinaryCrossEntropy(), rng, context=("h",), dtype=np.dtype(dtype))
    program = sequential(len(stack))
    (worker,) = make_workers(
        stack, lambda: Feed(data, batch, 0), program, check(program), *(SGD(RATE),) * 2, 10**9
    )

    def run(n: int) -> None:
        worker.advance(worker.turn + n)

    return run


def floor(widths: tuple[int, ...], batch: int, dtype: str) -> Callable[[int], None]:
    """The matrix products of the step and nothing else."""
    rng = np.random.default_rng(0)

    def some(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(dtype)

    products = []
    for k in range(1, len(widths)):
        n_in, n_out = widths[k - 1], widths[k]
        x, w, dz = some(batch, n_in), some(n_in, n_out), some(batch, n_out)
        products += [(x, w), (x.T, dz)]  # forward, dW
        if k > 1:
            products.append((dz, w.T))  # the message down
        if k < len(widths) - 1:
            h, m = some(batch, n_out), some(n_out, n_out)
            products += [(h, m), (h.T, dz)]  # the guess, dM
    with_room = [(a, b, np.empty((a.shape[0], b.shape[1]), dtype)) for a, b in products]

    def run(n: int) -> None:
        for _ in range(n):
            for a, b, out in with_room:
                np.matmul(a, b, out=out)

    return run


def torch_step(widths: tuple[int, ...], batch: int, dtype: str) -> Callable[[int], None]:
    """The same step as one would write it in PyTorch."""
    import torch

    torch.set_num_threads(1)
    kind = getattr(torch, dtype)
    top = len(widths) - 1
    bodies = [torch.nn.Linear(widths[k - 1], widths[k], dtype=kind) for k in range(1, top + 1)]
    generators = [torch.nn.Linear(w, w, dtype=kind) for w in widths[1:-1]]
    for generator in generators:
        torch.nn.init.zeros_(generator.weight)
        torch.nn.init.zeros_(generator.bias)
    body_sgd = [torch.optim.SGD(body.parameters(), RATE) for body in bodies]
    generator_sgd = [torch.optim.SGD(g.parameters(), RATE) for g in generators]
    x = torch.randn(batch, widths[0], dtype=kind)
    y = torch.randint(0, 2, (batch, widths[-1])).to(kind)
    loss = torch.nn.BCEWithLogitsLoss(reduction="sum")

    def step() -> None:
        below, guess = x, None
        for k in range(top):
            below = below.detach().requires_grad_(k > 0)
            z = bodies[k](below)
            body_sgd[k].zero_grad()
            if k == top - 1:
                (loss(z, y)).backward()
                next_guess = h = None
            else:
                h = torch.tanh(z)
                next_guess = generators[k](h.detach())
                h.backward(next_guess.detach())
            for p in bodies[k].parameters():
                p.grad /= batch
            body_sgd[k].step()
            if guess is not None:
                generator_sgd[k - 1].zero_grad()
                (0.5 / batch * ((guess - below.grad) ** 2).sum()).backward()
                generator_sgd[k - 1].step()
            below, guess = h, next_guess

    def run(n: int) -> None:
        for _ in range(n):
            step()

    return run


def measure(rounds: int) -> list[dict[str, Any]]:
    """One row for each size and dtype."""
    has_torch = importlib.util.find_spec("torch") is not None
    rows = []
    for widths, batch in CASES:
        for dtype in ("float64", "float32"):
            contestants = {
                "ours": ours(widths, batch, dtype),
                "floor": floor(widths, batch, dtype),
            }
            if has_torch:
                contestants["torch"] = torch_step(widths, batch, dtype)
            with threadpool_limits(1):
                medians = take_turns(contestants, rounds=rounds)
            row: dict[str, Any] = {
                "widths": "-".join(map(str, widths)),
                "batch": batch,
                "dtype": dtype,
                "ours_us": medians["ours"] * 1e6,
                "ours/floor": medians["ours"] / medians["floor"],
            }
            if has_torch:
                row["torch/ours"] = medians["torch"] / medians["ours"]
            rows.append(row)
    return rows


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--rounds", type=int, default=31)
    arguments = parser.parse_args()
    rows = measure(arguments.rounds)
    finish(arguments, {"steps": rows}, rows)


if __name__ == "__main__":
    main()
