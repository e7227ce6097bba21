"""A program played out: the ideal timeline, and who works and who waits at each moment."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from dnilab.checks import real_number, whole_number
from dnilab.orderings.groups import StepTimes
from dnilab.orderings.locks import makers_of
from dnilab.orderings.steps import MOST_BATCHES, Program, Step, Value, check, in_a_run, unroll_turn

Delays = Mapping[tuple[str, int], float]
"""How long a value is on its way to another worker, by (kind, module), in the unit of the steps."""


def durations(steps: Iterable[Step], times: StepTimes) -> dict[tuple[str, int], float]:
    """How long each of these steps takes; ValueError unless all have a time of 0 or more."""
    found: dict[tuple[str, int], float] = {}
    for kind in dict.fromkeys((step.op, step.module) for step in steps):
        if kind not in times:
            raise ValueError(f"times has no entry for {kind}")
        found[kind] = real_number(f"times[{kind}]", times[kind], 0)
    return found


@dataclass(frozen=True)
class Slot:
    """A step in its place: on which worker (from 0), from when to when, in the times' unit."""

    worker: int
    step: Step
    start: float
    end: float

    @property
    def batch(self) -> int:
        """The batch that the step is of."""
        return self.step.batch


def ideal_timeline(
    program: Program,
    times: StepTimes,
    *,
    cores: int | None = None,
    batches: int = 8,
    delays: Delays | None = None,
) -> list[Slot]:
    """Play the program with the given step times on ``cores`` cores (None: as many as it likes).

    A step starts when its worker has finished the one before, what it needs is there, and a core
    is free; of several such steps the one that became ready first goes first.  Handing a value
    over takes no time, or that of ``delays``, during which both workers may go on.  A fit that
    runs alone (the Blue Box) is given a worker of its own.

    Returns the steps in the order of their start.  Raises ValueError for a step without a time,
    and for a time or a delay below 0.
    """
    check(program)
    whole_number("batches", batches, 1, MOST_BATCHES)
    on_the_way = {} if delays is None else dict(delays)
    for delay in on_the_way.values():
        real_number("delays", delay, 0)
    limit = whole_number("cores", cores, 1) if cores is not None else 10**9
    lists: list[list[tuple[Step, bool]]] = [[] for _ in program.workers]
    for turn in range(program.turns(batches)):
        for i, steps in enumerate(unroll_turn(program, turn, batches)):
            lists[i] += [(step, step is steps[-1]) for step in steps]
    for k in range(1, program.modules + 1):  # what runs alone
        alone = [entry for entries in lists for entry in entries if entry[0].alone]
        mine = [entry for entry in alone if entry[0].module == k]
        if mine:
            lists = [[e for e in entries if e not in mine] for entries in lists] + [mine]
    takes = durations((step for entries in lists for step, _ in entries), times)

    arrived: dict[Value, float] = {}  # when a value can be seen by other workers
    made_at: dict[Value, tuple[int, float]] = {}
    position = [0] * len(lists)
    free_at = [0.0] * len(lists)
    parcel: list[list[Value]] = [[] for _ in lists]
    running: list[float] = []  # when busy cores become free
    slots: list[Slot] = []
    latest = 0.0  # when the last step started: no later choice can start before it
    while any(position[i] < len(entries) for i, entries in enumerate(lists)):
        # The step that can start first; ties go to the higher module, which others wait for.
        choice: tuple[float, int, int] | None = None
        for i, entries in enumerate(lists):
            if position[i] == len(entries):
                continue
            step, _ = entries[position[i]]
            ready = free_at[i]
            for value in in_a_run(step, program.wires)[0]:
                if value in made_at and made_at[value][0] == i:
                    continue  # its own
                if value not in arrived:
                    break
                ready = max(ready, arrived[value])
            else:
                candidate = (ready, -step.module, i)
                if choice is None or candidate < choice:
                    choice = candidate
        assert choice is not None  # check() has seen to it
        ready, _, i = choice
        ready = max(ready, latest)
        step, last = lists[i][position[i]]
        while running and (running[0] <= ready or len(running) >= limit):
            ready = max(ready, heapq.heappop(running))
        latest = ready
        end = ready + takes[step.op, step.module]
        heapq.heappush(running, end)
        slots.append(Slot(i, step, ready, end))
        free_at[i] = end
        position[i] += 1
        for value in in_a_run(step, program.wires)[1]:
            made_at[value] = (i, end)
            parcel[i].append(value)
        if last or not program.parcels:
            for value in parcel[i]:
                arrived[value] = end + on_the_way.get((value.kind, value.module), 0.0)
            parcel[i].clear()
    return sorted(slots, key=lambda slot: (slot.start, slot.worker))


