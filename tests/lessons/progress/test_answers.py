"""Which cells ask a checker, and which cells an answer needs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from nbformat import v4

from dnilab.lessons.progress.answers import Cell, lesson_of, needed, read_notebook


def write(path: Path, *sources: str) -> Path:
    """A notebook with these code cells."""
    path.write_text(json.dumps(v4.new_notebook(cells=[v4.new_code_cell(s) for s in sources])))
    return path


@pytest.mark.parametrize(
    ("source", "asked"),
    [
        ("lesson00.check_weighted_sum(f)", ("weighted_sum",)),
        ("check_weighted_sum(f)", ("weighted_sum",)),
        ("print(lesson00.check_weighted_sum(f))", ("weighted_sum",)),
        ("said = lesson02.check_scale(S)\nlesson02.check_softplus(f)", ("scale", "softplus")),
        ("# lesson00.check_weighted_sum(f)", ()),
        ("'check_weighted_sum(f)'", ()),
        ("if lesson05.check_ordering(w):\n    measure()", ()),
        ("def f():\n    lesson00.check_weighted_sum(f)", ()),
        ("lesson00.check_nothing_of_ours(f)", ()),
        ("f(x = check_weighted_sum(f)", ("weighted_sum",)),  # which Python can't read
        ("%time check_weighted_sum(f)", ()),
    ],
)
def test_which_exercises_a_cell_asks(source: str, asked: tuple[str, ...]):
    assert Cell.of(source).exercises == asked


def places(*sources: str) -> list[int]:
    """The places of the cells that the last one needs."""
    cells = [Cell.of(source) for source in sources]
    found = needed(cells, len(cells) - 1)
    return [cells.index(cell) for cell in found]


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (("import a", "import b", "a.f()"), [0, 2]),
        (("from a import b as c", "b = 1", "c"), [0, 2]),
        (("a = 1", "b = a", "c = 2", "b"), [0, 1, 3]),
        (("a = 1", "def f():\n    return a", "f()"), [0, 1, 2]),
        (("a = 1", "def f(a):\n    return a", "f(2)"), [1, 2]),  # its own a
        (("W = train()", "def f(x, W):\n    W = W + 1\n    return x @ W", "f(1, 2)"), [1, 2]),
        (("x = [0]", "x[0] = 1", "y.z = x", "x"), [0, 1, 3]),
        (("o = O()", "o.a.b[2] = 3", "o"), [0, 1, 2]),
        (("a = 1", "a += 1", "a"), [0, 1, 2]),
        (("def f():\n    global a\n    a = 1", "f()", "a"), [0, 2]),
        (("from numpy import *", "b = 1", "ones(3)"), [0, 2]),
        (("for i in range(3):\n    pass", "with o() as w:\n    pass", "i, w"), [0, 1, 2]),
        (("a = 1", "[a for a in range(3)]"), [1]),
        (("class A:\n    b = c", "c = 1", "A"), [0, 2]),  # c is not there yet, as in the notebook
        (("%matplotlib inline", "a = 1", "a"), [1, 2]),
        (("a = (", "a = 1", "a"), [1, 2]),
    ],
)
def test_what_a_cell_needs(sources: tuple[str, ...], expected: list[int]):
    assert places(*sources) == expected


def test_a_notebook_is_read(tmp_path: Path):
    cells = read_notebook(write(tmp_path / "00_x.ipynb", "a = 1", "%time a"))
    assert [cell.source for cell in cells] == [
        "a = 1\n", "get_ipython().run_line_magic('time', 'a')\n",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"cells": 1}', '{"cells": [1]}', '{"cells": [{}]}', "[" * 100_000]
)
def test_what_is_no_notebook(tmp_path: Path, text: str):
    path = tmp_path / "x.ipynb"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"x\.ipynb is no notebook"):
        read_notebook(path)


@pytest.mark.parametrize(
    ("name", "sources", "number"),
    [
        ("01_chain_rule.ipynb", (), "01"),
        ("01_mine (2).ipynb", (), "01"),
        ("anna_01_chain_rule.ipynb", (), "01"),
        ("homework.ipynb", ("lesson02.check_scale(S)",), "02"),
        ("homework.ipynb", (), None),
    ],
)
def test_of_which_lesson_it_is(name: str, sources: tuple[str, ...], number: str | None):
    lesson = lesson_of(Path(name), [Cell.of(source) for source in sources])
    assert (lesson.number if lesson else None) == number
