"""A sweep in the browser, by keyboard alone: started, seen as a map, a setting of it loaded."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Locator, Page, expect

from dnilab.lessons.playground.sweeps import read_sweep
from tests.browser.server import Lab
from tests.browser.steps import (
    CHANGE_TIMEOUT,
    REST_TIMEOUT,
    complaints,
    in_the_way,
    open_notebook,
    run_all,
    screenshot,
)
from tests.browser.test_playground import NOTEBOOK, QUICK


def frames(part: Locator) -> list[dict[str, float]]:
    """Where the picture of the map and its buttons stand, all read at one moment."""
    return part.evaluate(
        "part => ['img', '.dnilab-cell'].flatMap(what => [...part.querySelectorAll(what)])"
        ".map(found => found.getBoundingClientRect().toJSON())"
    )


def on_the_picture(part: Locator) -> None:
    """The buttons fill a part of the picture, in rows and columns of equal size."""
    # JupyterLab scrolls and draws again for a while after the window has another size.
    before, deadline = None, time.monotonic() + CHANGE_TIMEOUT
    while before != (now := frames(part)):
        assert time.monotonic() < deadline, "the map does not come to rest"
        before = now
        part.page.wait_for_timeout(200)
    picture, *boxes = now
    for box in boxes:
        assert (box["width"], box["height"]) == pytest.approx(
            (boxes[0]["width"], boxes[0]["height"]), abs=1
        )
        assert picture["left"] < box["left"] < box["right"] < picture["right"]
        assert picture["top"] < box["top"] < box["bottom"] < picture["bottom"]


def test_a_sweep_and_a_click_on_its_map(page: Page, course: Lab):
    open_notebook(page, course, NOTEBOOK)
    run_all(page)
    assert complaints(page) == []
    box = page.locator(".dnilab-playground").first
    string = box.get_by_label("Settings string").first
    string.fill(QUICK)
    string.press("Enter")

    heading = box.locator(".dnilab-heading", has_text="Sweep")
    heading.focus()
    page.keyboard.press("Space")
    part = box.locator(".dnilab-sweep")
    expect(part).to_be_visible()
    expect(part.locator(".dnilab-cell")).to_have_count(0)
    for name, value in (("Across, from", "0.001"), ("Across, to", "0.01")):
        field = part.get_by_label(name)
        field.fill(value)
        field.press("Enter")
    for name in ("Across, values", "Upwards, values"):
        part.get_by_label(name).select_option("2")
    part.get_by_label("Seeds of each setting").select_option("1")
    expect(part).to_contain_text("2 × 2 settings with 1 seed each: 4 runs.")

    part.get_by_role("button", name="Start").focus()
    page.keyboard.press("Enter")
    expect(part.get_by_role("button", name="Stop")).to_be_focused()
    expect(part).to_contain_text("Done: 4 runs.", timeout=REST_TIMEOUT * 1000)
    cells = part.locator(".dnilab-cell")
    expect(cells).to_have_count(4)
    titles = [cell.get_attribute("title") or "" for cell in cells.all()]
    shares = [float(re.search(r": ([\d.]+)\. Click", title)[1]) for title in titles]
    assert all(0 <= share <= 100 for share in shares)
    expect(part).to_contain_text(f"Best is {max(shares):.1f}, at ")
    on_the_picture(part)
    screenshot(page, "sweep", "map")

    # The best setting of the map, wherever it is, is what the controls then stand at.
    best = shares.index(max(shares))
    rate = "0.01" if titles[best].startswith("learning rate 0.01,") else "0.001"
    chosen = cells.nth(best)
    chosen.focus()
    page.keyboard.press("Enter")
    expect(part).to_contain_text(f"Loaded: learning rate {rate}, ")
    expect(part.locator(".dnilab-table tbody tr")).to_have_count(1)  # its only run
    number = box.get_by_role("spinbutton", name="Learning rate, number", exact=True)
    expect(number).to_have_value(rate)
    assert f"rate={rate}" in string.input_value()
    assert "The controls are set to this." in (chosen.get_attribute("title") or "")
    screenshot(page, "sweep", "loaded")

    # With the mouse, on the picture.
    other = cells.nth(len(shares) - 1 - best)
    other.scroll_into_view_if_needed()
    on_the_picture(part)
    where = other.bounding_box()
    assert where is not None
    page.mouse.click(where["x"] + where["width"] / 2, where["y"] + where["height"] / 2)
    expect(other).to_have_attribute("title", re.compile("The controls are set to this"))
    with page.expect_download() as download:
        part.get_by_role("link", name="Save the sweep as JSON lines").click()
    assert len(read_sweep(download.value.path())) == 4

    page.set_viewport_size({"width": 700, "height": 1100})
    part.scroll_into_view_if_needed()
    on_the_picture(part)
    screenshot(page, "sweep", "narrow")
    assert complaints(page) == []
    assert in_the_way(page) == []
