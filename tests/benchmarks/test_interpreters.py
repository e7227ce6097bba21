"""Several Pythons by turns: what each measures, and what is made of it."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from benchmarks import interpreters
from dnilab.lessons.race.experiments.contestants import IN_LINE, Network
from tests.benchmarks.test_commands import figures

WIDTHS, BATCHES = (6, 5, 4), (2, 4, 8)
SMALL = ((WIDTHS, BATCHES, ("Red Box", "generator a layer")),)
NAME = Network(WIDTHS).name
# Seconds of the Red Box and of the pipeline where backpropagation in line takes 1.
LOCKED = {2: (2.0, 4.0), 4: (2.0, 1.6), 8: (2.0, 1.25)}
FREE = {2: (2.0, 1.6), 4: (2.0, 0.8), 8: (2.0, 0.5)}


def told(python: str, ways: dict[int, tuple[float, float]], slower: float) -> dict[str, Any]:
    seconds = {}
    for dtype in interpreters.DTYPES:
        for batch, times in ways.items():
            named = dict(zip((IN_LINE, "Red Box", "generator a layer"), (1.0, *times), strict=True))
            seconds[f"{dtype} {NAME} {batch}"] = {way: slower * t for way, t in named.items()}
    return {"python": python, "seconds": seconds}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreters, "CASES", SMALL)


def test_what_is_made_of_the_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def on(python: str) -> dict[str, Any]:
        asked.append(python)
        noise = (1.0, 1.0, 9.0)[(len(asked) - 1) // 2]  # a machine that is busy once
        return told(python, LOCKED if python == "a" else FREE, noise * (1 if python == "a" else 2))

    monkeypatch.setattr(interpreters, "on", on)
    said = figures(interpreters, monkeypatch, capsys, "a", "b", "--rounds", "3")
    assert asked == ["a", "b"] * 3
    assert len(said["speed"]) == 2 * 2 * 3
    for row in said["speed"]:
        red, piped = (LOCKED if row["python"] == "a" else FREE)[row["batch"]]
        assert row["in line"] == (1 if row["python"] == "a" else 2)
        assert row["Red Box"] == pytest.approx(1 / red)
        assert row["generator a layer"] == pytest.approx(1 / piped)
    for line in said["crossover"]:
        free = line["python"] == "b"
        assert line["ahead of Red Box from"] == (2 if free else 4)
        assert line[f"ahead of {IN_LINE} from"] == (4 if free else "nowhere")


def test_what_is_measured_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = figures(interpreters, monkeypatch, capsys, "--here")
    assert found["python"].startswith(".".join(map(str, sys.version_info[:3])))
    assert found["python"].endswith(("with the lock", "without the lock"))
    assert list(found["seconds"]) == [
        f"{dtype} {NAME} {batch}" for dtype in interpreters.DTYPES for batch in BATCHES
    ]
    for times in found["seconds"].values():
        assert list(times) == [IN_LINE, "Red Box", "generator a layer"]
        assert min(times.values()) > 0


def test_a_python_that_is_none_is_named() -> None:
    with pytest.raises(SystemExit, match="could not run it"):
        interpreters.on("false")


def test_no_python_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["interpreters"])
    with pytest.raises(SystemExit):
        interpreters.main()
    assert "name one PYTHON" in capsys.readouterr().err
