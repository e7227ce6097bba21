"""The decks of slides: what is on them, and that they ask no other site for anything."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode, v4

from tests.notebooks.test_solutions import BLOCK
from tools.slides import build
from tools.slides.deck import Deck, deck_of, sentences

ROOT = Path(__file__).resolve().parent.parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def deck(path: Path) -> Deck:
    return deck_of(read(path), path.stem[:2])


def texts(made: Deck) -> list[str]:
    return [cell.source for cell in made.notebook.cells]


def ways(made: Deck) -> list[str]:
    return [cell.metadata["slideshow"]["slide_type"] for cell in made.notebook.cells]


@each
def test_a_deck_has_what_the_notebook_has(path: Path):
    notebook, made = read(path), deck(path)
    markdown = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    whole = "\n".join(texts(made))
    headings = re.findall(r"^## +(.*)$", markdown, re.MULTILINE)
    shown = re.findall(r"^## +(.*)$", whole, re.MULTILINE)
    assert list(dict.fromkeys(shown)) == [h for h in headings if h != "References"]
    assert whole.count("**Predict first") == markdown.count("**Predict first")
    answers = len(re.findall(r"<summary>(?!Solution)", markdown))
    assert whole.count("**Check your prediction.**") == answers
    assert "What to remember" in texts(made)[-1]
    pictures = [
        o for c in notebook.cells for o in c.get("outputs", ()) if "image/png" in o.get("data", {})
    ]
    assert len(made.pictures) == len(pictures) == whole.count("<img ")
    assert not re.search(r'alt=""|<figcaption class="\w+"></figcaption>', whole)


@each
def test_no_solution_is_on_a_slide(path: Path):
    whole = "\n".join(texts(deck(path)))
    assert "<details" not in whole
    for block in BLOCK.findall("\n".join(c.source for c in read(path).cells)):
        assert block not in whole


@each
def test_no_slide_is_crowded(path: Path):
    """Whether a slide fits is measured in a browser (tests/browser); this finds the worst here."""
    for text in texts(deck(path)):
        assert len(text) < 2500, text[:200]


@each
def test_the_notebook_keeps_no_metadata_of_slides(path: Path):
    assert all("slideshow" not in cell.metadata for cell in read(path).cells)


def test_a_section_after_the_other():
    cells = [
        v4.new_markdown_cell("# 99 · Title\n\nAims, [there](01.ipynb)."),
        v4.new_markdown_cell(
            "## One\n\nFirst words. Says A. Trask.\n\nIt leads to\n\n$$\na = b\n$$\n\n"
            "**Predict first.** Why?\n\n<details><summary>Check your prediction</summary>\n\n"
            "Because.\n\n</details>\n\nMore. It asks."
        ),
        v4.new_code_cell("x", outputs=[
            v4.new_output("display_data", data={"image/png": "AAAA"},
                          metadata={"image/png": {"alt": 'a "b"', "width": 700, "height": 400}}),
            v4.new_output("display_data", data={"text/markdown": r"Loss \(a < b\), 3\_4"}),
        ]),
        v4.new_markdown_cell("and so on. More of it.\n\n**Predict first.** And now?"),
        v4.new_markdown_cell(
            "<details><summary>Check your prediction</summary>\n\n- So.\n\n</details>\n\nNext:\n\n"
            "$$c$$\n\n## Two\n\n```python\n## no heading\n```\n\n"
            "<details><summary>Solution</summary>\n\nsecret\n\n</details>\n\n- one\n- two"
        ),
        v4.new_markdown_cell("## References\n\n- nobody"),
    ]  # fmt: skip
    made = deck_of(v4.new_notebook(cells=cells), "99")
    said = [re.sub(r"\s+", " ", re.sub(r"</?div[^>]*>", "", text)) for text in texts(made)]
    assert [text.strip() for text in said] == [
        "# 99 · Title Aims, there.",
        "## One First words. Says A. Trask.",
        "## One It leads to $$ a = b $$",
        "## One **Predict first.** Why?",
        "## One **Check your prediction.** Because.",
        '## One <figure><img src="pictures/99-1.png" alt="a &quot;b&quot;">'
        '<figcaption class="text">Loss (a &lt; b), 3_4</figcaption></figure>',
        "## One More of it. **Predict first.** And now?",
        "## One **Check your prediction.** - So.",
        "## One Next: $$c$$",
        "## Two - one - two",
    ]
    assert "**Check your prediction.**\n\n- So." in texts(made)[7]
    assert ways(made) == ["slide", "slide", *["subslide"] * 7, "slide"]
    assert made.pictures == {"99-1.png": b"\0\0\0"}


def test_a_question_comes_with_what_leads_to_it():
    asked = "**Predict first.** Which?"
    body = f"## One\n\nOpening.\n\n{asked}\n\n## Two\n\nOpening.\n\nIt leads.\n\n{asked}"
    made = deck_of(v4.new_notebook(cells=[v4.new_markdown_cell(c) for c in ("# 99", body)]), "99")
    bodies = [re.sub(r"</?div[^>]*>|^.*\n", "", text) for text in texts(made)[1:]]
    assert [" ".join(body.split()) for body in bodies] == [
        "Opening.", asked, "Opening.", f"It leads. {asked}",
    ]  # fmt: skip


def test_a_wide_formula_stands_in_lines():
    long = "x" * 150
    body = f"## One\n\nSee\n\n$$\n{long},\n\\qquad\n{long}.\n$$\n\n$$\na, \\qquad b\n$$"
    made = deck_of(v4.new_notebook(cells=[v4.new_markdown_cell(c) for c in ("# 99", body)]), "99")
    assert f"$$\n{long},\n$$\n\n$$\n{long}.\n$$" in texts(made)[1]
    assert "$$\na, \\qquad b\n$$" in texts(made)[2]


def test_sentences_that_fit():
    text = "One is. Two are (A. Trask). Three go."
    assert sentences(text, room=27) == "One is. Two are (A. Trask)."
    assert sentences(text, room=3) == "One is."
    assert sentences(text, room=3, last=True) == "Three go."
    assert sentences(text, room=30, last=True) == "Two are (A. Trask). Three go."


def test_a_page_asks_nobody():
    path = NOTEBOOKS[3]
    page = build.page(deck(path))
    asked = re.findall(
        r"(?:src|href)\s*=\s*[\"']([^\"'#]+)|url\(([^)]*)\)|import\s+\S+\s+from", page
    )
    files = {first or second for first, second in asked}
    assert all(name.startswith(("vendor/", "pictures/")) for name in files), files
    assert {"vendor/reveal/dist/reveal.js", "vendor/mathjax/tex-svg.js"} <= files
    assert not re.search(r"cdnjs|unpkg|jsdelivr|require\(", page)
    assert page.count("<section>") > 20
    assert f"<title>{deck(path).title}" in page


def test_what_a_page_loads_is_gathered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def package(name: str, sha512: str) -> Path:
        assert re.fullmatch(r"[\w.]+@\d+\.\d+\.\d+", name)
        assert len(sha512) == 88
        folder = tmp_path / name
        for part in (*build.PARTS, "es5/tex-svg.js", "LICENSE"):
            (folder / part).parent.mkdir(parents=True, exist_ok=True)
            (folder / part).write_text("@import url(https://fonts.example/x);\nbody{}")
        return folder

    monkeypatch.setattr(build, "package", package)
    decks = build.build(tmp_path / "slides", ["00", "14"])
    assert [one.number for one in decks] == ["00", "14"]
    for one in decks:
        page = (tmp_path / "slides" / f"{one.number}.html").read_text("utf-8")
        for name in re.findall(r"(?:src|href)=\"([^\"#:]+)\"", page):
            assert (tmp_path / "slides" / name).is_file(), name
    theme = tmp_path / "slides" / "vendor" / "reveal" / "dist" / "theme" / "white.css"
    assert theme.read_text() == "body{}"
    assert '<a href="14.html">14 · Does a layer have to wait?</a>' in (
        tmp_path / "slides" / "index.html"
    ).read_text("utf-8")


def test_without_npm_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def nothing(*_: object) -> None:
        raise build.NotToBeHad("there is no npm here")

    monkeypatch.setattr(build, "build", nothing)
    assert build.main([]) == 1
    assert capsys.readouterr().err == "There are no slides: there is no npm here.\n"
