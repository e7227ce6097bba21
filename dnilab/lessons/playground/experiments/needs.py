"""What a line-up takes, memory and time, before it is begun; and what there is.

A rough account: right to a factor of two or so.  It is there so that a run that can't end is
refused in a sentence, and the kernel is not killed in the middle of it.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from dnilab.data import Dataset
from dnilab.experiments.settings import LATE, OWN, Settings
from dnilab.lessons.playground.experiments.comparison import Lineup
from dnilab.lessons.playground.experiments.growing_lines import one_after_another

MINUTES = "DNILAB_MINUTES"
"""Environment variable: how many minutes a comparison or a sweep may take; else an hour."""

COPIES = 5  # of each parameter: itself, its gradient, two of Adam's averages, and one on its way
KEPT = 6  # arrays of a batch's activations that are there at once
STEP = 1.5e-4  # seconds of Python that a module takes for a batch, reports among them
SPEED = 5e9  # multiplications a second
SHARE = 0.75  # of the free memory: the pictures, and other kernels, need some as well
SHAPES = {"digits": (64, 10, 1500), "mnist": (784, 10, 60_000)}  # inputs, outputs, training rows

_CGROUP = Path("/sys/fs/cgroup")  # Linux: the limits of the container
_MEMORY = Path("/proc/meminfo")


@dataclass(frozen=True)
class Need:
    """What something takes: ``size`` in bytes at one time, and ``seconds`` in all."""

    size: float
    seconds: float


@dataclass(frozen=True)
class Room:
    """What there is: ``size``, bytes that are free, and ``seconds`` that may be spent."""

    size: float
    seconds: float

    @classmethod
    def here(cls) -> Room:
        """On this machine, now."""
        minutes = 60.0
        with suppress(ValueError):  # not set, or no number
            minutes = float(os.environ.get(MINUTES, ""))
        return cls(SHARE * free_memory(), 60 * minutes)

    def check(self, what: str, need: Need, remedy: str) -> None:
        """ValueError, in words, if there is no room for ``need``."""
        if need.size > self.size:
            raise ValueError(
                f"{what} would need about {_size(need.size)} of memory; the playground accepts "
                f"{_size(self.size)} here. {remedy}"
            )
        if need.seconds > self.seconds:
            raise ValueError(
                f"{what} would take about {_time(need.seconds)}; the playground accepts "
                f"{_time(self.seconds)}. {remedy}"
            )


def _size(count: float) -> str:
    """
    >>> _size(3.21e9), _size(2.5e7)
    ('3.2 GB', '25 MB')
    """
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _time(seconds: float) -> str:
    """
    >>> _time(7200), _time(600), _time(1e6)
    ('2 hours', '10 minutes', '278 hours')
    """
    hours = seconds / 3600
    number, unit = (hours, "hour") if hours >= 1 else (seconds / 60, "minute")
    return f"{number:.0f} {unit}{'s' * (round(number) != 1)}"


def check_room(lineup: Lineup, own: Dataset | None = None, room: Room | None = None) -> None:
    """ValueError, in words, if there is no room for a line-up.  ``own``: the reader's arrays."""
    remedy = "Choose fewer epochs, seeds or lines beside it, or fewer or narrower layers"
    (room or Room.here()).check("This comparison", of_lineup(lineup, own), remedy)


def check_sweep(
    runs: Iterable[Settings], workers: int, own: Dataset | None = None, room: Room | None = None
) -> None:
    """ValueError, in words, if there is no room for a sweep's runs on so many processes."""
    needs = [of_run(one, own) for one in runs]
    largest = sorted((need.size for need in needs), reverse=True)[:workers]
    need = Need(sum(largest), sum(need.seconds for need in needs) / workers)
    remedy = "Choose fewer values or seeds, or smaller runs"
    (room or Room.here()).check("This sweep", need, remedy)


def of_lineup(lineup: Lineup, own: Dataset | None = None) -> Need:
    """What a line-up takes.  All its networks are there at once, unless some run on threads."""
    entries = lineup.entries()
    needs = [of_run(entry.settings, own) for entry in entries]
    sizes = [need.size for need in needs]
    size = max(sizes) if one_after_another(entries) else lineup.seeds * sum(sizes)
    return Need(size, lineup.seeds * sum(need.seconds for need in needs))


