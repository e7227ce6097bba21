"""Build the site: the notebooks as they are committed, a glossary, and the API, as pages.

    make site          builds it into build/site

Nothing is run: the pictures are those of the committed notebooks.  Whoever opens a page asks
nobody but the site: MathJax is in it.  The browser edition (``make lite``) belongs into its folder
``lite``.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tools import npm  # noqa: E402
from tools.site.pages import home, mended  # noqa: E402

HERE = ROOT / "tools" / "site"
SITE = ROOT / "build" / "site"
PARTS = ROOT / "build" / "for-site"  # what Sphinx reads

MATHJAX = {
    "mathjax@4.1.3": (
        "BN/8Pkgn7G1pIDYJqd9md+JHsE/jydSYbyOZnSdSA0WziuVO8mRxdYiWFumkVVly/8U+hm9DpIIoWuvySverzw=="
    ),
    "@mathjax/mathjax-newcm-font@4.1.3": (
        "gzAB3dFHilHX1l5x2xUqRL+1jDQt3Fyza1DkEMVXWC4E8SvsGdlgEza47HYi2WhVcgfkvf4zgUGzuhbq3Pjlew=="
    ),
}
MATHJAX_PARTS = ("LICENSE", "startup.js", "core.js", "input/tex.js", "output/chtml.js",
                 "a11y/assistive-mml.js")  # fmt: skip

CORE = ("data", "network", "orderings", "training", "experiments", "pictures", "widgets")
ALONE = ("dnilab.exercises", "dnilab.lessons.method")
ABOUT_CODE = """# The code

What the package offers, with the shape of every array. The core has what all lessons share; each
room has what serves one lesson.

"""
RESULTS = """## Results

[What was measured](results.md), each figure with the command that gives it.

"""
LINK = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")
BADGE = re.compile(r"^\[!\[.*\n", re.MULTILINE)
TERM = re.compile(r"^- \*\*(.+?)\*\*: ((?:.+\n)(?:  .+\n)*)", re.MULTILINE)


# Pages out of what is written


def sources() -> list[str]:
    """The files that become pages, by their paths in the repository."""
    patterns = ("notebooks/*.ipynb", "docs/*.md", "teaching/**/*.md")
    return sorted(str(path.relative_to(ROOT)) for p in patterns for path in ROOT.glob(p))


def relinked(text: str, page: str, pages: list[str]) -> str:
    """Links to files that are no pages lead to the repository; README.md is the first page."""

    def lead(found: re.Match[str]) -> str:
        link = found[0]
        if re.match(r"[a-z]+:|#", link):
            return link
        name, mark, anchor = link.partition("#")
        path = (ROOT / page).parent.joinpath(unquote(name)).resolve().relative_to(ROOT)
        if str(path) == "README.md":
            return "../index.md"
        if path.as_posix() in pages or path.suffix == ".png":
            return link
        kind = "tree" if (ROOT / path).is_dir() else "blob"
        return f"{home()}/{kind}/main/{path.as_posix()}{mark}{anchor}"

    return LINK.sub(lead, text)


def front(readme: str) -> tuple[str, str]:
    """The first page, and that with the results: README.md without its badges, in two."""
    sections = re.split(r"^(?=## )", BADGE.sub("", readme), flags=re.MULTILINE)
    (results,) = (one for one in sections if one.startswith("## Results"))
    first = "".join(RESULTS if one is results else one for one in sections)
    return first, results.replace("## Results", "# Results")


def as_glossary(text: str) -> str:
    """The list of terms as Sphinx's glossary, so that the search finds each term."""

    def block(found: re.Match[str]) -> str:
        meaning = "\n".join("  " + line.strip() for line in found[2].splitlines())
        return f"{found[1]}\n{meaning}\n\n"

    start, end = text.index("\n- **") + 1, text.index("\n## Letters")
    terms = TERM.sub(block, text[start:end]).rstrip()
    return f"{text[:start]}:::{{glossary}}\n{terms}\n:::\n{text[end:]}"


