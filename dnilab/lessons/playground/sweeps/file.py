"""The file of a sweep: a line says what it is, and then a line a row, each a JSON object.

A row is written and flushed before it is handed out, so that whatever ends a sweep, the file has
what there was.  If it ends in the middle of a line, that line is dropped, and its job is run again.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

import dnilab
from dnilab.checks import file_path
from dnilab.experiments.settings import Settings
from dnilab.lessons.playground.sweeps.plan import Job
from dnilab.lessons.playground.sweeps.row import REFUSED, STATUSES, Row

FORMAT, VERSION = "dnilab sweep", 1
MAKERS = ("dnilab", "numpy", "machine")  # these may change the numbers
_BEGINNING = f'{{"format": "{FORMAT}"'.encode()

PathLike = str | os.PathLike[str]


def read_sweep(path: PathLike) -> list[Row]:
    """The rows of a sweep's file, of each job the last one; nothing is run or written.

    Raises ValueError if it is another file, or damaged elsewhere than at its end.
    """
    path = Path(path)
    found = _parsed(path, path.read_bytes())
    found.tell_if_torn(path)
    return list(found.rows.values())


class SweepFile:
    """A file that is being written; used with ``with``.

    ``rows``: what was in it, by the key of the job, of each the last.  Only one sweep can have a
    file at a time; the system gives it back when the process ends, however it ends.  Where a file
    system has no locks, that is for the reader to see to.

    Raises ValueError if it is no sweep's file, damaged, or written to by another sweep.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = Path(path)
        self._file: IO[bytes] = open(self.path, "ab+")  # noqa: SIM115 - closed by __exit__
        try:
            if not _locked(self._file):
                raise ValueError(
                    f"file is {str(self.path)!r}, and another sweep is writing it; a sweep accepts "
                    "a file of its own"
                )
            self._file.seek(0)
            found = _parsed(self.path, self._file.read())
            if found.torn:
                self._file.truncate(found.whole)
            if found.whole == 0:
                self._write(_heading())
            self.rows = found.rows
            found.tell_if_torn(self.path)
            found.tell_if_made_elsewhere(self.path)
        except BaseException:
            self._close()
            raise

    def append(self, row: Row) -> None:
        """Add a row; it is on its way to the disk when this returns."""
        self._write(_plain(row))

    def _write(self, what: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(what, allow_nan=False).encode() + b"\n")
        self._file.flush()

    def __enter__(self) -> SweepFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def _close(self) -> None:
        _unlock(self._file)  # by name: a process that was forked meanwhile has the file open, too
        self._file.close()


def check_file(path: PathLike) -> None:
    """Raise ValueError now if ``path`` is no place for a file, or holds something else."""
    path = file_path("file", path, "sweep.jsonl")
    if path.exists():
        _parsed(path, path.read_bytes())


def _heading() -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "dnilab": dnilab.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }


def _plain(row: Row) -> dict[str, Any]:
    return {
        "settings": row.asked,
        "status": row.status,
        "message": row.message,
        "scores": row.scores,
        "curve": row.curve,
        "seconds": row.seconds,
        "worker": row.worker,
        "weights": row.weights,
    }


@dataclass(frozen=True)
class _Found:
    """What a file holds: its rows by key, its heading, how many bytes are whole lines."""

    rows: dict[str, Row]
    heading: Mapping[str, Any]
    whole: int
    torn: bool

    def tell_if_torn(self, path: Path) -> None:
        if self.torn:
            warnings.warn(
                f"The last line of {path} is torn: a sweep was ended while it wrote. "
                "That line is left out, and its run is to be run again.",
                stacklevel=3,
            )

    def tell_if_made_elsewhere(self, path: Path) -> None:
        here = _heading()
        others = [f"{k} {v}" for k, v in self.heading.items() if k in MAKERS and v != here[k]]
        if others:
            now = ", ".join(f"{name} {here[name]}" for name in MAKERS)
            warnings.warn(
                f"{path} was begun with {', '.join(others)}, and is gone on with by {now}: "
                "the last digits of its rows may not be comparable.",
                stacklevel=3,
            )


def _parsed(path: Path, content: bytes) -> _Found:
    whole = content.rfind(b"\n") + 1
    if whole == 0:
        # Nothing, or a first line that was torn.
        if not (_BEGINNING.startswith(content) or content.startswith(_BEGINNING)):
            raise ValueError(_foreign(path))
        return _Found({}, {}, 0, len(content) > 0)
    first, *lines = content[:whole].splitlines()
    try:
        heading = json.loads(first)
    except (ValueError, RecursionError):
        heading = None
    if not isinstance(heading, dict) or heading.get("format") != FORMAT:
        raise ValueError(_foreign(path))
    if heading.get("version") != VERSION:
        raise ValueError(
            f"file is {str(path)!r}, of version {heading.get('version')!r}; this dnilab accepts "
            f"version {VERSION}"
        )
    rows: dict[str, Row] = {}
    for number, line in enumerate(lines, start=2):
        try:
            row = _row(json.loads(line))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as fault:
            what = f"{fault} is missing" if isinstance(fault, KeyError) else str(fault)
            raise ValueError(
                f"file is {str(path)!r}, and its line {number} is damaged: {what}"
            ) from None
        rows[row.job.key] = row
    return _Found(rows, heading, whole, whole < len(content))


def _foreign(path: Path) -> str:
    return (
        f"file is {str(path)!r}, which no sweep has written; it accepts a sweep's own file, or a "
        "name that is not taken"
    )


def _row(found: Mapping[str, Any]) -> Row:
    asked = {name: _tuples(value) for name, value in found["settings"].items()}
    status = found["status"]
    if status not in STATUSES:
        raise ValueError(f"status is {status!r}")
    if status == REFUSED:
        job = Job(asked, None, str(found["message"]))
    else:
        job = Job.of(Settings(**asked))
    return Row(
        job,
        status,
        str(found["message"]),
        {str(name): float(number) for name, number in found["scores"].items()},
        tuple(float(x) for x in found["curve"]),
        float(found["seconds"]),
        str(found["worker"]),
        str(found["weights"]),
    )


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
