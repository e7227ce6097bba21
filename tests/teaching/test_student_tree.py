"""The tree for students: every exercise is there, no solution is, and its checkers say Not yet."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import v4

from dnilab.lessons.progress.course import EXERCISES
from tests.notebooks.test_solutions import BLOCK, SOLUTION, exercises
from tools import check_links, student_tree
from tools.execute_notebooks import broken_links
from tools.mark import marks
from tools.student_tree import build, for_students, without_answers

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "student"
    build(folder)
    return folder


def sources(folder: Path, kind: str) -> dict[str, list[str]]:
    """The cells of one kind, by notebook."""
    found = {}
    for path in sorted((folder / "notebooks").glob("*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        found[path.stem] = [cell.source for cell in cells if cell.cell_type == kind]
    return found


def test_the_code_cells_are_those_of_the_course(tree: Path):
    assert sources(tree, "code") == sources(ROOT, "code")


def test_nothing_is_folded_away_or_shown(tree: Path):
    for path in sorted((tree / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        text = "\n".join(cell.source for cell in notebook.cells)
        assert not re.search(r"<details|<summary|folded away below\.$", text), path.name
        assert all(c.outputs == [] for c in notebook.cells if c.cell_type == "code")
        assert broken_links(notebook, path.parent) == []


def squeezed(text: str) -> str:
    """A text without what the same code may differ in: space, quotes, a last comma."""
    return re.sub(r",(?=[\])}])", "", re.sub(r"[\s\"']", "", text))


def statements(code: str) -> set[str]:
    """What the lines of a program compute, whatever they call it."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Return | ast.Assign | ast.AugAssign | ast.Expr) and node.value:
            found.add(squeezed(ast.unparse(node.value)))
    return {text for text in found if len(text) > 4 and "check_" not in text}


def leaks(solution: set[str], text: str) -> bool:
    """Whether more than half of a solution stands in a text, or something of it that is long."""
    there = [statement for statement in solution if statement in text]
    return 2 * len(there) > len(solution) or any(len(statement) > 60 for statement in there)


# What has to be in the package: how a checker finds what is right, and a method of the course.
ALLOWED = {
    ("check_weighted_sum", "dnilab/lessons/synthetic_gradients/lesson00.py"),
    ("check_limit", "dnilab/lessons/any_graph/lesson10.py"),
    ("check_sparse_turn", "dnilab/orderings/programs.py"),
}


def test_no_solution_is_left_anywhere(tree: Path):
    """Not in a text, not in the code of another cell, and not in the package."""
    files = [path for path in tree.rglob("*") if path.suffix in (".py", ".md", ".toml", ".txt")]
    plain = {path.relative_to(tree).as_posix(): squeezed(path.read_text("utf-8")) for path in files}
    assert "dnilab/network/layers.py" in plain
    cells = {
        path.stem: [cell.source for cell in nbformat.read(path, as_version=4).cells]
        for path in (tree / "notebooks").glob("*.ipynb")
    }
    found = set()
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for exercise in exercises(nbformat.read(path, as_version=4), path.stem):
            stub = exercise.stub.source
            solution = statements(exercise.solution) - statements(stub)
            assert solution, exercise.checker
            texts = dict(plain)
            for stem, sources in cells.items():
                # What comes before an exercise teaches what it takes.
                first = sources.index(stub) + 1 if stem == path.stem else 0
                texts[stem] = squeezed("\n".join(sources[first:]))
            where = {name for name, text in texts.items() if leaks(solution, text)}
            found |= {(exercise.checker, name) for name in where}
    assert found == ALLOWED


def test_a_leak_is_seen_however_it_is_written():
    solution = statements("def f(x):\n    rows = x['all'] @ W\n    return (rows + b).sum(axis=0)")
    assert len(solution) == 2
    assert leaks(solution, squeezed('other = x["all"] @ W\nreturn (\n  rows + b\n).sum(axis=0)\n'))
    assert not leaks(solution, squeezed("rows = x['all'] @ W"))


def test_predictions_and_exercises_have_a_place_for_an_answer(tree: Path):
    before, after = sources(ROOT, "markdown"), sources(tree, "markdown")
    for name, texts in before.items():
        answers = len(re.findall(r"<summary>\s*(?:Check|What )", "\n".join(texts)))
        solutions = len(SOLUTION.findall("\n".join(texts)))
        assert "\n".join(after[name]).count(student_tree.PREDICTION.strip()) == answers
        assert "\n".join(after[name]).count(student_tree.SOLUTION.strip()) == solutions
        assert (answers, solutions) >= (1, 1)


