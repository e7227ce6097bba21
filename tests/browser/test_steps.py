"""The steps themselves, on small notebooks: they see a panel that works, and one that does not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Error, Page

from tests.browser import conftest, steps
from tests.browser.server import Lab, alive, running_lab
from tests.browser.steps import add, cells, complaints, open_notebook, run_all, work_the_panel

PANEL = """
import io
import ipywidgets as widgets
from PIL import Image

def png(value):
    stream = io.BytesIO()
    Image.new("RGB", (200, 100), (value * 20, 100, 200)).save(stream, "PNG")
    return stream.getvalue()

def sentence(value):
    return f"<p>The value is {value}.</p>"

slider = widgets.IntSlider(value=2, min=0, max=10, description="value")
picture = widgets.Image(value=png(2), format="png")
words = widgets.HTML(sentence(2)).add_class("dnilab-sentence")

def follow(change):
    FOLLOW

slider.observe(follow, "value")
widgets.VBox([slider, picture, words]).add_class("dnilab-panel")
"""
BOTH = "picture.value = png(change.new); words.value = sentence(change.new)"


def test_a_panel_that_works(page: Page, course: Lab):
    work_the_panel(page, course, add(course, "works.ipynb", "1 + 1", PANEL.replace("FOLLOW", BOTH)))


def test_a_panel_with_a_list_instead_of_a_slider(page: Page, course: Lab):
    options = "widgets.Dropdown(options=[1, 2, 3], value=2)"
    source = PANEL.replace("FOLLOW", BOTH)
    slider = 'widgets.IntSlider(value=2, min=0, max=10, description="value")'
    assert slider in source
    work_the_panel(page, course, add(course, "list.ipynb", source.replace(slider, options)))


def test_a_panel_whose_first_slider_is_greyed_out(page: Page, course: Lab):
    source = PANEL.replace("FOLLOW", BOTH)
    grey = "widgets.IntSlider(disabled=True)"
    assert "widgets.VBox([slider" in source
    source = source.replace("widgets.VBox([slider", f"widgets.VBox([{grey}, slider")
    work_the_panel(page, course, add(course, "grey.ipynb", source))


@pytest.mark.parametrize(
    ("name", "follow", "said"),
    [
        ("deaf.ipynb", "pass", "the picture does not follow"),
        ("mute.ipynb", "picture.value = png(change.new)", "the sentence stays"),
        ("blind.ipynb", "words.value = sentence(change.new)", "the picture does not follow"),
    ],
)
def test_a_panel_that_does_not(
    page: Page,
    course: Lab,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    follow: str,
    said: str,
):
    monkeypatch.setattr(steps, "CHANGE_TIMEOUT", 3)
    with pytest.raises(AssertionError, match=said):
        work_the_panel(page, course, add(course, name, PANEL.replace("FOLLOW", follow)))


def test_a_panel_that_never_rests(page: Page, course: Lab, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(steps, "REST_TIMEOUT", 3)
    restless = """
import threading, time
def tick():
    for count in range(300):
        words.value = sentence(count)
        time.sleep(0.1)
threading.Thread(target=tick, daemon=True).start()
"""
    name = add(course, "restless.ipynb", PANEL.replace("FOLLOW", BOTH), restless)
    with pytest.raises(AssertionError, match="goes on changing"):
        work_the_panel(page, course, name)


def test_an_error_and_a_warning_are_seen(page: Page, course: Lab):
    name = add(course, "fails.ipynb", "import warnings; warnings.warn('careful')", "1 / 0", "2")
    open_notebook(page, course, name)
    run_all(page)
    first, second = complaints(page)
    assert "UserWarning: careful" in first
    assert second == "cell 2: ZeroDivisionError: division by zero"


def test_the_server_and_its_kernels_are_stopped(page: Page, tmp_path: Path):
    served, private = tmp_path / "served", tmp_path / "private"
    served.mkdir()
    private.mkdir()
    with running_lab(served, private) as lab:
        open_notebook(page, lab, add(lab, "pid.ipynb", "import os\nprint(os.getpid())"))
        run_all(page)
        kernel = int(cells(page)[1]["outputs"][0]["text"])
        os.kill(kernel, 0)  # raises where there is no such process
        assert alive(lab.group)
    assert not alive(lab.group)
    with pytest.raises(ProcessLookupError):
        os.kill(kernel, 0)
    with pytest.raises(Error, match="ERR_CONNECTION_REFUSED"):
        page.goto(lab.url)


def test_the_browser_named_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    browser = tmp_path / "chromium"
    browser.write_text("#!/bin/sh\n")
    browser.chmod(0o755)
    monkeypatch.setenv("CHROMIUM", str(browser))
    assert conftest.find_chromium() == str(browser)
    monkeypatch.delenv("CHROMIUM")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert conftest.find_chromium() == str(browser)


def test_no_browser_is_said_clearly(monkeypatch: pytest.MonkeyPatch, request):
    monkeypatch.setenv("CHROMIUM", "/nowhere/chromium")
    with pytest.raises(pytest.exit.Exception, match="found none") as said:
        conftest.pytest_sessionstart(request.session)
    assert said.value.returncode == 1
