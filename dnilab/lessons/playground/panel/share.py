"""Hand the settings on: as a link, or as a program.

The browser copies, since only it knows the address of the page and has a clipboard.  What was
copied is shown as well, selected, for browsers that do not let a page copy.
"""

from __future__ import annotations

import html

PUBLIC = "https://dnilab.github.io/dnilab/lite/playground.html"
"""A page that takes ``?settings=``, for links from where there is none: the browser edition."""

# Of an address only the place is kept: what else stands in it may be a token.
_COPY = """
const box = this.closest('.dnilab-share'), said = box.querySelector('[role=status]');
const shown = box.querySelector('textarea');
let words = this.dataset.words;
if (this.dataset.link) {
  let top = window;
  try { while (top.parent !== top && top.parent.location.href) top = top.parent; } catch {}
  const here = top.location.origin + top.location.pathname;
  const base = this.dataset.link === 'here' ? here : this.dataset.link;
  words = base + '?settings=' + encodeURIComponent(words);
}
shown.hidden = false;
shown.value = words;
shown.rows = Math.min(12, words.split('\\n').length + 1);
const select = () => { shown.focus(); shown.select(); said.textContent = 'Press Ctrl+C to copy.'; };
if (navigator.clipboard)
  navigator.clipboard.writeText(words).then(() => { said.textContent = 'Copied.'; }, select);
else select();
"""


def share_html(text: str, program: str, *, page: bool) -> str:
    """Buttons that copy: the link to these settings, and the program.

    ``page``: whether the page itself takes ``?settings=``.
    """
    link = "here" if page else PUBLIC
    return (
        '<div class="dnilab-share">'
        f"{_button('Copy link', text, link)} {_button('Copy as Python', program)} "
        '<span role="status"></span>'
        '<textarea hidden readonly aria-label="What was copied" data-lm-suppress-shortcuts="true">'
        "</textarea></div>"
    )


def _button(called: str, words: str, link: str = "") -> str:
    # An attribute's line breaks stay as they are: a program has some.
    given = {"data-words": words, "data-link": link, "onclick": _COPY}
    said = " ".join(f'{name}="{html.escape(value)}"' for name, value in given.items())
    off = "" if words else " disabled"
    return f'<button type="button" class="jupyter-button dnilab-copy" {said}{off}>{called}</button>'
