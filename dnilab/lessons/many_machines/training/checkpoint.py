"""Checkpoints: a run written down between two turns, to go on from later, elsewhere.

``train(..., executor=Checkpointed(executor, checkpoint="run.npz"))`` writes them, and
``Checkpointed(executor, resume="run.npz")`` goes on from one.

One file, an .npz archive of arrays with a header in JSON: no pickles, so that loading one runs
nothing.  It is written beside its place and moved there when it is whole, so that whatever
happens meanwhile, the file is the last whole checkpoint.
"""

from __future__ import annotations

import hashlib
import inspect
import io
import json
import os
import secrets
import zipfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from dnilab.checks import one_of, refuse, whole_number
from dnilab.data.dataset import Feed
from dnilab.lessons.many_machines.training.messages import NOWHERE, WorkerLost
from dnilab.lessons.many_machines.training.state import (
    ResumableWorker,
    RunState,
    arguments_of,
    check_writable,
    fitted_as_made,
    merged,
    pending_at,
)
from dnilab.lessons.shared.files import file_path
from dnilab.network import Loss, Stack
from dnilab.orderings import Program
from dnilab.training.events import Snapshot
from dnilab.training.train import EXECUTORS, Executor, executor_for, stops_every
from dnilab.training.worker import Worker

FORMAT = "dnilab checkpoint"
VERSION = 3
Place = str | os.PathLike[str]
_HEADER = "header"


@dataclass(frozen=True)
class Checkpoint:
    """A run as it was written down: ``run`` says of what, ``state`` how far it had come."""

    path: Path
    run: dict[str, Any]
    batch: int
    state: RunState

    def __str__(self) -> str:
        path = str(self.path)
        return (
            f"The last checkpoint is {path!r}, at batch {self.batch}: "
            f"Checkpointed(executor, resume={path!r}) goes on from there"
        )


class Checkpointed:
    """An executor that takes a run up where it was written down, and writes it down now and then.

    ``executor``: the one that runs it, as ``train`` accepts it.  One that is no name brings all
    workers to rest at its stops, and is told which of them are ``saves``, as ``apart(client)`` is.

    ``checkpoint``: a file to which the whole state of the run is written now and then, every
    ``checkpoint_every`` batches (None: with each report) and at the end; it always holds the last
    one that is whole.  On one thread or with modules apart.
    ``resume``: such a file, from which the run goes on, by any executor and however its modules
    are divided among workers.  It ends with the weights of a run that was never interrupted, to
    the last bit.  It reports from there on; ``seconds`` begin anew.

    Raises ValueError, naming the argument, if something is out of range; and as ``train`` begins,
    for a file that is no checkpoint of this run, and a program or an optimiser that can't be
    written down.  While it runs, a checkpoint that can't be written raises OSError.
    """

    def __init__(
        self,
        executor: str | Executor = "one thread",
        *,
        checkpoint: Place | None = None,
        checkpoint_every: int | None = None,
        resume: Place | None = None,
    ) -> None:
        self.apart = callable(executor)
        if not callable(executor):
            one_of("executor", executor, tuple(EXECUTORS))
        if checkpoint is None and checkpoint_every is not None:
            said = f"checkpoint_every is {checkpoint_every}, and checkpoint is None"
            raise ValueError(f"{said}; with it, checkpoint accepts the path of a file")
        self.executor, self.every = executor, checkpoint_every
        self.path = None if checkpoint is None else file_path("checkpoint", checkpoint)
        self.resume = None if resume is None else file_path("resume", resume)
        if checkpoint_every is not None:
            self.every = whole_number("checkpoint_every", checkpoint_every, 1)
        if self.path and executor != "one thread" and not self.apart:
            accepts = "'one thread' or apart(client), whose workers come to rest together"
            refuse(f"checkpoint is {str(self.path)!r}, and executor", executor, accepts)

    def __call__(
        self,
        stack: Stack,
        workers: Sequence[Worker],
        program: Program,
        owners: Mapping[int, int],
        stops: Sequence[int],
    ) -> Generator[Snapshot, None, None]:
        """The snapshots at ``stops``, from where the checkpoint says, if there is one."""
        execute = executor_for(self.executor, program)
        resumable = [ResumableWorker(**arguments_of(worker)) for worker in workers]
        run, known = description(stack, program, workers[0]), None
        if self.resume is not None:
            known = load(self.resume)
            start = merged(worker.state() for worker in resumable)
            check_fits(known, run, start, stack, workers[0])
        if self.path is not None:
            check_writable(program)
            for worker in resumable:
                worker.saving = True
                worker.state()  # an optimiser that can't be written down says so now
        return self._watch(execute, stack, resumable, program, owners, stops, run, known)

    def _watch(
        self,
        execute: Executor,
        stack: Stack,
        workers: Sequence[ResumableWorker],
        program: Program,
        owners: Mapping[int, int],
        stops: Sequence[int],
        run: dict[str, Any],
        known: Checkpoint | None,
    ) -> Generator[Snapshot, None, None]:
        begin, batches = 0, workers[0].batches
        if known is not None:
            begin = known.state.turn
            for worker in workers:
                worker.restore(known.state)
        saves = set[int]()
        if self.path is not None:
            every = self.every and stops_every(self.every, program, batches)
            saves = {turn for turn in every or stops if turn >= begin}
        all_stops = sorted({turn for turn in stops if turn >= begin} | saves)
        more = {"saves": saves} if saves and self.apart else {}
        try:
            with closing(execute(stack, workers, program, owners, all_stops, **more)) as snapshots:
                for at in snapshots:
                    if self.path is not None and at.turn in saves:
                        batch = min(at.turn * program.batches_per_turn, batches)
                        save(self.path, run, batch, merged(worker.state() for worker in workers))
                        known = Checkpoint(self.path, run, batch, RunState(at.turn))
                    if at.turn in stops:
                        yield at
        except WorkerLost as lost:
            raise WorkerLost(lost.what, lost.modules, str(known or NOWHERE)) from lost.__cause__


