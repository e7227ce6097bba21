"""Ask again: run the answers in a notebook, and hear what the checkers say today.

Each notebook runs in a process of its own, which is ended when it takes too long; the exercise that
it was busy with is left out, and the others go on in a new one.  A browser starts no processes:
there the answers run where the question was asked, with no limit.

    python -m dnilab.lessons.progress.again NOTEBOOK RESULTS EXERCISE ...

is that process.  RESULTS is a file, which gets a line of JSON for each exercise begun or answered.
"""

from __future__ import annotations

import builtins
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dnilab.exercises import Function, Verdict, listeners
from dnilab.lessons.progress.answers import Cell, lesson_of, needed, read_notebook
from dnilab.lessons.progress.course import Lesson
from dnilab.lessons.progress.kept import WHERE, name_of

SECONDS = 120.0
CAN_START = sys.platform != "emscripten"  # Python in a browser
Tell = Callable[[dict[str, str]], None]
LONGEST = 400  # characters of a sentence

RIGHT, NOT_YET = "right", "not yet"
NOT_ASKED, STOPPED, TOO_LONG, UNREADABLE = "not asked", "stopped", "too long", "unreadable"
RESULTS = (RIGHT, NOT_YET, NOT_ASKED, STOPPED, TOO_LONG, UNREADABLE)


@dataclass(frozen=True)
class Outcome:
    """What came of one exercise: one of ``RESULTS``, and what was said."""

    exercise: str
    result: str
    said: str = ""


# -- in the process --------------------------------------------------------------------------


@contextmanager
def _heard() -> Iterator[list[tuple[str, Verdict]]]:
    """The verdicts that fall inside, by the exercise."""
    heard: list[tuple[str, Verdict]] = []

    def hear(check: Function, verdict: Verdict) -> None:
        exercise = name_of(check)
        if exercise is not None:
            heard.append((exercise, verdict))

    listeners.append(hear)
    try:
        yield heard
    finally:
        listeners.remove(hear)


def _error(error: BaseException) -> str:
    return f"the cell stopped with {type(error).__name__}: {error}"


def _run(cells: Sequence[Cell], exercise: str, go_on: bool) -> Outcome:
    """Run cells in an empty namespace; what was said of the exercise.

    go_on: whether an error in a cell that does not ask is passed over.
    """
    from IPython import get_ipython
    from IPython.display import display

    space: dict[str, Any] = {"__name__": "__main__", "__builtins__": builtins}
    space |= {"display": display, "get_ipython": get_ipython}
    stopped = ""
    with _heard() as heard, redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        for cell in cells:
            asks = exercise in cell.exercises
            try:
                exec(compile(cell.source, "<answer>", "exec"), space)
            except (Exception, SystemExit) as error:
                if asks or not go_on:
                    stopped = _error(error)
                    break
    verdicts = [verdict for name, verdict in heard if name == exercise]
    for verdict in sorted(verdicts, key=lambda one: not one)[:1]:
        return Outcome(exercise, RIGHT if verdict else NOT_YET, verdict.message[:LONGEST])
    return Outcome(exercise, STOPPED, (stopped or "its checker was not reached")[:LONGEST])


def _ask(cells: Sequence[Cell], exercise: str) -> Outcome:
    """What the checker of an exercise says, wherever the notebook asks it."""
    outcome = Outcome(exercise, NOT_ASKED)
    for at, cell in enumerate(cells):
        if exercise not in cell.exercises or outcome.result == RIGHT:
            continue
        outcome = _run(needed(cells, at), exercise, go_on=False)
        if outcome.result == STOPPED or "NameError" in outcome.said:
            # It may need a cell which did not look like it: all of them, then.
            whole = _run(cells[: at + 1], exercise, go_on=True)
            outcome = outcome if whole.result == STOPPED else whole
    return outcome


def _ask_here(path: Path, exercises: Sequence[str], tell: Tell) -> None:
    """Ask some exercises of a notebook in this process, and tell of each begun and answered."""
    cells = read_notebook(path)
    for exercise in exercises:
        tell({"begun": exercise})
        tell(asdict(_ask(cells, exercise)))


