"""A worker in a process of its own, as a Dask actor: the seat it sits on.

The worker computes on a thread of its own.  Dask's event loop, in the same process, receives what
others send and sends what others need; so a message is on its way while the next step runs.
"""

from __future__ import annotations

import asyncio
import pickle
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any

import numpy as np

from dnilab.network import Loss, Module, Optimiser
from dnilab.orderings import Program
from dnilab.training.blas import one_blas_thread
from dnilab.training.cluster import hush
from dnilab.training.events import Span
from dnilab.training.feed import Feed
from dnilab.training.memory import keep_freed_memory
from dnilab.training.state import Key, State
from dnilab.training.threads import TURNS_AHEAD
from dnilab.training.worker import ParametersExploded, Worker, users_of_values

CREDIT_EVERY = TURNS_AHEAD // 4  # turns after which one tells those it never answers how far it is
STOP = object()  # in an inbox: the run is over

Parcel = list[tuple[Key, np.ndarray]]


@dataclass(frozen=True)
class Plan:
    """All that one worker needs, sent once before the run begins.

    ``data``: (x, y) of the training rows.  ``state``: where to go on; None: at the beginning.
    ``saving``: whether its state will be asked for.
    """

    index: int
    program: Program
    owners: dict[int, int]
    modules: dict[int, Module]
    loss: Loss
    data: Any
    batch_size: int
    seed: int
    optimiser: Optimiser
    generator_optimiser: Optimiser
    batches: int
    state: State | None
    saving: bool


@dataclass(frozen=True)
class Cost:
    """What a worker spent its time on since the run began, in seconds.

    ``computing``: processor time of the thread that runs its steps, but for ``handing_over``:
    that of giving values to the thread that sends them.  ``talking``: processor time of this
    other thread: to serialise, send, receive and unpack, and for Dask's own heartbeats.

    ``waiting``: time that passed until a value from another worker was there, or until the worker
    was no longer too far ahead.

    ``messages`` and ``bytes``: how many were sent, and how much was in them.  ``on_the_way``: the
    time from a message's sending to the answer that it is there, summed over the messages.
    """

    worker: int
    modules: tuple[int, ...]
    computing: float = 0.0
    waiting: float = 0.0
    handing_over: float = 0.0
    talking: float = 0.0
    messages: int = 0
    bytes: int = 0
    on_the_way: float = 0.0

    @property
    def communication(self) -> float:
        """The share of communication in all that this worker did, between 0 and 1."""
        told = self.talking + self.handing_over
        return told / (told + self.computing) if told else 0.0


