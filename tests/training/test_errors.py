"""What does not go together is refused at once, before the first event, naming the argument."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dnilab.data import Dataset
from dnilab.network import SGD, BinaryCrossEntropy, Generator, Module, Stack
from dnilab.orderings import IllegalProgram, Program, Step, backprop, sequential
from dnilab.training import train
from tests.training.by_hand import small_data


def network(context: Any = ("h", "y"), widths: tuple[int, ...] = (4, 6, 5, 2), **o: Any) -> Stack:
    return Stack.build(widths, BinaryCrossEntropy(), np.random.default_rng(0), context=context, **o)


def good(**changes: Any) -> dict[str, Any]:
    return {
        "stack": network(),
        "data": small_data(),
        "program": sequential(3),
        "optimiser": SGD(0.1),
        "batch_size": 4,
        **changes,
    }


def test_the_good_arguments_are_good() -> None:
    assert list(train(**good(epochs=1)))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": 4.0}, "batch_size is 4.0"),
        ({"batch_size": 14}, "batch_size is 14, but the training data has 13 rows; it accepts 1"),
        ({"epochs": 0}, "epochs is 0"),
        ({"epochs": 1.5}, "epochs is 1.5"),
        ({"epochs": 2**31}, r"epochs and report_every ask for 2\.1e\+09 reports; train accepts at"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": None}, "seed is None"),
        ({"report_every": 0}, "report_every is 0"),
        ({"probe_rows": -1}, "probe_rows is -1; it accepts 0 to 13"),
        ({"probe_rows": 14}, "probe_rows is 14; it accepts 0 to 13"),
        (
            {"data": small_data(dtype="float32")},
            "data has x_train of float32 and stack is float64; .*astype",
        ),
        ({"stack": network(dtype="float32")}, "data has x_train of float64 and stack is float32"),
        ({"program": sequential(2)}, "program is written for 2 modules; this stack has 3"),
        ({"stack": network(None)}, "stack has no generator at module 1; program 'sequential'"),
        ({"data": small_data(inputs=5)}, r"x has shape \(4, 5\); .* \(batch, 4\)"),
        (
            {"stack": network(None), "program": backprop(3), "data": small_data(outputs=3)},
            "stack has 2 outputs; the labels accept 3",
        ),
        ({"data": small_data(outputs=3)}, "stack has a generator at module 1 that does not fit"),
        (
            {"stack": network(batch_norm=True), "batch_size": 1},
            "x has 1 row; batch normalisation accepts batches of 2 rows or more",
        ),
    ],
)
def test_refused_before_the_first_event(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=f"^{says}"):
        train(**good(**changes))


def test_a_generator_that_is_missing_in_the_middle_is_named() -> None:
    whole = network()
    stack = Stack([whole.modules[0], Module(whole.modules[1].body), whole.modules[2]], whole.loss)
    with pytest.raises(ValueError, match=r"^stack has no generator at module 2"):
        train(**good(stack=stack))
    list(train(**good(stack=stack, program=backprop(3), epochs=1)))  # it needs none


def test_an_illegal_program_is_refused() -> None:
    upside_down = Program("upside down", 3, (tuple(Step("forward_update", k) for k in (3, 2, 1)),))
    with pytest.raises(IllegalProgram, match=r"^forward_update of module 3"):
        train(**good(program=upside_down))


def test_nothing_is_changed_by_a_refusal() -> None:
    stack = network(batch_norm=True)
    before = [theta.tobytes() for theta in stack.thetas]
    with pytest.raises(ValueError, match=r"^probe_rows"):
        train(**good(stack=stack, probe_rows=99))
    assert [theta.tobytes() for theta in stack.thetas] == before


def test_one_probe_row_with_batch_norm() -> None:
    with pytest.raises(ValueError, match=r"^probe_rows is 1"):
        train(**good(stack=network(batch_norm=True), probe_rows=1))


def test_a_generator_for_other_labels() -> None:
    whole = network()
    other = Module(whole.modules[0].body, Generator(6, ("h", "y"), outputs=7))
    stack = Stack([other, *whole.modules[1:]], whole.loss)
    with pytest.raises(ValueError, match=r"stack|generator"):
        train(**good(stack=stack))


def test_labels_of_another_dtype() -> None:
    single, double = small_data(dtype="float32"), small_data()
    mixed = Dataset("m", "bits", single.x_train, double.y_train, single.x_test, single.y_test)
    with pytest.raises(ValueError, match=r"^data"):
        train(**good(stack=network(dtype="float32"), data=mixed))


@pytest.mark.parametrize("name", ["optimiser", "generator_optimiser"])
def test_a_number_instead_of_an_optimiser(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name} is 0.1; it accepts"):
        train(**good(**{name: 0.1}))
