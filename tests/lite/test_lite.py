"""The browser edition: built, opened, run and played with, without a server and without a network.

Times are printed for whoever wants to know them; nothing asserts one.
"""

from __future__ import annotations

import ast
import json
import time
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import Page, expect

from dnilab.experiments import Settings, run
from tests.browser.steps import (
    PanelInPage,
    cells,
    complaints,
    in_the_way,
    screenshot,
    wait_for_kernel,
)
from tests.lite.conftest import Site
from tools.lite.build import INSTALL, ROOT, SITE

SLOW = 600_000  # ms, on a machine that has other things to do
FONTS = "Matplotlib is building the font cache"  # which it has to, in a new browser
QUICK = (
    'dnilab(bits=8, examples=400, test_examples=500, hidden=(12, 8), dtype="float32", epochs=3, '
    'seeds=2, beside=("backprop",))'
)
# What threads run elsewhere, and the processes that a sweep starts.
PROGRAM = """
import json
from dnilab.experiments import Settings, run
from dnilab.lessons.playground.sweeps import sweep, sweep_plan
small = Settings(examples=2000, epochs=2)
piped = small.but(ordering="pipeline", epochs=1)
weights = [
    b"".join(theta.tobytes() for theta in run(piped.but(executor=executor)).stack.thetas)
    for executor in (None, "one thread", "threads")
]
plan = sweep_plan(small.but(epochs=1), {"rate": (1e-3, 3e-3)}, seeds=[0])
rows = list(sweep(plan, progress=False))
print(json.dumps({
    "right": run(small).final("bit_accuracy"),
    "digits": run(Settings(task="digits", epochs=1)).final("class_error"),
    "same bits": len(set(weights)) == 1,
    "sweep": sorted((row.asked["rate"], row.scores["right"]) for row in rows),
}))
"""


def open_in_lab(page: Page, site: Site, notebook: str) -> None:
    page.goto(f"{site.url}lab/index.html?path={notebook}")
    page.set_default_timeout(SLOW)
    wait_for_kernel(page)
    page.set_default_timeout(60_000)


def run_every_cell(page: Page) -> None:
    """From the menu, with what was there before cleared away, so that it is not taken for new."""
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_function(
        """() => {
          const cells = [...window.jupyterapp.shell.currentWidget.content.model.cells]
            .filter(cell => cell.type === 'code' && cell.sharedModel.source.trim());
          const failed = cells.some(cell =>
            cell.toJSON().outputs.some(output => output.output_type === 'error'));
          return failed || cells.every(cell =>
            cell.executionCount !== null && cell.executionState !== 'running');
        }""",
        timeout=SLOW,
    )


def grumbles(page: Page) -> list[str]:
    return [said for said in complaints(page) if FONTS not in said]


def said_by(page: Page, code: str) -> str:
    """Run code in the notebook's own Python; what it printed, or its error."""
    return page.evaluate(
        """async code => {
          const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
          const future = kernel.requestExecute({code});
          let said = '';
          future.onIOPub = ({content}) => {
            said += content.text ?? (content.traceback ?? []).join('\\n');
          };
          await future.done;
          return said;
        }""",
        code,
    )


def test_the_first_notebook_runs_its_panel_answers_and_the_work_is_kept(page: Page, site: Site):
    began = time.perf_counter()
    open_in_lab(page, site, "00_start_here.ipynb")
    print(f"\nPython was ready after {time.perf_counter() - began:.0f} s")
    run_every_cell(page)
    assert grumbles(page) == []
    told = json.dumps(cells(page))
    assert "Your machine is ready." in told
    assert "with one core all notebooks work" in told
    panel = PanelInPage(page)
    before = panel.finished()
    print(f"the notebook had run after {time.perf_counter() - began:.0f} s")
    panel.move_control()
    panel.wait_for_change(before)
    panel.finished()
    assert panel.picture.evaluate("image => image.naturalWidth") > 0
    screenshot(page, "lite-00", "panel")

    # The numbers of a small run, what threads and processes do elsewhere, and the digits.
    small = Settings(examples=2000, epochs=2)
    found = json.loads(said_by(page, PROGRAM))
    assert found["right"] == pytest.approx(run(small).final("bit_accuracy"), abs=1e-3)
    digits = run(Settings(task="digits", epochs=1)).final("class_error")
    assert found["digits"] == pytest.approx(digits, abs=0.01)
    assert found["same bits"]
    print(f"there {found}")
    assert [rate for rate, _ in found["sweep"]] == [1e-3, 3e-3]

    # What a learner writes is there again after the page was closed, in this browser alone.
    page.evaluate(
        """async () => {
          const {content} = window.jupyterapp.shell.currentWidget;
          content.model.cells.get(0).sharedModel.setSource('# Mine');
          await window.jupyterapp.commands.execute('docmanager:save');
        }"""
    )
    again = page.context.new_page()
    page.close()
    again.goto(f"{site.url}lab/index.html?path=00_start_here.ipynb")
    expect(again.locator(".jp-Notebook h1", has_text="Mine")).to_be_visible(timeout=SLOW)
    assert in_the_way(again) == []
    assert site.outside == []


