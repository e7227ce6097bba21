"""Who may import whom. Read from the source, so that a forbidden import is found wherever it is.

     data ─┐
  network ─┼─> training ─> experiments ─> pictures ─> widgets
orderings ─┘

The lessons are rooms: each is divided by the same jobs, by the same picture, and stands on the
core, and on what a few lessons share (`lessons/shared`).  The core knows no room, no room knows
another, and what is shared knows the core alone.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "dnilab"

BELOW = {
    "data": set(),
    "network": set(),
    "orderings": set(),
    "training": {"data", "network", "orderings"},
}
BELOW["experiments"] = BELOW["training"] | {"training"}
BELOW["exercises"] = BELOW["experiments"] | {"experiments"}  # checks answers, draws nothing
BELOW["pictures"] = BELOW["experiments"] | {"experiments"}
BELOW["widgets"] = BELOW["pictures"] | {"pictures"}
BELOW["method"] = {"data"}  # the page stands alone; only its last lines draw data

# What a job is called in a room, where it is not called as in the core.
LEVELS = {"sweeps": "experiments", "panel": "widgets", "dots": "pictures"}
LEVELS |= {"critical_path": "orderings"}
# In the room that others may enter, each module has one job.
SHARED = "shared"
LEVELS |= {
    "cells": "network",
    "rivals": "orderings",
    "timing": "experiments",
    "ratios": "pictures",
    "moments": "pictures",
    "diagram": "pictures",
    "files": "data",
    "trainer": "training",
}

# What a learner has answered is kept and asked again: a room that hangs on the checkers.
PROGRESS = "progress"
LEVELS |= dict.fromkeys(("course", "kept", "answers", "again", "report"), "exercises")

# The name that is imported, where the distribution is called otherwise.
DISTRIBUTIONS = {"sklearn": "scikit-learn", "PIL": "pillow", "IPython": "ipython"}
# The extras without which the package works: only a function may ask for them.
EXTRAS = ("cluster", "mnist")


def room_of(module: str) -> str | None:
    """The room that a module stands in; None for the core."""
    parts = module.split(".")
    return parts[2] if parts[1:2] == ["lessons"] and len(parts) > 2 else None


def level_of(module: str) -> str:
    """The job of a module, by its core name; "" for a room itself, or for dnilab."""
    parts = module.split(".")
    job = [*parts, "", ""][3 if room_of(module) else 1]
    if room_of(module) == "method":
        return "method"  # a page, not a room
    if room_of(module) == PROGRESS:
        return "exercises"
    return "exercises" if re.fullmatch(r"lesson\d\d", job) else LEVELS.get(job, job)


@dataclass(frozen=True)
class Import:
    """One import: of what, in which module of the package, and whether inside a function."""

    what: str
    where: str
    line: int
    deferred: bool

    @property
    def package(self) -> str:
        """The job of the module that imports, in the core or a room: data, network, ..."""
        return level_of(self.where)

    @property
    def top(self) -> str:
        return self.what.split(".")[0]

    def __str__(self) -> str:
        return f"{self.where}, line {self.line}, imports {self.what}"


def imports(source: str, where: str, is_package: bool = False) -> list[Import]:
    """Every import in `source`, the code of the module called `where`.

    `from a import b` counts as `a.b`, since b may be a module.
    """
    parts = where.split(".")
    found: list[Import] = []

    def visit(node: ast.AST, deferred: bool) -> None:
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            kept = len(parts) - node.level + (1 if is_package else 0)
            base = parts[:kept] if node.level else []
            stem = ".".join(base + ([node.module] if node.module else []))
            names = [f"{stem}.{alias.name}" for alias in node.names]
        found.extend(Import(name, where, node.lineno, deferred) for name in names)
        inside = deferred or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            visit(child, inside)

    visit(ast.parse(source), False)
    return found


def all_imports() -> list[Import]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        where = ".".join(parts[:-1] if is_package else parts)
        found += imports(path.read_text("utf-8"), where, is_package)
    return found


def wrong_direction(one: Import) -> bool:
    """Whether it goes against the picture above."""
    parts = one.what.split(".")
    if parts[0] != "dnilab" or len(parts) < 2 or one.where == "dnilab":
        return False  # dnilab itself may collect public names
    theirs, mine = room_of(one.what), room_of(one.where)
    if one.where == "dnilab.lessons" and (theirs == PROGRESS or parts[1] == "exercises"):
        return False  # whatever lesson is imported, its right answers are kept
    if parts[1] == "lessons" and theirs != mine and not (theirs == SHARED and mine):
        return True
    target = level_of(one.what)
    if target not in BELOW:
        return False  # a module beside the packages, which knows none of them: see below
    same_place = one.package == target and theirs == mine
    in_my_core = one.package == target and theirs in (None, SHARED)
    return not (same_place or in_my_core) and target not in BELOW.get(one.package, set())


def misplaced(one: Import) -> bool:
    """Whether a heavy library is imported outside its place."""
    if one.top == "matplotlib":
        return one.package != "pictures" or "pyplot" in one.what or "pylab" in one.what
    if one.top == "ipywidgets":
        return one.package != "widgets"
    if one.top in ("sklearn", "distributed", "dask"):
        return not one.deferred
    return one.top == "pylab"


def undeclared(one: Import, declared: set[str]) -> bool:
    """Whether it comes from a distribution that pyproject.toml does not name."""
    if one.top in sys.stdlib_module_names or one.top == "dnilab":
        return False
    return DISTRIBUTIONS.get(one.top, one.top) not in declared


def test_every_package_has_its_place():
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")} - {"lessons"}
    assert packages <= set(BELOW), "give the new package its place in BELOW"
    in_rooms = {path.stem for path in PACKAGE.glob("lessons/*/*") if "__" not in path.stem}
    jobs = {level_of(f"dnilab.lessons.room.{name}") for name in in_rooms}
    assert jobs <= set(BELOW), "a room is divided by the jobs of BELOW"


def test_imports_follow_the_picture():
    assert [str(one) for one in all_imports() if wrong_direction(one)] == []


def test_heavy_libraries_stay_in_their_place():
    assert [str(one) for one in all_imports() if misplaced(one)] == []


def test_every_library_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = [line for name in EXTRAS for line in project["optional-dependencies"][name]]
    lines = [*project["dependencies"], *extras]
    declared = {re.match(r"[A-Za-z0-9-]+", line)[0] for line in lines}
    assert [str(one) for one in all_imports() if undeclared(one, declared)] == []


def test_importing_the_package_loads_nothing_heavy():
    program = (
        "import sys; before = set(sys.modules); import dnilab; "
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "dnilab" in loaded
    heavy = {"matplotlib", "ipywidgets", "sklearn", "scipy", "IPython", "torch", "PIL"}
    heavy |= {"distributed", "dask", "tornado"}
    assert loaded & heavy == set()


class TestTheReader:
    """The tests above are only as good as what reads the imports: it is shown violations."""

    @pytest.mark.parametrize(
        ("source", "where"),
        [
            ("import dnilab.network", "dnilab.data.dataset"),
            ("from dnilab import orderings", "dnilab.network.modules"),
            ("from dnilab.data import digits", "dnilab.orderings.steps"),
            ("from .. import network", "dnilab.orderings.steps"),
            ("from ..training.train import train", "dnilab.network.modules"),
            ("def f():\n    import dnilab.training", "dnilab.network.modules"),
            ("if TYPE_CHECKING:\n    from dnilab.widgets import Panel", "dnilab.pictures.curves"),
            ("from dnilab.pictures import curves", "dnilab.experiments.compare"),
            ("from dnilab.data import digits", "dnilab.checks"),
            ("from dnilab.exercises import lesson_1", "dnilab.training.train"),
            ("from dnilab.lessons.any_graph.data import Counting", "dnilab.training.train"),
            ("def f():\n    import dnilab.lessons.any_graph", "dnilab.data.dataset"),
            ("from dnilab.lessons.a.data import x", "dnilab.lessons.b.experiments"),
            ("from dnilab.lessons.a.panel import x", "dnilab.lessons.a.experiments.runs"),
            ("from dnilab.training import train", "dnilab.lessons.a.network.graph"),
            ("from dnilab.network import Stack", "dnilab.lessons.method"),
            ("from dnilab.lessons.method import train", "dnilab.training.train"),
            ("from dnilab.lessons.shared.cells import GRU", "dnilab.network.modules"),
            ("from dnilab.lessons.a.network import x", "dnilab.lessons.shared.cells"),
            ("from dnilab.lessons.shared.ratios import ratios", "dnilab.lessons.a.network.b"),
            ("from dnilab.lessons.progress.kept import keep", "dnilab.exercises"),
            ("from dnilab.lessons.a import lesson01", "dnilab.lessons"),
            ("from dnilab.lessons.progress.kept import keep", "dnilab.lessons.a.lesson01"),
        ],
    )
    def test_sees_a_wrong_direction(self, source: str, where: str):
        assert [wrong_direction(one) for one in imports(source, where)] == [True]

    @pytest.mark.parametrize(
        ("source", "where"),
        [
            ("from dnilab.network import Stack", "dnilab.training.train"),
            ("from dnilab.data import digits", "dnilab.widgets.panel"),
            ("from .dataset import Dataset", "dnilab.data.dataset"),
            ("from dnilab.checks import matrix", "dnilab.data.dataset"),
            ("import numpy as np", "dnilab.data.dataset"),
            ("from dnilab.data import digits", "dnilab"),
            ("from dnilab.lessons.a.data import x", "dnilab.lessons.a.panel.table"),
            ("from dnilab.lessons.a.network.graph import x", "dnilab.lessons.a.network.watcher"),
            ("from dnilab.network import Stack", "dnilab.lessons.a.network.build"),
            ("from dnilab.pictures import curves", "dnilab.lessons.a.panel"),
            ("from dnilab.lessons.shared.cells import GRU", "dnilab.lessons.a.network.b"),
            ("from dnilab.lessons.shared.timing import cores", "dnilab.lessons.a.panel"),
            ("from dnilab.lessons.progress.kept import keep", "dnilab.lessons"),
        ],
    )
    def test_allows_what_is_right(self, source: str, where: str):
        assert [wrong_direction(one) for one in imports(source, where)] == [False]

    def test_reads_a_relative_import_of_a_package(self):
        (one,) = imports("from .dataset import batches", "dnilab.data", is_package=True)
        assert one.what == "dnilab.data.dataset.batches"

    @pytest.mark.parametrize(
        ("source", "where"),
        [
            ("import matplotlib", "dnilab.widgets.panel"),
            ("def f():\n    from matplotlib.figure import Figure", "dnilab.training.train"),
            ("import matplotlib.pyplot as plt", "dnilab.pictures.curves"),
            ("from matplotlib import pyplot", "dnilab.pictures.curves"),
            ("import ipywidgets", "dnilab.pictures.curves"),
            ("from sklearn.datasets import load_digits", "dnilab.data.digits"),
            ("class A:\n    import sklearn", "dnilab.data.digits"),
            ("from distributed import Client", "dnilab.lessons.many_machines.training.apart"),
            ("import dask.config", "dnilab.lessons.playground.sweeps.executors"),
        ],
    )
    def test_sees_a_heavy_library_out_of_place(self, source: str, where: str):
        assert [misplaced(one) for one in imports(source, where)] == [True]

    @pytest.mark.parametrize(
        ("source", "where"),
        [
            ("from matplotlib.figure import Figure", "dnilab.pictures.curves"),
            ("import ipywidgets as widgets", "dnilab.widgets.panel"),
            ("def f():\n    from sklearn.datasets import load_digits", "dnilab.data.digits"),
            ("def f():\n    import distributed", "dnilab.lessons.many_machines.training.cluster"),
        ],
    )
    def test_allows_a_heavy_library_in_its_place(self, source: str, where: str):
        assert [misplaced(one) for one in imports(source, where)] == [False]

    def test_sees_a_library_that_is_not_declared(self):
        found = imports("import pandas, numpy, os, sklearn, dnilab", "dnilab.data.dataset")
        declared = {"numpy", "scikit-learn"}
        assert [undeclared(one, declared) for one in found] == [True, False, False, False, False]
