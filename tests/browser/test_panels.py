"""Panels in a browser, beside their pictures: kept, named, honest about their kernel."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.server import Lab
from tests.browser.steps import (
    PanelInPage,
    add,
    complaints,
    open_notebook,
    run_all,
    screenshot,
    stop_kernels,
    wait_for_kernel,
)

# Sliders of every kind, lists, ticks, buttons, headings that fold, a table, several pictures.
SEVERAL = """
from IPython.display import Markdown, display
from dnilab.lessons.playground.panel.panel import playground
from dnilab.lessons.synthetic_gradients.panel.first_steps import adder_panel
from dnilab.lessons.update_orderings.panel import ordering_stepper
display(Markdown("## Panels"))
quick = "dnilab(bits=8, examples=400, test_examples=500, hidden=(12, 8), epochs=3, seeds=2)"
display(adder_panel(0.5), ordering_stepper(), playground(quick))
"""
# Violations that can't be mended here, by the rule's name, and whose they are.
UPSTREAM: dict[str, str] = {}
VIOLATIONS = """
async () => (await axe.run({include: [[".dnilab-panel"]]}, {resultTypes: ["violations"]}))
  .violations.flatMap(one => one.nodes.map(node => `${one.id}: ${node.html}`))
"""


def turn(page: Page, theme: str) -> None:
    """Show JupyterLab in another theme."""
    page.evaluate(
        "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})",
        f"JupyterLab {theme}",
    )
    expect(page.locator(f"body[data-jp-theme-name='JupyterLab {theme}']")).to_have_count(1)


def test_axe_finds_nothing_in_any_panel(page: Page, course: Lab, axe: str):
    page.emulate_media(reduced_motion="reduce")
    open_notebook(page, course, add(course, "several.ipynb", SEVERAL))
    run_all(page)
    assert complaints(page) == []
    PanelInPage(page).finished()
    pictures = page.locator(".dnilab-panel img.dnilab-picture")
    expect(page.locator(".dnilab-panel")).to_have_count(3)
    expect(page.locator(".dnilab-playground")).to_contain_text("from 0 to 3. ", timeout=60_000)
    page.evaluate(axe)
    try:
        for theme in ("Light", "Dark"):
            turn(page, theme)
            found = page.evaluate(VIOLATIONS)
            assert [one for one in found if one.split(":")[0] not in UPSTREAM] == [], theme
            screenshot(page, "panels", theme)
    finally:
        turn(page, "Light")
    assert all(text.strip() for text in pictures.evaluate_all("all => all.map(one => one.alt)"))
    rate = page.get_by_role("slider", name="Learning rate").first
    expect(rate).to_have_attribute("aria-valuetext", "0.2\u00a0")  # not its exponent
    rate.press("ArrowRight")
    expect(rate).to_have_attribute("aria-valuetext", re.compile("^0\\.2[1-9]\u00a0$"))
    folded = page.get_by_role("button", name="Training")
    expect(folded).to_have_attribute("aria-expanded", "false")
    folded.press("Enter")
    expect(folded).to_have_attribute("aria-expanded", "true")


ONE = """
from dnilab.lessons.synthetic_gradients.panel.first_steps import adder_panel
adder_panel(0.5)
"""
LOST = "This panel has no kernel any more. Run its cell to have it back."
SAID = "panel => getComputedStyle(panel, '::before').content"


@pytest.fixture
def one(page: Page, course: Lab) -> PanelInPage:
    """A notebook with one panel that has come to rest."""
    open_notebook(page, course, add(course, "one.ipynb", ONE))
    run_all(page)
    panel = PanelInPage(page)
    panel.finished()
    return panel


def test_a_panel_survives_a_save_and_says_when_its_kernel_is_gone(
    page: Page, course: Lab, one: PanelInPage
):
    before = one.shown()
    one.move_control()
    one.wait_for_change(before)
    sentence = one.finished().sentence
    unfold = one.box.get_by_text("Show as a table")
    unfold.press("Enter")
    expect(one.box.get_by_role("table")).to_be_visible()
    assert one.box.evaluate(SAID) == "none"
    still = page.locator("[class^=dnilab-still]")
    expect(still).to_be_hidden()
    expect(still).to_contain_text(sentence)  # hidden, it follows the panel
    page.evaluate("async () => await window.jupyterapp.shell.currentWidget.context.save()")
    saved = json.loads(Path(course.folder, "one.ipynb").read_text("utf-8"))
    assert sentence in "".join(saved["cells"][1]["outputs"][1]["data"]["text/html"])

    stop_kernels(page)
    expect(page.locator(".jp-NotebookPanel-toolbar")).to_contain_text("No Kernel")
    assert one.box.evaluate(SAID) == f'"{LOST}"'
    page.reload()
    wait_for_kernel(page)  # a new one, which knows of no panel
    expect(still).to_be_visible()
    expect(still).to_contain_text("Run this cell to have the panel back.")
    expect(still.locator("img")).to_be_visible()
    expect(page.get_by_text("model not found")).to_be_hidden()
    screenshot(page, "panel", "still")


def test_after_a_restart_one_line_says_so_and_no_icons(page: Page, one: PanelInPage):
    page.evaluate(
        "async () => await window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
        ".restart()"
    )
    expect(one.box).to_have_class(re.compile("disconnected"))
    assert one.box.evaluate(SAID) == f'"{LOST}"'
    icons = one.box.locator(".jupyter-widgets-disconnected")
    assert icons.count() > 10
    assert set(icons.evaluate_all(f"all => all.map({SAID})")) == {"none"}
