"""The map of a sweep: a button for each setting, with its number and a colour for it.

A problem is a word and a hatching, never a colour.  The same is said in a sentence.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

import ipywidgets as widgets

from dnilab.lessons.playground.experiments.saved_runs import mean_words
from dnilab.lessons.playground.panel.sweep_plan import Cell, Plan
from dnilab.lessons.playground.sweeps.row import Row

Place = tuple[int, int]
Rows = Mapping[str, Row]
"""Rows by the key of their job."""

DONE, WAITING, DIVERGED, FAILED, REFUSED = "done", "waiting", "diverged", "failed", "refused"

# One blue hue from light to dark, so that it is the lightness that tells, to every eye.
_SCALE = ((0xEA, 0xF3, 0xFA), (0x9C, 0xC9, 0xE6), (0x3E, 0x8F, 0xC6), (0x0B, 0x4F, 0x8A),
          (0x06, 0x26, 0x4A))  # fmt: skip
LEAST_SPAN = {"right": 0.01, "test_loss": 1e-3}
"""Differences below this do not get the whole scale: they would look like more than they are."""


def ground(share: float) -> str:
    """The colour for a share from 0, the worst of the map, to 1, the best: "#rrggbb"."""
    place = min(max(share, 0.0), 1.0) * (len(_SCALE) - 1)
    n = min(int(place), len(_SCALE) - 2)
    mixed = (a + (b - a) * (place - n) for a, b in zip(_SCALE[n], _SCALE[n + 1], strict=True))
    return "#" + "".join(f"{round(part):02X}" for part in mixed)


def luminance(colour: str) -> float:
    """Relative luminance of "#rrggbb", 0 to 1 (WCAG 2.1)."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def ink(colour: str) -> str:
    """Black or white, whichever reads better on ``colour``: 4.5 to 1 at least."""
    light = luminance(colour)
    return "#000000" if (light + 0.05) / 0.05 >= 1.05 / (light + 0.05) else "#FFFFFF"


@dataclass(frozen=True)
class Found:
    """What is known of one setting: how it stands, the text of its button, and more in words."""

    kind: str
    text: str
    words: str
    mean: float = math.nan


def found(cell: Cell, keys: tuple[str, ...], rows: Rows, what: str, *, going: bool) -> Found:
    """What the rows of a setting say; ``keys``: of its jobs, ``what``: the score that is shown."""
    if cell.settings is None:
        return Found(REFUSED, "refused", f"refused: {cell.refused}")
    there = [rows[key] for key in keys if key in rows]
    many = len(keys)
    for status in (FAILED, DIVERGED):
        bad = [row for row in there if row.status == status]
        if bad:
            of = f"{len(bad)} of {many} seeds {status}" if many > 1 else status
            return Found(status, status, f"{of}: {bad[0].message}")
    if len(there) < many:
        if not there:
            return Found(WAITING, "…" if going else "–", "waiting" if going else "not run")
        return Found(WAITING, f"{len(there)} of {many}", f"{len(there)} of {many} seeds are there")
    scores = [row.score(what) for row in there]
    mean, spread = fmean(scores), stdev(scores) if many > 1 else 0.0
    percent = what == "right"
    text = f"{100 * mean:.1f}" if percent else f"{mean:.3g}"
    return Found(DONE, text, mean_words(mean, spread, many, percent=percent), mean)


def all_found(plan: Plan, rows: Rows, what: str, *, going: bool) -> dict[Place, Found]:
    """What is known of every setting of a plan."""
    return {
        place: found(cell, plan.keys[place], rows, what, going=going)
        for place, cell in plan.cells.items()
    }


def best(every: Mapping[Place, Found], what: str) -> Place | None:
    """Where the best number stands; None if there is none yet."""
    done = {place: one.mean for place, one in every.items() if one.kind == DONE}
    if not done:
        return None
    return (max if what == "right" else min)(done, key=lambda place: done[place])


def shares(every: Mapping[Place, Found], what: str) -> dict[Place, float]:
    """From 0 for the worst number to 1 for the best."""
    done = {place: one.mean for place, one in every.items() if one.kind == DONE}
    if not done:
        return {}
    low, high = min(done.values()), max(done.values())
    span = max(high - low, LEAST_SPAN[what])
    if what == "right":
        return {place: 1 - (high - mean) / span for place, mean in done.items()}
    return {place: 1 - (mean - low) / span for place, mean in done.items()}


