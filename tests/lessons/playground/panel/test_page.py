"""The playground as a page: it opens with the settings of its link, and hands its own on."""

import html
import re

import pytest

from dnilab.experiments import Settings
from dnilab.lessons.playground.experiments.comparison import FIRST, PRESETS, Lineup
from dnilab.lessons.playground.panel.page import playground_page
from dnilab.lessons.playground.panel.panel import playground
from dnilab.lessons.playground.panel.share import PUBLIC, share_html
from tools.address import ROOT, forms, slug_in

TEXT = Lineup(Settings(epochs=3, dtype="float32", context=("h",)), 2, ("backprop",)).text


@pytest.fixture
def opened(nothing_left, monkeypatch):
    """A function that opens the page with this query."""

    def opened(query=None, settings=None):
        if query is not None:
            monkeypatch.setenv("QUERY_STRING", query)
        page = playground_page(settings)
        nothing_left.append(page)
        return page

    return opened


@pytest.mark.parametrize("query", [None, "", "token=1", "settings="])
def test_without_settings_it_opens_with_the_first_preset(opened, query):
    page = opened(query)
    assert page.preset == FIRST
    assert page.told["string"] == ""


@pytest.mark.parametrize("name", PRESETS)
def test_a_link_opens_with_its_settings(opened, name):
    from urllib.parse import quote

    text = PRESETS[name].text
    assert opened(f"token=1&settings={quote(text)}").text == text
    assert opened(settings=text).text == text
    assert opened(settings=name).preset == name


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("dnilab(epochs=0)", "epochs is 0"),
        ("__import__('os').abort()", "settings string"),
        ("<script>alert(1)</script>", "settings string"),
        ("dnilab(task='own arrays')", "arrays of your own"),
        (100_000 * "a", "settings string"),
    ],
)
def test_a_link_that_can_not_be_taken_is_said_on_the_page(opened, asked, said):
    page = opened(settings=asked)
    page.start()
    assert page.preset == FIRST
    assert said in page.told["string"]
    assert "<script" not in page._told["string"].value
    page.controls["epochs"].value = 1
    assert page.told["string"] == ""


def attributes(shared, name):
    return [html.unescape(one) for one in re.findall(rf'{name}="([^"]*)"', shared)]


def test_what_is_copied_stands_in_the_buttons_as_it_is():
    shared = share_html(TEXT, "a = '<&>'\nb = \"x\"\n", page=True)
    assert attributes(shared, "data-words") == [TEXT, "a = '<&>'\nb = \"x\"\n"]
    assert attributes(shared, "data-link") == ["here", ""]


def test_a_page_links_to_itself_and_a_cell_to_the_browser_edition(opened, nothing_left):
    page = opened(settings=TEXT)
    page.start()
    assert attributes(page._share.value, "data-link")[0] == "here"
    cell = playground(TEXT, name="cell", play=False)
    nothing_left.append(cell)
    cell.start()
    assert attributes(cell._share.value, "data-link")[0] == PUBLIC
    assert attributes(cell._share.value, "data-words")[0] == cell.text
    assert PUBLIC.startswith("https://" + forms(slug_in((ROOT / "pyproject.toml").read_text()))[2])
