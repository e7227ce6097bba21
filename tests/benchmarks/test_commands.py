"""Each benchmark is a command that prints its figures; and what it measures is what it says."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import convergence, orderings, prices, race, step
from dnilab.network import Stack
from dnilab.orderings import blue_box, check, pipeline, sequential
from dnilab.training import train
from tests.training.by_hand import bits

ROOT = Path(__file__).parents[2]

WAYS = [
    "backprop",
    "DNI(h)",
    "DNI(h, y)",
    "local loss",
    "direct feedback",
    "feedback alignment",
    "last layer only",
]


def figures(
    module: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *options: str
) -> Any:
    """What the command's main() prints with --json."""
    monkeypatch.setattr(sys, "argv", [module.__name__, "--json", *options])
    module.main()
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("name", ["orderings", "race"])
def test_as_a_command(name: str) -> None:
    result = subprocess.run(
        [
            *(sys.executable, "-W", "error", "-m", f"benchmarks.{name}"),
            *("--only", "bits", "--programs", "5", "--json"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stderr == ""
    said = json.loads(result.stdout)
    found = {"programs": 5, "equal_to_the_last_bit": 5, "threads_left": 0}
    assert said["bits"].items() >= found.items()
    assert said["cores"] >= 1


def test_prices(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    said = figures(prices, monkeypatch, capsys, "--widths", "6", "5", "5", "4", "--modules", "2")
    rows = {row["training"]: row for row in said["prices"]}
    assert rows["backprop"]["work"] == 1
    assert rows["backprop"]["locks"] == ["forward", "update", "backward"]
    assert rows["local loss"]["locks"] == ["forward"]
    assert rows["local loss, 2 modules"]["messages"] == 1
    monkeypatch.setattr(sys, "argv", ["prices"])
    prices.main()
    assert "direct feedback, 2 modules" in capsys.readouterr().out


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small sizes: the figures are then worth nothing, and the commands quick."""
    monkeypatch.setattr(step, "CASES", [((4, 6, 3), 5)])
    monkeypatch.setattr(orderings, "SMALL", (4, 6, 5, 3))
    monkeypatch.setattr(orderings, "LARGE", (4, 6, 5, 3))
    monkeypatch.setattr(orderings, "CROSSOVER_BATCHES", (5, 10))
    take_turns = orderings.take_turns

    def hurried(contestants: Any, rounds: int = 1, seconds: float = 0) -> dict[str, float]:
        return take_turns(contestants, rounds=1, seconds=1e-4)

    for module in (step, orderings):
        monkeypatch.setattr(module, "take_turns", hurried)


@pytest.mark.usefixtures("quick", "no_torch")
def test_step(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    said = figures(step, monkeypatch, capsys, "--rounds", "1")
    assert [row["dtype"] for row in said["steps"]] == ["float64", "float32"]
    for row in said["steps"]:
        assert row["ours_us"] > 0
        assert row["ours/floor"] > 0
        assert "torch/ours" not in row


@pytest.mark.usefixtures("quick")
def test_orderings(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    parts = ["speed", "crossover", "executor", "recording", "bits"]
    said = figures(
        orderings, monkeypatch, capsys, "--rounds", "1", "--programs", "2", "--only", *parts
    )
    assert set(parts) | {"pipeline_beats_from_batch"} <= set(said)
    pipelines = [row for row in said["speed"] if row["ordering"].startswith("pipeline")]
    assert {row["groups"] for row in pipelines} == {"(1)(2 3)", "(1)(2)(3)"}
    for row in said["speed"]:
        assert row["speed"] > 0
        if row["limit"] != "":
            assert row["of limit"] == pytest.approx(row["speed"] / row["limit"])
            assert 0 < row["limit"] < said["cores"]  # the work is more than backpropagation's
    assert {row["ordering"] for row in said["speed"]} >= {
        *("backpropagation in line", "Red Box", "pipeline, 2 threads", "pipeline, 3 threads"),
    }
    assert [row["batch"] for row in said["crossover"]] == [5, 10, 5, 10]


def test_convergence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    small = convergence.ADDITION.but(bits=5, examples=60, test_examples=20, hidden=(6,), epochs=1)
    digits = convergence.DIGITS.but(hidden=(6,), epochs=1, batch_size=400)
    monkeypatch.setattr(convergence, "ADDITION", small)
    monkeypatch.setattr(convergence, "DIGITS", digits)
    seeds: list[range] = []
    real = convergence.compare

    def compare(ways: Any, **more: Any) -> Any:
        seeds.append(more["seeds"])
        return real(ways, **more)

    monkeypatch.setattr(convergence, "compare", compare)
    said = figures(convergence, monkeypatch, capsys, "--seeds", "2", "--first-seed", "7")
    rows = said["convergence"]
    assert [row["training"] for row in rows if row["measure"] == "bit_accuracy"] == WAYS
    assert [row["training"] for row in rows if row["measure"] == "class_error"] == WAYS
    for row in rows:
        assert 0 <= row["percent"] <= 100
        assert row["diverged"] == 0
        worse = max if row["measure"] == "class_error" else min
        assert worse(row["percent"], row["worst"]) == row["worst"]
        assert row["seeds"] == 2
        if row["training"] == "backprop":
            assert row["beside backprop"] == "0 better, 2 level, 0 worse"
    assert seeds == [range(7, 9)] * 2


def test_staleness(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Any] = []
    real = orderings.compare

    def small(ways: Any, seeds: Any, every: int) -> Any:
        ran.extend(ways)
        tiny = [
            way.but(examples=60, test_examples=20, hidden=(6,), epochs=1)
            if way.task == "addition"
            else way.but(hidden=(6,), epochs=1, batch_size=400)
            for way in ways
        ]
        return real(tiny, seeds, every)

    monkeypatch.setattr(orderings, "compare", small)
    rows = orderings.staleness(range(1))
    late = [0, 1, 2, 4, 8]
    assert [way.staleness for way in ran] == [*late, *late, 1, 2, 4, 8] * 2
    assert [r["staleness"] for r in rows if r["fits"] == "old error"] == [1, 2, 4, 8] * 2
    assert {way.ordering for way in ran} == {"pipeline"}
    assert len(rows) == 28
    assert all(row["seeds"] == 1 for row in rows)


def test_batches_until_enough_bits_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orderings, "EPOCHS_UNTIL", {100: 2})
    monkeypatch.setattr(orderings, "ENOUGH", 0.5)
    rows = orderings.until(range(1))
    assert [(row["staleness"], row["fits"]) for row in rows] == [
        *((0, "prompt"), (1, "guess again"), (2, "guess again")),
        *((1, "old error"), (2, "old error")),
    ]
    assert rows[0]["of those of prompt fits"] == "1.00"
    monkeypatch.setattr(orderings, "ENOUGH", 1.1)
    assert {row["batches"] for row in orderings.until(range(1))} == {"never"}


# ---- what is compared is the same work -----------------------------------------------------------


class Kept(list[Stack]):
    """The stacks that a benchmark builds inside."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        build = Stack.build

        def kept(*arguments: Any, **named: Any) -> Stack:
            self.append(build(*arguments, **named))
            return self[-1]

        monkeypatch.setattr(Stack, "build", kept)


@pytest.mark.parametrize("n", [1, 4, 7])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_hand_written_loop_does_what_the_executors_do(
    n: int, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = Kept(monkeypatch)
    widths, batch = (5, 7, 6, 3), 4
    piped = pipeline(((1,), (2, 3)), staleness=0)
    runs = [
        orderings.hand_written(widths, batch, dtype),
        orderings.runner(widths, batch, sequential(3), "one thread", dtype=dtype),
        orderings.runner(widths, batch, piped, "threads", dtype=dtype),
        step.ours(widths, batch, dtype),
    ]
    before = [bits(stack) for stack in built]
    for run in runs:
        run(n)
    after = [bits(stack) for stack in built]
    assert len(after) == 4
    assert all(result == after[0] for result in after)
    assert after[0] != before[0]


def test_the_floor_has_the_products_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[tuple[int, int, int]] = []
    matmul = np.matmul

    def noted(a: Any, b: Any, out: Any) -> Any:
        shapes.append((*a.shape, b.shape[1]))
        return matmul(a, b, out=out)

    run = step.floor((5, 7, 3), 4, "float64")
    monkeypatch.setattr(step.np, "matmul", noted)
    run(1)
    assert sorted(shapes) == sorted(
        [
            *((4, 5, 7), (5, 4, 7)),  # forward 1, dW 1
            *((4, 7, 7), (7, 4, 7)),  # the guess, dM
            *((4, 7, 3), (7, 4, 3), (4, 3, 7)),  # forward 2, dW 2, the message down
        ]
    )


def test_the_same_seed_draws_the_same_case_and_others_others() -> None:
    def drawn(seed: int) -> Any:
        program, stack, data, batch = orderings.random_case(seed)
        check(program)
        assert len(data.x_train) >= batch
        return program, bits(stack), data.x_train.tobytes(), batch

    assert drawn(3) == drawn(3)
    assert len({drawn(seed)[0] for seed in range(40)}) > 30
    assert {len(drawn(seed)[0].workers) for seed in range(40)} >= {2, 3, 4}


@pytest.mark.parametrize("module", [orderings, race])
def test_bits_notices_a_difference(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(stack: Stack, *arguments: Any, executor: str, **named: Any) -> Any:
        yield from train(stack, *arguments, executor=executor, **named)
        if executor == "threads":
            stack.thetas[-1][0] = np.nextafter(stack.thetas[-1][0], np.inf)

    monkeypatch.setattr(orderings, "train", wrong)  # which trains for both
    assert module.bits(3)["equal_to_the_last_bit"] == 0


def test_groups_of_the_published_network() -> None:
    assert orderings.groups_of(orderings.SMALL, 2) == ((1,), (2, 3))
    assert len(orderings.groups_of(orderings.LARGE, 5)) == 5


def test_the_crossing_is_where_it_begins_to_win_for_good() -> None:
    def rows(dtype: str, ratios: list[float]) -> list[dict[str, Any]]:
        names = orderings.PARCELS
        return [
            {"dtype": dtype, "batch": 10 * n, "rival": 0.5, **dict.fromkeys(names, ratio / 2)}
            for n, ratio in enumerate(ratios, 1)
        ]

    every = rows("float64", [0.5, 1.1, 0.9, 1.2, 1.3]) + rows("float32", [0.9])
    found = orderings.crossing(every, "rival")
    assert {found[f"float64, {name}"] for name in orderings.PARCELS} == {40}
    assert {found[f"float32, {name}"] for name in orderings.PARCELS} == {None}
    always = orderings.crossing(rows("float64", [1.1, 1.2]), "rival")
    assert always["float64, by batch"] == 10


def test_the_ways_of_training() -> None:
    ways = convergence.trainings(convergence.DIGITS)
    assert [way.name for way in ways] == WAYS
    assert len({(way.task, way.hidden, way.rate, way.epochs) for way in ways}) == 1


def test_noise_has_the_shape_that_is_asked_for() -> None:
    data = step.noise((5, 7, 3), 11, "float32")
    assert (data.x_train.shape, data.y_train.shape) == ((11, 5), (11, 3))
    assert data.x_train.dtype == np.float32


def test_a_runner_runs_every_executor(monkeypatch: pytest.MonkeyPatch) -> None:
    built = Kept(monkeypatch)
    run = orderings.runner((5, 7, 6, 3), 4, blue_box(3), "thread per fit")
    before = bits(built[0])
    run(3)
    assert bits(built[0]) != before
