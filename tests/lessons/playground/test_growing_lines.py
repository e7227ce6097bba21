"""A line-up that trains a little at a time gives the numbers of runs that train at once."""

import threading

import numpy as np
import pytest

from dnilab.experiments import Settings, run
from dnilab.lessons.playground.data import own_arrays
from dnilab.lessons.playground.experiments.comparison import Lineup
from dnilab.lessons.playground.experiments.growing_lines import (
    building,
    ends,
    live,
    report_every,
    reports_a_round,
    rows_for,
)

TINY = Settings(
    bits=6, examples=200, test_examples=50, hidden=(8, 6), epochs=3, batch_size=20, dtype="float32"
)


def last(lineup, own=None):
    *_, end = live(lineup, own)
    return end


def test_the_numbers_are_those_of_whole_runs():
    end = last(Lineup(TINY, 3, ("backprop",)))
    assert end.done == 1.0
    assert [line.label for line in end.lines] == ["backprop", "DNI(h, y)"]
    assert end.lines[end.main].settings == TINY
    for line in end.lines:
        every = report_every(line.settings, rows_for(line.settings, None))
        runs = [run(line.settings.but(seed=seed), every) for seed in range(3)]
        np.testing.assert_array_equal(line.epoch, runs[0].curve("epoch"))
        np.testing.assert_array_equal(line.values["loss"], [r.curve("loss") for r in runs])
        np.testing.assert_array_equal(line.values["right"], [r.curve("bit_accuracy") for r in runs])
        assert (np.diff(line.seconds) > 0).all()


def test_ends_are_the_last_numbers_of_every_seed():
    found = ends(Lineup(TINY, 3, ("backprop",)))
    assert list(found) == ["backprop", "DNI(h, y)"]
    for line in last(Lineup(TINY, 3, ("backprop",))).lines:
        np.testing.assert_array_equal(found[line.label], line.values["right"][:, -1])


def test_cosines_are_those_of_whole_runs():
    line = last(Lineup(TINY, 2)).lines[0]
    every = report_every(TINY, rows_for(TINY, None))
    for seed in range(2):
        whole = run(TINY.but(seed=seed, probe_rows=100), every)
        np.testing.assert_array_equal(line.cosine[seed], whole.modules("cosine"))


def test_lines_grow_and_never_shrink():
    sizes, done = [], []
    for progress in live(Lineup(TINY, 2, ("backprop",))):
        sizes.append([line.epoch.size for line in progress.lines])
        done.append(progress.done)
        for line in progress.lines:
            assert np.isfinite(line.values["loss"]).all()
            assert line.values["loss"].shape == (2, line.epoch.size)
    assert (np.diff(sizes, axis=0) >= 0).all()
    assert (np.diff(done) >= 0).all()
    assert sizes[0] == [1, 0]  # the first line is there as soon as its two seeds have begun
    assert sizes[reports_a_round(Lineup(TINY, 2, ("backprop",)), first=True) - 1] == [1, 1]
    assert sizes[2 + reports_a_round(Lineup(TINY, 2, ("backprop",)), first=False)] == [2, 2]
    late = np.array(sizes[len(sizes) // 2])
    assert late.min() > 1  # and all grow together


def test_threads_follow_one_another_and_end():
    before = threading.active_count()
    lineup = Lineup(TINY.but(ordering="pipeline"), 3)
    counts, shown = [], []
    for progress in live(lineup):
        counts.append(threading.active_count() - before)
        shown.append(progress.lines[0].seeds)
    assert max(counts) <= 2  # the two workers of one run
    assert sorted(set(shown)) == [1, 2, 3]
    assert threading.active_count() == before
    one_thread = run(lineup.settings.but(executor="one thread", seed=2), 1)
    assert progress.lines[0].values["loss"][2, -1] == one_thread.final("loss")


@pytest.mark.parametrize("ordering", ["sequential", "pipeline"])
def test_closed_early(ordering):
    before = threading.active_count()
    steps = live(Lineup(TINY.but(ordering=ordering, epochs=100), 2))
    for _ in range(4):
        next(steps)
    steps.close()
    assert threading.active_count() == before


def test_it_may_be_stopped_between_two_networks_that_are_built():
    began = [progress is not None for progress in building(Lineup(TINY, 3))]
    assert began[:4] == [False, False, True, True]
    assert all(began[2:])


def test_divergence_is_told_and_the_others_go_on(seed, learned):
    wild = TINY.but(optimiser="sgd", rate=1e8, activation="relu", epochs=5, seed=seed)
    end = last(Lineup(wild, 2))
    (line,) = end.lines
    learned("runs that diverge", len(line.said), above=1)
    assert np.isnan(line.values["loss"][:, -1]).all()
    assert (np.diff(line.epoch) > 0).all()
    assert end.done == 1.0
    assert "Diverged" in end.said[0]


def test_own_arrays(seed, learned):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(300, 5))
    own = own_arrays(x, (x[:, 0] > 0).astype(int))
    settings = TINY.but(task="own arrays", epochs=20, seed=seed)
    end = last(Lineup(settings, 2, ("backprop",)), own)
    learned("share right", end.lines[0].values["right"][:, -1].mean(), above=0.8)
    with pytest.raises(ValueError, match="no arrays"):
        next(live(Lineup(settings)))
    with pytest.raises(ValueError, match="not in the settings"):
        settings.data()


def test_reports_are_never_long_in_coming():
    small = rows_for(TINY, None)
    assert report_every(TINY, small) == 1
    long = TINY.but(epochs=10_000)
    assert report_every(long, small) == 100
    wide = TINY.but(epochs=10_000, hidden=(2000, 2000, 2000), batch_size=200)
    assert report_every(wide, small) == 1
