"""What was right is kept in a file, and whatever is wrong with that file breaks no checker."""

from __future__ import annotations

import ast
import json
import os
import re
from pathlib import Path

import pytest

import dnilab.lessons
from dnilab import exercises
from dnilab.exercises import Verdict, checker
from dnilab.lessons.progress import kept
from dnilab.lessons.progress.course import COURSE, EXERCISES
from dnilab.lessons.progress.kept import NAME, WHERE
from dnilab.lessons.synthetic_gradients import lesson00

ROOT = Path(__file__).resolve().parent.parent.parent.parent
DAMAGED = [
    "",
    "{",
    "[]",
    '{"right": {}}',
    '{"form": "dnilab progress 1", "right": [1]}',
    '{"form": "dnilab progress 1", "right": {"00": 1}}',
    "[" * 100_000,
]


def right(x, W, b):
    return x @ W + b


def wrong(x, W, b):
    return x @ W


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A learner's folder, in which a notebook lies, and where the work is kept."""
    (tmp_path / "00_start_here.ipynb").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(WHERE)
    monkeypatch.setattr(kept, "_said", set())
    return tmp_path


class TestTheCourse:
    def test_is_that_of_the_notebooks(self):
        for lesson in COURSE:
            path = ROOT / "notebooks" / f"{lesson.stem}.ipynb"
            cells = json.loads(path.read_text("utf-8"))["cells"]
            title = "".join(cells[0]["source"]).splitlines()[0]
            assert title == f"# {lesson.number} · {lesson.title}"
            sources = ["".join(c["source"]).strip() for c in cells if c["cell_type"] == "code"]
            last = [source.splitlines()[-1] for source in sources if source]
            called = [name for line in last for name in re.findall(r"\bcheck_(\w+)(?=\()", line)]
            assert lesson.exercises == tuple(called)
        there = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
        assert [lesson.stem for lesson in COURSE] == there

    def test_has_every_checker_once(self):
        found = {}
        for path in (ROOT / "dnilab" / "lessons").glob("*/lesson*.py"):
            for node in ast.parse(path.read_text("utf-8")).body:
                if isinstance(node, ast.FunctionDef) and node.decorator_list:
                    (found[node.name.removeprefix("check_")],) = re.findall(r"\d\d", path.stem)
        assert found == {name: lesson.number for name, lesson in EXERCISES.items()}
        assert len(found) == sum(len(lesson.exercises) for lesson in COURSE)


class TestListeners:
    def test_each_hears_every_verdict(self, monkeypatch: pytest.MonkeyPatch):
        heard = []
        monkeypatch.setattr(exercises, "listeners", [lambda *told: heard.append(told)] * 2)

        @checker
        def check_sign(answer):
            if answer is None:
                raise exercises.NotYet("none")
            return Verdict(answer > 0, "looked at")

        answers = [check_sign(one) for one in (1, -1, None)]
        assert [(check.__name__, verdict) for check, verdict in heard[::2]] == [
            ("check_sign", answer) for answer in answers
        ]
        assert heard[::2] == heard[1::2]
        assert [bool(answer) for answer in answers] == [True, False, False]

    def test_whoever_imports_a_lesson_has_one_that_keeps(self):
        assert exercises.listeners.count(dnilab.lessons.keep) == 1


