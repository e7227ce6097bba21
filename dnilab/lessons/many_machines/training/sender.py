"""How a worker in a process of its own sends: one message at a time to each of the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from dnilab.training.state import Key

Parcel = list[tuple[Key, np.ndarray]]


class Outbox:
    """What worker ``index`` sends to the seat ``actor``: as soon as what it sent has arrived.

    Whatever comes together meanwhile leaves in one message, so a slow line gets fewer, longer
    ones.  ``post`` is for the worker's thread, all else for the event loop's.  ``unanswered()`` is
    called if a message can't be delivered.
    """

    def __init__(self, index: int, actor: Any, unanswered: Callable[[], None]) -> None:
        self.index, self.unanswered = index, unanswered
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
                await self.receive(self.index, turns, keys, *(v for _, v in parcel))
                self.on_the_way += time.perf_counter_ns() - began
        except Exception:
            self.unanswered()
        finally:
            self.sending = None

    async def drained(self) -> None:
        """Wait until all that was posted has arrived."""
        await asyncio.sleep(0)  # what was posted from the other thread just now comes first
        while self.sending is not None:
            await asyncio.wait([self.sending])

    def close(self) -> None:
        """Send nothing more: nobody may ever answer."""
        if self.sending is not None:
            self.sending.cancel()
