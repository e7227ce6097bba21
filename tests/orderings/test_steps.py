"""Steps and programs as data: what they refuse, and how a turn becomes a run."""

from __future__ import annotations

from typing import Any

import pytest

from dnilab.orderings import (
    OPERATIONS,
    IllegalProgram,
    Program,
    Step,
    Value,
    chain,
    needs_and_makes,
    sequential,
    unroll,
)
from dnilab.orderings.steps import in_a_run


def made(kind: str, module: int, batch: int) -> Value:
    return Value(kind, module, batch)


@pytest.mark.parametrize(
    ("step", "needs", "makes"),
    [
        # of three modules; a module's message goes to the module below
        (Step("forward_update", 1, 7), [], ["h 1", "guess 1"]),
        (Step("forward_update", 2, 7), ["h 1"], ["message 2", "h 2", "guess 2"]),
        (Step("forward_update", 3, 7), ["h 2"], ["message 3"]),
        (Step("fit", 1, 7), ["message 2", "guess 1"], []),
        (Step("fit", 2, 7), ["message 3", "guess 2"], []),
        (Step("forward", 1, 7), [], ["h 1", "pullback 1"]),
        (Step("forward", 3, 7), ["h 2"], ["h 3", "pullback 3"]),
        (Step("backward", 3, 7), ["h 3", "pullback 3"], ["message 3", "grads 3"]),
        (Step("backward", 2, 7), ["message 3", "pullback 2"], ["message 2", "grads 2"]),
        (Step("backward", 1, 7), ["message 2", "pullback 1"], ["grads 1"]),
        (Step("update", 2, 7), ["grads 2"], []),
        # what is kept is in the pullback; and a backward in two halves
        (Step("forward_keep", 1, 7), [], ["h 1", "pullback 1"]),
        (Step("backward_input", 3, 7), ["h 3", "pullback 3"], ["message 3", "owed 3"]),
        (Step("backward_input", 2, 7), ["message 3", "pullback 2"], ["message 2", "owed 2"]),
        (Step("backward_weights", 2, 7), ["owed 2"], ["grads 2"]),
    ],
    ids=str,
)
def test_what_a_step_needs_and_makes(step: Step, needs: list[str], makes: list[str]) -> None:
    def values(names: list[str]) -> set[Value]:
        return {Value(name.split()[0], int(name.split()[1]), 7) for name in names}

    needed, given = needs_and_makes(step, 3)
    assert set(needed) == values(needs)
    assert set(given) == values(makes)


def test_an_update_over_several_batches_needs_the_gradients_of_all() -> None:
    needs, makes = needs_and_makes(Step("update", 2, 7, over=3), 3)
    assert (needs, makes) == (tuple(made("grads", 2, t) for t in (5, 6, 7)), ())
    # from before the first batch there are none
    early, _ = in_a_run(Step("update", 2, 1, over=3), chain(3))
    assert early == tuple(made("grads", 2, t) for t in (0, 1))


def test_the_top_module_has_nothing_to_fit() -> None:
    with pytest.raises(IllegalProgram, match=r"^fit of module 3, batch 0: the top module has no"):
        needs_and_makes(Step("fit", 3), 3)


def test_a_step_says_itself_in_words() -> None:
    assert str(Step("fit", 2, -1)) == "fit of module 2, batch -1"
    assert str(Step("update", 2, 3, over=4)) == "update of module 2, batches 0 to 3"
    assert str(Value("h", 2, 5)) == "h of module 2, batch 5"


def test_a_run_is_the_turn_with_true_batch_numbers_and_the_late_steps_at_both_ends() -> None:
    program = Program(
        "late",
        2,
        ((Step("forward_update", 1), Step("fit", 1, -2)), (Step("forward_update", 2, -1),)),
    )
    assert program.lag == 2
    assert program.turns(3) == 5
    first, second = unroll(program, 3)
    assert [(s.op, s.batch) for s in first] == [
        ("forward_update", 0),
        ("forward_update", 1),
        ("forward_update", 2),
        ("fit", 0),
        ("fit", 1),
        ("fit", 2),
    ]
    assert [s.batch for s in second] == [0, 1, 2]


def test_several_batches_in_a_turn() -> None:
    steps = tuple(Step("forward_update", 1, batch) for batch in range(3))
    program = Program("three at once", 1, (steps,), batches_per_turn=3)
    assert [program.turns(n) for n in (1, 3, 4, 6, 7)] == [1, 1, 2, 2, 3]
    assert [s.batch for s in unroll(program, 5)[0]] == [0, 1, 2, 3, 4]


def test_a_step_and_a_program_are_values() -> None:
    assert Step("fit", 1) == Step("fit", 1)
    assert len({Step("fit", 1), Step("fit", 1), Step("fit", 2)}) == 2
    assert sequential(3) == sequential(3)
    with pytest.raises(AttributeError):
        Step("fit", 1).module = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Step("jump", 1), "op is 'jump'; it accepts one of 'forward_update'"),
        (lambda: Step("fit", 0), "module is 0; it accepts a whole number of at least 1"),
        (lambda: Step("fit", 1.0), "module is 1.0"),  # type: ignore[arg-type]
        (lambda: Step("update", 1, over=0), "over is 0; it accepts a whole number of at least 1"),
        (lambda: Step("update", 1, over=2.0), "over is 2.0"),  # type: ignore[arg-type]
        (lambda: Step("backward", 1, over=2), "over is 2; it accepts 1"),
        (lambda: Program("p", 0, ()), "modules is 0"),
        (lambda: Program("p", 1, (), batches_per_turn=0), "batches_per_turn is 0"),
        (
            lambda: Program("p", 1, ((Step("fit", 2),),)),
            "fit of module 2, batch 0 is not among the 1 modules",
        ),
    ],
)
def test_what_is_out_of_range_is_named(make: Any, says: str) -> None:
    with pytest.raises(ValueError, match=f"^{says}"):
        make()


@pytest.mark.parametrize("batch", [0.5, None, "1", True])
def test_a_batch_is_a_whole_number(batch: Any) -> None:
    with pytest.raises(ValueError, match=r"^batch is"):
        Step("fit", 1, batch)


def test_every_operation_is_explained() -> None:
    for op, words in OPERATIONS.items():
        assert op.isidentifier()
        assert len(words.split()) >= 2
