"""Files that a reader names: refused before anything is computed for them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from dnilab.checks import refuse


def file_path(name: str, value: Any, example: str = "run.npz") -> Path:
    """Return ``value`` as the path of a file; raise ValueError unless its folder is there."""
    if not isinstance(value, str | os.PathLike) or not os.fspath(value) or "\0" in str(value):
        refuse(name, value, f"the path of a file, as {example!r}")
    path = Path(value)
    if not path.parent.is_dir() or path.is_dir():
        refuse(name, str(path), "a file in a folder that exists")
    return path
