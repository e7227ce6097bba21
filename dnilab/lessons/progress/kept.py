"""What was right is kept in one small file beside the notebooks, and goes nowhere else.

The file is ``.progress.json`` in the folder of the notebook that runs.  In the browser edition that
folder is the browser's own storage, so the same file serves there.  ``DNILAB_PROGRESS`` names
another file or folder, or is ``off``: then nothing is kept.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from dnilab.exercises import Function, Verdict
from dnilab.lessons.progress.course import EXERCISES

WHERE = "DNILAB_PROGRESS"
OFF = ("off", "0", "no", "false")
NAME = ".progress.json"
FORM = "dnilab progress 1"

Right = dict[str, list[str]]
"""The exercises that were right, by the number of their notebook."""


def place() -> Path | None:
    """The file; None where nothing is kept: it is turned off, or no notebook lies here.

    Raises OSError where the current folder is gone.
    """
    told = os.environ.get(WHERE, "").strip()
    if told.lower() in OFF:
        return None
    if told:
        path = Path(told).expanduser()
        return path / NAME if path.is_dir() else path
    folder = Path.cwd()
    return folder / NAME if any(folder.glob("[0-9][0-9]_*.ipynb")) else None


def read(path: Path) -> Right:
    """What the file says; nothing where there is none.

    Raises ValueError where the file is damaged, and OSError where it can't be read.
    """
    try:
        told = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    if not isinstance(told, dict) or told.get("form") != FORM:
        raise ValueError("it is not a file of progress")
    right = told.get("right")
    if not isinstance(right, dict) or not all(isinstance(one, list) for one in right.values()):
        raise ValueError("it does not list exercises")
    return {number: [str(name) for name in names] for number, names in right.items()}


def write(path: Path, right: Mapping[str, list[str]]) -> None:
    """Write the file whole, or leave the old one as it was.  Raises OSError."""
    text = json.dumps({"form": FORM, "right": {k: right[k] for k in sorted(right)}}, indent=1)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".progress-", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def note(path: Path, exercise: str) -> str:
    """Add an exercise that was right; return a sentence for the learner, or "".

    A damaged file is set aside, and a new one begun.  Raises OSError.
    """
    said = ""
    try:
        right = read(path)
    except ValueError:
        aside = path.with_name(f"{path.name}.damaged")
        os.replace(path, aside)
        said = f"{path.name} was damaged. It is now {aside.name}, and a new one is begun."
        right = {}
    names = right.setdefault(EXERCISES[exercise].number, [])
    if exercise not in names:
        names.append(exercise)
        write(path, right)
    return said


_said: set[str] = set()  # once is enough for each sentence


def say(sentence: str) -> None:
    """Print a sentence, the first time only."""
    if sentence and sentence not in _said:
        _said.add(sentence)
        print(sentence)


def name_of(check: Function) -> str | None:
    """The exercise that a function under ``@checker`` checks; None if the course has no such."""
    exercise = str(getattr(check, "__name__", "")).removeprefix("check_")
    lesson = EXERCISES.get(exercise)
    module = str(getattr(check, "__module__", ""))
    return exercise if lesson and module.endswith(f".lesson{lesson.number}") else None


def keep(check: Function, verdict: Verdict) -> None:
    """Keep that an exercise is right.  It never raises: a checker answers whatever happens here."""
    exercise = name_of(check)
    if not verdict or exercise is None:
        return
    try:
        path = place()
        if path is not None:
            say(note(path, exercise))
    except OSError as error:
        why = error.strerror or type(error).__name__
        say(f"Your answer counts, but your progress could not be kept: {why}.")
