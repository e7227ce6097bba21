"""The Dask actor: what can be asked of a worker in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from dnilab.lessons.many_machines.training.cluster import hush
from dnilab.lessons.many_machines.training.messages import Assignment, Outcome
from dnilab.lessons.many_machines.training.remote_worker import RemoteWorker
from dnilab.training.malloc import keep_freed_memory
from dnilab.training.state import RunState

PATIENCE = 1.0  # seconds after which a question that has no answer yet is asked again


class Actor:
    """What others can ask of a worker.

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
        return await self.remote.advance(stop, last, PATIENCE)

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
