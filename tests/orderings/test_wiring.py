"""Wirings: who hears whom, what tells each module its gradient, and which programs follow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dnilab.orderings import (
    SIGNALS,
    Ear,
    IllegalProgram,
    Program,
    Step,
    Value,
    Wiring,
    backprop,
    blue_box,
    chain,
    check,
    complete_unlock,
    direct_feedback,
    last_layer_only,
    local_loss,
    locks,
    needs_and_makes,
    pipeline,
    sequential,
    sparse,
    sparse_backprop,
    unroll,
)
from tests.training.planted import in_time
from tests.wirings import Heard, dags, told, users

X = (0, 0)  # the input of the network


def one(k: int) -> tuple[tuple[int, int], ...]:
    """Hears module k alone."""
    return ((k, 0),)


FAN = (one(0), one(1), one(1), ((2, 0), (3, 0)))  # 1 is heard by 2 and 3, and 4 joins them


def words(program: Program) -> list[str]:
    return [f"{step.op} {step.module} {step.batch}" for step in program.steps()]


# ---- what a wiring refuses -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heard", "signals", "says"),
    [
        # a circle in no time
        (
            (one(0), ((1, 0), (2, 0))),
            ("generator", "truth"),
            "module 2 hears module 2 of the same batch: a circle in no time; it accepts modules",
        ),
        (
            (((0, 0), (3, 0)), one(1), one(2)),
            ("generator", "generator", "truth"),
            "module 1 hears module 3 of the same batch: a circle in no time",
        ),
        # something that is not there
        ((one(0), one(5)), ("generator", "truth"), "what module 2 hears is 5; it accepts 0 to 2"),
        ((one(0), one(-1)), ("generator", "truth"), "what module 2 hears is -1; it accepts"),
        ((one(0), one(1.0)), ("generator", "truth"), "what module 2 hears is 1.0; it accepts"),
        (
            (one(0), ((1, -1),)),
            ("generator", "truth"),
            "how late module 2 hears module 1 is -1; it accepts a whole number of at least 0",
        ),
        ((one(0), ()), ("generator", "truth"), "module 2 hears nothing; it accepts one ear"),
        # a module that leads nowhere
        *[
            (
                (one(0), one(0)),
                (signal, "truth"),
                f"module 1 leads nowhere, and its signal is '{signal}': no gradient would ever "
                "come to it; it accepts 'readout' or 'own loss', or somebody who hears it",
            )
            for signal in ("generator", "feedback", "truth")
        ],
        # signals
        ((one(0), one(1)), ("generator",), "signals has 1 entries; it accepts 2"),
        ((one(0), one(1)), ("generator",) * 3, "signals has 3 entries; it accepts 2"),
        (
            (one(0), one(1)),
            ("guess", "truth"),
            "the signal of module 1 is 'guess'; it accepts one of 'truth', 'generator'",
        ),
        ((one(0), one(1)), (None, "truth"), "the signal of module 1 is None; it accepts one of"),
        *[
            (
                (one(0), one(1)),
                ("truth", signal),
                "module 2 is the top; its signal accepts 'truth', from the loss",
            )
            for signal in ("generator", "readout", "feedback")
        ],
        ((), (), "heard is 0; it accepts 1 to 10000"),
    ],
)
def test_refused(heard: Any, signals: Any, says: str) -> None:
    with pytest.raises(ValueError, match=f"^{says}"):
        Wiring(heard, signals)


def test_a_circle_is_named_before_what_it_leaves_alone() -> None:
    with pytest.raises(ValueError, match=r"^module 2 hears module 3 of the same batch"):
        Wiring((one(0), one(3), one(2)), ("generator", "generator", "truth"))


def test_what_leads_nowhere_may_learn_alone() -> None:
    for signal in ("readout", "own loss"):
        assert Wiring((one(0), one(0)), (signal, "truth")).users == ((), ())


def test_a_circle_in_time_is_none() -> None:
    for ears in (((1, 1), X), (X, (1, 3)), ((2, 1), X)):
        Wiring((ears, one(1)), ("generator", "truth"))


def test_a_program_and_its_wiring_are_of_one_size() -> None:
    with pytest.raises(ValueError, match=r"^wiring is of 2 modules; it accepts 3$"):
        Program("mine", 3, (), wiring=chain(2))


# ---- what follows from it ------------------------------------------------------------------------


def test_a_wiring_is_a_value() -> None:
    assert Wiring([[[0, 0]], [[1, 0]]], ["generator", "truth"]) == chain(2)  # type: ignore
    assert hash(Wiring((one(0), one(1)), ("generator", "truth"))) == hash(chain(2))
    assert chain(2).heard == ((Ear(0, 0),), (Ear(1, 0),))
    check(sequential(chain(2)))  # what has been asked before is no part of it
    assert chain(2) == Wiring((one(0), one(1)), ("generator", "truth"))


def test_users() -> None:
    wiring = Wiring(FAN, ("generator",) * 3 + ("truth",))
    assert wiring.modules == 4
    assert wiring.users == (((2, 0, 0), (3, 0, 0)), ((4, 0, 0),), ((4, 1, 0),), ())
    assert wiring.sources(4) == [(0, (2, 0)), (1, (3, 0))]
    assert wiring.sources(1) == []  # x is there from the start
    # as which of the things that it hears, and how late; in the order of those who hear
    loop = Wiring((((0, 0), (1, 2)), ((1, 0), (1, 1))), ("generator", "truth"))
    assert loop.users[0] == ((1, 1, 2), (2, 0, 0), (2, 1, 1))


@given(heard=dags(late=True))
def test_everybody_is_heard_by_those_who_hear_him(heard: Heard) -> None:
    wiring = Wiring(heard, ("generator",) * (len(heard) - 1) + ("truth",))
    told = [
        (k, user.module, user.place, user.late)
        for k in range(1, wiring.modules + 1)
        for user in wiring.users[k - 1]
    ]
    hears = [
        (module, k, place, late)
        for k, ears in enumerate(heard, start=1)
        for place, (module, late) in enumerate(ears)
        if module
    ]
    assert sorted(told) == sorted(hears)


@pytest.mark.parametrize("modules", [1, 2, 5])
def test_a_chain(modules: int) -> None:
    wiring = chain(modules)
    assert wiring.heard == tuple(((k, 0),) for k in range(modules))
    assert wiring.signals == ("generator",) * (modules - 1) + ("truth",)
    assert chain(modules, "truth").signals == ("truth",) * modules
    assert [wiring.signal(k) for k in range(1, modules + 1)] == list(wiring.signals)


def test_a_chain_of_mixed_signals() -> None:
    wiring = chain(4, ("feedback", "readout", "feedback"))
    assert wiring.signals == ("feedback", "readout", "feedback", "truth")
    assert wiring.feedbacks == (1, 3)
    assert wiring.told_with("generator").signals == ("generator",) * 3 + ("truth",)
    assert wiring.told_with("generator").heard == wiring.heard


def test_one_signal_for_all_who_are_heard() -> None:
    wiring = Wiring((one(0), one(1), one(1)), ("generator", "readout", "truth"))
    assert wiring.told_with("truth").signals == ("truth", "readout", "truth")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((0,), "modules is 0; it accepts"),
        ((-1,), "modules is -1"),
        ((2.0,), "modules is 2.0"),
        ((None,), "modules is None"),
        ((3, ("generator",)), "signals has 1 entries; it accepts 2: one for each module below"),
        ((3, ("generator",) * 3), "signals has 3 entries; it accepts 2"),
        ((3, "guess"), "the signal of module 1 is 'guess'"),
    ],
)
def test_a_chain_that_can_not_be(arguments: Any, says: str) -> None:
    with pytest.raises(ValueError, match=f"^{says}"):
        chain(*arguments)


# ---- what a step needs and makes -----------------------------------------------------------------


def values(names: Sequence[str]) -> set[Value]:
    """From "message 2 of 4 at 6": the kind, then the module, then the batch."""
    found = set()
    for name in names:
        kind, rest = name.split(" of ")
        module, batch = rest.split(" at ")
        found.add(Value(kind, int(module), int(batch)))
    return found


FAN_GENERATORS = Wiring(FAN, ("generator",) * 3 + ("truth",))
FAN_TRUTH = Wiring(FAN, ("truth",) * 4)
# module 1 hears itself, one batch late; and module 2, which hears x too, hears it
ITSELF = Wiring((((0, 0), (1, 1)), ((1, 0), X)), ("generator", "truth"))


@pytest.mark.parametrize(
    ("step", "wiring", "needs", "makes"),
    [
        # who is heard by two says it to each of them, and is told by both
        (
            Step("forward_update", 1, 7),
            FAN_GENERATORS,
            [],
            ["h of 1 at 7", "h 2 of 1 at 7", "guess of 1 at 7"],
        ),
        (
            Step("fit", 1, 7),
            FAN_GENERATORS,
            ["message of 2 at 7", "message of 3 at 7", "guess of 1 at 7"],
            [],
        ),
        (
            Step("forward_update", 2, 7),
            FAN_GENERATORS,
            ["h of 1 at 7"],
            ["h of 2 at 7", "guess of 2 at 7", "message of 2 at 7"],
        ),
        (
            Step("forward_update", 3, 7),
            FAN_GENERATORS,
            ["h 2 of 1 at 7"],
            ["h of 3 at 7", "guess of 3 at 7", "message of 3 at 7"],
        ),
        # who hears two sends a message to each of them
        (
            Step("forward_update", 4, 7),
            FAN_GENERATORS,
            ["h of 2 at 7", "h of 3 at 7"],
            ["message of 4 at 7", "message 2 of 4 at 7"],
        ),
        (Step("fit", 3, 7), FAN_GENERATORS, ["message 2 of 4 at 7", "guess of 3 at 7"], []),
        # by backpropagation
        (
            Step("forward", 1, 7),
            FAN_TRUTH,
            [],
            ["h of 1 at 7", "h 2 of 1 at 7", "pullback of 1 at 7"],
        ),
        (
            Step("backward", 1, 7),
            FAN_TRUTH,
            ["message of 2 at 7", "message of 3 at 7", "pullback of 1 at 7"],
            ["grads of 1 at 7"],
        ),
        (
            Step("backward", 4, 7),
            FAN_TRUTH,
            ["h of 4 at 7", "pullback of 4 at 7"],
            ["message of 4 at 7", "message 2 of 4 at 7", "grads of 4 at 7"],
        ),
        # through time
        (
            Step("forward_update", 1, 7),
            ITSELF,
            ["h of 1 at 6"],
            ["h of 1 at 7", "h 2 of 1 at 7", "guess of 1 at 7", "message 2 of 1 at 7"],
        ),
        (
            Step("forward_update", 2, 7),
            ITSELF,
            ["h 2 of 1 at 7"],
            ["message of 2 at 7"],
        ),
        (
            Step("fit", 1, 7),
            ITSELF,
            ["message 2 of 1 at 8", "message of 2 at 7", "guess of 1 at 7"],
            [],
        ),
        # signals
        (Step("fit", 1, 7), chain(3, "readout"), ["guess of 1 at 7"], []),
        (
            Step("backward", 2, 7),
            chain(4, "feedback"),
            ["error 2 of 4 at 7", "pullback of 2 at 7"],
            ["message of 2 at 7", "grads of 2 at 7"],
        ),
        (
            Step("forward_update", 4, 7),
            chain(4, ("feedback", "generator", "feedback")),
            ["h of 3 at 7"],
            ["message of 4 at 7", "error of 4 at 7", "error 2 of 4 at 7"],
        ),
        (
            Step("backward", 4, 7),
            chain(4, ("feedback", "generator", "feedback")),
            ["h of 4 at 7", "pullback of 4 at 7"],
            ["message of 4 at 7", "grads of 4 at 7", "error of 4 at 7", "error 2 of 4 at 7"],
        ),
        # somebody whom nobody hears, with a loss of his own
        (
            Step("forward_update", 2, 7),
            Wiring((one(0), one(1), one(1)), ("generator", "readout", "truth")),
            ["h of 1 at 7"],
            ["guess of 2 at 7", "message of 2 at 7"],
        ),
    ],
    ids=str,
)
def test_what_a_step_needs_and_makes(
    step: Step, wiring: Wiring, needs: list[str], makes: list[str]
) -> None:
    needed, made = needs_and_makes(step, wiring)
    assert set(needed) == values(needs)
    assert set(made) == values(makes)
    assert len(set(needed)) == len(needed)
    assert len(set(made)) == len(made)


@pytest.mark.parametrize(
    ("step", "wiring", "says"),
    [
        (Step("forward_update", 1), chain(3, "truth"), "its signal is 'truth', which comes only"),
        (Step("forward_update", 1), chain(3, "feedback"), "its signal is 'feedback', which comes"),
        (Step("forward_guess", 1), chain(3, "truth"), "its signal is 'truth', which comes only"),
        (Step("unlocked_update", 1), chain(3, "truth"), "its signal is 'truth', which comes only"),
        (Step("unlocked_update", 2), chain(3, "feedback"), "its signal is 'feedback', which"),
        (Step("forward_guess", 3), chain(3), "the top module has the true gradient, no guess"),
        (Step("fit", 1), chain(3, "truth"), "the module has 'truth', and no generator to fit"),
        (Step("fit", 1), chain(3, "feedback"), "the module has 'feedback', and no generator to"),
        (Step("late_fit", 3), chain(3), "the top module has no generator to fit"),
        (Step("fit_input", 1), chain(3), "module 1 sees x itself and predicts no input"),
        (
            Step("backward", 2),
            Wiring((one(0), one(1), one(1)), ("truth", "readout", "truth")),
            "nobody hears the module, so nothing comes down",
        ),
    ],
)
def test_a_step_that_the_signal_does_not_allow(step: Step, wiring: Wiring, says: str) -> None:
    with pytest.raises(IllegalProgram, match=f"^{step}: {says}"):
        needs_and_makes(step, wiring)


def test_a_value_of_one_of_several_says_which() -> None:
    assert str(Value("message 2", 4, 7)) == "message 2 of module 4, batch 7"


# ---- programs ------------------------------------------------------------------------------------


def test_a_fan_out_by_the_one_rule() -> None:
    """A module with a generator acts at once; it is fitted when both of its users have told it."""
    assert words(sequential(FAN_GENERATORS)) == [
        "forward_update 1 0",
        "forward_update 2 0",
        "forward_update 3 0",
        "fit 1 0",
        "forward_update 4 0",
        "fit 2 0",
        "fit 3 0",
    ]


def test_a_fan_out_by_backpropagation() -> None:
    assert words(backprop(FAN_GENERATORS)) == [
        *(f"forward {k} 0" for k in (1, 2, 3, 4)),
        *(f"{op} {k} 0" for k in (4, 3, 2, 1) for op in ("backward", "update")),
    ]
    # by the one rule it comes to the same, but for the top, which knows its gradient at once
    assert words(sequential(FAN_TRUTH)) == [
        *(f"forward {k} 0" for k in (1, 2, 3)),
        "forward_update 4 0",
        *(f"{op} {k} 0" for k in (2, 3, 1) for op in ("backward", "update")),
    ]


def test_mixed_signals_by_the_one_rule() -> None:
    assert words(sequential(chain(4, ("truth", "readout", "generator")))) == [
        "forward 1 0",
        "forward_update 2 0",
        "fit 2 0",
        "backward 1 0",
        "update 1 0",
        "forward_update 3 0",
        "forward_update 4 0",
        "fit 3 0",
    ]


def test_a_module_that_hears_itself_is_fitted_one_batch_late() -> None:
    wiring = Wiring((((0, 0), (1, 1)), one(1)), ("generator", "truth"))
    program = sequential(wiring)
    assert words(program) == ["forward_update 1 0", "fit 1 -1", "forward_update 2 0"]
    assert check(program) == {1: 0, 2: 0}
    # its last guess is about a batch that never comes: it is never put right
    assert [str(step) for step in unroll(program, 3)[0] if step.op == "fit"] == [
        "fit of module 1, batch 0",
        "fit of module 1, batch 1",
    ]
    assert locks(program) == {"forward": True, "update": False, "backward": False}


def test_two_clocks() -> None:
    """Whoever is heard two batches late is told two batches late."""
    program = sequential(Wiring((one(0), ((1, 2),)), ("generator", "truth")))
    assert words(program) == ["forward_update 1 0", "forward_update 2 0", "fit 1 -2"]
    check(program)


def test_local_loss() -> None:
    assert [
        words(replace(local_loss(((1,), (2, 3))), workers=(w,)))
        for w in (local_loss(((1,), (2, 3))).workers)
    ] == [
        ["forward_update 1 0", "fit 1 0"],
        ["forward_update 2 0", "forward_update 3 0", "fit 2 0"],
    ]
    program = local_loss([(1, 2, 3)])
    assert (program.name, program.lag, program.wires.signals) == (
        "local loss",
        0,
        ("readout", "readout", "truth"),
    )
    assert local_loss([(1,), (2,), (3,), (4,)], wiring=FAN_GENERATORS).wires.heard == FAN
    with pytest.raises(ValueError, match=r"^groups is"):
        local_loss(((1,), (3,)))


def test_direct_feedback() -> None:
    program = direct_feedback(3)
    assert words(program) == [
        *("forward 1 0", "forward 2 0", "forward_update 3 0"),
        *("backward 2 0", "update 2 0", "backward 1 0", "update 1 0"),
    ]
    assert (program.name, program.wires.feedbacks) == ("direct feedback", (1, 2))
    check(program)
    check(direct_feedback(FAN_GENERATORS))


def test_feedback_among_others() -> None:
    """Module 1 is told by feedback, 2 by a generator: who waits for whom follows."""
    steps = ["forward 1", "forward_update 2", "forward_update 3", "fit 2", "backward 1", "update 1"]
    program = Program(
        "mixed",
        3,
        (tuple(Step(op, int(k)) for op, k in (step.split() for step in steps)),),
        wiring=chain(3, ("feedback", "generator")),
    )
    check(program)
    assert locks(program) == {"forward": True, "update": True, "backward": False}
    early = replace(program, workers=((*program.workers[0][:2], *program.workers[0][4:]),))
    with pytest.raises(IllegalProgram, match=r"^backward of module 1, batch 0: needs error of mod"):
        check(early)


def test_a_pipeline_of_mixed_signals_fits_readouts_at_once() -> None:
    wiring = chain(4, ("generator", "readout", "generator"))
    program = pipeline(((1, 2), (3, 4)), staleness=3, wiring=wiring)
    assert [[str(s) for s in worker if s.op.endswith("fit")] for worker in program.workers] == [
        ["late_fit of module 1, batch -3", "fit of module 2, batch 0"],
        ["late_fit of module 3, batch -3"],
    ]
    check(program)


@pytest.mark.parametrize(
    "make",
    [
        sequential,
        lambda wiring: pipeline([(1,), (2, 3)], wiring=wiring),
        lambda wiring: pipeline([(1, 2, 3)], wiring=wiring, staleness=0),
    ],
)
def test_where_a_signal_is_needed_at_once_feedback_is_refused_by_its_step(
    make: Callable[[Wiring], Program],
) -> None:
    with pytest.raises(IllegalProgram, match=r"^forward_update of module 2.*'feedback', which com"):
        check(make(chain(3, ("generator", "feedback"))))


def test_nobody_waits_for_ever() -> None:
    # module 1 waits for what it says itself one batch later, and that for the next, and so on
    with pytest.raises(ValueError, match=r"^module 1 has the signal 'truth' and is told .* ever"):
        sequential(Wiring((((0, 0), (1, 1)), one(1)), ("truth", "truth")))
    circle = (((0, 0), (2, 1)), one(1), one(2))
    with pytest.raises(ValueError, match=r"^module 1 has the signal 'truth'"):
        sequential(Wiring(circle, ("truth",) * 3))
    check(sequential(Wiring(circle, ("truth", "generator", "truth"))))


@pytest.mark.parametrize("make", [sequential, backprop])
def test_whoever_is_heard_late_can_not_wait_for_the_truth(
    make: Callable[[Wiring], Program],
) -> None:
    # it would have to wait for a batch to come: refused, and the module named
    for heard in ((one(0), ((1, 1),)), (((0, 0), (1, 1)), one(1))):
        with pytest.raises(ValueError, match=r"\bmodule 1\b"):
            check(make(Wiring(heard, ("truth", "truth"))))


# ---- random wirings ------------------------------------------------------------------------------


def hears_somebody(wiring: Wiring) -> bool:
    return any(module for ears in wiring.heard for module, _ in ears)


@given(wiring=told())
def test_sequential_of_any_wiring(wiring: Wiring) -> None:
    program = sequential(wiring)
    assert set(check(program)) == set(range(1, wiring.modules + 1))
    waits = "truth" in wiring.signals[:-1]
    assert locks(program) == {
        "forward": hears_somebody(wiring),
        "update": waits,
        "backward": waits,
    }
    # everybody goes forward once and is updated once, and whoever has a generator is fitted once
    done = words(program)
    assert len(set(done)) == len(done)
    for k, signal in enumerate(wiring.signals, start=1):
        mine = [step.op for step in program.steps() if step.module == k]
        if signal == "truth" and k < wiring.modules:
            assert mine == ["forward", "backward", "update"]
        else:
            assert mine == ["forward_update"] + ["fit"] * (k < wiring.modules)


@given(wiring=told(late=True))
def test_sequential_of_any_wiring_with_delays(wiring: Wiring) -> None:
    program = sequential(wiring)
    check(program)
    for k, signal in enumerate(wiring.signals[:-1], start=1):
        delays = [user.late for user in wiring.users[k - 1]]
        fits = [step.batch for step in program.steps() if (step.op, step.module) == ("fit", k)]
        if signal == "generator":  # once all who hear it have told it
            assert fits
            assert max(fits) <= -max(delays)
        if signal == "readout":  # at once
            assert fits == [0]


@given(wiring=told(late=True), batches=st.integers(1, 8))
def test_every_module_goes_through_every_batch_and_no_other(wiring: Wiring, batches: int) -> None:
    (steps,) = unroll(sequential(wiring), batches)
    for k in range(1, wiring.modules + 1):
        forward = [s.batch for s in steps if s.module == k and s.op.startswith("forward")]
        assert forward == list(range(batches))


def test_a_module_that_hears_nothing_but_earlier_batches_has_no_batch_more_than_others() -> None:
    for ears in (((0, 0), (1, 2)), ((1, 1),)):
        (steps,) = unroll(sequential(Wiring((ears, one(1)), ("generator", "truth"))), 4)
        assert [s.batch for s in steps if str(s).startswith("forward_update of module 1")] == [
            0,
            1,
            2,
            3,
        ]


@settings(suppress_health_check=[HealthCheck.filter_too_much])  # many have a module heard late
@given(wiring=told(), data=st.data())
def test_backprop_of_any_wiring(wiring: Wiring, data: st.DataObject) -> None:
    program = backprop(wiring)
    check(program)
    waits = wiring.modules > 1
    assert locks(program) == {
        "forward": hears_somebody(wiring),
        "update": waits,
        "backward": waits,
    }
    assert locks(direct_feedback(wiring)) == {
        "forward": hears_somebody(wiring),
        "update": waits,
        "backward": False,
    }
    for free in (last_layer_only(wiring), local_loss([range(1, wiring.modules + 1)], wiring)):
        assert locks(free) == {
            "forward": hears_somebody(wiring),
            "update": False,
            "backward": False,
        }
    # the order of the backward pass may not be changed
    steps = list(program.workers[0])
    a, b = data.draw(st.tuples(*[st.sampled_from(range(1, wiring.modules + 1))] * 2))
    assume(a in users(wiring.heard, b))
    turned = sorted(steps, key=lambda s: s.op in ("backward", "update") and s.module == a)
    with pytest.raises(IllegalProgram, match=r"^backward of module \d+, batch 0: needs message"):
        check(replace(program, workers=(tuple(turned),)))


@given(wiring=told(late=True), data=st.data())
def test_a_pipeline_of_any_wiring(wiring: Wiring, data: st.DataObject) -> None:
    wiring = wiring.told_with(data.draw(st.sampled_from(["generator", "readout"])))
    count = wiring.modules
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, count - 1)), max_size=2))) * (count > 1)
    edges = [0, *cuts, count]
    groups = [range(a + 1, b + 1) for a, b in pairwise(edges)]
    staleness = data.draw(st.integers(0, 3))
    program = pipeline(groups, staleness=staleness, wiring=wiring)
    assert set(check(program)) == set(range(1, count + 1))
    assert not locks(program)["backward"]


# ---- the locks of every method -------------------------------------------------------------------


def four(signals: str | tuple[str, ...]) -> Wiring:
    return chain(4, signals)


METHODS: dict[str, tuple[Callable[[], Program], str]] = {
    # what is held, of forward, update and backward
    "backprop": (lambda: backprop(4), "fub"),
    "sparse backprop": (lambda: sparse_backprop(4), "fub"),
    "sequential": (lambda: sequential(4), "f"),
    "sequential, truth": (lambda: sequential(four("truth")), "fub"),
    "sequential, readouts": (lambda: sequential(four("readout")), "f"),
    "sequential, mixed": (lambda: sequential(four(("readout", "truth", "generator"))), "fub"),
    "blue box": (lambda: blue_box(4), "f"),
    "sparse": (lambda: sparse(4), "f"),
    "pipeline": (lambda: pipeline([(1,), (2, 3), (4,)], staleness=3), "f"),
    "complete unlock": (lambda: complete_unlock([(1, 2), (3, 4)]), ""),
    "local loss": (lambda: local_loss([(1,), (2,), (3,), (4,)]), "f"),
    "direct feedback": (lambda: direct_feedback(4), "fu"),
    "last layer only": (lambda: last_layer_only(4), "f"),
}


@pytest.mark.parametrize(("make", "held"), METHODS.values(), ids=METHODS)
def test_the_locks_of_every_method(make: Callable[[], Program], held: str) -> None:
    found = locks(make())
    assert {name for name in found if found[name]} == {
        name for name in ("forward", "update", "backward") if name[0] in held
    }


def test_every_signal_is_explained() -> None:
    for signal, explained in SIGNALS.items():
        assert len(explained.split()) >= 3
        assert signal == signal.lower()


# ---- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        chain,
        sequential,
        backprop,
        blue_box,
        last_layer_only,
        direct_feedback,
        sparse,
        sparse_backprop,
        lambda modules: pipeline([range(1, modules + 1)]),
        lambda modules: local_loss([range(1, modules + 1)]),
        lambda modules: complete_unlock([range(1, modules + 1)]),
        lambda modules: check(Program("mine", modules, ((Step("forward_update", 1),),))),
    ],
)
@pytest.mark.parametrize("modules", [10_001, 2**31, 2**62])
def test_so_many_modules_are_refused_at_once(make: Callable[[int], Any], modules: int) -> None:
    def refused() -> None:
        with pytest.raises(ValueError, match=rf"^modules is {modules}; it accepts \d to 10000"):
            make(modules)

    in_time(refused)


def test_a_long_staleness_is_checked_in_seconds() -> None:
    program = pipeline([(1,), (2,)], staleness=20_000)
    assert in_time(lambda: check(program), patience=120) == {1: 0, 2: 1}


def test_many_modules_are_checked_in_seconds() -> None:
    owners = in_time(lambda: check(sequential(5_000), batches=1), patience=120)
    assert len(owners) == 5_000


class Drawn(Program):
    """Leaves out the fits of every other turn."""

    @property
    def repeats(self) -> bool:
        return False

    def turn(self, number: int) -> tuple[tuple[Step, ...], ...]:
        return tuple(
            tuple(step for step in steps if number % 2 or step.op != "fit")
            for steps in self.workers
        )


def test_a_drawn_program_has_one_worker() -> None:
    # what a turn has made and not used is thrown away: also what another worker sent early
    whole = pipeline([(1,), (2,), (3,)], staleness=0)
    drawn = Drawn("drawn", 3, whole.workers)
    for refused in (check, locks):
        with pytest.raises(
            IllegalProgram,
            match=r"^drawn: its turns are drawn, and it has 3 workers; .* accepts one worker$",
        ):
            refused(drawn)
    assert check(Drawn("drawn", 3, sequential(3).workers)) == {1: 0, 2: 0, 3: 0}
