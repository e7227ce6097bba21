"""A worker at work in a process of its own: it computes on one thread, and talks on another.

The other is the thread of Dask's event loop.  It receives what others send and sends what others
need, so a message is on its way while the next step runs.
"""

from __future__ import annotations

import asyncio
import pickle
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any

import numpy as np

from dnilab.lessons.many_machines.training.messages import Cost, Fault, Outcome, Plan
from dnilab.lessons.many_machines.training.sender import Outbox, Parcel
from dnilab.training.blas import one_blas_thread
from dnilab.training.failures import Standing
from dnilab.training.feed import Feed
from dnilab.training.state import Key, RunState
from dnilab.training.threads import TURNS_AHEAD
from dnilab.training.worker import ParametersExploded, Worker, users_of_values

CREDIT_EVERY = TURNS_AHEAD // 4  # turns after which one tells those it never answers how far it is
STOP = object()  # in an inbox: the run is over


class _Cancelled(Exception):
    """Unwinds a worker whose run was ended by somebody else."""


def _portable(fault: BaseException) -> BaseException:
    """The exception, or one that says the same if it can't be sent to another process."""
    try:
        again = pickle.loads(pickle.dumps(fault))
    except Exception:
        again = None
    if type(again) is type(fault) and str(again) == str(fault):
        return fault
    return RuntimeError(f"{type(fault).__name__}: {fault}")


