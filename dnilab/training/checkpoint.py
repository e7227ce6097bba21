"""Checkpoints: a run written down between two turns, to go on from later, elsewhere.

One file, an .npz archive of arrays with a header in JSON: no pickles, so that loading one runs
nothing.  It is written beside its place and moved there when it is whole, so that whatever
happens meanwhile, the file is the last whole checkpoint.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from dnilab.checks import whole_number
from dnilab.data import Dataset
from dnilab.network import Optimiser, Stack
from dnilab.network.optimisers import Memory
from dnilab.orderings import Program
from dnilab.training.state import Key, RunState, fitted_as_made, modules_of, pending_at

FORMAT = "dnilab checkpoint"
VERSION = 2
Place = str | os.PathLike[str]
_HEADER = "header"


@dataclass(frozen=True)
class Checkpoint:
    """A run as it was written down: ``run`` says of what, ``state`` how far it had come."""

    path: Path
    run: dict[str, Any]
    batch: int
    state: RunState


# ---- what a run is -------------------------------------------------------------------------------


_UNTOLD = object()  # in the place of a value that is not plain


def _setting(value: Any) -> Any:
    """``value`` as JSON holds it if it is a number, a word, part of a network, or several."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (tuple, list)):
        several = [None if one is None else _setting(one) for one in value]
        return _UNTOLD if any(one is _UNTOLD for one in several) else several
    if isinstance(value, type):
        return _UNTOLD  # a class, as Chain, has thetas too: the property
    return _told(value) if hasattr(value, "thetas") or hasattr(value, "theta") else _UNTOLD


def _told(part: Any) -> dict[str, Any]:
    """A layer, or what is made of layers: its kind, its sizes, and every plain attribute.

    So a layer need not describe itself: stride, epsilon and context are in it, and so is whatever
    a new kind of layer is made with.  Arrays are left out: parameters are in the state, and what
    calibrate has set is no part of training.
    """
    names = [name for name in dir(part) if not name.startswith("__")]
    # static: of the instance or its class, and no property is run
    settings = {name: _setting(inspect.getattr_static(part, name)) for name in names}
    thetas = part.thetas if hasattr(part, "thetas") else [part.theta]
    return {
        "kind": type(part).__name__,
        "sizes": [theta.size for theta in thetas],
        "settings": {name: told for name, told in settings.items() if told is not _UNTOLD},
    }


def _steps(program: Program) -> dict[str, Any]:
    """The steps of each module.  Which worker runs them is left out: it changes no number."""
    own = {
        field.name: getattr(program, field.name)
        for field in fields(program)
        if field.name not in {f.name for f in fields(Program)}  # as p and the seed of a sparse one
    }
    return own | {
        str(k): [[step.op, step.batch] for step in program.steps() if step.module == k]
        for k in sorted(modules_of(program))
    }


def _rows(data: Dataset) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for array in (data.x_train, data.y_train):
        digest.update(np.ascontiguousarray(array).data)
    return f"{len(data.x_train)} rows, {digest.hexdigest()}"


def description(
    stack: Stack,
    data: Dataset,
    program: Program,
    optimiser: Optimiser,
    generator_optimiser: Optimiser,
    batch_size: int,
    batches: int,
    seed: int,
) -> dict[str, Any]:
    """What has to be the same for a run to go on: by the name of the argument it comes from.

    Raises ValueError for an optimiser that can't be written down.
    """
    described = {
        "stack": {
            "modules": [_told(module) for module in stack.modules],
            "loss": stack.loss.name,
            "dtype": str(stack.dtype),
        },
        "data": _rows(data),
        "program": {"batches_per_turn": program.batches_per_turn, "steps": _steps(program)},
        "optimiser": repr(optimiser),
        "generator_optimiser": repr(generator_optimiser),
        "batch_size": batch_size,
        "epochs": batches // (len(data.x_train) // batch_size),
        "seed": seed,
    }
    plain: dict[str, Any] = json.loads(json.dumps(described))
    return plain


def check_fits(checkpoint: Checkpoint, run: Mapping[str, Any]) -> None:
    """Raise ValueError, naming the first argument that differs, unless this is the same run."""
    for name, mine in run.items():
        its = checkpoint.run.get(name)
        if its == mine:
            continue
        told = [f"{name} {one!r}" for one in (its, mine)]
        if any(len(one) > 80 for one in told):
            told = [f"another {name}", f"this {name}"]
        raise ValueError(
            f"resume is {str(checkpoint.path)!r}, of a run with {told[0]}; here it accepts a "
            f"checkpoint of a run with {told[1]}"
        )


