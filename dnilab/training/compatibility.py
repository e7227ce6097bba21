"""Whether a network, data and a program go together: found out before anything runs."""

from __future__ import annotations

from collections.abc import Iterable

from dnilab.data import Dataset
from dnilab.network import Stack
from dnilab.network.normalisation import BatchNorm
from dnilab.orderings import Program, Wiring

_ASKING = ("forward_update", "forward_guess", "unlocked_update", "fit", "late_fit")


def _check_dtypes(stack: Stack, data: Dataset) -> None:
    for name in ("x_train", "y_train", "x_test", "y_test"):
        dtype = getattr(data, name).dtype
        if dtype != stack.dtype:
            raise ValueError(
                f"data has {name} of {dtype} and stack is {stack.dtype}; "
                "train accepts equal dtypes: use data.astype(...)"
            )


def wiring_of(stack: Stack) -> Wiring:
    """Who hears whom in a network, and what tells each module its gradient."""
    return Wiring(stack.heard, stack.signals)  # type: ignore[arg-type]  # it makes ears of pairs


def check_parts(stack: Stack, program: Program) -> None:
    """Raise ValueError unless the network has what the steps of the program need."""
    wiring = program.wires
    if program.modules != len(stack):
        raise ValueError(
            f"program is written for {program.modules} modules; this stack has {len(stack)}"
        )
    for k, (ears, heard) in enumerate(zip(wiring.heard, stack.heard, strict=True), start=1):
        if ears != tuple(heard):
            raise ValueError(
                f"program is written for a module {k} that hears {_listed(ears)}; in this stack "
                f"it hears {_listed(heard)}"
            )
    for step in program.steps():
        k = step.module
        signal, there = wiring.signal(k), stack.signals[k - 1]
        backward = step.op == "backward" and signal == "feedback"
        if (step.op in _ASKING or backward) and signal != there:
            has = "no" if there == "truth" else f"a {there}, and no"
            raise ValueError(
                f"stack has {has} {signal} at module {k}; program {program.name!r} "
                f"accepts stacks with a {signal} at every module where it asks for one"
            )
        if step.op in ("fit_input", "late_fit_input") and stack.modules[k - 1].input_model is None:
            raise ValueError(
                f"stack has no input model at module {k}; program {program.name!r} "
                "accepts stacks with one at every module but the first"
            )


def _listed(ears: Iterable[tuple[int, int]]) -> str:
    named = ("x" if module == 0 else f"module {module}" for module, _ in ears)
    lates = (f", {late} batches late" if late else "" for _, late in ears)
    return " and ".join(map(str.__add__, named, lates))


def check_together(
    stack: Stack, data: Dataset, program: Program, batch_size: int, probe_rows: int
) -> None:
    """Raise ValueError, naming the argument, unless all go together.

    One batch is taken through every part of the network, so a layer that does not fit says so.
    """
    _check_dtypes(stack, data)
    check_parts(stack, program)
    layers = [one for module in stack.modules for one in getattr(module.body, "layers", ())]
    if probe_rows == 1 and any(isinstance(layer, BatchNorm) for layer in layers):
        raise ValueError("probe_rows is 1; with batch normalisation train accepts 0, or 2 or more")
    x, y = data.x_train[:batch_size], data.y_train[:batch_size]
    said, _ = stack.forward(x)
    for k, (module, h) in enumerate(zip(stack.modules, said, strict=True), start=1):
        if module.signal is not None:
            try:
                module.signal(h, x, y, y)
            except ValueError as fault:
                raise ValueError(
                    f"stack has a {module.signal.kind} at module {k} that does not fit: {fault}"
                ) from None
    h = said[-1]
    if h.shape[1] != data.outputs:
        raise ValueError(
            f"stack has {h.shape[1]} outputs; the labels accept {data.outputs}, the width of y"
        )
