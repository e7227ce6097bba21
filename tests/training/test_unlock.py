"""Complete unlock: no module waits for another, and threads still change no bit."""

from __future__ import annotations

import numpy as np
import pytest

from dnilab.data import digits
from dnilab.network import Adam, SoftmaxCrossEntropy, Stack
from dnilab.orderings import Value, complete_unlock, locks, needs_and_makes, sparse_backprop
from dnilab.orderings.steps import Step
from dnilab.training import Report, train

WIDTHS = (64, 16, 12, 10)


def build(**changes: object) -> Stack:
    options = {"context": ("h", "y"), "input_hidden": (8,), "activation": "relu", **changes}
    return Stack.build(WIDTHS, SoftmaxCrossEntropy(), np.random.default_rng(3), **options)


def run(stack: Stack, groups: tuple[tuple[int, ...], ...], executor: str, staleness: int = 1):
    program = complete_unlock(groups, staleness=staleness)
    return list(
        train(
            stack,
            digits(),
            program,
            optimiser=Adam(1e-3),
            batch_size=100,
            epochs=2,
            executor=executor,
        )
    )


def test_an_update_needs_nothing_and_no_lock_is_held() -> None:
    for k in (1, 2, 3):
        needs, makes = needs_and_makes(Step("unlocked_update", k, 4), 3)
        assert needs == ()
        assert (Value("prediction", k, 4) in makes) == (k > 1)
        assert (Value("guess", k, 4) in makes) == (k < 3)
    assert not any(locks(complete_unlock(((1,), (2,), (3,)), staleness=2)).values())


@pytest.mark.parametrize("staleness", [1, 3])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_every_division_and_executor_gives_the_same_bits(staleness: int, batch_norm: bool) -> None:
    reference = build(batch_norm=batch_norm)
    reports = run(reference, ((1, 2, 3),), "one thread", staleness)
    for groups in (((1,), (2, 3)), ((1,), (2,), (3,))):
        stack = build(batch_norm=batch_norm)
        others = run(stack, groups, "threads", staleness)
        assert all(map(np.array_equal, reference.thetas, stack.thetas))
        assert [r.loss for r in reports] == [r.loss for r in others]


def test_first_batch_by_hand() -> None:
    """Staleness 1, one batch: each part changes as its own equation says."""
    stack, data = build(), digits()
    before = stack.copy()
    rows = np.random.default_rng(0).permutation(len(data.x_train))[:1437]
    x, y = data.x_train[rows], data.y_train[rows]
    list(
        train(
            stack,
            data,
            complete_unlock(((1, 2, 3),)),
            optimiser=Adam(1e-3),
            batch_size=1437,
            epochs=1,
        )
    )
    inputs = [x, before.modules[1].input_model(x)[0], before.modules[2].input_model(x)[0]]
    assert not inputs[1].any()  # input models start by predicting 0
    assert not inputs[2].any()
    outputs = [m(a)[0] for m, a in zip(before.modules, inputs, strict=True)]
    top, pullback = before.modules[2](inputs[2])
    message, grads = pullback(before.loss.gradient(top, y))
    wanted = before.copy()
    Adam(1e-3).start(wanted.modules[2].body.thetas)(grads, 1437)
    for got, want in zip(stack.modules[2].body.thetas, wanted.modules[2].body.thetas, strict=True):
        assert np.array_equal(got, want)
    # generator 2 is fitted to that message, input model 2 to what module 1 computed
    g_hat, fit = before.modules[1].generator(outputs[1], x, y)
    _, grads = fit(g_hat - message, False)
    Adam(1e-3).start(wanted.modules[1].generator.thetas)(grads, 1437)
    assert np.array_equal(
        stack.modules[1].generator.thetas[0], wanted.modules[1].generator.thetas[0]
    )
    predicted, fit = before.modules[1].input_model(x)
    _, grads = fit(predicted - outputs[0], False)
    Adam(1e-3).start(wanted.modules[1].input_model.thetas)(grads, 1437)
    for got, want in zip(
        stack.modules[1].input_model.thetas, wanted.modules[1].input_model.thetas, strict=True
    ):
        assert np.array_equal(got, want)


def test_refused_without_input_models_or_without_delay() -> None:
    with pytest.raises(ValueError, match="input model at module 2"):
        run(build(input_hidden=None), ((1, 2, 3),), "one thread")
    with pytest.raises(ValueError, match="staleness is 0"):
        complete_unlock(((1,), (2,)), staleness=0)


def test_sparse_backprop_stops_where_a_module_does_not_take_part() -> None:
    program = sparse_backprop(4, p=0.5, seed=1)
    for number in range(60):
        (steps,) = program.turn(number)
        updated = [step.module for step in steps if step.op == "update"]
        assert updated == list(range(4, 4 - len(updated), -1))  # from the top, without a gap
    lengths = {len(program.turn(number)[0]) for number in range(300)}
    assert len(lengths) == 5  # none up to all four


def test_sparse_backprop_with_certainty_is_backprop() -> None:
    from dnilab.orderings import backprop

    stacks = []
    for program in (backprop(3), sparse_backprop(3, p=1.0)):
        stack = Stack.build(WIDTHS, SoftmaxCrossEntropy(), np.random.default_rng(3))
        events = list(
            train(stack, digits(), program, optimiser=Adam(1e-3), batch_size=100, epochs=1)
        )
        assert isinstance(events[-1], Report)
        stacks.append(stack)
    assert all(map(np.array_equal, stacks[0].thetas, stacks[1].thetas))
