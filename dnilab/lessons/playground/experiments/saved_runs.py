"""Pinned runs: kept under a name, compared in a table, saved and loaded again.

CSV holds the table, a row a run, for a spreadsheet.  JSON holds everything, curves too, and is
what is loaded again.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from dnilab.experiments.settings import Settings
from dnilab.lessons.playground.experiments.comparison import Lineup, distinct
from dnilab.lessons.playground.experiments.growing_lines import QUANTITIES, Line

FORMAT = "dnilab pins"
VERSION = 1
MOST_NUMBERS = 2_000_000  # in a file that is loaded
MOST_PINS = 200  # in a file that is loaded


@dataclass(frozen=True, eq=False)
class Pin:
    """A run that was kept: its name and its line."""

    name: str
    line: Line

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise ValueError(f"name is {self.name!r}; it accepts a few words")

    @property
    def text(self) -> str:
        """The settings as a string that can be pasted."""
        return Lineup(self.line.settings, self.line.seeds).text

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
    wanted = name.strip() or line.label
    return Pin(distinct([pin.name for pin in pins] + [wanted])[-1], line)


def differing(pins: Sequence[Pin]) -> list[str]:
    """The settings in which the pinned runs differ, in the order of ``Settings``."""
    every = [field.name for field in fields(Settings) if field.name not in ("seed", "probe_rows")]
    settings = [pin.line.settings for pin in pins]
    return [name for name in every if len({getattr(s, name) for s in settings}) > 1]


SORTS: Mapping[str, tuple[Callable[[Pin], Any], bool]] = {
    "pinned": (lambda pin: 0, False),
    "name": (lambda pin: pin.name.casefold(), False),
    "right, best first": (lambda pin: _last_if_nan(-pin.final("right")[0]), False),
    "test loss, best first": (lambda pin: _last_if_nan(pin.final("test loss")[0]), False),
    "seconds, shortest first": (lambda pin: pin.seconds, False),
    "epochs, most first": (lambda pin: pin.epochs, True),
}
"""How a table may be sorted: (key, whether the largest comes first)."""


def _last_if_nan(number: float) -> float:
    return math.inf if math.isnan(number) else number


def in_order(pins: Sequence[Pin], by: str = "pinned") -> list[Pin]:
    """The pins sorted; equals stay in the order in which they were pinned."""
    if by not in SORTS:
        raise ValueError(f"by is {by!r}; it accepts one of {', '.join(SORTS)}")
    key, reverse = SORTS[by]
    return sorted(pins, key=key, reverse=reverse)


def setting_words(value: Any) -> str:
    """A setting as a table says it.

    >>> setting_words(("h", "y")), setting_words(True), setting_words(()), setting_words(None)
    ('h, y', 'yes', 'none', 'default')
    """
    if value is None:
        return "default"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def mean_words(mean: float, spread: float, seeds: int, *, percent: bool = False) -> str:
    """``95.1 ± 0.3 %``; "diverged" for NaN."""
    if math.isnan(mean):
        return "diverged"
    factor, unit = (100.0, " %") if percent else (1.0, "")
    digits = 1 if percent else 4
    text = f"{factor * mean:.{digits}f}"
    return (text + (f" ± {factor * spread:.{digits}f}" if seeds > 1 else "")) + unit


def table_of(pins: Sequence[Pin]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The head and the rows: name, what differs, final numbers (mean ± deviation over seeds)."""
    differ = differing(pins)
    head = ("name", *(name.replace("_", " ") for name in differ))
    head += ("seeds", "epochs", "right", "test loss", "seconds")
    body = []
    for pin in pins:
        settings = [setting_words(getattr(pin.line.settings, name)) for name in differ]
        finals = [
            mean_words(*pin.final("right"), pin.line.seeds, percent=True),
            mean_words(*pin.final("test loss"), pin.line.seeds),
        ]
        seeds = str(pin.line.seeds) + (f", {pin.diverged} diverged" if pin.diverged else "")
        body.append(
            (pin.name, *settings, seeds, f"{pin.epochs:.3g}", *finals, f"{pin.seconds:.2f}")
        )
    return head, body


