"""How big the package is: lines of code by folder, without blanks, comments and docstrings.

    python tools/size.py [--files]     code lines by folder: the core, the lessons, all
    python tools/size.py --method      what one Red Box run on one thread enters, and imports

A statement over n lines counts n.  The core is all that is in no lesson's room.
"""

from __future__ import annotations

import argparse
import ast
import io
import subprocess
import sys
import tokenize
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "dnilab"
SILENT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

# A Red Box run, traced from train() on: prints the functions it enters as `file:line`, and before
# that what was imported.
RED_BOX = """
import sys
from dnilab.training import train
print(*sorted(m for m in sys.modules if m.split(".")[0] == "dnilab"))
print(*sorted({m.split(".")[0] for m in sys.modules} & {"dask", "distributed", "asyncio"}))
import numpy as np
from dnilab.data import binary_addition
from dnilab.network import SGD, BinaryCrossEntropy, Stack
from dnilab.orderings import sequential
entered = set()
def note(frame, event, argument):
    if event == "call":
        code = frame.f_code
        if "dnilab" in code.co_filename and code.co_name != "<module>":
            entered.add((code.co_filename, code.co_firstlineno))
data = binary_addition(np.random.default_rng(0), 200, n_test=50)
rng = np.random.default_rng(1)
stack = Stack.build((24, 16, 8, 12), BinaryCrossEntropy(), rng, context=("h",))
program, slow = sequential(3), SGD(1e-2)
sys.setprofile(note)
for _ in train(stack, data, program, optimiser=slow, epochs=2):
    pass
sys.setprofile(None)
for name, line in sorted(entered):
    print(f"{name}:{line}")
"""


def code_lines(source: str) -> set[int]:
    """The numbers of the lines that hold code."""
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            text = node.body[0]
            docstrings.update(range(text.lineno, text.end_lineno + 1))
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in SILENT:
            lines.update(range(token.start[0], token.end[0] + 1))
    return lines - docstrings


def sizes() -> dict[Path, int]:
    """Code lines of every file of the package, by its path in it."""
    return {
        path.relative_to(PACKAGE): len(code_lines(path.read_text("utf-8")))
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def folder_of(path: Path) -> str:
    """The folder that a file is counted under: a part of the core, or a room."""
    depth = 2 if path.parts[0] == "lessons" else 1
    return "/".join(path.parts[:-1][:depth]) or "dnilab itself"


def totals() -> dict[str, int]:
    """Code lines of the core, of the lessons and of all."""
    found: Counter[str] = Counter(core=0, lessons=0)
    for path, count in sizes().items():
        found["lessons" if path.parts[0] == "lessons" else "core"] += count
    return {**found, "all": sum(found.values())}


def method() -> dict[str, int | str]:
    """What one Red Box run on one thread enters: files, and code lines of the functions."""
    run = [sys.executable, "-W", "error", "-c", RED_BOX]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True)
    modules, heavy, *entered = done.stdout.splitlines()
    files: dict[str, set[int]] = {}
    for place in entered:
        name, line = place.rsplit(":", 1)
        files.setdefault(name, set()).add(int(line))
    count = 0
    for name, firsts in files.items():
        source = Path(name).read_text("utf-8")
        inside: set[int] = set()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef):
                first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                if {first, node.lineno} & firsts:
                    inside.update(range(first, node.end_lineno + 1))
        count += len(code_lines(source) & inside)
    return {
        "files entered": len(files),
        "code lines of what is entered": count,
        "modules that training.train imports": len(modules.split()),
        "heavy": heavy,
        "files": "\n".join(str(Path(name).relative_to(PACKAGE)) for name in sorted(files)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", action="store_true", help="every file, largest first")
    parser.add_argument("--method", action="store_true", help="what one Red Box run enters")
    arguments = parser.parse_args()
    if arguments.method:
        for name, value in method().items():
            print(f"{name}: {value}" if "\n" not in str(value) else value)
        return
    found = sizes()
    if arguments.files:
        for path, count in sorted(found.items(), key=lambda pair: -pair[1]):
            print(f"{count:6,}  {path}")
        return
    folders: Counter[str] = Counter()
    for path, count in found.items():
        folders[folder_of(path)] += count
    for name in sorted(folders, key=lambda name: (name.startswith("lessons"), name)):
        print(f"{folders[name]:6,}  {name}")
    for name, count in totals().items():
        print(f"{count:6,}  {name}")


if __name__ == "__main__":
    main()
