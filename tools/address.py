"""The project's address and version, each in one place, and written wherever else they stand.

    python tools/address.py                               what stands where, and whether all agree
    python tools/address.py https://github.com/NEW/NAME   move to another address
    python tools/address.py --version 2.0.0               another version
    python tools/address.py --release v2.0.0              whether this tag may be released

The address is that of `Repository` in pyproject.toml; README, badges, notebooks, issue forms and
CITATION.cff take it from there.  The version is that of dnilab/__init__.py; CITATION.cff takes it
from there, and CHANGELOG.md begins with it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SLUG = r"[A-Za-z0-9_.-]+/[A-Za-z0-9_-]+"
VERSION = re.compile(r'^(__version__ = "|version: )([^"\n]+)', re.MULTILINE)
HOLDERS = ("dnilab/__init__.py", "CITATION.cff")


def slug_in(text: str) -> str:
    """OWNER/NAME in the text of pyproject.toml."""
    home = tomllib.loads(text)["project"]["urls"]["Repository"]
    found = re.fullmatch(rf"https://github\.com/({SLUG})", home)
    if found is None:
        raise ValueError(f"Repository is {home!r}; it accepts https://github.com/OWNER/NAME")
    return found[1]


def forms(slug: str) -> list[str]:
    """How an address stands in a text: the repository, Binder, and the pages."""
    owner, name = slug.split("/")
    return [f"github.com/{slug}", f"mybinder.org/v2/gh/{slug}", f"{owner}.github.io/{name}"]


def moved(text: str, old: str, new: str) -> str:
    """``text`` with every form of one address turned into that of another."""
    for before, after in zip(forms(old), forms(new), strict=True):
        text = re.sub(rf"\b{re.escape(before)}(?![A-Za-z0-9_-])", after, text)
    return text


def strays(text: str, slug: str) -> list[str]:
    """The addresses in ``text`` that are meant to be ours, and are not.

    Ours is whatever Binder is asked to open, and any repository or page with our name.
    """
    name = slug.split("/")[1]
    ours = [
        rf"mybinder\.org/v2/gh/{SLUG}",
        rf"github\.com/[A-Za-z0-9_.-]+/{name}(?![A-Za-z0-9_-])",
        rf"[A-Za-z0-9_-]+\.github\.io/{name}(?![A-Za-z0-9_-])",
    ]
    found = [one for pattern in ours for one in re.findall(pattern, text)]
    return [one for one in found if one not in forms(slug)]


def files() -> list[Path]:
    """The text files of the project; those of tests speak of other addresses."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    found = []
    for name in listed.splitlines():
        path = ROOT / name
        if name.startswith("tests/") or path.suffix in (".png", ".npz") or not path.is_file():
            continue
        found.append(path)
    return found


def version_in(text: str) -> str:
    """The version in the text of one of HOLDERS."""
    (found,) = VERSION.findall(text)
    return found[1]


def latest(changelog: str) -> tuple[str, str]:
    """The version at the top of CHANGELOG.md, and its date."""
    found = re.search(r"^## \[([^\]]+)\] - (.+)$", changelog, re.MULTILINE)
    if found is None:
        raise ValueError("CHANGELOG.md has no heading such as '## [2.0.0] - 2026-12-01'")
    return found[1], found[2]


def faults() -> list[str]:
    """Where the project contradicts itself, in words."""
    slug = slug_in((ROOT / "pyproject.toml").read_text("utf-8"))
    found = [
        f"{path.relative_to(ROOT)}: {one}"
        for path in files()
        for one in strays(path.read_text("utf-8"), slug)
    ]
    versions = {name: version_in((ROOT / name).read_text("utf-8")) for name in HOLDERS}
    versions["CHANGELOG.md"] = latest((ROOT / "CHANGELOG.md").read_text("utf-8"))[0]
    if len(set(versions.values())) > 1:
        found.append(f"versions differ: {versions}")
    return found


def refusal(tag: str, version: str, date: str) -> str:
    """Why a tag may not be released, or ""."""
    if tag != f"v{version}":
        return f"the tag is {tag}, and the version is {version}"
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        return f"{version} is no version to release, such as 2.0.0"
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", date):
        return f"CHANGELOG.md dates {version} {date!r}; it accepts a day, such as 2026-12-01"
    return ""


def main(arguments: list[str]) -> int:
    slug = slug_in((ROOT / "pyproject.toml").read_text("utf-8"))
    match arguments:
        case ["--version", new]:
            for name in HOLDERS:
                text = (ROOT / name).read_text("utf-8")
                (ROOT / name).write_text(VERSION.sub(rf"\g<1>{new}", text), "utf-8")
        case ["--release", tag]:
            version, date = latest((ROOT / "CHANGELOG.md").read_text("utf-8"))
            why = "; ".join(filter(None, [*faults(), refusal(tag, version, date)]))
            print(why or f"{tag} may be released.")
            return 1 if why else 0
        case [home] if re.fullmatch(rf"https://github\.com/{SLUG}", home):
            new = home.removeprefix("https://github.com/")
            for path in files():
                text = path.read_text("utf-8")
                if moved(text, slug, new) != text:
                    path.write_text(moved(text, slug, new), "utf-8")
                    print("written:", path.relative_to(ROOT))
        case []:
            for path in files():
                count = sum(path.read_text("utf-8").count(form) for form in forms(slug))
                if count:
                    print(f"{count:3} in {path.relative_to(ROOT)}")
        case _:
            print(__doc__)
            return 2
    wrong = faults()
    print("\n".join(wrong) or "All agree.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
