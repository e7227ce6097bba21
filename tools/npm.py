"""A package of npm, pinned by version and by the hash of its file: JavaScript that is not ours.

``npm pack`` fetches it; nothing of it is run, and nothing is installed beside it.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path

KEPT = Path(__file__).resolve().parent.parent / "build" / "npm"


class NotToBeHad(Exception):
    """Why a package is not here, in words."""


def package(name: str, sha512: str, folder: Path = KEPT) -> Path:
    """The folder with the files of a package such as ``axe-core@4.14.1``; fetched once.

    ``sha512``: of the package's file, in base64, as npm's registry states it.  Raises NotToBeHad.
    """
    made = folder / name.replace("/", "+")
    if made.is_dir():
        return made
    npm = shutil.which("npm")
    if npm is None:
        raise NotToBeHad(f"{name} is a package of npm, and there is no npm here")
    fetched = folder / "fetched"
    shutil.rmtree(fetched, ignore_errors=True)
    fetched.mkdir(parents=True)
    done = subprocess.run(
        [npm, "pack", "--silent", name], cwd=fetched, capture_output=True, text=True, timeout=600
    )
    files = sorted(fetched.glob("*.tgz"))
    if done.returncode or not files:
        raise NotToBeHad(f"npm pack {name} failed: {done.stderr.strip()[-500:]}")
    unpack(files[0], sha512, made)
    shutil.rmtree(fetched)
    return made


def unpack(file: Path, sha512: str, made: Path) -> None:
    """What is in the file, into the folder ``made``; raises NotToBeHad where it is another file."""
    found = base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()
    if found != sha512:
        raise NotToBeHad(f"{made.name} is not what it was: its sha512 is {found}")
    part = made.with_name(f"{made.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    with tarfile.open(file) as archive:
        archive.extractall(part, filter="data")
    (part / "package").rename(made)
    part.rmdir()
