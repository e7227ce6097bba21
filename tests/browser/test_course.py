"""The course in a browser: it opens where it should, and its panels answer."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page, expect

from dnilab.lessons.progress.answers import needed, read_notebook
from tests.browser.server import ROOT, Lab
from tests.browser.steps import (
    complaints,
    in_the_way,
    open_notebook,
    run_all,
    wait_for_kernel,
    work_the_panel,
)

TEXTS = {path.name: path.read_text("utf-8") for path in sorted(ROOT.glob("notebooks/*.ipynb"))}
# These must have a live panel; any other that makes one is tried as well.
PROMISED = ("00", "01", "03", "04", "05", "11")  # 06, the playground, has test_playground.py
PANEL = re.compile(r"[Pp]anel\(")
WITH_PANEL = [name for name in TEXTS if name[:2] in PROMISED or PANEL.search(TEXTS[name])]


def with_its_first_panel_alone(path: Path) -> None:
    """Leave out the cells that its first panel does not need: `make test` runs them all."""
    cells = read_notebook(path)
    at = next(at for at, cell in enumerate(cells) if PANEL.search(cell.source))
    kept = needed(cells, at)
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    left_out = [given["id"] for given, cell in zip(code, cells, strict=True) if cell not in kept]
    notebook.cells = [cell for cell in notebook.cells if cell["id"] not in left_out]
    nbformat.write(notebook, path)


@pytest.mark.skipif(not TEXTS, reason="there are no notebooks yet")
def test_the_course_opens_on_its_first_notebook(page: Page, course: Lab):
    # The address that JupyterLab prints, without the name of any notebook.
    page.goto(f"{course.url}/?token={course.token}")
    wait_for_kernel(page)
    expect(page).to_have_url(re.compile(r"/lab/tree/notebooks/00_start_here\.ipynb"))
    expect(page.locator(".jp-Notebook h1").first).to_be_visible()
    run_all(page)
    assert complaints(page) == []
    assert in_the_way(page) == []


def test_a_visitor_without_the_token_is_not_let_in(page: Page, course: Lab):
    page.goto(f"{course.url}/lab")
    expect(page).to_have_url(re.compile(r"/login"))


def test_whoever_only_reads_a_notebook_changes_no_file(page: Page, course: Lab):
    # JupyterLab writes down what the kernel says of its language: ours leaves out its version.
    name = f"notebooks/{next(name for name in TEXTS if name.startswith('02'))}"
    before = Path(course.folder, name).read_bytes()
    open_notebook(page, course, name)
    page.evaluate(
        "async () => await window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.info"
    )
    model = "window.jupyterapp.shell.currentWidget.context.model"
    assert "language_info" in page.evaluate(f"() => {model}.metadata")
    assert not page.evaluate(f"() => {model}.dirty")
    page.evaluate("async () => await window.jupyterapp.shell.currentWidget.context.save()")
    assert Path(course.folder, name).read_bytes() == before


@pytest.mark.parametrize("name", WITH_PANEL)
def test_the_panel_follows_its_control(page: Page, course: Lab, name: str):
    with_its_first_panel_alone(course.folder / "notebooks" / name)
    work_the_panel(page, course, f"notebooks/{name}")
