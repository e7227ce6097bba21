"""The footprint is measured on processes whose appetite is known."""

from __future__ import annotations

import json
import mmap
import os
import sys
import time
from pathlib import Path

import pytest

from benchmarks import footprint
from benchmarks.footprint import after_a_run, memory, of_kernel, of_notebook, processor_seconds
from dnilab.experiments import Settings

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
# Pages of its own, given back at once: what Python's allocator does with a large object varies.
HUNDRED = """
import mmap
held, part = mmap.mmap(-1, 100_000_000), b"x" * 1_000_000
for _ in range(100):
    held.write(part)
"""


def test_memory_of_this_process() -> None:
    before = memory()
    # Pages of its own: what a test before this one has freed may still be the process's.
    with mmap.mmap(-1, 50_000_000) as held:
        held.write(b"x" * 1_000_000 * 50)
        after = memory(os.getpid())
    assert 40 < after["now MB"] - before["now MB"] < 120
    assert after["peak MB"] >= after["now MB"]
    assert memory()["peak MB"] >= after["now MB"] - 1


def test_a_process_that_is_not_there() -> None:
    with pytest.raises(ValueError, match=r"^pid is 0; memory accepts a process that runs"):
        memory(0)


def test_processor_time_is_work_and_not_rest() -> None:
    begun, own = processor_seconds(), time.process_time()
    time.sleep(0.3)
    while time.process_time() < own + 0.5:
        sum(range(10_000))
    assert processor_seconds() - begun == pytest.approx(time.process_time() - own, abs=0.1)


def test_a_kernel_that_holds_something() -> None:
    small, large = of_kernel("pass"), of_kernel(HUNDRED, "held.close()")
    assert large["peak MB"] - small["peak MB"] == pytest.approx(100, abs=30)
    assert large["now MB"] < large["peak MB"] - 70
    assert small["processor s"] > 0


def test_a_cell_that_fails() -> None:
    with pytest.raises(RuntimeError, match=r"^the cell failed: ZeroDivisionError: division by"):
        of_kernel("1 / 0")


def test_a_notebook_runs_where_it_lies(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["1 / 0"]},
        {
            "cell_type": "code",
            "source": ["import os\n", f"assert os.getcwd() == {str(tmp_path)!r}"],
        },
        {"cell_type": "code", "source": [HUNDRED, "assert os.environ['DNILAB_STATIC'] == '1'"]},
    ]
    path = tmp_path / "one.ipynb"
    path.write_text(json.dumps({"cells": cells}), "utf-8")
    assert of_notebook(path)["now MB"] > 120


def test_a_run_is_made_before_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(footprint, "run", made.append)
    small = Settings(examples=40, epochs=1)
    assert after_a_run(small)["peak MB"] > 0
    assert made == [small]


def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(footprint, "PLAYGROUND", "pass")
    monkeypatch.setattr(footprint, "SMALL", Settings(examples=40, test_examples=10, epochs=1))
    monkeypatch.setattr(sys, "argv", ["footprint", "--json", "--idle", "0.5"])
    footprint.main()
    said = json.loads(capsys.readouterr().out)
    rows = {row["process"]: row for row in said["footprint"]}
    assert list(rows) == [
        "JupyterLab server, idle",
        "kernel with NumPy",
        "kernel with the playground",
        "worker of a pool",
        "worker of a cluster",
    ]
    for row in rows.values():
        assert 20 < row["now MB"] <= row["peak MB"] < 2000
    assert 0 <= rows["JupyterLab server, idle"]["idle cores"] < 4
    both = (
        rows["JupyterLab server, idle"]["peak MB"] + rows["kernel with the playground"]["peak MB"]
    )
    assert said["a student: server and playground, peak MB"] == pytest.approx(both)
