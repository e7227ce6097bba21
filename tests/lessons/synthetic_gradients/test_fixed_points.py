"""Training that begins where the top has nothing left to learn."""

from __future__ import annotations

import numpy as np
import pytest

from dnilab.experiments import Settings
from dnilab.lessons.synthetic_gradients.experiments.fixed_points import (
    descents,
    regression,
    solve_top,
)

SUMS = Settings(
    hidden=(48,), loss="squared error", examples=1000, batch_size=1000,
    optimiser="momentum", rate=0.2, generator_rate=0.01, context=("h",),
)  # fmt: skip


def solved(settings):
    data = settings.data()
    stack = settings.stack(data)
    solve_top(stack, data.x_train, data.y_train)
    return stack, data


def test_regression_has_the_row_of_the_constant_last():
    s = np.array([[0.0], [1.0], [2.0]])
    assert np.allclose(regression(s, 3 * s - 5), [[3.0], [-5.0]])


def test_the_top_has_nothing_left_to_learn_and_the_module_below_has(seed):
    stack, data = solved(SUMS.but(seed=seed))
    at, of = stack.gradients(data.x_train, data.y_train)
    assert np.abs(of[1][0]).max() < 1e-9
    assert np.linalg.norm(of[0][0]) > 1
    h = stack.forward(data.x_train)[0][0]
    assert np.abs(regression(h, at[0])).max() < 1e-12
    assert np.linalg.norm(at[0]) > 1


def test_a_stack_of_one_module_is_solved_as_well():
    stack, data = solved(SUMS.but(hidden=()))
    _, of = stack.gradients(data.x_train, data.y_train)
    assert np.abs(of[0][0]).max() < 1e-9


def test_who_leaves(seed, learned):
    base = SUMS.but(seed=seed)
    kinds = {
        "DNI(h)": base,
        "DNI(h, y)": base.but(context=("h", "y")),
        "backprop": base.but(ordering="backprop"),
        "last layer only": base.but(ordering="last layer only"),
    }
    runs = descents(kinds, steps=200, report_every=100)
    starts = [run.loss[0] for run in runs.values()]
    assert np.ptp(starts) == 0
    assert all(run.steps.tolist() == [0, 100, 200] for run in runs.values())
    for name in ("DNI(h)", "last layer only"):
        assert np.abs(runs[name].loss / starts[0] - 1).max() < 1e-6
    for name in ("DNI(h, y)", "backprop"):
        learned(f"loss of {name}, share", runs[name].loss[-1] / starts[0], below=0.8)


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"^stack's top is no dense layer under the squared"):
        solved(SUMS.but(loss=None))
    with pytest.raises(ValueError, match=r"^stack's top is no dense layer under the squared"):
        solved(SUMS.but(cuts=()))
    with pytest.raises(ValueError, match=r"^settings\['a'\] has batch_size 10; it accepts 1000"):
        descents({"a": SUMS.but(batch_size=10)}, steps=1, report_every=1)
