"""A real browser on a real JupyterLab.

The browser is the system's: nothing is downloaded. Screenshots are kept in browser-artifacts/.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

# The steps assert, too: pytest shows what they compared.
pytest.register_assert_rewrite("tests.browser.steps")

from tests.browser.server import ROOT, Lab, running_lab  # noqa: E402
from tests.browser.steps import screenshot, stop_kernels  # noqa: E402
from tools import npm  # noqa: E402

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "msedge")
MAC = Path("/Applications")
PLACES = (
    MAC / "Chromium.app/Contents/MacOS/Chromium",
    MAC / "Google Chrome.app/Contents/MacOS/Google Chrome",
    MAC / "Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
)
MISSING = f"""
The browser tests need Chromium or Chrome, and found none.
Looked for: the variable CHROMIUM; {", ".join(NAMES)} on the PATH; macOS's applications.
  Debian, Ubuntu:  sudo apt install chromium
  macOS:           install Google Chrome, or:  brew install --cask chromium
  anywhere:        CHROMIUM=/path/to/the/browser make test-browser
"""
NO_DRIVER = """
Playwright did not start. The Node.js that it brings along needs the library libatomic.
  Debian, Ubuntu:  sudo apt install libatomic1
"""
AXE = "axe-core@4.14.1"
AXE_SHA512 = (
    "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
)
ARGUMENTS = [
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
]


def find_chromium() -> str | None:
    """The browser's path; None where there is none. The variable CHROMIUM comes first."""
    named = os.environ.get("CHROMIUM")
    if named:
        return shutil.which(named)
    for name in NAMES:
        if found := shutil.which(name):
            return found
    return next((str(place) for place in PLACES if place.exists()), None)


def pytest_sessionstart(session: pytest.Session) -> None:
    if find_chromium() is None:
        pytest.exit(MISSING, returncode=1)


@pytest.fixture(scope="session")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab on a copy of the notebooks: it saves what it opens."""
    folder = tmp_path_factory.mktemp("course")
    if (ROOT / "notebooks").is_dir():
        shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    with running_lab(folder, tmp_path_factory.mktemp("private")) as lab:
        yield lab


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    playwright = sync_playwright()
    try:
        running = playwright.__enter__()
    except Exception as error:
        pytest.exit(f"{NO_DRIVER}\nIt said: {error}", returncode=1)
    try:
        browser = running.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        yield browser
        browser.close()
    finally:
        playwright.__exit__()


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core's program."""
    return (npm.package(AXE, AXE_SHA512) / "axe.min.js").read_text("utf-8")


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A window of its own for each test; its last state is kept as a screenshot."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(30_000)
    yield page
    screenshot(page, request.node.name, "end")
    stop_kernels(page)
    context.close()
