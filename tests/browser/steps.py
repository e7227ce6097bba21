"""What a student does in the browser, and what they must see: the steps of the browser tests."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any

import nbformat
from nbformat import v4
from playwright.sync_api import Error, Page, expect

from tests.browser.server import ROOT, Lab

ARTIFACTS = ROOT / "browser-artifacts"
IDLE_TIMEOUT = 180  # seconds, for all cells of a notebook
CHANGE_TIMEOUT = 60  # seconds, for a panel to follow a control
REST_TIMEOUT = 180  # seconds, for a panel to finish what it runs
STILL = 1.0  # seconds without a change, after which a panel counts as finished


def screenshot(page: Page, name: str, moment: str) -> None:
    """Keep a picture for whoever looks into a run; it is no check, so none fails for lack of it.

    Now and then the browser can't make one, as of a page whose server is gone.
    """
    ARTIFACTS.mkdir(exist_ok=True)
    clean = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-")
    try:
        page.screenshot(path=ARTIFACTS / f"{clean}-{moment}.png")
    except Error as fault:
        print(f"No screenshot of {clean}-{moment}: {fault}")


def add(lab: Lab, name: str, *sources: str) -> str:
    """A notebook with these cells, in the served folder."""
    notebook = v4.new_notebook(
        cells=[v4.new_markdown_cell("# Title"), *map(v4.new_code_cell, sources)],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(notebook, lab.folder / name)
    return name


def open_notebook(page: Page, lab: Lab, name: str) -> None:
    """Open a notebook, named as seen from the served folder, and wait for its kernel."""
    page.goto(lab.link(name))
    wait_for_kernel(page)


def wait_for_kernel(page: Page) -> None:
    """Wait until the notebook in front is drawn and its kernel has nothing to do."""
    in_front = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook")
    expect(in_front).to_be_visible(timeout=IDLE_TIMEOUT * 1000)
    page.wait_for_function(
        "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status"
        " === 'idle'",
        timeout=IDLE_TIMEOUT * 1000,
    )


def cells(page: Page) -> list[dict[str, Any]]:
    """The cells of the notebook in front, as they would be saved."""
    return page.evaluate(
        "() => [...window.jupyterapp.shell.currentWidget.content.model.cells]"
        ".map(cell => cell.toJSON())"
    )


def stop_kernels(page: Page) -> None:
    """Stop every kernel of the server that the page is on, if it is on one."""
    page.evaluate("async () => { await window.jupyterapp?.serviceManager.sessions.shutdownAll(); }")


def run_all(page: Page) -> None:
    """Run every cell from the menu, and wait until the last one is done."""
    # Committed notebooks hold outputs: those would be taken for the new ones.
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_function(
        """() => {
          const panel = window.jupyterapp.shell.currentWidget;
          const waiting = [...panel.content.model.cells].filter(cell =>
            cell.type === 'code' && cell.sharedModel.source.trim()
            && (cell.executionCount === null || cell.executionState === 'running'));
          const failed = [...panel.content.model.cells].some(cell =>
            cell.type === 'code'
            && cell.toJSON().outputs.some(output => output.output_type === 'error'));
          const idle = panel.sessionContext.session.kernel.status === 'idle';
          return idle && (failed || waiting.length === 0);
        }""",
        timeout=IDLE_TIMEOUT * 1000,
    )


def complaints(page: Page) -> list[str]:
    """Every error and warning that the notebook in front shows."""
    found = []
    for number, cell in enumerate(cells(page)):
        for output in cell.get("outputs", []):
            if output["output_type"] == "error":
                found.append(f"cell {number}: {output['ename']}: {output['evalue']}")
            elif output.get("name") == "stderr":
                found.append(f"cell {number}: {output['text']}")
    return found


def in_the_way(page: Page) -> list[str]:
    """What stands in front of the notebook: dialogs, and questions in the corner."""
    return page.locator(".jp-Dialog, .Toastify__toast").all_inner_texts()


@dataclass(frozen=True)
class Shown:
    """What a panel shows: the address of its picture, and the sentence under it."""

    picture: str
    sentence: str


class PanelInPage:
    """The first panel of the notebook in front."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.box = page.locator(".dnilab-panel").first
        self.picture = self.box.locator("img").first
        self.sentence = self.box.locator(".dnilab-sentence").first
        # The first slider that is not greyed out; where there is none, the first list.
        sliders = self.box.locator(".noUi-target:not([disabled])").get_by_role("slider")
        self.is_slider = sliders.count() > 0
        self.control = sliders.first if self.is_slider else self.box.locator("select").first
        for part in (self.picture, self.sentence, self.control):
            part.scroll_into_view_if_needed()
            expect(part).to_be_visible()

    def shown(self) -> Shown:
        return Shown(self.picture.get_attribute("src") or "", self.sentence.inner_text())

    def finished(self) -> Shown:
        """Wait until nothing changes by itself, so that a change is the control's doing."""
        deadline = time.monotonic() + REST_TIMEOUT
        before, since = self.shown(), time.monotonic()
        while time.monotonic() - since < STILL:
            assert time.monotonic() < deadline, "the panel goes on changing by itself"
            self.page.wait_for_timeout(100)
            now = self.shown()
            if now != before:
                before, since = now, time.monotonic()
        return before

    def place(self) -> tuple[float, float, float]:
        """Where the control stands, and its lowest and highest place."""
        if self.is_slider:
            names = ("aria-valuenow", "aria-valuemin", "aria-valuemax")
            now, lowest, highest = (self.control.get_attribute(name) for name in names)
            return float(now or "nan"), float(lowest or "nan"), float(highest or "nan")
        now, count = self.control.evaluate("list => [list.selectedIndex, list.options.length]")
        return now, 0, count - 1

    def move_control(self) -> None:
        """Move the control by the keyboard alone, away from the nearer end."""
        before, lowest, highest = self.place()
        upwards = before - lowest <= highest - before
        self.control.focus()
        if self.is_slider:
            keys = ["ArrowRight" if upwards else "ArrowLeft"] * 3
        else:  # closed, a list would lose its arrow keys to JupyterLab, which moves to a cell
            keys = ["Space", "ArrowDown" if upwards else "ArrowUp", "Enter"]
        for key in keys:
            self.page.keyboard.press(key)
        assert self.place()[0] != before, "the control does not answer to the keyboard"

    def wait_for_change(self, before: Shown) -> None:
        """Wait until both the picture and the sentence are others than before."""
        deadline = time.monotonic() + CHANGE_TIMEOUT
        while time.monotonic() < deadline:
            now = self.shown()
            if now.picture != before.picture and now.sentence != before.sentence:
                return
            self.page.wait_for_timeout(50)
        assert now.picture != before.picture, "the picture does not follow the control"
        assert now.sentence != before.sentence, f"the sentence stays: {now.sentence}"


def work_the_panel(page: Page, lab: Lab, notebook: str) -> None:
    """Open a notebook, run it, move a control of its first panel, and see the panel follow."""
    open_notebook(page, lab, notebook)
    run_all(page)
    assert complaints(page) == []
    panel = PanelInPage(page)
    before = panel.finished()
    assert before.sentence.strip(), "the picture has no sentence under it"
    screenshot(page, notebook, "before")
    panel.move_control()
    panel.wait_for_change(before)
    panel.finished()
    screenshot(page, notebook, "after")
    assert complaints(page) == []
    assert in_the_way(page) == []