def to_csv(pins: Sequence[Pin]) -> str:
    """The table as comma-separated values, numbers plain, with the string of the settings."""
    differ = differing(pins)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    finals = [f"{what} {part}" for what in ("right", "test loss") for part in ("mean", "std")]
    writer.writerow(
        ["name", *differ, "seeds", "diverged", "epochs", "seconds", *finals, "settings"]
    )
    for pin in pins:
        numbers = [n for what in ("right", "test loss") for n in pin.final(what)]
        settings = [setting_words(getattr(pin.line.settings, name)) for name in differ]
        writer.writerow(
            [
                _no_formula(pin.name),
                *settings,
                pin.line.seeds,
                pin.diverged,
                f"{pin.epochs:.6g}",
                f"{pin.seconds:.6g}",
                *("" if math.isnan(n) else f"{n:.6g}" for n in numbers),
                pin.text,
            ]
        )
    return out.getvalue()


def _no_formula(text: str) -> str:
    """A name that a spreadsheet does not take for a formula."""
    return f"'{text}" if text[:1] in "=+-@\t\r" else text


def to_json(pins: Sequence[Pin]) -> str:
    """Everything about the pins; NaN is written as null."""
    return json.dumps(
        {"format": FORMAT, "version": VERSION, "pins": [_plain(pin) for pin in pins]},
        allow_nan=False,
    )


def _plain(pin: Pin) -> dict[str, Any]:
    line = pin.line
    return {
        "name": pin.name,
        "settings": pin.text,
        "label": line.label,
        "look": line.look,
        "epoch": line.epoch.tolist(),
        "seconds": line.seconds.tolist(),
        "values": {name: _nulls(array.tolist()) for name, array in line.values.items()},
        "cosine": None if line.cosine is None else _nulls(line.cosine.tolist()),
        "said": list(line.said),
    }


def _nulls(numbers: Any) -> Any:
    if isinstance(numbers, list):
        return [_nulls(n) for n in numbers]
    return float(numbers) if math.isfinite(numbers) else None


def from_json(text: str | bytes) -> list[Pin]:
    """The pins that :func:`to_json` wrote.

    Raises ValueError, in words, if it is something else, or was damaged.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("the file is not JSON; it accepts what was saved as JSON here") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ValueError("the file holds no pinned runs; it accepts what was saved as JSON here")
    if found.get("version") != VERSION:
        raise ValueError(f"the file's version is {found.get('version')!r}; it accepts {VERSION}")
    every = found.get("pins")
    if not isinstance(every, list) or len(every) > MOST_PINS:
        raise ValueError(f"the file's pins are damaged; it accepts a list of at most {MOST_PINS}")
    return [_pin(number, one) for number, one in enumerate(every, start=1)]


def _pin(number: int, one: Any) -> Pin:
    try:
        lineup = Lineup.from_text(one["settings"])
        epoch, seconds = _array(one["epoch"], 1), _array(one["seconds"], 1)
        values = {name: _array(one["values"][name], 2) for name in QUANTITIES}
        cosine = None if one["cosine"] is None else _array(one["cosine"], 3)
        label, name, said = str(one["label"]), str(one["name"]), tuple(map(str, one["said"]))
        look = int(one["look"])
        shape = (lineup.seeds, epoch.size)
        fits = seconds.shape == epoch.shape and all(v.shape == shape for v in values.values())
        rises = all(np.isfinite(x).all() and (np.diff(x) > 0).all() for x in (epoch, seconds))
        if cosine is not None:
            fits = fits and cosine.shape == (*shape, len(lineup.settings.hidden))
        if not (fits and rises and label and 0 <= look < 100):
            raise ValueError("its numbers do not fit together")
        line = Line(label, lineup.settings, look, epoch, seconds, values, cosine, (), said)
        return Pin(name, line)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"pinned run {number} of the file is damaged: {what}") from None


def _array(numbers: Any, dimensions: int) -> np.ndarray:
    array = np.array(numbers, dtype=float)  # null becomes NaN
    if array.ndim != dimensions or array.size > MOST_NUMBERS:
        raise ValueError(f"a list of {dimensions} dimensions is missing")
    return array


def save(pins: Sequence[Pin], path: str | Path) -> Path:
    """Write the pins to ``path``, which ends in .csv (the table) or .json (everything)."""
    path = Path(path)
    writers = {".csv": to_csv, ".json": to_json}
    if path.suffix not in writers:
        raise ValueError(f"path is {str(path)!r}; it accepts a name that ends in .csv or .json")
    path.write_text(writers[path.suffix](pins), "utf-8")
    return path


def load(path: str | Path) -> list[Pin]:
    """The pins in a file that ends in .json."""
    path = Path(path)
    if path.suffix != ".json":
        raise ValueError(f"path is {str(path)!r}; it accepts a name that ends in .json")
    return from_json(path.read_bytes())
