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
from math import inf
from typing import Any

import numpy as np

from dnilab.checks import real_number
from dnilab.data import Dataset
from dnilab.data.dataset import Feed
from dnilab.lessons.many_machines.training.cluster import dask, hush
from dnilab.lessons.many_machines.training.messages import Assignment, Cost, Fault, WorkerLost
from dnilab.lessons.many_machines.training.remote_worker import Actor
from dnilab.lessons.many_machines.training.state import (
    ResumableWorker,
    arguments_of,
    copy_into,
    merged,
)
from dnilab.network import Module, Stack
from dnilab.orderings import Program, Wiring
from dnilab.training.events import Snapshot
from dnilab.training.failures import WorkerFailed, first_of, turn_of
from dnilab.training.train import refuse_racing
from dnilab.training.worker import ParametersExploded, Worker

LOOK_EVERY = 0.2  # seconds between two looks at whether every process is still there
PATIENCE = 60.0  # seconds without a word after which a process is given up
GRACE = 5.0  # seconds for Dask to say which process is gone, once somebody had no answer

CLOSED = "the client was closed before the run was at its end"


class _Member:
    """What the driver knows of one worker: its actor, where it lives, what it was asked."""

    def __init__(self, client: Any, worker: Worker, address: str, patience: float) -> None:
        self.client, self.worker, self.address = client, worker, address
        self.patience = patience
        # Dask never starts an actor again by itself: it would be an empty one.
        self.future: Any = client.submit(
            Actor, actor=True, workers=[address], allow_other_workers=False, retries=0
        )
        self.actor: Any = None
        self.asked: tuple[Any, ...] = ()  # the method and its arguments
        self.since = inf  # when that was
        self.coming: Any = None  # the answer, before it is there
        self.answer: Any = None

    def begin(self) -> None:
        """Wait until the actor is there."""
        try:
            self.actor = self.future.result(timeout=self.patience)
        except TimeoutError:
            raise self.silent() from None
        except (OSError, RuntimeError) as fault:
            raise self.lost() from fault

    def lost(self, what: str = "is gone") -> WorkerFailed:
        """Its process is gone; unless nobody can tell, as the client was closed."""
        if self.client.status != "running":
            return WorkerFailed(CLOSED)
        modules = tuple(self.worker.modules)
        named = f"module {modules[0]}" if len(modules) == 1 else f"modules {modules}"
        number = self.worker.index + 1
        return WorkerLost(
            f"the process that held {named} (worker {number}, at {self.address}) {what}", modules
        )

    def silent(self) -> WorkerFailed:
        """Its process may be there, but says nothing."""
        return self.lost(f"has not answered for {self.patience:g} seconds")

    @property
    def gone(self) -> bool:
        """Whether Dask has said that the actor is no more."""
        return self.future.status in ("error", "lost", "cancelled")

    def ask(self, method: str, *arguments: Any) -> None:
        if self.client.status != "running":
            raise WorkerFailed(CLOSED)
        with self.client.as_current():  # else Dask takes the default client, if there is one
            self.coming = getattr(self.actor, method)(*arguments)
        self.asked, self.since = (method, *arguments), time.monotonic()

    def answered(self) -> bool:
        """Whether the answer is there, after a short while."""
        try:
            self.answer = self.coming.result(timeout=LOOK_EVERY)
        except TimeoutError:
            if time.monotonic() - self.since > self.patience:
                raise self.silent() from None
            return False
        except OSError as fault:
            raise self.lost() from fault
        except RuntimeError as fault:
            if self.client.status == "running":
                raise
            raise WorkerFailed(CLOSED) from fault
        if self.answer is None and self.asked[0] == "advance":  # the worker is not there yet
            self.ask(*self.asked)
            return False
        return True


