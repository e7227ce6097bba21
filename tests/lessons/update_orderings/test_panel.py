"""The stepper and the panel of notebook 05.  What they measure is not asserted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dnilab.experiments import Settings
from dnilab.here import processes_can_fork
from dnilab.lessons.update_orderings import panel as orderings
from dnilab.lessons.update_orderings.orderings import program_of
from dnilab.lessons.update_orderings.panel import (
    IN_LINE,
    MOMENTS,
    WAYS,
    measure,
    on_blas,
    ordering_panel,
    ordering_stepper,
    picture_of,
    verdict,
)
from dnilab.orderings import (
    IllegalProgram,
    Program,
    Step,
    backprop,
    sequential,
    speed_up_limit,
    time_per_batch,
)
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

    def few(values, own=None):
        return measured(values, own, rounds=1, seconds=1e-4)

    monkeypatch.setattr(orderings, "measure", few)


VALUES = {
    "way": IN_LINE,
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
    here = orderings.cores()
    assert set(found.per_batch) == {IN_LINE, way, *([on_blas(here)] if here > 1 else [])}
    assert set(found.curves) == {IN_LINE, way}
    assert all(batches[0] == 0 for batches, _ in found.curves.values())
    picture = picture_of(found)
    assert len(picture.parts) == 4
    assert [fault for part in picture.parts for fault in faults(part)] == []
    assert picture.sentence.startswith(verdict(found, orderings.cores()))


@pytest.mark.parametrize("here", [1, 3])
def test_the_second_reference_is_there_where_cores_are(quick, monkeypatch, here):
    monkeypatch.setattr(orderings, "cores", lambda: here)
    found = last(way="Red Box, in line")
    assert (on_blas(3) in found.per_batch) == (here == 3)
    *_, speeds, _ = picture_of(found).parts
    assert (f"{on_blas(3)}, measured" in speeds.sentence) == (here == 3)


def test_speeds(quick):
    found = last()
    assert found.speed == 1
    assert found.ideal_speed(1) == pytest.approx(1)
    assert found.ideal_speed(8) == pytest.approx(1)
    piped = last(way="pipeline, a thread per worker", staleness=1)
    in_line = time_per_batch(backprop(3), piped.times)
    assert piped.ideal_speed(1) == pytest.approx(
        in_line / time_per_batch(piped.program, piped.times, cores=1)
    )
    limit = speed_up_limit(piped.program, piped.times, cores=2)
    assert piped.ideal_speed(2) == pytest.approx(limit * piped.ideal_speed(1))
    times = dict.fromkeys(piped.times, 1.0)  # 9 steps against 5
    assert replace(piped, times=times).ideal_speed(1) == pytest.approx(9 / 5)


def test_in_words(quick):
    found = last(way="pipeline, a thread per worker", workers=5)
    on_one = verdict(found, 1)
    assert "1 core:" in on_one
    assert "threads can't win" in on_one
    assert "threads can't win" not in verdict(found, 2)
    assert "2 cores:" in verdict(found, 2)
    assert "There are 3 modules, so 3 workers at most." in on_one
    faster = replace(found, per_batch={IN_LINE: 3.0, found.way: 2.0})
    assert "is 1.50 times as fast as backpropagation in line." in verdict(faster, 2)
    work = replace(found, times=dict.fromkeys(found.times, 1.0))
    assert "One after the other, its steps take 0.56 times as long." in verdict(
        work, 2
    )  # 5 against 9
    slower = replace(found, per_batch={IN_LINE: 2.0, found.way: 3.0})
    assert "takes 1.50 times as long for a batch as backpropagation in line." in verdict(slower, 2)


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
    measured = panel.snapshot
    panel.controls["over"].value = "batches"
    panel.controls["cores"].value = 4
    panel.wait()
    assert panel.snapshot is measured  # nothing was timed again
    assert "Ideal on 4 cores" in panel.sentence
    assert "Test loss against batches" in panel.sentence
    assert panel.controls["staleness"].enabled
    panel.controls["way"].value = IN_LINE
    assert not any(panel.controls[name].enabled for name in ("workers", "staleness"))


def test_it_may_be_ended_between_two_rounds_of_the_timing():
    steps = orderings.measure(VALUES, rounds=3, seconds=1e-4)
    assert [next(steps) is None for _ in range(4)] == [True, True, True, False]
    steps.close()


class TestOneOfMyOwn:
    @pytest.fixture
    def mine(self):
        below = Step("forward_update", 1), Step("late_fit", 1, -1)
        back = Step("backward", 2), Step("update", 2)
        above = [Step("forward", 2), Step("forward_update", 3), *back]
        return program_of([below, above], name="mine")

    def test_it_is_measured_and_trained(self, quick, mine):
        for found in orderings.measure(VALUES | {"way": "mine"}, mine):  # noqa: B007
            pass
        assert found.program == mine
        assert set(found.curves) == {IN_LINE, "mine"}
        assert found.curves["mine"] != found.curves[IN_LINE]
        assert {span.op for span in found.spans} == {step.op for step in mine.steps()}
        assert found.speed > 0
        assert "threads can't win" in verdict(found, 1)
        assert len(picture_of(found).parts) == 4

    def test_the_panel_begins_with_it(self, quick, mine, nothing_left):
        panel = ordering_panel(mine)
        nothing_left.append(panel)
        panel.start()
        panel.wait()
        assert panel.message == ""
        assert "mine takes" in panel.sentence or "mine is" in panel.sentence
        assert len(panel.controls["network"].spec.pairs) == 1  # the other has five modules
        panel.controls["way"].value = "Red Box, in line"
        panel.wait()
        assert panel.message == ""
        assert "Red Box" in panel.sentence

    @pytest.mark.parametrize(("modules", "hidden"), [(3, (128, 64)), (4, (128,) * 3)])
    def test_the_network_has_as_many_modules(self, quick, modules, hidden):
        own = replace(sequential(modules), name="mine")
        (name,) = orderings._networks(own)
        assert orderings._networks(own)[name] == hidden
        for found in orderings.measure(VALUES | {"way": "mine", "network": name}, own):  # noqa: B007
            pass
        assert found.program.modules == modules

    def test_the_network_is_that_of_the_settings(self):
        base = Settings(examples=100, seed=3)
        data = base.data()
        for ordering in ("sequential", "backprop"):
            settings = base.but(ordering=ordering)
            built = orderings._stack(base, data, settings.program(data)).thetas
            assert all(map(np.array_equal, built, settings.stack(data).thetas))

    def test_refused(self, mine):
        with pytest.raises(ValueError, match="another name than those in the panel"):
            ordering_panel(replace(mine, name=IN_LINE))
        with pytest.raises(IllegalProgram, match="which no step makes"):
            ordering_panel(Program("mine", 3, ((Step("forward_update", 3),),)))


def test_without_fork_there_is_no_process(monkeypatch, nothing_left):
    monkeypatch.setattr(orderings, "processes_can_fork", lambda: False)
    panel = ordering_panel()
    nothing_left.append(panel)
    assert "Blue Box, a process per fit" not in [v for _, v in panel.controls["way"].spec.pairs]
