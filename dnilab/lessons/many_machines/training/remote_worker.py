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
from typing import Any

import numpy as np

from dnilab.data.dataset import Feed
from dnilab.lessons.many_machines.training.cluster import hush
from dnilab.lessons.many_machines.training.messages import Assignment, Cost, Fault, Outcome
from dnilab.lessons.many_machines.training.sender import Sender
from dnilab.lessons.many_machines.training.state import ResumableWorker, RunState
from dnilab.training.mailbox import Ended, Mailbox
from dnilab.training.one_thread import keep_freed_memory, one_blas_thread
from dnilab.training.worker import ParametersExploded

PATIENCE = 1.0  # seconds after which a question that has no answer yet is asked again


def _portable(fault: BaseException) -> BaseException:
    """The exception, or one that says the same if it can't be sent to another process."""
    try:
        again = pickle.loads(pickle.dumps(fault))
    except Exception:
        again = None
    if type(again) is type(fault) and str(again) == str(fault):
        return fault
    return RuntimeError(f"{type(fault).__name__}: {fault}")


class RemoteWorker:
    """One worker, its mailbox, and a sender to each of the others.

    ``peers``: their actors, by worker.  It is made, and its methods are called, on the event loop.
    Its actor holds it, and not the other way round.
    """

    def __init__(self, assignment: Assignment, peers: Mapping[int, Any]) -> None:
        self.loop = asyncio.get_running_loop()
        made_with = dict(assignment.made_with)
        # Views, as W of theta, come out of a pickle as arrays of their own; a copy has them again.
        made_with["modules"] = {k: m.copy() for k, m in made_with["modules"].items()}
        self.worker = ResumableWorker(**made_with, feed=Feed(*assignment.feed))
        self.worker.saving = assignment.saving
        if assignment.state is not None:
            self.worker.restore(assignment.state)
        me = self.worker.index
        self.mailbox = Mailbox(self.worker)
        self.senders = {
            peer: Sender(me, actor, partial(self._give_up, peer)) for peer, actor in peers.items()
        }
        self.mailbox.posts = {peer: sender.post for peer, sender in self.senders.items()}
        self.silent: int | None = None
        self.going: tuple[int, asyncio.Task[Outcome]] | None = None
        self.busy = self.talking = 0

    async def advance(self, stop: int, last: int | None) -> Outcome | None:
        """Run up to turn ``stop``, or ``last``; None if it is not there yet after a while.

        To ask again goes on with the same run.  When it is there, all that was made for others
        has arrived.
        """
        if last is not None:
            self.mailbox.end_after(last)
        if self.going is None or self.going[0] != stop:
            self.going = stop, self.loop.create_task(self._advance(stop))
        running = self.going[1]
        await asyncio.wait([running], timeout=PATIENCE)
        return running.result() if running.done() else None

    def state(self) -> RunState:
        """Where the worker stands, once all of them have come to the same stop."""
        while not self.mailbox.inbox.empty():
            self.worker.store.update(self.mailbox.inbox.get())
        return self.worker.state()

    def cancel(self) -> None:
        """End the run, wherever the worker waits; a step that it is at is finished first."""
        self.mailbox.end_after(0)
        for sender in self.senders.values():
            sender.close()

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
            for sender in self.senders.values():
                await sender.drained()
        self.talking += time.thread_time_ns() - clock
        worker = self.worker
        thetas = {} if fault else worker.thetas()
        return Outcome(thetas, worker.take_spans(), worker.nanoseconds / 1e9, self._cost(), fault)

    def _run(self, stop: int) -> Fault | None:
        """On the worker's thread: run, and say why if it does not come to the stop."""
        clock = time.thread_time_ns()
        try:
            with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
                self.worker.advance(stop)
        except Ended:
            return Fault("ended") if self.silent is None else Fault("unanswered", self.silent)
        except ParametersExploded as fault:
            return Fault("exploded", (fault.module, fault.part, fault.batch))
        except BaseException as fault:
            return Fault("failed", _portable(fault), self.worker.doing)
        finally:
            self.busy += time.thread_time_ns() - clock
        return None

    def _cost(self) -> Cost:
        senders = self.senders.values()
        handing_over = sum(sender.handing_over for sender in senders)
        return Cost(
            self.worker.index,
            tuple(self.worker.modules),
            computing=(self.busy - handing_over) / 1e9,
            waiting=self.mailbox.waiting / 1e9,
            handing_over=handing_over / 1e9,
            talking=self.talking / 1e9,
            messages=sum(sender.messages for sender in senders),
            bytes=sum(sender.bytes for sender in senders),
            on_the_way=sum(sender.on_the_way for sender in senders) / 1e9,
        )


class Actor:
    """The Dask actor: what others can ask of a worker.

    Its methods are coroutines: they run on Dask's event loop, and none waits for long.  So between
    two questions nobody but Dask holds the actor; and when the driver is no more, Dask lets go of
    it, and the worker is told to end.
    """

    remote: RemoteWorker

    async def prepare(self, assignment: Assignment, peers: Mapping[int, Any]) -> None:
        """Take the modules, the data and the addresses of the others."""
        hush()
        keep_freed_memory()  # Dask starts its processes with the opposite
        self.remote = RemoteWorker(assignment, peers)

    async def advance(self, stop: int, last: int | None = None) -> Outcome | None:
        """Run up to turn ``stop``, or to ``last`` if that comes first; None for: ask again."""
        return await self.remote.advance(stop, last)

    async def state(self) -> RunState:
        """Where the worker stands, once all of them have come to the same stop."""
        return self.remote.state()

    async def receive(self, sender: int, turns: int, keys: Sequence[Any], *values: Any) -> None:
        """Values from another worker, or word of how many more turns it has done."""
        named = [(tuple(key), value) for key, value in zip(keys, values, strict=True)]
        self.remote.mailbox.receive(sender, named, turns)

    async def stop(self) -> None:
        """End the run."""
        self.remote.cancel()
        await self.remote.at_rest()

    def __del__(self) -> None:
        remote = getattr(self, "remote", None)
        if remote is not None:
            with suppress(RuntimeError):  # the process is ending
                remote.loop.call_soon_threadsafe(remote.cancel)
