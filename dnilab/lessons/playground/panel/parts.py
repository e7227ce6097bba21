"""Parts of the playground: rows, texts, buttons, headings that fold, a table, links that save."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets

from dnilab.pictures import Table


def boxed(name: str, *parts: Any) -> widgets.Box:
    """Parts side by side, with a name for the style sheet."""
    return widgets.Box(parts).add_class(name)


def row(*parts: Any) -> widgets.Box:
    """Controls side by side, on more lines where there is no room."""
    return boxed("dnilab-controls", *parts)


def text(name: str) -> widgets.HTML:
    """A text that is not there yet: see :func:`say`."""
    made = widgets.HTML().add_class(name)
    made.layout.display = "none"
    return made


def say(text: widgets.HTML, content: str) -> None:
    """Show HTML in a text, or, if it is empty, take the text away."""
    text.value = content
    text.layout.display = "" if content else "none"


def heading(
    title: str, under: Any, *, opened: bool, moved: Callable[[], object] = lambda: None
) -> widgets.ToggleButton:
    """A heading that shows and hides what is ``under`` it, and then calls ``moved()``."""
    made = widgets.ToggleButton(value=opened, description=title).add_class("dnilab-heading")

    def follow(_: object = None) -> None:
        made.icon = "caret-down" if made.value else "caret-right"
        made.tooltip = f"{title}: {'hide' if made.value else 'show'} it"
        under.layout.display = "" if made.value else "none"
        moved()

    made.observe(follow, names="value")
    follow()
    return made


def see_html(words: str, what: str) -> str:
    """A button that brings a part of the playground, named as in a style sheet, into view."""
    go = f"this.closest('.dnilab-playground').querySelector('{what}').scrollIntoView"
    return (
        '<button type="button" class="jupyter-button dnilab-copy" '
        f"onclick=\"{go}({{block: 'center'}})\">{words}</button>"
    )


def table_html(title: str, head: Sequence[str], body: Sequence[Sequence[str]], caption: str) -> str:
    """A table that scrolls within its own frame, also by keyboard."""
    table = Table(tuple(head), tuple(map(tuple, body)), caption).as_html()
    return (
        f'<div class="dnilab-table" tabindex="0" role="region" aria-label="{title}">{table}</div>'
    )


def links_html(files: Mapping[str, tuple[str, bytes]]) -> str:
    """Links that save files without a server: by the file's name, what is said and the content."""
    return " ".join(
        f'<a class="dnilab-link" download="{name}" href="data:text/plain;base64,'
        f'{base64.b64encode(content).decode()}">{words}</a>'
        for name, (words, content) in files.items()
    )
