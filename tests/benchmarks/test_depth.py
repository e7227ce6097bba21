"""The depth benchmark prints what it ran, and two processes change no number."""

from __future__ import annotations

import json
import sys

import pytest

from benchmarks import depth
from dnilab.lessons.update_orderings.experiments.depth import deep, final_error

QUICK = {"width": 8, "epochs": 1, "batch_size": 400}


def test_two_processes_give_the_numbers_of_one_in_order() -> None:
    jobs = [deep(layers, **{**QUICK, "epochs": epochs}) for layers, epochs in ((3, 1), (4, 3))]
    with depth.Pooled(2) as pooled:
        assert pooled(jobs) == [final_error(job) for job in jobs]


def test_rows() -> None:
    (row,) = depth.rows_of("sparse", "p", {"backprop": {0.5: [0.01, 0.03, float("nan")]}})
    assert row == {
        "part": "sparse",
        "at": "p 0.5",
        "training": "backprop",
        "error": 2.0,
        "spread": 1.41,
        "worst": 3.0,
        "seeds": 3,
        "diverged": 1,
        "beside backprop": "0 better, 2 level, 1 worse",
    }
    (row,) = depth.rows_of("", "", {"backprop": {"": [float("nan")]}})
    assert (row["error"], row["spread"], row["diverged"]) == (None, None, 1)


def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Here(depth.Pooled):
        """No processes, and no training: what is run is tested elsewhere."""

        def __init__(self, processes: int) -> None:
            assert processes == 2

        def __call__(self, many):
            return [0.02 for _ in many]

        def __exit__(self, *error: object) -> None:
            pass

    monkeypatch.setattr(depth, "Pooled", Here)
    monkeypatch.setattr(sys, "argv", ["depth", "--json", "--seeds", "2", "--epochs", "2"])
    depth.main()
    said = json.loads(capsys.readouterr().out)
    rows = said["depth"]
    parts = {part: [r for r in rows if r["part"] == part] for part in {r["part"] for r in rows}}
    assert {part: len(of_part) for part, of_part in parts.items()} == {
        "batch norm": 24,
        "no batch norm": 12,
        "sparse": 16,
        "unlocked": 4,
    }
    assert {row["error"] for row in rows} == {2.0}
    waited = said["waiting"]
    assert waited["same bits as one thread"] is True
    assert waited["seconds waited before"]["unlocked_update"] < waited["seconds shown"]
