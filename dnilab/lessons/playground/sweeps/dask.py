"""Dask's executor, and an eye on its connection.

Dask's own executor (distributed 2026.8, ``cfexecutor.py``) forgets a future whose result was on
its way when the connection broke or the client was closed: it stays pending, and who waits for it
waits for ever.  The client knows better: it drops such a future.
"""

from __future__ import annotations

import sys
from concurrent.futures import Executor, Future
from typing import Any
from uuid import uuid4


class OnDask(Executor):
    """Submits to a Dask client's executor, and says which futures are lost."""

    def __init__(self, executor: Any, client: Any) -> None:
        self._executor, self._client = executor, client
        self._keys: dict[Future[Any], str] = {}

    def submit(self, fn: Any, /, *args: Any, **named: Any) -> Future[Any]:
        """Submit a call, which is new to Dask even if an equal one failed before."""
        key = f"{fn.__name__}-{uuid4().hex}"
        future: Future[Any] = self._executor.submit(fn, *args, **named, key=key)
        self._keys[future] = key
        return future

    def lost(self, future: Future[Any]) -> bool:
        """Whether nothing will ever come."""
        return not future.done() and self._keys[future] not in self._client.futures


def on_dask(executor: Any) -> Any:
    """A Dask client, or its executor, as :class:`OnDask`; anything else as it is."""
    distributed = sys.modules.get("distributed")  # loaded, if there is a client
    if distributed is None:
        return executor
    if isinstance(executor, distributed.Client):
        return OnDask(executor.get_executor(), executor)
    if isinstance(executor, distributed.cfexecutor.ClientExecutor):
        return OnDask(executor, executor._client)  # it has no public name for it
    return executor
