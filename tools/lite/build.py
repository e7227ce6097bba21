"""Build the browser edition: a JupyterLite site with the course, which runs with no server.

    make lite          builds it into build/lite

Any web server for files can serve that folder, and nothing else is needed: Python (Pyodide) runs
in the visitor's browser. The page takes Pyodide and its NumPy and Matplotlib from the address
below, and everything else from the site itself. Every wheel that is put into the site is in
``wheels/``: the course's own is built here, the others have the versions of constraints.txt.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = Path(__file__).resolve().parent
SITE = ROOT / "build" / "lite"
PARTS = ROOT / "build" / "for-lite"  # a name that begins like the site's is taken for it
PYODIDE = "https://cdn.jsdelivr.net/pyodide/v0.27.7/full/"
# Loaded while Python starts, all at once; pip would ask for one after the other.
EARLY = ("numpy", "matplotlib", "pillow", "threadpoolctl")
# Pure Python that Pyodide does not have, or that the course wants to have from its own site.
WHEELS = ("comm", "ipywidgets", "jupyterlab-widgets", "tqdm")

INSTALL = "# The course's package, out of this site: once after each start of Python.\n"
INSTALL += "%pip install -q dnilab\nimport dnilab.pictures  # Matplotlib looks for its fonts first"
KEPT = (
    "**The browser edition.** Python runs in this page, on your machine; nothing is sent anywhere. "
    "What you change is saved in *this browser*, and stays until its data for this site are "
    "cleared, or the private window is closed (some browsers, such as Safari, clear the data of a "
    "site that nobody has visited for a week). To keep your work for good: *File → Download*. "
    "To get the original back: delete the notebook in the list on the left, and reload the page."
)
ONE_THREAD = (
    " A browser starts no thread and no process: what the course runs on several threads runs on "
    "one here, one step after the other, with the same numbers to the last bit. So times say "
    "nothing about threads here; for those, run the course on your machine, or on Binder."
)
ELSEWHERE = (
    "**The browser edition.** This notebook is about processes and machines, which a browser can't "
    "start. Read it here; to run it, take the course to your machine, or to Binder."
)
TIMED = ("05", "07", "12")  # about threads, in part
READ_ONLY = ("11",)


def run(*command: str | Path, folder: Path = ROOT) -> None:
    subprocess.run([str(part) for part in command], check=True, cwd=folder)


def gather_wheels(folder: Path) -> None:
    """The wheels that the site holds: ours, and those of ``WHEELS`` as they are pinned."""
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    run(*pip, "wheel", "--no-deps", "--wheel-dir", folder, ".")
    only = ("--no-deps", "--only-binary=:all:", "--dest", folder, "-c", "constraints.txt")
    run(*pip, "download", *only, *WHEELS)


def cell(kind: str, source: str) -> dict:
    """A cell that the browser edition has in addition."""
    made = {"cell_type": kind, "id": f"browser-{kind}", "metadata": {}, "source": source}
    return made if kind == "markdown" else {**made, "execution_count": None, "outputs": []}


def for_browsers(notebook: dict, number: str) -> dict:
    """The notebook with what a reader in a browser has to know, and has to run, under its title."""
    if number in READ_ONLY:
        added = [cell("markdown", ELSEWHERE)]
    else:
        said = KEPT + (ONE_THREAD if number in TIMED else "")
        added = [cell("markdown", said), cell("code", INSTALL)]
    first, *others = notebook["cells"]
    kernel = {"display_name": "Python (Pyodide)", "language": "python", "name": "python"}
    metadata = {**notebook["metadata"], "kernelspec": kernel}
    return {**notebook, "cells": [first, *added, *others], "metadata": metadata}


def arrows_for_sliders() -> list[dict]:
    """What the arrow keys do between cells, but not where a slider has them: see JupyterLab 4.6."""
    between = ".jp-Notebook.jp-mod-commandMode:not(.jp-mod-readWrite) :focus"
    commands = {"Down": "down", "Up": "up", "Left": "heading-above-or-collapse"}
    commands["Right"] = "heading-below-or-expand"
    changed = []
    for arrow, name in commands.items():
        one = {"command": f"notebook:move-cursor-{name}", "keys": [f"Arrow{arrow}"]}
        changed.append({**one, "selector": between, "disabled": True})
        changed.append({**one, "selector": f"{between}:not([role='slider'])"})
    return changed


def gather_notebooks(folder: Path) -> None:
    """All notebooks, side by side: links from one to another hold."""
    folder.mkdir(parents=True)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)  # with whole texts, as a server hands it out
        made = for_browsers(notebook, path.name[:2])
        text = json.dumps(made, ensure_ascii=False, indent=1)
        # What lies beside the notebooks at home is not in the site.
        text = re.sub(r"\[(`?)([^]]*?)`?\]\(\.\./[^)]*\)", r"\1\2\1", text)
        (folder / path.name).write_text(text + "\n", "utf-8")


def main() -> None:
    for folder in (SITE, PARTS):
        if folder.exists():
            shutil.rmtree(folder)
    wheels = PARTS / "wheels"
    gather_wheels(wheels)
    gather_notebooks(PARTS / "files")
    overrides = json.loads((ROOT / "tools/jupyterlab/overrides.json").read_text("utf-8"))
    # Its own way takes cells out of the page that are out of sight, and their panels with them.
    overrides["@jupyterlab/notebook-extension:tracker"] = {"windowingMode": "defer"}
    overrides["@jupyterlab/shortcuts-extension:shortcuts"] = {"shortcuts": arrows_for_sliders()}
    (PARTS / "overrides.json").write_text(json.dumps(overrides, indent=1), "utf-8")
    kernel = {
        "pyodideUrl": f"{PYODIDE}pyodide.js",
        "disablePyPIFallback": True,
        "loadPyodideOptions": {"packages": list(EARLY)},
    }
    config = {
        "appName": "dnilab, in the browser",
        "exposeAppInBrowser": True,
        "litePluginSettings": {"@jupyterlite/pyodide-kernel-extension:kernel": kernel},
    }
    lite = {"jupyter-lite-schema-version": 0, "jupyter-config-data": config}
    (PARTS / "jupyter-lite.json").write_text(json.dumps(lite, indent=1), "utf-8")
    (widgets,) = wheels.glob("jupyterlab_widgets-*.whl")
    (kernels,) = (
        Path(sys.prefix, "share/jupyter/labextensions/@jupyterlite").glob("pyodide-kernel-*"),
    )
    build = {
        "apps": ["lab", "repl"],
        "contents": [str(PARTS / "files")],
        "federated_extensions": [str(widgets), *map(str, kernels)],
        "ignore_sys_prefix": ["federated_extensions"],
        "no_sourcemaps": True,
        "no_unused_shared_packages": True,
        "output_dir": str(SITE),
    }
    every = {
        "LiteBuildConfig": build,
        "PipliteAddon": {"piplite_urls": [str(path) for path in sorted(wheels.glob("*.whl"))]},
    }
    (PARTS / "jupyter_lite_config.json").write_text(json.dumps(every, indent=1), "utf-8")
    run(
        sys.executable, "-m", "jupyterlite_core", "build", folder=PARTS
    )  # its files are read from there
    shutil.copy(HERE / "playground.html", SITE)
    size = sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file())
    print(f"{SITE}: {size / 1e6:.0f} MB. To look at it: python3 -m http.server -d {SITE}")


if __name__ == "__main__":
    main()