def sentence(plan: Plan, every: Mapping[Place, Found], what: str) -> str:
    """The map in words: the best setting, the spread, and what went wrong."""
    one = "Share right" if what == "right" else "Test loss"
    mean = f", mean of {plan.seeds} seeds" if plan.seeds > 1 else ", one seed"
    says = [f"{one} on unseen examples at the end{mean}; darker is better."]
    place = best(every, what)
    if place is not None:
        done = [found.mean for found in every.values() if found.kind == DONE]
        says.append(f"Best: {every[place].words} at {plan.cells[place].words}.")
        if len(done) > 1:
            low, high = (_number(mean, what) for mean in (min(done), max(done)))
            unit = " %" if what == "right" else ""
            says.append(f"The {len(done)} settings that are there go from {low} to {high}{unit}.")
    for kind in (DIVERGED, FAILED, REFUSED):
        count = sum(found.kind == kind for found in every.values())
        if count:
            verb = {DIVERGED: "diverged", FAILED: "failed", REFUSED: "refused"}[kind]
            verb = f"{'are' if count > 1 else 'is'} refused" if kind == REFUSED else verb
            says.append(f"{count} setting{'s' * (count > 1)} {verb}.")
    return " ".join(says)


def _number(mean: float, what: str) -> str:
    return f"{100 * mean:.1f}" if what == "right" else f"{mean:.3g}"


class Map:
    """The widgets of a map: values upwards on the left, across below, a button for each setting.

    ``clicked(place)`` is called when a button is.
    """

    def __init__(self, plan: Plan, clicked: Callable[[Place], None]) -> None:
        self.plan = plan
        self.buttons: dict[Place, widgets.Button] = {}
        columns, rows = len(plan.across.values), len(plan.up.values)
        parts: list[Any] = [_label(plan.up.label, "dnilab-map-up", "1 / 1 / 2 / -1")]
        for n, j in enumerate(reversed(range(rows)), start=2):
            parts.append(_label(f"{plan.up.values[j]:g}", "dnilab-map-left", f"{n} / 1"))
            for i in range(columns):
                button = widgets.Button()
                button.layout.grid_area = f"{n} / {i + 2}"
                button.add_class("dnilab-cell")
                button.on_click(lambda _, place=(i, j): clicked(place))
                self.buttons[i, j] = button
                parts.append(button)
        below = rows + 2
        for i, value in enumerate(plan.across.values):
            parts.append(_label(f"{value:g}", "dnilab-map-below", f"{below} / {i + 2}"))
        parts.append(_label(plan.across.label, "dnilab-map-across", f"{below + 1} / 2 / auto / -1"))
        self.grid = widgets.GridBox(parts)
        self.grid.layout.grid_template_columns = f"auto repeat({columns}, minmax(66px, 112px))"
        self.grid.add_class("dnilab-map")

    def show(self, every: Mapping[Place, Found], what: str, here: Place | None) -> None:
        """Bring the buttons up to date; ``here``: the setting that the controls stand at."""
        share, top = shares(every, what), best(every, what)
        for place, button in self.buttons.items():
            one = every[place]
            colour = ground(share[place]) if place in share else None
            button.description = one.text
            notes = ["the best"] * (place == top) + ["the controls stand here"] * (place == here)
            also = f" ({', '.join(notes)})" if notes else ""
            end = "" if one.kind == REFUSED else " Click to load it."
            button.tooltip = f"{self.plan.cells[place].words}: {one.words.rstrip('.')}{also}.{end}"
            button.style.button_color = colour
            button.style.text_color = ink(colour) if colour else None
            button.style.font_weight = "bold" if place == top else "normal"
            marks = {f"dnilab-cell-{one.kind}"}
            marks |= {"dnilab-cell-best"} if place == top else set()
            marks |= {"dnilab-cell-here"} if place == here else set()
            button._dom_classes = ("dnilab-cell", *sorted(marks))


def _label(text: str, name: str, area: str) -> widgets.HTML:
    label = widgets.HTML(f"<span>{html.escape(text)}</span>")
    label.layout.grid_area = area
    label.add_class(name)
    return label
