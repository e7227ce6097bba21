"""The site in a real browser, with no network: every request outside is refused, and kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, Response, Route

from tests.browser.conftest import axe, browser, pytest_sessionstart  # noqa: F401  # pytest finds them
from tests.browser.files import served
from tools.site.build import SITE


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-pages", action="store_true", help="axe looks at every page")


@dataclass
class Visit:
    """A visitor's window, and what went wrong in it."""

    url: str
    page: Page
    faults: list[str] = field(default_factory=list)

    def go(self, name: str) -> Page:
        """Open a page of the site, and wait until its formulas are set."""
        self.faults.clear()
        self.page.goto(self.url + name)
        self.page.wait_for_function(
            "() => !document.querySelector('.math') || document.body.dataset.formulas"
        )
        return self.page

    def answer(self, route: Route) -> None:
        if route.request.url.startswith((self.url, "data:")):
            route.continue_()
        else:
            self.faults.append(f"asked for {route.request.url}")
            route.abort()

    def answered(self, response: Response) -> None:
        if response.status >= 400:
            self.faults.append(f"{response.status} {response.url}")


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """build/site, served as any host for files would."""
    with served(SITE) as address:
        yield address


@pytest.fixture(scope="session")
def visit(browser: Browser, url: str) -> Iterator[Visit]:  # noqa: F811
    """One window for all tests: they only look."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    made = Visit(url, context.new_page())
    context.route("**/*", made.answer)
    made.page.on("response", made.answered)
    made.page.on("pageerror", lambda error: made.faults.append(str(error)))
    made.page.on(
        "console", lambda said: made.faults.append(said.text) if said.type == "error" else None
    )
    yield made
    context.close()
