"""What the benchmark through time runs, without running it for long."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import recurrent
from dnilab.lessons.through_time.experiments import RecurrentSettings


def of(what):
    return [job["settings"] for job in recurrent.jobs(range(5), range(3)) if job["what"] == what]


def test_echo_compares_the_same_network_at_equal_updates():
    settings = of("echo")
    assert len(settings) == 3 * 4 * 5  # unrolls, methods, seeds
    plain = {s.but(method="BPTT", unroll=1, seed=0) for s in settings}
    assert len(plain) == 1
    for unroll, delays in recurrent.ECHO_GRID.items():
        assert list(delays) == sorted(delays)
        assert unroll in delays
        assert 3 * unroll in delays
    assert max(recurrent.ECHO_GRID[1]) >= 6
    assert max(recurrent.ECHO_GRID[2]) >= 12


def test_echo_at_the_cut_asks_for_nothing_within_a_segment():
    settings = of("echo, k = T")
    strong = [s for s in settings if not s.joint_fan_in]
    settings = [s for s in settings if s.joint_fan_in]
    assert len(settings) == 3 * 4 * 5
    assert all(s.but(joint_fan_in=True) in settings for s in strong)
    assert {s.unroll for s in strong} == set(recurrent.ECHO_GRID)
    assert all(s.delay == s.unroll for s in settings)
    assert len({s.but(method="BPTT", unroll=1, delay=1, seed=0) for s in settings}) == 1


def test_the_auxiliary_task_is_compared_with_the_same_run_without_it():
    settings = of("recall")
    helped = [s for s in settings if s.auxiliary]
    assert helped
    assert all(s.but(auxiliary=0) in settings for s in helped)


def test_recall_gives_every_unroll_as_many_sequences():
    for unroll in (1, 3, 4, None):
        settings = recurrent.recall_case(unroll, 16, 0.0, 100, 0, "BPTT")
        steps = 18
        segments = 1 if unroll is None else -(-steps // unroll)
        assert recurrent.segments(16, unroll) == segments
        assert settings.updates == 100 * segments
    assert {s.seed for s in of("recall")} == set(range(5))


def test_copy_compares_equal_updates():
    assert len({s.but(method="BPTT", seed=0) for s in of("copy")}) == 1
    assert len(of("copy")) == 9


def test_lambda_is_compared_with_the_same_run_without_a_trace():
    settings = of("lambda")
    assert len(settings) == len(recurrent.LAMBDA_CASES) * len(recurrent.LAMBDAS) * 5
    assert all(s.but(trace=0) in settings for s in settings)
    assert {s.trace for s in settings} == {0, 0.5, 0.9, 1}
    assert {s.method for s in settings} == {"DNI(state)"}
    assert max(s.width for s in settings) <= 24
    assert {s.task for s in settings} == {"echo", "recall"}
    assert list(recurrent.LAMBDA_GRID) == sorted(recurrent.LAMBDA_GRID)


def test_a_row_of_lambda_says_which():
    one = recurrent.LAMBDA_CASES[0].but(trace=0.5)
    found = [{"longest": n, "seconds": 1.0} for n in (8, 3)]
    row = recurrent.row("lambda", one, found)
    assert row["result"] == "longest >=8 3"
    assert row["method"] == "DNI(state), lambda 0.5, rate of the generator 0.003"
    one = recurrent.LAMBDA_CASES[-1].but(trace=1)
    found = [
        {"longest": n, "seconds": 1.0, "least": 0.1, "sequences": n, "bits": 0.1} for n in (16, 0)
    ]
    row = recurrent.row("lambda", one, found)
    assert row["result"] == "solved by 1 of 2"
    assert row["delay"] == 16
    assert row["sequences"] == "8 of 900"
    end = recurrent.LAMBDA_TO_THE_END
    row = recurrent.row("lambda, k = 4", end, [found[0] | {"bits": 0.9}, found[1]])
    assert row["bits at the end, worst seed"] == 0.9
    assert row["least bits, worst seed"] == 0.1
    assert not end.stop_when_solved


@pytest.mark.parametrize("what", ["echo", "recall", "copy"])
def test_a_job_answers(what, monkeypatch):
    monkeypatch.setattr(recurrent, "ECHO_GRID", {2: (1, 2)})
    task = {"echo": {"delay": 1}, "recall": {"delay": 2}, "copy": {"delay": 1}}[what]
    settings = RecurrentSettings(
        task=what, unroll=2, width=8, updates=40, report_every=20, batch_size=8, **task
    )
    answer = recurrent.work({"what": what, "settings": settings})
    assert answer["longest"] >= 0
    assert answer["seconds"] > 0
    if what != "echo":
        assert answer["sequences"] > 0


def test_a_job_that_breaks_before_its_first_report():
    settings = RecurrentSettings(
        delay=2, unroll=2, optimiser="sgd", rate=1e9, updates=400, report_every=400, batch_size=8
    )
    answer = recurrent.work({"what": "recall", "settings": settings})
    assert answer["diverged"]
    assert answer["longest"] == answer["sequences"] == 0
    assert np.isnan(answer["bits"])
    assert np.isnan(answer["least"])


def test_the_end_of_the_grid_is_not_called_a_limit():
    settings = recurrent.ECHO.but(unroll=1)
    found = [{"longest": n, "seconds": 1.0} for n in (8, 3)]
    assert recurrent.row("echo", settings, found)["result"] == "longest >=8 3"
    assert recurrent.row("copy", recurrent.COPY, found)["result"] == "longest 8 3"


def test_the_command(monkeypatch, capsys):
    """The whole way to the JSON, with small jobs and in this process."""

    class Here:
        def __init__(self, *arguments, **options):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        map = staticmethod(map)

    quick = {"updates": 30, "report_every": 10, "width": 4, "batch_size": 4}
    real = recurrent.jobs

    def small(seeds, copy_seeds):
        assert list(seeds) == list(range(7, 12))
        assert list(copy_seeds) == [7, 8, 9]
        return [{**job, "settings": job["settings"].but(**quick)} for job in real([7], [7])]

    monkeypatch.setattr(recurrent, "jobs", small)
    monkeypatch.setattr(recurrent, "ProcessPoolExecutor", Here)
    monkeypatch.setattr("sys.argv", ["recurrent", "--json", "--first-seed", "7"])
    recurrent.main()
    found = json.loads(capsys.readouterr().out)
    tasks = {row["task"] for row in found["recurrent"]}
    assert tasks == set(recurrent.PARTS)
    methods = {row["method"] for row in found["recurrent"] if "lambda" not in row["task"]}
    assert methods == {*recurrent.METHODS, "DNI(state), auxiliary 0.1"}
    assert found["seconds"] > 0
