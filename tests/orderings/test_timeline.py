"""The ideal timeline: tiny programs by hand, and what must hold for any program."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dnilab.lessons.update_orderings.critical_path import critical_path
from dnilab.orderings import (
    OPERATIONS,
    IllegalProgram,
    Program,
    Slot,
    Step,
    Value,
    backprop,
    blue_box,
    even_groups,
    ideal_timeline,
    last_layer_only,
    module_times,
    multiplications,
    needs_and_makes,
    pipeline,
    sequential,
    sparse,
    speed_up_limit,
    time_per_batch,
    unroll,
)

# module 1: forward and update 3, fit 1; module 2: forward and update 2
TIMES = {("forward_update", 1): 3.0, ("fit", 1): 1.0, ("forward_update", 2): 2.0}
SHORT = {"forward_update": "U", "fit": "F", "forward": "f", "backward": "b", "update": "u"}


def drawn(slots: list[Slot]) -> list[str]:
    """As "worker: operation module (batch) start-end"."""
    return [
        f"{s.worker}: {SHORT[s.step.op]}{s.step.module}({s.step.batch}) {s.start:g}-{s.end:g}"
        for s in slots
    ]


def test_the_red_box_is_one_step_after_the_other() -> None:
    assert drawn(ideal_timeline(sequential(2), TIMES, batches=2)) == [
        *("0: U1(0) 0-3", "0: U2(0) 3-5", "0: F1(0) 5-6"),
        *("0: U1(1) 6-9", "0: U2(1) 9-11", "0: F1(1) 11-12"),
    ]
    assert time_per_batch(sequential(2), TIMES) == 6
    assert speed_up_limit(sequential(2), TIMES) == 1
    assert speed_up_limit(sequential(2), TIMES, cores=8) == 1


def test_the_blue_box_by_hand() -> None:
    # the fit is on a thread of its own, so the next batch begins at 5 and not at 6
    assert drawn(ideal_timeline(blue_box(2), TIMES, batches=2)) == [
        *("0: U1(0) 0-3", "0: U2(0) 3-5", "0: U1(1) 5-8"),
        *("1: F1(0) 5-6", "0: U2(1) 8-10", "1: F1(1) 10-11"),
    ]
    assert time_per_batch(blue_box(2), TIMES) == 5
    assert speed_up_limit(blue_box(2), TIMES) == pytest.approx(6 / 5)
    # on one core a thread brings nothing
    assert time_per_batch(blue_box(2), TIMES, cores=1) == 6


def test_a_pipeline_by_hand() -> None:
    program = pipeline(((1,), (2,)), staleness=1, guess_again=False)
    assert drawn(ideal_timeline(program, TIMES, batches=3)) == [
        "0: U1(0) 0-3",
        "0: U1(1) 3-6",
        "1: U2(0) 3-5",
        "0: F1(0) 6-7",  # its target was there at 5
        "1: U2(1) 6-8",
        "0: U1(2) 7-10",
        "0: F1(1) 10-11",
        "1: U2(2) 10-12",
        "0: F1(2) 12-13",
    ]
    assert time_per_batch(program, TIMES) == 4
    assert speed_up_limit(program, TIMES) == 6 / 4


def test_without_staleness_the_worker_below_has_to_wait() -> None:
    program = pipeline(((1,), (2,)), staleness=0)
    assert drawn(ideal_timeline(program, TIMES, batches=2)) == [
        *("0: U1(0) 0-3", "1: U2(0) 3-5", "0: F1(0) 5-6"),
        *("0: U1(1) 6-9", "1: U2(1) 9-11", "0: F1(1) 11-12"),
    ]
    assert speed_up_limit(program, TIMES) == 1


def test_parcels_by_hand() -> None:
    program = pipeline(((1,), (2,)), staleness=2, batches_per_turn=2, guess_again=False)
    assert drawn(ideal_timeline(program, TIMES, batches=4)) == [
        "0: U1(0) 0-3",
        "0: U1(1) 3-6",  # and now both go up
        "0: U1(2) 6-9",
        "1: U2(0) 6-8",
        "1: U2(1) 8-10",  # and now both messages go down
        "0: F1(0) 10-11",
        "0: U1(3) 11-14",
        "0: F1(1) 14-15",
        "1: U2(2) 15-17",
        "1: U2(3) 17-19",
        "0: F1(2) 19-20",
        "0: F1(3) 20-21",
    ]


def test_two_workers_on_one_core_by_hand() -> None:
    program = pipeline(((1,), (2,)), staleness=1, guess_again=False)
    assert drawn(ideal_timeline(program, TIMES, cores=1, batches=2)) == [
        "0: U1(0) 0-3",
        "1: U2(0) 3-5",  # both are ready: the higher module goes first
        "0: U1(1) 5-8",
        "1: U2(1) 8-10",
        "0: F1(0) 10-11",
        "0: F1(1) 11-12",
    ]
    assert speed_up_limit(program, TIMES, cores=1) == 1


def test_three_workers_on_two_cores_by_hand() -> None:
    # no fits: three modules of 2, 3 and 4, one batch behind the other
    steps = [(Step("forward_update", k),) for k in (1, 2, 3)]
    times = {("forward_update", k): k + 1.0 for k in (1, 2, 3)}
    program = Program("three", 3, tuple(steps))
    assert drawn(ideal_timeline(program, times, cores=2, batches=3)) == [
        "0: U1(0) 0-2",
        "0: U1(1) 2-4",
        "1: U2(0) 2-5",
        "0: U1(2) 4-6",  # ready at 4, and a core was free
        "2: U3(0) 5-9",
        "1: U2(1) 6-9",
        "1: U2(2) 9-12",
        "2: U3(1) 9-13",
        "2: U3(2) 13-17",
    ]


def test_the_limit_of_the_published_network_in_two_groups() -> None:
    costs = multiplications((24, 128, 64, 12))
    groups = even_groups(module_times(sequential(3), costs), 2)
    work, slowest = 38912 + 32768 + 2304, 38912
    for staleness in (1, 4):
        program = pipeline(groups, staleness=staleness, guess_again=False)
        assert speed_up_limit(program, costs) == pytest.approx(work / slowest, rel=1e-12)
        assert speed_up_limit(program, costs, cores=2) == pytest.approx(work / slowest, rel=1e-12)
        assert speed_up_limit(program, costs, cores=1) == pytest.approx(1, rel=1e-12)
    in_parcels = pipeline(groups, staleness=64, batches_per_turn=16, guess_again=False)
    assert speed_up_limit(in_parcels, costs) == pytest.approx(work / slowest, rel=1e-12)
    assert work / slowest == pytest.approx(1.9013, abs=1e-4)


def test_drawn_updates_are_counted_as_drawn() -> None:
    times = {
        (op, k): 1.0
        for op in ("forward_guess", "forward", "pull", "backward", "update", "fit")
        for k in (1, 2, 3)
    }
    program = sparse(3, p=0.2, seed=1)
    # one worker is never faster than its own steps, however few were drawn
    assert speed_up_limit(program, times) == pytest.approx(1)
    assert speed_up_limit(program, times, cores=1) == pytest.approx(1)
    assert 3 < time_per_batch(program, times) < time_per_batch(sparse(3, p=1.0), times) == 11


def test_critical_path_of_backprop_is_the_whole_chain() -> None:
    times = {(op, k): 1.0 for op in ("forward", "backward", "update") for k in (1, 2, 3)}
    path = [f"{step.op} {step.module}" for step in critical_path(backprop(3), times)]
    # all but the updates that nobody waits for
    assert path == [
        *("forward 1", "forward 2", "forward 3"),
        *("backward 3", "backward 2", "backward 1", "update 1"),
    ]


def test_critical_path_of_the_pipeline_is_shorter_than_its_work() -> None:
    times = {(op, k): 1.0 for op in ("forward_update", "fit") for k in (1, 2, 3, 4)}
    for program in (
        sequential(4),
        pipeline(((1,), (2,), (3,), (4,)), staleness=3, guess_again=False),
        pipeline(((1, 2), (3, 4)), staleness=4, batches_per_turn=4, guess_again=False),
    ):
        path = critical_path(program, times)
        assert [f"{step.op} {step.module}" for step in path] == [
            *("forward_update 1", "forward_update 2", "forward_update 3", "forward_update 4"),
            "fit 3",  # 1 and 2 have been fitted long before
        ]
        assert len({step.batch for step in path}) == 1


def test_critical_path_goes_where_the_time_goes() -> None:
    times = {("forward_update", k): 1.0 for k in (1, 2, 3)} | {("fit", 1): 5.0, ("fit", 2): 1.0}
    path = critical_path(sequential(3), times)
    assert [f"{step.op} {step.module}" for step in path] == [
        *("forward_update 1", "forward_update 2", "fit 1"),
    ]


@pytest.mark.parametrize("cores", [0, -1, 1.5, "2"])
def test_cores_are_checked(cores: Any) -> None:
    for function in (ideal_timeline, time_per_batch, speed_up_limit):
        with pytest.raises(ValueError, match=r"^cores is"):
            function(sequential(2), TIMES, cores=cores)


def test_a_step_without_a_time() -> None:
    with pytest.raises(ValueError, match=r"^times has no entry for \('fit', 2\)"):
        ideal_timeline(sequential(3), {**TIMES, ("forward_update", 3): 1.0})


@pytest.mark.parametrize("function", [ideal_timeline, critical_path, time_per_batch])
@pytest.mark.parametrize("time", [-1.0, float("nan"), float("inf"), "long", None])
def test_times_are_checked(function: Any, time: Any) -> None:
    with pytest.raises(
        ValueError, match=r"^times\[\('fit', 1\)\] is .*; it accepts a number of at"
    ):
        function(sequential(2), {**TIMES, ("fit", 1): time})
    with pytest.raises(ValueError, match=r"^times has no entry for \('fit', 1\)"):
        function(sequential(2), {key: each for key, each in TIMES.items() if key[0] != "fit"})


def test_steps_that_take_no_time_have_no_speed_up() -> None:
    nothing = dict.fromkeys(TIMES, 0.0)
    assert time_per_batch(sequential(2), nothing) == 0
    for cores in (None, 1):
        with pytest.raises(ValueError, match=r"^times has nothing but 0 for these steps"):
            speed_up_limit(sequential(2), nothing, cores=cores)
    assert speed_up_limit(sequential(2), {**nothing, ("fit", 1): 2.0}) == 1


@pytest.mark.parametrize("batches", [0, -1, 1.5, None])
def test_batches_are_checked(batches: Any) -> None:
    with pytest.raises(ValueError, match=r"^batches is"):
        ideal_timeline(sequential(2), TIMES, batches=batches)


def test_an_illegal_program_has_no_timeline() -> None:
    upside_down = Program("p", 2, ((Step("forward_update", 2), Step("forward_update", 1)),))
    with pytest.raises(IllegalProgram, match=r"^forward_update of module 2"):
        ideal_timeline(upside_down, TIMES)


# ---- what holds for any program ------------------------------------------------------------------


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Any program of the course, and pipelines of every kind."""
    modules = draw(st.integers(1, 5))
    kind = draw(st.sampled_from(["one worker", "pipeline", "pipeline", "split"]))
    if kind == "one worker":
        make = draw(st.sampled_from([backprop, sequential, blue_box, last_layer_only, sparse]))
        return make(modules)
    cuts = sorted(draw(st.sets(st.integers(1, modules - 1)))) if modules > 1 else []
    groups = [tuple(range(a + 1, b + 1)) for a, b in zip([0, *cuts], [*cuts, modules], strict=True)]
    if kind == "split":  # nobody answers
        steps = [tuple(Step("forward_update", k) for k in group) for group in groups]
        return Program("split", modules, tuple(steps), 1)
    per_turn = draw(st.sampled_from([1, 1, 2, 3]))
    late = draw(st.integers(per_turn if per_turn > 1 else 0, per_turn + 3))
    return pipeline(groups, staleness=late, batches_per_turn=per_turn)


