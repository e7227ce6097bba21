"""The browser edition in a real browser, with no network: every request outside is refused."""

from __future__ import annotations

import mimetypes
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route

from tests.browser.conftest import browser, pytest_sessionstart  # noqa: F401  # pytest finds them
from tests.browser.files import served
from tests.browser.server import ROOT
from tests.browser.steps import screenshot
from tests.lite.pyodide import pyodide
from tools.lite.build import PYODIDE, SITE
from tools.npm import NotToBeHad

NOTEBOOKS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
LOUD = """
The browser edition was NOT TESTED: {why}.
It needs npm and pip to reach their registries once; what they give is kept in build.
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-notebooks", action="store_true", help="run every cell of every one")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "any_notebook" in metafunc.fixturenames:
        every = NOTEBOOKS if metafunc.config.getoption("--all-notebooks") else []
        metafunc.parametrize("any_notebook", [name for name in every if name[:2] != "11"])


@dataclass
class Site:
    """The site as it is served here; ``outside``: what was asked of anybody else."""

    url: str
    files: Path
    outside: list[str] = field(default_factory=list)

    def answer(self, route: Route) -> None:
        """Let requests to the site pass, answer for Pyodide's CDN, refuse all others."""
        asked = route.request.url
        name = asked.removeprefix(PYODIDE).split("?")[0]
        if asked.startswith((self.url, "data:", "blob:")):
            route.continue_()
        elif asked.startswith(PYODIDE) and (self.files / name).is_file():
            kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
            headers = {"access-control-allow-origin": "*", "content-type": kind}
            route.fulfill(path=self.files / name, headers=headers)
        else:
            self.outside.append(asked)
            route.abort()


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """build/lite, served as any host for files would."""
    try:
        files = pyodide(ROOT / "build" / "pyodide")
    except NotToBeHad as why:
        said = LOUD.format(why=why)
        print(said, file=sys.__stderr__)
        pytest.skip(said)
    with served(SITE) as url:
        yield Site(url, files)


@pytest.fixture
def page(browser: Browser, site: Site, request: pytest.FixtureRequest) -> Iterator[Page]:  # noqa: F811
    """A visitor who was never here before."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, service_workers="block")
    context.route("**/*", site.answer)
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    screenshot(page, f"lite-{request.node.name}", "end")
    context.close()
