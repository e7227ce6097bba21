"""Mark a class: ask all checkers over a folder of notebooks, and write one table.

    python tools/mark.py FOLDER --csv marks.csv
    python tools/mark.py FOLDER --json marks.json [--seconds 120] [--workers 2]

It RUNS THE STUDENTS' CODE, with all rights of whoever starts it: their cells may read, write,
delete and send whatever you may.  So run it where that does no harm, such as in a container or a
virtual machine without your files, keys and network.

FOLDER holds a folder for each student, with notebooks in it, at any depth; a notebook that lies in
FOLDER itself is a student of its own, called as its file.  Each notebook is run in a process of its
own, and each answer may take so many seconds; one that fails or hangs stops none of the others.
Of a notebook only those cells are run which the answers need.

The table has a row for each exercise of each notebook: right, not yet, not asked (no cell calls
the checker), stopped (an error before the checker answered), too long, unreadable, or unknown (a
notebook of no lesson); and what was said.  The verdicts are those of the checkers, so a student who
sets out to cheat can: read what looks odd.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from dnilab.lessons.progress.again import RESULTS, RIGHT, SECONDS, ask_notebook

UNKNOWN = "unknown"
ALL_RESULTS = (*RESULTS, UNKNOWN)
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Mark:
    """A row of the table."""

    student: str
    notebook: str
    lesson: str
    exercise: str
    result: str
    said: str


def notebooks(folder: Path) -> list[Path]:
    """All notebooks in a folder, without the copies that JupyterLab keeps, and macOS's ``._``."""
    found = sorted(path for path in folder.rglob("*.ipynb") if not path.name.startswith("._"))
    return [path for path in found if ".ipynb_checkpoints" not in path.parts]


def student_of(path: Path, folder: Path) -> str:
    """Whose notebook it is: the first folder on the way to it, or the name of its file."""
    first, *others = path.relative_to(folder).parts
    return first if others else path.stem


def mark(path: Path, folder: Path, seconds: float) -> list[Mark]:
    """The rows of one notebook."""
    who, where = student_of(path, folder), path.relative_to(folder).as_posix()
    lesson, outcomes = ask_notebook(path, seconds)
    number = lesson.number if lesson else ""
    if not outcomes:
        return [Mark(who, where, number, "", UNKNOWN, "no checker of the course is called in it")]
    return [Mark(who, where, number, one.exercise, one.result, one.said) for one in outcomes]


def marks(folder: Path, seconds: float, workers: int) -> Iterator[list[Mark]]:
    """The rows of each notebook, in order, as they come."""
    with ThreadPoolExecutor(workers) as threads:  # which wait for processes
        yield from threads.map(lambda path: mark(path, folder, seconds), notebooks(folder))


def harmless(text: str) -> str:
    """A text that a spreadsheet takes for no formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def write_csv(path: Path, rows: list[Mark]) -> None:
    """As a spreadsheet reads it: UTF-8 with its mark, and no cell that is a formula."""
    with open(path, "w", encoding="utf-8-sig", newline="") as file:
        table = csv.writer(file)
        table.writerow(Mark.__dataclass_fields__)
        table.writerows([harmless(text) for text in asdict(row).values()] for row in rows)


def write_json(path: Path, rows: list[Mark]) -> None:
    text = json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False)
    path.write_text(text + "\n", "utf-8")


def main(arguments: list[str]) -> int:
    """Read the command line, mark, and say how far each student is."""
    words = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    words.epilog = "It runs the students' code: run it where that does no harm."
    words.add_argument("folder", type=Path, help="a folder for each student, notebooks in it")
    words.add_argument("--csv", type=Path, help="write the table as CSV")
    words.add_argument("--json", type=Path, help="write the table as JSON")
    words.add_argument("--seconds", type=float, default=SECONDS, help="the most for one answer")
    words.add_argument("--workers", type=int, default=1, help="how many notebooks at once")
    asked = words.parse_args(arguments)
    if not asked.folder.is_dir():
        words.error(f"there is no folder {asked.folder}")
    if not (asked.csv or asked.json):
        words.error("say where to write the table: --csv FILE or --json FILE")
    if not asked.seconds > 0 or asked.workers < 1:
        words.error("--seconds has to be above 0, and --workers 1 or more")
    for file in filter(None, (asked.csv, asked.json)):
        if not file.resolve().parent.is_dir() or file.is_dir():
            words.error(f"{file} can't be written: name a file in a folder that exists")
    found = notebooks(asked.folder)
    if not found:
        words.error(f"no notebook in {asked.folder}")
    print(f"{len(found)} notebooks. Running what the students wrote in them.", flush=True)
    rows: list[Mark] = []
    for few in marks(asked.folder, asked.seconds, asked.workers):
        rows += few
        # After every notebook: whoever stops it, or an answer that does, keeps what was marked.
        if asked.csv:
            write_csv(asked.csv, rows)
        if asked.json:
            write_json(asked.json, rows)
        right = sum(row.result == RIGHT for row in few)
        print(f"{few[0].notebook}: {right} of {len(few)} right", flush=True)
    for student in sorted({row.student for row in rows}):
        theirs = [row.result == RIGHT for row in rows if row.student == student]
        print(f"{student}: {sum(theirs)} of {len(theirs)} exercises right")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
