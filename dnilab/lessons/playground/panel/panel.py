"""The playground: the whole of the course's choices in one panel.

It is a :class:`dnilab.widgets.Panel` whose run is a comparison of settings
(``experiments/growing_lines.py``).  What it adds: controls that move others, presets, a string of
the settings, a second picture, pins, and sweeps.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from dnilab.data import Dataset
from dnilab.experiments.settings import OWN
from dnilab.lessons.playground.data import own_arrays
from dnilab.lessons.playground.experiments.comparison import FIRST, PRESETS, Lineup
from dnilab.lessons.playground.experiments.growing_lines import Progress, live, reports_a_round
from dnilab.lessons.playground.experiments.saved_runs import (
    SORTS,
    Pin,
    from_json,
    load,
    named,
    save,
)
from dnilab.lessons.playground.panel.choices import (
    GROUPS,
    SHOWN,
    idle,
    lineup_of,
    specs,
    unreachable,
    values_of,
    with_depth,
)
from dnilab.lessons.playground.panel.style import STYLE
from dnilab.lessons.playground.panel.sweep import SweepPart
from dnilab.lessons.playground.panel.table import links_html, table_html
from dnilab.lessons.playground.panel.view import Convergence, Detail
from dnilab.widgets.controls import Choice, Control, Words
from dnilab.widgets.panel import Budget, Panel, _Job, close_tree

YOURS = "your own mix"
OPEN = ("Ordering", "Generator", "Beside it")
"""The groups of controls that are open at first."""


class Playground(Panel[Progress]):
    """The panel behind :func:`playground`.

    Plain state, beside that of a panel: ``lineup``, ``text`` (the settings string), ``pins``,
    ``preset``, ``detail`` (bytes) and ``detail_sentence``; and ``sweep``, see :class:`SweepPart`.
    """

    def __init__(self, lineup: Lineup, own: Dataset | None, *, name: str, play: bool) -> None:
        self._own = own
        self._below = Detail()
        self._below_budget = Budget(rate=2.0, share=0.1)
        self._linking = False
        self._pins: tuple[Pin, ...] = ()
        self.detail, self.detail_sentence = b"", ""
        self._curves = Convergence()
        choices = specs(lineup, own is not None)
        super().__init__(
            {**choices, **SHOWN},
            self._train,
            self._curves,
            title="Playground: synthetic gradients and update orderings",
            name=name,
            player=True,
            play=play,
            progress=lambda progress: progress.done,
            redraw=SHOWN,
            rate=12.0,
            share=0.15,
        )
        self._text = lineup.text
        self.sweep = SweepPart(
            lambda: self.values, self._set_values, lambda: self.snapshot, own, name
        )
        lock = self._lock
        presets = [YOURS, *PRESETS]
        self.presets = Control("preset", Choice(presets, YOURS, "Preset"), self._chosen, lock)
        self.string = Control(
            "settings",
            Words(self.lineup.text, "Settings string: copy it, or paste one and press Enter"),
            self._pasted,
            lock,
        )
        self.pin_name = Control("name", Words("", "Name", "made from the settings"), _nothing, lock)
        self.sort = Control("sort", Choice(list(SORTS), "pinned", "Sort by"), self._sorted, lock)
        self._follow()

    # -- plain state -------------------------------------------------------------------------

    @property
    def lineup(self) -> Lineup:
        """What the controls stand for.  Raises ValueError if they can't go together."""
        return lineup_of(self.values)

    @property
    def text(self) -> str:
        """The settings string: paste it to a classmate."""
        return self._text

    @text.setter
    def text(self, text: str) -> None:
        self.set(Lineup.from_text(text))

    @property
    def preset(self) -> str:
        """The preset that the controls stand for, or "your own mix"."""
        return str(self.presets.value)

    @property
    def pins(self) -> tuple[Pin, ...]:
        """The pinned runs, in the order in which they were pinned."""
        return self._pins

    @property
    def setting_words(self) -> str:
        """The settings string, for a page without controls."""
        return self.text

    def set(self, lineup: Lineup) -> None:
        """Set all controls to ``lineup``, and run it.

        Raises ValueError if there is no control for something in it.
        """
        why = unreachable(lineup)
        if not why and lineup.settings.task == OWN and self._own is None:
            why = "task: it needs arrays of your own, playground(data=(X, Y))"
        if why:
            raise ValueError(why)
        self._set_values(values_of(lineup))

    def _set_values(self, values: Mapping[str, Any]) -> None:
        """Set several controls at once, and run what they then stand for."""
        with self._lock:
            self._linking = True
            try:
                for name, value in values.items():
                    self.controls[name].value = value
            finally:
                self._linking = False
            self._moved("task")

    # -- pins --------------------------------------------------------------------------------

    def pin(self, name: str = "") -> Pin | None:
        """Keep the main line as it is now, under ``name``; None if there is none yet."""
        progress = self.snapshot
        if progress is None or not progress.lines[progress.main].epoch.size:
            return None
        pin = named(name, progress.lines[progress.main], self._pins)
        self._set_pins((*self._pins, pin))
        return pin

    def pin_all(self) -> None:
        """Keep every line as it is now."""
        progress = self.snapshot
        pins = list(self._pins)
        for line in progress.lines if progress is not None else ():
            if line.epoch.size:
                pins.append(named("", line, pins))
        self._set_pins(tuple(pins))

    def remove(self, name: str) -> None:
        """Remove the pin called ``name``; ValueError if there is none."""
        if name not in [pin.name for pin in self._pins]:
            raise ValueError(f"name is {name!r}; it accepts the name of a pinned run")
        self._set_pins(tuple(pin for pin in self._pins if pin.name != name))

    def add(self, pins: Iterable[Pin]) -> None:
        """Add pins, for instance loaded ones; names that are taken get a number."""
        every = list(self._pins)
        for pin in pins:
            every.append(named(pin.name, pin.line, every))
        self._set_pins(tuple(every))

    def save(self, path: str | Path) -> Path:
        """Write the pinned runs to a file: .csv for the table, .json for everything."""
        return save(self._pins, path)

    def load(self, path: str | Path) -> None:
        """Add the pinned runs of a .json file."""
        self.add(load(path))

    def _set_pins(self, pins: tuple[Pin, ...]) -> None:
        with self._lock:
            self._pins = self._curves.pins = pins
            self._show_pins()
        self.redraw()

    def _show_pins(self, *, anew: bool = False) -> None:
        if self._closed or (self._widget is None and not anew):
            return
        self._table.value = table_html(self._pins, self.sort.value)
        self._links.value = links_html(self._pins)
        self._links.layout.display = None if self._pins else "none"
        names = [pin.name for pin in self._pins]
        self._which.options = names
        if names:
            self._which.value = names[-1]
        for part in (self._which, self._remove_button):
            part.disabled = not names

    # -- what moves what ---------------------------------------------------------------------

    def _train(self, values: dict[str, Any]) -> Iterator[Progress]:
        yield from live(lineup_of(values), self._own)

    def _moved(self, name: str) -> None:
        if self._linking:
            return
        if name not in SHOWN:
            self._linking = True
            try:
                if name == "depth":
                    widths = self.controls["widths"]
                    widths.value = with_depth(widths.value, self.controls["depth"].value)
                elif name == "widths":
                    depth = len(self.controls["widths"].value.replace(",", " ").split())
                    spec = self.controls["depth"].spec
                    if spec.min <= depth <= spec.max:  # type: ignore[union-attr]
                        self.controls["depth"].value = depth
            finally:
                self._linking = False
        self._follow()
        super()._moved(name)

    def _follow(self) -> None:
        """Bring up to date what hangs on the controls: string, preset, which are greyed out."""
        values = self.values
        out = idle(values)
        for name, control in self.controls.items():
            control.enabled = name not in out
        self._linking = True
        try:
            lineup = lineup_of(values)
            self.string.value = self._text = lineup.text
            same = (n for n, p in PRESETS.items() if values_of(p) == values_of(lineup))
            self.presets.value = next(same, YOURS)
        except ValueError:  # the run says what is wrong
            self.presets.value = YOURS
        finally:
            self._linking = False
        self.sweep.follow()

    def _chosen(self, _: str) -> None:
        if not self._linking and self.presets.value != YOURS:
            self.set(PRESETS[self.presets.value])

    def _pasted(self, _: str) -> None:
        if self._linking:
            return
        try:
            self.set(Lineup.from_text(self.string.value))
        except ValueError as error:
            self.tell(str(error))

    def _sorted(self, _: str) -> None:
        self._show_pins()

    def tell(self, message: str) -> None:
        """Say in the panel what is wrong with something that was typed, loaded or clicked.

        What is wrong with the run, if anything is, stays said.
        """
        with self._lock:
            if self._widget is not None and not self._closed:
                message = message.rstrip(".") + "."
                if self.error is not None:
                    message = f"{message} {self._failure}"
                self._show_message(message, self.error)

    def _step_size(self, job: _Job) -> int:
        """A step is one report of every run, or of one where they follow one another."""
        try:
            lineup = lineup_of(job.values)
        except ValueError:
            return 1
        return reports_a_round(lineup, first=not job.pulled)

    def _finish(self, job: _Job) -> None:
        super()._finish(job)
        self.sweep.follow()  # it tells how long a sweep takes

    def close(self) -> None:
        """End the run and the sweep, and close every widget.  May be called twice."""
        self.sweep.close()
        super().close()

    # -- the second picture ------------------------------------------------------------------

    def _drawn(self, job: _Job, snapshot: Progress, *, last: bool) -> None:
        if not (last or self._below_budget.due()):
            return
        values = {name: self.controls[name].value for name in SHOWN}
        with self._drawing, self._below_budget:
            png, sentence = self._below.draw(snapshot, values)
        with self._lock:
            if not self._is_current(job):
                return
            self.detail, self.detail_sentence = png, sentence
            if png:
                self._below_image.value = png
            self._below_image.layout.display = None if png else "none"
            self._below_sentence.value = f"<p>{html.escape(sentence)}</p>" if sentence else ""

    # -- what a reader sees ------------------------------------------------------------------

    def _build(self) -> widgets.VBox:
        panel = super()._build()
        style, heading, grid, buttons, progress, alert, image, sentence = panel.children
        style.value += f"<style>{STYLE}</style>"
        grid.children = ()
        close_tree(grid)
        side = widgets.VBox([part for title in GROUPS for part in self._group(title)])
        side.add_class("dnilab-side")
        shown = self._row([self.controls[name].widget for name in SHOWN])
        self._below_image = widgets.Image(format="png")
        self._below_image.layout.display = "none"
        self._below_image.add_class("dnilab-picture")
        self._below_sentence = widgets.HTML()
        self._below_sentence.add_class("dnilab-sentence")
        main = widgets.VBox(
            [buttons, progress, alert, image, sentence, shown, self._below_image,
             self._below_sentence]
        )  # fmt: skip
        main.add_class("dnilab-main")
        body = widgets.Box([side, main])
        body.add_class("dnilab-body")
        top = self._row([self.presets.widget, self.string.widget])
        panel.children = (style, heading, top, body, *self.sweep.build(), self._pin_part())
        self._show_pins(anew=True)
        panel.add_class("dnilab-playground")
        return panel

    def _group(self, title: str) -> list[Any]:
        """A heading that opens and closes, and the controls under it."""
        box = self._row([self.controls[name].widget for name in GROUPS[title]])
        button = widgets.ToggleButton(value=title in OPEN, description=title)
        button.add_class("dnilab-heading")

        def follow(_: object = None) -> None:
            button.icon = "caret-down" if button.value else "caret-right"
            button.tooltip = f"{title}: {'hide' if button.value else 'show'} the controls"
            box.layout.display = None if button.value else "none"

        button.observe(follow, names="value")
        follow()
        return [button, box]

    def _pin_part(self) -> widgets.VBox:
        heading = widgets.HTML("<h4>Pinned runs</h4>")
        pin = widgets.Button(description="Pin the run", icon="thumb-tack")
        every = widgets.Button(description="Pin all lines", icon="thumb-tack")
        pin.on_click(lambda _: self._pin_clicked())
        every.on_click(lambda _: self.pin_all())
        self._which = widgets.Dropdown(
            options=[], description="Run", tooltip="Run", disabled=True,
            style={"description_width": "initial"},
        )  # fmt: skip
        self._remove_button = widgets.Button(description="Remove", icon="trash", disabled=True)
        self._remove_button.on_click(lambda _: self._remove_clicked())
        self._upload = widgets.FileUpload(accept=".json", multiple=False, description="Load JSON")
        self._upload.observe(self._uploaded, names="value")
        self._table, self._links = widgets.HTML(), widgets.HTML()
        self._links.add_class("dnilab-links")
        which = widgets.Box([self._which])
        which.add_class("dnilab-control")
        rows = [
            self._row([self.pin_name.widget, pin, every]),
            self._table,
            self._row([self.sort.widget, which, self._remove_button]),
            self._row([self._links, self._upload]),
        ]
        part = widgets.VBox([heading, *rows])
        part.add_class("dnilab-pins")
        self._pin_buttons = (pin, every)
        return part

    @staticmethod
    def _row(parts: list[Any]) -> widgets.Box:
        row = widgets.Box(parts)
        row.add_class("dnilab-controls")
        return row

    def _pin_clicked(self) -> None:
        if self.pin(self.pin_name.value) is None:
            self.tell("There is no run to pin yet: press Play")
        else:
            self.pin_name.value = ""

    def _remove_clicked(self) -> None:
        if self._which.value is not None:
            self.remove(self._which.value)

    def _uploaded(self, change: Any) -> None:
        if not change["new"]:
            return
        try:
            self.add(from_json(bytes(change["new"][0]["content"])))
        except ValueError as error:
            self.tell(str(error))
        finally:
            self._upload.value = ()


