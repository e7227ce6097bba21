"""The slides in a real browser: every one fits, every formula is set, and nobody else is asked."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.steps import screenshot
from tools.npm import NotToBeHad
from tools.slides.build import build

# The longest, with the widest formulas, the tallest picture and the longest answers.
NUMBERS = ["03", "05", "08", "13"]
# Goes through all slides; what is wrong with which of them, and how many there are.
LOOK = """() => {
  const box = part => part.getBoundingClientRect();
  const fault = slide => {
    const parts = [...slide.querySelectorAll("h1, h2, p, li, figcaption, img, mjx-container")];
    if (!parts.length) return "empty";
    if (parts.some(part => box(part).bottom > innerHeight || box(part).top < 0)) return "too high";
    if (parts.some(part => box(part).right > innerWidth + 1)) return "too wide";
    if (slide.querySelector("mjx-merror, [data-mjx-error]")) return "a formula is wrong";
    const pictures = [...slide.querySelectorAll("img")];
    return pictures.every(one => one.naturalWidth && one.alt) ? "" : "a picture is missing";
  };
  const wrong = {}, total = Reveal.getTotalSlides();
  for (let number = 1; number <= total; number++, Reveal.next()) {
    const said = fault(Reveal.getCurrentSlide());
    if (said) wrong[number] = said;
  }
  return [wrong, total, Reveal.isLastSlide()];
}"""


@pytest.fixture(scope="module")
def slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "slides"
    try:
        build(folder, NUMBERS)
    except NotToBeHad as why:
        warnings.warn(pytest.PytestWarning(f"the slides were NOT tested: {why}"), stacklevel=1)
        pytest.skip(f"reveal.js and MathJax are not to be had: {why}")
    return folder


@pytest.mark.filterwarnings("default::pytest.PytestWarning")
@pytest.mark.parametrize("number", NUMBERS)
def test_every_slide_fits(browser: Browser, slides: Path, number: str):
    page = browser.new_page(viewport={"width": 1280, "height": 720}, reduced_motion="reduce")
    elsewhere: list[str] = []
    page.on("request", lambda r: r.url.startswith(("file:", "data:")) or elsewhere.append(r.url))
    page.on("requestfailed", lambda r: elsewhere.append(f"failed: {r.url}"))
    page.on("pageerror", lambda error: elsewhere.append(str(error)))
    page.goto((slides / f"{number}.html").as_uri())
    page.wait_for_selector("body[data-slides=ready]", timeout=120_000)
    screenshot(page, "slides", f"{number}-first")
    wrong, total, at_the_end = page.evaluate(LOOK)
    screenshot(page, "slides", f"{number}-last")
    assert (wrong, elsewhere, at_the_end) == ({}, [], True)
    assert total >= 7
    assert page.evaluate("document.documentElement.lang") == "en"
    page.close()
