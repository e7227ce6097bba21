"""Do the links of the pages and notebooks lead somewhere?

    python tools/check_links.py            those to files of the project
    python tools/check_links.py --online   the others as well

It asks each address at most three times, and names those that do not answer.
"""

from __future__ import annotations

import json
import re
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("*.md", "docs/**/*.md", "teaching/**/*.md", "notebooks/*.ipynb", "pages/*.ipynb")
LINK = re.compile(r"\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)|<(https?://[^>\s]+)>")
TRIES, PATIENCE = 3, 30  # seconds
# They answer programs with a refusal, and people with the page.
REFUSE_PROGRAMS = {403, 405, 418, 429, 999}


def links_in(text: str) -> list[str]:
    """The links of a text in Markdown, without those in blocks of code."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [first or second for first, second in LINK.findall(prose)]


def markdown(path: Path) -> str:
    """The prose of a page or a notebook."""
    text = path.read_text("utf-8")
    if path.suffix != ".ipynb":
        return text
    cells = json.loads(text)["cells"]
    return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def collected(root: Path = ROOT) -> list[tuple[Path, str]]:
    """Every link, with the page that it stands on."""
    pages = sorted({path for pattern in PAGES for path in root.glob(pattern)})
    return [(page, link) for page in pages for link in links_in(markdown(page))]


def is_outside(link: str) -> bool:
    return link.startswith(("http://", "https://"))


def lost(links: list[tuple[Path, str]]) -> list[str]:
    """Those to files of the project that are not there."""
    found = []
    for page, link in links:
        target = unquote(link.partition("#")[0])
        if not is_outside(link) and ":" not in target and not (page.parent / target).exists():
            found.append(f"{page.name}: {link}")
    return found


def answer(address: str) -> str:
    """What is wrong with an address, or ""."""
    asked = urllib.request.Request(address, headers={"User-Agent": "Mozilla/5.0 (link check)"})
    said = ""
    for attempt in range(TRIES):
        try:
            with urllib.request.urlopen(asked, timeout=PATIENCE):
                return ""
        except urllib.error.HTTPError as error:
            if error.code in REFUSE_PROGRAMS:
                return ""
            said = f"{error.code} {error.reason}"
        except (OSError, ValueError) as error:
            said = str(error)
        time.sleep(2**attempt)
    return f"{address}: {said}"


def main(arguments: list[str]) -> int:
    links = collected()
    wrong = lost(links)
    if arguments == ["--online"]:
        outside = sorted({link.partition("#")[0] for _, link in links if is_outside(link)})
        with ThreadPoolExecutor(8) as threads:
            wrong += [said for said in threads.map(answer, outside) if said]
    print("\n".join(wrong) or f"{len(links)} links lead somewhere.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