STEP_TIMES = st.fixed_dictionaries(
    {(op, k): st.integers(1, 9) for op in OPERATIONS for k in range(1, 6)}
)


def visible(program: Program, slots: list[Slot], batches: int) -> dict[Value, float]:
    """When each value is there for other workers."""
    seen = {}
    for slot in slots:
        turn_end = slot.end
        if program.parcels:
            turn_end = max(
                other.end
                for other in slots
                if other.worker == slot.worker and turn_of(program, other) == turn_of(program, slot)
            )
        for value in needs_and_makes(slot.step, program.modules)[1]:
            seen[value] = turn_end
    return seen


def turn_of(program: Program, slot: Slot) -> int:
    """The turn in which a worker of a pipeline does a step."""
    offsets = [
        step.batch
        for step in program.workers[slot.worker]
        if (step.op, step.module) == (slot.step.op, slot.step.module)
        and (slot.step.batch - step.batch) % program.batches_per_turn == 0
    ]
    return (slot.step.batch - offsets[0]) // program.batches_per_turn


@settings(max_examples=100)
@example(  # two cores once did three steps at a time here, from 12 to 14
    program=pipeline(((1,), (2,), (3,), (4,)), staleness=2, guess_again=False),
    times={("forward_update", 1): 2, ("forward_update", 2): 3, ("forward_update", 3): 2}
    | {("forward_update", 4): 2, ("fit", 1): 3, ("fit", 2): 3, ("fit", 3): 2},
    cores=2,
    n=2,
)
@given(
    program=programs(), times=STEP_TIMES, cores=st.none() | st.integers(1, 6), n=st.integers(1, 7)
)
def test_any_timeline(program: Program, times: Any, cores: int | None, n: int) -> None:
    slots = ideal_timeline(program, times, cores=cores, batches=n)
    # every step once, for as long as it takes
    everything = [step for steps in unroll(program, n) for step in steps]
    assert sorted(map(str, everything)) == sorted(str(slot.step) for slot in slots)
    for slot in slots:
        assert slot.end - slot.start == times[slot.step.op, slot.step.module]
    assert [slot.start for slot in slots] == sorted(slot.start for slot in slots)
    # each worker in its order, one step at a time
    workers: dict[int, list[Slot]] = {}
    for slot in slots:
        workers.setdefault(slot.worker, []).append(slot)
    for mine in workers.values():
        assert all(a.end <= b.start for a, b in pairwise(mine))
    for number, steps in enumerate(unroll(program, n)):
        in_line = [step for step in steps if not step.alone]
        assert [slot.step for slot in workers.get(number, [])] == in_line
    # never more at once than there are cores
    if cores is not None:
        for moment in {slot.start for slot in slots}:
            assert sum(slot.start <= moment < slot.end for slot in slots) <= cores
    # after everything that it needs, and no later than it could
    there = visible(program, slots, n)
    made = {
        value: slot for slot in slots for value in needs_and_makes(slot.step, program.modules)[1]
    }
    ends = {slot.end for slot in slots}
    for mine in workers.values():
        before = 0.0
        for slot in mine:
            earliest = before
            for value in needs_and_makes(slot.step, program.modules)[0]:
                own = made[value].worker == slot.worker
                earliest = max(earliest, made[value].end if own else there[value])
            assert slot.start >= earliest
            if cores is None:
                assert slot.start == earliest
            elif slot.start > earliest:  # all cores were busy, and one has become free
                assert slot.start in ends
            before = slot.end


