"""A late fit is a step on an older example with today's model, not a step by an older mistake.

Descent by errors that are s steps old swings and grows where rate times curvature is above
2 sin(pi / (4 s + 2)), far below the 2 that plain descent stands.  The modules hardly learn here,
so that all targets stay where they are and only the fits are watched.
"""

from __future__ import annotations

import numpy as np
import pytest

from dnilab.data import digits
from dnilab.network import SGD, SoftmaxCrossEntropy, Stack
from dnilab.orderings import complete_unlock, pipeline
from dnilab.training import Report, train
from dnilab.training.train import alignment
from tests.learned import Learned

STILL = SGD(1e-9)  # the modules
WIDTHS = (64, 12, 10)


def after(staleness: int, rate: float, ordering: str, seed: int) -> tuple[Stack, list[object]]:
    unlock = ordering == "unlock"
    stack = Stack.build(
        WIDTHS,
        SoftmaxCrossEntropy(),
        np.random.default_rng(seed),
        context=("h", "y"),
        input_hidden=() if unlock else None,
        activation="tanh",
    )
    program = (complete_unlock if unlock else pipeline)(((1, 2),), staleness=staleness)
    options = {"optimiser": STILL, "generator_optimiser": SGD(rate), "batch_size": 100}
    events = list(train(stack, digits(), program, epochs=12, seed=seed, **options))
    return stack, events


def misfit(stack: Stack, ordering: str) -> float:
    """What is left of the generator's (or the input model's) error, as a share of the target."""
    data = digits()
    x, y = data.x_train[:200], data.y_train[:200]
    if ordering == "pipeline":
        return alignment(stack, x, y)[1][0]
    h, _ = stack.modules[0](x)
    model = stack.modules[1].input_model
    assert model is not None
    return float(np.square(model(x)[0] - h).sum() / np.square(h).sum())


@pytest.mark.parametrize("ordering", ["pipeline", "unlock"])
def test_late_fits_end_where_prompt_ones_do(ordering: str, seed: int, learned: Learned) -> None:
    rate = {"pipeline": 0.15, "unlock": 0.05}[ordering]
    stack, _ = after(1, rate, ordering, seed)
    prompt = misfit(stack, ordering)
    learned("error left of prompt fits", prompt, below=0.45)
    for staleness in (4, 16):
        stack, events = after(staleness, rate, ordering, seed)
        assert all(isinstance(event, Report) for event in events)
        late = misfit(stack, ordering) / prompt
        learned(f"error of fits {staleness} late over that of prompt ones", late, below=1.1)


@pytest.mark.parametrize("late", [0, 1, 2, 8, 16])
def test_where_descent_by_old_errors_begins_to_swing_wider(late: int) -> None:
    def grows(rate: float) -> bool:
        m = [1.0] * (late + 1)  # how far it is off, each step by the error of `late` steps ago
        for _ in range(4000 * (late + 1)):
            m.append(m[-1] - rate * m[-1 - late])
        return max(map(abs, m[-4 * late - 4 :])) > 1.5

    bound = 2 * np.sin(np.pi / (4 * late + 2))
    assert not grows(0.99 * bound)
    assert grows(1.01 * bound)
