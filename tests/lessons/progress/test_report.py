"""The table of progress, what it is made from, and the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from dnilab.lessons.progress import Progress, ask_again, progress
from dnilab.lessons.progress.__main__ import main
from dnilab.lessons.progress.kept import NAME, WHERE, read, write
from tests.lessons.progress.test_again import ASK, IMPORT, RIGHT
from tests.lessons.progress.test_answers import write as write_notebook


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A learner's folder with one right answer and one that is not there yet."""
    write_notebook(tmp_path / "00_start_here.ipynb", IMPORT, RIGHT, ASK)
    write_notebook(tmp_path / "02_layers.ipynb", IMPORT, "lesson02.check_softplus(None)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(WHERE)
    return tmp_path


def test_counts_only_what_the_course_asks():
    shown = Progress({"00": ["weighted_sum", "weighted_sum"], "02": ["scale", "old"], "99": ["x"]})
    assert (shown.done("00"), shown.done("02"), shown.done("99")) == (1, 1, 0)
    assert shown.said == "2 of 32 exercises are right."
    assert "| 00 | [Start here](00_start_here.ipynb) | 1 ✓ | 1 |" in shown._repr_markdown_()
    assert "| 02 | [Layers](02_layers.ipynb) | 1 | 2 |" in shown._repr_markdown_()
    assert "02 Layers                         1 of 2\n" in repr(shown)


def test_before_anything_is_right(folder: Path):
    assert progress().right == {}
    assert "kept in the file .progress.json" in progress().where


def test_what_was_kept(folder: Path):
    write(folder / NAME, {"00": ["weighted_sum"]})
    assert progress().said.startswith("1 of 32 exercises are right. They are kept in the file")


def test_a_damaged_file_is_said(folder: Path):
    (folder / NAME).write_text("{")
    assert progress().where.startswith("The file that keeps them is damaged")
    (folder / NAME).unlink()
    (folder / NAME).mkdir()
    assert progress().where == "The file that keeps them can't be read."


def test_turned_off_nothing_is_read_or_run(folder: Path, monkeypatch: pytest.MonkeyPatch):
    write(folder / NAME, {"00": ["weighted_sum"]})
    monkeypatch.setenv(WHERE, "off")
    for shown in (progress(), ask_again()):
        assert shown.right == {}
        assert shown.where.startswith("This copy of the notebook keeps nothing.")


def test_asking_again(folder: Path, capsys: pytest.CaptureFixture[str]):
    shown = ask_again()
    assert shown.right == {"00": ["weighted_sum"], "02": []}
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["00 Start here: 1 of 1", "02 Layers: 0 of 2"]
    assert said[2].startswith("   softplus, not yet: softplus is NoneType")
    assert len(said) == 3  # that `scale` is not asked is in the count
    assert read(folder / NAME)["00"] == ["weighted_sum"]


def test_what_is_not_right_any_longer_was_right_once(folder: Path):
    write(folder / NAME, {"02": ["softplus"]})
    assert ask_again(quiet=True).done("02") == 0
    assert progress().done("02") == 1


def test_a_folder_that_is_not_there(folder: Path):
    with pytest.raises(ValueError, match=r"folder is 'gone'; it accepts a folder"):
        ask_again("gone")


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str]):
    main([str(folder)])
    assert "1 of 32 exercises are right." in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([str(folder / "gone")])
    assert "there is no folder" in capsys.readouterr().err
