"""A panel's worker where no thread can start: it takes turns with the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from inspect import GEN_CLOSED, GEN_CREATED, GEN_SUSPENDED, getgeneratorstate


class Turns:
    """Work that goes on, a step at a time, whenever nothing else has happened in the meantime.

    It has a thread's ``start``, ``join`` and ``is_alive``.  To wait for it is to do what is left:
    nobody else can.
    """

    def __init__(self, work: Generator[None]) -> None:
        self._work = work

    def start(self) -> None:
        """Begin, as soon as the event loop has its turn."""
        self._task = asyncio.ensure_future(self._take_turns())

    async def _take_turns(self) -> None:
        for _ in self._work:
            await asyncio.sleep(0)

    def is_alive(self) -> bool:
        """Whether there is more to do."""
        return getgeneratorstate(self._work) != GEN_CLOSED

    def join(self, seconds: float) -> None:
        """Do what is left, for so long; nothing if it waits for itself."""
        end = time.monotonic() + seconds
        rests = (GEN_CREATED, GEN_SUSPENDED)
        while getgeneratorstate(self._work) in rests and time.monotonic() < end:
            next(self._work, None)
