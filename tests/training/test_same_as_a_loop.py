"""An executor changes nothing: the same bits as the page, however the modules are divided."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnilab.data import Dataset
from dnilab.network import CONTEXTS, Optimiser, Stack, loss_named, optimiser_named
from dnilab.orderings import Program, Step, backprop, last_layer_only, sequential
from dnilab.training import Report, train
from tests.training.by_hand import bits, on_the_page, small_data

MIXES = [mix for size in range(1, 5) for mix in combinations(CONTEXTS, size)]
WIDTHS = (4, 6, 5, 2)


def network(data: Dataset, seed: int = 0, hidden: Sequence[int] = (6, 5), **options: Any) -> Stack:
    """A stack for this data; its generators start away from zero, so that bits can differ."""
    loss = {"bits": "binary cross-entropy", "classes": "softmax cross-entropy"}[data.kind]
    stack = Stack.build(
        (data.inputs, *hidden, data.outputs),
        loss_named(options.pop("loss", loss)),
        np.random.default_rng(seed),
        dtype=data.x_train.dtype,
        **options,
    )
    rng = np.random.default_rng(seed + 1)
    for module in stack.modules:
        for theta in module.generator.thetas if module.generator else []:
            theta += 0.1 * rng.standard_normal(theta.size).astype(theta.dtype)
    return stack


def trained(stack: Stack, data: Dataset, program: Program, *rates: Optimiser, **how: Any) -> Stack:
    events = list(
        train(stack, data, program, optimiser=rates[0], generator_optimiser=rates[-1], **how)
    )
    assert all(isinstance(event, Report) for event in events)
    return stack


def finished(steps: Iterator[int], stack: Stack) -> Stack:
    assert list(steps)
    return stack


RATES = (optimiser_named("adam", 0.01), optimiser_named("momentum", 0.003))
HOW = {"batch_size": 4, "epochs": 3, "seed": 5}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("context", MIXES, ids=" ".join)
def test_sequential_with_every_context(context: tuple[str, ...], dtype: str) -> None:
    data = small_data(dtype=dtype)
    stack = network(data, context=context)
    before = bits(stack)
    loop = stack.copy()
    finished(on_the_page(loop, data, sequential(3), *RATES, **HOW), loop)
    assert bits(trained(stack, data, sequential(3), *RATES, **HOW)) == bits(loop)
    assert all(a != b for a, b in zip(bits(loop), before, strict=True))  # all of it was trained


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch_size", [1, 2, 5, 13])
def test_all_three_orderings_at_every_batch_size(batch_size: int, dtype: str) -> None:
    data = small_data(dtype=dtype)
    how = {**HOW, "batch_size": batch_size}
    start = network(data, context=("h", "y"))
    plain = network(data)
    a, b, c = start.copy(), plain.copy(), plain.copy()
    finished(on_the_page(a, data, sequential(3), *RATES, **how), a)
    finished(on_the_page(b, data, backprop(3), RATES[0], **how), b)
    finished(on_the_page(c, data, last_layer_only(3), RATES[0], **how), c)
    assert bits(trained(start.copy(), data, sequential(3), *RATES, **how)) == bits(a)
    assert bits(trained(plain.copy(), data, backprop(3), *RATES, **how)) == bits(b)
    assert bits(trained(plain.copy(), data, last_layer_only(3), *RATES, **how)) == bits(c)
    assert len({tuple(bits(s)) for s in (b, c, plain)}) == 3


NETWORKS = {
    "hidden": st.lists(st.integers(1, 7), max_size=4),
    "activation": st.sampled_from(["tanh", "relu", "sigmoid", "identity"]),
    "batch_norm": st.booleans(),
    "kind": st.sampled_from(["bits", "classes"]),
    "dtype": st.sampled_from(["float32", "float64"]),
    "batch_size": st.integers(2, 13),
    "optimiser": st.sampled_from(["sgd", "momentum", "adam"]),
    "seed": st.integers(0, 100),
}


@given(
    context=st.sampled_from(MIXES),
    generator_hidden=st.sampled_from([(), (3,), (4, 2)]),
    staleness=st.integers(0, 3),
    guess_again=st.booleans(),
    division=st.integers(0, 15),
    executor=st.sampled_from(["one thread", "threads"]),
    **NETWORKS,
)
def test_any_decoupled_network_divided_in_any_way(
    hidden: list[int],
    activation: str,
    batch_norm: bool,
    kind: str,
    dtype: str,
    batch_size: int,
    optimiser: str,
    seed: int,
    context: tuple[str, ...],
    generator_hidden: tuple[int, ...],
    staleness: int,
    guess_again: bool,
    division: int,
    executor: str,
) -> None:
    data = small_data(kind, dtype=dtype, seed=seed)
    stack = network(
        data,
        seed,
        hidden,
        activation=activation,
        batch_norm=batch_norm,
        context=context,
        generator_hidden=generator_hidden,
    )
    rates = optimiser_named(optimiser, 1e-3), optimiser_named(optimiser, 1e-4)
    how = {"batch_size": batch_size, "epochs": 2, "seed": seed}
    loop = stack.copy()
    lateness = {"staleness": staleness, "guess_again": guess_again}
    finished(on_the_page(loop, data, late(len(stack), **lateness), *rates, **how), loop)
    program = late(len(stack), division=division, **lateness)
    threads = threading.active_count()
    trained(stack, data, program, *rates, **how, executor=executor)
    assert bits(stack) == bits(loop)
    assert threading.active_count() == threads


@given(**NETWORKS)
def test_any_network_by_backprop(
    hidden: list[int],
    activation: str,
    batch_norm: bool,
    kind: str,
    dtype: str,
    batch_size: int,
    optimiser: str,
    seed: int,
) -> None:
    data = small_data(kind, dtype=dtype, seed=seed)
    stack = network(data, seed, hidden, activation=activation, batch_norm=batch_norm)
    rate = optimiser_named(optimiser, 1e-3)
    how = {"batch_size": batch_size, "epochs": 2, "seed": seed}
    loop = stack.copy()
    program = backprop(len(stack))
    finished(on_the_page(loop, data, program, rate, **how), loop)
    assert bits(trained(stack, data, program, rate, **how)) == bits(loop)


def late(modules: int, staleness: int, division: int = 0, *, guess_again: bool = False) -> Program:
    """Decoupled, each fit so many batches late; bit k - 1 of ``division`` cuts above module k."""
    fit = "late_fit" if guess_again else "fit"
    workers: list[list[Step]] = [[]]
    for k in range(1, modules + 1):
        workers[-1].append(Step("forward_update", k))
        if k > 1:  # the fit goes to the worker that owns the module
            owner = next(w for w in workers if any(step.module == k - 1 for step in w))
            owner.append(Step(fit, k - 1, -staleness))
        if division >> (k - 1) & 1 and k < modules:
            workers.append([])
    return Program("late", modules, tuple(map(tuple, workers)))


def test_the_divisions_are_what_they_say() -> None:
    assert len(late(4, 1, 0b000).workers) == 1
    assert len(late(4, 1, 0b111).workers) == 4
    two = late(3, 2, 0b01)
    assert [[str(step) for step in worker] for worker in two.workers] == [
        ["forward_update of module 1, batch 0", "fit of module 1, batch -2"],
        [
            "forward_update of module 2, batch 0",
            "forward_update of module 3, batch 0",
            "fit of module 2, batch -2",
        ],
    ]


def test_staleness_is_not_without_effect() -> None:
    # or the tests above would compare nothing
    data = small_data()
    results = set()
    for staleness, again in ((0, False), (1, False), (1, True), (2, False), (2, True)):
        stack = network(data, context=("h", "y"))
        program = late(3, staleness, guess_again=again)
        results.add(tuple(bits(trained(stack, data, program, *RATES, **HOW))))
    assert len(results) == 5


def test_a_prompt_fit_may_as_well_guess_again() -> None:
    data = small_data()
    one = network(data, context=("h", "y"))
    other = one.copy()
    trained(one, data, late(3, 0), *RATES, **HOW)
    trained(other, data, late(3, 0, guess_again=True), *RATES, **HOW)
    assert bits(one) == bits(other)


@pytest.mark.parametrize("per_turn", [2, 3, 5])
def test_several_batches_in_a_turn_give_the_same_bits(per_turn: int) -> None:
    data = small_data()
    one = network(data, context=("h", "y"))
    many = one.copy()
    trained(one, data, sequential(3), *RATES, **HOW)
    (steps,) = sequential(3).workers
    several = tuple(Step(s.op, s.module, t) for t in range(per_turn) for s in steps)
    program = Program("several", 3, (several,), batches_per_turn=per_turn)
    assert bits(trained(many, data, program, *RATES, **HOW)) == bits(one)


@pytest.mark.parametrize("program", [sequential, backprop, last_layer_only])
def test_the_same_run_twice_gives_the_same_bits_and_reports(program: Any) -> None:
    data = small_data()
    how = {**HOW, "optimiser": RATES[0], "report_every": 2, "probe_rows": 6}
    runs = []
    for _ in range(2):
        stack = network(data, context=("h", "y"))
        reports = [
            (e.batch, e.epoch, e.loss, e.test_loss, e.scores, e.cosine, e.generator_error)
            for e in train(stack, data, program(3), **how)
            if isinstance(e, Report)
        ]
        runs.append((bits(stack), reports))
    assert runs[0] == runs[1]
    other = network(data, context=("h", "y"))
    list(train(other, data, program(3), **{**how, "seed": 6}))
    assert bits(other) != runs[0][0]


def test_measuring_changes_nothing() -> None:
    data = small_data()
    results = set()
    for measure in ({}, {"report_every": 1}, {"report_every": 1, "probe_rows": 13}):
        stack = network(data, context=("h", "y"), batch_norm=True)
        results.add(tuple(bits(trained(stack, data, sequential(3), *RATES, **HOW, **measure))))
    assert len(results) == 1


def test_modules_and_generators_have_optimisers_of_their_own() -> None:
    data = small_data()
    for given_rates in (RATES, RATES[:1]):
        loop = network(data, context=("h",))
        stack = loop.copy()
        finished(on_the_page(loop, data, sequential(3), *given_rates, **HOW), loop)
        second = {"generator_optimiser": given_rates[1]} if len(given_rates) > 1 else {}
        list(train(stack, data, sequential(3), optimiser=given_rates[0], **second, **HOW))
        assert bits(stack) == bits(loop)
