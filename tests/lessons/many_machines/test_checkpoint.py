"""A run that goes on from a checkpoint ends where an undisturbed one does, to the last bit."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from benchmarks.orderings import random_case
from dnilab.data.dataset import Feed
from dnilab.lessons.any_graph.network.joins import Concatenate
from dnilab.lessons.convolutions.network.build import ConvGenerator
from dnilab.lessons.convolutions.network.layers import ChannelNorm, Conv2D
from dnilab.lessons.convolutions.network.pooling import Flatten, MaxPool2D, MeanPool2D, ToImage
from dnilab.lessons.many_machines.training import checkpoint
from dnilab.lessons.many_machines.training.checkpoint import load, save
from dnilab.lessons.many_machines.training.state import (
    RunState,
    memory_of,
    merged,
    pending_at,
    remember,
)
from dnilab.network import (
    SGD,
    Adam,
    BinaryCrossEntropy,
    Chain,
    Dense,
    Layer,
    Module,
    Momentum,
    Readout,
    SquaredError,
    Stack,
    loss_named,
    optimiser_named,
)
from dnilab.orderings import (
    Program,
    Step,
    backprop,
    blue_box,
    chain,
    complete_unlock,
    direct_feedback,
    local_loss,
    pipeline,
    sequential,
    sparse,
)
from dnilab.orderings.steps import in_a_run, unroll_turn
from dnilab.training import Report, wiring_of
from tests.lessons.many_machines.kept import train
from tests.training.by_hand import bits, small_data
from tests.training.planted import DATA, FailingSGD, blas_threads, network, nothing_left
from tests.training.test_threads import divisions, numbers

TWO = ((1,), (2, 3))
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
    assert load(path).batch == batch
    executor = draw(st.sampled_from(["one thread", "threads"]))
    if program.races:
        executor = "one thread"
    event(f"{program.name}, {executor}, pending {bool(load(path).state.pending)}")
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


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    every=st.integers(1, 5),
    reports=st.integers(1, 9),
    executor=st.sampled_from(["one thread", "threads"]),
)
def test_any_wiring_goes_on_as_if_it_had_not_been_interrupted(
    tmp_path_factory: pytest.TempPathFactory, seed: int, every: int, reports: int, executor: str
) -> None:
    path = tmp_path_factory.mktemp("run") / "run.npz"
    program, stack, rows, batch = random_case(seed)
    how = {"optimiser": Adam(0.01), "batch_size": batch, "epochs": 2, "report_every": every}
    whole, again = stack.copy(), stack.copy()
    list(train(whole, rows, program, **how))
    interrupted(stack, rows, program, reports, **how, checkpoint=path)
    event(", ".join(sorted({key[0] for key in load(path).state.pending})))
    list(train(again, rows, program, **how, resume=path, executor=executor))
    assert bits(again) == bits(whole)


@given(seed=st.integers(0, 10**6), turn=st.integers(0, 12))
def test_what_is_pending_is_what_was_made_and_is_needed(seed: int, turn: int) -> None:
    program, *_ = random_case(seed)
    batches = turn * program.batches_per_turn + 3
    turns = program.turns(batches)
    assume(turn <= turns)
    needs, makes = [], []
    for number in range(turns):
        for step in (step for worker in unroll_turn(program, number, batches) for step in worker):
            needed, made = in_a_run(step, program.wires)
            needs += [tuple(value) for value in needed if number >= turn]
            makes += [tuple(value) for value in made if number < turn]
    assert pending_at(program, turn, batches) == set(needs) & set(makes)


def test_readouts_that_learn_late(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    steps = [Step("forward_update", k) for k in (1, 2, 3)] + [Step("fit", k, -2) for k in (1, 2)]
    program = Program("late readouts", 3, (tuple(steps),), wiring=chain(3, "readout"))
    whole, stack, again = (network(context=None, signals="readout") for _ in range(3))
    list(train(whole, DATA, program, **HOW))
    write(path, program, stack)
    list(train(again, DATA, program, **HOW, resume=path))
    assert bits(again) == bits(whole)


def write(path: Path, program: Program, stack: Stack | None = None, **how: Any) -> None:
    interrupted(stack or network(), DATA, program, 3, **{**HOW, **how}, checkpoint=path)


def test_a_pending_guess_is_taken_up_as_it_was_made(tmp_path: Path) -> None:
    program = pipeline(((1,), (2, 3)), staleness=3, guess_again=False)
    write(tmp_path / "run.npz", program)
    state = load(tmp_path / "run.npz").state
    assert {key[0] for key in state.pending} == {"guess", "message"}
    assert {key[:2] for key in state.made_with} == {("guess", 1), ("guess", 2)}
    # and with a late fit nothing of the kind is needed
    write(tmp_path / "late.npz", pipeline(((1,), (2, 3)), staleness=3, guess_again=True))
    late = load(tmp_path / "late.npz").state
    assert late.pending.keys() == state.pending.keys()
    assert late.made_with == {}


def test_blas_is_held_while_a_guess_is_made_again(tmp_path: Path) -> None:
    # on two threads its sums might be split differently
    program = pipeline(TWO, staleness=3, guess_again=False)
    write(tmp_path / "run.npz", program)
    stack, seen = network(), []
    generator = stack.modules[0].generator
    assert generator is not None
    guess = generator.body

    class Looked(Chain):
        def __call__(self, x: np.ndarray) -> Any:
            seen.append(set(blas_threads()))
            return super().__call__(x)

    with nothing_left():
        events = train(stack, DATA, program, **HOW, resume=tmp_path / "run.npz")
        generator.body = Looked(guess.layers)
        next(events)  # at once: nothing is trained before the first report
        assert seen == [{1}] * 3
        events.close()  # type: ignore[attr-defined]


def test_the_state_is_worth_its_bytes(tmp_path: Path) -> None:
    # what a checkpoint holds is needed: without it, a run ends elsewhere
    program = pipeline(((1,), (2, 3)), staleness=2, guess_again=False)
    path = tmp_path / "run.npz"
    whole = network()
    list(train(whole, DATA, program, **HOW))
    write(path, program)
    one = load(path)
    spoilt = []
    for name in ("thetas", "memories", "pending", "made_with"):
        again = load(path)
        for values in getattr(again.state, name).values():
            if isinstance(values, dict):
                values["step"] += 1
            else:
                array = values[0] if isinstance(values, list) else values
                array += 0.1
        spoilt.append(again.state)
    for state in [one.state, *spoilt]:
        save(path, one.run, one.batch, state)
        stack = network()
        list(train(stack, DATA, program, **HOW, resume=path))
        assert (bits(stack) == bits(whole)) is (state is one.state)


# ---- when it is written --------------------------------------------------------------------------


def test_a_checkpoint_with_each_report_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    real = checkpoint.save

    def noted(path: Path, run: Any, batch: int, state: RunState) -> None:
        written.append(batch)
        real(path, run, batch, state)

    monkeypatch.setattr(checkpoint, "save", noted)
    path, program = tmp_path / "run.npz", pipeline(TWO, staleness=2)
    told = list(train(network(), DATA, program, **HOW, checkpoint=path))
    assert written == [report.batch for report in told]  # type: ignore[union-attr]
    assert os.listdir(tmp_path) == ["run.npz"]
    written.clear()
    told = list(train(network(), DATA, program, **HOW, checkpoint=path, checkpoint_every=5))
    assert written == [0, 5, 10, 15, 16]
    assert [r.batch for r in told] == [0, 2, 4, 6, 8, 10, 12, 14, 16]  # type: ignore[union-attr]
    assert load(path).batch == 16
    # and one that is finished has nothing more to do
    stack = network()
    (last,) = list(train(stack, DATA, program, **HOW, resume=path))
    assert isinstance(last, Report)
    assert last.batch == 16
    whole = network()
    list(train(whole, DATA, program, **HOW))
    assert bits(stack) == bits(whole)


def test_again_and_again_from_the_same_file(tmp_path: Path) -> None:
    path, program = tmp_path / "run.npz", complete_unlock(TWO, staleness=3)
    start = network(input_hidden=(3,))
    whole, stack = start.copy(), start.copy()
    list(train(whole, DATA, program, **HOW))
    interrupted(stack, DATA, program, 2, **HOW, checkpoint=path)
    batches = [load(path).batch]
    while batches[-1] < 16:
        stack = start.copy()
        events = train(stack, DATA, program, **HOW, resume=path, checkpoint=path)
        first, _ = next(events), next(events)
        assert first.batch == batches[-1]
        events.close()  # type: ignore[attr-defined]
        batches.append(load(path).batch)
    assert batches == [2, 4, 6, 8, 10, 12, 14, 16]
    stack = start.copy()
    list(train(stack, DATA, program, **HOW, resume=path))
    assert bits(stack) == bits(whole)


def test_a_finished_run_is_written_to_another_place_too(tmp_path: Path) -> None:
    path, other = tmp_path / "run.npz", tmp_path / "other.npz"
    stack = network()
    list(train(stack, DATA, pipeline(TWO), **HOW, checkpoint=path))
    (report,) = resumed(path, checkpoint=other)
    assert load(other).batch == report.batch == 16
    again = network()
    list(train(again, DATA, pipeline(TWO), **HOW, resume=other))
    assert bits(again) == bits(stack)


@pytest.mark.skipif(os.name == "nt", reason="no such modes")
@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_others_may_read_what_they_may_read_of_any_file(mask: int, tmp_path: Path) -> None:
    path, plain = tmp_path / "run.npz", tmp_path / "plain"
    before = os.umask(mask)
    try:
        write(path, pipeline(TWO))
        plain.touch()
    finally:
        os.umask(before)
    assert path.stat().st_mode == plain.stat().st_mode


def test_nothing_is_touched_before_the_first_report_is_asked_for(tmp_path: Path) -> None:
    path, program = tmp_path / "run.npz", pipeline(TWO)
    write(path, program)
    stack = network()
    before = bits(stack)
    events = train(stack, DATA, program, **HOW, resume=path)
    assert bits(stack) == before
    next(events)
    assert bits(stack) != before
    events.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("fails", ["savez", "fsync", "replace"])
def test_what_fails_on_the_way_leaves_the_last_whole_one(
    fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, program = tmp_path / "run.npz", pipeline(TWO)
    write(path, program)
    before = path.read_bytes()

    def full(file: Any, *arguments: Any, **named: Any) -> None:
        if fails == "savez":
            file.write(b"the first half")
        raise OSError("no space left")

    with monkeypatch.context() as broken:
        broken.setattr(np if fails == "savez" else os, fails, full)
        with pytest.raises(OSError, match="no space left"):
            write(path, program)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["run.npz"]


@pytest.mark.parametrize("saved", [True, False])
def test_a_disk_that_is_full(saved: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, program = tmp_path / "run.npz", pipeline(TWO)
    last = "There is no checkpoint to go on from"
    if saved:
        write(path, program)  # and this one is whole
        last = (
            r"The last checkpoint is '.*run\.npz', at batch 4: Checkpointed\(exec.*, resume='.*run"
        )

    def full(file: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    says = rf"No space left on device: '.*run\.npz' can't be written at batch 0\. {last}"
    with pytest.raises(OSError, match=says) as failed:
        write(path, program)
    assert failed.value.errno == errno.ENOSPC


KILLED = """
import os, signal, sys
import numpy as np
from dnilab.lessons.many_machines.training import checkpoint
from dnilab.lessons.many_machines.training.state import RunState

