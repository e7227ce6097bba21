"""What holds for all tests: how Hypothesis draws, seeds, and readable assertions in helpers."""

from __future__ import annotations

import os
import sys
import threading
import types

import pytest
from hypothesis import settings

from dnilab import here
from tests.learned import Learned

# Few examples each, so that the whole suite stays quick, and no deadline: a slow or busy machine
# is not a failure.  In CI every run draws the same examples; at home each run draws new ones.
settings.register_profile("course", max_examples=25, deadline=None)
settings.register_profile("ci", parent=settings.get_profile("course"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "course")

# Helpers are not test files, so pytest has to be told to explain their assertions too.
pytest.register_assert_rewrite("tests.network.contract", "tests.training.by_hand")

PANELS = ("tests/widgets/", "tests/lessons/playground/panel/", "test_panel.py")


def pytest_addoption(parser):
    parser.addoption(
        "--seeds", type=int, default=1, help="run each test of what is learned with so many seeds"
    )


def pytest_generate_tests(metafunc):
    seeds = metafunc.config.getoption("seeds")
    if {"learned", "seed"} <= set(metafunc.fixturenames) and seeds > 1:
        metafunc.parametrize("seed", range(seeds), ids="seed{}".format)


@pytest.fixture
def seed():
    """What a test of something learned draws everything from; `--seeds` asks for more than 0."""
    return 0


@pytest.fixture
def learned(record_property):
    """States a number that was learned, with its bound: ``learned(what, value, below=bound)``."""
    return Learned(record_property)


@pytest.hookimpl(tryfirst=True)  # before pytest's own -m looks for the marker
def pytest_collection_modifyitems(items):
    for item in items:
        if "learned" in getattr(item, "fixturenames", ()):  # a cell of a notebook has none
            item.add_marker("learned")
        if any(place in item.path.as_posix() for place in PANELS):
            item.fixturenames.insert(0, "nothing_left")


def _live_widgets():
    from ipywidgets.widgets.widget import _instances

    return _instances


def panel_threads():
    return [t for t in threading.enumerate() if t.name.startswith("dnilab-panel")]


@pytest.fixture
def nothing_left():
    """No panel test may leave a thread or a widget behind: they get this without asking."""
    threads, before = threading.active_count(), set(_live_widgets())
    opened = []
    yield opened
    for panel in opened:
        panel.close()
    assert panel_threads() == []
    assert threading.active_count() <= threads
    if opened:
        assert set(_live_widgets()) <= before


@pytest.fixture
def in_a_browser(monkeypatch):
    """As Pyodide has it: no thread starts, and the modules that processes need can't be imported.

    The browser edition itself is tested in a browser: `make test-lite`.
    """

    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(here, "sys", types.SimpleNamespace(platform="emscripten"))
    monkeypatch.setattr(threading.Thread, "start", refuse)
    for gone in ("concurrent.futures.process", "multiprocessing.connection"):
        monkeypatch.setitem(sys.modules, gone, None)


def pytest_terminal_summary(terminalreporter):
    """That derivatives were not compared with PyTorch's is said, whatever else is."""
    skipped = terminalreporter.stats.get("skipped", [])
    if any("tests/parity" in report.nodeid for report in skipped):
        said = "tests/parity was SKIPPED: torch is not installed. `make test-parity` runs it."
        terminalreporter.write_line(said, yellow=True, bold=True)
