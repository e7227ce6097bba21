"""Prices: the work and the messages of a batch, counted by hand, and the table of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.prices import price_table
from dnilab.orderings import (
    Price,
    Program,
    Step,
    Wiring,
    backprop,
    chain,
    complete_unlock,
    direct_feedback,
    last_layer_only,
    local_loss,
    multiplications,
    pipeline,
    price,
    sequential,
    sparse,
)
from tests.wirings import Heard, dags

WIDTHS = (24, 128, 64, 12)
# all that a step of three modules can be, each with a time of its own
TIMES = {
    (op, k): float(10 * number + k)
    for number, op in enumerate(
        (
            *("forward_update", "fit", "late_fit", "forward", "backward", "update"),
            *("forward_guess", "pull", "unlocked_update", "fit_input", "late_fit_input"),
        ),
        start=1,
    )
    for k in (1, 2, 3)
}
ONE_EACH = [(1,), (2,), (3,)]


def work(program: Program) -> float:
    return price(program, TIMES).work


def test_the_work_of_a_batch_is_that_of_its_steps() -> None:
    # forward 41 + 42 + 43, backward 51 + 52 + 53, update 61 + 62 + 63
    assert work(backprop(3)) == 126 + 156 + 186
    # forward_update 11 + 12 + 13, fit 21 + 22
    assert work(sequential(3)) == 36 + 43
    assert work(last_layer_only(3)) == 41 + 42 + 13
    # a fit that comes late is one all the same, also those after the last batch
    assert work(pipeline(ONE_EACH, staleness=1, guess_again=False)) == 36 + 43
    assert work(pipeline(ONE_EACH, staleness=9)) == 36 + 31 + 32
    assert work(pipeline(ONE_EACH, staleness=4, batches_per_turn=3)) == 36 + 31 + 32


@pytest.mark.parametrize("modules", [1, 2, 3])
def test_the_work_of_backprop_over_itself_is_one(modules: int) -> None:
    reference = work(backprop(modules))
    assert price(backprop(modules), TIMES, reference).work == 1


def test_work_by_the_cost_model() -> None:
    whole = price(backprop(3), multiplications(WIDTHS)).work
    # x W, dW and dx of every layer, but for dx of the first
    assert whole == 3 * (24 * 128 + 128 * 64 + 64 * 12) - 24 * 128
    # a linear generator's guess and dM, at two cuts
    decoupled = price(sequential(3), multiplications(WIDTHS)).work
    assert decoupled == whole + 2 * (128 * 128 + 64 * 64)
    # no dx goes down to another module: nobody wants it there
    alone = whole - (128 * 64 + 64 * 12)
    # a linear readout's z, dA and dh, at two cuts
    local = price(local_loss(ONE_EACH), multiplications(WIDTHS, signal="readout")).work
    assert local == alone + 3 * (128 * 12 + 64 * 12)
    # e B at two cuts
    fed_back = price(direct_feedback(3), multiplications(WIDTHS, signal="feedback")).work
    assert fed_back == alone + 128 * 12 + 64 * 12


FAN = Wiring((((0, 0),), ((1, 0),), ((1, 0),), ((2, 0), (3, 0))), ("generator",) * 3 + ("truth",))

MESSAGES: dict[str, tuple[Callable[[], Program], float]] = {
    # of three modules, two activations go up
    "backprop": (lambda: backprop(3), 2 + 2),
    "sequential": (lambda: sequential(3), 2 + 2),
    "pipeline": (lambda: pipeline(ONE_EACH, staleness=5), 2 + 2),
    "last layer only": (lambda: last_layer_only(3), 2),
    "local loss": (lambda: local_loss(ONE_EACH), 2),  # nothing comes down
    "direct feedback": (lambda: direct_feedback(3), 2 + 2),  # the error, to each of two
    "complete unlock": (lambda: complete_unlock(ONE_EACH), 2 + 2),  # h as the target of a fit
    "a single module": (lambda: backprop(1), 0),
    "mixed": (lambda: sequential(chain(3, ("generator", "readout"))), 2 + 1),
}


@pytest.mark.parametrize(("make", "messages"), MESSAGES.values(), ids=MESSAGES)
def test_messages_of_a_batch(make: Callable[[], Program], messages: float) -> None:
    assert price(make(), TIMES).messages == messages


def test_messages_where_ways_part() -> None:
    times = dict.fromkeys([(op, k) for op, _ in TIMES for k in range(1, 5)], 1.0)
    # four ears; with readouts nothing comes down
    assert price(sequential(FAN), times).messages == 8
    assert price(backprop(FAN), times).messages == 8
    assert price(local_loss([(1, 2), (3, 4)], FAN), times).messages == 4
    assert price(direct_feedback(FAN), times).messages == 4 + 3


@given(heard=dags())
def test_as_many_messages_as_ears(heard: Heard) -> None:
    wiring = Wiring(heard, ("generator",) * (len(heard) - 1) + ("truth",))
    times = dict.fromkeys([(op, k) for op, _ in TIMES for k in range(1, len(heard) + 1)], 0.5)
    ears = sum(module > 0 for ears in heard for module, _ in ears)
    assert price(sequential(wiring), times).messages == 2 * ears
    assert price(backprop(wiring), times).messages == 2 * ears
    assert price(last_layer_only(wiring), times).messages == ears
    assert price(direct_feedback(wiring), times).messages == ears + len(heard) - 1


@given(p=st.floats(0.1, 1), seed=st.integers(0, 99))
def test_what_is_drawn_costs_at_most_what_it_would_if_all_were(p: float, seed: int) -> None:
    drawn, every = (price(sparse(3, p=chance, seed=seed), TIMES) for chance in (p, 1.0))
    assert 0 < drawn.work <= every.work
    assert drawn.messages <= every.messages == 4
    assert drawn.locks == every.locks == ("forward",)


def test_locks_are_part_of_it() -> None:
    assert price(backprop(3), TIMES).locks == ("forward", "update", "backward")
    assert price(direct_feedback(3), TIMES).locks == ("forward", "update")
    assert price(sequential(3), TIMES).locks == ("forward",)
    assert price(complete_unlock(ONE_EACH), TIMES).locks == ()


def test_a_step_without_a_time_is_named() -> None:
    times = {key: time for key, time in TIMES.items() if key != ("fit", 2)}
    price(backprop(3), times)
    with pytest.raises(ValueError, match=r"^times has no entry for \('fit', 2\)"):
        price(sequential(3), times)


def test_an_illegal_program_has_no_price() -> None:
    upside_down = Program("mine", 2, ((Step("forward_update", 2), Step("forward_update", 1)),))
    with pytest.raises(ValueError, match=r"^forward_update of module 2, batch 0: needs h of"):
        price(upside_down, TIMES)


def test_the_table() -> None:
    reference = price(backprop(3), TIMES).work
    prices = {
        program.name: price(program, TIMES, reference)
        for program in (backprop(3), direct_feedback(3), complete_unlock(ONE_EACH))
    }
    assert price_table(prices) == (
        "ordering         forward  update  backward   work  messages\n"
        "backprop          locked  locked    locked   1.00       4.0\n"
        "direct feedback   locked  locked      free   0.69       4.0\n"
        "complete unlock     free    free      free   1.21       4.0"
    )


def test_the_table_of_few_and_of_long_names() -> None:
    one = Price(("update",), 12.345, 100.0)
    assert price_table({"x": one}).splitlines() == [
        "ordering  forward  update  backward   work  messages",
        "x            free  locked      free  12.35     100.0",
    ]
    lines = price_table({"a name that is quite long": one, "short": one}).splitlines()
    assert len({len(line) for line in lines}) == 1
