"""Memory does not grow with the length of a run, whichever worker is the slow one."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from dnilab.data.dataset import Feed
from dnilab.network import SGD
from dnilab.orderings import Program, Step, check, pipeline, sequential, sparse
from dnilab.training import Report, train
from dnilab.training import worker as worker_module
from dnilab.training.mailbox import TURNS_AHEAD
from dnilab.training.threads import threads
from dnilab.training.train import make_workers
from dnilab.training.worker import Worker
from tests.training.planted import DATA, hooked, in_time, network, nothing_left

BATCHES = 240  # far more than any bound below


def largest(program: Program, slow: int) -> dict[str, list[int]]:
    """Run with module ``slow`` slowed down: the most that each worker ever held of anything."""
    workers: list[Worker] = []
    most: dict[str, list[int]] = {}

    def look(t: int) -> None:
        time.sleep(0.0005)  # the others have all the time they want to run ahead
        for worker in workers:
            inbox = worker.fetch.__self__.inbox  # type: ignore[attr-defined]
            held = {
                "inbox": inbox.qsize(),
                "store": len(worker.store),
                "rows": len(worker.feed._kept),
            }
            for what, size in held.items():
                sizes = most.setdefault(what, [0] * len(program.workers))
                sizes[worker.index] = max(sizes[worker.index], size)

    stack = hooked(network(), slow, look, tried=False)
    owners = check(program)
    rate = SGD(1e-4)
    workers += make_workers(stack, lambda: Feed(DATA, 4, 0), program, owners, rate, rate, BATCHES)

    def run() -> None:
        for _ in threads(stack, workers, program, owners, [program.turns(BATCHES)]):
            pass

    with nothing_left():
        in_time(run)
    for worker in workers:  # at the end nothing is left over
        assert worker.store == {}
        assert worker.feed._kept == {}
    return most


@pytest.mark.parametrize("slow", [1, 2, 3])
@pytest.mark.parametrize("staleness", [0, 1, 4])
def test_a_pipeline_with_one_slow_worker(slow: int, staleness: int) -> None:
    most = largest(pipeline(((1,), (2,), (3,)), staleness=staleness), slow)
    ahead = staleness + 1
    # at most so many activations come up, and so many messages down
    assert max(most["inbox"]) <= 2 * (ahead + 1)
    # guesses that wait for their target, and what has been taken from the inbox with it
    assert max(most["store"]) <= 3 * (ahead + 1)
    for what in ("rows",):
        assert max(most[what]) <= ahead + 2


@pytest.mark.parametrize("slow", [1, 2, 3])
def test_parcels_with_one_slow_worker(slow: int) -> None:
    most = largest(pipeline(((1,), (2,), (3,)), staleness=8, batches_per_turn=4), slow)
    assert max(most["inbox"]) <= 8  # parcels
    assert max(most["store"]) <= 3 * (8 + 4 + 1)
    for what in ("rows",):
        assert max(most[what]) <= 8 + 4 + 1


NEVER_ANSWERS = [
    # only the top layer learns, and nobody below hears of it
    Program(
        "last layer only, two workers",
        3,
        ((Step("forward", 1), Step("forward", 2)), (Step("forward_update", 3),)),
    ),
    # decoupled, without fits: a chain of three in which every word goes up
    Program("no fits", 3, tuple((Step("forward_update", k),) for k in (1, 2, 3))),
    # the workers in another order, the top one behind by some batches
    Program(
        "delayed",
        3,
        ((Step("forward_update", 3, -3),), (Step("forward", 1), Step("forward", 2))),
    ),
    # in parcels
    Program(
        "in parcels",
        3,
        (
            tuple(Step("forward", k, t) for t in (0, 1) for k in (1, 2)),
            tuple(Step("forward_update", 3, t) for t in (0, 1)),
        ),
        batches_per_turn=2,
        parcels=True,
    ),
]


@pytest.mark.parametrize("program", NEVER_ANSWERS, ids=lambda program: program.name)
@pytest.mark.parametrize("slow", [1, 2, 3])
def test_an_upper_worker_that_never_answers(program: Program, slow: int) -> None:
    most = largest(program, slow)
    owners = check(program)
    top = owners[3]
    assert most["inbox"][top] <= TURNS_AHEAD + program.lag + 1
    assert max(most["store"]) <= TURNS_AHEAD + program.lag + 2 * program.batches_per_turn
    if slow == 3:
        # the test can see what it bounds: the lower worker did run ahead
        assert most["inbox"][top] > TURNS_AHEAD / 2
    assert max(most["rows"]) <= program.lag + program.batches_per_turn + 1


@pytest.mark.parametrize("p", [0.1, 0.5, 1.0])
def test_what_a_drawn_turn_made_and_nobody_used_is_let_go(p: float) -> None:
    most = largest(sparse(3, p=p, seed=1), 1)
    assert most["store"] == [0]  # looked at when the next turn begins
    assert max(most["rows"]) <= 2


def long_run(**how: Any) -> list[Any]:
    program: Callable[[], Program] = how.pop("program")
    return list(
        train(network(), DATA, program(), optimiser=SGD(1e-4), batch_size=4, epochs=40, **how)
    )


@pytest.mark.parametrize("executor", ["one thread", "threads"])
def test_spans_are_the_latest_and_no_more(monkeypatch: pytest.MonkeyPatch, executor: str) -> None:
    monkeypatch.setattr(worker_module, "SPANS_KEPT", 10)
    with nothing_left():
        first, last = long_run(
            program=lambda: pipeline(((1,), (2, 3)), staleness=1),
            executor=executor,
            report_every=10**6,
        )
    assert isinstance(last, Report)
    assert first.spans == ()
    for index, per_batch in ((0, 2), (1, 3)):
        mine = [span for span in last.spans if span.worker == index]
        assert len(mine) == 10
        assert max(span.batch for span in mine) == 119
        assert min(span.batch for span in mine) >= 119 - 10 // per_batch - 1


def test_a_report_takes_the_spans_with_it() -> None:
    reports = long_run(program=lambda: sequential(3), report_every=10)
    spans = [span for report in reports for span in report.spans]
    assert len(set(spans)) == len(spans) == 120 * 5
    for before, report in pairwise(reports):
        assert {span.batch for span in report.spans} == set(range(before.batch, report.batch))
