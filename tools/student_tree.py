"""Make a copy of the course for students: the exercises are there, the solutions are not.

    python tools/student_tree.py [FOLDER]      (make student: into build/student)

Taken out of the notebooks: the solutions, the answers to the predictions, and the outputs, which
would give both away.  In the place of an answer stands a line that asks for the reader's own.
Taken along: the package, with its checkers, and what `make lab` and `make playground` need.  Left
out: the tests, whose answers are right, the benchmarks and `teaching/`.  A checker has to know what
is right: whoever reads its code finds it.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
TREE = ROOT / "build" / "student"
TAKEN = (
    "dnilab",
    "notebooks",
    "pages",
    "binder",
    "tools/check_python.py",
    "tools/jupyter",
    "tools/jupyterlab",
    "Makefile",
    "pyproject.toml",
    "constraints.txt",
    "environment.yml",
    "docs/accessibility.md",
    "LICENSE",
    "LICENSE-notebooks",
    "CITATION.cff",
)
LEFT = shutil.ignore_patterns("__pycache__", "*.pyc", ".ipynb_checkpoints", ".progress*")
FOLDED = re.compile(r"<details>\s*<summary>(.*?)</summary>(.*?)</details>\n?", re.DOTALL)
SOLUTION = "*The solution is not in this copy. The checker above says what is still missing.*\n"
PREDICTION = "*Your prediction, and your reason:*\n"
# Words that lead a student to what is not there, and what stands in their place.
WORDS = (
    (" A solution is folded away below.", ""),
    ("Only then open *Check your prediction*, and run the cell.", "Only then run the cell."),
)
LINK_OUT = re.compile(r"\[([^\]]*)\]\(\.\./([^)#]*)[^)]*\)")
README = """# dnilab, for students

This is the course without its solutions. On Linux or macOS with Python 3.11 or newer:

```
make lab
```

It sets everything up and opens the first notebook. On Windows, or with conda:

```
conda env create -f environment.yml
conda activate dnilab
pip install -e . -c constraints.txt
jupyter lab notebooks/00_start_here.ipynb
```

Read, predict, run, and answer the exercises: their checkers say *Right*, or what is not right yet.
What is right is kept in `notebooks/.progress.json`, on your machine. `python -m
dnilab.lessons.progress` runs all your answers again.

Code: BSD-3-Clause (`LICENSE`). Notebooks: CC BY 4.0 (`LICENSE-notebooks`).
"""


def without_answers(text: str) -> str:
    """A text cell without its solutions and the answers to its predictions.

    Raises ValueError where something is folded away that is neither.
    """

    def instead(found: re.Match[str]) -> str:
        summary = found[1].strip()
        if summary.startswith("Solution"):
            return SOLUTION
        if summary.startswith(("Check", "What ")):
            return PREDICTION
        raise ValueError(f"is {summary!r} an answer? tools/student_tree.py has to know")

    text = FOLDED.sub(instead, text)
    for words, new in WORDS:
        text = text.replace(words, new)
    return text


def for_students(notebook: NotebookNode, there: Path) -> NotebookNode:
    """The notebook without answers and outputs; links that lead out of the tree become words."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        else:
            text = without_answers(cell.source)
            cell.source = LINK_OUT.sub(
                lambda link: link[0] if (there.parent / link[2]).exists() else link[1], text
            )
    return notebook


def build(tree: Path) -> None:
    """Write the tree; what stood there before is removed.

    Raises ValueError if something stands there that was not made by this.
    """
    made = tree / "README.md"
    if tree.exists() and any(tree.iterdir()):
        if not made.exists() or made.read_text("utf-8") != README:
            raise ValueError(f"{tree} holds something else; name a folder that is new or empty")
        shutil.rmtree(tree)
    tree.mkdir(parents=True, exist_ok=True)
    for name in TAKEN:
        source, target = ROOT / name, tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=LEFT)
        else:
            shutil.copy(source, target)
    made.write_text(README, "utf-8")
    for path in sorted((tree / "notebooks").glob("*.ipynb")):
        notebook = for_students(nbformat.read(path, as_version=4), tree / "notebooks")
        path.write_text(nbformat.writes(notebook) + "\n", "utf-8")


def main(arguments: list[str]) -> int:
    if len(arguments) > 1 or arguments[:1] in (["-h"], ["--help"]):
        print(__doc__)
        return 2
    tree = Path(arguments[0]) if arguments else TREE
    try:
        build(tree)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{tree}: the course without solutions.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