class Desk:
    """One worker, its inbox, and an outbox for each of the others.

    ``peers``: their seats, by worker.  It is made, and its methods are called, on the event loop.
    """

    def __init__(self, plan: Plan, peers: Mapping[int, Any]) -> None:
        self.inbox: SimpleQueue[Any] = SimpleQueue()
        self.parcels: list[tuple[Outbox, Parcel]] = []
        self.ahead: dict[int, threading.Semaphore] = {}  # of those that never answer
        self.answers: list[int] = []  # those that this one never sends a value
        self.silent: int | None = None
        self.cancelled = False
        self.exploded: tuple[int, str, int] | None = None
        self.busy = self.waiting = self.handing_over = self.talking = 0
        self.loop = asyncio.get_running_loop()
        self.going: tuple[int, asyncio.Task[Outcome]] | None = None
        program, index = plan.program, plan.index
        # Views, as W of theta, come out of a pickle as arrays of their own; a copy has them again.
        modules = {k: module.copy() for k, module in plan.modules.items()}
        self.worker = Worker(
            index,
            program,
            plan.owners,
            modules,
            plan.loss,
            Feed(plan.data, plan.batch_size, plan.seed),
            plan.optimiser,
            plan.generator_optimiser,
            plan.batches,
        )
        self.worker.saving = plan.saving
        if plan.state is not None:
            self.worker.restore(plan.state)
        users = users_of_values(program, plan.owners)
        self.outboxes = {
            peer: Outbox(index, actor, partial(self._give_up, peer))
            for peer, actor in peers.items()
        }
        hears_from = {(plan.owners[module], user) for (_, module), user in users.items()}
        for maker, user in hears_from:
            if maker != user and (user, maker) not in hears_from:
                if maker == index:
                    self.ahead[user] = threading.Semaphore(TURNS_AHEAD)
                elif user == index:
                    self.answers.append(maker)
        self.worker.fetch = self._fetch
        self.worker.turn_ended = self._turn_ended
        self.worker.route = partial(self._route, users, program.parcels)

    async def advance(self, stop: int, patience: float) -> Outcome | None:
        """Run up to turn ``stop``; None if it is not there yet after so many seconds.

        To ask again goes on with the same run.  When it is there, all that was made for others
        has arrived.
        """
        if self.going is None or self.going[0] != stop:
            self.going = stop, self.loop.create_task(self._advance(stop))
        running = self.going[1]
        await asyncio.wait([running], timeout=patience)
        return running.result() if running.done() else None

    def state(self) -> RunState:
        """Where the worker stands, once all of them have come to the same stop."""
        while not self.inbox.empty():
            item = self.inbox.get()
            if item is not STOP:
                self.worker.store.update(item)
        return self.worker.state()

    def standing(self) -> Standing:
        """How far the worker has come."""
        return Standing(self.worker.turn, self.worker.sound, self.exploded)

    def receive(self, sender: int, turns: int, keys: Sequence[Key], values: Sequence[Any]) -> None:
        """Values from another worker, or word of how many more turns it has done."""
        if keys:
            self.inbox.put(list(zip(map(tuple, keys), values, strict=True)))
        if turns:
            self.ahead[sender].release(turns)

    def cancel(self) -> None:
        """End the run, wherever the worker waits; a step that it is at is finished first."""
        self.cancelled = True
        self.inbox.put(STOP)
        for semaphore in self.ahead.values():
            semaphore.release()
        for outbox in self.outboxes.values():
            outbox.close()

    async def at_rest(self) -> None:
        """Wait until the worker has ended."""
        if self.going is not None:
            await asyncio.wait([self.going[1]])

    def _give_up(self, peer: int) -> None:
        """Somebody can't be reached: the driver will say who it was."""
        self.silent = peer
        self.cancel()

    async def _advance(self, stop: int) -> Outcome:
        clock = time.thread_time_ns()
        ended: asyncio.Future[Fault | None] = self.loop.create_future()

        def run() -> None:
            fault = self._run(stop)
            with suppress(RuntimeError):  # the process is about to end, and its loop has
                self.loop.call_soon_threadsafe(ended.set_result, fault)

        # A daemon, so that a process can be ended while its worker waits.
        name = f"dnilab worker {self.worker.index + 1}"
        threading.Thread(target=run, name=name, daemon=True).start()
        fault = await ended
        if fault is None:
            for outbox in self.outboxes.values():
                await outbox.drained()
        self.talking += time.thread_time_ns() - clock
        worker = self.worker
        thetas = {} if fault else worker.thetas()
        return Outcome(thetas, worker.take_spans(), worker.nanoseconds / 1e9, self._cost(), fault)

    def _cost(self) -> Cost:
        worker, out = self.worker, self.outboxes.values()
        return Cost(
            worker.index,
            tuple(worker.modules),
            computing=(self.busy - self.handing_over) / 1e9,
            waiting=self.waiting / 1e9,
            handing_over=self.handing_over / 1e9,
            talking=self.talking / 1e9,
            messages=sum(outbox.messages for outbox in out),
            bytes=sum(outbox.bytes for outbox in out),
            on_the_way=sum(outbox.on_the_way for outbox in out) / 1e9,
        )

    # ---- on the worker's thread ------------------------------------------------------------------

    def _run(self, stop: int) -> Fault | None:
        worker = self.worker
        clock = time.thread_time_ns()
        try:
            with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
                worker.advance(stop)
        except _Cancelled:
            if self.silent is None:
                return Fault("cancelled")
            return Fault("unanswered", self.silent)
        except ParametersExploded as fault:
            self.exploded = fault.module, fault.part, fault.batch
            return Fault("exploded", self.exploded)
        except BaseException as fault:
            return Fault("failed", _portable(fault), worker.doing)
        finally:
            self.busy += time.thread_time_ns() - clock
        return None

    def _route(
        self, users: Mapping[tuple[str, int], int], parcels: bool, kind: str, module: int
    ) -> Any:
        user = users[kind, module]
        if user == self.worker.index:
            return None
        outbox = self.outboxes[user]
        if not parcels:
            return partial(self._post_one, outbox)
        parcel = next((known for to, known in self.parcels if to is outbox), None)
        if parcel is None:
            parcel = []
            self.parcels.append((outbox, parcel))
        append = parcel.append
        return lambda key, value: append((key, value))

    def _post_one(self, outbox: Outbox, key: Key, value: np.ndarray) -> None:
        clock = time.thread_time_ns()
        outbox.post([(key, value)])
        self.handing_over += time.thread_time_ns() - clock

    def _fetch(self, key: Key) -> bool:
        """Wait until the value is there."""
        store, get = self.worker.store, self.inbox.get
        began = time.perf_counter_ns()
        try:
            while key not in store:
                item = get()
                if item is STOP:
                    raise _Cancelled
                store.update(item)
        finally:
            self.waiting += time.perf_counter_ns() - began
        return True

    def _turn_ended(self) -> None:
        """Send the turn's parcels, and stay within reach of those who never answer."""
        if self.cancelled:
            raise _Cancelled
        clock = time.thread_time_ns()
        for outbox, parcel in self.parcels:
            if parcel:
                outbox.post(list(parcel))
                parcel.clear()
        if self.worker.turn % CREDIT_EVERY == 0:
            for maker in self.answers:
                self.outboxes[maker].post([], CREDIT_EVERY)
        self.handing_over += time.thread_time_ns() - clock
        if not self.ahead:
            return
        began = time.perf_counter_ns()
        for semaphore in self.ahead.values():
            semaphore.acquire()
            if self.cancelled:
                raise _Cancelled
        self.waiting += time.perf_counter_ns() - began
