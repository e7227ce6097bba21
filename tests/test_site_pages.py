"""What the site is made of: pages, links, the glossary, docstrings, and other people's programs."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import tarfile
from pathlib import Path

import pytest

import dnilab.orderings
from tools import npm
from tools.site import build, pages

ROOT = Path(__file__).resolve().parent.parent


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


NOTEBOOKS = {
    path.stem[:2]: "\n\n".join(
        "".join(cell["source"])
        for cell in json.loads(path.read_text("utf-8"))["cells"]
        if cell["cell_type"] == "markdown"
    )
    for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
}
GLOSSARY = read("docs/glossary.md")
TERMS = build.TERM.findall(GLOSSARY)


class TestGlossary:
    @pytest.mark.parametrize(("term", "meaning"), TERMS, ids=[term for term, _ in TERMS])
    def test_a_notebook_explains_it_first(self, term: str, meaning: str):
        (number,) = re.findall(r"\[Notebook\s+(\d\d)\]\(\.\./notebooks/\1_\w+\.ipynb\)\.$", meaning)
        name = re.escape(term)
        assert re.search(rf"(?<![a-z]){name}", NOTEBOOKS[number], re.IGNORECASE)
        earlier = [text for other, text in NOTEBOOKS.items() if other < number]
        set_apart = re.compile(rf"\*{name}[:.]?\*", re.IGNORECASE)  # as a new word is
        assert not any(set_apart.search(text) for text in earlier)

    def test_terms_are_in_order_and_none_is_lost(self):
        names = [term.lower() for term, _ in TERMS]
        assert names == sorted(set(names))
        assert len(names) == GLOSSARY.count("\n- **") > 80

    def test_it_has_all_letters_of_notebook_00(self):
        _, _, table = NOTEBOOKS["00"].partition("## The letters")
        rows = re.findall(r"^\| (\$.*?) \|", table, re.MULTILINE)
        letters = re.findall(r"\$[^$]+\$", " ".join(rows))
        assert len(letters) > 20
        assert [letter for letter in letters if letter not in GLOSSARY] == []

    def test_as_sphinx_reads_it(self):
        text = "# G\n\n- **a b**: One\n  line. [N](n.ipynb).\n- **c**: Two.\n\n## Letters\n\nx\n"
        assert build.as_glossary(text) == (
            "# G\n\n:::{glossary}\na b\n  One\n  line. [N](n.ipynb).\n\nc\n  Two.\n:::\n"
            "\n## Letters\n\nx\n"
        )


class TestPages:
    def test_every_notebook_and_document_is_one(self):
        found = build.sources()
        assert len([page for page in found if page.startswith("notebooks/")]) == len(NOTEBOOKS)
        assert {"docs/glossary.md", "docs/scaling.md", "docs/accessibility.md"} <= set(found)

    @pytest.mark.parametrize(
        ("link", "leads"),
        [
            ("01_chain_rule.ipynb", "01_chain_rule.ipynb"),
            ("../docs/scaling.md#a-class", "../docs/scaling.md#a-class"),
            ("../README.md", "../index.md"),
            ("../LICENSE", "{home}/blob/main/LICENSE"),
            ("../dnilab/network", "{home}/tree/main/dnilab/network"),
            ("https://arxiv.org/abs/1608.05343", "https://arxiv.org/abs/1608.05343"),
            ("#here", "#here"),
        ],
    )
    def test_links_to_what_is_no_page_lead_to_the_repository(self, link: str, leads: str):
        made = build.relinked(f"a [b]({link}) c", "notebooks/00_start_here.ipynb", build.sources())
        assert made == f"a [b]({leads.format(home=pages.home())}) c"

    def test_the_first_page_asks_nobody_for_a_picture(self):
        first, results = build.front(read("README.md"))
        assert re.findall(r"!\[[^]]*\]\(([^)]*)\)", first + results) == ["docs/convergence.png"]
        assert first.count("\n## ") == read("README.md").count("\n## ")
        assert results.startswith("# Results\n")
        assert len(re.findall(r"^\| ", results, re.MULTILINE)) > 20

    def test_every_notebook_can_be_run_from_its_page(self):
        here, there, kept = pages.ways("05_update_orderings")
        assert here[1] == "../lite/lab/index.html?path=05_update_orderings.ipynb"
        name = "05_update_orderings.ipynb"
        assert there[1].endswith(f"/HEAD?urlpath=lab/tree/notebooks/{name}")
        assert there[1].split("/HEAD")[0] in read("README.md")
        assert kept[1] == name


class TestPictures:
    def test_with_their_texts_in_order(self):
        def shown(data: bytes, alt: str | None) -> dict:
            of_image = {} if alt is None else {"image/png": {"alt": alt}}
            return {"data": {"image/png": base64.b64encode(data).decode()}, "metadata": of_image}

        cells = [{"outputs": [shown(b"1", "one"), {"name": "stdout"}]}, {}]
        cells += [{"outputs": [shown(b"2", "two"), shown(b"3", None)]}]
        found = pages.pictures({"cells": cells})
        assert found == [(b"1", "one"), (b"2", "two"), (b"3", "")]

    @pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=str)
    def test_each_has_one(self, path: Path):
        assert all(text for _, text in pages.pictures(json.loads(path.read_text("utf-8"))))


class TestDocstrings:
    def test_what_is_indented_is_code_and_bars_are_bars(self):
        lines = ["|a| is ``|b|``.", "", "    y = |x|", "", "    z", "", "More.", "    no code"]
        assert pages.as_rst(lines) == [
            r"\|a\| is ``|b|``.", "", "::", "", "    y = |x|", "", "    z", "", "More.",
            "    no code",
        ]  # fmt: skip

    def test_a_package_offers_what_it_imports_from_itself(self):
        found = dict(build.offered(dnilab.orderings))
        assert found["pipeline"] == "dnilab.orderings.programs"
        assert found["OPERATIONS"] == "dnilab.orderings.steps"
        assert "open_doors" not in found

    def test_constants_are_asked_for_where_they_are_explained(self):
        where = ("OPERATIONS", "dnilab.orderings.steps")
        assert build.entry(dnilab.orderings, *where).endswith(
            ":: dnilab.orderings.steps.OPERATIONS\n"
        )
        where = ("pipeline", "dnilab.orderings.programs")
        assert build.entry(dnilab.orderings, *where) == (
            ".. autofunction:: dnilab.orderings.pipeline\n"
        )

    def test_long_signatures_are_no_lists_of_definitions(self):
        signature = '<dl>\n<dd><em class="sig-param">k</em>,</dd>\n</dl>\n'
        made = pages.mended(f"<dl><dt>f({signature})</dt></dl>")
        assert made == f"<dl><dt>f({re.sub('d[ld]', 'div', signature)})</dt></dl>"


class TestNpm:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        inside = tmp_path / "package"
        inside.mkdir()
        (inside / "a.js").write_text("1")
        with tarfile.open(tmp_path / "a.tgz", "w:gz") as archive:
            archive.add(inside, "package")
        return tmp_path / "a.tgz"

    def test_a_package_is_unpacked(self, file: Path):
        hashed = base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()
        made = file.parent / "a@1"
        npm.unpack(file, hashed, made)
        assert (made / "a.js").read_text() == "1"
        assert npm.package("a@1", "never looked at again", file.parent) == made

    def test_another_file_of_that_name_is_refused(self, file: Path):
        with pytest.raises(npm.NotToBeHad, match="a@1 is not what it was: its sha512 is "):
            npm.unpack(file, "another", file.parent / "a@1")
        assert not (file.parent / "a@1").exists()

    def test_without_npm_it_says_so(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(npm.shutil, "which", lambda name: None)
        with pytest.raises(npm.NotToBeHad, match="there is no npm here"):
            npm.package("a@1", "x", tmp_path)
