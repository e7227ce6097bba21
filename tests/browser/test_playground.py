"""The playground in a browser: in JupyterLab, and as a page of its own, by keyboard alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.server import Lab, running_playground
from tests.browser.steps import (
    REST_TIMEOUT,
    PanelInPage,
    Shown,
    complaints,
    in_the_way,
    open_notebook,
    run_all,
    screenshot,
)

NOTEBOOK = "notebooks/06_playground.ipynb"
QUICK = (
    "dnilab(bits=8, examples=400, test_examples=500, hidden=(12, 8), dtype='float32', epochs=3, "
    "seeds=2, beside=('backprop',))"
)


@pytest.fixture(scope="module")
def page_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `make playground`."""
    with running_playground(tmp_path_factory.mktemp("voila")) as address:
        yield address


def at_the_end(panel: PanelInPage, epochs: int) -> Shown:
    """What is shown when the run of so many epochs is over."""
    expect(panel.sentence).to_contain_text(f"from 0 to {epochs}. ", timeout=REST_TIMEOUT * 1000)
    return panel.finished()


def work_the_playground(page: Page, name: str) -> None:
    """Paste a settings string, open a group of controls, move a slider, pin: all by keyboard."""
    box = page.locator(".dnilab-playground").first
    expect(box.locator(".dnilab-picture").first).to_be_visible(timeout=180_000)
    string = box.get_by_label("Settings string").first
    string.focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(QUICK)
    page.keyboard.press("Enter")
    # The notebook begins with a local loss, which has workers; from here on nothing has.
    workers = box.locator(".dnilab-control", has_text="Workers").locator("input[type=number]")
    expect(workers).to_be_hidden()
    panel = PanelInPage(page)
    before = at_the_end(panel, 3)
    assert "DNI(h, y)" in before.sentence
    screenshot(page, name, "before")

    box.locator(".dnilab-heading", has_text="Training").focus()
    page.keyboard.press("Space")
    epochs = box.locator(".dnilab-control", has_text="Epochs")
    slider = epochs.get_by_role("slider")
    expect(slider).to_be_visible()
    slider.focus()
    page.keyboard.press("ArrowRight")
    panel.wait_for_change(before)
    after = at_the_end(panel, 4)
    expect(epochs.locator("input[type=number]")).to_have_value("4")
    assert "epochs=4" in string.input_value()

    box.get_by_role("button", name="Pin the run").focus()
    page.keyboard.press("Enter")
    panel.wait_for_change(after)
    expect(box.locator(".dnilab-table tbody tr")).to_have_count(1)
    with page.expect_download() as download:
        box.get_by_role("link", name="Save as CSV").focus()
        page.keyboard.press("Enter")
    assert Path(download.value.path()).read_text("utf-8").startswith("name,")
    screenshot(page, name, "after")


def test_in_jupyterlab(page: Page, course: Lab):
    open_notebook(page, course, NOTEBOOK)
    run_all(page)
    assert complaints(page) == []
    work_the_playground(page, "playground-lab")
    assert complaints(page) == []
    assert in_the_way(page) == []


@pytest.mark.parametrize(("width", "name"), [(1280, "wide"), (600, "narrow")])
def test_as_a_page_of_its_own(page: Page, page_of_its_own: str, width: int, name: str):
    page.set_viewport_size({"width": width, "height": 1400})
    page.goto(page_of_its_own)
    work_the_playground(page, f"playground-voila-{name}")
    expect(page.get_by_text("from dnilab")).to_have_count(0)  # no code
    reach = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert reach <= 0, f"the page is {reach} px wider than the window"
    if name == "wide":
        open_the_link(page, page_of_its_own)


def open_the_link(page: Page, address: str) -> None:
    """Copy the link to the settings, and open it: the page has them."""
    box = page.locator(".dnilab-playground")
    settings = box.get_by_label("Settings string").input_value()
    box.get_by_role("button", name="Copy as Python").click()
    copied = box.get_by_label("What was copied")
    expect(copied).to_have_value(re.compile("^# The comparison.*epochs=4", re.DOTALL))
    box.get_by_role("button", name="Copy link").click()
    expect(copied).to_have_value(re.compile(r"^http://.*\?settings="))
    assert copied.input_value().startswith(address)
    page.goto(copied.input_value())
    expect(box.get_by_label("Settings string")).to_have_value(settings, timeout=180_000)
