"""The benchmark of convolutions is a command that prints its figures."""

from __future__ import annotations

import json
import sys

import pytest

from benchmarks import convolutions
from dnilab.experiments import run
from dnilab.lessons.convolutions.experiments import ConvolutionSettings


def test_figures(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--json", "--seeds", "2", "--epochs", "1", "--channels", "2", "3"]
    monkeypatch.setattr(sys, "argv", ["convolutions", *options])
    convolutions.main()
    said = json.loads(capsys.readouterr().out)
    rows = said["convolutions"]
    assert [row["training"] for row in rows] == [
        "backprop",
        "dense DNI(h, y)",
        "convolutional DNI(h, y)",
        "dense DNI(h)",
        "convolutional DNI(h)",
        "last layer only",
    ]
    small = ConvolutionSettings(hidden=(2, 3), epochs=1, generator="convolutional", context=("h",))
    errors = [100 * run(small.but(seed=seed)).final("class_error") for seed in (0, 1)]
    (row,) = (row for row in rows if row["training"] == "convolutional DNI(h)")
    assert row["test error %"] == pytest.approx(sum(errors) / 2, abs=0.006)
    assert row["spread"] == pytest.approx(abs(errors[0] - errors[1]) / 2**0.5, abs=0.006)
    assert row["worst"] == pytest.approx(max(errors), abs=0.006)
    assert row["diverged"] == 0
    assert row["seeds"] == 2
    exact = [100 * run(small.but(ordering="backprop", seed=n)).final("class_error") for n in (0, 1)]
    better = sum(a < b for a, b in zip(errors, exact, strict=True))
    assert row["beside backprop"].startswith(f"{better} better, ")
    assert rows[0]["beside backprop"] == "0 better, 2 level, 0 worse"


def test_equal_seeds_start_from_equal_weights() -> None:
    ways = convolutions.trainings(ConvolutionSettings(hidden=(2, 3)))
    data = ways[0].data()
    starts = {
        tuple(t.tobytes() for module in way.stack(data).modules for t in module.body.thetas)
        for way in ways
    }
    assert len(starts) == 1
