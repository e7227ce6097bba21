"""Settings choose the ordering and the executor; every pair that fits runs."""

from __future__ import annotations

from typing import Any

import pytest

from dnilab.experiments import Settings, run, stream
from dnilab.experiments.settings import ORDERINGS
from dnilab.here import processes_can_fork
from dnilab.orderings import check, sparse
from dnilab.training import EXECUTORS
from tests.training.by_hand import bits
from tests.training.planted import nothing_left

SMALL = Settings(bits=5, examples=60, test_examples=20, hidden=(6, 5), epochs=2, batch_size=10)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("workers", 0, "workers is 0; it accepts"),
        ("workers", 1.0, "workers is 1.0; it accepts"),
        ("workers", 4, "workers is 4; it accepts 1 to 3, the number of modules"),
        ("staleness", -1, "staleness is -1; it accepts"),
        ("staleness", None, "staleness is None; it accepts"),
        ("batches_per_turn", 0, "batches_per_turn is 0; it accepts"),
        ("batches_per_turn", 3, "batches_per_turn is 3; it accepts 1 to 1, the staleness"),
        ("p", 0, "p is 0; it accepts a number above 0 and at most 1"),
        ("p", 1.01, "p is 1.01; it accepts"),
        ("executor", "processes", "executor is 'processes'; it accepts one of"),
        ("executor", 1, "executor is 1; it accepts one of"),
    ],
)
def test_checked(field: str, value: Any, says: str) -> None:
    with pytest.raises(ValueError, match=rf"^{says}"):
        SMALL.but(ordering="pipeline", **{field: value})


def test_fields_reach_the_program() -> None:
    pipe = SMALL.but(ordering="pipeline", workers=3, staleness=5, batches_per_turn=4).program()
    assert len(pipe.workers) == 3
    assert (pipe.lag, pipe.batches_per_turn) == (5, 4)
    assert len(SMALL.but(ordering="pipeline", workers=1).program().workers) == 1
    drawn = SMALL.but(ordering="sparse", p=0.2, seed=3).program()
    assert drawn == sparse(3, p=0.2, seed=3)
    assert drawn != SMALL.but(ordering="sparse", p=0.3, seed=3).program()
    assert SMALL.but(ordering="blue box").program().races


def test_groups_by_the_cost_model() -> None:
    published = Settings(hidden=(128, 64), context=("h",), ordering="pipeline", workers=2)
    assert published.groups(published.data()) == ((1,), (2, 3))
    owners = check(published.program())
    assert owners == {1: 0, 2: 1, 3: 1}


@pytest.mark.parametrize(
    ("ordering", "executor"),
    [
        ("backprop", "one thread"),
        ("sequential", "one thread"),
        ("sparse", "one thread"),
        ("last layer only", "one thread"),
        ("pipeline", "threads"),
        ("blue box", "thread per fit"),
    ],
)
def test_the_executor_of_an_ordering(ordering: str, executor: str) -> None:
    settings = SMALL.but(ordering=ordering)
    assert settings.executor_name() == executor
    assert settings.but(executor="one thread").executor_name() == "one thread"


@pytest.mark.parametrize("ordering", ORDERINGS)
@pytest.mark.parametrize("executor", [None, *EXECUTORS])
def test_every_pair_runs_or_is_refused_in_words(ordering: str, executor: str | None) -> None:
    if executor == "process per fit" and not processes_can_fork():
        pytest.skip("this system can't fork")
    published = executor in ("thread per fit", "process per fit")
    fits = executor in (None, "one thread") or published == (ordering == "blue box")
    with nothing_left():
        if not fits:
            with pytest.raises(ValueError, match=rf"^executor is '{executor}'"):
                run(SMALL.but(ordering=ordering, executor=executor))
            return
        result = run(SMALL.but(ordering=ordering, executor=executor))
    assert result.diverged is None
    assert [report.batch for report in result.reports] == [0, 6, 12]
    if executor in (None, "threads") and ordering != "blue box":
        one = run(SMALL.but(ordering=ordering, executor="one thread"))
        assert bits(result.stack) == bits(one.stack)
        assert (result.curve("test_loss") == one.curve("test_loss")).all()


@pytest.mark.usefixtures("in_a_browser")
def test_in_a_browser_one_thread_runs_them_all_to_the_same_bits() -> None:
    for ordering in ORDERINGS:
        settings = SMALL.but(ordering=ordering)
        assert settings.executor_name() == "one thread"
        one = run(settings.but(executor="one thread"))
        executors = [None] if ordering == "blue box" else [None, "threads"]
        for executor in executors:
            assert bits(run(settings.but(executor=executor)).stack) == bits(one.stack)
    with pytest.raises(ValueError, match="accepts systems that can fork"):
        run(SMALL.but(ordering="blue box", executor="process per fit"))
    with pytest.raises(ValueError, match=r"^executor is 'threads'"):  # as everywhere
        run(SMALL.but(ordering="blue box", executor="threads"))


def test_a_stream_on_threads_can_be_closed() -> None:
    with nothing_left():
        events = stream(SMALL.but(ordering="pipeline", epochs=10_000))
        assert next(events).batch == 0
        assert next(events).batch == 6
        events.close()  # type: ignore[attr-defined]