def of_run(settings: Settings, own: Dataset | None = None) -> Need:
    """What one run takes: its rows, parameters, and the activations of its batches."""
    inputs, outputs, rows = _shape(settings, own)
    widths = (inputs, *settings.hidden, outputs)
    count, batch = parameters(settings, inputs, outputs), min(settings.batch_size, rows)
    in_flight = 1 + (settings.staleness if settings.ordering in LATE else 0)
    activations = KEPT * in_flight * batch * sum(widths)
    if settings.batch_norm:  # its statistics are taken over all the training rows
        activations += 4 * rows * max(widths)
    numbers = COPIES * count + activations + 2 * rows * (inputs + outputs)
    steps = settings.epochs * max(1, rows // batch)
    step = STEP * settings.modules + 3 * count * batch / SPEED
    return Need(np.dtype(settings.dtype).itemsize * numbers, steps * step)


def _shape(settings: Settings, own: Dataset | None) -> tuple[int, int, int]:
    """Inputs, outputs and training rows."""
    if settings.task == OWN and own is not None:
        return own.inputs, own.outputs, len(own.x_train)
    return SHAPES.get(settings.task, (2 * settings.bits, settings.bits, settings.examples))


def parameters(settings: Settings, inputs: int, outputs: int) -> int:
    """How many numbers a network holds, those of its signals among them."""
    count = _dense((inputs, *settings.hidden, outputs))
    count += 2 * sum(settings.hidden) * settings.batch_norm
    cuts = settings.cuts if isinstance(settings.cuts, tuple) else range(1, settings.modules)
    for width in (settings.hidden[cut - 1] for cut in cuts):
        seen = {"h": width, "h_norm": width, "x": inputs, "y": outputs}
        sees = sum(seen[part] for part in settings.context)
        match settings.signal:
            case "generator":
                count += _dense((sees, *settings.generator_hidden, width))
            case "readout":
                count += _dense((width, *settings.readout_hidden, outputs))
            case "feedback":
                count += outputs * width
        if settings.ordering == "complete unlock":
            count += _dense((inputs, *settings.input_hidden, width))
            count += 2 * sum(settings.input_hidden) * settings.batch_norm
    if settings.ordering == "feedback alignment":
        count *= 2
    return count


def _dense(widths: tuple[int, ...]) -> int:
    """Weights and biases of dense layers."""
    return sum((below + 1) * above for below, above in pairwise(widths))


def free_memory() -> float:
    """Bytes that this process may still take: what the machine, the container and the hub allow.

    Infinite where the system says nothing.
    """
    if sys.platform == "emscripten":
        return 1e9  # a browser's tab: what it may take in the end is not said
    found = [_of_machine(), _of_container()]
    with suppress(ValueError, OSError):  # not set, or no number, or nothing said of this process
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        limit = float(os.environ.get("MEM_LIMIT", ""))  # JupyterHub's, for the whole container
        found.append(limit - pages * os.sysconf("SC_PAGE_SIZE"))
    return max(0.0, min(found))


def _of_machine() -> float:
    with suppress(OSError, LookupError, ValueError):
        lines = dict(line.split(":") for line in _MEMORY.read_text("ascii").splitlines())
        return 1024.0 * int(lines["MemAvailable"].split()[0])
    with suppress(OSError, ValueError, AttributeError):  # not on Windows
        return 0.5 * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return math.inf


def _of_container() -> float:
    """What the control group leaves; files that it only remembers count as free."""
    with suppress(OSError, LookupError, ValueError):  # no control group, or "max": no limit
        limit = int((_CGROUP / "memory.max").read_text("ascii"))
        used = int((_CGROUP / "memory.current").read_text("ascii"))
        lines = (_CGROUP / "memory.stat").read_text("ascii").splitlines()
        remembered = dict(line.split() for line in lines)
        return float(limit - used + int(remembered["inactive_file"]))
    return math.inf
