"""The site as a visitor has it: built, opened, searched, looked through by axe."""

from __future__ import annotations

import hashlib
import json
import re
from html import unescape
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag

import pytest
from playwright.sync_api import Page, expect

from tests.site.conftest import Visit
from tools.site.build import ROOT, SITE
from tools.site.pages import home, pictures

NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
PAGES = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html"))
PAGES = [page for page in PAGES if not page.startswith(("_static/", "lite/"))]
WINDOWS = [("light", 1280), ("dark", 1280), ("dark", 390), ("light", 390)]
# A page of each kind: axe takes seconds for a page, and looks at all only where it is asked to.
KINDS = [
    "index.html",
    "notebooks/00_start_here.html",
    "docs/glossary.html",
    "api/dnilab.data.html",
]

IMAGES = """
() => [...document.querySelectorAll("article img")].map(image => ({
  file: image.getAttribute("src"),
  alt: image.alt,
  after: image.closest(".output, .cell_output")?.textContent ?? "",
}))
"""
SLUG = home().removeprefix("https://github.com/")
WAYS = "ul.ways a"
ADDRESSES = "all => all.map(link => link.getAttribute('href'))"
# What a narrow window shows beside itself: nothing, unless it scrolls within its own frame.
TOO_WIDE = """
() => document.documentElement.scrollWidth - document.documentElement.clientWidth
"""
# The theme lets the Tab key stop at a frame that scrolls, a moment after the window has changed.
FRAMES_KNOW = """
() => [...document.querySelectorAll("pre, .pst-scrollable-table-container")].every(
  one => one.scrollWidth <= one.clientWidth || one.tabIndex === 0)
"""
VIOLATIONS = """
async () => (await axe.run({resultTypes: ["violations"]})).violations.map(
  one => `${one.id} (${one.nodes.length}): ${one.nodes[0].html}`)
"""


def notebook(name: str) -> dict[str, Any]:
    return json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text("utf-8"))


def markdown(name: str) -> str:
    cells = notebook(name)["cells"]
    return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def sentences(name: str) -> list[str]:
    """What stands below each picture of a notebook, without its marks and spaces."""
    found = []
    for cell in notebook(name)["cells"]:
        shown = [output.get("data", {}) for output in cell.get("outputs", [])]
        for one, after in pairwise([*shown, {}]):
            if "image/png" in one:
                found.append("".join(after["text/markdown"]))
    return found


def letters(text: str) -> str:
    """A text without what Markdown and typography may change."""
    return re.sub(r"[^A-Za-z0-9]", "", text)


@pytest.fixture(scope="class", params=NOTEBOOKS)
def opened(visit: Visit, request: pytest.FixtureRequest) -> tuple[str, Page]:
    """A notebook's name, and its page."""
    return request.param, visit.go(f"notebooks/{request.param}.html")


class TestNotebook:
    def test_every_picture_has_its_sentence(self, opened: tuple[str, Page]):
        name, page = opened
        shown = page.evaluate(IMAGES)
        expected = pictures(notebook(name))
        assert len(shown) == len(expected)
        for image, (data, text), sentence in zip(shown, expected, sentences(name), strict=True):
            file = (SITE / "notebooks" / image["file"]).read_bytes()
            assert hashlib.sha256(file).digest() == hashlib.sha256(data).digest()
            assert len(text) > 10
            assert image["alt"] == text
            assert letters(sentence) in letters(image["after"])

    def test_ways_to_open_it(self, opened: tuple[str, Page]):
        name, page = opened
        path = f"lab/tree/notebooks/{name}.ipynb"
        assert page.locator(WAYS).evaluate_all(ADDRESSES) == [
            f"../lite/lab/index.html?path={name}.ipynb",
            f"https://mybinder.org/v2/gh/{SLUG}/HEAD?urlpath={path}",
            f"{name}.ipynb",
        ]
        ours = (ROOT / "notebooks" / f"{name}.ipynb").read_bytes()
        assert (SITE / "notebooks" / f"{name}.ipynb").read_bytes() == ours

    def test_predictions_and_solutions_are_folded(self, opened: tuple[str, Page]):
        name, page = opened
        folded = page.locator("article details:not([open])")
        assert folded.count() == markdown(name).count("<details>")
        assert page.locator("article details[open]").count() == 0
        if folded.count():
            folded.first.locator("summary").press("Enter")
            expect(page.locator("article details[open] > :nth-child(2)")).to_be_visible()

    def test_every_formula_is_set_and_can_be_heard(self, opened: tuple[str, Page]):
        name, page = opened
        formulas = page.locator("article .math").count()
        assert formulas >= markdown(name).count("$$") // 2
        assert page.locator("article mjx-container").count() >= formulas
        assert page.locator("article mjx-assistive-mml math").count() >= formulas
        assert page.locator("mjx-merror").count() == 0


