"""Settings: every field is checked, every choice named, and equal settings give equal numbers."""

from __future__ import annotations

import json
import math
from dataclasses import FrozenInstanceError, asdict, fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnilab.experiments import Settings
from dnilab.experiments.settings import ORDERINGS
from dnilab.network import SGD, Adam, Momentum
from dnilab.orderings import backprop, last_layer_only, sequential

OUT_OF_RANGE: dict[str, list[Any]] = {
    "task": ["cifar", "", None, 3, ["addition"]],
    "bits": [1, 65, 12.0, "12", None, True],
    "examples": [0, -1, 100.0, None, "many"],
    "test_examples": [0, 1.5, None],
    "inputs": ["grey", None, 0],
    "hidden": [128, "128", (0,), (128, 64.0), (128, None), None, ("128",)],
    "frozen": [-1, 1.0, None, True, "2", 3],
    "activation": ["gelu", None, ("tanh",)],
    "batch_norm": [1, "yes", None],
    "loss": ["hinge", 0, "softmax cross-entropy"],  # the last one: not for several bits
    "dtype": ["float16", np.float32, None],
    "context": [(), ("h", "z"), ("h", "h"), "hy", None, 3, (None,)],
    "generator_hidden": [5, (0,), None, "5", (1.5,)],
    "input_hidden": [5, (0,), None, "5"],
    "readout_hidden": [5, (0,), None, "5"],
    "cuts": [0, 4, 1.5, "2", (0,), (2, 1), (1, 1), (3,)],  # there are three layers
    "ordering": ["random", None, sequential],
    "workers": [0, 1.5, None],
    "staleness": [-1, 0.5, None],
    "guess_again": [1, "yes"],
    "batches_per_turn": [0, 2.0, None],
    "p": [0, -0.5, 1.1, math.nan, "half"],
    "executor": ["gpu", 2, "thread per fit", "process per fit"],  # the last two: for the Blue Box
    "optimiser": ["lion", None, Adam(0.1)],
    "rate": [0, -1e-3, math.nan, math.inf, "0.1", None, True],
    "generator_rate": [0, -1e-3, math.nan, math.inf, "0.1", False],
    "batch_size": [0, -3, 1.5, None, "32", 10_001],  # the last one: more than there are examples
    "epochs": [0, 2.5, None],
    "seed": [-1, 0.5, None],
    "probe_rows": [-1, 2.0, None, 10_001],
}


def test_no_field_is_forgotten() -> None:
    assert set(OUT_OF_RANGE) == {field.name for field in fields(Settings)}


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field, values in OUT_OF_RANGE.items() for value in values],
    ids=lambda value: str(value)[:20],
)
def test_out_of_range(field: str, value: Any) -> None:
    for make in (lambda: Settings(**{field: value}), lambda: Settings().but(**{field: value})):
        with pytest.raises(ValueError, match=rf"^{field} (is|accepts).*accept"):
            make()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (
            {"bits": 4},
            "examples is 10000 and test_examples is 1000; with bits=4 they accept 64 together",
        ),
        ({"batch_norm": True, "batch_size": 1}, "batch_size is 1; .* 2 or more"),
        ({"context": ("h_norm",), "batch_size": 1}, "batch_size is 1; .* 2 or more"),
        ({"batch_norm": True, "probe_rows": 1}, "probe_rows is 1; .* accepts 0, or 2 or more"),
        ({"examples": 20}, "batch_size is 32; it accepts 1 to 20, the number of examples"),
        ({"ordering": "pipeline", "workers": 4}, "workers is 4; it accepts 1 to 3"),
        ({"frozen": 3}, "frozen is 3; it accepts 0 to 2: the top module learns"),
        ({"frozen": 2, "cuts": 2}, "frozen is 2; it accepts 0 to 1: the top module learns"),
        (
            {"ordering": "pipeline", "batches_per_turn": 3, "staleness": 2},
            "batches_per_turn is 3; it accepts 1 to 2, the staleness",
        ),
        ({"ordering": "blue box", "executor": "threads"}, "executor is 'threads'; with the ord"),
        ({"ordering": "backprop", "executor": "thread per fit"}, "executor is 'thread per fit'"),
    ],
)
def test_fields_that_do_not_go_together(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=f"^{says}"):
        Settings(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"bits": 2, "examples": 3, "test_examples": 1, "batch_size": 3},  # all the pairs there are
        {"bits": 64},
        {"hidden": ()},
        {"hidden": [5, 6]},
        {"frozen": 2},
        {"hidden": np.array([5, 6])},
        {"context": "h"},
        {"context": ["x", "h_norm"]},
        {"task": "digits", "examples": 1, "batch_size": 32, "probe_rows": 40},
        {"task": "digits", "bits": 2},  # unused
        {"task": "digits", "loss": "softmax cross-entropy"},
        {"loss": "squared error"},
        {"probe_rows": 10_000},
        {"p": 1},
        {"batch_size": 10_000},
        {"ordering": "blue box", "executor": "thread per fit"},
        {"ordering": "pipeline", "executor": "one thread"},
    ],
)
def test_within_range(values: dict[str, Any]) -> None:
    Settings(**values)


