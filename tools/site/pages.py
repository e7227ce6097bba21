"""What our pages need and Sphinx does not do: alternative texts, and the ways to run a notebook."""

from __future__ import annotations

import base64
import hashlib
import inspect
import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

from tools.address import slug_in

MISTAKES = (
    # The list of pages lies in no landmark.
    (
        re.compile(r'<div id="pst-primary-sidebar"'),
        r'\g<0> role="complementary" aria-label="The site"',
    ),
    # This button has its text, and is given another name.
    (
        re.compile(
            r'(<button class="[^"]*search-button-field[^>]*?) title="[^"]*" aria-label="[^"]*"'
        ),
        r"\1",
    ),
    # What opens a part of that list has no name.
    (re.compile(r'<summary>(?=<span class="toctree-toggle")'), '<summary aria-label="Its pages">'),
    # The corner of a table is a heading of nothing.
    (re.compile(r'<th class="head[^>]*>(<p></p>)?</th>'), "<td></td>"),
)
# The arguments in a long signature are a list of definitions without terms.
SIGNATURE = re.compile(r'<dl>\n<dd><em class="sig-param">.*?</dl>', re.DOTALL)

PYTHONS_OWN = "Call self as a function."

ROOT = Path(__file__).resolve().parent.parent.parent


def home() -> str:
    """The repository's address."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    return tomllib.loads(text)["project"]["urls"]["Repository"]


def binder(path: str) -> str:
    """Where Binder opens a file of the repository."""
    slug = slug_in((ROOT / "pyproject.toml").read_text("utf-8"))
    return f"https://mybinder.org/v2/gh/{slug}/HEAD?urlpath=lab/tree/{path}"


def pictures(notebook: dict[str, Any]) -> list[tuple[bytes, str]]:
    """The pictures of a notebook in order, each with its alternative text; "" where it has none."""
    found = []
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                image = base64.b64decode("".join(output["data"]["image/png"]))
                of_image = output.get("metadata", {}).get("image/png", {})
                found.append((image, of_image.get("alt", "")))
    return found


def ways(name: str) -> list[tuple[str, str]]:
    """How a reader can work with a notebook: what the link says, and where it leads from its page.

    The browser edition is a folder beside the pages; ``make lite`` builds it.
    """
    return [
        ("Open it in this browser", f"../lite/lab/index.html?path={name}.ipynb"),
        ("Open it on Binder", binder(f"notebooks/{name}.ipynb")),
        ("Download it", f"{name}.ipynb"),
    ]


def ways_in() -> list[tuple[str, str]]:
    """The same for the whole course, from the first page."""
    return [
        ("Start in this browser", "lite/lab/index.html?path=00_start_here.ipynb"),
        ("Start on Binder", binder("notebooks/00_start_here.ipynb")),
        ("Download all", f"{home()}/archive/refs/heads/main.zip"),
    ]


def set_alternative_texts(doctree: Any, notebook: dict[str, Any]) -> None:
    """myst-nb forgets them.  It names a picture's file by a hash of the picture."""
    from docutils import nodes

    texts = {hashlib.sha256(image).hexdigest(): text for image, text in pictures(notebook)}
    for image in doctree.findall(nodes.image):
        image["alt"] = texts[Path(image["uri"]).stem]
        image.attributes.pop("height", None)  # a narrow window changes width and height


def add_links(doctree: Any, listed: list[tuple[str, str]]) -> None:
    """Under the page's title, a list of links."""
    from docutils import nodes

    links = nodes.bullet_list(classes=["ways"])
    for said, address in listed:
        link = nodes.reference("", said, refuri=address, internal=False)
        links += nodes.list_item("", nodes.paragraph("", "", link))
    title = next(doctree.findall(nodes.title))
    title.parent.insert(title.parent.index(title) + 1, links)


def finish(app: Any, doctree: Any) -> None:
    """A page that was read; Sphinx calls this."""
    folder, _, name = app.env.docname.rpartition("/")
    if folder == "notebooks":
        notebook = json.loads(Path(app.env.doc2path(app.env.docname)).read_text("utf-8"))
        set_alternative_texts(doctree, notebook)
        add_links(doctree, ways(name))
    elif app.env.docname == "index":
        add_links(doctree, ways_in())


def mended(html: str) -> str:
    """A page without the theme's and Sphinx's mistakes that axe finds."""
    for before, after in MISTAKES:
        html = before.sub(after, html)
    return SIGNATURE.sub(lambda found: re.sub(r"(?<=[</])d[ld]\b", "div", found[0]), html)


def linkcode_resolve(domain: str, info: dict[str, str]) -> str | None:
    """Where the code of something stands; Sphinx asks."""
    found: Any = sys.modules.get(info["module"])
    for part in info["fullname"].split("."):
        found = getattr(found, part, None)
    try:
        path = Path(inspect.getsourcefile(inspect.unwrap(found)) or "")
    except TypeError:  # a constant
        return None
    return f"{home()}/blob/main/{path.relative_to(ROOT)}" if path.is_relative_to(ROOT) else None


def as_rst(lines: list[str]) -> list[str]:
    """A docstring of ours as reStructuredText.

    What is indented after an empty line is code, and ``|a|`` in prose is a magnitude.
    """
    made: list[str] = []
    in_code = False
    for number, line in enumerate(lines):
        indented = line.startswith("    ")
        if line and not indented:
            in_code = False
        elif indented and number and not lines[number - 1]:
            if not in_code:
                made += ["::", ""]
            in_code = True
        parts = line.split("``")
        if not in_code:
            parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
        made.append("``".join(parts))
    return made


def rewrite(app: Any, what: str, name: str, found: Any, options: Any, lines: list[str]) -> None:
    """Sphinx calls this for each docstring.  Python's own, of what has none, says nothing."""
    lines[:] = [] if lines[:1] == [PYTHONS_OWN] else as_rst(lines)


def left_out(
    app: Any, what: str, name: str, found: Any, skipped: bool, options: Any
) -> bool | None:
    """What Matplotlib writes into the classes that are made from its own."""
    return True if what == "class" and name == "set" else None


def setup(app: Any) -> dict[str, bool]:
    """Sphinx calls this first."""
    app.config.linkcode_resolve = linkcode_resolve
    app.connect("autodoc-process-docstring", rewrite)
    app.connect("autodoc-skip-member", left_out)
    app.connect("doctree-read", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