# ---- what a run is -------------------------------------------------------------------------------


def _digest(told: str, *arrays: np.ndarray) -> str:
    """A long word that is another one if anything is that it is told."""
    digest = hashlib.blake2b(told.encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _made_with(value: Any) -> str | None:
    """What ``value`` is, or was made with; None if it is neither plain nor part of a network.

    Of a layer, or what is made of layers, its kind, its sizes and every plain attribute: so a
    layer need not describe itself.  Stride, epsilon and context are in it, and so is whatever a
    new kind of layer is made with, and does.  Parameters are in the state, and what calibrate has
    set is no part of training; any other array is fixed, as the random matrix of feedback.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (bool, int, float, str)):
        return repr(value)
    if isinstance(value, FunctionType) and not value.__module__.startswith("dnilab."):
        with suppress(OSError):  # no source, as where it was typed into an interpreter
            return inspect.getsource(value)
    if isinstance(value, dict):
        value = [*value.items()]
    if isinstance(value, (tuple, list)):
        several = ["None" if one is None else _made_with(one) for one in value]
        return None if None in several else repr(several)
    # a class, as Chain, has thetas too: the property
    if isinstance(value, type) or not (hasattr(value, "thetas") or isinstance(value, Loss)):
        return None
    thetas = getattr(value, "thetas", [])
    told = {}
    for name in dir(value):
        if name == "__call__" or not name.startswith("__"):
            one = inspect.getattr_static(value, name)  # of it or its class; no property is run
            if not isinstance(one, np.ndarray):
                told[name] = _made_with(one)
            elif not any(np.may_share_memory(one, theta) for theta in thetas):
                told[name] = _digest(str(one.dtype), one)  # drawn once, and not learned
    told = {name: words for name, words in told.items() if words is not None}
    return repr((type(value).__name__, [theta.size for theta in thetas], told))


def description(stack: Stack, program: Program, worker: Worker) -> dict[str, Any]:
    """What has to be the same for a run to go on, by argument of ``train``; any of its workers."""
    # Which worker runs the steps of a module is left out: it changes no number.
    names = {f.name for f in fields(program)} - {"name", "workers", "parcels", "wiring"}
    drawn = [(name, getattr(program, name)) for name in sorted(names)]
    by_module = sorted(program.steps(), key=lambda step: step.module)
    steps = [
        (step.module, step.op, step.batch, *((step.over,) if step.over > 1 else ()))
        for step in by_module
    ]
    feed = worker.feed
    assert isinstance(feed, Feed)  # train() has made it
    x, y = feed.data.x_train, feed.data.y_train
    return {
        "stack": _digest(repr((_made_with(stack), str(stack.dtype)))),
        "data": _digest(repr((x.shape, y.shape)), x, y),
        "program": _digest(repr((drawn, steps, program.wires))),
        "optimiser": repr(worker.optimiser),
        "generator_optimiser": repr(worker.generator_optimiser),
        "batch_size": feed.batch_size,
        "epochs": worker.batches // (len(x) // feed.batch_size),
        "seed": feed.seed,
    }


def _form(value: Any) -> Any:
    """What a value must have in common with another one to be put in its place."""
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.shape
    if isinstance(value, list):
        return [_form(one) for one in value]
    if isinstance(value, dict):
        return {name: _form(one) for name, one in value.items()}
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def check_fits(
    checkpoint: Checkpoint,
    run: Mapping[str, Any],
    start: RunState,
    stack: Stack,
    worker: Worker,
) -> None:
    """Raise ValueError, naming what does not fit, unless this is the same run.

    ``run``: its description.  ``start``: the state in which it begins; parameters and memories
    keep its form.  ``worker``: any of its workers.
    """
    program, batches = worker.program, worker.batches
    resume, its = f"resume is {str(checkpoint.path)!r}", checkpoint.state
    for name, mine in run.items():
        if checkpoint.run.get(name) != mine:
            told = [f"{name} {one!r}" for one in (checkpoint.run.get(name), mine)]
            if any(len(one) > 80 for one in told):  # digests say that they differ, and no more
                told = [f"another {name}", f"this {name}"]
            accepts = f"a checkpoint of a run with {told[1]}"
            raise ValueError(f"{resume}, of a run with {told[0]}; here it accepts {accepts}")
    thetas, (said, _) = _form(start.thetas), stack.forward(worker.feed.x(0))
    as_made, pending = fitted_as_made(program), pending_at(program, its.turn, batches)

    def form(kind: str, k: int) -> Any:
        """The form of a pending value: that of what its module says, or has heard."""
        what, _, number = kind.partition(" ")
        if what == "message":
            k = program.wires.heard[k - 1][int(number or 1) - 1].module
        return _form(None if what == "prediction" else said[k - 1])

    noted = {key: thetas[key[1], as_made[key[:2]]] for key in pending if key[:2] in as_made}
    for name, fits in {
        "turn": its.turn <= program.turns(batches),
        "batch": checkpoint.batch == min(its.turn * program.batches_per_turn, batches),
        "thetas": _form(its.thetas) == thetas,
        "memories": _form(its.memories) == _form(start.memories),
        "pending": _form(its.pending) == {key: form(*key[:2]) for key in pending},
        "made_with": _form(its.made_with) == noted,
    }.items():
        if not fits:
            accepts = "a checkpoint as train writes it"
            raise ValueError(f"{resume}, whose {name} this run can't have; it accepts {accepts}")


# ---- on disk -------------------------------------------------------------------------------------


def _to_json(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """``value`` as JSON, in which each array stands as its name; the arrays go to ``arrays``."""
    if isinstance(value, np.ndarray):
        name = f"array {len(arrays)}"
        arrays[name] = value
        return {"array": name}
    if isinstance(value, dict):
        return {"items": [[key, _to_json(one, arrays)] for key, one in value.items()]}
    return [_to_json(one, arrays) for one in value] if isinstance(value, list) else value


def _from_json(told: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """The value again: the other way round."""
    if isinstance(told, list):
        return [_from_json(one, arrays) for one in told]
    if not isinstance(told, dict):
        return told
    if "array" in told:
        return arrays[told["array"]]
    return {
        tuple(key) if isinstance(key, list) else key: _from_json(one, arrays)
        for key, one in told["items"]
    }


def save(path: Place, run: Mapping[str, Any], batch: int, state: RunState) -> None:
    """Write a checkpoint at ``path``; what was there before stays until this one is whole.

    Raises OSError if it can't be written, with where the last whole one is.
    """
    path = Path(path)
    arrays: dict[str, np.ndarray] = {}
    told = _to_json(vars(state), arrays)
    header = {"format": FORMAT, "version": VERSION, "run": run, "batch": batch, "state": told}
    arrays[_HEADER] = np.array(json.dumps(header))
    beside = f".checkpoint.{_digest(path.name)[:16]}"
    for left in path.parent.glob(f"{beside}.*.part"):  # by a run that was killed as it saved
        with suppress(OSError):
            left.unlink()
    try:
        try:
            _write(path, beside, arrays)
        except FileNotFoundError:  # another run that saves to this file has tidied up meanwhile
            _write(path, beside, arrays)
    except OSError as fault:
        try:
            last = str(load(path))
        except (OSError, ValueError):
            last = "There is no checkpoint to go on from"
        why = f"{fault.strerror or fault}: {str(path)!r} can't be written at batch {batch}. {last}"
        raise OSError(fault.errno, why) from fault


def _write(path: Path, beside: str, arrays: Mapping[str, Any]) -> None:
    """Write all arrays next to ``path``, and move them there once they are on the disk."""
    # not tempfile, whose files nobody else may read: a checkpoint is for others to go on from too
    part = path.with_name(f"{beside}.{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an archive.  A member is read to its end first: there, zip checks its bytes."""
    with zipfile.ZipFile(path) as archive:
        whole = {name.removesuffix(".npy"): archive.read(name) for name in archive.namelist()}
    return {
        name: np.lib.format.read_array(io.BytesIO(member), allow_pickle=False)
        for name, member in whole.items()
    }


class _OfAnotherVersion(ValueError):
    """A whole checkpoint, of another dnilab."""


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
        if header["version"] != VERSION:
            said = f"{str(path)!r} is a checkpoint of version {header['version']}"
            raise _OfAnotherVersion(f"{said}; this dnilab accepts version {VERSION}")
        state = RunState(**_from_json(header["state"], arrays))
        whole_number("turn", state.turn, 0)
        batch = whole_number("batch", header["batch"], 0)
        return Checkpoint(path, dict(header["run"]), batch, state)
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no checkpoint at {str(path)!r}") from None
    except _OfAnotherVersion:
        raise
    except Exception as fault:  # there is no end to what damaged archives make their readers raise
        why = f"{type(fault).__name__}: {fault}"
        raise ValueError(f"{str(path)!r} is not a whole checkpoint of dnilab ({why})") from fault
