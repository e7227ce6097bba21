"""Answers are asked again: each in a process, whatever a learner's cells do."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from dnilab.lessons.progress import again
from dnilab.lessons.progress.again import Outcome, ask_notebook
from tests.lessons.progress.test_answers import write

IMPORT = "from dnilab.lessons.synthetic_gradients import lesson00, lesson02\nimport numpy as np"
RIGHT = "def weighted_sum(x, W, b):\n    return x @ W + b"
ASK = "lesson00.check_weighted_sum(weighted_sum)"
SOFTPLUS = "def softplus(x):\n    slope = 0.5 * (1 + np.tanh(0.5 * x))\n"
SOFTPLUS += "    return np.logaddexp(0, x), lambda dy: (dy * slope, [])"
ASK_SOFTPLUS = "lesson02.check_softplus(softplus)"


def only(path: Path, seconds: float = 60) -> Outcome:
    _, (outcome,) = ask_notebook(path, seconds)
    return outcome


@pytest.mark.parametrize(
    ("cells", "result", "said"),
    [
        ([IMPORT, RIGHT, ASK], "right", "agrees"),
        ([IMPORT, "x = 1", f"{RIGHT}\n\n{ASK}"], "right", "agrees"),
        ([IMPORT, RIGHT.replace(" + b", ""), ASK], "not yet", "b is missing"),
        ([IMPORT, "def weighted_sum(x, W, b):\n    return nothing", ASK], "not yet", "NameError"),
        ([IMPORT, RIGHT], "not asked", "no cell"),
        ([IMPORT, ASK], "stopped", "NameError: name 'weighted_sum'"),
        ([IMPORT, RIGHT, f"1 / 0\n{ASK}"], "stopped", "ZeroDivisionError"),
        ([IMPORT, RIGHT, f"{ASK} )"], "stopped", "SyntaxError"),
        ([IMPORT, RIGHT, f"exit()\n{ASK}"], "stopped", "SystemExit"),
        ([IMPORT, RIGHT, f"input()\n{ASK}"], "stopped", "EOFError"),
        ([IMPORT, RIGHT, f"import os\nos._exit(3)\n{ASK}"], "stopped", "ended with 3"),
        ([IMPORT, RIGHT, f"while True:\n    pass\n{ASK}"], "too long", "longer than 4 seconds"),
        # Once wrong, once right: learners try below what they had.
        ([IMPORT, "def f(x, W, b):\n    pass", ASK.replace("weighted_sum)", "f)"), RIGHT, ASK],
         "right", "agrees"),
        ([IMPORT, RIGHT, "%matplotlib inline\n%pwd\n" + ASK], "right", "agrees"),
        # What needs a cell that does not look like it: the whole notebook is run.
        ([IMPORT, f"exec({RIGHT!r})", "1 / 0", ASK], "right", "agrees"),
    ],
)  # fmt: skip
def test_one_answer(tmp_path: Path, cells: list[str], result: str, said: str):
    if result == "too long":
        outcome = only(write(tmp_path / "00_start_here.ipynb", *cells), seconds=4)
    else:
        outcome = only(write(tmp_path / "00_start_here.ipynb", *cells))
    assert outcome.exercise == "weighted_sum"
    assert outcome.result == result, outcome.said
    assert said in outcome.said


def test_cells_that_an_answer_does_not_need_are_not_run(tmp_path: Path):
    spoil = "from pathlib import Path\nPath('ran').touch()"
    assert only(write(tmp_path / "00_x.ipynb", IMPORT, spoil, RIGHT, ASK)).result == "right"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("spoilt", ["while True:\n    pass", "import os\nos._exit(1)"])
def test_one_that_hangs_or_falls_does_not_stop_the_others(tmp_path: Path, spoilt: str):
    bad = f"{spoilt}\nlesson02.check_softplus(1)"
    scale = "class Scale:\n    pass\n\n\nlesson02.check_scale(Scale)"
    lesson, outcomes = ask_notebook(write(tmp_path / "02_x.ipynb", IMPORT, bad, scale), 8)
    assert lesson is not None
    assert [one.exercise for one in outcomes] == ["softplus", "scale"]
    assert outcomes[0].result == ("too long" if "while" in spoilt else "stopped")
    assert outcomes[1].result == "not yet"


@pytest.mark.skipif(os.name != "posix", reason="asks for processes as POSIX has them")
def test_no_process_is_left(tmp_path: Path):
    start = "import subprocess, sys, os\nfrom pathlib import Path\n"
    start += "other = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    start += f"Path('number').write_text(str(other.pid))\n{ASK}"
    assert only(write(tmp_path / "00_x.ipynb", IMPORT, RIGHT, start)).result == "right"
    number = int((tmp_path / "number").read_text())
    for _ in range(100):
        status = Path(f"/proc/{number}/stat")
        try:
            os.kill(number, 0)
            if status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return  # ended; whoever adopted it has not looked yet
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("the process that an answer started is still there")


def test_a_file_beside_the_notebook_helps_and_hides_nothing(tmp_path: Path):
    (tmp_path / "numpy.py").write_text("raise ImportError('not this one')")
    (tmp_path / "mine.py").write_text(RIGHT)
    use = "from mine import weighted_sum"
    assert only(write(tmp_path / "00_x.ipynb", IMPORT, use, ASK)).result == "right"


def test_nothing_is_kept_by_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DNILAB_PROGRESS")
    assert only(write(tmp_path / "00_x.ipynb", IMPORT, RIGHT, ASK)).result == "right"
    assert [path.name for path in tmp_path.iterdir()] == ["00_x.ipynb"]


def test_where_no_process_can_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(again, "CAN_START", False)
    monkeypatch.setattr(again, "_process", None)
    assert only(write(tmp_path / "00_x.ipynb", IMPORT, RIGHT, ASK)).result == "right"


def test_a_notebook_of_no_lesson(tmp_path: Path):
    assert ask_notebook(write(tmp_path / "notes.ipynb", "1 + 1")) == (None, [])


@pytest.mark.parametrize("name", ["00_x.ipynb", "notes.ipynb"])
@pytest.mark.parametrize("there", [True, False])
def test_a_notebook_that_cannot_be_read(tmp_path: Path, name: str, there: bool):
    if there:
        (tmp_path / name).write_text("no notebook")
    outcome = only(tmp_path / name)
    assert outcome.result == "unreadable"
    assert name in outcome.said
    assert str(tmp_path) not in outcome.said
