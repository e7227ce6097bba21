"""The rivals train: micro-batches in any schedule, truth that comes late, feedback that does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from dnilab.data import Dataset
from dnilab.data.dataset import Feed
from dnilab.lessons.shared.rivals import (
    gpipe,
    late_feedback,
    late_truth,
    micro_batched,
    one_forward_one_backward,
    zero_bubble,
)
from dnilab.network import (
    SGD,
    Adam,
    BinaryCrossEntropy,
    Chain,
    Dense,
    Module,
    Stack,
    Tanh,
    optimiser_named,
)
from dnilab.orderings import Groups, Program, Step, backprop, chain, direct_feedback
from dnilab.training import Diverged
from tests.lessons.many_machines.kept import train
from tests.training.by_hand import bits, small_data
from tests.training.planted import DATA, FailingSGD, Planted, in_time, network
from tests.training.test_threads import divisions, networks, numbers

SCHEDULES = [gpipe, one_forward_one_backward, zero_bubble]
EXECUTORS = ["one thread", "threads"]
THREE: Groups = ((1,), (2,), (3,))
HOW: dict[str, Any] = {"optimiser": Adam(0.01), "batch_size": 3, "epochs": 4, "seed": 5}


def after(stack: Stack, data: Dataset, program: Program, **how: Any) -> Stack:
    """A copy of the network, trained."""
    copy = stack.copy()
    in_time(lambda: list(train(copy, data, program, **{**HOW, **how})))
    return copy


def trained(stack: Stack, data: Dataset, program: Program, **how: Any) -> list[bytes]:
    """A copy of the network, trained: its bits."""
    return bits(after(stack, data, program, **how))


@st.composite
def cut_networks(draw: st.DrawFn, **how: Any) -> tuple[Stack, Dataset, Groups, dict[str, Any]]:
    """A network cut in any way, rows, a division of its modules, and how to train it."""
    hidden = draw(st.lists(st.integers(1, 7), min_size=1, max_size=4))
    cuts = sorted(draw(st.sets(st.integers(1, len(hidden)))))
    kind = draw(st.sampled_from(["bits", "classes"]))
    dtype = draw(st.sampled_from(["float32", "float64"]))
    seed = draw(st.integers(0, 99))
    rows = small_data(kind, rows=17, dtype=dtype, seed=seed)
    stack, options = draw(networks(rows, hidden, "plain", seed, cuts=cuts, **how))
    return stack, rows, tuple(draw(divisions(len(stack)))), options


# ---- micro-batches -------------------------------------------------------------------------------


@settings(max_examples=40)
@given(
    run=cut_networks(),
    make=st.sampled_from(SCHEDULES),
    count=st.integers(1, 6),
    executor=st.sampled_from(EXECUTORS),
)
def test_every_schedule_ends_with_the_bits_of_micro_batches_in_line(
    run: Any, make: Callable[..., Program], count: int, executor: str
) -> None:
    stack, rows, groups, how = run
    plain, other = stack.copy(), stack.copy()
    wanted = numbers(train(plain, rows, micro_batched(len(stack), count), **how))
    got = in_time(
        lambda: numbers(train(other, rows, make(groups, count), **how, executor=executor))
    )
    event(f"{executor}, {bits(plain) != bits(stack)}")
    assert bits(other) == bits(plain)
    for (_, one), (_, another) in zip(wanted, got, strict=True):
        one.pop("spans")
        another.pop("spans")
        assert one == another


@pytest.mark.parametrize("optimiser", ["sgd", "momentum", "adam"])
def test_a_micro_batch_alone_is_backprop(optimiser: str) -> None:
    stack, how = network(context=None), {"optimiser": optimiser_named(optimiser, 0.01)}
    plain = trained(stack, DATA, backprop(3), **how)
    assert plain != bits(stack)
    for make in SCHEDULES:
        assert trained(stack, DATA, make(THREE, 1), **how) == plain


@pytest.mark.parametrize("count", [2, 3, 4])
def test_micro_batches_find_the_gradient_of_the_whole_batch(count: int) -> None:
    data = small_data(rows=24)
    stack = network(context=None)
    whole, pieces = stack.copy(), stack.copy()
    how = {"optimiser": SGD(0.1), "epochs": 5, "seed": 3}
    list(train(whole, data, backprop(3), batch_size=12, **how))
    list(train(pieces, data, micro_batched(3, count), batch_size=12 // count, **how))
    for a, b, start in zip(whole.thetas, pieces.thetas, stack.thetas, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
        assert np.abs(a - start).max() > 1e-3


def test_one_step_by_hand() -> None:
    data = small_data(rows=12)
    stack = network(context=None)
    feed = Feed(data, 4, 7)
    found = [stack.gradients(feed.x(t), feed.y(t))[1] for t in range(3)]
    wanted = []
    for k, module in enumerate(stack.modules):
        (theta,) = module.body.thetas
        total = sum(of_batch[k][0] for of_batch in found)
        wanted.append(theta - 0.5 * total / 12)  # the mean over all rows of the turn
    list(
        train(stack, data, micro_batched(3, 3), optimiser=SGD(0.5), batch_size=4, epochs=1, seed=7)
    )
    for theta, by_hand in zip(stack.thetas, wanted, strict=True):
        np.testing.assert_allclose(theta, by_hand, rtol=1e-13)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("make", SCHEDULES)
def test_a_last_turn_that_is_not_full_makes_no_update(
    make: Callable[..., Program], executor: str
) -> None:
    stack = network(context=None)  # four batches an epoch
    how: dict[str, Any] = {"epochs": 1, "executor": executor}
    assert trained(stack, DATA, make(THREE, 5), **how) == bits(stack)
    for count, updates in ((4, 1), (3, 1), (2, 2), (1, 4)):
        for module in stack.modules:
            (theta,) = module.body.thetas
            failing = {"optimiser": FailingSGD(0.1, at=updates - 1, size=theta.size), **how}
            with pytest.raises(Exception, match="this update fails") as failed:
                trained(
                    stack, DATA, micro_batched(3, count), **{**failing, "executor": "one thread"}
                )
            assert failed.type is Planted
            one_more = FailingSGD(0.1, at=updates, size=theta.size)
            trained(stack, DATA, make(THREE, count), **{**failing, "optimiser": one_more})


def test_an_update_over_batches_of_two_turns() -> None:
    # gradients of the second batch of a turn and the first of the next; the first one has its own
    steps = [Step(op, 1, t) for t in (0, 1) for op in ("forward", "backward")]
    late = (*steps[:2], Step("update", 1, 0, over=2), *steps[2:])
    program = Program("late", 1, (late,), 2, wiring=chain(1))
    data = small_data(rows=12)
    stack = network((4, 2), context=None)
    feed, by_hand, (theta,) = Feed(data, 4, 7), stack.copy(), stack.thetas
    kept = by_hand.thetas[0]
    first, second, third = ((feed.x(t), feed.y(t)) for t in range(3))
    kept -= 0.5 * by_hand.gradients(*first)[1][0][0] / 4
    kept -= 0.5 * sum(by_hand.gradients(*at)[1][0][0] for at in (second, third)) / 8
    list(train(stack, data, program, optimiser=SGD(0.5), batch_size=4, epochs=1, seed=7))
    np.testing.assert_allclose(theta, kept, rtol=1e-13)


# ---- truth and feedback that come late -----------------------------------------------------------


def delayed_loop(
    stack: Stack, data: Dataset, late: int, *, keep: bool, rate: float, seed: int, batches: int
) -> list[np.ndarray]:
    """Layers 4-6-5-2, tanh, of which the first two are a worker's: plain NumPy; W and b by turns.

    Batch t goes up with the weights of its day; what comes down for it meets the first two layers
    ``late`` batches later.
    """
    feed = Feed(data, 4, seed)
    layers = [layer for module in stack.modules for layer in module.body.layers]
    W = [layer.W.copy() for layer in layers if isinstance(layer, Dense)]
    b = [layer.b.copy() for layer in layers if isinstance(layer, Dense)]
    known: dict[int, Any] = {}
    for t in range(batches + late):
        if t < batches:
            x, y = feed.x(t), feed.y(t)
            h1 = np.tanh(x @ W[0] + b[0])
            h2 = np.tanh(h1 @ W[1] + b[1])
            then = W[1].copy()
            g = 1 / (1 + np.exp(-(h2 @ W[2] + b[2]))) - y
            known[t] = x, h1, h2, then, g @ W[2].T
            W[2] -= rate * h2.T @ g / 4
            b[2] -= rate * g.sum(axis=0) / 4
        if t >= late:
            x, h1, h2, then, message = known.pop(t - late)
            d2 = message * (1 - h2**2)
            d1 = d2 @ (then if keep else W[1]).T * (1 - h1**2)
            for layer, heard, d in ((1, h1, d2), (0, x, d1)):
                W[layer] -= rate * heard.T @ d / 4
                b[layer] -= rate * d.sum(axis=0) / 4
    return [np.append(weights, bias) for weights, bias in zip(W, b, strict=True)]


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("late", [1, 3])
def test_late_truth_is_a_plain_loop(late: int, executor: str) -> None:
    data = small_data(rows=40)
    start = network(context=None, cuts=(2,))
    ends = {}
    for keep in (True, False):
        program = late_truth(((1,), (2,)), staleness=late, keep_weights=keep)
        how: dict[str, Any] = {"optimiser": SGD(0.5), "batch_size": 4, "epochs": 3, "seed": 7}
        stack = after(start, data, program, executor=executor, **how)
        loop = delayed_loop(start, data, late, keep=keep, rate=0.5, seed=7, batches=30)
        for theta, by_hand in zip(stack.thetas, loop, strict=True):
            np.testing.assert_allclose(theta, by_hand, rtol=1e-9, atol=1e-12)
        ends[keep] = stack.thetas[0]
    assert np.abs(ends[True] - ends[False]).max() > 1e-6


@given(run=cut_networks(), kept=st.booleans(), executor=st.sampled_from(EXECUTORS))
def test_prompt_truth_is_backprop(run: Any, kept: bool, executor: str) -> None:
    stack, rows, groups, how = run
    program = late_truth(groups, staleness=0, keep_weights=kept)
    plain = trained(stack, rows, backprop(len(stack)), **how)
    assert trained(stack, rows, program, **how, executor=executor) == plain


@given(
    run=cut_networks(),
    late=st.integers(1, 4),
    kept=st.booleans(),
)
def test_late_truth_on_threads(run: Any, late: int, kept: bool) -> None:
    stack, rows, groups, how = run
    program = late_truth(groups, staleness=late, keep_weights=kept)
    on_one, on_many = stack.copy(), stack.copy()
    one = numbers(train(on_one, rows, program, **how))
    many = in_time(lambda: numbers(train(on_many, rows, program, **how, executor="threads")))
    assert (many, bits(on_many)) == (one, bits(on_one))


@pytest.mark.parametrize("groups", [((1, 2, 3),), ((1,), (2, 3)), THREE])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_prompt_feedback_is_direct_feedback(groups: Groups, dtype: str) -> None:
    data = small_data(dtype=dtype)
    stack = network(context=None, signals="feedback", dtype=dtype)
    plain = trained(stack, data, direct_feedback(3))
    for executor in EXECUTORS:
        prompt = late_feedback(groups, staleness=0)
        assert trained(stack, data, prompt, executor=executor) == plain
        late = trained(stack, data, late_feedback(groups), executor=executor)
        assert late == trained(stack, data, late_feedback(groups))
        assert (late == plain) is (len(groups) == 1)


# ---- what is refused, and what goes wrong --------------------------------------------------------


def test_a_body_that_puts_nothing_off_is_refused_by_its_module() -> None:
    rng = np.random.default_rng(0)
    layers = [Dense(4, 3, rng), Tanh(), Chain([Dense(3, 2, rng)])]
    stack = Stack([Module(body) for body in layers], BinaryCrossEntropy())
    says = (
        "^stack has another kind of body at module 2; program 'zero bubble' accepts stacks with "
        "bodies that can put off their own gradients, as chains and dense layers can$"
    )
    with pytest.raises(ValueError, match=says):
        train(stack, DATA, zero_bubble(THREE, 2), **HOW)
    plain = trained(stack, DATA, micro_batched(3, 2))  # nobody else asks for it
    assert trained(stack, DATA, gpipe(THREE, 2)) == plain
    layers[1] = Chain([Tanh()])  # a chain has nothing to put off here, and may be asked
    stack = Stack([Module(body) for body in layers], BinaryCrossEntropy())
    assert trained(stack, DATA, zero_bubble(THREE, 2)) == plain


def test_late_truth_has_no_checkpoint(tmp_path: Path) -> None:
    for keep in (True, False):
        program = late_truth(THREE, keep_weights=keep)
        says = rf"^checkpoint can't hold the pullback of module 2, which program '{program.name}'"
        with pytest.raises(ValueError, match=says):
            train(network(context=None), DATA, program, **HOW, checkpoint=tmp_path / "run.npz")


@pytest.mark.parametrize("make", SCHEDULES)
def test_micro_batches_go_on_from_a_checkpoint(
    make: Callable[..., Program], tmp_path: Path
) -> None:
    path, program = tmp_path / "run.npz", make(THREE, 3)
    stack = network(context=None)
    whole, left = trained(stack, DATA, program), stack.copy()
    events: Iterator[Any] = train(left, DATA, program, **HOW, report_every=3, checkpoint=path)
    batches = [next(events).batch for _ in range(3)]
    events.close()  # type: ignore[attr-defined]
    assert batches == [0, 3, 6]
    assert bits(left) != whole
    for executor in EXECUTORS:
        assert trained(stack, DATA, program, resume=path, executor=executor) == whole
    # an update over fewer batches would end elsewhere
    fewer = [
        tuple(replace(step, over=2) if step.op == "update" else step for step in steps)
        for steps in program.workers
    ]
    with pytest.raises(ValueError, match="another program"):
        trained(stack, DATA, replace(program, workers=tuple(fewer)), resume=path)


def test_another_division_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    path, stack = tmp_path / "run.npz", network(context=None)
    whole = trained(stack, DATA, gpipe(THREE, 2), checkpoint=path)
    assert trained(stack, DATA, gpipe(((1, 2), (3,)), 2), resume=path) == whole


@given(
    run=cut_networks(report_from=2),
    make=st.sampled_from(SCHEDULES),
    count=st.integers(1, 4),
    late=st.booleans(),
    rate=st.sampled_from([1e4, 1e9]),
)
def test_a_run_that_diverges_names_the_same_module_on_threads(
    run: Any, make: Callable[..., Program], count: int, late: bool, rate: float
) -> None:
    stack, rows, groups, how = run
    program = late_truth(groups, staleness=count) if late else make(groups, count)
    how |= {"optimiser": SGD(rate), "epochs": 12}
    one = numbers(train(stack.copy(), rows, program, **how))
    many = in_time(lambda: numbers(train(stack, rows, program, **how, executor="threads")))
    event(one[-1][0])
    assert repr(many) == repr(one)  # NaN is not equal to itself


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("program", [*(make(THREE, 2) for make in SCHEDULES), late_truth(THREE)])
def test_it_ends_with_a_sentence(program: Program, executor: str) -> None:
    stack = network(context=None, activation="identity")
    how = {**HOW, "optimiser": SGD(1e12), "executor": executor}
    last = in_time(lambda: list(train(stack, DATA, program, **how))[-1])
    assert isinstance(last, Diverged)
    assert f"the weights of module {last.module} grew without bound" in last.message