def test_numpys_numbers_become_plain_ones() -> None:
    odd = Settings(
        rate=np.float64(1e-3),
        generator_rate=np.float32(0.5),
        batch_size=np.int64(16),
        hidden=(np.int32(8),),
        batch_norm=np.True_,
        seed=np.uint8(3),
    )
    plain = Settings(
        rate=1e-3, generator_rate=0.5, batch_size=16, hidden=(8,), batch_norm=True, seed=3
    )
    assert odd == plain
    assert hash(odd) == hash(plain)
    assert repr(odd) == repr(plain)
    assert json.dumps(asdict(odd)) == json.dumps(asdict(plain))


def test_settings_are_values() -> None:
    one = Settings()
    assert one == Settings()
    assert len({one, Settings(), Settings(seed=1)}) == 2
    with pytest.raises(FrozenInstanceError):
        one.rate = 0.1  # type: ignore[misc]
    assert eval(repr(one)) == one


def test_but_changes_what_it_is_told_to_and_nothing_else() -> None:
    one = Settings()
    other = one.but(rate=0.1, hidden=(5,))
    assert (other.rate, other.hidden) == (0.1, (5,))
    assert other.but(rate=one.rate, hidden=one.hidden) == one
    assert one == Settings()
    with pytest.raises(ValueError, match=r"^speed is not a setting; Settings accepts task, bits"):
        one.but(speed=3)


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({}, "DNI(h, y)"),
        ({"context": ("h",)}, "DNI(h)"),
        ({"context": ("x", "h_norm")}, "DNI(x, h_norm)"),
        ({"ordering": "backprop"}, "backprop"),
        ({"ordering": "last layer only", "context": ("h",)}, "last layer only"),
        ({"ordering": "pipeline"}, "DNI(h, y), pipeline"),
        ({"ordering": "blue box", "context": "h"}, "DNI(h), blue box"),
    ],
)
def test_names(values: dict[str, Any], name: str) -> None:
    assert Settings(**values).name == name


SMALL = {"examples": 40, "test_examples": 10, "hidden": (6, 5), "bits": 6, "batch_size": 8}


def test_data() -> None:
    data = Settings(**SMALL, dtype="float32").data()
    assert data.x_train.shape == (40, 12)
    assert data.y_test.shape == (10, 6)
    assert data.x_train.dtype == data.y_test.dtype == np.float32
    assert set(np.unique(data.x_train)) == {-1, 1}
    assert set(np.unique(Settings(**SMALL, inputs="binary").data().x_train)) == {0, 1}
    digits = Settings(task="digits", dtype="float32").data()
    assert digits.x_train.shape == (1437, 64)
    assert digits.x_train.dtype == np.float32


def test_the_seed_decides_the_sums_and_the_weights_and_leaves_the_digits() -> None:
    one, same, other = Settings(**SMALL), Settings(**SMALL), Settings(**SMALL, seed=1)
    np.testing.assert_array_equal(one.data().x_train, same.data().x_train)
    assert (one.data().x_train != other.data().x_train).any()
    data = one.data()
    assert all(
        (a == b).all() for a, b in zip(one.stack(data).thetas, same.stack(data).thetas, strict=True)
    )
    assert (one.stack(data).thetas[0] != other.stack(data).thetas[0]).any()
    digits, others = Settings(task="digits"), Settings(task="digits", seed=1)
    np.testing.assert_array_equal(digits.data().x_test, others.data().x_test)


