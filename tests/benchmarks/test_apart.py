"""The benchmark of modules apart is a command that prints its figures."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from benchmarks import apart

pytest.importorskip("distributed")


def test_apart(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Small sizes: the figures are then worth nothing, and the command quick."""
    cases = [((4, 6, 3), 5, 1, 1), ((4, 6, 3), 5, 4, 2), ((4, 40, 30, 3), 50, 1, 1)]
    monkeypatch.setattr(apart, "CASES", cases)
    monkeypatch.setattr(apart, "DEEP", ((4, 6, 5, 3), 5))
    options = ["--json", "--rounds", "1", "--seconds", "0.001"]
    monkeypatch.setattr(sys, "argv", ["apart", *options])
    apart.main()
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert said["cores"] >= 1
    assert [row["widths"] for row in said["apart"]] == ["4-6-3", "4-6-3", "4-40-30-3"]
    assert [row["parcel"] for row in said["apart"]] == [1, 2, 1]
    for row in said["apart"]:
        assert row["equal"] is True
        assert min(row[what] for what in ("speed", "BLAS", "speed-up", "limit")) > 0
        assert 0 < row["communication"] < 1
        assert row["waiting"] > 0
        assert row["message ms"] > 0
    assert said["apart"][0]["message kB"] < said["apart"][2]["message kB"]
    assert said["all equal"] is True
    assert said["best"]["speed"] == max(row["speed"] for row in said["apart"])
    assert set(said["pays from"]) == {"speed", "blas", "speed_up"}
    assert [row["machines"] for row in said["machines"]] == [1, 2, 3, 1, 2, 3]
    for row in said["machines"]:
        assert row["with messages"] <= row["no delay"] + 1e-9
        assert row["1F1B"] > 0