MOST_MOMENTS = 1000
MEASURED = 32  # turns over which a batch's time is averaged: steps need not repeat every turn


def _time_and_work(
    program: Program, times: StepTimes, cores: int | None, delays: Delays | None
) -> tuple[float, float]:
    """Time and work of a batch once the program is under way, as means over many batches."""
    warm = 4 * (program.lag + program.batches_per_turn + len(program.workers))
    more = MEASURED * program.batches_per_turn

    def length_and_work(batches: int, cores: int | None) -> tuple[float, float]:
        slots = ideal_timeline(program, times, cores=cores, batches=batches, delays=delays)
        return max(slot.end for slot in slots), sum(slot.end - slot.start for slot in slots)

    def means(cores: int | None) -> tuple[float, float]:
        long, short = length_and_work(warm + more, cores), length_and_work(warm, cores)
        return (long[0] - short[0]) / more, (long[1] - short[1]) / more

    unlimited, work = means(None)
    if cores is None:
        return unlimited, work
    # How the first and the last batches happen to share the cores can make the mean a little
    # smaller than what any run can reach, but these two bounds always hold.
    return max(means(cores)[0], unlimited, work / whole_number("cores", cores, 1)), work


def time_per_batch(
    program: Program, times: StepTimes, *, cores: int | None = None, delays: Delays | None = None
) -> float:
    """Ideal time of one batch once the program is under way, in the times' unit."""
    return _time_and_work(program, times, cores, delays)[0]


def speed_up_limit(
    program: Program, times: StepTimes, *, cores: int | None = None, delays: Delays | None = None
) -> float:
    """How many times as fast as its own steps one after the other the program can be.

    The work of one batch over the ideal time of one batch: what the ordering allows on ``cores``
    cores, whatever the machine, if values are on their way for as long as ``delays`` says.

    Raises ValueError as ``ideal_timeline``, and if no step takes any time.
    """
    time, work = _time_and_work(program, times, cores, delays)
    if not time:
        raise ValueError("times has nothing but 0 for these steps; it accepts a time above 0 too")
    return work / time


class Wait(NamedTuple):
    """``step`` can't run yet: it needs ``value``, which ``maker`` makes."""

    step: Step
    value: Value
    maker: Step


@dataclass(frozen=True)
class Instant:
    """One moment of a program in which every step takes one unit of time.

    ``number`` counts from 1.  ``working``: the steps that run now.  ``waiting``: for each
    operation of each module, its next step and what it still needs, if that step's batch is on its
    way (some step of it has begun).  ``ready``: next steps that need nothing more, and whose turn
    has not come.  ``done``: the steps that are over.
    """

    number: int
    working: tuple[Step, ...]
    waiting: tuple[Wait, ...]
    ready: tuple[Step, ...]
    done: frozenset[Step]


def unit_timeline(program: Program, batches: int) -> list[Slot]:
    """The ideal timeline with as many cores as it likes, where every step takes one unit."""
    unit = {(step.op, step.module): 1.0 for step in program.steps()}
    return ideal_timeline(program, unit, batches=batches)


def instants(program: Program, count: int = 12) -> list[Instant]:
    """The first ``count`` moments of a program.

    A moment ends when the steps that run in it do: with steps of equal length all end together.
    """
    whole_number("count", count, 1, MOST_MOMENTS)
    # Every moment some step runs, and no batch has more steps than the whole program.
    slots = unit_timeline(program, count + program.lag + program.batches_per_turn)
    maker = makers_of(program, (slot.step for slot in slots))
    found = []
    for number in range(1, count + 1):
        now = number - 1
        working = tuple(s.step for s in slots if s.start <= now < s.end)
        done = frozenset(s.step for s in slots if s.end <= now)
        begun = {step.batch for step in (*working, *done)}
        upcoming: dict[tuple[str, int], Step] = {}
        for slot in slots:
            if slot.start > now:
                upcoming.setdefault((slot.step.op, slot.step.module), slot.step)
        waiting, ready = [], []
        for step in upcoming.values():
            missing = [
                value for value in in_a_run(step, program.wires)[0] if maker[value] not in done
            ]
            if step.batch in begun:
                waiting += [Wait(step, value, maker[value]) for value in missing]
            if not missing:
                ready.append(step)
        found.append(Instant(number, working, tuple(waiting), tuple(ready), done))
    return found