@pytest.fixture
def its_package(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is started now takes the package of the tree, as a student's machine does."""
    monkeypatch.setenv("PYTHONPATH", str(tree))
    command = [sys.executable, "-P", "-c", "import dnilab; print(dnilab.__file__)"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert Path(said.strip()) == tree / "dnilab" / "__init__.py"


@pytest.mark.usefixtures("its_package")
def test_it_runs_and_its_checkers_say_not_yet(tree: Path, monkeypatch: pytest.MonkeyPatch):
    """Of the first notebook: the code of all is that of the course, which is run elsewhere."""
    monkeypatch.delenv("DNILAB_PROGRESS")
    path = tree / "notebooks" / "00_start_here.ipynb"
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, resources={"metadata": {"path": str(path.parent)}}).execute()
    shown = str([cell.get("outputs") for cell in notebook.cells])
    assert "Your machine is ready." in shown
    assert "Not yet: " in shown
    assert f"0 of {len(EXERCISES)} exercises are right" in shown


@pytest.mark.usefixtures("its_package")
def test_its_answers_can_be_marked(tree: Path, tmp_path: Path):
    """What is untouched is not right yet, and a solution in its place is."""
    path = ROOT / "notebooks" / "01_chain_rule.ipynb"
    whole = nbformat.read(path, as_version=4)
    (mine,) = (e for e in exercises(whole, path.stem) if e.checker == "check_my_gradients")
    shown = nbformat.read(tree / "notebooks" / path.name, as_version=4)
    for cell in shown.cells:
        if cell.source == mine.stub.source:
            cell.source = mine.solution
    nbformat.write(shown, tmp_path / path.name)
    (rows,) = marks(tmp_path, seconds=120, workers=1)
    assert {row.exercise for row in rows if row.result == "right"} == {"my_gradients"}
    assert {row.result for row in rows if row.exercise != "my_gradients"} == {"not yet"}


def test_it_is_whole(tree: Path):
    there = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    for name in ("Makefile", "tools/check_python.py", "dnilab/widgets/panel.css", "LICENSE"):
        assert name in there
    for path in there:
        assert not re.match(r"(tests|teaching|benchmarks|build)/", path)
        assert not re.search(r"__pycache__|\.progress", path)
    assert check_links.lost(check_links.collected(tree)) == []
    # What `make lab` and `make playground` name.
    for name in re.findall(r"(?:tools|notebooks|pages)/[\w./]+", (tree / "Makefile").read_text()):
        if name.split("/")[1].startswith(("jupyter", "check_python", "00_", "playground")):
            assert (tree / name).exists(), name


def test_what_is_folded_away_must_be_known():
    with pytest.raises(ValueError, match=r"is 'A hint' an answer\?"):
        without_answers("<details><summary>A hint</summary>\n\nx\n\n</details>")


def test_what_becomes_of_a_cell(tmp_path: Path):
    text = "Guess.\n\n<details><summary>Check your prediction</summary>\n\n42\n\n</details>\n\nOn."
    cells = [
        v4.new_markdown_cell(f"{text} See [the guide](../docs/gone.md) and [one](01.ipynb)."),
        v4.new_code_cell("x", outputs=[v4.new_output("stream", text="42")], execution_count=3),
    ]
    first, second = for_students(v4.new_notebook(cells=cells), tmp_path / "notebooks").cells
    assert first.source == (
        f"Guess.\n\n{student_tree.PREDICTION}\nOn. See the guide and [one](01.ipynb)."
    )
    assert (second.source, second.outputs, second.execution_count) == ("x", [], None)


def test_words_that_lead_to_an_answer_are_those_of_the_notebooks():
    text = "\n".join(text for texts in sources(ROOT, "markdown").values() for text in texts)
    assert [words for words, _ in student_tree.WORDS if words not in text] == []
    assert BLOCK.findall(text)


def test_nothing_of_somebody_elses_is_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "README.md").write_text("my own")
    assert student_tree.main([str(tmp_path)]) == 1
    assert "holds something else" in capsys.readouterr().err
    assert (tmp_path / "README.md").read_text() == "my own"
    fresh = tmp_path / "new"
    assert student_tree.main([str(fresh)]) == 0
    (fresh / "notebooks" / "old.ipynb").touch()
    assert student_tree.main([str(fresh)]) == 0
    assert not (fresh / "notebooks" / "old.ipynb").exists()