class _Team:
    """All members of a run."""

    def __init__(
        self, client: Any, workers: Sequence[Worker], program: Program, patience: float
    ) -> None:
        self.per_turn = program.batches_per_turn
        self.members: list[_Member] = []
        if client.status != "running":
            raise WorkerFailed(CLOSED)
        addresses = sorted(client.nthreads())
        if len(addresses) < len(workers):
            raise ValueError(
                f"client is of a cluster with {len(addresses)} processes; program "
                f"{program.name!r} accepts {len(workers)} or more, one for each of its workers"
            )
        for worker, address in zip(workers, addresses, strict=False):
            self.members.append(_Member(client, worker, address, patience))

    def begin(self) -> None:
        """Send each member its worker's part, and the others' addresses."""
        for member in self.members:
            member.begin()
        for member in self.members:
            worker, feed = member.worker, member.worker.feed
            assert isinstance(feed, Feed)  # train() has made it
            made_with = arguments_of(worker)
            del made_with["feed"]
            data = looked_at(feed.data, worker.modules, worker.program.wires)
            state, saving = None, False
            if isinstance(worker, ResumableWorker):  # the run is written down, or taken up again
                state, saving = worker.state() if worker.turn else None, worker.saving
            assignment = Assignment(made_with, (data, feed.batch_size, feed.seed), state, saving)
            others = (other for other in self.members if other is not member)
            member.ask("prepare", assignment, {one.worker.index: one.actor for one in others})
        self.answers()

    def ask(self, method: str, *arguments: Any) -> None:
        for member in self.members:
            member.ask(method, *arguments)

    def answers(self) -> list[Any]:
        """What each member answers.

        Raises WorkerLost as soon as one is known to be gone, WorkerFailed if a worker raised, and
        the first explosion once those that are behind have come to the same turn.
        """
        exploded: list[ParametersExploded] = []
        waiting = list(self.members)
        while waiting:
            for member in list(waiting):
                if not member.answered():
                    continue
                waiting.remove(member)
                fault: Fault | None = getattr(member.answer, "fault", None)
                if fault is None or fault.kind == "ended":
                    continue
                if fault.kind != "exploded":
                    raise self._failure(member, fault)
                exploded.append(ParametersExploded(*fault.what))
                last = turn_of(first_of(exploded), self.per_turn)
                for behind in waiting:
                    behind.ask("advance", behind.asked[1], last)
            for member in self.members:
                if member.gone:
                    raise member.lost()
        if exploded:
            raise first_of(exploded)
        return [member.answer for member in self.members]

    def _failure(self, member: _Member, fault: Fault) -> WorkerFailed:
        if fault.kind == "failed":
            return WorkerFailed.at(member.worker.index, fault.doing, fault.what)
        # One had no answer from another.  Whether that one is gone, Dask knows a moment later.
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline and not any(one.gone for one in self.members):
            time.sleep(LOOK_EVERY / 10)
        silent = next((one for one in self.members if one.gone), self.members[fault.what])
        return silent.lost()

    def end(self) -> None:
        """Stop all that still runs, and let go of the actors."""
        called = []
        for member in self.members:
            if member.actor is not None and not member.gone:
                with suppress(Exception):  # the client was closed before the run was
                    member.ask("stop")
                    called.append(member)
        deadline = time.monotonic() + GRACE
        for member in called:
            with suppress(Exception):  # gone meanwhile; or this is a thread that can't wait
                while not (member.gone or member.answered()) and time.monotonic() < deadline:
                    pass
        for member in self.members:
            member.actor = member.coming = None
            member.future.release()


def looked_at(data: Dataset, modules: Mapping[int, Module], wiring: Wiring) -> Dataset:
    """What a worker with these modules looks at: no test rows, and only the x or y it needs.

    In the place of the others there is one column, so that the batches are drawn as everywhere.
    """
    needs = {one for m in modules.values() if m.signal for one in m.signal.needs}
    hears_x = any(ear.module == 0 for k in modules for ear in wiring.heard[k - 1])
    x, y = data.x_train, data.y_train
    if not (hears_x or "x" in needs or any(m.input_model for m in modules.values())):
        x = x[:, :1]
    if not (wiring.modules in modules or "y" in needs):
        y = np.ones((len(y), 1), y.dtype)
    return replace(data, x_train=x, y_train=y, x_test=x[:1], y_test=y[:1])


class Apart:
    """An executor: see ``apart``.

    ``places``: the address of the process that holds each module, while a run lasts and after.
    ``costs``: what each worker has spent its time on, as of the last report.
    ``ahead``: whether training goes on while a report is read; to measure, it should not.
    """

    def __init__(self, client: Any, patience: float) -> None:
        self.client, self.patience = client, patience
        self.ahead = True
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

        Raises ValueError at once for a program that races; on the way, WorkerFailed if a worker
        raised, WorkerLost if the process of one is gone or silent, and ParametersExploded as it is.
        """
        refuse_racing("modules apart", program)
        return self._run(stack, workers, program, owners, stops, saves)

    def _run(
        self,
        stack: Stack,
        workers: Sequence[Worker],
        program: Program,
        owners: Mapping[int, int],
        stops: Sequence[int],
        saves: Collection[int],
    ) -> Generator[Snapshot, None, None]:
        hush()
        team = _Team(self.client, workers, program, self.patience)
        self.places = {k: team.members[who].address for k, who in sorted(owners.items())}
        try:
            team.begin()
            team.ask("advance", stops[0])
            for stop, following in zip(stops, [*stops[1:], None], strict=True):
                outcomes = team.answers()
                for worker, outcome in zip(workers, outcomes, strict=True):
                    for part, thetas in worker.thetas().items():
                        copy_into(thetas, outcome.thetas[part])
                self.costs = tuple(outcome.cost for outcome in outcomes)
                if stop in saves:
                    team.ask("state")
                    whole = merged(team.answers())
                    for worker in workers:
                        assert isinstance(worker, ResumableWorker)  # it is asked to save
                        worker.restore(whole)
                if self.ahead and following is not None:
                    team.ask("advance", following)
                yield Snapshot(
                    stop,
                    stack,
                    tuple(span for outcome in outcomes for span in outcome.spans),
                    max(outcome.seconds for outcome in outcomes),
                )
                if not self.ahead and following is not None:
                    team.ask("advance", following)
        finally:
            team.end()


def apart(client: Any, *, patience: float = PATIENCE) -> Apart:
    """``train(..., executor=apart(client))``: every worker in a process of its own.

    ``client``: from ``cluster()``, or any Dask client of a cluster whose processes have dnilab
    installed, at least as many as the program has workers.  The weights equal those of one thread
    to the last bit, on processors of one kind.

    At each report the network is the one of that moment; closing the iterator leaves it there.

    ``patience``: seconds without a word after which a process that is there, but frozen, is given
    up: the run ends with WorkerLost.  A process that dies is noticed at once.

    Raises ValueError unless ``client`` is a Dask client, and ``patience`` above 0.
    """
    if not isinstance(client, dask().Client):
        raise ValueError(
            f"client is {client!r}; it accepts a Dask client, as in: with cluster() as client"
        )
    return Apart(client, real_number("patience", patience, 0, above=True))
