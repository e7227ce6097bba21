"""What one worker hears and tells while all of them run at once, in threads or in processes.

Workers share nothing but messages: values, and word of how far one has come.  How a message
travels is the executor's business; what is in it, and who waits for what, is said here once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from math import inf
from queue import SimpleQueue
from typing import Any

from dnilab.training.worker import Key, Worker, users_of_values

TURNS_AHEAD = 16  # how many turns a worker may be ahead of one it never hears from
WORD_EVERY = TURNS_AHEAD // 4  # turns after which this one lets it know how far it has come

Values = Sequence[tuple[Key, Any]]
Post = Callable[[Values, int], None]
"""``post(values, turns)`` gives them to another worker, with word of so many more turns done."""


class Ended(Exception):
    """Unwinds a worker whose run is over."""


class Mailbox:
    """The inbox of one worker, and how it reaches the others.

    ``waiting``: nanoseconds until values were there, or until others had caught up.  ``posts``:
    how to reach each of the others, by number; set before the run begins.

    ``receive`` and ``end_after`` may be called on any thread, all else is the worker's own.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.inbox: SimpleQueue[Values] = SimpleQueue()
        self.posts: Mapping[int, Post] = {}
        self.parcels: dict[int, list[tuple[Key, Any]]] = {}
        self.waiting = 0
        self.last = inf
        self.users = users_of_values(worker.program, worker.owners)
        hears = {(user, worker.owners[module]) for (_, module), user in self.users.items()}
        me = worker.index
        never_answer = {(user, maker) for user, maker in hears if (maker, user) not in hears}
        self.followers = {
            user: threading.Semaphore(TURNS_AHEAD) for user, maker in never_answer if maker == me
        }
        self.followed = [maker for user, maker in never_answer if user == me]
        worker.fetch, worker.turn_ended, worker.route = self._fetch, self._turn_ended, self._route

    def receive(self, sender: int, values: Values, turns: int) -> None:
        """Values from worker ``sender``, and word of how many more turns it has done."""
        if values:
            self.inbox.put(values)
        if turns:
            self.followers[sender].release(turns)

    def end_after(self, turn: int) -> None:
        """Let the worker come to the end of this turn, if it is behind, and then no further.

        After turn 0 it ends wherever it waits; a step that it is at is finished first.
        """
        self.last = min(self.last, turn)
        self.inbox.put(())  # if it waits there, it looks up
        for semaphore in self.followers.values():
            semaphore.release()

    @property
    def over(self) -> bool:
        """Whether the worker has come to where it is to end."""
        return self.worker.turn >= self.last

    def _fetch(self, key: Key) -> bool:
        """Wait until the value is there."""
        store, began = self.worker.store, time.perf_counter_ns()
        while key not in store:
            if self.over:
                raise Ended
            store.update(self.inbox.get())
        self.waiting += time.perf_counter_ns() - began
        return True

    def _turn_ended(self) -> None:
        """Send the turn's parcels, and stay within reach of those who never answer."""
        turn = self.worker.turn
        if turn > self.last:
            raise Ended
        for user, parcel in self.parcels.items():
            if parcel:
                self.posts[user](tuple(parcel), 0)
                parcel.clear()
        if turn % WORD_EVERY == 0:
            for maker in self.followed:
                self.posts[maker]((), WORD_EVERY)
        if self.followers:
            began = time.perf_counter_ns()
            for semaphore in self.followers.values():
                semaphore.acquire()
            self.waiting += time.perf_counter_ns() - began
            if turn > self.last:
                raise Ended

    def _route(self, kind: str, module: int) -> Callable[[Key, Any], None] | None:
        """Where the values of this kind go: see ``Worker``."""
        user = self.users[kind, module]
        if user == self.worker.index:
            return None
        if self.worker.program.parcels:
            parcel = self.parcels.setdefault(user, [])
            return lambda key, value: parcel.append((key, value))
        post = self.posts[user]
        return lambda key, value: post(((key, value),), 0)
