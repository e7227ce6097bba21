"""Experiments on graphs: settings that are held to what they accept, and runs that repeat."""

from __future__ import annotations

import numpy as np
import pytest

from dnilab.experiments import compare, run
from dnilab.lessons.any_graph.experiments import (
    CLOCK_METHODS,
    GRAPH_METHODS,
    ClockSettings,
    branching,
    counting_names,
    graph_errors,
)
from tests.lessons.any_graph.test_clocks import told

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


def test_every_method_learns_and_repeats(seed, learned):
    how = {"epochs": 6, "width": 16, "seed": seed}
    errors = {m: graph_errors(m, **how) for m in GRAPH_METHODS}
    assert len({e[0] for e in errors.values()}) == 1  # equal seeds, equal weights
    for method, e in errors.items():
        assert e.shape == (7,)
        learned(f"errors left, {method}", e[-1] / e[0], below=1)
    assert np.array_equal(graph_errors("DNI(h)", **how), errors["DNI(h)"])
    assert len({e.tobytes() for e in errors.values()}) == 4
    gain = errors["output only"][-1] - errors["DNI(h, y)"][-1]
    learned("errors fewer than of output only", gain, above=0)


def test_clocks_repeat_and_differ_by_method():
    runs = {m: run(TINY.but(method=m)) for m in CLOCK_METHODS}
    assert len({r.reports[0].scores["counted"] for r in runs.values()}) == 1
    for one in runs.values():
        assert one.diverged is None
        assert one.curve("batch").tolist() == [0, 10, 20]
        assert one.final("counted") == one.reports[-1].scores["counted"]
        assert 0 < counting_names(one) <= 1
    again = run(TINY.but(method="DNI(message)"))
    assert told(again.reports) == told(runs["DNI(message)"].reports)
    weights = {r.stack.thetas[0].tobytes() for r in runs.values()}
    assert len(weights) == 4


def test_reports_as_often_as_asked_for():
    one = run(TINY, report_every=5)
    assert one.curve("batch").tolist() == [0, 5, 10, 15, 20]
    assert one.final("named") == run(TINY).final("named")


def test_guesses_are_compared_where_there_are_some():
    assert run(TINY).modules("cosine").shape == (3, 1)
    with pytest.raises(ValueError, match="the run has no generators"):
        run(TINY.but(method="exact")).modules("cosine")


def test_seeds():
    ((a, b),) = compare([TINY], seeds=(0, 1))
    assert (a.settings.seed, b.settings.seed) == (0, 1)
    assert told(a.reports) != told(b.reports)


def test_own_rows_are_refused():
    with pytest.raises(ValueError, match="data is given; these settings draw their own"):
        run(TINY, data=object())


def test_communication_teaches_a_to_count(seed, learned):
    """The point of it all, at a small size: the message is worth more once B has answered."""
    base = ClockSettings(period=3, windows=400, report_every=400, unseen=500, seed=seed)
    none, guessed = (
        run(base.but(method=m)).final("counted") for m in ("no gradient", "DNI(message, label)")
    )
    learned("counted more than without a gradient", guessed - none, above=0.1)


def test_a_run_that_diverges_says_so(seed, learned):
    one = run(TINY.but(rate=1e6, windows=200, seed=seed))
    assert one.diverged is not None
    learned("windows until it diverges", one.diverged.batch, below=200)


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
