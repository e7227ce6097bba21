"""Pinned runs: kept under a name, compared in a table, saved and loaded again.

CSV holds the table, a row a pin, for a spreadsheet.  JSON lines hold everything, curves too, and
are what is loaded again: a file of runs, as a sweep writes it, whose records have names.
"""

from __future__ import annotations

import csv
import io
import math
import os
import secrets
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dnilab.checks import one_of, refuse
from dnilab.experiments.settings import Settings
from dnilab.lessons.playground.experiments.comparison import MOST_SEEDS, Lineup, distinct
from dnilab.lessons.playground.experiments.growing_lines import Line
from dnilab.lessons.playground.experiments.records import Record, differing, setting_words
from dnilab.lessons.playground.sweeps.file import foreign, parsed, written

MOST_BYTES = 20_000_000  # of a file that is loaded
LONGEST_NAME = 60  # letters of a pin's name
MOST_PINS = 200  # in a file that is loaded
LINES = (".json", ".jsonl")  # how the name of a file of JSON lines ends


@dataclass(frozen=True, eq=False)
class Pin:
    """A run that was kept: its name and its line."""

    name: str
    line: Line

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            refuse("name", self.name, "a few words")

    @property
    def text(self) -> str:
        """The settings as a string that can be pasted."""
        return Lineup(self.line.settings, min(self.line.seeds, MOST_SEEDS)).text

    @property
    def epochs(self) -> float:
        """The last epoch of the run: it may have been pinned before its end."""
        return float(self.line.epoch[-1]) if self.line.epoch.size else 0.0

    @property
    def seconds(self) -> float:
        """Seconds of training until then, mean over the seeds."""
        return float(self.line.seconds[-1]) if self.line.seconds.size else 0.0

    @property
    def diverged(self) -> int:
        """How many seeds diverged."""
        return len(self.line.said)

    def final(self, what: str) -> tuple[float, float]:
        """Mean and standard deviation (over n - 1; 0 for one seed) of the last numbers.

        NaN if a seed diverged, or nothing was measured.
        """
        last = self.line.values[what][:, -1:]
        if last.size == 0 or not np.isfinite(last).all():
            return math.nan, math.nan
        return float(last.mean()), float(last.std(ddof=1)) if len(last) > 1 else 0.0


def named(name: str, line: Line, pins: Sequence[Pin]) -> Pin:
    """A pin called ``name``, or, with a number, what is not taken yet; the line's own if empty."""
    wanted = tidy(name) or line.label
    return Pin(distinct([pin.name for pin in pins] + [wanted])[-1], line)


def tidy(name: str) -> str:
    r"""A name of letters that can be seen, on one line, and not longer than a table can bear.

    >>> tidy("  mine \u202e\n again "), len(tidy(300 * "a"))
    ('mine again', 60)
    """
    plain = "".join(" " if unicodedata.category(letter)[0] == "C" else letter for letter in name)
    words = " ".join(plain.split())
    return words if len(words) <= LONGEST_NAME else words[: LONGEST_NAME - 1] + "…"


SORTS: Mapping[str, Callable[[Pin], Any]] = {
    "pinned": lambda pin: 0,
    "name": lambda pin: pin.name.casefold(),
    "right, best first": lambda pin: _last_if_nan(-pin.final("right")[0]),
    "test loss, best first": lambda pin: _last_if_nan(pin.final("test loss")[0]),
    "seconds, shortest first": lambda pin: pin.seconds,
    "epochs, most first": lambda pin: -pin.epochs,
}
"""How a table may be sorted."""


def _last_if_nan(number: float) -> float:
    return math.inf if math.isnan(number) else number


def in_order(pins: Sequence[Pin], by: str = "pinned") -> list[Pin]:
    """The pins sorted; equals stay in the order in which they were pinned."""
    return sorted(pins, key=SORTS[one_of("by", by, SORTS)])


def mean_words(mean: float, spread: float, seeds: int, *, percent: bool = False) -> str:
    """``95.1 ± 0.3 %``; "diverged" for NaN."""
    if math.isnan(mean):
        return "diverged"
    factor, digits, unit = (100, 1, " %") if percent else (1, 4, "")
    numbers = [mean, spread][: 2 if seeds > 1 else 1]
    return " ± ".join(f"{factor * number:.{digits}f}" for number in numbers) + unit


