"""What a notebook claims is tried with other seeds and another processor's kernels."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
DRAWN = int(np.random.default_rng(7).integers(1 << 62))
IN_CHILD = """
import subprocess, sys
code = "import numpy as np; print(np.random.default_rng([5, 2]).integers(1 << 62))"
said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
import numpy as np
assert int(said) == np.random.default_rng([5, 2]).integers(1 << 62)
"""
OTHER_SEED = f"""
import os
import numpy as np
assert np.random.default_rng(4).integers(1 << 62) == {DRAWN}
assert os.environ["OPENBLAS_CORETYPE"] == "Prescott"
"""


def claims(tmp_path: Path, *cells: str) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "claims.ipynb"
    heading = nbformat.v4.new_markdown_cell("# Claims")
    made = [heading, *map(nbformat.v4.new_code_cell, cells)]
    nbformat.write(nbformat.v4.new_notebook(cells=made), path)
    before = path.read_bytes()
    command = [sys.executable, "tools/claims.py", "--shift", "3", "--processes", "1", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert path.read_bytes() == before
    return done


def test_every_seed_is_another_and_so_is_the_kernel(tmp_path: Path) -> None:
    done = claims(tmp_path, OTHER_SEED, IN_CHILD)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "claims.ipynb: holds" in done.stdout
    assert "Prescott, every seed larger by 3: 0 failed" in done.stdout


@pytest.mark.parametrize("cell", ["assert 1 > 2", "raise ValueError('no')"])
def test_a_claim_that_does_not_hold_fails(tmp_path: Path, cell: str) -> None:
    done = claims(tmp_path, "x = 1", cell)
    assert done.returncode == 1
    assert "claims.ipynb: failed" in done.stdout
    assert cell.split("(")[0] in done.stdout
