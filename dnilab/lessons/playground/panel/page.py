"""The playground as a page of its own, with the settings of the link that led there."""

from __future__ import annotations

import os
from urllib.parse import parse_qs

from dnilab.lessons.playground.experiments.comparison import FIRST
from dnilab.lessons.playground.panel.panel import Playground, playground


def playground_page(settings: str | None = None) -> Playground:
    """The playground, for the only cell of a page.

    ``settings``: a settings string, or the name of a preset; "" for the first preset.  None: what
    the address of the page says behind ``?settings=``, which Voila hands on as the environment
    variable QUERY_STRING.  Nothing in it is executed.  What can't be taken is said on the page.
    """
    if settings is None:
        settings = parse_qs(os.environ.get("QUERY_STRING", "")).get("settings", [""])[0]
    try:
        return playground(settings or FIRST, page=True)
    except ValueError as fault:
        play = playground(page=True)
        play.tell(f"The link asks for settings that can't be taken. {fault}", "string")
        return play
