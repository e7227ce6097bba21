"""What the benchmarks share: taking turns, medians, printing; on a clock of our own."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable

import pytest

from benchmarks import harness
from dnilab.lessons.shared import timing


class Clock:
    """Time that passes only when a contestant says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.log: list[tuple[str, int]] = []
        monkeypatch.setattr(timing, "perf_counter", lambda: self.now)

    def contestant(self, name: str, cost: Callable[[int], float]) -> Callable[[int], None]:
        """One whose n-th call takes cost(n) seconds for each repetition."""
        calls = 0

        def run(repetitions: int) -> None:
            nonlocal calls
            self.log.append((name, repetitions))
            self.now += cost(calls) * repetitions
            calls += 1

        return run


def test_seconds_for_one_repetition(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    medians = timing.take_turns(
        {
            "quick": clock.contestant("quick", lambda n: 0.001),
            "slow": clock.contestant("slow", lambda n: 0.5),
        },
        rounds=4,
        seconds=0.02,
    )
    assert medians == {"quick": pytest.approx(0.001), "slow": pytest.approx(0.5)}
    # warmed up and tried first; then turn by turn, each for about as long as was asked
    assert clock.log[:4] == [("quick", 3), ("quick", 5), ("slow", 3), ("slow", 5)]
    assert clock.log[4:] == [("quick", 20), ("slow", 1)] * 4


def test_the_warming_up_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    run = clock.contestant("cold", lambda n: 9.0 if n == 0 else 0.01)
    assert timing.take_turns({"cold": run}, rounds=3) == {"cold": pytest.approx(0.01)}
    assert [repetitions for _, repetitions in clock.log] == [3, 5, 2, 2, 2]


def test_a_few_rounds_that_were_disturbed_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    run = clock.contestant("disturbed", lambda n: 7.0 if n in (3, 6) else 0.01)
    assert timing.take_turns({"d": run}, rounds=5) == {"d": pytest.approx(0.01)}


def test_a_contestant_that_takes_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    assert timing.take_turns({"n": clock.contestant("n", lambda n: 0.0)}, rounds=1) == {"n": 0.0}


def test_cores_are_those_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing.os, "sched_getaffinity", lambda pid: {1, 5, 6}, raising=False)
    assert timing.cores() == 3
    monkeypatch.delattr(timing.os, "sched_getaffinity")
    monkeypatch.setattr(timing.os, "cpu_count", lambda: 7)
    assert timing.cores() == 7
    monkeypatch.setattr(timing.os, "cpu_count", lambda: None)
    assert timing.cores() == 1


ROWS = [{"name": "a", "ratio": 1.23456}, {"name": "long", "ratio": 10.0}]


def test_a_table_is_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    harness.print_table(ROWS)
    assert capsys.readouterr().out == "name  ratio\n   a  1.235\nlong     10\n"
    harness.print_table([])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("as_json", [True, False])
def test_finish_says_where_the_figures_come_from(
    as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    harness.finish(argparse.Namespace(json=as_json), {"rows": ROWS}, ROWS)
    out = capsys.readouterr().out
    if as_json:
        said = json.loads(out)
        assert said["rows"] == ROWS
        assert said["cores"] == timing.cores()
        assert {"python", "numpy", "machine"} < set(said)
    else:
        assert out.startswith(f"cores {timing.cores()}, python ")
        assert out.endswith("long     10\n")


def test_the_seeds_that_were_asked_for() -> None:
    parser = harness.seeded("A benchmark.", 3)
    assert harness.seeds_of(parser.parse_args([])) == range(3)
    asked = parser.parse_args(["--seeds", "4", "--first-seed", "100"])
    assert harness.seeds_of(asked) == range(100, 104)
    assert harness.seeds_of(asked, 2) == range(100, 102)


@pytest.mark.parametrize(
    ("lower", "words"),
    [(True, "1 better, 1 level, 2 worse"), (False, "1 better, 1 level, 2 worse")],
)
def test_a_way_beside_the_reference_seed_by_seed(lower: bool, words: str) -> None:
    reference = [1.0, 1.0, 1.0, 1.0]
    ahead, behind = (0.5, 2.0) if lower else (2.0, 0.5)
    values = [ahead, 1.0, behind, float("nan")]
    assert harness.seed_by_seed(values, reference, lower=lower) == words


def test_the_kernels_that_run_are_named() -> None:
    blas = {lib.get("architecture") for lib in harness.threadpool_info()}
    assert harness.machine()["blas"] == harness.kernels()
    assert all(name in harness.kernels() for name in blas if name)
