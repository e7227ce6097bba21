"""The playground's sweep: two controls, a range each, and a map of what came out.

It is a panel in the panel, whose run is a sweep: a thread of its own, alive only while there is
something to do, takes the rows as they come and draws the map.  It never moves one of the
playground's controls; a click on the map does, on the thread that handles clicks.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from dnilab.data import Dataset
from dnilab.experiments.compare import run
from dnilab.experiments.settings import Settings
from dnilab.here import threads_start
from dnilab.lessons.playground import pictures
from dnilab.lessons.playground.experiments.comparison import Lineup
from dnilab.lessons.playground.experiments.needs import check_sweep
from dnilab.lessons.playground.experiments.records import Job, Record
from dnilab.lessons.playground.experiments.saved_runs import csv_of
from dnilab.lessons.playground.panel import parts, sweep_plan
from dnilab.lessons.playground.panel.sweep_plan import SWEPT, Cell, Place, Plan, work
from dnilab.lessons.playground.panel.words import Words
from dnilab.lessons.playground.sweeps.executors import process_pool, workers_here
from dnilab.lessons.playground.sweeps.file import written
from dnilab.lessons.playground.sweeps.running import SweepInterrupted, beating
from dnilab.pictures import Redrawn
from dnilab.pictures.style import capital
from dnilab.widgets.controls import Choice
from dnilab.widgets.panel import Panel, _Job, button, button_row, close_tree

if TYPE_CHECKING:
    from dnilab.lessons.playground.panel.panel import Playground

SHOWN = {"right (%)": "right", "test loss": "test_loss"}
SCORES = ("right", "test_loss", "loss")  # of a run, where runs are listed
HEAD = ("seed", "status", *SCORES, "seconds", "message")
OF_AXIS = ("", " from", " to", " count")  # its controls
MOST_VALUES = 8  # on an axis: the map stays readable
HINT = (
    "Only the setting itself is run, not what stands beside it. You can use the "
    "playground meanwhile; the two then share the cores."
    if threads_start()
    else "Only the setting itself is run, not what stands beside it. In a browser the runs follow "
    "one another in this page: Stop, and the playground, answer between two of them."
)


@dataclass(frozen=True, eq=False)
class Swept:
    """How far a sweep is; ``words``: how it ended, or "" while it goes on."""

    plan: Plan
    todo: int
    went: int = 0
    words: str = ""


class SweepPart(Panel[Swept]):
    """The part of the playground that sweeps.

    ``own``: the reader's own arrays, or None.

    Plain state, beside that of a panel: ``plan()``, ``shown`` (the plan on the map), ``rows`` (by
    the key of the job), ``map``, ``line`` (what would run), and ``news`` (what a click did).
    """

    steady = False  # the buttons on the map know where its cells are

    def __init__(self, playground: Playground, own: Dataset | None) -> None:
        self._playground, self._own = playground, own
        self._stopping = False
        self.shown: Plan | None = None
        self.rows: dict[str, Record] = {}
        self.map: pictures.SweepMap | None = None
        self.line = self.news = self.stale = ""
        names = {spec.label: name for name, spec in SWEPT.items()}
        specs: dict[str, Choice | Words] = {}
        for at, title, first, count in (
            ("across", "Across", "rate", 5),
            ("up", "Upwards", "generator_rate", 3),
        ):
            specs[at] = Choice(names, first, title)
            low, high = sweep_plan.around(first, playground.values[first])
            specs[f"{at} from"] = Words(f"{low:g}", f"{title}, from")
            specs[f"{at} to"] = Words(f"{high:g}", f"{title}, to")
            specs[f"{at} count"] = Choice(range(2, MOST_VALUES + 1), count, f"{title}, values")
        specs["seeds"] = Choice([1, 2, 3, 5, 10, 20], 2, "Seeds of each setting")
        specs["show"] = Choice(SHOWN, "right", "On the map")
        super().__init__(
            specs,
            self._sweep,
            Redrawn(self._draw_map),
            title="Sweep",
            name=f"{playground.name}-sweep",
            progress=lambda swept: swept.went / swept.todo if swept.todo else 1.0,
            rate=4.0,
        )

    def plan(self) -> Plan:
        """What the controls ask for.  Raises ValueError, in words, if they can't go together."""
        asked = self.values
        across, up = (
            sweep_plan.axis(*(asked[at + part] for part in OF_AXIS)) for at in ("across", "up")
        )
        names = asked["across"], asked["up"]
        return Plan(names, (across, up), asked["seeds"], self._playground.values)

    # -- what a reader does ------------------------------------------------------------------

    def start(self) -> None:
        """Run what the controls ask for; what is there already is not run again."""
        with self._lock:
            if self._closed or self.playing:
                return
            try:
                plan = self.plan()
                check_sweep(self._todo(plan), workers_here(), self._own)
            except ValueError as fault:
                self._show_message(f"{fault}.", None)
                return
            self.shown, self._stopping, self.map = plan, False, None
            self._new_buttons(plan)
            self._restart()

    def stop(self) -> None:
        """End the sweep that is under way; what is there is kept."""
        self._stopping = True

    def click(self, place: Place) -> None:
        """Load the setting at this place of the map into the playground, and show its runs."""
        if self.shown is None or self._closed or place not in self.shown.cells:
            return
        cell = self.shown.cells[place]
        if cell.refused:
            self._tell(f"Not loaded: {cell.words} is refused. {cell.refused.rstrip('.')}.")
            return
        self._playground.load_values(cell.values)
        head = [name.replace("_", " ") for name in HEAD]
        runs = parts.table_html("Its runs", head, [_texts(row) for row in self._rows(cell)], "")
        seeds = _count(len(cell.jobs), "seed")
        words = f"Loaded: {cell.words}, {seeds}. The controls above are set to it now."
        self._tell(words, f"<p>{parts.see_html('See its curves', '.dnilab-curves')}</p>{runs}")

    # -- a sweep under way, on the panel's own thread ----------------------------------------

    def _there(self, job: Job) -> bool:
        return job.key in self.rows and self.rows[job.key].final

    def _todo(self, plan: Plan) -> list[Settings]:
        """The runs of a plan that can be run and are not there yet."""
        return [job.settings for job in plan.jobs if job.settings and not self._there(job)]

    def _rows(self, cell: Cell) -> list[Record]:
        return [self.rows[job.key] for job in cell.jobs if job.key in self.rows]

    def _sweep(self, _: Mapping[str, Any]) -> Iterator[Swept]:
        plan, runner = self.shown, run if self._own is None else partial(run, data=self._own)
        assert plan is not None
        todo = [job for job in plan.jobs if not self._there(job)]
        for job in todo:
            self.rows.pop(job.key, None)  # it failed, and is tried again
        swept = Swept(plan, len(todo))
        yield swept
        words = f"Done: {_count(plan.runs, 'run')}."
        try:
            if todo:
                with (
                    process_pool(min(workers_here(), len(todo))) as pool,
                    closing(beating(todo, pool, runner=runner)) as rows,
                ):
                    for row in rows:
                        if self._stopping or self._closed:
                            raise CancelledError  # out of the pool, so that its processes end
                        if row is not None:
                            self.rows[row.job.key] = row
                            swept = replace(swept, went=swept.went + 1)
                        if row is not None or self._to_draw():
                            yield swept
            else:
                words = "All of its runs were there already."
        except CancelledError:
            left = swept.todo - swept.went
            words = f"Stopped. {left} of {swept.todo} runs are missing; Start runs them."
        except Exception as fault:
            words = "What is there is kept; Start runs the rest."
            with self._lock:
                self._show_message(f"{_in_words(fault)} {words}", fault)
        yield replace(swept, words=words)

    def _to_draw(self) -> bool:
        """Whether there is something that is not on the picture yet."""
        job = self._job
        return job is not None and job.unsaid

    def _draw_map(self, swept: Swept) -> pictures.SweepMap:
        what = self.controls["show"].value
        missing = pictures.NOT_RUN if swept.words else pictures.WAITING
        cells = {}
        for place, cell in swept.plan.cells.items():
            there = self._rows(cell)
            others = [missing] * (len(cell.jobs) - len(there))
            cells[place] = pictures.cell_of(there, what, *others)
        width = min(700, 180 + 90 * len(swept.plan.axes[0].values))
        self.map = pictures.draw_map(swept.plan.axes, cells, what, width=width)
        # Not while it goes on: a screen reader would read out a sentence at every run.
        said = ["Started."]
        if swept.words:
            refused = [cell.refused for cell in swept.plan.cells.values() if cell.refused]
            why = [f"Refused, for instance: {one.rstrip('.')}." for one in refused[:1]]
            said = [swept.words, self.map.sentence, *why]
        self.map.sentence = " ".join(said)
        return self.map

    # -- what is shown -----------------------------------------------------------------------

    def _build(self) -> widgets.VBox:
        panel = super()._build()
        style, title, grid, self._progress_box, alert, image, sentence = panel.children
        grid.children = ()
        for unused in (style, title, grid):
            close_tree(unused)
        names = [[f"{at}{part}" for part in OF_AXIS] for at in ("across", "up")]
        rows = [
            parts.row(*(self.controls[name].widget for name in several))
            for several in (*names, ["seeds", "show"])
        ]
        self._line = parts.text("dnilab-sweep-line")
        self._button = button(
            "Start", "play", lambda: self.stop() if self.playing else self.start()
        )
        # On the picture lies a grid of buttons that can't be seen, one on each cell.
        self._cells = widgets.GridBox().add_class("dnilab-cells")
        self._map = parts.boxed("dnilab-map", image, self._cells)
        frame = parts.boxed("dnilab-map-frame", self._map)
        self._old = parts.text("dnilab-sentence")
        self._progress_box.layout.display = self._cells.layout.display = "none"
        self._news, self._links = parts.text("dnilab-sentence"), parts.text("dnilab-links")
        run = (button_row(self._button), self._progress_box, alert, self._old, frame)
        under = widgets.VBox([*rows, self._line, *run, self._news, sentence, self._links])
        under.add_class("dnilab-sweep")
        self._heading = parts.heading("Sweep", under, opened=False, moved=self.follow)
        panel.children = (self._heading, under)
        return panel.remove_class("dnilab-panel")

    def _new_buttons(self, plan: Plan) -> None:
        """A button for each setting, row by row from the top, as a page goes."""
        for old in self._cells.children:
            close_tree(old)
        self._buttons: dict[Place, widgets.Button] = {}
        for place in sorted(plan.cells, key=lambda place: (-place[1], place[0])):
            self._buttons[place] = button("", "", partial(self.click, place))
            self._buttons[place].add_class("dnilab-cell")
        self._cells.layout.grid_template_columns = f"repeat({len(plan.axes[0].values)}, 1fr)"
        self._cells.children = tuple(self._buttons.values())
        self._tell("")

    def _drawn(self, job: _Job, snapshot: Swept, *, last: bool) -> None:
        with self._lock:
            if not self._is_current(job) or self.map is None:
                return
            layout, (width, height) = self._cells.layout, self.map.pixels
            for side, margin in self.map.margins.items():
                whole = width if side in ("left", "right") else height
                setattr(layout, side, f"{100 * margin / whole:.3f}%")
            layout.display = self._progress_box.layout.display = ""
            self._mark()
            parts.say(self._links, self._links_html(snapshot.plan) if snapshot.words else "")

    def _mark(self) -> None:
        """Say on each button what is there, and where the playground's controls stand."""
        plan, drawn, values = self.shown, self.map, self._playground.values
        if plan is None or drawn is None:
            return
        for place, on_cell in self._buttons.items():
            cell = plan.cells[place]
            here = all(cell.values[n] == values[n] for n in sweep_plan.LOADED if n != "seeds")
            said = [row.message for row in self._rows(cell) if row.message][:1]
            words = [": ".join([cell.words, drawn.cells[place].words, *said]).rstrip(".") + "."]
            words += ["The controls are set to this."] * here
            words += ["Click to load it."] * (not cell.refused)
            on_cell.tooltip = " ".join(words)
            (on_cell.add_class if here else on_cell.remove_class)("dnilab-here")

    def _finish(self, job: _Job) -> None:
        super()._finish(job)
        self.follow()  # it tells how many runs are there

    def _label_play(self) -> None:
        if self._widget is not None and not self._closed:
            self._button.description = "Stop" if self.playing else "Start"
            self._button.icon = "stop" if self.playing else "play"

    def follow(self) -> None:
        """Bring up to date what hangs on the playground's controls and on its last run."""
        if self._widget is None or self._closed or not self._heading.value:
            return
        try:
            self.line = self._plan_words(self.plan())
        except ValueError as fault:
            self.line = f"{fault}."
        self._look_whether_stale()
        parts.say(self._line, f"<p>{html.escape(self.line)}</p><p>{html.escape(HINT)}</p>")
        with self._lock:
            self._mark()

    def _look_whether_stale(self) -> None:
        """Dim a map of other settings than those that are chosen now, and say so."""
        plan, self.stale = self.shown, ""
        if plan is not None:
            try:
                now = replace(plan, base=self._playground.values)
                same = [job.key for job in now.jobs] == [job.key for job in plan.jobs]
            except ValueError:  # one of its controls changes nothing any more
                same = False
            if not same:
                self.stale = (
                    "This map is of the settings as they were. Start runs it for those now."
                )
        parts.say(self._old, f'<p role="status">{self.stale}</p>' if self.stale else "")
        (self._map.add_class if self.stale else self._map.remove_class)("dnilab-stale-map")

    def _moved(self, name: str) -> None:
        if name in ("across", "up"):
            chosen = self.controls[name].value
            low, high = sweep_plan.around(chosen, self._playground.values[chosen])
            self.controls[f"{name} from"].value = f"{low:g}"
            self.controls[f"{name} to"].value = f"{high:g}"
        elif name == "show":
            self.redraw()
        self.follow()

    def _plan_words(self, plan: Plan) -> str:
        says = [f"{capital(axis.name)}: {', '.join(axis.words)}." for axis in plan.axes]
        size = " × ".join(str(len(axis.values)) for axis in plan.axes)
        runs = plan.runs
        says.append(
            f"{size} settings with {_count(plan.seeds, 'seed')} each: {_count(runs, 'run')}."
        )
        refused = sum(bool(cell.refused) for cell in plan.cells.values())
        if refused:
            says.append(f"{refused} of the settings cannot be run and will say why.")
        todo = self._todo(plan)
        if len(todo) < runs:
            says.append(f"{runs - len(todo)} of the runs are there already.")
        seconds, cores = self._seconds(todo), min(workers_here(), runs)
        if seconds:
            on = f"{_duration(seconds / cores)} on {_count(cores, 'core')}"
            says.append(f"Judging by the last run, roughly {on}.")
        return " ".join(says)

    def _seconds(self, todo: Sequence[Settings]) -> float:
        """What these runs take one after another, by the playground's last run; 0: unknown."""
        last = self._playground.snapshot
        if last is None:
            return 0.0
        line, settings = last.lines[last.main], last.lineup.settings
        ran = line.epoch.size and line.epoch[-1] > 0 and line.seconds[-1] > 0
        if not ran or any(one.task != settings.task for one in todo):
            return 0.0
        done = line.epoch[-1] / settings.epochs * work(settings)
        return float(line.seconds[-1] / done * sum(map(work, todo)))

    def _tell(self, words: str, more: str = "") -> None:
        """Say what a click did."""
        self.news = words
        said = f'<p aria-live="polite">{html.escape(words)}</p>{more}' if words else ""
        parts.say(self._news, said)

    def _links_html(self, plan: Plan) -> str:
        rows, body = [], []
        for cell in plan.cells.values():
            at = [f"{cell.values[name]:g}" for name in plan.names]
            for row in self._rows(cell):
                text = Lineup(row.settings, 1).text if row.settings is not None else ""
                rows.append(row)
                body.append([*at, *_texts(row), text])
        if all(row.settings is None for row in rows):
            return ""
        table = csv_of([*plan.names, *HEAD, "settings"], body)
        files = {
            "dnilab-sweep.csv": ("Save the sweep as CSV", table),
            "dnilab-sweep.jsonl": ("Save the sweep as JSON lines", written(rows)),
        }
        return parts.links_html(files)


def _texts(row: Record) -> list[str]:
    """A run in a list of runs, as in :data:`HEAD`."""
    scores = (f"{row.scores[name]:.6g}" if name in row.scores else "" for name in SCORES)
    return [str(row.seed), row.status, *scores, f"{row.seconds:.6g}", row.message]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _duration(seconds: float) -> str:
    """A length of time, roughly.

    >>> _duration(0.2), _duration(44), _duration(300), _duration(9000)
    ('1 s', '44 s', '5 min', '2.5 h')
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _in_words(fault: Exception) -> str:
    if isinstance(fault, SweepInterrupted):
        return "A process of the sweep was killed, or could not begin."
    return f"The sweep stopped with {type(fault).__name__}: {str(fault).rstrip('.')}."
