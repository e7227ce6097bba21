"""Statements of what is learned: they fail when they should, and their margins are drawn."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy  # noqa: F401  (loads its BLAS)
import pytest
from threadpoolctl import threadpool_info

from tests.learned import PROPERTY, Learned
from tools.margins import Statement, kernels_that_run

ROOT = Path(__file__).resolve().parent.parent
ARCHITECTURES = [lib.get("architecture") for lib in threadpool_info()]


def test_a_statement_is_written_down_and_held_to():
    kept = []
    states = Learned(lambda name, value: kept.append((name, json.loads(value))))
    states("loss", 0.1, below=0.2)
    states("share", 0.3, above=0.2)
    for wrong in ({"below": 0.1}, {"above": 0.1}, {"above": math.inf}):
        with pytest.raises(AssertionError, match=r"^odd: 0.1 is not (below|above)"):
            states("odd", 0.1, **wrong)
    for bound in ({"below": 1.0}, {"above": 1.0}):
        with pytest.raises(AssertionError, match="nan"):
            states("odd", math.nan, **bound)
    assert kept[:2] == [
        (PROPERTY, ["loss", 0.1, "below", 0.2]),
        (PROPERTY, ["share", 0.3, "above", 0.2]),
    ]
    assert len(kept) == 7


@pytest.mark.parametrize("bounds", [{}, {"below": 1.0, "above": 0.0}])
def test_a_statement_has_one_bound(bounds):
    with pytest.raises(TypeError, match="one of the two"):
        Learned(print)("loss", 0.5, **bounds)


def test_the_worst_of_all_is_kept():
    one = Statement("below")
    for kernel, value in (("A", 0.1), ("A", 0.3), ("B", 0.15)):
        one.add(kernel, value, 0.2)
    assert one.held == {"A": [True, False], "B": [True]}
    assert one.worst == (pytest.approx(-0.5), 0.3)
    one.add("B", math.nan, 0.2)
    assert one.worst[0] == -math.inf


needs_openblas = pytest.mark.skipif(
    not any(ARCHITECTURES), reason="NumPy's BLAS has no kernels to choose from"
)


@needs_openblas
def test_equal_kernels_run_once(capsys):
    name = next(filter(None, ARCHITECTURES))
    assert kernels_that_run([name, name]) == [name]
    assert f"SKIPPED {name}: what runs here is {name}" in capsys.readouterr().out
    assert kernels_that_run([name], others=True) == []
    assert f"{name}, the same as for what runs unasked" in capsys.readouterr().out


@needs_openblas
def test_the_table():
    command = [sys.executable, "tools/margins.py", "--seeds", "2", "--kernels"]
    command += [next(filter(None, ARCHITECTURES)), "--", "tests/network/test_generators.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [row for row in done.stdout.splitlines() if row.startswith("| network.test_generators")]
    assert len(rows) == 4  # two statements, with a hidden layer and without
    assert all("| 2 of 2 |" in row for row in rows)
