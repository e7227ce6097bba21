"""What a notebook keeps of a panel: a picture and its words, for when no kernel runs.

A widget that was saved and has no kernel any more shows "model not found".  So a second output
stands behind the panel, which the panel's own style sheet hides as long as there is a panel.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

from dnilab.pictures import Table
from dnilab.pictures.style import fewer_colours

AGAIN = "A still picture. Run this cell to have the panel back."
# JupyterLab puts each output of a cell into a box; one with nothing to show keeps its margins.
BOX = ".jp-OutputArea-child"


def hiding(mark: str) -> str:
    """The style sheet of a live panel, which hides the still one with this mark."""
    return f"<style>.{mark}, {BOX}:has(.{mark}) {{ display: none !important; }}</style>"


def tables_html(tables: Sequence[Table]) -> str:
    """Tables that unfold, by mouse and by keyboard; nothing where there are none."""
    if not tables:
        return ""
    within = "".join(table.as_html() for table in tables)
    return (
        '<details class="dnilab-numbers"><summary>Show as a table</summary>'
        '<div class="dnilab-rows" tabindex="0" role="region" aria-label="Numbers of the picture">'
        f"{within}</div></details>"
    )


def still_html(mark: str, title: str, png: bytes, sentence: str, tables: str = "") -> str:
    """A panel as a page without a kernel shows it; ``tables`` is HTML."""
    image = base64.b64encode(fewer_colours(png)).decode("ascii")
    lost = f"{BOX}:has(+ {BOX} .{mark}) .jp-OutputArea-output.jupyter-widgets"
    alt = html.escape(f"{title}: still picture, described in the text that follows")
    return (
        f"<style>{lost} {{ display: none; }}</style>"
        f'<div class="{mark}"><p><strong>{html.escape(title)}</strong><br><em>{AGAIN}</em></p>'
        f'<img alt="{alt}" src="data:image/png;base64,{image}">'
        f"<p>{html.escape(sentence)}</p>{tables}</div>"
    )