def half(file, **arrays):
    file.write(b"the first half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)

np.savez = half
checkpoint.save(sys.argv[1], {}, 0, RunState(0))
"""


@pytest.mark.skipif(os.name == "nt", reason="kills with a signal")
def test_what_a_killed_run_left_half_written_is_tidied_up(tmp_path: Path) -> None:
    for name in ("run.npz", "other.npz"):
        command = [sys.executable, "-c", KILLED, str(tmp_path / name)]
        done = subprocess.run(command, cwd=Path(__file__).parents[3], timeout=60, check=False)
        assert done.returncode == -9
    assert len(os.listdir(tmp_path)) == 2
    write(tmp_path / "run.npz", pipeline(TWO))
    (left,) = {*os.listdir(tmp_path)} - {"run.npz"}  # somebody may be writing the other one
    assert left.endswith(".part")
    write(tmp_path / "other.npz", pipeline(TWO))
    assert sorted(os.listdir(tmp_path)) == ["other.npz", "run.npz"]


def test_two_runs_that_save_to_one_file_leave_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, program, real = tmp_path / "run.npz", pipeline(TWO), os.replace
    tidied = []

    def tidied_up_by_the_other(part: Path, place: Path) -> None:
        if not tidied:
            tidied.append(part)
            part.unlink()
        real(part, place)

    monkeypatch.setattr(os, "replace", tidied_up_by_the_other)
    write(path, program)
    assert tidied
    assert load(path).batch == 4
    assert os.listdir(tmp_path) == ["run.npz"]


def test_numpy_integers_are_written_as_plain_ones(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    groups = [list(np.arange(1, 2)), list(np.arange(2, 4))]
    write(path, pipeline(groups, staleness=np.int64(2)), seed=np.int64(7))
    list(resumed(path, pipeline(((1,), (2, 3)), staleness=2), seed=7))
    write(path, sparse(3, seed=np.int64(7)))
    list(resumed(path, sparse(3, seed=7)))
    # and in a program that is written by hand
    steps = [Step("forward_update", 1), Step("forward_update", np.int64(2)), Step("fit", 1)]
    two = network((4, 5, 2))
    write(path, Program("by hand", np.int64(2), (tuple(steps),)), two.copy())
    list(train(two, DATA, sequential(2), **HOW, resume=path))


# ---- what is no checkpoint, or not of this run ---------------------------------------------------


def resumed(path: Any, program: Program | None = None, **how: Any) -> Any:
    return train(network(), DATA, program or pipeline(TWO), **{**HOW, **how}, resume=path)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_torn_file(share: float, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    write(path, pipeline(TWO))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"run\.npz' is not a whole checkpoint of dnilab"):
        resumed(path)


def test_a_file_with_a_flipped_bit(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    write(path, pipeline(TWO))
    whole = bytearray(path.read_bytes())
    theta = load(path).state.thetas[1, "body"][0].tobytes()
    whole[whole.index(theta) + 3] ^= 16
    path.write_bytes(whole)
    with pytest.raises(ValueError, match=r"is not a whole checkpoint of dnilab \(BadZipFile"):
        resumed(path)


def encrypted(whole: bytearray) -> None:
    whole[whole.rindex(b"PK\x01\x02") + 8] |= 1  # a flag in the archive's table of contents


def compressed_by_nothing_known(whole: bytearray) -> None:
    whole[whole.rindex(b"PK\x01\x02") + 10] = 77


@pytest.mark.parametrize("damage", [encrypted, compressed_by_nothing_known])
def test_a_damaged_table_of_contents(damage: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    write(path, pipeline(TWO))
    whole = bytearray(path.read_bytes())
    damage(whole)
    path.write_bytes(whole)
    with pytest.raises(ValueError, match=r"run\.npz' is not a whole checkpoint of dnilab"):
        load(path)


def test_a_changed_byte_in_the_header_of_an_array(tmp_path: Path) -> None:
    # NumPy reads half of the numbers then, and zip compares its sum at a member's end only
    path, wide = tmp_path / "run.npz", (4, 200, 5, 2)
    program = pipeline(TWO, staleness=3)
    write(path, program, network(wide))
    kinds = {key[0] for key in load(path).state.pending}
    assert kinds == {"guess", "message"}
    whole = path.read_bytes()
    places = [found.start() for found in re.finditer(b"'<f8'", whole)]
    assert len(places) > 20
    for place in places:
        path.write_bytes(whole[: place + 3] + b"4" + whole[place + 4 :])
        with pytest.raises(ValueError, match=r"run\.npz' is not a whole checkpoint of dnilab"):
            train(network(wide), DATA, program, **HOW, resume=path)


@given(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_whatever_bit_is_flipped(
    tmp_path_factory: pytest.TempPathFactory, at: float, bit: int
) -> None:
    path = tmp_path_factory.mktemp("run") / "run.npz"
    write(path, pipeline(TWO))
    whole = bytearray(path.read_bytes())
    whole[int(at * len(whole))] ^= 1 << bit
    path.write_bytes(whole)
    with suppress(ValueError):
        list(resumed(path))  # not all bits matter: when the file was written, for one


def save_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.arange(3))


def save_others(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, a=np.arange(3))


def save_pickle(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, header=np.array([print], dtype=object))


def save_other_header(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, header=np.array(json.dumps({"format": "another"})))


def save_unfinished_shape(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        told = b"{'descr': '<f8', 'fortran_order': False, 'shape': ("
        archive.writestr("header.npy", b"\x93NUMPY\x01\x00" + bytes([len(told), 0]) + told)


@pytest.mark.parametrize(
    "make",
    [
        save_unfinished_shape,
        lambda path: path.write_text("weights", "utf-8"),
        lambda path: path.write_bytes(b""),
        save_array,
        save_others,
        save_pickle,
        save_other_header,
    ],
)
def test_a_foreign_file(make: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    make(path)
    with pytest.raises(ValueError, match=r"run\.npz' is not a whole checkpoint of dnilab"):
        resumed(path)


def rewritten(path: Path, **changes: Any) -> None:
    """The checkpoint at ``path`` again, with something else in its state or beside it."""
    one = load(path)
    run, batch = changes.pop("run", one.run), changes.pop("batch", one.batch)
    save(path, run, batch, replace(one.state, **changes))


@pytest.mark.parametrize(
    "change",
    [{"run": [1]}, {"run": None}, {"batch": "4"}, {"turn": -3}, {"turn": 1.5}, {"turn": None}],
)
def test_a_header_of_something_else(change: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    write(path, pipeline(TWO))
    rewritten(path, **change)
    with pytest.raises(ValueError, match=r"run\.npz' is not a whole checkpoint of dnilab \("):
        resumed(path)


def without_one(values: dict[Any, Any]) -> dict[Any, Any]:
    return {key: values[key] for key in list(values)[1:]}


def with_one_more(values: dict[Any, Any]) -> dict[Any, Any]:
    (first, *others), one = next(iter(values)), next(iter(values.values()))
    strange: tuple[Any, ...] = ("h", 9, 9) if isinstance(first, str) else (9, *others)
    return {**values, strange: one}


def other_arrays(change: Any) -> Any:
    """Change every array in what a state holds."""

    def changed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: changed(one) for key, one in value.items()}
        if isinstance(value, list):
            return [changed(one) for one in value]
        return change(value) if isinstance(value, np.ndarray) else value

    return changed


@pytest.mark.parametrize(
    "change",
    [
        lambda values: {},
        without_one,
        with_one_more,
        other_arrays(lambda array: array[:1]),  # NumPy would spread it over all the others
        other_arrays(lambda array: np.float64(3)),
        other_arrays(lambda array: array.astype("float32")),
        other_arrays(lambda array: array[..., :1]),
    ],
    ids=["none", "one less", "one more", "shorter", "a number", "of another dtype", "narrower"],
)
@pytest.mark.parametrize("name", ["thetas", "memories", "pending", "made_with"])
def test_a_state_that_the_run_can_not_have(name: str, change: Any, tmp_path: Path) -> None:
    path, program = tmp_path / "run.npz", pipeline(TWO, staleness=3, guess_again=False)
    write(path, program)
    rewritten(path, **{name: change(getattr(load(path).state, name))})
    stack = network()
    before = bits(stack)
    with pytest.raises(ValueError, match=rf"^resume is '.*run\.npz', whose {name} this run can't"):
        train(stack, DATA, program, **HOW, resume=path)
    assert bits(stack) == before


@pytest.mark.parametrize("change", [{"turn": 999}, {"batch": 5}, {"turn": 17, "batch": 17}])
def test_a_turn_that_the_run_does_not_have(change: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    write(path, sequential(3))
    rewritten(path, **change)
    name = next(iter(change))
    with pytest.raises(ValueError, match=rf"^resume is .*, whose {name} this run can't have"):
        resumed(path, sequential(3))


def test_a_memory_of_words(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    write(path, pipeline(TWO))
    rewritten(path, memories={k: {**m, "step": "x"} for k, m in load(path).state.memories.items()})
    with pytest.raises(ValueError, match=r"^resume is .*, whose memories this run can't have"):
        resumed(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"^there is no checkpoint at '.*none\.npz'"):
        resumed(tmp_path / "none.npz")


@pytest.mark.parametrize("version", [1, 2, 7])
def test_a_checkpoint_of_another_version(
    version: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.npz"
    with monkeypatch.context() as other:
        other.setattr(checkpoint, "VERSION", version)
        write(path, pipeline(TWO))
    with pytest.raises(ValueError, match=rf"of version {version}; this dnilab accepts version 3$"):
        resumed(path)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("program", {"program": pipeline(TWO, staleness=2)}),
        ("program", {"program": sequential(3)}),
        ("stack", {"stack": network((4, 6, 4, 2))}),
        ("stack", {"stack": network(context=("h",))}),
        ("stack", {"stack": network(activation="relu")}),
        ("stack", {"stack": network(batch_norm=True)}),
        ("stack", {"stack": network(dtype="float32"), "data": DATA.astype("float32")}),
        ("data", {"data": small_data(seed=1)}),
        ("optimiser", {"optimiser": Adam(0.02)}),
        ("optimiser", {"optimiser": Momentum(0.01)}),
        ("generator_optimiser", {"generator_optimiser": SGD(0.01)}),
        ("batch_size", {"batch_size": 4}),
        ("epochs", {"epochs": 5}),
        ("seed", {"seed": 1}),
    ],
)
def test_a_checkpoint_of_another_run(name: str, change: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    write(path, pipeline(TWO))
    stack, data = change.pop("stack", network()), change.pop("data", DATA)
    program = change.pop("program", pipeline(TWO))
    before = bits(stack)
    with pytest.raises(
        ValueError, match=rf"^resume is '.*run\.npz', of a run with (another )?{name}"
    ):
        train(stack, data, program, **{**HOW, **change}, resume=path)
    assert bits(stack) == before


class Times(Layer):
    """A kind of layer that nobody has heard of: y = factor x, here or in a layer inside it."""

    factor = 1.0

    def __init__(self, factor: float | None = None, *, inside: Times | None = None) -> None:
        if factor is not None:
            self.factor = factor
        self.inside = inside

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        return self.predict(x), lambda dy, want_dx=True: (self.predict(dy), [])

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.factor * x if self.inside is None else self.inside.predict(x)


def of_images(*layers: Any, generator: Any = None) -> Stack:
    """Two modules for rows of 16 pixels; the lower one has these layers, and gives images."""
    rng = np.random.default_rng(0)
    below = Chain([Dense(16, 16, rng), *layers])
    size = below(np.linspace(0, 1, 32).reshape(2, 16))[0][0].size
    top = Chain([Flatten(), Dense(size, 2, rng)])
    return Stack([Module(below, generator), Module(top)], BinaryCrossEntropy())


class TimesMore(Times):
    def predict(self, x: np.ndarray) -> np.ndarray:
        return 1.5 * super().predict(x)


TimesMore.__name__ = "Times"  # what becomes of a layer that somebody has edited


def conv(**how: int) -> Conv2D:
    return Conv2D(1, 2, 3, np.random.default_rng(0), **how)


def folding(*image: int) -> dict[str, Any]:
    return {"generator": ConvGenerator((2, 2, 1), ("h", "x"), image=image)}  # type: ignore[arg-type]


SQUARE = ToImage(4, 4)
ALIKE: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    "stride and padding": ((SQUARE, conv()), (SQUARE, conv(stride=2, padding=1))),
    "window of a pool": ((SQUARE, MeanPool2D(2)), (SQUARE, MeanPool2D(3, stride=1))),
    "kind of pool": ((SQUARE, MeanPool2D(2)), (SQUARE, MaxPool2D(2))),
    "shape": ((SQUARE, MeanPool2D(2)), (ToImage(2, 8), MeanPool2D(2))),
    "epsilon": ((SQUARE, ChannelNorm(1)), (SQUARE, ChannelNorm(1, epsilon=1e-3))),
    "of a new kind": ((SQUARE, Times(2)), (SQUARE, Times(3))),
    "of its class": ((SQUARE, Times()), (SQUARE, type("Times", (Times,), {"factor": 3})())),
    "with another function": ((SQUARE, Times(2)), (SQUARE, TimesMore(2))),
    "inside": ((SQUARE, Times(inside=Times(2))), (SQUARE, Times(inside=Times(3)))),
}


def refused_and_accepted(stack: Stack, other: Stack, path: Path) -> None:
    data, program = small_data(inputs=16), backprop(2)
    assert [v.shape for v in stack.thetas] == [v.shape for v in other.thetas]
    again = stack.copy()
    interrupted(stack, data, program, 3, **HOW, checkpoint=path)
    with pytest.raises(ValueError, match=r"^resume is .* of a run with another stack"):
        train(other, data, program, **HOW, resume=path)
    for one in (again, stack):  # a copy, and one that was used already
        list(train(one, data, program, **HOW, resume=path))
    assert bits(again) == bits(stack)


@pytest.mark.parametrize(("these", "others"), ALIKE.values(), ids=ALIKE)
def test_layers_of_equal_sizes_that_are_made_otherwise(
    these: Any, others: Any, tmp_path: Path
) -> None:
    refused_and_accepted(of_images(*these), of_images(*others), tmp_path / "run.npz")


def test_generators_of_equal_sizes_that_are_made_otherwise(tmp_path: Path) -> None:
    def stack(*image: Any) -> Stack:
        generator = ConvGenerator((2, 2, 1), ("h", "x"), image=image)
        return of_images(SQUARE, MeanPool2D(2), generator=generator)

    refused_and_accepted(stack(4, 4, 1), stack(2, 8, 1), tmp_path / "run.npz")


def with_others(stack: Stack) -> None:
    """Draw what is fixed and not learned again, and let readouts have another loss."""
    for module in stack.modules:
        for one in (module.signal, *module.body.layers):
            if hasattr(one, "B"):
                one.B *= -1
            if hasattr(one, "loss"):
                one.loss = SquaredError()


@pytest.mark.parametrize(
    ("how", "program"),
    [
        ({"signals": "feedback"}, direct_feedback(3)),
        ({"context": None, "fixed_feedback": True}, backprop(3)),
        ({"signals": "readout"}, local_loss(TWO)),
    ],
    ids=["feedback", "fixed feedback", "readout"],
)
def test_what_is_not_learned_and_not_in_the_file(how: Any, program: Any, tmp_path: Path) -> None:
    stack = network(**how)
    path, again, other = tmp_path / "run.npz", stack.copy(), stack.copy()
    with_others(other)
    write(path, program, stack)
    with pytest.raises(ValueError, match=r"^resume is .* of a run with another stack"):
        train(other, DATA, program, **HOW, resume=path)
    for one in (again, stack):
        list(train(one, DATA, program, **HOW, resume=path))
    assert bits(again) == bits(stack)


def test_networks_that_are_wired_otherwise(tmp_path: Path) -> None:
    def wired(late: int) -> Stack:
        below = network((4, 6, 2), context=None).modules[0]
        body = Chain([Concatenate((6, 6)), Dense(12, 2, np.random.default_rng(0))])
        heard = (((0, 0),), ((1, 0), (1, late)))
        signal = Readout(6, 2, BinaryCrossEntropy(), rng=np.random.default_rng(0))
        return Stack([Module(below.body, signal), Module(body)], BinaryCrossEntropy(), heard)

    path, one, other = tmp_path / "run.npz", wired(1), wired(2)
    write(path, sequential(wiring_of(one)), one)
    list(train(wired(1), DATA, sequential(wiring_of(one)), **HOW, resume=path))
    with pytest.raises(ValueError, match=r"^resume is .* of a run with another stack"):
        train(other, DATA, sequential(wiring_of(other)), **HOW, resume=path)


def test_what_differs_is_told_if_it_is_short(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    write(path, pipeline(TWO))
    for change, words in [
        ({"epochs": 5}, "with epochs 4; here it accepts a checkpoint of a run with epochs 5"),
        ({"optimiser": SGD(0.5)}, r"with optimiser 'Adam\(rate=0.01, .*\)'; here it .*SGD"),
    ]:
        with pytest.raises(ValueError, match=words):
            resumed(path, **change)


def test_a_sparse_program_is_another_with_another_seed(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    write(path, sparse(3, p=0.5, seed=1))
    list(resumed(path, sparse(3, p=0.5, seed=1)))
    for other in (sparse(3, p=0.5, seed=2), sparse(3, p=0.6, seed=1)):
        with pytest.raises(ValueError, match=r"of a run with another program; here"):
            resumed(path, other)


# ---- asked for what can't be ---------------------------------------------------------------------


@pytest.mark.parametrize("executor", ["threads"])
def test_workers_that_do_not_rest_together(executor: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^checkpoint is .*, and executor is 'threads'"):
        write(tmp_path / "run.npz", pipeline(TWO), executor=executor)


def test_a_pullback_from_turn_to_turn(tmp_path: Path) -> None:
    forward = [Step("forward", 1), Step("forward", 2)]
    back = [Step(op, k, -1) for k in (2, 1) for op in ("backward", "update")]
    program = Program("late backprop", 2, ((*forward, *back),))
    stack = network((4, 5, 2), context=None)
    list(train(stack, DATA, program, **HOW))  # it runs, but can't be written down
    with pytest.raises(ValueError, match=r"^checkpoint can't hold the \w+ of module 2"):
        write(tmp_path / "run.npz", program, stack)


def test_an_optimiser_that_does_not_tell_its_memory(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a checkpoint accepts the optimisers sgd, momentum"):
        write(tmp_path / "run.npz", pipeline(TWO), optimiser=FailingSGD(0.1))


@pytest.mark.parametrize("name", ["checkpoint", "resume"])
@pytest.mark.parametrize("place", ["", 3, b"run", "no/such/folder/run.npz", "."])
def test_what_is_no_place_for_a_file(name: str, place: Any) -> None:
    accepts = "the path of a file|a file in a folder that exists"
    with pytest.raises(ValueError, match=rf"^{name} is .*; it accepts ({accepts})"):
        train(network(), DATA, pipeline(TWO), **HOW, **{name: place})


def test_how_often_is_checked(tmp_path: Path) -> None:
    how = {**HOW, "checkpoint_every": 5}
    with pytest.raises(ValueError, match=r"^checkpoint_every is 5, and checkpoint is None"):
        train(network(), DATA, pipeline(TWO), **how)
    how["checkpoint_every"] = 0
    with pytest.raises(ValueError, match=r"^checkpoint_every is 0; it accepts"):
        train(network(), DATA, pipeline(TWO), **how, checkpoint=tmp_path / "run.npz")


def test_states_of_one_turn() -> None:
    theta = np.ones(2)
    whole = merged([RunState(3, {(1, "body"): [theta]}), RunState(3, {(2, "body"): [theta]})])
    assert whole.thetas.keys() == {(1, "body"), (2, "body")}
    with pytest.raises(ValueError, match=r"^states are of turns \[3, 4\]"):
        merged([RunState(3), RunState(4)])


# ---- the parts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("optimiser", [SGD(0.1), Momentum(0.1), Adam(0.1)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_updater_goes_on_where_another_one_was(optimiser: Any, dtype: str) -> None:
    rng = np.random.default_rng(0)
    grads = [[rng.standard_normal(5).astype(dtype)] for _ in range(8)]
    whole, first = [np.ones(5, dtype)], [np.ones(5, dtype)]
    one, two = optimiser.start(whole), optimiser.start(first)
    for grad in grads:
        one(grad, 3)
    for grad in grads[:5]:
        two(grad, 3)
    kept = {
        name: [array.copy() for array in value] if isinstance(value, list) else value
        for name, value in memory_of(two).items()
    }
    third = [first[0].copy()]
    three = optimiser.start(third)
    three(grads[0], 3)  # whatever it was before
    third[0][:] = first[0]
    remember(three, kept)
    for grad in grads[5:]:
        three(grad, 3)
    assert third[0].tobytes() == whole[0].tobytes()


def test_a_memory_of_another_optimiser() -> None:
    adam, momentum = Adam(0.1).start([np.ones(2)]), Momentum(0.1).start([np.ones(2)])
    with pytest.raises(ValueError, match=r"^memory has \['velocities'\]; this optimiser accepts"):
        remember(adam, memory_of(momentum))


@pytest.mark.parametrize("begin", [0, 1, 4, 5, 13])
def test_a_feed_that_begins_later_gives_the_same_batches(begin: int) -> None:
    early, late = Feed(DATA, 3, 5), Feed(DATA, 3, 5)
    late.skip(begin)
    for t in range(begin, begin + 6):
        assert early.x(t).tobytes() == late.x(t).tobytes()
        assert early.y(t).tobytes() == late.y(t).tobytes()
