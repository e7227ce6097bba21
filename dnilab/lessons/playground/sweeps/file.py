"""A file of runs: a line says what it is, and then a line a record, each a JSON object.

A sweep adds its records one by one: each is written and flushed before it is handed out, so that
whatever ends a sweep, the file has what there was.  If it ends in the middle of a line, that line
is dropped, and its job is run again.  What is saved in the playground is such a file, too.

A line of a record ends with a checksum, so that a bit that has turned over is noticed.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from zlib import crc32

import numpy as np

import dnilab
from dnilab.checks import one_of
from dnilab.experiments.settings import Settings
from dnilab.lessons.playground.experiments.records import REFUSED, STATUSES, Job, Record, finite
from dnilab.lessons.shared.files import file_path

FORMAT = "dnilab runs"
VERSIONS = {FORMAT: 2, "dnilab sweep": 1}  # by format; a sweep's of the first edition is read, too
MAKERS = ("dnilab", "numpy", "machine")  # these may change the numbers
_BEGINNINGS = [f'{{"format": "{name}"'.encode() for name in VERSIONS]
_SEAL = b', "sum": "%08x"}'

PathLike = str | os.PathLike[str]


def read_sweep(path: PathLike) -> list[Record]:
    """The records of a sweep's file, of each job the last one; nothing is run or written.

    Raises ValueError if it is another file, or damaged elsewhere than at its end.
    """
    found = parsed(str(path), Path(path).read_bytes())
    found.tell_if_torn()
    return list(found.by_key.values())


@contextmanager
def writing(path: PathLike) -> Iterator[tuple[dict[str, Record], Callable[[Record], None]]]:
    """A file that is being written: what was in it, and a function that adds a record.

    What was in it: the records by the key of the job, of each the last.  What is added is on its
    way to the disk when the function returns.

    Only one sweep can have a file at a time; the system gives it back when the process ends,
    however it ends.  Where a file system has no locks, that is for the reader to see to.

    Raises ValueError if it is no file of runs, damaged, or written to by another sweep.
    """
    with open(path, "ab+") as file:
        if not _locked(file):
            raise ValueError(
                f"file is {str(path)!r}, and another sweep is writing it; a sweep accepts a file "
                "of its own"
            )

        def add(line: bytes) -> None:
            file.write(line)
            file.flush()

        try:
            file.seek(0)
            found = parsed(str(path), file.read())
            if found.torn:
                file.truncate(found.whole)
            if found.whole == 0:
                add(_heading_line())
            found.tell_if_torn()
            found.tell_if_made_elsewhere()
            yield found.by_key, lambda record: add(_line(record))
        finally:
            _unlock(file)  # by name: a process that was forked meanwhile has the file open, too


def check_file(path: PathLike) -> None:
    """Raise ValueError now if ``path`` is no place for a file, or holds something else."""
    path = file_path("file", path, "sweep.jsonl")
    if path.exists():
        parsed(str(path), path.read_bytes())


def written(records: Iterable[Record]) -> bytes:
    """The whole file of some records."""
    return _heading_line() + b"".join(map(_line, records))


def _heading() -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSIONS[FORMAT],
        "dnilab": dnilab.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }


def _heading_line() -> bytes:
    return json.dumps(_heading()).encode() + b"\n"


def _line(record: Record) -> bytes:
    _, *others = vars(record)
    return sealed({"settings": record.asked, **{name: vars(record)[name] for name in others}})


def sealed(plain: Mapping[str, Any]) -> bytes:
    """A line that ends with its checksum."""
    text = json.dumps(plain, allow_nan=False).encode()
    return text[:-1] + _SEAL % crc32(text) + b"\n"


@dataclass(frozen=True)
class Found:
    """What a file holds: its records, its heading, how many bytes are whole lines."""

    name: str
    records: list[Record]
    heading: Mapping[str, Any]
    whole: int
    torn: bool

    @property
    def by_key(self) -> dict[str, Record]:
        """Of each job the last record."""
        return {record.job.key: record for record in self.records}

    def tell_if_torn(self) -> None:
        if self.torn:
            warnings.warn(
                f"The last line of {self.name} is torn: a sweep was ended while it wrote. "
                "That line is left out, and its run is to be run again.",
                stacklevel=3,
            )

    def tell_if_made_elsewhere(self) -> None:
        here = _heading()
        others = [f"{k} {v}" for k, v in self.heading.items() if k in MAKERS and v != here[k]]
        if others:
            now = ", ".join(f"{name} {here[name]}" for name in MAKERS)
            warnings.warn(
                f"{self.name} was begun with {', '.join(others)}, and is gone on with by {now}: "
                "the last digits of its rows may not be comparable.",
                stacklevel=3,
            )


def parsed(name: str, content: bytes) -> Found:
    """What there is in the content of a file of this name.  Raises ValueError, which names it."""
    whole = content.rfind(b"\n") + 1
    if whole == 0:
        # Nothing, or a first line that was torn.
        if not any(b.startswith(content) or content.startswith(b) for b in _BEGINNINGS):
            raise ValueError(foreign(name))
        return Found(name, [], {}, 0, len(content) > 0)
    first, *lines = content[:whole].splitlines()
    try:
        heading = json.loads(first)
    except (ValueError, RecursionError):
        heading = None
    if not isinstance(heading, dict) or heading.get("format") not in VERSIONS:
        raise ValueError(foreign(name))
    version = VERSIONS[heading["format"]]
    if heading.get("version") != version:
        said = f"file is {name!r}, of version {heading.get('version')!r}"
        raise ValueError(f"{said}; this dnilab accepts version {version}")
    records = []
    for number, line in enumerate(lines, start=2):
        try:
            records.append(_record(line, must_be_sealed=version > 1))
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError,
                RecursionError) as fault:  # fmt: skip
            why = f"{fault} is missing" if isinstance(fault, KeyError) else str(fault)
            raise ValueError(f"file is {name!r}, and its line {number} is damaged: {why}") from None
    return Found(name, records, heading, whole, whole < len(content))


def foreign(name: str) -> str:
    """That a file of this name holds something else."""
    return (
        f"file is {name!r}, which holds no runs; it accepts a file that a sweep has written, or "
        "the playground, or a name that is not taken"
    )


def _record(line: bytes, *, must_be_sealed: bool) -> Record:
    found = json.loads(line)
    if "sum" in found or must_be_sealed:
        text = line[: -len(_SEAL % 0)] + b"}"
        if line != text[:-1] + _SEAL % crc32(text):
            raise ValueError("its checksum does not fit")
        del found["sum"]
    else:
        found = _of_first_edition(found)
    asked = {name: _tuples(value) for name, value in found.pop("settings").items()}
    one_of("status", found["status"], STATUSES)
    refused = found["status"] == REFUSED
    found["curves"] = {
        str(name): tuple(finite(x) for x in curve) for name, curve in found["curves"].items()
    }
    job = Job(asked, None, found["message"]) if refused else Job.of(Settings(**asked))
    return Record(job, **found)


def _of_first_edition(found: dict[str, Any]) -> dict[str, Any]:
    """A line as the first edition wrote it: it had the last scores, and one curve."""
    scores, right = found.pop("scores"), found.pop("curve")
    return {**found, "curves": {name: [score] for name, score in scores.items()} | {"right": right}}


def _tuples(value: Any) -> Any:
    return tuple(_tuples(one) for one in value) if isinstance(value, list) else value


def _locked(file: IO[bytes]) -> bool:
    """Lock the file for as long as it is open; False if somebody else has."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(2**40)  # far behind the end: on Windows locked bytes cannot be read
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        pass  # a file system without locks, as some that come over a network
    return True


def _unlock(file: IO[bytes]) -> None:
    if sys.platform != "win32":  # there no process inherits an open file
        import fcntl

        with suppress(OSError):
            fcntl.flock(file.fileno(), fcntl.LOCK_UN)