def test_every_ordering_starts_from_the_same_weights() -> None:
    settings = Settings(**SMALL)
    data = settings.data()
    starts = []
    for ordering in ("backprop", "sequential", "last layer only", "pipeline", "sparse"):
        stack = settings.but(ordering=ordering).stack(data)
        assert stack.decoupled == settings.but(ordering=ordering).decoupled
        starts.append([theta.tobytes() for m in stack.modules for theta in m.body.thetas])
    assert all(start == starts[0] for start in starts)


def test_the_stack_is_the_one_described() -> None:
    settings = Settings(
        **SMALL,
        activation="relu",
        batch_norm=True,
        context=("x", "y"),
        generator_hidden=(7,),
        dtype="float32",
    )
    stack = settings.stack(settings.data())
    kinds = [[type(layer).__name__ for layer in m.body.layers] for m in stack.modules]
    assert kinds == [["Dense", "BatchNorm", "ReLU"]] * 2 + [["Dense"]]
    assert stack.dtype == np.float32
    generator = stack.modules[0].generator
    assert generator is not None
    assert [theta.size for theta in generator.thetas] == [(12 + 6) * 7 + 7, 7 * 6 + 6]
    assert stack.loss.name == "binary cross-entropy"
    assert Settings(**SMALL, loss="squared error").stack(settings.data()).loss.name == (
        "squared error"
    )
    digits = Settings(task="digits")
    assert digits.stack(digits.data()).loss.name == "softmax cross-entropy"


def test_the_program_has_a_module_for_each_hidden_layer_and_one_on_top() -> None:
    for ordering, program in (
        ("backprop", backprop),
        ("sequential", sequential),
        ("last layer only", last_layer_only),
    ):
        assert Settings(ordering=ordering, hidden=(9, 8, 7)).program() == program(4)
        assert Settings(ordering=ordering, hidden=()).program() == program(1)


def test_optimisers() -> None:
    assert Settings(rate=0.1).optimisers() == (Adam(0.1), Adam(0.1))
    both = Settings(optimiser="sgd", rate=0.1, generator_rate=0.01)
    assert both.optimisers() == (SGD(0.1), SGD(0.01))
    assert Settings(optimiser="momentum", rate=1).optimisers()[0] == Momentum(1.0)


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 70),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(-1, 3), max_size=3),
    st.just(10**400),
    st.sampled_from(["adam", "tanh", "h", "digits", "sparse", "float32", "threads"]),
)


@given(field=st.sampled_from(sorted(OUT_OF_RANGE)), value=ODD)
def test_any_value_is_taken_or_refused_in_words(field: str, value: Any) -> None:
    try:
        settings = Settings(**{field: value})
    except ValueError as error:
        said = str(error)
        assert said.split()[0] in OUT_OF_RANGE, said
        assert "accept" in said
    else:
        settings.program(settings.data() if settings.ordering == "pipeline" else None)
        settings.optimisers()


@pytest.mark.parametrize("ordering", ORDERINGS)
def test_frozen_modules_keep_their_start_and_the_others_learn(ordering: str) -> None:
    small = {"bits": 4, "examples": 40, "test_examples": 10, "batch_size": 10, "epochs": 1}
    settings = Settings(ordering=ordering, hidden=(6, 5, 4), frozen=2, batch_norm=True, **small)
    if ordering in ("sparse", "sparse backprop"):
        settings = settings.but(p=1.0)
    stack, events = settings.start()
    every = [layer.theta for module in stack.modules for layer in module.body.layers]
    every = [theta for theta in every if theta.size]
    before = [theta.copy() for theta in every]
    list(events)
    changed = [not np.array_equal(*pair) for pair in zip(before, every, strict=True)]
    # dense and norm of each module below the top
    learns = [ordering != "last layer only"] * 2
    assert changed == [False] * 4 + learns + [True]
    assert settings.name.endswith(", frozen up to 2")
