"""The Dask actor: a seat in a process of its own, at whose desk one worker works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from dnilab.lessons.many_machines.training.cluster import hush
from dnilab.lessons.many_machines.training.messages import Outcome, Plan
from dnilab.lessons.many_machines.training.remote_worker import Desk
from dnilab.training.failures import Standing
from dnilab.training.malloc import keep_freed_memory
from dnilab.training.state import Key, RunState

PATIENCE = 1.0  # seconds after which a question that has no answer yet is asked again


class Seat:
    """What others can ask of a worker.

    Its methods are coroutines: they run on Dask's event loop, and none waits for long.  So between
    two questions nobody but Dask holds the seat; and when the driver is no more, Dask lets go of
    it, and the worker is told to end.
    """

    desk: Desk

    async def prepare(self, plan: Plan, peers: Mapping[int, Any]) -> None:
        """Take the modules, the data and the addresses of the others."""
        hush()
        keep_freed_memory()  # Dask starts its processes with the opposite
        self.desk = Desk(plan, peers)

    async def advance(self, stop: int) -> Outcome | None:
        """Run up to turn ``stop``; None for: ask again."""
        return await self.desk.advance(stop, PATIENCE)

    async def state(self) -> RunState:
        """Where the worker stands, once all of them have come to the same stop."""
        return self.desk.state()

    async def standing(self) -> Standing:
        """How far the worker has come."""
        return self.desk.standing()

    async def receive(self, sender: int, turns: int, keys: Sequence[Key], *values: Any) -> None:
        """Values from another worker, or word of how many more turns it has done."""
        self.desk.receive(sender, turns, keys, values)

    async def stop(self) -> None:
        """End the run."""
        self.desk.cancel()
        await self.desk.at_rest()

    def __del__(self) -> None:
        desk = getattr(self, "desk", None)
        if desk is not None:
            with suppress(RuntimeError):  # the process is ending
                desk.loop.call_soon_threadsafe(desk.cancel)