def _form(value: Any) -> Any:
    """What a value must have in common with another one to be put in its place."""
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.shape
    if isinstance(value, list):
        return [_form(one) for one in value]
    if isinstance(value, dict):
        return {name: _form(one) for name, one in value.items()}
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def check_state(
    checkpoint: Checkpoint, start: RunState, program: Program, batch_size: int, batches: int
) -> None:
    """Raise ValueError, naming what does not fit, unless the run can come to this state.

    ``start``: the state in which it begins; parameters and memories keep its form.
    """
    its, start_thetas = checkpoint.state, _form(start.thetas)
    as_made, pending = fitted_as_made(program), pending_at(program, its.turn, batches)

    def fits(key: Key, value: np.ndarray | None) -> bool:
        if key[0] == "prediction" or value is None:
            return key[0] == "prediction" and value is None
        return value.shape[:1] == (batch_size,)

    checks = {
        "turn": its.turn <= program.turns(batches),
        "batch": checkpoint.batch == min(its.turn * program.batches_per_turn, batches),
        "thetas": _form(its.thetas) == start_thetas,
        "memories": _form(its.memories) == _form(start.memories),
        "pending": its.pending.keys() == pending and all(fits(*one) for one in its.pending.items()),
        "made_with": _form(its.made_with)
        == {key: start_thetas[key[1], as_made[key[:2]]] for key in pending if key[:2] in as_made},
    }
    for name, right in checks.items():
        if not right:
            raise ValueError(
                f"resume is {str(checkpoint.path)!r}, whose {name} this run can't have; it "
                "accepts a checkpoint as train writes it"
            )


# ---- on disk -------------------------------------------------------------------------------------


def _put_down(state: RunState, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """The state as JSON, in which each array stands as its name; the arrays go to ``arrays``."""

    def keep(array: np.ndarray) -> str:
        name = f"array {len(arrays)}"
        arrays[name] = array
        return name

    def keep_memory(memory: Memory) -> dict[str, Any]:
        return {
            name: [keep(array) for array in value] if isinstance(value, list) else value
            for name, value in memory.items()
        }

    return {
        "turn": state.turn,
        "thetas": [[*of, [keep(v) for v in vs]] for of, vs in state.thetas.items()],
        "memories": [[*of, keep_memory(memory)] for of, memory in state.memories.items()],
        "pending": [[*key, None if v is None else keep(v)] for key, v in state.pending.items()],
        "made_with": [[*key, [keep(v) for v in vs]] for key, vs in state.made_with.items()],
    }


def _take_up(told: Mapping[str, Any], array: Callable[[str], np.ndarray]) -> RunState:
    """The state again: the other way round."""

    def memory(kept: Mapping[str, Any]) -> Memory:
        return {
            name: [array(one) for one in value] if isinstance(value, list) else value
            for name, value in kept.items()
        }

    return RunState(
        told["turn"],
        {(k, part): [array(name) for name in names] for k, part, names in told["thetas"]},
        {(k, part): memory(kept) for k, part, kept in told["memories"]},
        {
            (kind, k, t): None if name is None else array(name)
            for kind, k, t, name in told["pending"]
        },
        {(kind, k, t): [array(name) for name in names] for kind, k, t, names in told["made_with"]},
    )


def save(path: Place, run: Mapping[str, Any], batch: int, state: RunState) -> None:
    """Write a checkpoint at ``path``; what was there before stays until this one is whole.

    Raises OSError if it can't be written.
    """
    path = Path(path)
    arrays: dict[str, np.ndarray] = {}
    header = {
        "format": FORMAT,
        "version": VERSION,
        "run": run,
        "batch": batch,
        "state": _put_down(state, arrays),
    }
    named: dict[str, Any] = {_HEADER: np.array(json.dumps(header)), **arrays}
    # not tempfile, whose files nobody else may read: a checkpoint is for others to go on from too
    beside = path.with_name(f".checkpoint.{secrets.token_hex(8)}.part")
    try:
        with beside.open("xb") as file:
            np.savez(file, **named)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file:  # np.load would leave the file open where it is torn
        archive = np.load(file, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("one array, and no archive")
        with archive:
            return {name: archive[name] for name in archive.files}


def load(path: Place) -> Checkpoint:
    """Read a checkpoint.

    Raises ValueError, naming the file, if it is no checkpoint, not whole, or of another version;
    FileNotFoundError if there is none.
    """
    path = Path(path)
    try:
        arrays = _arrays(path)
        header = json.loads(str(arrays[_HEADER]))
        if header["format"] != FORMAT:
            raise ValueError(header["format"])
        version = header["version"]
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no checkpoint at {str(path)!r}") from None
    except Exception as fault:  # there is no end to what damaged archives make their readers raise
        raise _broken(path, fault) from fault
    if version != VERSION:
        raise ValueError(
            f"{str(path)!r} is a checkpoint of version {version}; this dnilab accepts version "
            f"{VERSION}"
        )
    try:
        state = _take_up(header["state"], arrays.__getitem__)
        whole_number("turn", state.turn, 0)
        batch = whole_number("batch", header["batch"], 0)
        run = header["run"]
        if not isinstance(run, dict):
            raise ValueError(f"run is {run!r}")
        return Checkpoint(path, run, batch, state)
    except Exception as fault:  # a header may hold anything
        raise _broken(path, fault) from fault


def _broken(path: Path, fault: BaseException) -> ValueError:
    return ValueError(
        f"{str(path)!r} is not a whole checkpoint of dnilab ({type(fault).__name__}: {fault})"
    )
