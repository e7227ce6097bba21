"""Runs over settings and seeds: repeatable, comparable, and honest about those that broke."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dnilab.experiments import Run, Settings, compare, run, stream, summary
from dnilab.training import Diverged, Report
from tests.learned import Learned

SMALL = Settings(
    bits=6, examples=40, test_examples=10, hidden=(6, 5), batch_size=8, epochs=3, probe_rows=10
)
BROKEN = SMALL.but(optimiser="sgd", rate=1e12, epochs=60)


@pytest.fixture(scope="module")
def one() -> Run:
    return run(SMALL)


def numbers(run: Run) -> list[Any]:
    return [(r.batch, r.loss, r.test_loss, r.scores, r.cosine) for r in run.reports]


@pytest.mark.parametrize("ordering", ["sequential", "backprop", "last layer only", "sparse"])
def test_equal_settings_give_equal_numbers(ordering: str) -> None:
    settings = SMALL.but(ordering=ordering)
    first, second = run(settings), run(settings)
    assert numbers(first) == numbers(second)
    for a, b in zip(first.stack.thetas, second.stack.thetas, strict=True):
        np.testing.assert_array_equal(a, b)
    assert numbers(run(settings.but(seed=1))) != numbers(first)


def test_the_pipeline_without_delay_is_the_sequential_ordering(one: Run) -> None:
    pipeline = SMALL.but(ordering="pipeline", staleness=0, executor="one thread")
    assert numbers(run(pipeline)) == numbers(one)


def test_a_numpy_number_gives_the_same_numbers() -> None:
    settings = SMALL.but(dtype="float32")
    odd = settings.but(rate=np.float64(settings.rate))
    assert numbers(run(odd)) == numbers(run(settings))


def test_a_run_keeps_its_reports_and_the_trained_stack(one: Run) -> None:
    assert one.settings == SMALL
    assert one.diverged is None
    assert [report.batch for report in one.reports] == [0, 5, 10, 15]
    output = one.stack.outputs(SMALL.data().x_test)
    wanted = one.stack.loss.per_row(output, SMALL.data().y_test).mean()
    assert one.final("test_loss") == pytest.approx(wanted, rel=1e-12)


def test_report_every() -> None:
    assert [r.batch for r in run(SMALL, report_every=7).reports] == [0, 7, 14, 15]


def test_stream_gives_the_same_events_one_at_a_time(one: Run) -> None:
    events = stream(SMALL)
    first = next(events)
    assert isinstance(first, Report)
    assert [e.loss for e in (first, *events) if isinstance(e, Report)] == [
        report.loss for report in one.reports
    ]


def test_curves(one: Run) -> None:
    for what in ("loss", "test_loss", "seconds", "epoch", "batch"):
        curve = one.curve(what)
        assert curve.shape == (4,)
        assert curve.tolist() == [getattr(report, what) for report in one.reports]
        assert one.final(what) == curve[-1]
    accuracy = one.curve("bit_accuracy")
    assert accuracy.tolist() == [report.scores["bit_accuracy"] for report in one.reports]
    for what in ("class_error", "cosine", "spans", "", None):
        with pytest.raises(
            ValueError, match=r"^what is .*; it accepts one of .*'loss', 'test_loss'"
        ):
            one.curve(what)  # type: ignore[arg-type]


def test_modules(one: Run) -> None:
    for what in ("cosine", "generator_error"):
        table = one.modules(what)
        assert table.shape == (4, 2)
        assert table[3].tolist() == list(getattr(one.reports[3], what))
    with pytest.raises(ValueError, match=r"^what is 'loss'; it accepts 'cosine' or"):
        one.modules("loss")
    for settings in (SMALL.but(probe_rows=0), SMALL.but(ordering="backprop")):
        with pytest.raises(ValueError, match=r"^probe_rows is 0 or the run has no generators"):
            run(settings).modules("cosine")


def test_compare_runs_every_setting_with_every_seed(one: Run) -> None:
    settings = [SMALL.but(epochs=1), SMALL.but(epochs=1, ordering="backprop")]
    table = compare(settings, seeds=(0, 4))
    assert [[run.settings.seed for run in runs] for runs in table] == [[0, 4], [0, 4]]
    assert [[run.settings.ordering for run in runs] for runs in table] == [
        ["sequential"] * 2,
        ["backprop"] * 2,
    ]
    assert numbers(table[0][1]) == numbers(run(settings[0].but(seed=4)))
    # seeds of one setting differ, and orderings of one seed start from the same network
    assert numbers(table[0][0]) != numbers(table[0][1])
    assert table[0][0].reports[0].loss == table[1][0].reports[0].loss


def test_summary_is_mean_and_deviation_over_n_minus_1() -> None:
    runs = compare([SMALL.but(epochs=1)], seeds=(0, 1, 2))[0]
    finals = [run.final("loss") for run in runs]
    mean = sum(finals) / 3
    deviation = (sum((f - mean) ** 2 for f in finals) / 2) ** 0.5
    assert summary(runs, "loss") == pytest.approx((mean, deviation))
    assert summary(runs[:1], "loss") == (pytest.approx(finals[0]), 0.0)


def test_a_diverged_run_is_a_run(one: Run, seed: int, learned: Learned) -> None:
    broken = run(BROKEN.but(seed=seed))
    assert isinstance(broken.diverged, Diverged)
    assert "Lower" in broken.diverged.message
    assert len(broken.reports) >= 1
    assert all(isinstance(report, Report) for report in broken.reports)
    assert np.isfinite(broken.curve("loss")).all()
    learned("batches of the last report", broken.reports[-1].batch, below=60 * 5)
    assert one.diverged is None


def test_a_diverged_run_among_others_does_not_stop_them() -> None:
    (broken,), (sound,) = compare([BROKEN, SMALL], seeds=(0,))
    assert broken.diverged is not None
    assert sound.diverged is None
    assert sound.reports[-1].batch == 15


def test_both_tasks_learn(seed: int, learned: Learned) -> None:
    digits = Settings(task="digits", hidden=(32,), epochs=10, seed=seed)
    learned("errors on digits", run(digits).final("class_error"), below=0.1)
    sums = Settings(
        bits=6, examples=900, test_examples=100, hidden=(32,), batch_size=20, epochs=20, rate=1e-2,
        seed=seed,
    )  # fmt: skip
    for ordering in ("sequential", "backprop"):
        right = run(sums.but(ordering=ordering)).final("bit_accuracy")
        learned(f"bits right, {ordering}", right, above=0.9)
