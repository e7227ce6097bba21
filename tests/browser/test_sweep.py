"""A sweep in the browser, by keyboard alone: started, seen as a map, a setting of it loaded."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.server import Lab
from tests.browser.steps import (
    REST_TIMEOUT,
    complaints,
    in_the_way,
    open_notebook,
    run_all,
    screenshot,
)
from tests.browser.test_playground import NOTEBOOK, QUICK


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
    shares = [float(text) for text in cells.all_inner_texts()]
    assert all(0 <= share <= 100 for share in shares)
    expect(part).to_contain_text(f"Best: {max(shares):.1f} %")
    screenshot(page, "sweep", "map")

    # The best setting of the map, wherever it is, is what the controls then stand at.
    chosen = cells.nth(shares.index(max(shares)))
    words = chosen.get_attribute("title") or ""
    rate = "0.01" if words.startswith("learning rate 0.01,") else "0.001"
    chosen.focus()
    page.keyboard.press("Enter")
    expect(part).to_contain_text(f"Loaded: learning rate {rate}, ")
    box.locator(".dnilab-heading", has_text="Training").click()
    training = box.locator(".dnilab-side .dnilab-control", has_text="Learning rate")
    expect(training.first.locator("input[type=number]")).to_have_value(rate)
    assert f"rate={rate}" in string.input_value()
    assert "the controls stand here" in (chosen.get_attribute("title") or "")
    screenshot(page, "sweep", "loaded")

    page.set_viewport_size({"width": 700, "height": 1100})
    part.scroll_into_view_if_needed()
    screenshot(page, "sweep", "narrow")
    assert complaints(page) == []
    assert in_the_way(page) == []
