"""Which worker gets which modules: neighbours together, and the work as even as it can be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

from dnilab.checks import one_of, real_number, refuse, whole_number, whole_numbers
from dnilab.orderings.steps import MOST_MODULES, SIGNALS, Program

Groups = tuple[tuple[int, ...], ...]
StepTimes = Mapping[tuple[str, int], float]
"""How long each step takes, by (operation, module), in any one unit."""


def multiplications(
    widths: Sequence[int],
    context: Sequence[str] = ("h",),
    generator_hidden: Sequence[int] = (),
    input_hidden: Sequence[int] = (),
    *,
    cuts: Sequence[int] | None = None,
    signal: str = "generator",
    readout_hidden: Sequence[int] = (),
) -> dict[tuple[str, int], float]:
    """A cost model: scalar multiplications of each step's matrix products, for one row.

    ``widths``: (24, 128, 64, 12) is three dense layers.  ``cuts``: the layers above which they are
    cut into modules; None: every layer is one.  ``signal``: what tells each module below the top
    its gradient.  Elementwise work is left out: it is proportional to the widths, the products to
    their squares.

    Raises ValueError for a context other than a mix of "h", "y", "x" and "h_norm".
    """
    for part in context:
        one_of("context", part, ("h", "y", "x", "h_norm"))
    one_of("signal", signal, tuple(SIGNALS))
    widths = whole_numbers("widths", widths, 1)
    if len(widths) < 2:
        raise ValueError(f"widths is {widths}; it accepts two numbers or more, input to output")
    inputs, outputs, last = widths[0], widths[-1], len(widths) - 1
    inner = range(1, last) if cuts is None else whole_numbers("cuts", cuts, 1)
    edges = [0, *inner, last]
    if edges != sorted({*edges}):
        refuse("cuts", cuts, f"layers 1 to {last - 1} in order, each once")
    costs: dict[tuple[str, int], float] = {}
    for k, (a, b) in enumerate(pairwise(edges), start=1):
        n_in, n_out = widths[a], widths[b]
        product = _products(widths[a : b + 1])
        costs["forward", k] = costs["forward_keep", k] = product
        # dW and dx of each layer; but dx of the first only where somebody below is told it
        told_nobody = k == 1 or signal in ("readout", "feedback")
        costs["backward_weights", k] = product
        costs["backward_input", k] = product - told_nobody * n_in * widths[a + 1]
        costs["backward", k] = costs["pull", k] = product + costs["backward_input", k]
        costs["update", k] = guess = 0
        if b < last and signal == "generator":
            seen = {"h": n_out, "h_norm": n_out, "x": inputs, "y": outputs}
            sizes = [sum(seen[part] for part in context), *generator_hidden, n_out]
            guess = _products(sizes)
            costs["fit", k] = guess + _products(sizes[1:])  # dM, and back through hidden layers
            costs["late_fit", k] = costs["fit", k] + guess
        elif b < last and signal == "readout":
            guess = 3 * _products([n_out, *readout_hidden, outputs])  # forward, dA and dh
            costs["fit", k] = 0  # the gradient is there already
        elif b < last and signal == "feedback":
            costs["backward", k] += outputs * n_out
            costs["backward_input", k] += outputs * n_out
        costs["forward_guess", k] = product + guess
        costs["forward_update", k] = product + guess + costs["backward", k]
        costs["unlocked_update", k] = costs["forward_update", k]
        if k > 1:
            sizes = [inputs, *input_hidden, n_in]
            costs["unlocked_update", k] += _products(sizes)
            costs["fit_input", k] = _products(sizes) + _products(sizes[1:])
            costs["late_fit_input", k] = costs["fit_input", k] + _products(sizes)
    return costs


def _products(widths: Sequence[int]) -> int:
    """Multiplications of dense layers between these widths, for one row."""
    return sum(n_in * n_out for n_in, n_out in pairwise(widths))


def module_times(program: Program, times: StepTimes) -> list[float]:
    """How long the steps of each module take in one turn of a program, first module first."""
    totals = [0.0] * program.modules
    for step in program.steps():
        if (step.op, step.module) not in times:
            raise ValueError(f"times has no entry for {(step.op, step.module)}")
        totals[step.module - 1] += times[step.op, step.module]
    return totals


def _evenly(count: int, parts: int, cost: Callable[[int, int], float]) -> tuple[int, ...]:
    """Cut ``count`` things in a row into ``parts``: the edges, so that the dearest is cheapest.

    ``cost(first, end)`` is that of the things from ``first`` to ``end`` - 1, from 0.
    """

    @cache
    def best(first: int, parts: int) -> tuple[float, tuple[int, ...]]:
        """The best cut of the things from ``first`` on, and its dearest part."""
        if parts == 1:
            return cost(first, count), (count,)
        return min(
            (max(cost(first, end), dearest), (end, *edges))
            for end in range(first + 1, count - parts + 2)
            for dearest, edges in [best(end, parts - 1)]
        )

    return (0, *best(0, parts)[1])


def even_groups(times: Sequence[float], workers: int) -> Groups:
    """Cut modules 1 to K into ``workers`` groups of neighbours, the slowest as quick as possible.

    ``times``: how long each module takes.  Raises ValueError unless 1 <= workers <= K.
    """
    whole_number("workers", workers, 1, len(times))
    for time in times:
        real_number("times", time, 0)
    edges = _evenly(len(times), workers, lambda first, end: sum(times[first:end]))
    return tuple(tuple(range(a + 1, b + 1)) for a, b in pairwise(edges))


def even_cuts(
    widths: Sequence[int], modules: int, *, guess_again: bool = False, **of_signal: Any
) -> tuple[int, ...]:
    """Cut dense layers into ``modules``, the slowest as quick as possible; the layers cut above.

    ``guess_again``: whether late fits do.  ``of_signal``: what ``multiplications`` takes, for what
    the signal at each cut costs.
    Raises ValueError unless 1 <= modules <= the number of layers.
    """
    layers, fit = len(widths) - 1, "late_fit" if guess_again else "fit"
    whole_number("cuts", modules, 1, layers)

    def cost(first: int, end: int) -> float:
        # as the one module between two cuts: what is below it makes it no cheaper
        cuts = [cut for cut in (first, end) if 0 < cut < layers]
        costs = multiplications(widths, cuts=cuts, **of_signal)
        k = 1 if first == 0 else 2
        return costs["forward_update", k] + costs.get((fit, k), 0.0)

    return _evenly(layers, modules, cost)[1:-1]


def check_groups(groups: Sequence[Sequence[int]], modules: int) -> Groups:
    """Return ``groups`` as tuples of ints, or raise ValueError.

    They have to be modules 1 to K, cut into neighbours.
    """
    whole_number("modules", modules, 0, MOST_MODULES)
    flat = [k for group in groups for k in group]
    if flat != list(range(1, modules + 1)) or not all(groups):
        accepts = f"modules 1 to {modules} in order, each in one group, as ((1,), (2, 3))"
        refuse("groups", groups, accepts)
    return tuple(tuple(whole_number("groups", k, 1) for k in group) for group in groups)