@settings(max_examples=15)
@given(program=programs(), times=STEP_TIMES)
def test_no_number_of_cores_is_better_than_enough_of_them(program: Program, times: Any) -> None:
    enough = time_per_batch(program, times)
    limits = []
    for cores in (1, 2, 3, 64):
        each = time_per_batch(program, times, cores=cores)
        assert each >= enough
        limits.append(speed_up_limit(program, times, cores=cores))
        assert limits[-1] <= cores + 1e-9
    assert limits[0] == pytest.approx(1)
    assert time_per_batch(program, times, cores=64) == enough
    slowest = max(module_times(program, times)) / program.batches_per_turn
    if program.repeats and not program.races:
        assert enough >= slowest - 1e-9  # a module belongs to one worker
    path = sum(times[step.op, step.module] for step in critical_path(program, times))
    if program.repeats:  # else a batch may have had few of its steps drawn
        assert path <= max(slot.end for slot in ideal_timeline(program, times, batches=1))


# ---- values on their way -------------------------------------------------------------------------


def test_a_pipeline_with_messages_by_hand() -> None:
    program = pipeline(((1,), (2,)), staleness=1, guess_again=False)
    times = {("forward_update", 1): 2.0, ("forward_update", 2): 2.0, ("fit", 1): 1.0}
    slots = ideal_timeline(program, times, batches=2, delays={("h", 1): 3.0, ("message", 2): 1.0})
    assert [(s.worker, s.step.op, s.step.module, s.step.batch, s.start) for s in slots] == [
        (0, "forward_update", 1, 0, 0),
        (0, "forward_update", 1, 1, 2),
        (1, "forward_update", 2, 0, 5),  # made at 2, there at 5
        (1, "forward_update", 2, 1, 7),
        (0, "fit", 1, 0, 8),  # made at 7, there at 8
        (0, "fit", 1, 1, 10),
    ]


