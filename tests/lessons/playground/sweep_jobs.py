"""Experiments for sweeps to run in other processes: some go well, some do not."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from dnilab.experiments import Run, Settings, run

TINY = Settings(
    bits=4, examples=40, test_examples=20, hidden=(6,), epochs=2, batch_size=10, rate=1e-2
)


class Planted(Exception):
    """The failure that the tests plant."""


def odd_seeds_fail(settings: Settings) -> Run:
    if settings.seed % 2:
        raise Planted(f"seed {settings.seed} is odd")
    return run(settings)


def odd_seeds_leave(settings: Settings) -> Run:
    if settings.seed % 2:
        raise SystemExit("bye")
    return run(settings)


def killed_once(mark: str, seed: int, settings: Settings) -> Run:
    """Kill the own process at this seed, unless the file ``mark`` says that it happened before."""
    if settings.seed == seed and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return run(settings)


def killed_always(seed: int, settings: Settings) -> Run:
    if settings.seed == seed:
        os.kill(os.getpid(), signal.SIGKILL)
    return run(settings)


def waits_after(seed: int, mark: str, settings: Settings) -> Run:
    """Seeds above this one come to no end before the file ``mark`` is there."""
    if settings.seed > seed:
        for _ in range(600):
            if Path(mark).exists():
                break
            time.sleep(0.1)
    return run(settings)
