"""The orderings of the course, each written down as a program for K modules."""

from __future__ import annotations

from dnilab.checks import whole_number
from dnilab.orderings.steps import Program, Step


def backprop(modules: int) -> Program:
    """Forward through all modules, then backward through all: the baseline with all three locks.

    Each module is updated right after its backward, when nobody needs its old weights any more.
    """
    whole_number("modules", modules, 1)
    up = [Step("forward", k) for k in range(1, modules + 1)]
    down = [Step(op, k) for k in range(modules, 0, -1) for op in ("backward", "update")]
    return Program("backprop", modules, (tuple(up + down),))


def sequential(modules: int) -> Program:
    """The Red Box: decoupled modules on one worker, each fit as soon as its target is there.

    Module 1 goes forward and updates, then module 2, whose message is the target that the
    generator of module 1 is fitted to, and so on up: 1 to 6 for three modules (the sixth, a fit
    of the top module's generator, is not needed: the top module has the true gradient).
    """
    whole_number("modules", modules, 1)
    steps = [Step("forward_update", 1)]
    for k in range(2, modules + 1):
        steps += [Step("forward_update", k), Step("fit", k - 1)]
    return Program("sequential", modules, (tuple(steps),))


def last_layer_only(modules: int) -> Program:
    """Only the top module learns: the baseline that a generator has to beat."""
    whole_number("modules", modules, 1)
    below = [Step("forward", k) for k in range(1, modules)]
    return Program("last layer only", modules, ((*below, Step("forward_update", modules)),))