def test_one_worker_hears_itself_at_once() -> None:
    program = pipeline([(1, 2)], staleness=1, guess_again=False)
    times = {("forward_update", 1): 2.0, ("forward_update", 2): 2.0, ("fit", 1): 1.0}
    delays = {("h", 1): 100.0, ("message", 2): 100.0}
    assert ideal_timeline(program, times, delays=delays) == ideal_timeline(program, times)


def test_staleness_hides_messages() -> None:
    def speed_up(staleness: int) -> float:
        program = pipeline(((1,), (2,)), staleness=staleness, guess_again=False)
        times = {("forward_update", 1): 1.0, ("forward_update", 2): 2.0, ("fit", 1): 1.0}
        late = {("h", 1): 3.0, ("message", 2): 3.0}
        return speed_up_limit(program, times, delays=late)

    series = [speed_up(staleness) for staleness in (0, 1, 2, 4, 8)]
    assert series == sorted(series)
    assert series[0] < 1 < series[-1] == pytest.approx(2)


@pytest.mark.parametrize("delay", [-1.0, float("nan"), "long"])
def test_delays_are_checked(delay: Any) -> None:
    program = pipeline(((1,), (2,)), staleness=1, guess_again=False)
    times = {("forward_update", 1): 2.0, ("forward_update", 2): 2.0, ("fit", 1): 1.0}
    with pytest.raises(ValueError, match=r"^delays is"):
        ideal_timeline(program, times, delays={("h", 1): delay})
