"""``python -m dnilab.lessons.progress [folder]``: run all answers in the notebooks again."""

from __future__ import annotations

import argparse
from pathlib import Path

from dnilab.lessons.progress.again import SECONDS
from dnilab.lessons.progress.report import ask_again


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, ask, and print the table."""
    words = argparse.ArgumentParser(prog="python -m dnilab.lessons.progress")
    words.description = "Run all answers in the notebooks again, and say which are right."
    words.add_argument("folder", nargs="?", help="where they lie: here, or in notebooks/")
    words.add_argument("--seconds", type=float, default=SECONDS, help="the most for one answer")
    asked = words.parse_args(arguments)
    here = Path("notebooks")
    folder = asked.folder or (here if here.is_dir() else ".")
    if not Path(folder).is_dir():
        words.error(f"there is no folder {folder}")
    print(ask_again(folder, asked.seconds))


if __name__ == "__main__":
    main()
