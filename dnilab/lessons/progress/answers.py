"""The answers in a notebook: the cells that call a checker, and what each of them needs.

An answer is asked again without running the whole notebook: of the cells before it, those are run
that define a name which it uses, and those that define a name which these use.
"""

from __future__ import annotations

import ast
import json
import symtable
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from IPython.core.inputtransformer2 import TransformerManager

from dnilab.lessons.progress.course import COURSE, EXERCISES, Lesson


class _ScopesOfTheirOwn(ast.NodeTransformer):
    """Comprehensions as generators: since Python 3.12 the names of the others are the cell's."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        node = super().generic_visit(node)
        if isinstance(node, ast.DictComp):
            return ast.GeneratorExp(ast.Tuple([node.key, node.value], ast.Load()), node.generators)
        if isinstance(node, ast.ListComp | ast.SetComp):
            return ast.GeneratorExp(node.elt, node.generators)
        return node


@dataclass(frozen=True)
class Cell:
    """A code cell, as plain Python: magics are calls already."""

    source: str = field(repr=False)

    @classmethod
    def of(cls, written: str) -> Cell:
        try:
            return cls(TransformerManager().transform_cell(written))
        except SyntaxError:
            return cls(written)

    @cached_property
    def _tree(self) -> ast.Module | None:
        try:
            return ast.parse(self.source)
        except (SyntaxError, ValueError, RecursionError):
            return None

    @cached_property
    def _names(self) -> tuple[frozenset[str], frozenset[str]]:
        """The global names that it binds or changes, and those that it uses."""
        if self._tree is None:
            return frozenset(), frozenset()
        plain = ast.unparse(_ScopesOfTheirOwn().visit(ast.parse(self.source)))
        top = symtable.symtable(plain, "cell", "exec")
        tables = [top]
        for table in tables:  # which grows
            tables += table.get_children()
        bound, used = set(), set()
        for table in tables:
            for symbol in table.get_symbols():
                if table is not top and not symbol.is_global():
                    continue  # a name of a function's own
                if symbol.is_assigned() or symbol.is_imported():
                    bound.add(symbol.get_name())
                if symbol.is_referenced():
                    used.add(symbol.get_name())
        for node in ast.walk(self._tree):  # x[0] = 1 and x.a = 1 change x
            if isinstance(node, ast.Subscript | ast.Attribute) and not _read(node):
                base: ast.expr = node
                while isinstance(base, ast.Subscript | ast.Attribute):
                    base = base.value
                if isinstance(base, ast.Name):
                    bound.add(base.id)
            elif isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
                bound.add("*")
        return frozenset(bound), frozenset(used)

    def defines(self, names: frozenset[str]) -> bool:
        """Whether it binds or changes one of these, or may bind anything."""
        bound = self._names[0]
        return bool(bound & names) or "*" in bound

    @property
    def uses(self) -> frozenset[str]:
        return self._names[1]

    @cached_property
    def exercises(self) -> tuple[str, ...]:
        """The exercises whose checkers it calls, in a line of its own and not under an ``if``.

        A cell that Python can't read is asked by its text.
        """
        if self._tree is None:
            return tuple(one for one in EXERCISES if f"check_{one}(" in self.source)
        lines = [n for n in self._tree.body if isinstance(n, ast.Expr | ast.Assign)]
        calls = [n.func for line in lines for n in ast.walk(line) if isinstance(n, ast.Call)]
        names = [f.attr if isinstance(f, ast.Attribute) else getattr(f, "id", "") for f in calls]
        asked = [name.removeprefix("check_") for name in names if name.startswith("check_")]
        return tuple(one for one in dict.fromkeys(asked) if one in EXERCISES)


def _read(node: ast.Subscript | ast.Attribute) -> bool:
    return isinstance(node.ctx, ast.Load)


def read_notebook(path: Path) -> list[Cell]:
    """The code cells of a notebook.  Raises ValueError if it is none, or OSError."""
    try:
        notebook = json.loads(path.read_text("utf-8"))
        cells = [c for c in notebook["cells"] if c["cell_type"] == "code"]
        return [Cell.of("".join(cell["source"])) for cell in cells]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path.name} is no notebook that can be read") from error


def needed(cells: Sequence[Cell], at: int) -> list[Cell]:
    """The cell at this place, after all those before it that it needs, in their order."""
    names = cells[at].uses
    found = [cells[at]]
    for cell in reversed(cells[:at]):
        if cell.defines(names):
            found.append(cell)
            names |= cell.uses
    return found[::-1]


def lesson_of(path: Path, cells: Sequence[Cell]) -> Lesson | None:
    """The lesson that a notebook is of: by its name, or else by the checkers that it calls."""
    for lesson in COURSE:
        if path.name.startswith(lesson.stem[:3]) or lesson.stem in path.stem:
            return lesson
    asked = [exercise for cell in cells for exercise in cell.exercises]
    return EXERCISES[asked[0]] if asked else None
