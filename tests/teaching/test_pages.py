"""The pages for teachers speak of the course as it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dnilab.lessons.progress.course import COURSE, EXERCISES, Lesson
from tools import mark
from tools.check_links import links_in

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = {path.name: path.read_text("utf-8") for path in (ROOT / "teaching").glob("*.md")}
SECTION = re.compile(r"^## (\d\d [^\n]+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
NOTES = dict(SECTION.findall(PAGES["instructor-notes.md"]))
each = pytest.mark.parametrize("lesson", COURSE, ids=lambda lesson: lesson.number)


def minutes(lesson: Lesson) -> int:
    text = (ROOT / "notebooks" / f"{lesson.stem}.ipynb").read_text("utf-8")
    return int(re.search(r"\*\*Time:\*\* about (\d+) minutes", text)[1])


def test_every_notebook_has_its_notes_in_order():
    assert list(NOTES) == [f"{lesson.number} {lesson.title}" for lesson in COURSE]


@each
def test_notes_have_every_part(lesson: Lesson):
    notes = NOTES[f"{lesson.number} {lesson.title}"]
    parts = re.findall(r"^\*\*([A-Z][a-z ]+)", notes, re.M)
    assert parts == ["Aim", "Timing", "What people get wrong", "Discuss"]
    wrong, discuss = re.split(r"\*\*Discuss\*\*", notes.split("**What people get wrong**")[1])
    assert wrong.count("\n- ") >= 3
    assert discuss.count("\n- ") >= 2


@each
def test_the_minutes_are_those_of_the_notebook(lesson: Lesson):
    notes = NOTES[f"{lesson.number} {lesson.title}"]
    (said, timing), *_ = re.findall(r"\*\*Timing, (\d+) minutes(.*?)\n\n", notes, re.S)
    assert int(said) == minutes(lesson)
    parts = [re.search(r"\s(\d+)$", part) for part in re.split(r"[,;.]", timing)]
    found = [int(part[1]) for part in parts if part]
    assert len(found) >= 3
    assert sum(found) == minutes(lesson)


def test_the_plans_add_up():
    plans = PAGES["plans.md"]
    first = re.findall(r"^\| (\d+)–(\d+) \|", plans, re.M)
    assert first[0][0] == "0"
    assert first[-1][1] == "90"
    assert [end for _, end in first[:-1]] == [start for start, _ in first[1:]]
    day = re.findall(r"^\| (\d+:\d\d)–(\d+:\d\d) \|", plans, re.M)
    assert [end for _, end in day[:-1]] == [start for start, _ in day[1:]]
    weeks = re.findall(r"^\| (\d+) \| ", plans, re.M)
    assert weeks == [str(week) for week in range(1, 15)]
    term = plans.split("## A term")[1]
    assert all(re.search(rf"\b{lesson.number}\b", term) for lesson in COURSE)


def test_checkers_and_sections_that_are_named_are_there():
    text = "\n".join(PAGES.values())
    for name in re.findall(r"`check_(\w+)`", text):
        assert name in EXERCISES
    notes = PAGES["instructor-notes.md"]
    for name in re.findall(r"In `(\w+)`", notes):
        assert name in EXERCISES, name
    for number, section in re.findall(r"\| (\d\d), \*([^*…]+?) ?…?\*", PAGES["plans.md"]):
        (lesson,) = (one for one in COURSE if one.number == number)
        notebook = (ROOT / "notebooks" / f"{lesson.stem}.ipynb").read_text("utf-8")
        assert f"## {section}" in notebook, section


def test_commands_and_results_are_those_of_the_tools():
    text = PAGES["README.md"]
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"`make ([a-z]+)`", text):
        assert re.search(rf"^{target}:", makefile, re.M), target
    for tool in re.findall(r"python (tools/\w+\.py)", "\n".join(PAGES.values())):
        assert (ROOT / tool).is_file()
    table = re.findall(r"^\| ([a-z ]+) \| ", text.split("| result |")[1], re.M)
    assert table == list(mark.ALL_RESULTS)


@pytest.mark.parametrize("page", ["README.md", "docs/scaling.md"])
def test_teachers_find_them(page: str):
    links = links_in((ROOT / page).read_text("utf-8"))
    assert any(re.search(r"(^|/)teaching/README\.md$", link) for link in links)
