"""Modules in processes of their own change no number, and every run ends cleanly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from dnilab.network import Stack, loss_named, optimiser_named
from dnilab.training import apart, cluster, train
from tests.training.by_hand import bits, small_data
from tests.training.planted import in_time
from tests.training.test_threads import numbers, programs

pytest.importorskip("distributed")

PROCESSES = 3


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with cluster(workers=PROCESSES) as client:
        yield client


def both_ways(client: Any, stack: Stack, data: Any, program: Any, **how: Any) -> Any:
    """Events and weights on one thread, and the same with modules apart."""
    on_one, away = stack.copy(), stack.copy()
    one = numbers(train(on_one, data, program, **how))
    many = in_time(lambda: numbers(train(away, data, program, **how, executor=apart(client))))
    if program.repeats:  # a drawn turn may be without updates
        assert bits(on_one) != bits(stack)
    return (one, bits(on_one)), (many, bits(away))


@settings(max_examples=20)
@given(data=st.data())
def test_apart_and_one_thread_tell_the_same_and_end_the_same(client: Any, data: Any) -> None:
    draw = data.draw
    hidden = draw(st.lists(st.integers(1, 7), max_size=3))
    kind = draw(st.sampled_from(["bits", "classes"]))
    dtype = draw(st.sampled_from(["float32", "float64"]))
    seed = draw(st.integers(0, 99))
    rows = small_data(kind, rows=17, dtype=dtype, seed=seed)
    needs, program = draw(
        programs(len(hidden) + 1).filter(lambda drawn: len(drawn[1].workers) <= PROCESSES)
    )
    event(f"{program.name}, {len(program.workers)} workers")
    contexts = [("h",), ("y",), ("x",), ("h", "y"), ("x", "h", "y"), ("h_norm", "y")]
    fitting = {"bits": "binary cross-entropy", "classes": "softmax cross-entropy"}
    stack = Stack.build(
        (rows.inputs, *hidden, rows.outputs),
        loss_named(fitting[kind]),
        np.random.default_rng(seed),
        activation=draw(st.sampled_from(["tanh", "relu", "sigmoid"])),
        batch_norm=draw(st.booleans()),
        context=draw(st.sampled_from(contexts)) if needs == "decoupled" else None,
        generator_hidden=draw(st.sampled_from([(), (3,)])),
        dtype=dtype,
    )
    how: dict[str, Any] = {
        "optimiser": optimiser_named(draw(st.sampled_from(["sgd", "momentum", "adam"])), 1e-2),
        "generator_optimiser": optimiser_named(draw(st.sampled_from(["sgd", "adam"])), 1e-3),
        "batch_size": draw(st.integers(2, 9)),
        "epochs": draw(st.integers(1, 3)),
        "seed": seed,
        "report_every": draw(st.none() | st.integers(2, 30)),
        "probe_rows": draw(st.sampled_from([0, 5])),
    }
    one, many = both_ways(client, stack, rows, program, **how)
    assert many == one
