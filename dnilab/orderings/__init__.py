"""Orderings: who goes next, written down as data.

An ordering is a program: for each worker a list of small frozen steps, which repeats from batch
to batch.  What a step needs and makes follows from the step; whether a program may run at all,
and which locks it holds, follows from that.  Nothing here touches a network, a clock or a thread.
"""

from dnilab.orderings.dataflow import IllegalProgram, check, locks, needs_and_makes, unroll
from dnilab.orderings.programs import backprop, last_layer_only, sequential
from dnilab.orderings.steps import OPERATIONS, Program, Step, Value

__all__ = [
    "OPERATIONS",
    "IllegalProgram",
    "Program",
    "Step",
    "Value",
    "backprop",
    "check",
    "last_layer_only",
    "locks",
    "needs_and_makes",
    "sequential",
    "unroll",
]
