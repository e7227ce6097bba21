"""The settings under which pytest runs the notebooks do what they are there for.

They are tried in a folder of their own: with our pyproject.toml and conftest.py, and notebooks
that must pass or fail.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("pyproject.toml", "conftest.py"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_one.py").write_text("def test_one():\n    pass\n", "utf-8")
    return tmp_path


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """pytest's exit code and what it prints, run as `make test` runs it."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout


def test_without_notebooks(folder: Path):
    code, shown = run(folder)
    assert code == 0, shown
    assert "1 passed" in shown


def test_browser_tests_run_only_where_they_are_named(folder: Path):
    (folder / "tests" / "browser").mkdir()
    (folder / "tests" / "browser" / "test_two.py").write_text("def test_two():\n    assert False\n")
    code, shown = run(folder)
    assert code == 0, shown
    assert "1 passed" in shown
    code, shown = run(folder, "tests/browser")
    assert code == 1
    assert "1 failed" in shown


def test_a_warning_in_a_test_is_an_error(folder: Path):
    source = "import warnings\n\ndef test_warns():\n    warnings.warn('careful')\n"
    (folder / "tests" / "test_warns.py").write_text(source, "utf-8")
    code, shown = run(folder)
    assert code == 1
    assert "1 failed, 1 passed" in shown


# Each cell was committed with the output "the same"; whether it passes as a test.
CELLS = [
    ("print('fine')", True),
    ("# NBVAL_CHECK_OUTPUT\nprint('the same')", True),
    ("print('not marked, so it may differ')", True),
    ("import os\nassert os.environ['OPENBLAS_NUM_THREADS'] == '1'", True),
    # Another library's warning is not ours to mend.
    ("import warnings\nwarnings.warn_explicit('x', UserWarning, 'x.py', 1, 'elsewhere')", True),
    ("warnings.warn_explicit('x', UserWarning, 'x.py', 1, 'dnilab.data')", False),
    ("warnings.warn('careful')", False),
    ("import numpy as np\nnp.exp(np.array([1e9]))", False),
    ("# NBVAL_CHECK_OUTPUT\nprint('something else')", False),
    ("1 / 0", False),
]


def test_each_cell_of_a_notebook(folder: Path):
    output = v4.new_output("stream", name="stdout", text="the same\n")
    notebook = v4.new_notebook(
        cells=[
            v4.new_code_cell(source, outputs=[output], execution_count=number)
            for number, (source, _) in enumerate(CELLS, start=1)
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    (folder / "notebooks").mkdir()
    nbformat.write(notebook, folder / "notebooks" / "lesson.ipynb")
    # Without the other tests: the settings must reach notebooks that are run alone.
    code, shown = run(folder, "notebooks", "--verbose")
    assert code == 1
    found = re.findall(r"::Cell \d+ (PASSED|FAILED) +\[", shown, re.M)
    assert list(zip(CELLS, found, strict=True)) == [
        (cell, "PASSED" if cell[1] else "FAILED") for cell in CELLS
    ], shown
