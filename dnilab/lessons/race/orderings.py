"""How much an ordering has to keep at once: activations on their way, and weights of earlier days.

What a step makes is kept until the step that takes it has ended; the ideal timeline says when.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from dnilab.checks import whole_number
from dnilab.orderings import Program, StepTimes, ideal_timeline
from dnilab.orderings.steps import in_a_run

WITHIN = ("forward_update", "unlocked_update")  # these go forward and come down in one step


@dataclass(frozen=True)
class Memory:
    """The most that is kept at once.

    ``activations``: numbers, for one row of a (micro-)batch.  ``weights``: copies of parameters
    that are kept beside those of today, in numbers.
    """

    activations: float
    weights: float


def kept_sizes(
    widths: Sequence[int], cuts: Sequence[int]
) -> tuple[dict[tuple[str, int], float], dict[int, float]]:
    """What is kept of one row by (kind of value, module), and the parameters of each module.

    A pullback keeps the outputs of its module's layers.  Half of a backward that is still owed
    keeps their gradients as well.  A guess keeps h, and so does an h on its way; a message is as
    wide as what its module has heard.
    """
    edges = [0, *cuts, len(widths) - 1]
    sizes: dict[tuple[str, int], float] = {}
    parameters: dict[int, float] = {}
    for k, (a, b) in enumerate(pairwise(edges), start=1):
        inside = sum(widths[a + 1 : b + 1])
        sizes["pullback", k] = inside
        sizes["owed", k] = 2 * inside
        sizes["guess", k] = sizes["h", k] = widths[b]
        sizes["message", k] = widths[a]
        layers = pairwise(widths[a : b + 1])
        parameters[k] = sum(n_in * n_out + n_out for n_in, n_out in layers)
    return sizes, parameters


def memory(
    program: Program,
    times: StepTimes,
    sizes: Mapping[tuple[str, int], float],
    parameters: Mapping[int, float],
    *,
    cores: int | None = None,
) -> Memory:
    """The most that a program keeps at once, played out on ``cores`` cores.

    ``times`` as for ``ideal_timeline``; ``sizes`` and ``parameters`` as of ``kept_sizes``.
    Raises ValueError for a step without a time.
    """
    if cores is not None:
        whole_number("cores", cores, 1)
    batches = program.warm_up() + 4 * program.batches_per_turn
    slots = ideal_timeline(program, times, cores=cores, batches=batches)
    taken = {value: s.end for s in slots for value in in_a_run(s.step, program.wires)[0]}
    changes: dict[str, defaultdict[float, float]] = {
        "activations": defaultdict(float),
        "weights": defaultdict(float),
    }

    def keep(what: str, since: float, until: float, size: float) -> None:
        changes[what][since] += size
        changes[what][until] -= size

    for slot in slots:
        k = slot.step.module
        if slot.step.op in WITHIN:
            keep("activations", slot.start, slot.end, sizes["pullback", k])
        for value in in_a_run(slot.step, program.wires)[1]:
            until = taken.get(value)
            if until is None:
                continue
            since = slot.start if value.kind == "pullback" else slot.end
            keep("activations", since, until, sizes.get((value.kind, k), 0.0))
            if value.kind == "pullback" and slot.step.op == "forward_keep":
                keep("weights", since, until, parameters[k])
    return Memory(_peak(changes["activations"]), _peak(changes["weights"]))


def _peak(changes: Mapping[float, float]) -> float:
    """The highest level, where the level changes by so much at each moment."""
    level = highest = 0.0
    for _, change in sorted(changes.items()):
        level += change
        highest = max(highest, level)
    return highest
