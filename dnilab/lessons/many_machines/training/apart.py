"""The executor that gives every worker a process of its own: Dask actors, near or far.

Each holds its modules and a feed of its own, of the rows that they look at.  Activations go up
and gradients come down from actor to actor; nothing else is shared, and the driver sees none of
it.  All workers come to rest at every stop, so what the driver is told there is one moment of the
whole network.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from dnilab.data import Dataset
from dnilab.lessons.many_machines.training.actor import Seat
from dnilab.lessons.many_machines.training.cluster import dask, hush
from dnilab.lessons.many_machines.training.messages import Cost, Fault, Outcome, Plan
from dnilab.network import Module, Stack
from dnilab.network.optimisers import copy_into
from dnilab.orderings import Program
from dnilab.training.failures import Standing, WorkerFailed, WorkerLost, first_of_all
from dnilab.training.feed import Feed
from dnilab.training.snapshot import Snapshot
from dnilab.training.state import merged
from dnilab.training.worker import ParametersExploded, Worker

LOOK_EVERY = 0.2  # seconds between two looks at whether every process is still there
PATIENCE = 30.0  # seconds for a process to begin
GRACE = 5.0  # seconds for Dask to say which process is gone, once somebody had no answer

CLOSED = "the client was closed before the run was at its end"


class _Member:
    """What the driver knows of one worker: its actor, where it lives, what it was asked."""

    def __init__(self, client: Any, worker: Worker, address: str) -> None:
        self.client, self.worker, self.address = client, worker, address
        # Dask never starts an actor again by itself: it would be an empty one.
        self.future: Any = client.submit(
            Seat, actor=True, workers=[address], allow_other_workers=False, retries=0
        )
        self.actor: Any = None
        self.answer: Any = None
        self.asked: tuple[str, tuple[Any, ...]] = ("", ())

    def lost(self) -> WorkerFailed:
        """Its process is gone; unless nobody can tell, as the client was closed."""
        if self.client.status != "running":
            return WorkerFailed(CLOSED)
        modules = tuple(self.worker.modules)
        named = f"module {modules[0]}" if len(modules) == 1 else f"modules {modules}"
        return WorkerLost(
            f"the process that held {named} (worker {self.worker.index + 1}, at {self.address}) "
            "is gone",
            modules,
        )

    @property
    def gone(self) -> bool:
        """Whether Dask has said that the actor is no more."""
        return self.future.status in ("error", "lost", "cancelled")

    def ask(self, method: str, *arguments: Any) -> None:
        if self.client.status != "running":
            raise WorkerFailed(CLOSED)
        with self.client.as_current():  # else Dask takes the default client, if there is one
            self.answer = getattr(self.actor, method)(*arguments)
        self.asked = method, arguments


def looked_at(data: Dataset, modules: Mapping[int, Module], top: int) -> Dataset:
    """What a worker with these modules looks at: no test rows, and only the x or y it needs.

    In the place of the others there is one column, so that the batches are drawn as everywhere.
    """
    contexts = {one for m in modules.values() if m.generator for one in m.generator.context}
    x, y = data.x_train, data.y_train
    if not (1 in modules or "x" in contexts or any(m.input_model for m in modules.values())):
        x = x[:, :1]
    if not (top in modules or "y" in contexts):
        y = np.ones((len(y), 1), y.dtype)
    return replace(data, x_train=x, y_train=y, x_test=x[:1], y_test=y[:1])


class Apart:
    """An executor: see ``apart``.

    ``places``: the address of the process that holds each module, while a run lasts and after.
    ``costs``: what each worker has spent its time on, as of the last report.
    ``ahead``: whether training goes on while a report is read; to measure, it should not.
    """

    def __init__(self, client: Any, ahead: bool = True) -> None:
        self.client, self.ahead = client, ahead
        self.places: dict[int, str] = {}
        self.costs: tuple[Cost, ...] = ()

    def __call__(
        self,
        stack: Stack,
        workers: Sequence[Worker],
        program: Program,
        owners: Mapping[int, int],
        stops: Sequence[int],
        saves: Collection[int] = (),
    ) -> Generator[Snapshot, None, None]:
        """Run every worker in its process; yield a snapshot for each turn in ``stops``.

        At the stops that are in ``saves``, ``workers`` stand where those in the processes do.
        However the iterator ends, all actors are released first.

        Raises WorkerFailed if a worker raised, WorkerLost if the process of one is gone, and
        ParametersExploded as it is.
        """
        team: list[_Member] = []
        try:
            self._begin(team, workers, program, owners)
            self._ask(team, "advance", stops[0])
            for stop, following in zip(stops, [*stops[1:], None], strict=True):
                outcomes = self._outcomes(team)
                for member, outcome in zip(team, outcomes, strict=True):
                    for part, thetas in member.worker.thetas().items():
                        copy_into(thetas, outcome.thetas[part])
                self.costs = tuple(outcome.cost for outcome in outcomes)
                if stop in saves:
                    self._ask(team, "state")
                    whole = merged(self._answers(team))
                    for worker in workers:
                        worker.restore(whole)
                if self.ahead and following is not None:
                    self._ask(team, "advance", following)
                yield Snapshot(
                    stop,
                    stack,
                    tuple(span for outcome in outcomes for span in outcome.spans),
                    max(outcome.seconds for outcome in outcomes),
                )
                if not self.ahead and following is not None:
                    self._ask(team, "advance", following)
        finally:
            self._end(team)

    def _begin(
        self,
        team: list[_Member],
        workers: Sequence[Worker],
        program: Program,
        owners: Mapping[int, int],
    ) -> None:
        hush()
        if self.client.status != "running":
            raise WorkerFailed(CLOSED)
        addresses = sorted(self.client.nthreads())
        if len(addresses) < len(workers):
            raise ValueError(
                f"client is of a cluster with {len(addresses)} processes; program "
                f"{program.name!r} accepts {len(workers)} or more, one for each of its workers"
            )
        for worker, address in zip(workers, addresses, strict=False):
            team.append(_Member(self.client, worker, address))
        self.places = {k: team[owner].address for k, owner in sorted(owners.items())}
        distributed = dask()
        for member in team:
            try:
                member.actor = member.future.result(timeout=PATIENCE)
            except (distributed.TimeoutError, OSError, RuntimeError) as fault:
                raise member.lost() from fault
        for member in team:
            worker, feed = member.worker, member.worker.feed
            assert isinstance(feed, Feed)  # train() has made it
            plan = Plan(
                worker.index,
                program,
                dict(owners),
                worker.modules,
                worker.loss,
                looked_at(feed.data, worker.modules, program.modules),
                feed.batch_size,
                feed.seed,
                worker.optimiser,
                worker.generator_optimiser,
                worker.batches,
                worker.state() if worker.turn else None,
                worker.saving,
            )
            peers = {other.worker.index: other.actor for other in team if other is not member}
            member.ask("prepare", plan, peers)
        self._answers(team)

    def _ask(self, team: Sequence[_Member], method: str, *arguments: Any) -> None:
        for member in team:
            member.ask(method, *arguments)

    def _answers(self, team: Sequence[_Member]) -> list[Any]:
        """What each member answers; WorkerLost as soon as one of them is known to be gone."""
        answers: dict[int, Any] = {}
        distributed = dask()
        waiting = list(team)
        while waiting:
            for member in list(waiting):
                try:
                    answer = member.answer.result(timeout=LOOK_EVERY)
                except distributed.TimeoutError:
                    continue
                except OSError as fault:
                    raise member.lost() from fault
                except RuntimeError as fault:
                    if self.client.status == "running":
                        raise
                    raise WorkerFailed(CLOSED) from fault
                if answer is None and member.asked[0] == "advance":  # not there yet
                    member.ask(member.asked[0], *member.asked[1])
                    continue
                waiting.remove(member)
                answers[member.worker.index] = answer
                if isinstance(answer, Outcome) and answer.fault is not None:
                    self._raise(team, member, answer.fault)
            for member in team:
                if member.gone:
                    raise member.lost()
        return [answers[member.worker.index] for member in team]

    def _outcomes(self, team: Sequence[_Member]) -> list[Outcome]:
        return self._answers(team)

    def _raise(self, team: Sequence[_Member], member: _Member, fault: Fault) -> None:
        if fault.kind == "exploded":
            raise self._first(team, member, ParametersExploded(*fault.what))
        if fault.kind == "failed":
            kind = type(fault.what).__name__
            raise WorkerFailed(
                f"worker {member.worker.index + 1} failed at {fault.doing}: {kind}: {fault.what}"
            ) from fault.what
        # One had no answer from another.  Whether that one is gone, Dask knows a moment later.
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline and not any(one.gone for one in team):
            time.sleep(LOOK_EVERY / 10)
        silent = next((one for one in team if one.gone), None)
        raise (silent or team[fault.what]).lost()

    def _first(
        self, team: Sequence[_Member], member: _Member, fault: ParametersExploded
    ) -> ParametersExploded:
        """The explosion to be told, of all."""
        others = [one for one in team if one is not member]

        def look() -> list[Standing]:
            time.sleep(LOOK_EVERY / 10)
            self._ask(others, "standing")
            return self._answers(others)

        return first_of_all(fault, member.worker.program.batches_per_turn, look)

    def _end(self, team: Sequence[_Member]) -> None:
        """Stop all that still runs, and let go of the actors."""
        called = []
        for member in team:
            if member.actor is not None and not member.gone:
                with suppress(Exception):  # the client was closed before the run was
                    member.ask("stop")
                    called.append(member)
        deadline = time.monotonic() + GRACE
        distributed = dask()
        for member in called:
            while not member.gone and time.monotonic() < deadline:
                try:
                    member.answer.result(timeout=LOOK_EVERY)
                    break
                except distributed.TimeoutError:
                    continue
                except Exception:  # gone meanwhile; or this is a thread that can't wait
                    break
        for member in team:
            member.actor = member.answer = None
            member.future.release()


def apart(client: Any) -> Apart:
    """``train(..., executor=apart(client))``: every worker in a process of its own.

    ``client``: from ``cluster()``, or any Dask client of a cluster whose processes have dnilab
    installed, at least as many as the program has workers.  The weights equal those of one thread
    to the last bit, on processors of one kind.

    At each report the network is the one of that moment; closing the iterator leaves it there.
    Raises ValueError unless ``client`` is a Dask client.
    """
    distributed = dask()
    if not isinstance(client, distributed.Client):
        raise ValueError(
            f"client is {client!r}; it accepts a Dask client, as in: with cluster() as client"
        )
    return Apart(client)
