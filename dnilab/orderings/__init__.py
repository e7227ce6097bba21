"""Orderings: who goes next, written down as data.

An ordering is a program: for each worker a list of small frozen steps, which repeats from batch
to batch.  What a step needs and makes follows from the step; whether a program may run at all,
and which locks it holds, follows from that.  Nothing here touches a network, a clock or a thread.
"""

from dnilab.doors import open_doors
from dnilab.orderings.groups import (
    Groups,
    StepTimes,
    even_cuts,
    even_groups,
    module_times,
    multiplications,
)
from dnilab.orderings.locks import Price, locks, price
from dnilab.orderings.programs import (
    backprop,
    blue_box,
    complete_unlock,
    direct_feedback,
    last_layer_only,
    local_loss,
    pipeline,
    sequential,
    sparse,
    sparse_backprop,
)
from dnilab.orderings.steps import (
    OPERATIONS,
    SIGNALS,
    Ear,
    IllegalProgram,
    Program,
    Step,
    Value,
    Wiring,
    chain,
    check,
    needs_and_makes,
    unroll,
)
from dnilab.orderings.timeline import (
    Delays,
    Instant,
    Slot,
    Wait,
    ideal_timeline,
    instants,
    speed_up_limit,
    time_per_batch,
)

open_doors(__name__)