class TestKept:
    def test_right_is_kept_and_not_yet_is_not(self, folder: Path):
        assert not lesson00.check_weighted_sum(wrong)
        assert not (folder / NAME).exists()
        assert lesson00.check_weighted_sum(right)
        assert kept.read(folder / NAME) == {"00": ["weighted_sum"]}
        before = (folder / NAME).stat().st_mtime_ns
        assert lesson00.check_weighted_sum(right)
        assert not lesson00.check_weighted_sum(wrong)
        assert kept.read(folder / NAME) == {"00": ["weighted_sum"]}
        assert (folder / NAME).stat().st_mtime_ns == before  # nothing new, nothing written
        assert {path.name for path in folder.iterdir()} == {NAME, "00_start_here.ipynb"}

    def test_what_was_kept_before_stays(self, folder: Path):
        kept.write(folder / NAME, {"01": ["my_step"], "77": ["of another edition"]})
        lesson00.check_weighted_sum(right)
        assert kept.read(folder / NAME) == {
            "00": ["weighted_sum"], "01": ["my_step"], "77": ["of another edition"],
        }  # fmt: skip

    def test_only_checkers_of_the_course_count(self, folder: Path):
        @checker
        def check_weighted_sum(answer):
            return Verdict(True, "I say so")

        assert check_weighted_sum(None)
        assert not (folder / NAME).exists()

    def test_nothing_is_written_where_no_notebook_lies(self, folder: Path):
        (folder / "00_start_here.ipynb").unlink()
        assert lesson00.check_weighted_sum(right)
        assert list(folder.iterdir()) == []

    @pytest.mark.parametrize("off", ["off", "OFF", "0", "no", " false "])
    def test_it_can_be_turned_off(self, folder: Path, monkeypatch: pytest.MonkeyPatch, off: str):
        monkeypatch.setenv(WHERE, off)
        assert lesson00.check_weighted_sum(right)
        assert not (folder / NAME).exists()

    @pytest.mark.parametrize(("told", "file"), [("mine.json", "mine.json"), (".", NAME)])
    def test_it_can_lie_elsewhere(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, told: str, file: str
    ):
        elsewhere = folder / "elsewhere"
        elsewhere.mkdir()
        monkeypatch.setenv(WHERE, str(elsewhere / told))
        assert lesson00.check_weighted_sum(right)
        assert kept.read(elsewhere / file) == {"00": ["weighted_sum"]}
        assert not (folder / NAME).exists()

    def test_the_tests_and_the_committed_notebooks_keep_nothing(self):
        from tools.execute_notebooks import ENVIRONMENT

        assert os.environ[WHERE] == ENVIRONMENT[WHERE] == "off"
        ignored = (ROOT / ".gitignore").read_text("utf-8").splitlines()
        assert f"{NAME[: len('.progress')]}*" in ignored


class TestWhatGoesWrong:
    @pytest.mark.parametrize("text", DAMAGED)
    def test_a_damaged_file_is_set_aside(
        self, folder: Path, capsys: pytest.CaptureFixture[str], text: str
    ):
        (folder / NAME).write_text(text)
        assert lesson00.check_weighted_sum(right)
        said = capsys.readouterr().out
        aside = ".progress.json.damaged"
        assert said == f".progress.json was damaged. It is now {aside}, and a new one is begun.\n"
        assert (folder / ".progress.json.damaged").read_text() == text
        assert kept.read(folder / NAME) == {"00": ["weighted_sum"]}

    def test_bytes_that_are_no_text(self, folder: Path):
        (folder / NAME).write_bytes(b"\xff\xfe\xff")
        assert lesson00.check_weighted_sum(right)
        assert kept.read(folder / NAME) == {"00": ["weighted_sum"]}

    def test_a_file_that_cannot_be_written_is_said_once(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ):
        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        kept.write(folder / NAME, {"01": ["my_step"]})
        monkeypatch.setattr(os, "replace", full)
        answers = [lesson00.check_weighted_sum(right) for _ in range(3)]
        assert all(answers)
        assert capsys.readouterr().out == (
            "Your answer counts, but your progress could not be kept: No space left on device.\n"
        )
        assert kept.read(folder / NAME) == {"01": ["my_step"]}  # the old one, whole
        assert {path.name for path in folder.iterdir()} == {NAME, "00_start_here.ipynb"}

    def test_a_folder_that_is_not_there(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ):
        monkeypatch.setenv(WHERE, str(folder / "gone" / "file.json"))
        assert lesson00.check_weighted_sum(right)
        assert capsys.readouterr().out.startswith("Your answer counts, but")

    def test_a_current_folder_that_is_gone(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ):
        def gone() -> Path:
            raise FileNotFoundError(2, "No such file or directory")

        monkeypatch.setattr(Path, "cwd", gone)
        assert lesson00.check_weighted_sum(right)
        assert capsys.readouterr().out.startswith("Your answer counts, but")
