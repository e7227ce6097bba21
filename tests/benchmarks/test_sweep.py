"""The benchmark of sweeps: small runs, every part, and that what it says is so."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from typing import Any

import pytest

from benchmarks import sweep as benchmark

pytest.importorskip("distributed")


@pytest.mark.skipif(sys.platform == "win32", reason="kills a worker by a signal")
def test_every_part(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    small = benchmark.BASE.but(examples=100, test_examples=50, epochs=2, hidden=(8,))
    monkeypatch.setattr(benchmark, "BASE", small)
    monkeypatch.setattr(benchmark, "SEEDS", range(2))
    monkeypatch.setattr(benchmark, "VARIED", {"rate": (1e-3, 1e9)})
    monkeypatch.setattr(sys, "argv", ["sweep", "--json", "--rounds", "1"])
    # One cluster does for all parts: starting it takes longer than they do.
    with benchmark.cluster(workers=2) as client:
        monkeypatch.setattr(benchmark, "cluster", lambda workers: nullcontext(client))
        benchmark.main()
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert said["cores"] >= 1
    speed = said["speed"]
    assert speed["runs"] == 16
    assert [one["where"] for one in speed["contestants"]] == ["one process", "processes", "dask"]
    one, two, dask = (one["seconds"] for one in speed["contestants"])
    assert speed["processes_speed_up"] == pytest.approx(one / two)
    assert speed["dask/processes"] == pytest.approx(dask / two)
    assert all(one["seconds_to_start"] > 0 for one in speed["contestants"])
    assert speed["equal_to_the_last_bit"] is True
    assert said["equal"] == {
        "runs": 4,
        "diverged": 2,
        "threads equal in line": True,
        "processes equal in line": True,
        "dask equal in line": True,
    }
    faults = said["faults"]
    assert faults["processes_said"].startswith("A worker was killed, or could not begin")
    assert 8 <= faults["processes_rows_kept"] < 16
    assert faults["processes_rows_after_resuming"] == 16
    assert faults["processes_repeated"] == 0
    assert faults["dask_rows"] == 16
    assert faults["equal_to_the_last_bit"] is True
