"""Run the committed notebooks again, in place, and keep their outputs: `make notebooks`.

    python tools/execute_notebooks.py [notebook ...]

A notebook is committed executed, so that it reads well where no kernel runs. Panels show a
static figure then (DNILAB_STATIC=1). What would differ between two runs of the same notebook is
left out or made the same, so that a change of a notebook shows what changed. A notebook that
breaks a rule is not written; the rules are in `problems`, and the tests hold every committed
notebook to them.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from pathlib import Path
from urllib.parse import unquote

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"
CELL_TIMEOUT = 120  # seconds, as in the tests
ENVIRONMENT = {
    "DNILAB_STATIC": "1",
    "DNILAB_PROGRESS": "off",  # whoever runs this has answered nothing
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
}
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
    },
}
CELL_METADATA = {"tags", "jupyter"}  # `jupyter` says which source is folded away
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

# Paths that only exist on the machine where a notebook was run.
LOCAL_PATH = re.compile(r"(?<![\w./:-])/(?:home|Users|root|tmp|private)/\w|\b[A-Za-z]:\\Users\\")
ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,}")
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?[^)]*\)|(?:src|href)=[\"']([^\"']+)[\"']")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^# \S|^\S[^\n]*\n=+[ \t]*$|<h1\b", re.MULTILINE)


def text_of(value: object) -> str:
    """All the text inside an output or a piece of metadata; pictures are left out."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "\n".join(
            text_of(part) for key, part in value.items() if not str(key).startswith("image/png")
        )
    if isinstance(value, list):
        return "\n".join(text_of(part) for part in value)
    return ""


def cell_ids(cells: list[NotebookNode]) -> list[str]:
    """One id per cell, made from what the cell says: the same text has the same id for ever."""
    seen: dict[str, int] = {}
    ids = []
    for cell in cells:
        stem = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:8]
        seen[stem] = seen.get(stem, 0) + 1
        ids.append(stem if seen[stem] == 1 else f"{stem}-{seen[stem]}")
    return ids


def normalise(notebook: NotebookNode) -> None:
    """Leave out, in place, what differs between two runs of the same notebook."""
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for cell, identifier in zip(notebook.cells, cell_ids(notebook.cells), strict=True):
        cell.id = identifier
        for name in set(cell.metadata) - CELL_METADATA:
            del cell.metadata[name]


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells with something to run."""
    return [c for c in notebook.cells if c.cell_type == "code" and c.source.strip()]


def broken_links(notebook: NotebookNode, folder: Path) -> list[str]:
    """The links to local files, in the text cells, that lead nowhere. Seen from `folder`."""
    broken = []
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        for link in LINK.findall(FENCE.sub("", cell.source)):
            target = "".join(link)
            if re.match(r"[a-z][a-z0-9+.-]*:|#|//", target, re.IGNORECASE):
                continue
            if not (folder / unquote(target.split("#")[0].split("?")[0])).exists():
                broken.append(target)
    return broken


def problems(notebook: NotebookNode, folder: Path) -> list[str]:
    """Everything that keeps a notebook from being committed, in words.

    folder: where the notebook lies, for its links.
    """
    found = []
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        found.append(f"its cells were not run once each, in order: {counts}")
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                found.append(f"cell {number} holds an error: {output.ename}: {output.evalue}")
            if output.get("name") == "stderr":
                found.append(f"cell {number} wrote a warning or an error: {output.text.strip()}")
            if WIDGET_VIEW in output.get("data", {}):
                found.append(f"cell {number} holds a widget, which nobody sees without a kernel")
            if ADDRESS.search(text_of(output)):
                found.append(f"cell {number} prints a memory address, another one in each run")
        extra = sorted(set(cell.metadata) - CELL_METADATA)
        if extra:
            found.append(f"cell {number} has metadata that changes: {', '.join(extra)}")
    if [cell.get("id") for cell in notebook.cells] != cell_ids(notebook.cells):
        found.append("its cells' ids are not made from what they say")
    if notebook.metadata != METADATA:
        found.append("its metadata is not that of a plain Python 3 notebook")
    titles = sum(
        len(HEADING.findall(FENCE.sub("", cell.source)))
        for cell in notebook.cells
        if cell.cell_type == "markdown"
    )
    if titles != 1:
        found.append(f"it has {titles} headings of the first level instead of one")
    found += [f"a link leads nowhere: {link}" for link in broken_links(notebook, folder)]
    for number, cell in enumerate(notebook.cells):
        text = cell.source + "\n" + text_of(cell.get("outputs", []))
        here = [part for part in (str(ROOT), str(Path.home())) if len(part) > 1 and part in text]
        if here or LOCAL_PATH.search(text):
            found.append(f"cell {number} holds a path of the machine that it was run on")
    return found


def ran(path: Path, timeout: int = CELL_TIMEOUT) -> tuple[NotebookNode, list[str]]:
    """A notebook after a run, and what failed in it; the file stays as it is.

    ``timeout``: seconds that a cell may take.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,  # how a kernel cuts its output into pieces is chance
    )
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError) as error:
        return notebook, [str(error)]
    normalise(notebook)
    nbformat.validate(notebook)
    return notebook, problems(notebook, path.parent)


def execute(path: Path) -> list[str]:
    """Run one notebook and write it, unless something is wrong with it: that is returned."""
    notebook, found = ran(path)
    if not found:
        path.write_text(nbformat.writes(notebook) + "\n", "utf-8")
    return found


def main(names: list[str]) -> int:
    """Run the notebooks named, or all of them; return the exit code."""
    os.environ.update(ENVIRONMENT)
    paths = [Path(name).resolve() for name in names] or sorted(FOLDER.glob("*.ipynb"))
    failed = 0
    for path in paths:
        found = execute(path)
        print(f"{path.name}: {'not written' if found else 'written'}", flush=True)
        for problem in found:
            print(f"  {problem}", file=sys.stderr)
        failed += bool(found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