@dataclass(frozen=True)
class Fault:
    """Why a worker stopped before its time.

    ``kind``: "cancelled", "exploded" (``what`` is module, part and batch), "failed" (``what`` is
    the exception, ``doing`` the step), or "unanswered" (``what`` is the worker that is silent).
    """

    kind: str
    what: Any = None
    doing: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a worker hands in at a stop, or instead of it."""

    thetas: dict[Any, list[np.ndarray]]
    spans: list[Span]
    seconds: float
    cost: Cost
    fault: Fault | None = None


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


class _Outbox:
    """What goes to one other worker: sent as soon as what was sent before has arrived.

    Whatever comes together meanwhile leaves in one message, so a slow line gets fewer, longer
    ones.  ``post`` is for the worker's thread, all else for the event loop's.
    """

    def __init__(self, seat: Seat, peer: int, actor: Any) -> None:
        self.seat, self.peer = seat, peer
        self.receive = actor.receive  # looked up here, where Dask knows which worker it is on
        self.loop = asyncio.get_running_loop()
        self.parcel: Parcel = []
        self.turns = 0
        self.sending: asyncio.Task[None] | None = None
        self.messages = self.bytes = self.on_the_way = 0

    def post(self, parcel: Parcel, turns: int = 0) -> None:
        """Send these values, and word of so many more turns that are done."""
        self.loop.call_soon_threadsafe(self._add, parcel, turns)

    def _add(self, parcel: Parcel, turns: int) -> None:
        self.parcel += parcel
        self.turns += turns
        if self.sending is None:
            self.sending = self.loop.create_task(self._send())

    async def _send(self) -> None:
        try:
            while self.parcel or self.turns:
                parcel, turns = self.parcel, self.turns
                self.parcel, self.turns = [], 0
                self.messages += 1
                self.bytes += sum(value.nbytes for _, value in parcel)
                keys = [key for key, _ in parcel]
                began = time.perf_counter_ns()
                # each array an argument of its own: Dask then sends its memory as it is
                await self.receive(self.seat.worker.index, turns, keys, *(v for _, v in parcel))
                self.on_the_way += time.perf_counter_ns() - began
        except Exception:
            self.seat.give_up(self.peer)
        finally:
            self.sending = None

    async def drained(self) -> None:
        """Wait until all that was posted has arrived."""
        await asyncio.sleep(0)  # what was posted from the other thread just now comes first
        while self.sending is not None:
            await asyncio.wait([self.sending])


class Seat:
    """The actor.  Its methods are coroutines: they run on Dask's event loop, and never wait for
    the worker, which may compute for long."""

    def __init__(self) -> None:
        self.worker: Worker
        self.inbox: SimpleQueue[Any] = SimpleQueue()
        self.outboxes: dict[int, _Outbox] = {}
        self.parcels: list[tuple[_Outbox, Parcel]] = []
        self.ahead: dict[int, threading.Semaphore] = {}  # of those that never answer
        self.answers: list[int] = []  # those that this one never sends a value
        self.silent: int | None = None
        self.cancelled = False
        self.busy = self.waiting = self.handing_over = self.talking = 0
        self.thread: ThreadPoolExecutor | None = None

    # ---- asked by the driver, on the event loop --------------------------------------------------

    async def prepare(self, plan: Plan, peers: Mapping[int, Any]) -> None:
        """Take the modules, the data and the addresses of the others."""
        hush()
        keep_freed_memory()  # Dask starts its processes with the opposite
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
        self.outboxes = {peer: _Outbox(self, peer, actor) for peer, actor in peers.items()}
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
        self.thread = ThreadPoolExecutor(1, thread_name_prefix=f"dnilab worker {index + 1}")

    async def advance(self, stop: int) -> Outcome:
        """Run up to turn ``stop``; all that was made for others has arrived when this returns."""
        clock = time.thread_time_ns()
        fault = await asyncio.get_running_loop().run_in_executor(self.thread, self._run, stop)
        if fault is None:
            for outbox in self.outboxes.values():
                await outbox.drained()
        self.talking += time.thread_time_ns() - clock
        worker = self.worker
        thetas = {} if fault else worker.thetas()
        return Outcome(thetas, worker.take_spans(), worker.nanoseconds / 1e9, self._cost(), fault)

    async def state(self) -> State:
        """Where the worker stands, once all of them have come to the same stop."""
        self._take_in()
        return self.worker.state()

    async def receive(self, sender: int, turns: int, keys: Sequence[Key], *values: Any) -> None:
        """Values from another worker, or word of how many more turns it has done."""
        if keys:
            self.inbox.put(list(zip(map(tuple, keys), values, strict=True)))
        if turns:
            self.ahead[sender].release(turns)

    async def stop(self) -> None:
        """End the run, wherever the worker waits."""
        self._cancel()
        if self.thread is not None:
            self.thread.shutdown(wait=False)

    # ---- within ----------------------------------------------------------------------------------

    def give_up(self, peer: int) -> None:
        """Somebody can't be reached: the driver will say who it was."""
        self.silent = peer
        self._cancel()

    def _cancel(self) -> None:
        self.cancelled = True
        self.inbox.put(STOP)
        for semaphore in self.ahead.values():
            semaphore.release()

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
            return Fault("exploded", (fault.module, fault.part, fault.batch))
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

    def _post_one(self, outbox: _Outbox, key: Key, value: np.ndarray) -> None:
        clock = time.thread_time_ns()
        outbox.post([(key, value)])
        self.handing_over += time.thread_time_ns() - clock

    def _take_in(self) -> None:
        while not self.inbox.empty():
            item = self.inbox.get()
            if item is not STOP:
                self.worker.store.update(item)

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
