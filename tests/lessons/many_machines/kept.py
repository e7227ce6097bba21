"""``train`` with the arguments of ``Checkpointed`` among its own: tests change them one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dnilab.lessons.many_machines.training import Checkpointed
from dnilab.training import Event
from dnilab.training import train as plain_train

NAMES = ("checkpoint", "checkpoint_every", "resume")


def train(*given: Any, executor: Any = "one thread", **how: Any) -> Iterator[Event]:
    """Train, by an executor that goes on from a file and writes one, if such are named."""
    places = {name: how.pop(name) for name in NAMES if name in how}
    if places:
        executor = Checkpointed(executor, **places)
    return plain_train(*given, **how, executor=executor)
