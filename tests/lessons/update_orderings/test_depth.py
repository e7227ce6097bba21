"""What notebook 07 and its benchmark run: the right settings in the right places."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dnilab.experiments import Settings, run
from dnilab.lessons.update_orderings.experiments.depth import (
    by_chance,
    by_depth,
    by_frozen,
    cosines_while_learning,
    deep,
    directions,
    fill,
    final_error,
    scaled_epochs,
    side_by_side,
    unlocked,
    waits,
)
from dnilab.network import relative_error
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


def test_by_frozen_freezes_and_changes_nothing_else() -> None:
    noted = Noted()
    table = by_frozen(upto=(0, 4), layers=5, seeds=(3,), measure=noted, epochs=7)
    assert list(table) == ["backprop", "DNI(h)", "DNI(h, y)"]
    assert all(list(columns) == [0, 4] for columns in table.values())
    assert [job.frozen for job in noted.jobs] == [0, 4] * 3
    for job in noted.jobs:
        plain = deep(5, epochs=7, seed=3, frozen=job.frozen)
        assert job == plain.but(ordering=job.ordering, context=job.context)


def test_with_all_but_the_top_frozen_every_way_is_last_layer_only() -> None:
    ways = ("last layer only", "backprop", "DNI(h, y)", "local loss")
    table = by_frozen(upto=(2,), ways=ways, layers=3, seeds=(0,), **QUICK)
    assert len({columns[2][0] for columns in table.values()}) == 1


def a_trained_stack():
    settings = deep(4, **QUICK)
    data = settings.data()
    return run(settings).stack, data.x_train[:50], data.y_train[:50]


def test_directions_are_lengths_and_cosines() -> None:
    stack, x, y = a_trained_stack()
    found, probes = directions(stack, x, y), stack.probe(x, y)
    assert len(found) == len(probes) == 3
    assert (found[2].told, found[2].inherited) == (pytest.approx(1), 0)
    for one, at in zip(found, probes, strict=True):
        size = np.linalg.norm(at.true)
        assert one.own == pytest.approx(np.linalg.norm(at.guess - at.told) / size)
        assert one.inherited == pytest.approx(np.linalg.norm(at.told - at.true) / size)
        assert one.error == pytest.approx(relative_error(at.guess, at.true))
        lengths = size * np.linalg.norm(at.guess)
        assert one.guess == pytest.approx((at.guess * at.true).sum() / lengths)


def test_what_is_inherited_is_the_error_above_pulled_back() -> None:
    stack, x, y = a_trained_stack()
    at, (_, pullbacks) = stack.probe(x, y), stack.forward(x)
    for k in (1, 2):
        inherited, _ = pullbacks[k](at[k].guess - at[k].true)
        assert relative_error(inherited, at[k - 1].told - at[k - 1].true) < 1e-9


def test_cosines_are_means_over_the_ends_of_epochs() -> None:
    settings = deep(3, **{**QUICK, "epochs": 2})
    told, guess = cosines_while_learning(settings, rows=40)
    whole = run(settings.but(probe_rows=40)).modules("cosine")
    np.testing.assert_allclose(guess, whole[1:].mean(axis=0))
    assert told.shape == (2,)
    assert told[1] == pytest.approx(1)


def test_lines_side_by_side_are_whole_runs() -> None:
    lines = {"a": deep(3, **QUICK), "b": deep(3, **QUICK, ordering="backprop")}
    every = [
        {name: (list(x), list(y)) for name, (x, y) in moment.items()}
        for moment in side_by_side(lines, {"a": 0.5})
    ]
    for name, settings in lines.items():
        epochs, errors = every[-1][name]
        assert errors[-1] == run(settings).final("class_error")
        assert epochs[-1] == (0.5 if name == "a" else 1.0)
        assert epochs == sorted(epochs)
    sizes = [sum(len(x) for x, _ in moment.values()) for moment in every]
    assert sizes == list(range(1, len(every) + 1))


def test_a_line_that_diverges_ends_in_nan() -> None:
    wild = deep(3, **QUICK, rate=1e6, optimiser="sgd", batch_norm=False)
    *_, last = side_by_side({"wild": wild}, {})
    assert math.isnan(last["wild"][1][-1])


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
