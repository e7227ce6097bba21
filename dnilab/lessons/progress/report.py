"""How far a learner has come: a table, from what was kept or from asking everything again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dnilab.lessons.progress.again import NOT_ASKED, RIGHT, SECONDS, ask_notebook
from dnilab.lessons.progress.course import COURSE
from dnilab.lessons.progress.kept import note, place, read, say

AT_HOME = (
    "This copy of the notebook keeps nothing. On your own machine, in a browser edition or on "
    "Binder, each exercise that a checker calls right is counted here."
)


@dataclass(frozen=True)
class Progress:
    """The exercises that are right, by the number of their notebook; shown as a table."""

    right: Mapping[str, Iterable[str]]
    where: str = ""
    """A sentence or two, shown below the table: where it comes from."""

    def done(self, number: str) -> int:
        """How many exercises of a notebook are right; those that it does not have do not count."""
        names = set(self.right.get(number, ()))
        return sum(len(names & set(one.exercises)) for one in COURSE if one.number == number)

    @property
    def said(self) -> str:
        """The table in one sentence."""
        number = sum(self.done(lesson.number) for lesson in COURSE)
        asked = sum(len(lesson.exercises) for lesson in COURSE)
        return f"{number} of {asked} exercises are right. {self.where}".rstrip()

    def _repr_markdown_(self) -> str:
        lines = ["| | notebook | exercises that are right | of |", "|---|---|---:|---:|"]
        for lesson in COURSE:
            done, of = self.done(lesson.number), len(lesson.exercises)
            tick = " ✓" if done == of else ""
            name = f"[{lesson.title}]({lesson.stem}.ipynb)"
            lines.append(f"| {lesson.number} | {name} | {done}{tick} | {of} |")
        return "\n".join([*lines, "", self.said])

    def __repr__(self) -> str:
        lines = []
        for lesson in COURSE:
            done, of = self.done(lesson.number), len(lesson.exercises)
            lines.append(f"{lesson.number} {lesson.title:30} {done} of {of}")
        return "\n".join([*lines, "", self.said])


def progress() -> Progress:
    """What was kept so far.  It reads one file, and raises nothing."""
    try:
        path = place()
        if path is None:
            return Progress({}, AT_HOME)
        right = read(path)
    except ValueError:
        said = "The file that keeps them is damaged; the next right answer begins a new one."
        return Progress({}, said)
    except OSError:
        return Progress({}, "The file that keeps them can't be read.")
    said = f"They are kept in the file {path.name} and sent nowhere; delete it to begin again."
    return Progress(right, said)


def ask_again(
    folder: str | Path | None = None, seconds: float = SECONDS, quiet: bool = False
) -> Progress:
    """Run all answers in the notebooks of a folder again; print what is not right, and count.

    folder: where the notebooks lie; without it, where this runs, unless nothing is kept there.
    seconds: how long one answer may take.

    Right answers are kept; those that are not right any longer are only said.
    Raises ValueError if there is no such folder.
    """
    if folder is None:
        if place() is None:
            return Progress({}, AT_HOME)
        folder = Path.cwd()
    notebooks = Path(folder)
    if not notebooks.is_dir():
        raise ValueError(f"folder is {str(folder)!r}; it accepts a folder with notebooks")
    right: dict[str, list[str]] = {}
    for lesson in COURSE:
        path = notebooks / f"{lesson.stem}.ipynb"
        if not path.exists():
            continue
        _, outcomes = ask_notebook(path, seconds)
        right[lesson.number] = [one.exercise for one in outcomes if one.result == RIGHT]
        if not quiet:
            print(f"{lesson.number} {lesson.title}: {len(right[lesson.number])} of {len(outcomes)}")
            for one in outcomes:
                if one.result not in (RIGHT, NOT_ASKED):
                    print(f"   {one.exercise}, {one.result}:", *one.said.split())
    _keep(right)
    return Progress(right, "All answers in these notebooks were run again just now.")


def _keep(right: Mapping[str, Iterable[str]]) -> None:
    try:
        path = place()
        if path is not None:
            for exercises in right.values():
                for exercise in exercises:
                    say(note(path, exercise))
    except OSError:
        print("They could not be kept.")