def _nothing(_: str) -> None:
    """A control that nobody follows."""


def playground(
    settings: Lineup | str = FIRST,
    *,
    data: Dataset | tuple[Any, Any] | None = None,
    play: bool = True,
    name: str = "playground",
) -> Playground:
    """The playground, for the last line of a cell.

    Parameters
    ----------
    settings:
        What it starts with: the name of a preset, a settings string, or a line-up.
    data:
        Arrays of your own, (X, Y), as in :func:`own_arrays`, or a ``Dataset``.
        They become a task, which it starts with.
    play:
        Whether it begins by itself.
    name:
        A new playground closes the open one of the same name.

    Raises ValueError for a preset, string or arrays that it cannot take.
    """
    own = None
    if data is not None:
        own = data if isinstance(data, Dataset) else _own(data)
    if isinstance(settings, str):
        lineup = PRESETS[settings] if settings in PRESETS else Lineup.from_text(settings)
    else:
        lineup = settings
    if own is not None:
        size = min(lineup.settings.batch_size, len(own.x_train))
        changes = {"task": OWN, "batch_size": size}
        lineup = Lineup(lineup.settings.but(**changes), lineup.seeds, lineup.beside)
    why = unreachable(lineup)
    if why:
        raise ValueError(why)
    return Playground(lineup, own, name=name, play=play)


def _own(data: Any) -> Dataset:
    if not (isinstance(data, tuple | list) and len(data) == 2):
        raise ValueError("data accepts two arrays, (X, Y), or a Dataset")
    return own_arrays(*data)
