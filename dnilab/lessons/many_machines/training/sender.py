"""How a worker in a process of its own sends: one message at a time to each of the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from dnilab.training.mailbox import Values


class Sender:
    """What worker ``index`` sends to ``actor``: as soon as what it sent before has arrived.

    Whatever comes together meanwhile leaves in one message, so a slow line gets fewer, longer
    ones.  ``post`` is for the worker's thread, all else for the event loop's.  ``unanswered()`` is
    called if a message can't be delivered.
    """

    def __init__(self, index: int, actor: Any, unanswered: Callable[[], None]) -> None:
        self.index, self.unanswered = index, unanswered
        self.receive = actor.receive  # looked up here, where Dask knows which worker it is on
        self.loop = asyncio.get_running_loop()
        self.values: list[Any] = []
        self.turns = 0
        self.sending: asyncio.Task[None] | None = None
        self.messages = self.bytes = self.on_the_way = self.handing_over = 0

    def post(self, values: Values, turns: int) -> None:
        """Send these values, and word of so many more turns that are done."""
        clock = time.thread_time_ns()
        self.loop.call_soon_threadsafe(self._add, values, turns)
        self.handing_over += time.thread_time_ns() - clock

    def _add(self, values: Values, turns: int) -> None:
        self.values += values
        self.turns += turns
        if self.sending is None:
            self.sending = self.loop.create_task(self._send())

    async def _send(self) -> None:
        try:
            while self.values or self.turns:
                values, turns = self.values, self.turns
                self.values, self.turns = [], 0
                self.messages += 1
                # None, where there is nothing to tell
                self.bytes += sum(value.nbytes for _, value in values if value is not None)
                keys = [key for key, _ in values]
                began = time.perf_counter_ns()
                # each array an argument of its own: Dask then sends its memory as it is
                await self.receive(self.index, turns, keys, *(value for _, value in values))
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
