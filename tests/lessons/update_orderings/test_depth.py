"""What notebook 07 and its benchmark run: the right settings in the right places."""

from __future__ import annotations

import math

import pytest

from dnilab.experiments import Settings
from dnilab.lessons.update_orderings.experiments.depth import (
    by_chance,
    by_depth,
    deep,
    fill,
    final_error,
    scaled_epochs,
    unlocked,
    waits,
)
from dnilab.training import Span

QUICK = {"width": 8, "epochs": 1, "batch_size": 400}


class Noted:
    """Measures nothing: notes what it was given, and answers with numbers in order."""

    def __init__(self) -> None:
        self.jobs: list[Settings] = []

    def __call__(self, many):
        self.jobs = list(many)
        return [float(number) for number in range(len(self.jobs))]


def test_a_deep_network_has_as_many_modules_as_layers() -> None:
    for layers in (2, 3, 6):
        settings = deep(layers)
        assert settings.program().modules == layers
    assert (settings.task, settings.batch_norm, settings.activation) == ("digits", True, "relu")
    assert deep(3, width=7, epochs=5).hidden == (7, 7)
    with pytest.raises(ValueError, match=r"^layers is 1; it accepts"):
        deep(1)
    with pytest.raises(ValueError, match="is not a setting"):
        deep(3, depth=4)


def test_every_cell_is_filled_from_its_own_seeds() -> None:
    cells = {"a": {3: deep(3), 4: deep(4)}, "b": {3: deep(3, epochs=2), 4: deep(4, epochs=2)}}
    noted = Noted()
    table = fill(cells, (5, 9), noted)
    assert table == {"a": {3: [0, 1], 4: [2, 3]}, "b": {3: [4, 5], 4: [6, 7]}}
    assert [job.seed for job in noted.jobs] == [5, 9] * 4
    assert [len(job.hidden) for job in noted.jobs] == [2, 2, 3, 3] * 2
    assert [job.epochs for job in noted.jobs] == [60] * 4 + [2] * 4


def test_by_depth_changes_depth_and_training_and_nothing_else() -> None:
    noted = Noted()
    table = by_depth(depths=(3, 5), seeds=(1,), measure=noted, batch_norm=False, task="mnist")
    assert list(table) == ["last layer only", "backprop", "DNI(h)", "DNI(h, y)"]
    assert all(list(columns) == [3, 5] for columns in table.values())
    for job, (way, layers) in zip(
        noted.jobs, [(way, layers) for way in table for layers in (3, 5)], strict=True
    ):
        assert job.name == way
        plain = deep(layers, batch_norm=False, task="mnist", seed=1)
        assert job == plain.but(ordering=job.ordering, context=job.context)


def test_by_chance_gives_every_module_the_same_number_of_updates() -> None:
    noted = Noted()
    table = by_chance(chances=(1.0, 0.2), seeds=(0,), measure=noted, epochs=30)
    assert list(table) == ["backprop, same epochs", "backprop", "DNI(h)", "DNI(h, y)"]
    assert [(job.p, job.epochs) for job in noted.jobs] == [(1.0, 30), (0.2, 30)] + 3 * [
        (1.0, 30),
        (0.2, 150),
    ]
    assert [job.ordering for job in noted.jobs] == ["sparse backprop"] * 4 + ["sparse"] * 4
    assert [job.context for job in noted.jobs][4:] == [("h",)] * 2 + [("h", "y")] * 2


@pytest.mark.parametrize(("epochs", "p"), [(0, 0.5), (10, 0), (10, 1.5)])
def test_scaled_epochs_out_of_range(epochs: int, p: float) -> None:
    with pytest.raises(ValueError, match=r"^(epochs|p) is .*; it accepts"):
        scaled_epochs(epochs, p)


def test_unlocked_has_a_worker_for_each_module() -> None:
    settings = unlocked(5)
    assert [len(worker) for worker in settings.program().workers] == [2, 3, 3, 3, 2]
    assert unlocked(4, workers=2).workers == 2


def test_really_run() -> None:
    table = by_depth(depths=(3,), seeds=(0, 1), **QUICK)
    for columns in table.values():
        assert len(columns[3]) == 2
        assert all(0 <= error <= 1 for error in columns[3])
    assert final_error(deep(3, **QUICK, rate=1e6, optimiser="sgd", batch_norm=False)) is math.nan


def test_waits_are_the_gaps_before_the_steps_of_each_worker() -> None:
    def span(worker: int, op: str, start: int, end: int) -> Span:
        return Span(worker, op, 1, 0, start * 10**9, end * 10**9)

    spans = [
        span(1, "fit", 7, 8),  # not in order
        span(0, "unlocked_update", 1, 3),  # whose start is no wait: nothing was before
        span(0, "fit", 5, 6),
        span(1, "unlocked_update", 0, 4),
        span(0, "unlocked_update", 6, 7),
    ]
    assert waits(spans) == {"unlocked_update": 0, "fit": 5}
    assert waits([]) == {}
