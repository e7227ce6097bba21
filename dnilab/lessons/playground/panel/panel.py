"""The playground: the whole of the course's choices in one panel.

It is a :class:`dnilab.widgets.Panel` whose run is a comparison of settings
(``experiments/growing_lines.py``).  What it adds: controls that move others, presets, a string of
the settings, a second picture, pins, and sweeps.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from dnilab.checks import refuse
from dnilab.data import Dataset
from dnilab.experiments.settings import OWN
from dnilab.lessons.playground.data import own_arrays
from dnilab.lessons.playground.experiments import growing_lines, saved_runs
from dnilab.lessons.playground.experiments.as_python import as_python
from dnilab.lessons.playground.experiments.comparison import FIRST, PRESETS, Lineup
from dnilab.lessons.playground.experiments.needs import check_room
from dnilab.lessons.playground.experiments.saved_runs import Pin, named
from dnilab.lessons.playground.panel import choices, intro, parts
from dnilab.lessons.playground.panel.choices import (
    COME_AND_GO,
    COMPARED,
    FIRST_GROUP,
    GROUPS,
    SHOWN,
    lineup_of,
    values_of,
)
from dnilab.lessons.playground.panel.player import Player
from dnilab.lessons.playground.panel.share import share_html
from dnilab.lessons.playground.panel.sweep import SweepPart
from dnilab.lessons.playground.panel.view import Beside, Convergence, Detail
from dnilab.lessons.playground.panel.words import Words
from dnilab.widgets.controls import Choice, Control
from dnilab.widgets.panel import MEASURING, Budget, _Job, button, close_tree

STYLE = Path(__file__).with_name("playground.css").read_text("utf-8")
YOURS = "your own mix"
PLACES = ("string", "pin", "file")  # where the playground says what is wrong with what was done
TITLE = "Playground: layers that guess their gradients"
OPEN = ("Generator", COMPARED)
"""The groups of controls that are open at first."""


class Playground(Player[growing_lines.Progress]):
    """The panel behind :func:`playground`.

    Plain state, beside that of a panel: ``lineup``, ``text`` (the settings string), ``pins``,
    ``preset``, ``others`` (bytes and sentence of the network, and of what is below the curves);
    and ``tour`` and ``sweep``, see :class:`Tour` and :class:`SweepPart`.

    ``page``: whether it is a page of its own, with the title of a page.
    """

    def __init__(
        self, lineup: Lineup, own: Dataset | None, *, name: str, play: bool, page: bool = False
    ) -> None:
        self._own, self._page = own, page
        self._beside, self._below = Beside(), Detail()
        self._below_budget = Budget(rate=2.0, share=0.1)
        self._linking = False
        self._pins: tuple[Pin, ...] = ()
        self.others = [(b"", ""), (b"", "")]
        self._curves = Convergence()
        super().__init__(
            {**choices.specs(lineup, own is not None), **SHOWN},
            self._train,
            self._curves,
            title=TITLE,
            name=name,
            play=play,
            progress=lambda progress: progress.done,
            redraw=SHOWN,
            idle=choices.idle,
            rate=12.0,
            share=0.15,
        )
        self._text = lineup.text
        self.told: dict[str, str] = dict.fromkeys(PLACES, "")
        """What was said about something that was typed, clicked or loaded, by place."""
        self.sweep = SweepPart(self, own)

        def control(spec: Choice | Words, moved: Callable[[], None]) -> Control:
            return Control(spec.label, spec, lambda _: moved(), self._lock)

        question = "Preset: a question to begin with"
        self.presets = control(Choice([YOURS, *PRESETS], YOURS, question), self._chosen)
        title = "Settings string: copy it, or paste one and press Enter"
        self.string = control(Words(lineup.text, title), self._pasted)
        self.pin_name = control(Words("", "Name", "made from the settings"), lambda: None)
        self.sort = control(Choice(list(saved_runs.SORTS), "pinned", "Sort by"), self._show_pins)
        self._follow()

    # -- plain state -------------------------------------------------------------------------

    @property
    def lineup(self) -> Lineup:
        """What the controls stand for.  Raises ValueError if they can't go together."""
        return lineup_of(self.values)

    @property
    def text(self) -> str:
        """The settings string: paste it to a classmate.  Empty if the settings can't be run."""
        return self._text

    @text.setter
    def text(self, text: str) -> None:
        self.set(Lineup.from_text(text))
        self.tell(choices.not_taken(text, self.lineup), "string")

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
        choices.check_reachable(lineup, own=self._own is not None)
        self.load_values(values_of(lineup))

    def load_values(self, values: Mapping[str, Any]) -> None:
        """Set several controls at once, and run what they then stand for."""
        with self._lock:
            with self._linked():
                for name, value in values.items():
                    self.controls[name].value = value
            self._moved("task")

    @contextmanager
    def _linked(self) -> Iterator[None]:
        """Controls that are moved in here set nothing off."""
        self._linking = True
        try:
            yield
        finally:
            self._linking = False

    # -- pins --------------------------------------------------------------------------------

    def pin(self, name: str = "") -> Pin | None:
        """Keep the main line as it is now, under ``name``; None if there is none yet."""
        progress = self.snapshot
        if progress is None or not progress.lines[progress.main].epoch.size:
            return None
        self._keep([(name, progress.lines[progress.main])])
        return self._pins[-1]

    def pin_all(self) -> None:
        """Keep every line as it is now."""
        lines = self.snapshot.lines if self.snapshot is not None else ()
        self._keep([("", line) for line in lines if line.epoch.size])

    def remove(self, name: str) -> None:
        """Remove the pin called ``name``; ValueError if there is none."""
        if name not in [pin.name for pin in self._pins]:
            refuse("name", name, "the name of a pinned run")
        self._set_pins([pin for pin in self._pins if pin.name != name])

    def add(self, pins: Iterable[Pin]) -> None:
        """Add pins, for instance loaded ones; names that are taken get a number."""
        self._keep([(pin.name, pin.line) for pin in pins])

    def save(self, path: str | Path) -> Path:
        """Write the pinned runs to a file: .csv for the table, .json or .jsonl for everything."""
        return saved_runs.save(self._pins, path)

    def load(self, path: str | Path) -> None:
        """Add the pinned runs of a .json or .jsonl file, or each of the settings of a sweep's."""
        self.add(saved_runs.load(path))

    def _keep(self, lines: Iterable[tuple[str, growing_lines.Line]]) -> None:
        pins = list(self._pins)
        for name, line in lines:
            pins.append(named(name, line, pins))
        self._set_pins(pins)

    def _set_pins(self, pins: Iterable[Pin]) -> None:
        with self._lock:
            self._pins = self._curves.pins = tuple(pins)
            if self._widget is not None:
                self._show_pins()
        self.redraw()

    def _show_pins(self) -> None:
        if self._closed:
            return
        self._table.value = self._table_html()
        files = {
            "dnilab-runs.csv": ("Save as CSV", saved_runs.to_csv(self._pins)),
            "dnilab-runs.jsonl": ("Save as JSON", saved_runs.to_lines(self._pins)),
        }
        parts.say(self._links, parts.links_html(files) if self._pins else "")
        names = [pin.name for pin in self._pins]
        self._which.options = names
        self._which.value = names[-1] if names else None
        self._which.disabled = self._remove_button.disabled = not names

    def _table_html(self) -> str:
        if not self._pins:
            return "<p>No run is pinned yet. Pin one to compare the next with it.</p>"
        pins = saved_runs.in_order(self._pins, self.sort.value)
        caption = (
            f"{len(pins)} pinned run{'s' * (len(pins) > 1)}; settings that differ; last numbers, "
            "mean ± standard deviation over seeds"
        )
        return parts.table_html("Pinned runs", *saved_runs.table_of(pins), caption)

    # -- what moves what ---------------------------------------------------------------------

    def _train(self, values: dict[str, Any]) -> Iterator[growing_lines.Progress | None]:
        lineup = lineup_of(values)
        check_room(lineup, self._own)
        yield from growing_lines.building(lineup, self._own)

    def _moved(self, name: str) -> None:
        if self._linking:
            return
        depth, widths = self.controls["depth"], self.controls["widths"]
        with self._linked():
            if name == "depth":
                widths.value = choices.with_depth(widths.value, depth.value)
            elif name == "widths":
                with suppress(ValueError):  # the run says what is wrong
                    depth.value = len(choices.widths_of(widths.value))
        self._follow()
        super()._moved(name)

    def _follow(self) -> None:
        """Bring up to date what hangs on the controls: the string and the preset."""
        values = self.values
        lineup, preset = None, YOURS
        with self._linked():
            self._text = ""
            with suppress(ValueError):  # the run says what is wrong
                lineup = lineup_of(values)
                self._text = lineup.text
                same = (n for n, p in PRESETS.items() if values_of(p) == values_of(lineup))
                preset = next(same, YOURS)
            self.string.value = self._text
            if self._widget is not None:
                self._list_presets(preset)
            self.presets.value = preset
        self._now = lineup, preset, choices.idle(values)
        if self._widget is not None and not self._closed:
            self._show_now()
        self.sweep.follow()

    def _list_presets(self, preset: str) -> None:
        """Offer the presets; "your own mix" is a name for what is there, and nothing to choose."""
        (listed,) = self.presets.parts
        names = [YOURS, *PRESETS] if preset == YOURS else [*PRESETS]
        if list(listed.options) != names:
            listed.options = names

    def _show_now(self) -> None:
        """Show which controls there are as the others stand, and what is learned."""
        lineup, preset, out = self._now
        for name in COME_AND_GO:
            self.controls[name].widget.layout.display = "none" if name in out else ""
        self._intro.value = intro.intro_html(lineup, preset, self._own)
        program = ""
        with suppress(ValueError):  # the run says what is wrong
            program = as_python(lineup, self._own) if lineup is not None else ""
        self._share.value = share_html(self._text, program, page=self._page)

    def _chosen(self) -> None:
        if not self._linking and self.presets.value != YOURS:
            self.set(PRESETS[self.presets.value])

    def _pasted(self) -> None:
        if self._linking:
            return
        try:
            self.text = self.string.value
        except ValueError as error:
            self.tell(str(error), "string")

    def tell(self, message: str, place: str) -> None:
        """Say what is wrong with something that was typed, clicked or loaded, where that was.

        It stays until the next run.  What is wrong with the run itself is said above the curves.
        """
        message = message.rstrip(".") + "." if message else ""
        with self._lock:
            self.told[place] = message
            if self._widget is not None and not self._closed:
                self._show_told(place)

    def _show_told(self, place: str) -> None:
        said = html.escape(self.told[place])
        parts.say(self._told[place], f'<p role="alert">{said}</p>' if said else "")

    def _step_size(self, job: _Job) -> int:
        """A step is one report of every run, or of one where they follow one another."""
        with suppress(ValueError):  # the run says what is wrong
            return growing_lines.reports_a_round(lineup_of(job.values), first=not job.pulled)
        return 1

    def _finish(self, job: _Job) -> None:
        super()._finish(job)
        self.sweep.follow()  # it tells how long a sweep takes

    def close(self) -> None:
        """End the run and the sweep, and close every widget.  May be called twice."""
        self.sweep.close()
        super().close()

    # -- the second picture ------------------------------------------------------------------

    def _soon(self) -> None:
        super()._soon()
        self._below_budget.reset()

    def _drawn(self, job: _Job, snapshot: growing_lines.Progress, *, last: bool) -> None:
        if not (last or self._below_budget.due()):
            return
        values = {name: self.controls[name].value for name in SHOWN}
        with self._below_budget:
            beside, below = self._beside.draw(snapshot), self._below.draw(snapshot, values)
        with self._lock:
            if not self._is_current(job):
                return
            for place, (png, sentence) in enumerate((beside, below)):
                self._show_other(place, png, sentence)

    def _show_other(self, place: int, png: bytes | None, sentence: str) -> None:
        """Show the network (0) or what is below the curves (1).

        As long as there is nothing to see of a new run, the old picture stays, dimmed, so that
        nothing jumps.  The lock is held.
        """
        image, words = self._others[place].children
        if png is None:
            if self.others[place][0]:
                return
            png = b""
        self.others[place] = png, sentence
        if png:
            image.value = png
        image.layout.display = "" if png else "none"
        words.value = f"<p>{html.escape(sentence)}</p>" if sentence else ""
        self._others[place].remove_class(MEASURING)

    def _restart(self) -> None:
        if self._job is not None:  # what was said before the first run is to be read
            for place in PLACES:
                self.tell("", place)
        super()._restart()
        if self._widget is not None and not self._closed:
            for one in self._others:
                one.add_class(MEASURING)

    # -- what a reader sees ------------------------------------------------------------------

    def _build(self) -> widgets.VBox:
        panel = super()._build()
        style, title, grid, buttons, progress, alert, image, sentence = panel.children
        style.value += f"<style>{STYLE}</style>"
        if self._page:
            title.value = f"<h1>{html.escape(self.title)}</h1>"
        grid.children = ()
        close_tree(grid)
        self._intro = widgets.HTML().add_class("dnilab-intro")
        self._told = {place: parts.text("dnilab-alert") for place in PLACES}
        for place in PLACES:
            self._show_told(place)
        self._share = widgets.HTML().add_class("dnilab-share-part")
        self._others = _picture_to_be("dnilab-network"), _picture_to_be("dnilab-below")
        network, below = self._others
        groups = self._groups()
        live, _ = groups.pop(FIRST_GROUP)
        side = widgets.VBox([one for both in groups.values() for one in both])
        curves = widgets.VBox([image, sentence]).add_class("dnilab-curves")
        shown = parts.row(*(self.controls[name].widget for name in SHOWN))
        main = widgets.VBox(
            [progress, alert, parts.boxed("dnilab-figures", curves, network), shown, below]
        )
        body = parts.boxed(
            "dnilab-body",
            live.add_class("dnilab-live"),
            main.add_class("dnilab-main"),
            side.add_class("dnilab-side"),
        )
        places = {"network": network, "curves": curves, "live": live}
        places |= {"generator": groups["Generator"][1], "beside": groups[COMPARED][1]}
        top = parts.boxed("dnilab-top", self.presets.widget, buttons)
        self.tour = intro.Tour(lambda part: intro.point_at(places | {"presets": top}, part))
        buttons.children = (*buttons.children, self.tour.begin)
        words = intro.words_part()
        intro.give_tips(self.controls)
        panel.children = (
            style, title, self._intro, self.tour.widget, top, body,
            widgets.VBox(words).add_class("dnilab-words-part"), self.sweep.widget,
            parts.row(self.string.widget, self._share), self._told["string"], self._pin_part(),
        )  # fmt: skip
        self._show_pins()
        with self._linked():
            preset = self.preset
            self._list_presets(preset)
            self.presets.value = preset
        self._show_now()
        return panel.add_class("dnilab-playground")

    def _groups(self) -> dict[str, tuple[Any, Any]]:
        """By title: a heading that folds, and under it the controls; the first are never folded."""
        found: dict[str, tuple[Any, Any]] = {}
        for title, names in GROUPS.items():
            under = parts.row(*(self.controls[name].widget for name in names))
            if title == FIRST_GROUP:
                found[title] = (under, under)
            else:
                found[title] = (parts.heading(title, under, opened=title in OPEN), under)
        return found

    def _pin_part(self) -> widgets.VBox:
        self._pin_buttons = (
            button("Pin the run", "thumb-tack", self._pin_clicked),
            button("Pin all lines", "thumb-tack", self.pin_all),
        )
        self._which = widgets.Dropdown(
            description="Run", tooltip="Run", style={"description_width": "initial"}
        )
        self._remove_button = button("Remove", "trash", self._remove_clicked)
        self._upload = widgets.FileUpload(accept=".json,.jsonl", description="Load JSON")
        self._upload.observe(self._uploaded, names="value")
        self._table, self._links = widgets.HTML(), parts.text("dnilab-links")
        which = parts.boxed("dnilab-control", self._which)
        rows = [
            widgets.HTML("<h2>Pinned runs</h2>" if self._page else "<h4>Pinned runs</h4>"),
            parts.row(self.pin_name.widget, *self._pin_buttons),
            self._told["pin"],
            self._table,
            parts.row(self.sort.widget, which, self._remove_button),
            parts.row(self._links, self._upload),
            self._told["file"],
        ]
        return widgets.VBox(rows).add_class("dnilab-pins")

    def _pin_clicked(self) -> None:
        if self.pin(self.pin_name.value) is None:
            self.tell("There is no run to pin yet: press Play", "pin")
        else:
            self.pin_name.value = ""

    def _remove_clicked(self) -> None:
        if self._which.value is not None:
            self.remove(self._which.value)

    def _uploaded(self, change: Any) -> None:
        try:
            for file in change["new"]:
                self.add(saved_runs.pins_in(bytes(file["content"]), file["name"]))
        except ValueError as error:
            self.tell(str(error), "file")
        finally:
            self._upload.value = ()


