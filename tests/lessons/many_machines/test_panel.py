"""The panel of notebook 11.  What it measures is not asserted: the step times are planted."""

from __future__ import annotations

import pytest

from dnilab.lessons.many_machines import panel as machines
from dnilab.lessons.many_machines.panel import (
    MODULES,
    amount,
    duration,
    machines_panel,
    measured_times,
    offers,
    picture_of,
    shared_out,
    verdict,
)
from dnilab.orderings import ideal_timeline, sequential, time_per_batch
from tests.pictures.legible import faults

VALUES = {
    "machines": 4,
    "width": 32,
    "batch": 32,
    "staleness": 1,
    "latency": 0.01,
    "line": 1e11,
}
# A millisecond for each forward and update, and no time for fits: easy to count.
PLAIN = {("forward_update", k): 1e-3 for k in range(1, MODULES + 1)}
PLAIN |= {(op, k): 0.0 for op in ("fit", "late_fit") for k in range(1, MODULES)}


@pytest.fixture
def plain(monkeypatch):
    monkeypatch.setattr(machines, "measured_times", lambda width, batch: PLAIN)


def last(**changes):
    for found in offers(VALUES | changes):  # noqa: B007
        pass
    return found


def test_every_step_has_a_time():
    measured_times.cache_clear()
    times = measured_times(32, 32)
    assert all(time > 0 for time in times.values())
    assert set(times) == set(PLAIN)
    assert measured_times(32, 32) is times  # measured once
    assert len(ideal_timeline(sequential(MODULES), times, batches=1)) == 2 * MODULES - 1


def test_quick_messages(plain):
    found = last()
    assert found.alone == pytest.approx(MODULES * 1e-3)
    assert list(found.sent) == list(range(1, MODULES + 1))
    for count in (1, 2, 4, 8):
        assert found.alone / found.at_once[count] == pytest.approx(count)
    for count in (5, 6, 7):  # one of them has two modules
        assert found.at_once[count] == pytest.approx(found.at_once[4])
    assert found.speed == pytest.approx(4, rel=0.05)
    assert "is hidden" in verdict(found)


def test_a_latency_asks_for_staleness(plain):
    found = last(latency=10.0, staleness=0)
    assert found.speed < 1
    assert found.enough is not None
    assert "They wait for each other's messages: fits are 0 batches late" in verdict(found)
    assert f"With a staleness of {found.enough} the messages would be hidden" in verdict(found)
    later = last(latency=10.0, staleness=found.enough)
    assert later.speed == pytest.approx(4, rel=0.05)
    assert "is hidden" in verdict(later)
    assert "fits are 1 batch late" in verdict(last(latency=10.0))
    hopeless = last(latency=100.0)
    assert hopeless.enough is None
    assert "Even fits that are 32 batches late" in verdict(hopeless)


def test_a_narrow_line_can_not_be_hidden(plain):
    size = 32 * 32 * 8
    found = last(line=8 * size / 0.005, staleness=16)  # five milliseconds for each message
    assert found.size == size
    assert found.sending == pytest.approx(0.005)
    assert found.sent[4] == pytest.approx(0.005)
    assert "The line holds them back" in verdict(found)
    assert found.sent[1] == pytest.approx(MODULES * 1e-3)  # nothing is sent
    soon = last(line=8 * size / 0.005, staleness=0)
    assert "they would wait for the line alone" in verdict(soon)


def test_the_message_is_on_its_way_for_latency_and_sending(plain):
    found = last(latency=2.0, line=8 * 32 * 32 * 8 / 0.003)
    assert found.on_the_way == pytest.approx(0.005)
    assert list(found.delays.values()) == pytest.approx([0.005] * 14)
    late = time_per_batch(found.program, PLAIN, delays=found.delays)
    assert found.sent[4] == pytest.approx(late)


def test_one_machine_sends_nothing(plain):
    found = last(machines=1, latency=100.0)
    assert found.sent[1] == found.at_once[1]
    assert verdict(found).startswith("One machine: a batch takes 8 ms, and nothing is sent.")


def test_modules_are_shared_out_by_their_times(plain):
    uneven = PLAIN | {("forward_update", 1): 4e-3}
    assert shared_out(uneven, 2, 1) == ((1, 2), (3, 4, 5, 6, 7, 8))
    assert shared_out(PLAIN, 2, 1) == ((1, 2, 3, 4), (5, 6, 7, 8))


@pytest.mark.parametrize("count", [1, 3, 8])
@pytest.mark.parametrize("latency", [0.01, 10.0])
def test_the_picture(plain, count, latency):
    first, *_, whole = offers(VALUES | {"machines": count, "latency": latency})
    assert len(picture_of(first).parts) == 1
    picture = picture_of(whole)
    assert len(picture.parts) == 2
    assert [fault for part in picture.parts for fault in faults(part)] == []
    assert picture.sentence.startswith(verdict(whole))


def test_in_words():
    assert [duration(t) for t in (1.25, 0.012, 3.1e-4)] == ["1.2 s", "12 ms", "0.31 ms"]
    assert [amount(size) for size in (8192, 2_097_152)] == ["8.19 kB", "2.1 MB"]


def test_the_panel(nothing_left):
    panel = machines_panel()
    nothing_left.append(panel)
    panel.controls["width"].value = 32
    panel.controls["batch"].value = 32
    panel.start()
    panel.wait()
    assert panel.message == ""
    assert panel.sentence.startswith("4 machines would be")
    panel.controls["machines"].value = 8
    panel.controls["staleness"].value = 16
    panel.wait()
    assert panel.message == ""
    assert panel.sentence.startswith("8 machines would be")
    assert len(panel.snapshot.sent) == MODULES
