"""Marking a class: one table, whatever the students' notebooks do."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nbformat
import pytest

from tests.lessons.progress.test_again import ASK, ASK_SOFTPLUS, IMPORT, RIGHT, SOFTPLUS
from tests.lessons.progress.test_answers import write
from tests.notebooks.test_solutions import exercises
from tools import mark

ROOT = Path(__file__).resolve().parent.parent.parent
HANG = f"while True:\n    pass\n{ASK}"
CRASH = f"import os\nos.abort()\n{ASK}"
OWN_STYLE = "weighted_sum = lambda *given: np.einsum('ij,jk->ik', *given[:2]) + given[2]"
ODD = "Kopie von Übung 1 (final).ipynb"


SAID = [
    "agrees with",
    "",
    "no cell of the notebook calls its checker",
    "b is subtracted",
    "it took longer than 10 seconds",
    "is no notebook that can be read",
    "no checker of the course is called in it",
    "ZeroDivisionError",
    "its process ended with",
    "agrees with",
]


@pytest.fixture
def handed_in(tmp_path: Path) -> Path:
    """What a class hands in."""
    folder = tmp_path / "class"
    for student in ("anna", "ben", "cem", "dora", "eva ö"):
        (folder / student / "week 1").mkdir(parents=True)
    write(folder / "anna" / "00_start_here.ipynb", IMPORT, RIGHT, ASK)
    write(folder / "anna" / "week 1" / "02_layers.ipynb", IMPORT, SOFTPLUS, ASK_SOFTPLUS)
    wrong = RIGHT.replace(" + b", " - b")
    write(folder / "ben" / "00_start_here.ipynb", IMPORT, wrong, ASK)
    write(folder / "cem" / "00_start_here.ipynb", IMPORT, RIGHT, HANG)
    (folder / "dora" / "00_start_here.ipynb").write_text("not a notebook")
    write(folder / "dora" / "notes.ipynb", "1 + 1")
    (folder / "dora" / "._00_start_here.ipynb").write_bytes(b"\0\5\x16\7")  # as macOS adds it
    write(folder / "eva ö" / "00_start_here.ipynb", IMPORT, RIGHT, CRASH)
    write(folder / "eva ö" / ODD, IMPORT, OWN_STYLE, ASK)
    write(folder / "emil.ipynb", IMPORT, "raise ValueError('=1+1')", f"1 / 0\n{ASK}")
    (folder / "anna" / ".ipynb_checkpoints").mkdir()
    write(folder / "anna" / ".ipynb_checkpoints" / "00_start_here.ipynb", IMPORT, wrong, ASK)
    return folder


def test_a_class(handed_in: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    files = tmp_path / "marks.csv", tmp_path / "marks.json"
    asked = [str(handed_in), "--csv", str(files[0]), "--json", str(files[1])]
    assert mark.main([*asked, "--seconds", "10", "--workers", "2"]) == 0
    rows = json.loads(files[1].read_text("utf-8"))
    assert [(r["student"], r["lesson"], r["exercise"], r["result"]) for r in rows] == [
        ("anna", "00", "weighted_sum", "right"),
        ("anna", "02", "softplus", "right"),
        ("anna", "02", "scale", "not asked"),
        ("ben", "00", "weighted_sum", "not yet"),
        ("cem", "00", "weighted_sum", "too long"),
        ("dora", "00", "weighted_sum", "unreadable"),
        ("dora", "", "", "unknown"),
        ("emil", "00", "weighted_sum", "stopped"),
        ("eva ö", "00", "weighted_sum", "stopped"),
        ("eva ö", "00", "weighted_sum", "right"),
    ]
    assert rows[-1]["notebook"] == f"eva ö/{ODD}"
    assert rows[1]["notebook"] == "anna/week 1/02_layers.ipynb"
    assert all(words in row["said"] for words, row in zip(SAID, rows, strict=True)), rows
    with open(files[0], encoding="utf-8-sig", newline="") as file:
        assert [list(row.values()) for row in csv.DictReader(file)] == [
            [mark.harmless(text) for text in row.values()] for row in rows
        ]
    said = capsys.readouterr().out
    assert "Running what the students wrote" in said
    assert said.endswith(
        "anna: 2 of 3 exercises right\nben: 0 of 1 exercises right\ncem: 0 of 1 exercises right\n"
        "dora: 0 of 2 exercises right\nemil: 0 of 1 exercises right\n"
        "eva ö: 1 of 2 exercises right\n"
    )
    assert not list(handed_in.rglob(".progress*"))


@pytest.mark.parametrize("stem", ["03_synthetic_gradients", "14_does_a_layer_have_to_wait"])
def test_all_solutions_of_a_notebook_are_right(tmp_path: Path, stem: str):
    notebook = nbformat.read(ROOT / "notebooks" / f"{stem}.ipynb", as_version=4)
    for exercise in exercises(notebook, stem):
        exercise.stub.source = exercise.solution
    (tmp_path / "anna").mkdir()
    nbformat.write(notebook, tmp_path / "anna" / f"{stem}.ipynb")
    (rows,) = mark.marks(tmp_path, seconds=60, workers=1)
    assert [(row.result, row.said) for row in rows if row.result != "right"] == []
    assert rows


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_no_cell_is_a_formula(text: str):
    assert mark.harmless(text) == f"'{text}"
    assert mark.harmless(f"a{text}") == f"a{text}"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gone", "--csv", "x"], "there is no folder gone"),
        (["."], "say where to write"),
        ([".", "--csv", "x", "--seconds", "0"], "--seconds has to be above 0"),
        ([".", "--csv", "x", "--workers", "0"], "--workers 1 or more"),
        ([".", "--csv", "gone/x.csv"], "can't be written"),
        ([".", "--json", "."], "can't be written"),
        ([".", "--csv", "x"], "no notebook in ."),
    ],
)
def test_what_is_asked_wrongly(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        mark.main(arguments)
    assert stopped.value.code == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_it_says_that_it_runs_what_students_wrote(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        mark.main(["--help"])
    assert "It runs the students' code" in capsys.readouterr().out
