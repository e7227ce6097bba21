"""Bring every pin up to date: constraints.txt, environment.yml and binder/environment.yml.

    make pins

pip chooses the newest versions of what pyproject.toml asks for that a plain Python 3.11.0 can
install, and nothing is installed. The choice becomes constraints.txt, and the course's own
packages are copied from there into environment.yml. Afterwards run the tests, and commit what
they passed with.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What `make` installs; torch is left to those who compare, and pinned in the Makefile.
EXTRAS = ("cluster", "test", "lint", "project", "browser", "lite", "site")
# Some packages stop at a patch release: Debian 12 has 3.11.2, which one of them no longer took.
OLDEST_PYTHON = "3.11.0"
HEADER = """\
# The exact versions that the tests ran with, for pip's option -c. Written by tools/update_pins.py.
"""
PIN = re.compile(r"^(?P<before>\s*- )(?P<name>[A-Za-z0-9._-]+)==\S+$", re.MULTILINE)


def normalised(name: str) -> str:
    """The name of a distribution as PyPI compares it: scikit_learn and scikit-learn are one."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements(project: dict) -> list[str]:
    """What the course and its tests ask for, as pyproject.toml says it."""
    asked = list(project["dependencies"])
    for extra in EXTRAS:
        asked += project["optional-dependencies"][extra]
    return asked


def resolve(asked: list[str]) -> dict[str, str]:
    """The version that pip would install of each package, by its normalised name."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        dry_run = ["install", "--dry-run", "--ignore-installed", "--quiet", "--report", str(report)]
        # pip looks at another Python's packages only for a target folder, and only at wheels.
        other = ["--python-version", OLDEST_PYTHON, "--only-binary=:all:", "--target", folder]
        subprocess.run([sys.executable, "-m", "pip", *dry_run, *other, *asked], check=True)
        chosen = json.loads(report.read_text("utf-8"))["install"]
    return {normalised(x["metadata"]["name"]): x["metadata"]["version"] for x in chosen}


def with_pins(environment: str, versions: dict[str, str]) -> str:
    """The text of environment.yml with each `name==version` replaced by that of `versions`."""

    def pin(found: re.Match[str]) -> str:
        name = found["name"]
        return f"{found['before']}{name}=={versions[normalised(name)]}"

    return PIN.sub(pin, environment)


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    versions = resolve(requirements(project))
    lines = [f"{name}=={version}\n" for name, version in sorted(versions.items())]
    (ROOT / "constraints.txt").write_text(HEADER + "".join(lines), "utf-8")

    environment = with_pins((ROOT / "environment.yml").read_text("utf-8"), versions)
    for path in (ROOT / "environment.yml", ROOT / "binder" / "environment.yml"):
        path.write_text(environment, "utf-8")


if __name__ == "__main__":
    main()
