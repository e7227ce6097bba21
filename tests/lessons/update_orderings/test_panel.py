"""The stepper and the panel of notebook 05.  What they measure is not asserted."""

from __future__ import annotations

import pytest

from dnilab.lessons.update_orderings import panel as orderings
from dnilab.lessons.update_orderings.panel import (
    MOMENTS,
    RED,
    WAYS,
    measure,
    ordering_panel,
    ordering_stepper,
    picture_of,
    verdict,
)
from dnilab.orderings import speed_up_limit
from dnilab.training.published_threads import processes_can_fork
from tests.pictures.legible import faults


class TestStepper:
    @pytest.fixture
    def stepper(self, nothing_left):
        stepper = ordering_stepper()
        nothing_left.append(stepper)
        stepper.start()
        stepper.wait()
        return stepper

    def test_forward_and_back(self, stepper):
        assert stepper.sentence.startswith("Blue Box, moment 3.")
        stepper.forward_button.click()
        stepper.wait()
        assert stepper.sentence.startswith("Blue Box, moment 4.")
        stepper.back_button.click()
        stepper.back_button.click()
        stepper.wait()
        assert stepper.sentence.startswith("Blue Box, moment 2.")

    def test_stops_at_both_ends(self, stepper):
        stepper.controls["step"].value = 1
        stepper.back_button.click()
        assert stepper.values["step"] == 1
        stepper.controls["step"].value = MOMENTS
        stepper.forward_button.click()
        assert stepper.values["step"] == MOMENTS
        stepper.wait()
        assert stepper.message == ""

    def test_every_ordering_at_every_moment(self, stepper):
        seen = set()
        for _, way in stepper.controls["ordering"].spec.pairs:
            for step in (1, 6, MOMENTS):
                stepper.controls["ordering"].value = way
                stepper.controls["step"].value = step
                stepper.wait()
                assert stepper.message == ""
                assert f"moment {step}." in stepper.sentence
                seen.add(stepper.png)
        assert len(seen) == 12


@pytest.fixture
def quick(monkeypatch):
    # Batches end a curve here, never the clock: on a slow machine it would have fewer points.
    monkeypatch.setattr(orderings, "LONGEST", 600.0)
    monkeypatch.setattr(orderings, "BATCHES", {10: 30, 1000: 4})
    measured = measure

    def few(values):
        return measured(values, rounds=1, seconds=1e-4)

    monkeypatch.setattr(orderings, "measure", few)


VALUES = {
    "way": RED,
    "network": "24-128-64-12 (3 modules)",
    "batch": 10,
    "over": "batches",
    "workers": 2,
    "staleness": 1,
    "cores": 2,
}


def last(**changes):
    found = None
    for found in orderings.measure(VALUES | changes):  # noqa: B007
        pass
    return found


@pytest.mark.parametrize("way", WAYS)
def test_every_way_is_measured_and_trained(quick, way):
    if "process" in way and not processes_can_fork():
        pytest.skip("processes cannot fork here")
    found = last(way=way, over="seconds")
    assert set(found.per_batch) == {RED, way}
    assert set(found.curves) == {RED, way}
    assert all(batches[0] == 0 for batches, _ in found.curves.values())
    picture = picture_of(found)
    assert len(picture.parts) == 4
    assert [fault for part in picture.parts for fault in faults(part)] == []
    assert picture.sentence.startswith(verdict(found, orderings.cores()))


def test_speeds(quick):
    found = last()
    assert found.speed == 1
    assert found.ideal_speed(1) == pytest.approx(1)
    assert found.ideal_speed(8) == pytest.approx(1)
    piped = last(way="pipeline, a thread per worker", staleness=1)
    assert piped.ideal_speed(1) == pytest.approx(1)
    limit = speed_up_limit(piped.program, piped.times, cores=2)
    assert piped.ideal_speed(2) == pytest.approx(limit)
    later = last(way="pipeline, a thread per worker", staleness=2)
    assert later.ideal_speed(1) < 1  # to guess again is more work than the Red Box has


def test_in_words(quick):
    found = last(way="pipeline, a thread per worker", workers=5)
    on_one = verdict(found, 1)
    assert "1 core:" in on_one
    assert "threads can't win" in on_one
    assert "threads can't win" not in verdict(found, 2)
    assert "2 cores:" in verdict(found, 2)
    assert "There are 3 modules, so 3 workers at most." in on_one
    faster = orderings.replace(found, per_batch={RED: 3.0, found.way: 2.0})
    assert "is 1.50 times as fast as the Red Box" in verdict(faster, 2)
    slower = orderings.replace(found, per_batch={RED: 2.0, found.way: 3.0})
    assert "takes 1.50 times as long for a batch as the Red Box" in verdict(slower, 2)


def test_seconds_are_batches_times_the_measured_time(quick):
    found = last(way="pipeline, on one thread", over="seconds")
    *_, curves = picture_of(found).parts
    (ax,) = curves.axes
    ends = sorted(line.get_xdata()[-1] for line in ax.lines if len(line.get_xdata()) > 2)
    expected = sorted(found.curves[way][0][-1] * found.per_batch[way] for way in found.curves)
    assert ends == pytest.approx(expected)


def test_the_panel(quick, nothing_left):
    panel = ordering_panel()
    nothing_left.append(panel)
    panel.start()
    panel.wait()
    assert panel.message == ""
    assert "pipeline, a thread per worker" in panel.sentence
    panel.controls["network"].value = "24-128×4-12 (5 modules)"
    panel.controls["batch"].value = 10
    panel.controls["cores"].value = 8
    panel.wait()
    assert panel.message == ""
    assert "Ideal on 8 cores" in panel.sentence
    assert panel.snapshot.program.modules == 5


def test_without_fork_there_is_no_process(monkeypatch, nothing_left):
    monkeypatch.setattr(orderings, "processes_can_fork", lambda: False)
    panel = ordering_panel()
    nothing_left.append(panel)
    assert "Blue Box, a process per fit" not in [v for _, v in panel.controls["way"].spec.pairs]
