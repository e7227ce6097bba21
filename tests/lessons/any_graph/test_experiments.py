"""Experiments on graphs: settings that are held to what they accept, and runs that repeat."""

from __future__ import annotations

import numpy as np
import pytest

from dnilab.lessons.any_graph.experiments import (
    CLOCK_METHODS,
    GRAPH_METHODS,
    ClockSettings,
    branching,
    graph_errors,
    run_all_clocks,
    run_clocks,
)

TINY = ClockSettings(windows=20, report_every=10, unseen=50, features=8, width=8, message=4)


def test_the_graph_is_the_one_that_is_described():
    graph = branching(np.random.default_rng(0), width=5)
    assert {part.name: part.heard for part in graph.parts} == {
        "eye": ("x",),
        "left": ("eye",),
        "right": ("eye",),
        "deep": ("left",),
        "sum": ("deep", "right"),
        "join": ("sum", "eye"),
        "top": ("join",),
    }
    assert graph.widths == {
        "x": 64, "eye": 5, "left": 3, "right": 3, "deep": 3, "sum": 3, "join": 8, "top": 10
    }  # fmt: skip


def test_every_method_learns_and_repeats():
    errors = {m: graph_errors(m, epochs=3, width=16) for m in GRAPH_METHODS}
    assert len({e[0] for e in errors.values()}) == 1  # equal seeds, equal weights
    for method, e in errors.items():
        assert e.shape == (4,)
        assert e[-1] < e[0], method
    assert np.array_equal(graph_errors("DNI(h)", epochs=3, width=16), errors["DNI(h)"])
    assert len({e.tobytes() for e in errors.values()}) == 4
    assert errors["DNI(h, y)"][-1] < errors["output only"][-1]


def test_clocks_repeat_and_differ_by_method():
    runs = {m: run_clocks(TINY.but(method=m)) for m in CLOCK_METHODS}
    assert len({r.reports[0].counted for r in runs.values()}) == 1
    for run in runs.values():
        assert run.diverged is None
        assert run.curve("window").tolist() == [0, 10, 20]
        assert run.counted == run.reports[-1].counted
        assert 0 < run.counting_names <= 1
    again = run_clocks(TINY.but(method="DNI(message)"))
    assert again.reports == runs["DNI(message)"].reports
    weights = {r.watcher.thetas[0].tobytes() for r in runs.values()}
    assert len(weights) == 4


def test_seeds():
    ((a, b),) = run_all_clocks([TINY], seeds=(0, 1))
    assert (a.settings.seed, b.settings.seed) == (0, 1)
    assert a.reports != b.reports


def test_communication_teaches_a_to_count():
    """The point of it all, at a small size: the message is worth more once B has answered."""
    base = ClockSettings(period=3, windows=400, report_every=400, unseen=500)
    none, guessed = (
        run_clocks(base.but(method=m)).counted for m in ("no gradient", "DNI(message, label)")
    )
    assert guessed > none + 0.1


def test_a_diverged_run_has_no_accuracy():
    run = run_clocks(TINY.but(rate=1e6, windows=200))
    assert run.diverged is not None
    assert run.counted == run.named == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"what": "twos"}, "what is 'twos'"),
        ({"period": 0}, "period is 0"),
        ({"method": "DNI"}, "method is 'DNI'; it accepts one of 'no gradient'"),
        ({"lag": -1}, "lag is -1"),
        ({"lag": 1, "method": "exact"}, "lag is 1; with the method 'exact' A waits"),
        ({"hidden": (0,)}, "hidden is 0"),
        ({"rate": 0}, "rate is 0"),
        ({"unseen": 0}, "unseen is 0"),
        ({"size": 3}, "size is not a setting"),
    ],
)
def test_refused(change, said):
    with pytest.raises(ValueError, match=said):
        TINY.but(**change)


def test_a_method_that_is_not_there():
    with pytest.raises(ValueError, match="method is 'DNI'; it accepts one of 'backprop'"):
        graph_errors("DNI")
