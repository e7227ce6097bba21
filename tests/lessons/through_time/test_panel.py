"""The panel of notebook 08: what its controls ask for, and what it says."""

from __future__ import annotations

import pytest

from dnilab.lessons.through_time.panel import (
    echo_settings,
    frames,
    lambda_frames,
    lambda_panel,
    progress,
    recall_panel,
    settings_of,
)

QUICK = {"unroll": 4, "delay": 4, "method": "DNI(state, targets)", "bias": 0.0}


def test_equal_numbers_of_sequences_whatever_the_unroll():
    for unroll in (1, 3, 4, 6, 20):
        settings = settings_of({**QUICK, "unroll": unroll})
        per_sequence = -(-6 // unroll)
        assert settings.updates == 600 * per_sequence


def test_frames_grow_and_end():
    found = list(frames(QUICK))
    assert found[0]["updates"] == ()
    assert [len(f["updates"]) for f in found] == list(range(len(found)))
    last = found[-1]
    done = [progress(frame) for frame in found]
    assert done[0] == 0
    assert done == sorted(done)
    assert done[-2] < done[-1] == 1
    assert last["bits"][-1] < 0.02
    assert last["reach"].guess
    assert last["reach"].cuts == (4,)
    assert last["reach"].cosine[-1] == pytest.approx(1)


def test_nothing_at_the_cut():
    for number, frame in enumerate(frames({**QUICK, "method": "BPTT"})):
        assert not frame["reach"].guess
        assert frame["reach"].cosine[0] == 0
        if number == 3:
            break


def test_the_panel():
    panel = recall_panel()
    try:
        panel.controls["delay"].value = 4
        panel.start()
        panel.wait()
        assert "step 5 asks for" in panel.sentence
        assert panel.sentence.endswith("solved.")
        assert panel.message == ""
        panel.controls["method"].value = "BPTT"
        panel.wait()
        assert "thrown away" in panel.sentence
        assert panel.png.startswith(b"\x89PNG")
    finally:
        panel.close()


ECHO = {"trace": 0.5, "delay": 2, "unroll": 1, "seed": 0}


def test_lambda_is_all_that_differs():
    found = list(lambda_frames(ECHO))
    assert [[line.label for line in frame] for frame in found[:2]] == [
        ["lambda 0", "lambda 0.5"]
    ] * 2
    assert [len(frame[0].x) for frame in found] == list(range(1, len(found) + 1))
    zero, half = found[-1]
    (alone,) = list(lambda_frames(ECHO | {"trace": 0.0}))[-1]
    assert list(alone.y[0]) == list(zero.y[0]) != list(half.y[0])
    assert zero.x[-1] >= 2000
    assert echo_settings(ECHO).but(trace=0) == echo_settings(ECHO | {"trace": 0.0})


def test_a_run_that_breaks_is_said(monkeypatch):
    broken = echo_settings(ECHO).but(optimiser="sgd", rate=1e9)
    monkeypatch.setattr("dnilab.lessons.through_time.panel.echo_settings", lambda values: broken)
    with pytest.raises(ValueError, match="Diverged: "):
        list(lambda_frames(ECHO))


def test_the_panel_on_lambda():
    panel = lambda_panel()
    try:
        panel.controls["delay"].value = 1
        panel.start()
        panel.wait()
        assert "lambda 0.9" in panel.sentence
        assert panel.message == ""
        panel.controls["trace"].value = 0.0
        panel.wait()
        assert "lambda 0 " in panel.sentence
        assert "lambda 0.9" not in panel.sentence
        assert panel.png.startswith(b"\x89PNG")
    finally:
        panel.close()
