"""Make a deck of slides from each notebook, with nbconvert and reveal.js: `make slides`.

    python tools/slides/build.py            into build/slides
    python tools/slides/build.py 03 04      these notebooks alone

Open build/slides/index.html; arrows go from section to section, the space bar goes through all, and
?print-pdf behind an address prints.  reveal.js and MathJax come from npm, in the versions below and
verified by their hashes, and lie beside the decks: no page asks another site for anything.
"""

from __future__ import annotations

import html
import shutil
import sys
from pathlib import Path

import nbformat
from nbconvert import SlidesExporter
from traitlets.config import Config

ROOT = Path(__file__).resolve().parent.parent.parent
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from tools.npm import NotToBeHad, package  # noqa: E402
from tools.slides.deck import Deck, deck_of  # noqa: E402

HERE = Path(__file__).resolve().parent
SLIDES = ROOT / "build" / "slides"
REVEAL = (
    "reveal.js@5.2.1",
    "r7//6mIM5p34hFiDMvYfXgyjXqGRta+/psd9YtytsgRlrpRzFv4RbH76TXd2qD+7ZPZEbpBDhdRhJaFgfQ7zNQ==",
)
MATHJAX = (
    "mathjax@3.2.2",
    "Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/O9NliPc+x77k1/FEsPsjKPZGJvtRZM1vO+geW0OhGw==",
)
PARTS = ("dist/reset.css", "dist/reveal.css", "dist/reveal.js", "dist/theme/white.css", "LICENSE")


def gather(folder: Path) -> None:
    """What the pages load, beside them.  Raises NotToBeHad."""
    reveal, mathjax = package(*REVEAL), package(*MATHJAX)
    for name in PARTS:
        target = folder / "reveal" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(reveal / name, target)
    # The theme asks for a font that we do not use; without this line it would be a file not found.
    theme = folder / "reveal" / "dist" / "theme" / "white.css"
    lines = theme.read_text("utf-8").split("\n")
    theme.write_text("\n".join(x for x in lines if not x.startswith("@import")), "utf-8")
    (folder / "mathjax").mkdir(parents=True)
    shutil.copy(mathjax / "es5" / "tex-svg.js", folder / "mathjax")
    shutil.copy(mathjax / "LICENSE", folder / "mathjax")
    shutil.copy(HERE / "slides.css", folder)


def page(deck: Deck) -> str:
    """The deck as a page."""
    config = Config()
    config.SlidesExporter.reveal_url_prefix = "vendor/reveal"
    config.SlidesExporter.reveal_theme = "white"
    config.SlidesExporter.extra_template_basedirs = [str(HERE)]
    config.SlidesExporter.template_name = "template"
    deck.notebook.metadata["title"] = deck.title
    text, _ = SlidesExporter(config=config).from_notebook_node(deck.notebook)
    return text


def contents(decks: list[Deck]) -> str:
    """The page that leads to the decks."""
    items = "\n".join(
        f'<li><a href="{deck.number}.html">{html.escape(deck.title)}</a></li>' for deck in decks
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<title>dnilab: slides</title></head>\n<body><main><h1>dnilab: slides</h1>\n"
        "<p>Right arrow: the next section. Down arrow: the next slide of this section. "
        "Space bar: all slides in turn. Esc: an overview.</p>"
        f"\n<ul>\n{items}\n</ul></main></body></html>\n"
    )


def build(folder: Path, numbers: list[str]) -> list[Deck]:
    """Write the decks of these notebooks, or of all; return them.  Raises NotToBeHad."""
    shutil.rmtree(folder, ignore_errors=True)
    gather(folder / "vendor")
    (folder / "pictures").mkdir()
    decks = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        if numbers and path.stem[:2] not in numbers:
            continue
        deck = deck_of(nbformat.read(path, as_version=4), path.stem[:2])
        decks.append(deck)
        for name, picture in deck.pictures.items():
            (folder / "pictures" / name).write_bytes(picture)
        (folder / f"{deck.number}.html").write_text(page(deck), "utf-8")
    (folder / "index.html").write_text(contents(decks), "utf-8")
    return decks


def main(arguments: list[str]) -> int:
    try:
        decks = build(SLIDES, arguments)
    except NotToBeHad as error:
        print(f"There are no slides: {error}.", file=sys.stderr)
        return 1
    for deck in decks:
        print(f"{deck.title}: {len(deck.notebook.cells)} slides")
    print(f"{SLIDES / 'index.html'} leads to them.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