def _picture_to_be(name: str) -> widgets.VBox:
    """A picture and its sentence, before there is any."""
    image = widgets.Image(format="png").add_class("dnilab-picture")
    image.layout.display = "none"  # without data it shows as broken
    return widgets.VBox([image, widgets.HTML().add_class("dnilab-sentence")]).add_class(name)


def playground(
    settings: Lineup | str = FIRST,
    *,
    data: Dataset | tuple[Any, Any] | None = None,
    play: bool = True,
    name: str = "playground",
    page: bool = False,
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
    page:
        Whether it is a page of its own, with the title of a page.

    Raises ValueError for a preset, string or arrays that it cannot take.
    """
    own = _own(data)
    if isinstance(settings, str):
        settings = PRESETS[settings] if settings in PRESETS else Lineup.from_text(settings)
    if own is not None:
        size = min(settings.settings.batch_size, len(own.x_train))
        settings = settings.but(task=OWN, batch_size=size)
    choices.check_reachable(settings, own=own is not None)
    return Playground(settings, own, name=name, play=play, page=page)


def _own(data: Any) -> Dataset | None:
    if data is None or isinstance(data, Dataset):
        return data
    if not (isinstance(data, tuple | list) and len(data) == 2):
        raise ValueError("data accepts two arrays, (X, Y), or a Dataset")
    return own_arrays(*data)
