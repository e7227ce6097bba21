"""Results as a table: settings by columns, mean ± standard deviation over seeds.

The numbers come from runs, never typed; the table only counts and writes them.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dnilab.checks import one_of
from dnilab.pictures.style import capital, listing, plus_minus


@dataclass(frozen=True)
class Results:
    """Measured values of settings (rows) under conditions (columns), several seeds each.

    Parameters
    ----------
    values:
        ``{row: {column: values over seeds}}``; every row needs the same columns, in one order.
        A NaN or infinity is a seed that diverged.
    quantity:
        What was measured, such as "test error".
    rows, columns:
        What the rows and columns are, such as "what is trained" and "layers".
    percent:
        Values are fractions and are shown as percentages.
    better:
        "lower" or "higher".

    Raises
    ------
    ValueError
        If it is empty, a row lacks a column, or a cell holds no value.
    """

    values: Mapping[str, Mapping[object, Sequence[float]]]
    quantity: str
    rows: str = "setting"
    columns: str = ""
    percent: bool = False
    better: str = "lower"

    def __post_init__(self) -> None:
        one_of("better", self.better, ("lower", "higher"))
        if not self.values:
            raise ValueError("values is empty; it accepts one row or more")
        names = self.column_names
        for row, cells in self.values.items():
            if list(cells) != names:
                said = f"values[{row!r}] has columns {list(cells)}"
                raise ValueError(f"{said}; it accepts {names}, those of the first row")
            for column, seeds in cells.items():
                if np.ndim(seeds) != 1 or np.size(seeds) == 0:
                    said = f"values[{row!r}][{column!r}] has shape {np.shape(seeds)}"
                    raise ValueError(f"{said}; it accepts (seeds,), one or more")

    @property
    def row_names(self) -> list[str]:
        """The settings, in order."""
        return list(self.values)

    @property
    def column_names(self) -> list[object]:
        """The conditions, in order."""
        return list(next(iter(self.values.values())))

    def column_title(self, column: object) -> str:
        """Such as ``3 layers``."""
        return f"{column} {self.columns}".strip()

    def mean_std(self, row: str, column: object) -> tuple[float, float]:
        """Mean and sample standard deviation (0 for one seed) of the seeds that did not diverge.

        NaN, NaN if more than half of them diverged.
        """
        values = np.asarray(self.values[row][column], dtype=float)
        finite = values[np.isfinite(values)]
        if 2 * finite.size <= values.size and finite.size < values.size:
            return float("nan"), float("nan")
        return float(finite.mean()), float(finite.std(ddof=1)) if finite.size > 1 else 0.0

    def cell(self, row: str, column: object) -> str:
        """``1.6 ± 0.2``, with a remark where seeds diverged."""
        mean, std = (100 * v if self.percent else v for v in self.mean_std(row, column))
        count = np.size(self.values[row][column])
        gone = int(np.sum(~np.isfinite(self.values[row][column])))
        if not np.isfinite(mean):
            return f"diverged ({gone} of {count})"
        text = plus_minus(mean, std if count - gone > 1 else None)
        return text + (f" ({gone} of {count} diverged)" if gone else "")

    def best(self, column: object) -> str | None:
        """The row with the best mean in a column, None if all diverged."""
        means = {row: self.mean_std(row, column)[0] for row in self.values}
        finite = [row for row, mean in means.items() if np.isfinite(mean)]
        pick = min if self.better == "lower" else max
        return pick(finite, key=means.__getitem__, default=None)

    @property
    def seeds_note(self) -> str:
        """What the numbers are: ``test error (%), mean ± standard deviation of 5 seeds``."""
        counts = {np.size(v) for cells in self.values.values() for v in cells.values()}
        text = self.quantity + (" (%)" if self.percent else "")
        if counts == {1}:
            return text
        seeds = "-".join(str(c) for c in sorted({min(counts), max(counts)}))
        return f"{text}, mean ± standard deviation of {seeds} seeds"

    @property
    def sentence(self) -> str:
        """For each column: which row is best, which is worst."""
        parts = []
        for column in self.column_names:
            best, where = self.best(column), self.column_title(column)
            cells = {row: self.cell(row, column) for row in self.values}
            if best is None:
                parts.append(f"{where}: all diverged" if where else "All diverged")
                continue
            said = f"{best} is best with {cells.pop(best)}"
            if cells:
                said += f", against {listing([f'{row} {cell}' for row, cell in cells.items()])}"
            parts.append(f"{where}: {said}" if where else said)
        return f"{capital(self.seeds_note)}. {'; '.join(parts)}."


@dataclass(frozen=True)
class Table:
    """Text in rows and columns. A page shows it as Markdown; elsewhere that reads as it is."""

    head: tuple[str, ...]
    body: tuple[tuple[str, ...], ...]
    caption: str = ""

    def __post_init__(self) -> None:
        for row in self.body:
            if len(row) != len(self.head):
                said = f"body has a row of {len(row)} cells"
                raise ValueError(f"{said}; it accepts {len(self.head)}, as in the head")

    def __repr__(self) -> str:
        """A pipe table, columns aligned and numbers to the right, the caption above."""
        rows = [[cell.replace("|", "\\|") for cell in row] for row in (self.head, *self.body)]
        first, *others = [max(3, *map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            f"| {' | '.join([r[0].ljust(first), *map(str.rjust, r[1:], others)])} |" for r in rows
        ]
        lines.insert(
            1, f"|{'|'.join(['-' * (first + 2), *('-' * (n + 1) + ':' for n in others)])}|"
        )
        return "\n".join([*([self.caption, ""] if self.caption else []), *lines])

    _repr_markdown_ = __repr__

    def as_html(self) -> str:
        """A real table, with a caption and header cells, for eyes and for screen readers."""

        def cells(row: Iterable[str], name: str, more: str = "") -> str:
            return "".join(f"<{name}{more}>{html.escape(cell)}</{name}>" for cell in row)

        rows = (cells(row[:1], "th", ' scope="row"') + cells(row[1:], "td") for row in self.body)
        head = cells(self.head, "th", ' scope="col"')
        return (
            f"<table><caption>{html.escape(self.caption)}</caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{''.join(f'<tr>{row}</tr>' for row in rows)}</tbody></table>"
        )


def table(results: Results) -> Table:
    """The results as a :class:`Table`; the best mean of each column carries a star."""
    columns = results.column_names
    titles = [results.column_title(c) or results.quantity for c in columns]
    best = {column: results.best(column) for column in columns}
    body = tuple(
        (row, *(results.cell(row, c) + (" *" if best[c] == row else "") for c in columns))
        for row in results.row_names
    )
    where = " of each column" if len(columns) > 1 else ""
    note = f"{capital(results.seeds_note)}; * marks the best mean{where}."
    return Table((results.rows, *titles), body, note)
