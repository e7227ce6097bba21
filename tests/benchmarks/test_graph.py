"""What the benchmark of graphs and clocks runs, without running it for long."""

from __future__ import annotations

import json
import re

import pytest

from benchmarks import graph
from dnilab.experiments import run
from dnilab.lessons.any_graph.experiments import CLOCK_METHODS, GRAPH_METHODS, ClockSettings

TINY = ClockSettings(windows=20, report_every=20, unseen=50, features=8, width=8, message=4)


def test_every_method_is_compared_on_every_task():
    for what, period in graph.TASKS:
        kinds = graph.kinds_of(TINY.but(what=what, period=period))
        assert [kind.method for kind in kinds[:4]] == list(CLOCK_METHODS)
        assert {(kind.what, kind.period) for kind in kinds} == {(what, period)}
    late = [kind.lag for kind in graph.kinds_of(TINY) if kind.lag]
    assert late == list(graph.LAGS)
    hidden = [kind.method for kind in graph.kinds_of(TINY.but(period=10)) if kind.hidden]
    assert hidden == ["DNI(message, label)", "exact"]


def test_a_diverged_run_has_no_accuracy():
    broken = run(TINY.but(rate=1e6, windows=200))
    assert broken.diverged is not None
    assert graph.final(broken, "counted") == graph.final(broken, "named") == 0
    sound = run(TINY)
    assert graph.final(sound, "named") == sound.reports[-1].scores["named"] > 0


def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """The whole way to the JSON, with small jobs."""
    monkeypatch.setattr(graph, "ClockSettings", lambda **words: TINY.but(**words))
    monkeypatch.setattr(graph, "TASKS", (("threes", 3), ("odd digits", 5)))
    monkeypatch.setattr(graph, "GRAPH_EPOCHS", 1)
    monkeypatch.setattr("sys.argv", ["graph", "--json", "--seeds", "2", "--windows", "20"])
    graph.main()
    found = json.loads(capsys.readouterr().out)
    assert len(found["clocks"]) == 4 + 4 + len(graph.LAGS)
    for row in found["clocks"]:
        assert 0 <= row["worst"] <= row["counted"] <= 100
        assert 0 < row["counting names"] <= 100
        assert row["seeds"] == 2
        assert row["diverged"] == 0
    assert found["clocks"][0]["beside no gradient"] == "0 better, 2 level, 0 worse"
    assert found["graph"][0]["beside backprop"] == "0 better, 2 level, 0 worse"
    for column, part in (("beside no gradient", "clocks"), ("beside backprop", "graph")):
        assert all(sum(map(int, re.findall(r"\d+", row[column]))) == 2 for row in found[part])
    assert [row["trained with"] for row in found["graph"]] == list(GRAPH_METHODS)
    assert all(0 < row["test error"] <= row["worst"] <= 100 for row in found["graph"])
