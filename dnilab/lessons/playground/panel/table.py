"""The table of pinned runs as HTML, and links that save it without a server."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

from dnilab.lessons.playground.experiments.saved_runs import (
    Pin,
    in_order,
    table_of,
    to_csv,
    to_json,
)


def table_html(pins: Sequence[Pin], by: str) -> str:
    """A real table, with a caption and header cells, for eyes and for screen readers."""
    if not pins:
        return "<p>No run is pinned yet. Pin one to compare the next with it.</p>"
    head, body = table_of(in_order(pins, by))
    cells = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in head)
    rows = "".join(
        f'<tr><th scope="row">{html.escape(name)}</th>'
        + "".join(f"<td>{html.escape(text)}</td>" for text in rest)
        + "</tr>"
        for name, *rest in body
    )
    plural = "s" * (len(pins) > 1)
    caption = (
        f"{len(pins)} pinned run{plural}; settings that differ; last numbers, mean ± standard "
        "deviation over seeds"
    )
    return (
        f'<div class="dnilab-table" tabindex="0" role="region" aria-label="Pinned runs">'
        f"<table><caption>{caption}</caption><thead><tr>{cells}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def links_html(pins: Sequence[Pin]) -> str:
    """Links that save the table as CSV and everything as JSON."""
    if not pins:
        return ""
    kinds = (("csv", "text/csv", to_csv), ("json", "application/json", to_json))
    return " ".join(
        f'<a class="dnilab-link" download="dnilab-runs.{kind}" href="data:{mime};base64,'
        f'{base64.b64encode(write(pins).encode()).decode()}">Save as {kind.upper()}</a>'
        for kind, mime, write in kinds
    )