def table_of(pins: Sequence[Pin]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The head and the rows: name, what differs, final numbers (mean ± deviation over seeds)."""
    names, settings = _settings(pins)
    head = ("name", *(name.replace("_", " ") for name in names))
    head += ("seeds", "epochs", "right", "test loss", "seconds")
    body = []
    for pin, values in zip(pins, settings, strict=True):
        seeds = f"{pin.line.seeds}" + (f", {pin.diverged} diverged" if pin.diverged else "")
        right = mean_words(*pin.final("right"), pin.line.seeds, percent=True)
        loss = mean_words(*pin.final("test loss"), pin.line.seeds)
        rest = (seeds, f"{pin.epochs:.3g}", right, loss, f"{pin.seconds:.2f}")
        body.append((pin.name, *values, *rest))
    return head, body


def to_csv(pins: Sequence[Pin]) -> bytes:
    """The table as comma-separated values, numbers plain, with the string of the settings."""
    names, settings = _settings(pins)
    finals = [f"{what} {part}" for what in ("right", "test loss") for part in ("mean", "std")]
    head = ["name", *names, "seeds", "diverged", "epochs", "seconds", *finals, "settings"]
    body = []
    for pin, values in zip(pins, settings, strict=True):
        numbers = [pin.epochs, pin.seconds, *pin.final("right"), *pin.final("test loss")]
        body.append([pin.name, *values, pin.line.seeds, pin.diverged, *numbers, pin.text])
    return csv_of(head, body)


def _settings(pins: Sequence[Pin]) -> tuple[list[str], list[list[str]]]:
    """The settings in which the pins differ: their names, and for each pin their values."""
    every = [pin.line.records[0] for pin in pins]
    names = differing(every)
    return names, [[setting_words(one.asked[name]) for name in names] for one in every]


def csv_of(head: Sequence[str], body: Iterable[Sequence[Any]]) -> bytes:
    """A table as comma-separated values; NaN is left empty, and nothing is a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([_cell(one) for one in row] for row in body)
    return out.getvalue().encode(errors="replace")


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    text = str(value)
    # A spreadsheet would compute what begins like this.
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def to_lines(pins: Sequence[Pin]) -> bytes:
    """Everything about the pins, as a file of runs."""
    return written(replace(record, name=pin.name) for pin in pins for record in pin.line.records)


def pins_in(content: bytes, name: str = "runs.jsonl") -> list[Pin]:
    """The pins in a file of this name; in a sweep's file, each setting with all its seeds.

    Raises ValueError, in words, if it is something else, or was damaged.
    """
    if len(content) > MOST_BYTES:
        said = f"file is {name!r}, of {len(content):,} bytes or more"
        raise ValueError(f"{said}; it accepts {MOST_BYTES:,}")
    if content.startswith(b'{"format": "dnilab pins"'):
        accepts = "what a later one saved; the settings strings in it can be pasted and run again"
        said = f"file is {name!r}, of the first edition of this course"
        raise ValueError(f"{said}; it accepts {accepts}")
    found = parsed(name, content)
    if found.torn or not found.records:
        raise ValueError(foreign(name))
    records = [record for record in found.records if record.reports]
    if not records:
        raise ValueError(f"file is {name!r}, whose runs have no curves to be shown")
    lines: dict[tuple[str, Settings], list[Record]] = {}
    for record in records:
        assert record.settings is not None  # or it would have no reports
        lines.setdefault((record.name, record.settings.but(seed=0)), []).append(record)
    if len(lines) > MOST_PINS:
        raise ValueError(f"file is {name!r}, of {len(lines)} pins; it accepts {MOST_PINS}")
    return [
        Pin(name or settings.name, Line(name or settings.name, 0, tuple(several)))
        for (name, settings), several in lines.items()
    ]


def save(pins: Sequence[Pin], path: str | Path) -> Path:
    """Write the pins to ``path``, which ends in .csv (the table), or .json or .jsonl (everything).

    A file that is there already stays whole until the new one is.
    """
    path = Path(path)
    if path.suffix not in (".csv", *LINES):
        refuse("path", str(path), "a name that ends in .jsonl, .csv or .json")
    content = to_csv(pins) if path.suffix == ".csv" else to_lines(pins)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path


def load(path: str | Path) -> list[Pin]:
    """The pins in a file that ends in .json or .jsonl."""
    path = Path(path)
    if path.suffix not in LINES:
        refuse("path", str(path), "a name that ends in .json or .jsonl")
    with path.open("rb") as file:
        return pins_in(file.read(MOST_BYTES + 1), str(path))
