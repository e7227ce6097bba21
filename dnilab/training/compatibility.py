"""Whether a network, data and a program go together: found out before anything runs."""

from __future__ import annotations

from dnilab.data import Dataset
from dnilab.network import Stack
from dnilab.network.normalisation import BatchNorm
from dnilab.orderings import Program

_GUESSING = ("forward_update", "forward_guess", "unlocked_update")


def _check_dtypes(stack: Stack, data: Dataset) -> None:
    for name in ("x_train", "y_train", "x_test", "y_test"):
        dtype = getattr(data, name).dtype
        if dtype != stack.dtype:
            raise ValueError(
                f"data has {name} of {dtype} and stack is {stack.dtype}; "
                "train accepts equal dtypes: use data.astype(...)"
            )


def _check_parts(stack: Stack, program: Program) -> None:
    if program.modules != len(stack):
        raise ValueError(
            f"program is written for {program.modules} modules; this stack has {len(stack)}"
        )
    for step in program.steps():
        module = stack.modules[step.module - 1]
        below_the_top = step.module < len(stack)
        if step.op in _GUESSING and below_the_top and module.generator is None:
            raise ValueError(
                f"stack has no generator at module {step.module}; program {program.name!r} "
                "accepts stacks with a generator at every module below the top"
            )
        if step.op in ("fit_input", "late_fit_input") and module.input_model is None:
            raise ValueError(
                f"stack has no input model at module {step.module}; program {program.name!r} "
                "accepts stacks with one at every module but the first"
            )


def check_together(
    stack: Stack, data: Dataset, program: Program, batch_size: int, probe_rows: int
) -> None:
    """Raise ValueError, naming the argument, unless all go together.

    One batch is taken through every part of the network, so a layer that does not fit says so.
    """
    _check_dtypes(stack, data)
    _check_parts(stack, program)
    layers = [layer for module in stack.modules for layer in module.body.layers]
    if probe_rows == 1 and any(isinstance(layer, BatchNorm) for layer in layers):
        raise ValueError("probe_rows is 1; with batch normalisation train accepts 0, or 2 or more")
    h = x = data.x_train[:batch_size]
    y = data.y_train[:batch_size]
    for k, module in enumerate(stack.modules, start=1):
        h, _ = module(h)
        if module.generator is not None:
            try:
                module.generator(h, x, y)
            except ValueError as fault:
                raise ValueError(
                    f"stack has a generator at module {k} that does not fit: {fault}"
                ) from None
    if h.shape[1] != data.outputs:
        raise ValueError(
            f"stack has {h.shape[1]} outputs; the labels accept {data.outputs}, the width of y"
        )
