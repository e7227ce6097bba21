"""Which worker gets which modules: neighbours together, and the work as even as it can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise

from dnilab.checks import one_of, real_number, whole_number
from dnilab.orderings.steps import Program

Groups = tuple[tuple[int, ...], ...]
StepTimes = Mapping[tuple[str, int], float]
"""How long each step takes, by (operation, module), in any one unit."""


def multiplications(
    widths: Sequence[int],
    context: Sequence[str] = ("h",),
    generator_hidden: Sequence[int] = (),
    input_hidden: Sequence[int] = (),
) -> dict[tuple[str, int], float]:
    """A cost model: scalar multiplications of each step's matrix products, for one row.

    ``widths``: (24, 128, 64, 12) is three dense modules.  Elementwise work is left out: it is
    proportional to the widths, the products to their squares.

    Raises ValueError for a context other than a mix of "h", "y", "x" and "h_norm".
    """
    for part in context:
        one_of("context", part, ("h", "y", "x", "h_norm"))
    inputs, outputs = widths[0], widths[-1]
    top = len(widths) - 1
    costs: dict[tuple[str, int], float] = {}
    for k in range(1, top + 1):
        n_in, n_out = widths[k - 1], widths[k]
        product = n_in * n_out
        costs["forward", k] = product
        costs["backward", k] = product * (1 if k == 1 else 2)  # dW, and dx below
        costs["pull", k] = costs["backward", k]
        costs["update", k] = 0
        guess = 0
        if k < top:
            size = sum({"h": n_out, "h_norm": n_out, "x": inputs, "y": outputs}[c] for c in context)
            sizes = [size, *generator_hidden, n_out]
            layers = [a * b for a, b in pairwise(sizes)]
            guess = sum(layers)
            costs["fit", k] = guess + sum(layers[1:])  # dM, and back through hidden layers
            costs["late_fit", k] = costs["fit", k] + guess
        costs["forward_guess", k] = product + guess
        costs["forward_update", k] = product + guess + costs["backward", k]
        costs["unlocked_update", k] = costs["forward_update", k]
        if k > 1:
            layers = [a * b for a, b in pairwise([inputs, *input_hidden, n_in])]
            costs["unlocked_update", k] += sum(layers)
            costs["fit_input", k] = sum(layers) + sum(layers[1:])
            costs["late_fit_input", k] = costs["fit_input", k] + sum(layers)
    return costs


def module_times(program: Program, times: StepTimes) -> list[float]:
    """How long the steps of each module take in one turn of a program, first module first."""
    totals = [0.0] * program.modules
    for step in program.steps():
        totals[step.module - 1] += times[step.op, step.module]
    return totals


def even_groups(times: Sequence[float], workers: int) -> Groups:
    """Cut modules 1 to K into ``workers`` groups of neighbours, the slowest as quick as possible.

    ``times``: how long each module takes.  Raises ValueError unless 1 <= workers <= K.
    """
    count = len(times)
    whole_number("workers", workers, 1, count)
    for time in times:
        real_number("times", time, 0)

    @cache
    def best(first: int, parts: int) -> tuple[float, Groups]:
        """The best cut of the modules from ``first`` (from 0) on, and its slowest group."""
        if parts == 1:
            return sum(times[first:]), (tuple(range(first + 1, count + 1)),)
        choices = []
        for end in range(first + 1, count - parts + 2):
            slowest, groups = best(end, parts - 1)
            here = tuple(range(first + 1, end + 1))
            choices.append((max(sum(times[first:end]), slowest), (here, *groups)))
        return min(choices)

    return best(0, workers)[1]


def check_groups(groups: Sequence[Sequence[int]], modules: int) -> Groups:
    """Return ``groups`` as tuples of ints, or raise ValueError.

    They have to be modules 1 to K, cut into neighbours.
    """
    flat = [k for group in groups for k in group]
    if flat != list(range(1, modules + 1)) or not all(groups):
        raise ValueError(
            f"groups is {groups!r}; it accepts modules 1 to {modules} in order, each in one group, "
            "as ((1,), (2, 3))"
        )
    return tuple(tuple(whole_number("groups", k, 1) for k in group) for group in groups)
