"""A run that goes on from a checkpoint ends where an undisturbed one does, to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from dnilab.network import Adam, Stack, loss_named, optimiser_named
from dnilab.orderings import (
    Program,
    backprop,
    blue_box,
    complete_unlock,
    pipeline,
    sequential,
    sparse,
)
from dnilab.training import Report, checkpoint, train
from tests.training.by_hand import bits, small_data
from tests.training.planted import DATA, network
from tests.training.test_threads import divisions, numbers

HOW: dict[str, Any] = {"optimiser": Adam(0.01), "batch_size": 3, "epochs": 4, "report_every": 2}


def interrupted(stack: Stack, data: Any, program: Program, reports: int, **how: Any) -> int:
    """Train, writing checkpoints, and leave after so many reports; the last one's batch."""
    events = train(stack, data, program, **how)
    batch = 0
    for _ in range(reports):
        event = next(events, None)
        if event is None:
            break
        assert isinstance(event, Report)
        batch = event.batch
    events.close()  # type: ignore[attr-defined]
    return batch


@st.composite
def programs(draw: st.DrawFn, modules: int) -> Any:
    """A kind of network, a program, and the same one divided in another way."""
    a, b = draw(divisions(modules)), draw(divisions(modules))
    again = draw(st.booleans())
    match draw(st.sampled_from(["pipeline", "pipeline", "unlock", "one worker"])):
        case "pipeline":
            per_turn = draw(st.sampled_from([1, 1, 2, 3]))
            late = draw(st.integers(per_turn if per_turn > 1 else 0, per_turn + 4))
            how: dict[str, Any] = {
                "staleness": late,
                "batches_per_turn": per_turn,
                "guess_again": again,
            }
            return "decoupled", pipeline(a, **how), pipeline(b, **how)
        case "unlock":
            how = {"staleness": draw(st.integers(1, 4)), "guess_again": again}
            return "unlocked", complete_unlock(a, **how), complete_unlock(b, **how)
        case _:
            make = draw(st.sampled_from([backprop, sequential, sparse, blue_box]))
            return "decoupled", make(modules), make(modules)


@settings(max_examples=60)
@given(data=st.data())
def test_whatever_is_interrupted_goes_on_as_if_it_had_not_been(
    tmp_path_factory: pytest.TempPathFactory, data: Any
) -> None:
    draw = data.draw
    path = tmp_path_factory.mktemp("run") / "run.npz"
    hidden = draw(st.lists(st.integers(1, 6), max_size=3))
    kind = draw(st.sampled_from(["bits", "classes"]))
    dtype = draw(st.sampled_from(["float32", "float64"]))
    seed = draw(st.integers(0, 99))
    rows = small_data(kind, rows=17, dtype=dtype, seed=seed)
    needs, program, divided = draw(programs(len(hidden) + 1))
    contexts = [("h",), ("y",), ("x", "h", "y"), ("h_norm", "y")]
    fitting = {"bits": "binary cross-entropy", "classes": "softmax cross-entropy"}
    stack = Stack.build(
        (rows.inputs, *hidden, rows.outputs),
        loss_named(fitting[kind]),
        np.random.default_rng(seed),
        activation=draw(st.sampled_from(["tanh", "relu"])),
        batch_norm=draw(st.booleans()),
        context=draw(st.sampled_from(contexts)),
        generator_hidden=draw(st.sampled_from([(), (3,)])),
        input_hidden=draw(st.sampled_from([(), (4,)])) if needs == "unlocked" else None,
        dtype=dtype,
    )
    how: dict[str, Any] = {
        "optimiser": optimiser_named(draw(st.sampled_from(["sgd", "momentum", "adam"])), 1e-2),
        "generator_optimiser": optimiser_named(
            draw(st.sampled_from(["sgd", "momentum", "adam"])), 1e-2
        ),
        "batch_size": draw(st.integers(2, 9)),
        "epochs": draw(st.integers(1, 4)),
        "seed": seed,
    }
    every = draw(st.integers(1, 9))
    whole = stack.copy()
    told = numbers(train(whole, rows, program, **how, report_every=every))
    left = stack.copy()
    batch = interrupted(
        left, rows, program, draw(st.integers(1, 9)), **how, report_every=every, checkpoint=path
    )
    assert checkpoint.load(path).batch == batch
    executor = draw(st.sampled_from(["one thread", "threads"]))
    if program.races:
        executor = "one thread"
    event(f"{program.name}, {executor}, pending {bool(checkpoint.load(path).state.pending)}")
    again = stack.copy()  # not the one that was left: all that it needs is in the file
    more = numbers(
        train(again, rows, divided, **how, report_every=every, resume=path, executor=executor)
    )
    assert bits(again) == bits(whole)
    for name, row in more:  # and it tells the same on the way
        others = [other for _, other in told if other.get("batch") == row["batch"]]
        assert name == "Report"
        row.pop("spans")
        assert any(row.items() <= other.items() for other in others)


def write(path: Path, program: Program, stack: Stack | None = None, **how: Any) -> None:
    interrupted(stack or network(), DATA, program, 3, **{**HOW, **how}, checkpoint=path)


def test_a_pending_guess_is_taken_up_as_it_was_made(tmp_path: Path) -> None:
    program = pipeline(((1,), (2, 3)), staleness=3, guess_again=False)
    write(tmp_path / "run.npz", program)
    state = checkpoint.load(tmp_path / "run.npz").state
    assert {key[0] for key in state.pending} == {"guess", "message"}
    assert {key[:2] for key in state.made_with} == {("guess", 1), ("guess", 2)}
    # and with a late fit nothing of the kind is needed
    write(tmp_path / "late.npz", pipeline(((1,), (2, 3)), staleness=3, guess_again=True))
    late = checkpoint.load(tmp_path / "late.npz").state
    assert late.pending.keys() == state.pending.keys()
    assert late.made_with == {}


def test_the_state_is_worth_its_bytes(tmp_path: Path) -> None:
    # what a checkpoint holds is needed: without it, a run ends elsewhere
    program = pipeline(((1,), (2, 3)), staleness=2, guess_again=False)
    path = tmp_path / "run.npz"
    whole = network()
    list(train(whole, DATA, program, **HOW))
    write(path, program)
    one = checkpoint.load(path)
    spoilt = []
    for name in ("thetas", "memories", "pending", "made_with"):
        again = checkpoint.load(path)
        for values in getattr(again.state, name).values():
            if isinstance(values, dict):
                values["step"] += 1
            else:
                array = values[0] if isinstance(values, list) else values
                array += 0.1
        spoilt.append(again.state)
    for state in [one.state, *spoilt]:
        checkpoint.save(path, one.run, one.batch, state)
        stack = network()
        list(train(stack, DATA, program, **HOW, resume=path))
        assert (bits(stack) == bits(whole)) is (state is one.state)