def contents(caption: str, pages: list[str]) -> str:
    """A part of the list of contents."""
    listed = "\n".join(pages)
    return f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{listed}\n```\n"


def write(name: str, text: str) -> None:
    path = PARTS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def gather_notebook(page: str, pages: list[str]) -> None:
    notebook = json.loads((ROOT / page).read_text("utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = relinked("".join(cell["source"]), page, pages)
    write(page, json.dumps(notebook, ensure_ascii=False))


def gather_pages() -> None:
    """Every page that somebody wrote, and the first page with the list of all."""
    pages = sources()
    for page in pages:
        if page.endswith(".ipynb"):
            gather_notebook(page, pages)
            continue
        text = relinked((ROOT / page).read_text("utf-8"), page, pages)
        write(page, as_glossary(text) if page == "docs/glossary.md" else text)
    shutil.copy(ROOT / "docs" / "convergence.png", PARTS / "docs")
    first, results = front((ROOT / "README.md").read_text("utf-8"))
    notebooks = [page for page in pages if page.startswith("notebooks/")]
    teaching = [page for page in pages if page.startswith("teaching/")]
    others = ["docs/glossary.md", "api/index.md", "results.md"]
    others += [page for page in pages if page.startswith("docs/") and page not in others]
    lists = contents("The notebooks", notebooks) + contents("To look things up", others)
    if teaching:
        lists += contents("For teachers", teaching)
    known = [*pages, "results.md"]
    write("index.md", relinked(first, "README.md", known) + lists)
    write("results.md", relinked(results, "README.md", known))


# Pages out of docstrings


def offered(package: ModuleType) -> Iterator[tuple[str, str]]:
    """The names that a package's __init__ imports from its own modules, each with its module."""
    for node in ast.walk(ast.parse(inspect.getsource(package))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(package.__name__):
            yield from ((one.name, str(node.module)) for one in node.names)


def entry(package: ModuleType, name: str, module: str) -> str:
    """What autodoc is asked for.  What a constant means stands in its module alone."""
    value, of = getattr(package, name), f"{package.__name__}.{name}\n"
    if inspect.isclass(value):
        return f".. autoclass:: {of}   :members:\n   :special-members: __call__\n"
    return f".. autofunction:: {of}" if callable(value) else f".. autodata:: {module}.{name}\n"


def headed(title: str, line: str) -> str:
    return f"{title}\n{line * len(title)}\n\n"


def of_package(package: ModuleType) -> str:
    """The page of a package of the core."""
    entries = [entry(package, name, where) for name, where in sorted(offered(package))]
    about = f".. automodule:: {package.__name__}\n   :no-members:\n\n"
    return headed(package.__name__, "=") + about + "\n".join(entries)


def of_room(room: ModuleType) -> str:
    """The page of a room, or of a single module: all of its modules that say something."""
    text = headed(room.__name__, "=") + f".. automodule:: {room.__name__}\n   :members:\n\n"
    for found in pkgutil.walk_packages(getattr(room, "__path__", []), f"{room.__name__}."):
        module = importlib.import_module(found.name)
        if any(
            getattr(value, "__module__", "") == found.name and inspect.getdoc(value)
            for name, value in vars(module).items()
            if not name.startswith("_")
        ):
            text += headed(found.name, "-") + f".. automodule:: {found.name}\n   :members:\n\n"
    return text


def gather_api() -> None:
    import dnilab.lessons

    core = [f"dnilab.{name}" for name in CORE]
    inside = pkgutil.iter_modules(dnilab.lessons.__path__, "dnilab.lessons.")
    rooms = [found.name for found in inside if found.ispkg]
    rows, listed = "", []
    for name in (*core, *ALONE, *rooms):
        module = importlib.import_module(name)
        write(f"api/{name}.rst", of_package(module) if name in core else of_room(module))
        rows += f"- [{name}]({name}.rst): {(module.__doc__ or '').splitlines()[0]}\n"
        listed.append(f"{name.rpartition('.')[2]} <{name}.rst>")
    write("api/index.md", f"{ABOUT_CODE}{rows}{contents('The code', listed)}")


# The site


def gather_mathjax(folder: Path) -> None:
    """MathJax, its font and their licence: what a page asks for, and no more."""
    program, font = (npm.package(name, sha512) for name, sha512 in MATHJAX.items())
    extensions = Path("input", "tex", "extensions")
    shutil.copytree(program / extensions, folder / extensions)
    for name in MATHJAX_PARTS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(program / name, folder / name)
    shutil.copytree(font / "chtml", folder / "font" / "chtml")
    shutil.copy(font / "chtml.js", folder / "font")


def main() -> int:
    for folder in (SITE, PARTS):
        shutil.rmtree(folder, ignore_errors=True)
    gather_pages()
    gather_api()
    command = [sys.executable, "-m", "sphinx", "--quiet", "--jobs", "auto", "--fail-on-warning"]
    command += ["--keep-going", "-c", str(HERE), "-d", str(PARTS / "doctrees")]
    if subprocess.run([*command, str(PARTS), str(SITE)], cwd=ROOT).returncode:
        return 1
    for page in SITE.rglob("*.html"):
        page.write_text(mended(page.read_text("utf-8")), "utf-8")
    gather_mathjax(SITE / "_static" / "mathjax")
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        shutil.copy(path, SITE / "notebooks")
    size = sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file())
    print(f"{SITE}: {size / 1e6:.0f} MB. To look at it: python3 -m http.server -d {SITE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