def test_the_playground_opens_with_the_settings_of_its_link(page: Page, site: Site):
    began = time.perf_counter()
    page.goto(f"{site.url}playground.html?settings={quote(QUICK)}")
    inside = page.frame_locator("iframe")
    box = inside.locator(".dnilab-playground").first
    expect(box.locator(".dnilab-picture").first).to_be_visible(timeout=SLOW)
    print(f"\nthe first picture was there after {time.perf_counter() - began:.0f} s")
    expect(box.get_by_label("Settings string").first).to_have_value(QUICK.replace('"', "'"))
    sentence = box.locator(".dnilab-sentence").first
    expect(sentence).to_contain_text("from 0 to 3. ", timeout=SLOW)
    picture = box.locator("img").first
    assert picture.evaluate("image => image.naturalWidth") > 0
    screenshot(page, "lite-playground", "picture")
    expect(inside.get_by_text("%pip install")).to_be_hidden()  # no code is shown
    expect(box.get_by_label("Preset").first).to_be_in_viewport()

    box.locator(".dnilab-heading", has_text="Training").focus()
    page.keyboard.press("Space")
    slider = box.locator(".dnilab-control", has_text="Epochs").get_by_role("slider")
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(sentence).to_contain_text("from 0 to 4. ", timeout=SLOW)
    assert site.outside == []


def test_the_default_comparison_comes_to_its_end(
    page: Page, site: Site, pytestconfig: pytest.Config
):
    """How long it takes here; in JupyterLab `python -m benchmarks.panels --only default` says."""
    if not pytestconfig.getoption("--all-notebooks"):
        pytest.skip("it takes a while; --all-notebooks runs it, too")
    page.goto(f"{site.url}playground.html")
    box = page.frame_locator("iframe").locator(".dnilab-playground").first
    expect(box.locator(".dnilab-picture").first).to_be_visible(timeout=SLOW)
    again = box.get_by_role("button", name="Play again")
    expect(again).to_be_visible(timeout=SLOW)
    again.click()
    began = time.perf_counter()
    expect(box.get_by_role("button", name="Pause")).to_be_visible()
    expect(again).to_be_visible(timeout=SLOW)
    print(f"\nthe default comparison took {time.perf_counter() - began:.1f} s")


def test_a_link_can_not_bring_code_along(page: Page, site: Site):
    hostile = 'x"); import js; js.postMessage("mine"); ("\\\n\u2028é'
    page.goto(f"{site.url}playground.html?settings={quote(hostile)}")
    asked = page.locator("iframe").get_attribute("src") or ""
    (code,) = parse_qs(urlsplit(asked).query)["code"]
    *_, last = ast.parse("\n".join(code.split("\n")[1:])).body
    assert isinstance(last, ast.Expr)
    assert isinstance(last.value, ast.Call)
    assert ast.unparse(last.value.func) == "playground_page"
    assert [ast.literal_eval(given) for given in last.value.args] == [hostile]


def test_every_notebook_runs(page: Page, site: Site, any_notebook: str):
    open_in_lab(page, site, any_notebook)
    began = time.perf_counter()
    run_every_cell(page)
    print(f"\n{any_notebook}: {time.perf_counter() - began:.0f} s")
    assert grumbles(page) == []
    assert site.outside == []


def test_the_site_has_every_notebook_and_every_link_leads_somewhere():
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        text = Path(SITE, "files", path.name).read_text("utf-8")
        assert "](../" not in text
        assert (json.dumps(INSTALL) in text) == (path.name[:2] != "11")
        assert "The browser edition." in text
