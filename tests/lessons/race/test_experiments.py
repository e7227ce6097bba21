"""The contestants of the race: equal starts, their ledger and limits, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dnilab.experiments import Settings
from dnilab.lessons.race.experiments.contestants import (
    IN_LINE,
    Contestant,
    Goal,
    Network,
    batches_to,
    contestants,
    ledger,
    measured_limit,
    speeds,
)
from dnilab.lessons.shared.timing import noise, step_times
from dnilab.network import Adam, BinaryCrossEntropy, Dense, SoftmaxCrossEntropy, Stack
from dnilab.orderings import check
from dnilab.training import Report, train
from tests.training.by_hand import small_data

DEEP = Network((64, *(128,) * 8, 10))
SMALL = Network((6, 5, 5, 5, 4))
NAMES = [
    IN_LINE,
    "backpropagation, 2 BLAS threads",
    *("GPipe", "1F1B", "zero bubble"),
    *("late truth", "late truth, weights of today"),
    *("local loss", "direct feedback"),
    *("generator", "generator, old errors", "generator, prompt", "bottleneck generator"),
    *("Red Box", "generator a layer"),
]
EXACT = NAMES[:7]


def everyone(network: Network, **how: Any) -> dict[str, Contestant]:
    return contestants(network, blas_threads=2, **how)


def layers(stack: Stack) -> list[bytes]:
    """The weights of the layers, however they are cut."""
    each = [layer for module in stack.modules for layer in module.body.layers]
    return [layer.theta.tobytes() for layer in each if isinstance(layer, Dense)]


class TestNetwork:
    @pytest.mark.parametrize(
        ("widths", "name"),
        [
            ((64, *(128,) * 8, 10), "64-128x8-10"),
            ((784, 256, 256, 256, 10), "784-256x3-10"),
            ((24, 128, 64, 12), "24-128-64-12"),
            ((24, 64, 64, 12), "24-64-64-12"),
            ((4, 2), "4-2"),
        ],
    )
    def test_name(self, widths: tuple[int, ...], name: str) -> None:
        assert Network(widths).name == name

    def test_work_and_parameters_by_hand(self) -> None:
        network = Network((4, 6, 5, 2))
        # three products a layer, but nobody is told dx of the first
        assert network.work == 3 * (4 * 6 + 6 * 5 + 5 * 2) - 4 * 6
        assert network.parameters == 5 * 6 + 7 * 5 + 6 * 2

    def test_bad(self) -> None:
        with pytest.raises(ValueError, match=r"^widths"):
            Network((4, 0, 2))


class TestContestants:
    def test_names_and_families(self) -> None:
        among = everyone(DEEP)
        assert list(among) == [one.name for one in among.values()] == NAMES
        assert [one.family for one in among.values()] == (
            ["wait"] * 7 + ["ask nobody"] * 2 + ["guess"] * 6
        )
        assert {one.program.name for one in among.values() if one.name in EXACT[2:]} == set(
            EXACT[2:]
        )

    @pytest.mark.parametrize("how", [{}, {"modules": 3, "micro_batches": 2, "staleness": 2}])
    def test_each_goes_with_its_network_and_all_start_equal(self, how: Any) -> None:
        modules = how.get("modules", 2)
        starts = []
        for one in everyone(SMALL, **how).values():
            stack = one.stack(SMALL, np.random.default_rng(7))
            assert len(stack) == one.program.modules == len(one.cuts) + 1
            assert len(set(check(one.program).values())) in (1, modules)
            starts.append(layers(stack))
            # a batch of its own rows: it is refused if anything does not fit
            data = noise(SMALL.widths, 4)
            events = train(
                stack, data, one.program, optimiser=Adam(0.01), batch_size=2, epochs=4,
                executor=one.executor,
            )  # fmt: skip
            assert all(isinstance(event, Report) for event in events)
            assert layers(stack) != starts[-1]
        assert all(start == starts[0] for start in starts)
        assert len(starts[0]) == 4

    def test_each_takes_the_batches_that_it_is_asked_for(self) -> None:
        for one in everyone(SMALL).values():
            spans = one.runner(SMALL, 8)(3)
            assert {span.batch for span in spans} == set(range(3 * one.micro_batches))
            steps = {(step.op, step.module) for step in one.program.steps()}
            assert set(step_times(spans)) == steps

    def test_micro_batches_end_with_the_same_bits_whatever_the_schedule(self) -> None:
        ends = []
        among = everyone(SMALL)
        for name in ("1F1B", "GPipe", "zero bubble"):
            stack = among[name].stack(SMALL, np.random.default_rng(7))
            data = noise(SMALL.widths, 24)
            list(
                train(
                    stack, data, among[name].program, optimiser=Adam(0.01), batch_size=2, epochs=2
                )
            )
            ends.append(layers(stack))
        assert ends[0] == ends[1] == ends[2]

    @pytest.mark.parametrize(
        ("how", "says"),
        [
            ({"modules": 1}, "modules is 1; it accepts 2 to 4"),
            ({"modules": 5}, "modules is 5"),
            ({"micro_batches": 0}, "micro_batches is 0"),
            ({"staleness": -1}, "staleness is -1"),
            ({"blas_threads": 0}, "blas_threads is 0"),
        ],
    )
    def test_bad(self, how: Any, says: str) -> None:
        with pytest.raises(ValueError, match=f"^{says}"):
            contestants(SMALL, **how)


class TestLedger:
    def test_work_and_locks(self) -> None:
        among = everyone(DEEP)
        rows = {name: ledger(one, DEEP) for name, one in among.items()}
        for name in EXACT:
            assert rows[name].work == pytest.approx(1), name
            assert rows[name].locks == ("forward", "update", "backward"), name
        assert rows["Red Box"].work == pytest.approx(1.78, abs=0.005)
        # its late fits guess again
        assert rows["generator a layer"].work > rows["Red Box"].work
        assert rows["local loss"].locks == rows["generator"].locks == ("forward",)
        assert rows["direct feedback"].locks == ("forward", "update")
        assert rows["bottleneck generator"].work < rows["generator"].work
        # h up and a gradient down, for each piece; a local loss sends nothing down
        sent = {name: rows[name].messages for name in ("GPipe", "late truth", "local loss")}
        assert sent == {"GPipe": 8, "late truth": 2, "local loss": 1}
        assert rows[IN_LINE].messages == 0

    def test_memory_is_relative_to_backpropagation(self) -> None:
        rows = {name: ledger(one, DEEP) for name, one in everyone(DEEP).items()}
        assert rows[IN_LINE].activations == 1
        assert rows["1F1B"].activations < rows["zero bubble"].activations < 1
        assert rows["GPipe"].activations > 1
        assert {name for name, row in rows.items() if row.weights} == {"late truth"}
        # the lower module's, of two batches
        sizes = 65 * 128 + 3 * 129 * 128
        assert rows["late truth"].weights == pytest.approx(2 * sizes / DEEP.parameters)

    def test_one_module_of_layers_holds_the_locks_of_its_layers(self) -> None:
        assert ledger(everyone(SMALL)[IN_LINE], SMALL).locks == ("forward", "update", "backward")


class TestLimits:
    @pytest.mark.parametrize(
        ("widths", "limit"),
        [
            ((64, *(128,) * 8, 10), 1.82),
            ((64, *(256,) * 8, 10), 1.78),
            ((784, *(256,) * 4, 10), 1.67),
            ((24, 128, 64, 12), 1.23),
        ],
    )
    def test_late_truth_with_two_workers(self, widths: tuple[int, ...], limit: float) -> None:
        network = Network(widths)
        one = everyone(network)["late truth"]
        for on in (2, 5):  # two workers have nothing to do with a third core
            assert one.limit(network, on) == pytest.approx(limit, abs=0.005)
        assert one.limit(network, 1) == pytest.approx(1)

    def test_of_the_others(self) -> None:
        among = everyone(DEEP)
        assert among[IN_LINE].limit(DEEP, 4) == pytest.approx(1)
        both = among[NAMES[1]]
        assert [both.limit(DEEP, on) for on in (1, 2, 4)] == pytest.approx([1, 2, 2])
        assert among["Red Box"].limit(DEEP, 2) == pytest.approx(1 / 1.776, abs=0.001)
        limits = [among[name].limit(DEEP, 2) for name in ("GPipe", "zero bubble", "late truth")]
        assert limits == sorted(limits)
        assert limits[0] > 1.5
        slow = {("h", 1): 1e6}  # several batches long
        assert among["1F1B"].limit(DEEP, 2, slow) < limits[0] / 2
        assert among["late truth"].limit(DEEP, 2, slow) < 1

    def test_by_measured_steps(self) -> None:
        # in the unit of whoever measured: nothing is said of how long they took
        one = everyone(SMALL)["1F1B"]
        small, large = (measured_limit(one, SMALL, 8, in_line, 2) for in_line in (1e-9, 1e3))
        assert 0 < small < 1 < large


class TestSpeeds:
    def test_they_take_turns(self) -> None:
        among = everyone(SMALL)
        some = {name: among[name] for name in (IN_LINE, NAMES[1], "GPipe", "local loss")}
        found = speeds(SMALL, 8, some, rounds=2, seconds=1e-4)
        assert list(found) == list(some)
        assert found[IN_LINE] == 1
        assert all(speed > 0 for speed in found.values())

    def test_a_race_without_the_reference(self) -> None:
        among = everyone(SMALL)
        with pytest.raises(ValueError, match=r"^among is .GPipe.; it accepts contestants with"):
            speeds(SMALL, 8, {"GPipe": among["GPipe"]})

    def test_a_batch_that_cannot_be_cut(self) -> None:
        with pytest.raises(
            ValueError, match=r"^batch is 10; it accepts multiples of 4, for GPipe$"
        ):
            speeds(SMALL, 10, everyone(SMALL))


EASY = Settings(bits=4, examples=48, test_examples=16, hidden=(20, 16), batch_size=16, epochs=40)


class TestBatchesTo:
    def to(self, name: str, at: float = 0.75, **how: Any) -> float | None:
        settings = EASY.but(**how.pop("settings", {}))
        goal = Goal(settings, "bit_accuracy", at, how.pop("every", 1))
        one = everyone(goal.network(goal.settings.data()))[name]
        return batches_to(goal, one, **{"rate": 0.03, "seed": 3, **how})

    def test_an_easy_goal(self) -> None:
        took = {name: self.to(name) for name in (IN_LINE, "1F1B", "late truth", "local loss")}
        assert all(n is not None and 5 < n < 120 for n in took.values()), took
        # micro-batches find the same gradients, up to rounding, and are counted as batches
        assert took["1F1B"] == pytest.approx(took[IN_LINE], abs=3)
        assert self.to(IN_LINE, every=7) % 7 == 0
        assert self.to(IN_LINE, at=0.0) == 0
        assert self.to(IN_LINE, seed=4) != took[IN_LINE]

    def test_an_impossible_goal(self) -> None:
        assert self.to(IN_LINE, at=1.01, settings={"epochs": 2}) is None

    def test_a_rate_that_diverges(self) -> None:
        settings = {"optimiser": "sgd", "activation": "identity", "loss": "squared error"}
        assert self.to(IN_LINE, rate=1e12, at=1.01, settings=settings) is None

    def test_a_batch_that_cannot_be_cut(self) -> None:
        with pytest.raises(ValueError, match=r"^batch is 6; it accepts multiples of 4, for 1F1B$"):
            self.to("1F1B", settings={"batch_size": 6})

    def test_a_goal_may_be_an_error(self) -> None:
        goal = Goal(Settings(task="digits", hidden=(8,), dtype="float32"), "class_error", 0.1)
        network = goal.network(small_data("classes", outputs=10, dtype="float32"))
        assert (network.name, network.dtype) == ("4-8-10", "float32")
        assert isinstance(network.loss, SoftmaxCrossEntropy)
        for error, reached in ((0.2, False), (0.1, True), (0.05, True)):
            report = Report(1, scores={"class_error": error})
            assert goal.reached(report) is reached

    def test_the_network_of_a_goal(self) -> None:
        goal = Goal(EASY.but(batch_norm=True, activation="relu"), "bit_accuracy", 0.9)
        network = goal.network(goal.settings.data())
        assert network.widths == (8, 20, 16, 4)
        assert (network.activation, network.batch_norm) == ("relu", True)
        assert isinstance(network.loss, BinaryCrossEntropy)
