"""Every solution that is folded away in a notebook passes its checker; every stub does not yet.

A solution is a text cell with <details><summary>Solution</summary> and one ```python block, whole
in itself, whose last line calls the checker. The exercise is the code cell before it whose last
line calls the same checker.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode, v4

from dnilab.exercises import Verdict

FOLDER = Path(__file__).resolve().parent.parent.parent / "notebooks"
SOLUTION = re.compile(r"<summary>\s*Solution.*?</summary>(.*?)</details>", re.DOTALL)
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
CHECKER = re.compile(r"\bcheck_\w+(?=\()")


@dataclass(frozen=True)
class Exercise:
    """One exercise: where it is, the name of its checker, the stub and the solution."""

    place: str
    checker: str
    stub: NotebookNode
    solution: str


def called(source: str) -> list[str]:
    """The checkers that the last line of a cell calls."""
    lines = source.strip().splitlines()
    return CHECKER.findall(lines[-1]) if lines else []


def exercises(notebook: NotebookNode, name: str) -> list[Exercise]:
    """The exercises of a notebook; raises ValueError if stubs and solutions do not pair up."""
    stubs: dict[str, NotebookNode] = {}
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            for checker in called(cell.source):
                if checker in stubs:
                    raise ValueError(f"{name}: two cells call {checker}")
                stubs[checker] = cell
        for folded in SOLUTION.findall(cell.source) if cell.cell_type == "markdown" else ():
            blocks = BLOCK.findall(folded)
            if len(blocks) != 1:
                raise ValueError(f"{name}: a solution has {len(blocks)} blocks, it needs one")
            checkers = called(blocks[0])
            if len(checkers) != 1 or checkers[0] not in stubs:
                raise ValueError(f"{name}: a solution calls a checker that no cell before it calls")
            found.append(Exercise(name, checkers[0], stubs[checkers[0]], blocks[0]))
    unsolved = set(stubs) - {exercise.checker for exercise in found}
    if unsolved:
        raise ValueError(f"{name}: no solution for {', '.join(sorted(unsolved))}")
    return found


def verdict_of(source: str) -> Any:
    """Run a solution in an empty namespace; return the value of its last line."""
    tree = ast.parse(source)
    last = tree.body.pop()
    assert isinstance(last, ast.Expr), "the last line of a solution calls the checker"
    namespace: dict[str, Any] = {"__name__": "solution"}
    exec(compile(tree, "<solution>", "exec"), namespace)
    return eval(compile(ast.Expression(last.value), "<solution>", "eval"), namespace)


NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
ALL = [
    exercise
    for path in NOTEBOOKS
    for exercise in exercises(nbformat.read(path, as_version=4), path.stem)
]
every_exercise = pytest.mark.parametrize("exercise", ALL, ids=lambda e: f"{e.place}-{e.checker}")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_has_exercises(path: Path):
    assert path.stem in {exercise.place for exercise in ALL}


@every_exercise
def test_solution_passes(exercise: Exercise):
    verdict = verdict_of(exercise.solution)
    assert isinstance(verdict, Verdict)
    assert verdict.passed, verdict.message


@every_exercise
def test_untouched_stub_says_not_yet(exercise: Exercise):
    (output,) = exercise.stub.outputs
    assert output.data["text/plain"].startswith("Not yet: ")


# ---- the test itself is tested, on notebooks that must be refused ------------------------------

STUB = "def double(x):\n    return None\n\n\ncheck_double(double)"
RIGHT = """<details><summary>Solution</summary>

```python
from dnilab.exercises import Verdict


def check_double(double):
    return Verdict(double(2) == 4, "doubled")


def double(x):
    return 2 * x


check_double(double)
```
</details>"""


def notebook_of(*cells: str) -> NotebookNode:
    return v4.new_notebook(
        cells=[v4.new_markdown_cell(c) if "<details>" in c else v4.new_code_cell(c) for c in cells]
    )


def test_finds_and_runs():
    (exercise,) = exercises(notebook_of(STUB, RIGHT), "lesson")
    assert exercise.checker == "check_double"
    assert verdict_of(exercise.solution).passed
    assert not verdict_of(exercise.solution.replace("2 * x", "3 * x")).passed


def test_a_solution_must_be_whole():
    with pytest.raises(NameError):
        verdict_of(BLOCK.findall(RIGHT)[0].replace("from dnilab", "# from dnilab"))


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([STUB], "no solution for check_double"),
        ([RIGHT], "no cell before it calls"),
        ([STUB, STUB, RIGHT], "two cells call"),
        ([STUB, "<details><summary>Solution</summary>Just double it.</details>"], "0 blocks"),
        ([STUB, RIGHT.replace("\ncheck_double(double)\n", "\nx = 1\n")], "no cell before it calls"),
    ],
)
def test_refuses(cells, said):
    with pytest.raises(ValueError, match=said):
        exercises(notebook_of(*cells), "lesson")
