"""The panel of notebook 11.  What it measures is not asserted: the step times are planted."""

from __future__ import annotations

import pytest

from dnilab.lessons.many_machines import panel as machines
from dnilab.lessons.many_machines.experiments import MICRO_BATCHES, Machines
from dnilab.lessons.many_machines.panel import (
    LAYERS,
    amount,
    duration,
    machines_panel,
    measured_times,
    offers,
    picture_of,
    verdict,
    winner,
)
from dnilab.lessons.shared.rivals import one_forward_one_backward
from dnilab.orderings import time_per_batch
from tests.pictures.legible import faults

VALUES = {
    "machines": 4,
    "width": 32,
    "batch": 32,
    "staleness": 1,
    "latency": 0.01,
    "line": 1e11,
}
# Of each layer a millisecond forward and one back, and no time for guesses: easy to count.
PLAIN = {(op, k): 1e-3 for op in ("forward", "backward") for k in range(1, LAYERS + 1)}
PLAIN |= {("forward_update", k): 2e-3 for k in range(1, LAYERS + 1)}
PLAIN |= {("update", k): 0.0 for k in range(1, LAYERS + 1)}
PLAIN |= {(op, k): 0.0 for op in ("fit", "late_fit") for k in range(1, LAYERS)}
PIECE = {step: time / MICRO_BATCHES for step, time in PLAIN.items()}


@pytest.fixture
def plain(monkeypatch):
    monkeypatch.setattr(machines, "measured_times", lambda width, batch: (PLAIN, PIECE))


def last(**changes):
    for found in offers(VALUES | changes):  # noqa: B007
        pass
    return found


def test_every_step_has_a_time():
    measured_times.cache_clear()
    for times in measured_times(32, 32):
        assert all(time > 0 for time in times.values())
        assert set(times) == set(PLAIN)
    assert measured_times(32, 32) is measured_times(32, 32)  # measured once


def test_quick_messages(plain):
    found = last()
    assert list(found.found) == list(range(1, LAYERS + 1))
    for count, here in found.found.items():
        assert here.in_line == pytest.approx(2 * LAYERS * 1e-3)
        if LAYERS % count == 0:
            assert here.in_line / here.at_once == pytest.approx(count)
            # all micro-batches go through, and the pipeline fills and empties once a batch
            filled = count * MICRO_BATCHES / (MICRO_BATCHES + count - 1)
            assert here.in_line / here.rival == pytest.approx(filled, rel=0.05)
    for count in (5, 6, 7):  # one of them has two layers
        assert found.found[count].at_once == pytest.approx(found.found[4].at_once)
    assert found.here.in_line / found.here.piped == pytest.approx(4, rel=0.05)
    assert "The pipeline hides it" in verdict(found)
    assert "The pipeline wins, by a factor of 1.77" in verdict(found)  # 7 against 4, and messages


def test_a_latency_asks_for_staleness(plain):
    found = last(latency=20.0, staleness=0)
    assert found.here.piped > found.here.in_line
    assert found.enough is not None
    assert "fits 0 batches late" in verdict(found)
    assert "they wait for each other's messages" in verdict(found)
    assert "Neither is worth it: backpropagation on one machine is quicker." in verdict(found)
    assert f"With a staleness of {found.enough} the messages would be hidden" in verdict(found)
    later = last(latency=20.0, staleness=found.enough)
    assert later.here.in_line / later.here.piped == pytest.approx(4, rel=0.05)
    assert "The pipeline hides it" in verdict(later)
    assert "fits 1 batch late" in verdict(last(latency=20.0))
    hopeless = last(latency=100.0)
    assert hopeless.enough is None
    assert "Even fits that are 32 batches late" in verdict(hopeless)


def test_a_narrow_line_can_not_be_hidden(plain):
    size = 32 * 32 * 8
    found = last(line=8 * size / 0.010, staleness=16)  # ten milliseconds for each message
    assert found.size == size
    assert found.sending == pytest.approx(0.010)
    assert found.here.piped == pytest.approx(0.010)
    assert "The line holds them back" in verdict(found)
    assert found.found[1].piped == pytest.approx(2 * LAYERS * 1e-3)  # nothing is sent
    soon = last(line=8 * size / 0.010, staleness=0)
    assert "they would wait for the line alone" in verdict(soon)


def test_the_message_is_on_its_way_for_latency_and_sending(plain):
    found = last(latency=2.0, line=8 * 32 * 32 * 8 / 0.003)
    assert found.on_the_way == pytest.approx(0.005)
    _, program, times, late = found.played()
    assert list(late.values()) == pytest.approx([0.005] * 6)  # two at each of three borders
    assert found.here.piped == pytest.approx(time_per_batch(program, times, delays=late))


def test_the_messages_of_a_micro_batch_have_a_quarter_of_the_rows(plain):
    found = last(latency=2.0, line=8 * 32 * 32 * 8 / 0.004)
    groups = ((1, 2), (3, 4), (5, 6), (7, 8))
    late = {(kind, k): 0.003 for kind in ("h", "message") for k in range(1, LAYERS + 1)}
    a_piece = time_per_batch(one_forward_one_backward(groups, 4), PIECE, delays=late)
    assert found.here.rival == pytest.approx(4 * a_piece)


def test_one_machine_sends_nothing(plain):
    found = last(machines=1, latency=100.0)
    assert found.here.piped == found.here.at_once == pytest.approx(found.here.in_line)
    said = "One machine: a batch takes 16 ms, and nothing is sent. This is backpropagation in line"
    assert verdict(found).startswith(said)


def test_who_wins_in_words():
    said = {
        (1.0, 2.0): "The pipeline wins, by a factor of 2.00 for a batch.",
        (2.0, 1.0): "1F1B wins, by a factor of 2.00, and its gradients are exact.",
        (1.0, 1.01): "Neither wins.",
        (4.0, 5.0): "Neither is worth it: backpropagation on one machine is quicker.",
    }
    for (piped, rival), words in said.items():
        assert winner(Machines(3.0, piped, 1.0, rival)) == words


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
    assert panel.sentence.startswith("4 machines with a cut between each two")
    panel.controls["machines"].value = 8
    panel.controls["staleness"].value = 16
    panel.wait()
    assert panel.message == ""
    assert panel.sentence.startswith("8 machines with a cut between each two")
    assert len(panel.snapshot.found) == LAYERS
