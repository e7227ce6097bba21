"""The arrows of notebook 03 in the browser: each control tells its story, wide and narrow."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.server import Lab
from tests.browser.steps import PanelInPage, add, complaints, open_notebook, run_all, screenshot

CELL = """
from dnilab.lessons.synthetic_gradients.panel.arrows import arrows_panel
arrows_panel()
"""
NAME = "arrows.ipynb"  # the panel alone: notebook 03 trains for half a minute before it is done


def test_the_arrows_tell_their_three_stories(page: Page, course: Lab):
    add(course, NAME, CELL.strip())
    open_notebook(page, course, NAME)
    run_all(page)
    assert complaints(page) == []
    panel = PanelInPage(page)
    before = panel.finished()
    assert "After 50 batches." in before.sentence
    screenshot(page, "arrows", "wide")

    number = panel.box.get_by_label("Batches so far, number")
    number.fill("300")
    number.press("Enter")
    panel.wait_for_change(before)
    expect(panel.sentence).to_contain_text("After 300 batches.")

    before = panel.finished()
    panel.box.get_by_label("Generators see").select_option("h alone")
    panel.wait_for_change(before)
    expect(panel.sentence).to_contain_text("The generators see h alone")
    screenshot(page, "arrows", "h-alone")

    before = panel.finished()
    panel.box.get_by_label("Generators move").select_option("away from it (+)")
    panel.wait_for_change(before)
    expect(panel.sentence).to_contain_text("The guesses have run away")

    page.set_viewport_size({"width": 700, "height": 1100})
    panel.picture.scroll_into_view_if_needed()
    wide = panel.picture.bounding_box()
    assert wide is not None
    assert wide["x"] + wide["width"] <= 700
    screenshot(page, "arrows", "narrow")
    assert complaints(page) == []