def test_the_first_page_has_the_ways_into_the_course(visit: Visit):
    start = "lab/tree/notebooks/00_start_here.ipynb"
    assert visit.go("index.html").locator(WAYS).evaluate_all(ADDRESSES) == [
        "lite/lab/index.html?path=00_start_here.ipynb",
        f"https://mybinder.org/v2/gh/{SLUG}/HEAD?urlpath={start}",
        f"https://github.com/{SLUG}/archive/refs/heads/main.zip",
    ]


def test_there_is_a_page_of_each_kind():
    assert set(KINDS) < set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_page(visit: Visit, axe: str, name: str, pytestconfig: pytest.Config):
    """Nobody else is asked, nothing runs out of the window, and axe finds no violation."""
    page = visit.go(name)
    looked_at = name in KINDS or pytestconfig.getoption("--all-pages")
    if looked_at:
        page.evaluate(axe)
    found = []
    for theme, width in WINDOWS if looked_at else WINDOWS[1:3]:
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        page.wait_for_function(FRAMES_KNOW)
        assert page.evaluate(TOO_WIDE) <= 0
        if looked_at:
            found += [f"{theme}, {width}: {one}" for one in page.evaluate(VIOLATIONS)]
    page.set_viewport_size({"width": 1280, "height": 900})
    assert found == []
    assert visit.faults == []


class TestSearch:
    @pytest.mark.parametrize("width", [390, 1280])
    @pytest.mark.parametrize("name", ["index.html", "notebooks/00_start_here.html", "search.html"])
    def test_there_is_one_box(self, visit: Visit, name: str, width: int):
        page = visit.go(name)
        page.set_viewport_size({"width": width, "height": 900})
        boxes = page.locator(".search-button__button:visible, input[type=search]:visible")
        assert boxes.count() == 1 + (name == "search.html" and width == 390)

    def test_by_keyboard_it_finds_a_term_first(self, visit: Visit):
        page = visit.go("notebooks/00_start_here.html")
        page.set_viewport_size({"width": 1280, "height": 900})
        page.keyboard.press("Control+k")
        page.keyboard.type("update lock")
        page.keyboard.press("Enter")
        first = page.locator("#search-results li a").first
        expect(first).to_have_text("Glossary")
        first.click()
        expect(page.locator("dt", has_text="update lock")).to_be_in_viewport()
        assert visit.faults == []


def test_dark_and_light_by_keyboard(visit: Visit):
    page = visit.go("index.html")
    grounds = set()
    for theme in ("Light", "Dark"):
        page.locator(".theme-switch-button:visible").press("Enter")
        page.locator(".dropdown-menu.show :is(a, button)", has_text=theme).press("Enter")
        assert page.evaluate("document.documentElement.dataset.theme") == theme.lower()
        grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(grounds) == 2


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str):
    text = (SITE / name).read_text("utf-8")
    lost = []
    for link in re.findall(r'href="([^"]*)"', text):
        path, anchor = urldefrag(unescape(link))
        path = unquote(path.partition("?")[0])
        if re.match(r"[a-z]+:", path) or "lite/" in path:
            continue
        target = (SITE / name).parent / path if path else SITE / name
        if not target.exists():
            lost.append(link)
        elif anchor and target.suffix == ".html":
            there = target.read_text("utf-8")
            if f'id="{unquote(anchor)}"' not in there:
                lost.append(link)
    assert lost == []


def test_what_a_package_offers_is_there_with_shapes(visit: Visit):
    page = visit.go("api/dnilab.network.html")
    generator = page.locator("dl.class", has=page.locator("[id='dnilab.network.Generator']"))
    expect(generator).to_contain_text("(batch, width)")
    source = generator.locator("a", has_text="[source]").first.get_attribute("href")
    assert source == f"{home()}/blob/main/dnilab/network/modules.py"
    assert Path(ROOT, "dnilab/network/modules.py").exists()
