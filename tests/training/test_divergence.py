"""A run that diverges ends with an event that says where and what to lower, and with no warning."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from dnilab.network import SGD, Adam, Momentum, Stack, loss_named
from dnilab.orderings import backprop, last_layer_only, sequential
from dnilab.training import Diverged, Report, train
from tests.learned import Learned
from tests.training.by_hand import small_data

HUGE = 1e12
LOSS = {"bits": "squared error", "classes": "softmax cross-entropy"}


def network(context: Any, kind: str = "bits", seed: int = 0, **options: Any) -> Stack:
    rng = np.random.default_rng(seed)
    return Stack.build((4, 6, 5, 2), loss_named(LOSS[kind]), rng, context=context, **options)


def events(stack: Stack, data: Any, program: Any, rate: Any, generator_rate: Any) -> list[Any]:
    how = {"batch_size": 4, "epochs": 60, "report_every": 30}
    rates = {"optimiser": rate, "generator_optimiser": generator_rate}
    return list(train(stack, data, program, **rates, **how))


def test_a_generator_that_diverges(seed: int, learned: Learned) -> None:
    # without activation functions in the way, and with modules too slow to matter
    stack = network(("h",), activation="identity", seed=seed)
    *reports, last = events(stack, small_data(seed=seed), sequential(3), SGD(1e-12), SGD(2.0))
    assert reports
    assert all(isinstance(report, Report) for report in reports)
    assert isinstance(last, Diverged)
    assert last.part == "generator"
    assert last.module in (1, 2)
    learned("batches until it diverges", last.batch, below=180)
    assert last.epoch == last.batch / 3
    assert f"the generator of module {last.module} grew without bound" in last.message
    assert f"at batch {last.batch} " in last.message
    assert "Lower the generators' rate (now 2); if that does not help, the modules' rate" in (
        last.message
    )


def test_a_generator_that_diverges_fast_is_not_blamed_on_its_module(
    seed: int, learned: Learned
) -> None:
    stack = network(("h",), activation="identity", seed=seed)
    last = events(stack, small_data(seed=seed), sequential(3), SGD(1e-12), SGD(5.0))[-1]
    assert isinstance(last, Diverged)
    learned("batches until it diverges", last.batch, below=180)
    assert last.part == "generator"


@pytest.mark.parametrize(("program", "context"), [(backprop, None), (last_layer_only, None)])
def test_weights_that_diverge(program: Any, context: Any, seed: int, learned: Learned) -> None:
    stack = network(context, activation="identity", seed=seed)
    last = events(stack, small_data(seed=seed), program(3), SGD(HUGE), SGD(1e-9))[-1]
    assert isinstance(last, Diverged)
    learned("batches until it diverges", last.batch, below=180)
    assert last.part == "body"
    assert f"the weights of module {last.module} grew without bound" in last.message
    assert "Lower the modules' rate (now 1e+12); if" in last.message
    if program is last_layer_only:
        assert last.module == 3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["bits", "classes"])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("optimiser", [SGD, Momentum, Adam])
@pytest.mark.parametrize("activation", ["identity", "relu", "tanh"])
@pytest.mark.parametrize("decoupled", [False, True])
def test_however_it_diverges_no_warning_leaks(
    dtype: str, kind: str, batch_norm: bool, optimiser: Any, activation: str, decoupled: bool
) -> None:
    context = ("h_norm", "h", "y") if decoupled else None
    options = {"batch_norm": batch_norm, "activation": activation, "dtype": dtype}
    stack = network(context, kind, **options)
    program = sequential(3) if decoupled else backprop(3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        got = list(
            train(
                stack,
                small_data(kind, dtype=dtype),
                program,
                optimiser=optimiser(HUGE),
                batch_size=4,
                epochs=20,
                probe_rows=6,
                report_every=7,
            )
        )
    assert [str(warning.message) for warning in caught] == []
    assert isinstance(got[-1], Diverged)
    assert sum(isinstance(event, Diverged) for event in got) == 1


def test_a_report_never_tells_of_broken_parameters(seed: int, learned: Learned) -> None:
    stack = network(("h",), activation="identity", seed=seed)
    *reports, last = events(stack, small_data(seed=seed), sequential(3), SGD(3.0), SGD(3.0))
    assert isinstance(last, Diverged)
    learned("batches until it diverges", last.batch, below=180)
    assert all(np.isfinite(r.loss) for r in reports)
    assert last.batch >= reports[-1].batch


def test_training_again_from_broken_parameters_says_so_and_ends() -> None:
    stack = network(None)
    stack.thetas[0][0] = np.nan
    got = events(stack, small_data(), backprop(3), SGD(1e-3), SGD(1e-3))
    last = got[-1]
    assert isinstance(last, Diverged)
    assert (last.module, last.part) == (1, "body")


def test_a_sound_run_does_not_diverge(seed: int, learned: Learned) -> None:
    stack = network(("h", "y"), seed=seed)
    got = events(stack, small_data(seed=seed), sequential(3), Adam(1e-3), Adam(1e-3))
    learned("largest weight", max(abs(theta).max() for theta in stack.thetas), below=10)
    assert all(isinstance(event, Report) for event in got)
    assert got[-1].batch == 180