def main(arguments: list[str]) -> int:
    """The process: ``NOTEBOOK RESULTS EXERCISE ...``."""
    from IPython.core.interactiveshell import InteractiveShell

    class Shell(InteractiveShell):
        """What magics are asked of."""

        def enable_gui(self, gui: str | None = None) -> None:
            """No window is opened here, whatever ``%matplotlib`` asks for."""

    Shell.instance()
    notebook, results, *exercises = arguments
    sys.path.append(str(Path(notebook).parent))
    with open(results, "a", encoding="utf-8") as file:

        def tell(line: dict[str, str]) -> None:
            file.write(json.dumps(line) + "\n")
            file.flush()

        _ask_here(Path(notebook), exercises, tell)
    return 0


# -- outside of it ---------------------------------------------------------------------------


def _process(path: Path, exercises: Sequence[str], seconds: float) -> tuple[list[Any], str]:
    """The lines that a process wrote about these exercises, and how it ended ("" is well)."""
    told = dict(os.environ)
    told |= {WHERE: "off", "DNILAB_STATIC": "1", "MPLBACKEND": "agg"}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        results = Path(folder, "results")
        results.touch()
        process = subprocess.Popen(
            # -P: what lies beside the notebook is found last, so that it hides nothing.
            [sys.executable, "-P", "-m", __name__, path.resolve(), results, *exercises],
            cwd=path.resolve().parent,
            env=told,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        ended = ""
        try:
            code = process.wait(seconds)
            ended = f"its process ended with {code}" if code else ""
        except subprocess.TimeoutExpired:
            ended = TOO_LONG
        finally:
            _end(process)
        lines = []
        for line in results.read_text("utf-8", errors="replace").splitlines():
            with suppress(ValueError):  # half a line, where it was ended
                lines.append(json.loads(line))
    return lines, ended


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and whatever it started."""
    if sys.platform == "win32":
        words = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
        subprocess.run(words, capture_output=True, check=False)
    else:
        with suppress(ProcessLookupError, PermissionError):  # all have ended
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def ask_notebook(path: Path, seconds: float = SECONDS) -> tuple[Lesson | None, list[Outcome]]:
    """Run the answers of one notebook, each at most ``seconds``; say which are right.

    Returns its lesson, None if it is of none, and an outcome for each exercise.  What is wrong with
    a notebook or an answer is an outcome too.  An answer runs with all rights of who asks.
    """
    try:
        cells = read_notebook(path)
    except (OSError, ValueError) as error:
        lesson = lesson_of(path, ())
        said = str(error) if isinstance(error, ValueError) else f"{path.name} can't be opened"
        exercises = lesson.exercises if lesson else ("",)
        return lesson, [Outcome(exercise, UNREADABLE, said) for exercise in exercises]
    lesson = lesson_of(path, cells)
    if lesson is None:
        return None, []
    calls = {exercise for cell in cells for exercise in cell.exercises}
    todo = [exercise for exercise in lesson.exercises if exercise in calls]
    found = {}
    if not CAN_START:
        lines: list[Any] = []
        _ask_here(path, todo, lines.append)
        found = _outcomes(lines)
        todo = []
    while todo:
        lines, ended = _process(path, todo, seconds)
        found |= _outcomes(lines)
        todo = [exercise for exercise in todo if exercise not in found]
        if todo:  # the first of them ended the process
            limit = f"it took longer than {seconds:g} seconds"
            how = (TOO_LONG, limit) if ended == TOO_LONG else (STOPPED, ended or "it told nothing")
            found[todo[0]] = Outcome(todo[0], *how)
            del todo[0]
    missing = "no cell of the notebook calls its checker"
    return lesson, [found.get(e, Outcome(e, NOT_ASKED, missing)) for e in lesson.exercises]


def _outcomes(lines: Sequence[Any]) -> dict[str, Outcome]:
    """The outcomes among the lines that a process wrote."""
    return {line["exercise"]: Outcome(**line) for line in lines if set(line) >= {"exercise"}}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
