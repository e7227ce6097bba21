"""The playground's sweep: two controls, a range each, and a map of what came out.

Who runs where: a thread of its own, alive only while a sweep is, takes the rows as they come and
brings the map up to date.  It never moves one of the playground's controls; a click does, on the
thread that handles clicks.
"""

from __future__ import annotations

import html
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets

from dnilab.data import Dataset
from dnilab.lessons.playground.experiments.growing_lines import Progress
from dnilab.lessons.playground.panel.sweep_map import REFUSED, Map, Place, all_found, sentence
from dnilab.lessons.playground.panel.sweep_plan import LOADED, SWEPT, Axis, Plan, around, axis, work
from dnilab.lessons.playground.panel.sweep_run import NoProcesses, Way, in_processes, in_threads
from dnilab.lessons.playground.panel.sweep_save import links_html
from dnilab.lessons.playground.sweeps.plan import Job
from dnilab.lessons.playground.sweeps.pool import workers_here
from dnilab.lessons.playground.sweeps.row import Row
from dnilab.lessons.playground.sweeps.running import SweepInterrupted
from dnilab.widgets.controls import Choice, Control, Words
from dnilab.widgets.panel import close_tree

SHOWN = {"right (%)": "right", "test loss": "test_loss"}
MOST_VALUES = 8  # on an axis: the map stays readable
HINT = (
    "Only the setting itself is run, not what stands beside it. The playground can be used "
    "meanwhile; the two then share the cores."
)
IN_THREADS = (
    "No process could be started here, so the runs take turns on threads of this one, which "
    "takes longer."
)


class SweepPart:
    """The part of the playground that sweeps.

    Parameters
    ----------
    values:
        Gives the values of the playground's controls, by name.
    load:
        Sets the playground's controls to such values, and runs them.
    last:
        Gives the playground's last run, which tells how long a run takes.
    own:
        The reader's own arrays, or None.
    name:
        Of the thread.

    Plain state, for tests: ``controls[name].value`` (settable), ``plan()``, ``shown`` (the plan
    on the map), ``rows`` (by the key of the job), ``running``, ``map``, and the words: ``line``
    (what would run), ``progress``, ``message`` (what went wrong), ``sentence`` (the map), ``news``
    (what a click did).
    ``ways``: how to run, in turn, should one find no processes.
    """

    def __init__(
        self,
        values: Callable[[], dict[str, Any]],
        load: Callable[[Mapping[str, Any]], None],
        last: Callable[[], Progress | None],
        own: Dataset | None,
        name: str,
    ) -> None:
        self._values, self._load, self._last, self._own = values, load, last, own
        self._name = name
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._built = self._closed = self._linking = False
        self._went = 0  # of how many runs of the sweep under way the rows are there
        self._todo = 0
        self._began = 0.0
        self.ways: Sequence[Way] = (in_processes, in_threads)
        self.shown: Plan | None = None
        self.rows: dict[str, Row] = {}
        self.map: Map | None = None
        self.line = self.progress = self.message = self.sentence = self.news = ""
        self.error: BaseException | None = None
        names = {spec.label: name for name, spec in SWEPT.items()}
        counts = list(range(2, MOST_VALUES + 1))
        specs: dict[str, Choice | Words] = {}
        for at, first, count in (("across", "rate", 5), ("up", "generator_rate", 3)):
            title = "Across" if at == "across" else "Upwards"
            specs[at] = Choice(names, first, title)
            for end in ("from", "to"):
                specs[f"{at} {end}"] = Words("", f"{title}, {end}")
            specs[f"{at} count"] = Choice(counts, count, f"{title}, values")
        specs["seeds"] = Choice([1, 2, 3, 5, 10, 20], 2, "Seeds of each setting")
        specs["show"] = Choice(SHOWN, "right", "On the map")
        self.controls = {key: Control(key, spec, self._moved) for key, spec in specs.items()}
        for at in ("across", "up"):
            self._range_around(at)

    # -- plain state -------------------------------------------------------------------------

    def plan(self) -> Plan:
        """What the controls ask for.  Raises ValueError, in words, if they can't go together."""
        return Plan(
            self._axis("across"), self._axis("up"), self.controls["seeds"].value, self._values()
        )

    @property
    def running(self) -> bool:
        """Whether a sweep is under way."""
        with self._lock:
            return self._thread is not None

    def wait(self, timeout: float = 60.0) -> None:
        """Block until no sweep is under way.  Raises TimeoutError after ``timeout`` seconds."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
            if thread.is_alive():
                raise TimeoutError(f"The sweep still runs after {timeout} s.")

    def _axis(self, at: str) -> Axis:
        get = {key: self.controls[f"{at}{key}"].value for key in ("", " from", " to", " count")}
        return axis(get[""], get[" from"], get[" to"], get[" count"])

    # -- what a reader does ------------------------------------------------------------------

    def start(self) -> None:
        """Run what the controls ask for; what is there already is not run again."""
        with self._lock:
            if self._closed or self._thread is not None:
                return
            try:
                plan = self.plan()
            except ValueError as fault:
                self._tell(str(fault))
                return
            self._tell("")
            self.shown = plan
            todo = [job for jobs in plan.jobs.values() for job in jobs if not self._there(job.key)]
            todo = list({job.key: job for job in todo}.values())
            for job in todo:
                self.rows.pop(job.key, None)  # it failed, and is tried again
            self._went, self._todo, self._began = 0, len(todo), time.perf_counter()
            self._stop = stop = threading.Event()
            if todo:
                self._thread = threading.Thread(
                    target=self._work,
                    args=(todo, stop),
                    name=f"dnilab-panel-{self._name}-sweep",
                    daemon=True,
                )
            self._new_map(plan)
            self._draw(said="Started.")
            if self._thread is not None:
                self._thread.start()
            else:
                self._end("All runs of it were there already.")

    def stop(self) -> None:
        """End the sweep that is under way; what is there is kept."""
        with self._lock:
            self._stop.set()

    def click(self, place: Place) -> None:
        """Load the setting at this place of the map into the playground."""
        with self._lock:
            plan = self.shown
            if plan is None or self._closed or place not in plan.cells:
                return
            cell = plan.cells[place]
            if cell.settings is None:
                self._said(f"Not loaded: {cell.words} is refused. {cell.refused.rstrip('.')}.")
                return
        # Without the lock: this moves the playground's controls, which have one of their own.
        self._load(cell.values)
        seeds = f"{plan.seeds} seed{'s' * (plan.seeds > 1)}"
        self._said(f"Loaded: {cell.words}, {seeds}. The controls above stand there now.")

    def close(self) -> None:
        """End the sweep and its thread; may be called twice.  The playground closes the widgets."""
        with self._lock:
            self._closed, self._built = True, False
            self._stop.set()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(10.0)
            if thread.is_alive():
                warnings.warn(
                    "The sweep gave no report for 10 s and could not be ended. It will end at its "
                    "next one.",
                    RuntimeWarning,
                    stacklevel=2,
                )

    # -- a sweep under way, on its own thread ------------------------------------------------

    def _there(self, key: str) -> bool:
        row = self.rows.get(key)
        return row is not None and row.final

    def _work(self, todo: Sequence[Job], stop: threading.Event) -> None:
        said, fault = "", None
        try:
            self._run(todo, stop)
        except Exception as error:
            if not stop.is_set():
                fault = error
        left = self._todo - self._went
        if stop.is_set() and left:
            said = f"Stopped. {left} of {self._todo} runs are missing; Start runs them."
        with self._lock:
            self._thread = None
            if not self._closed:
                if fault is not None:
                    self._tell(_in_words(fault), fault)
                self._end(said)

    def _run(self, todo: Sequence[Job], stop: threading.Event) -> None:
        for number, way in enumerate(self.ways, start=1):
            try:
                for row in way(todo, self._own, stop):
                    self._take(row)
                return
            except NoProcesses as fault:
                if number == len(self.ways):
                    raise
                with self._lock:
                    if not self._closed:
                        self._tell(IN_THREADS, fault)

    def _take(self, row: Row) -> None:
        with self._lock:
            self.rows[row.job.key] = row
            self._went += 1
            if not self._closed:
                self._draw()

    def _end(self, said: str) -> None:
        """The last word on a sweep.  The lock is held."""
        count = self.shown.runs if self.shown is not None else 0
        self._draw(said=said or f"Done: {count} run{'s' * (count != 1)}.")
        if self.shown is not None:
            links = links_html(self.shown, self.rows)
            self._links.value = links
            self._links.layout.display = None if links else "none"
        self.follow()

    # -- what is shown -----------------------------------------------------------------------

    def build(self) -> list[Any]:
        """The widgets: a heading that opens and closes, and what is under it."""
        self._heading = widgets.ToggleButton(value=False, description="Sweep")
        self._heading.add_class("dnilab-heading")
        self._heading.observe(self._opened, names="value")
        rows = []
        for at in ("across", "up"):
            names = (at, f"{at} from", f"{at} to", f"{at} count")
            rows.append(widgets.Box([self.controls[name].widget for name in names]))
        rows.append(widgets.Box([self.controls[name].widget for name in ("seeds", "show")]))
        for row in rows:
            row.add_class("dnilab-controls")
        self._line = _text("dnilab-sweep-line")
        self._button = widgets.Button(description="Start", icon="play")
        self._button.on_click(lambda _: self.stop() if self.running else self.start())
        buttons = widgets.Box([self._button])
        buttons.add_class("dnilab-buttons")
        self._bar = widgets.FloatProgress(min=0, max=1, value=0)
        self._left = widgets.HTML()
        self._progress = widgets.Box([self._bar, self._left])
        self._progress.add_class("dnilab-progress")
        self._progress.layout.display = "none"
        self._alert = _text("dnilab-alert")
        self._frame = widgets.Box([])
        self._frame.add_class("dnilab-map-frame")
        self._sentence, self._news = _text("dnilab-sentence"), _text("dnilab-sentence")
        self._links = _text("dnilab-links")
        self._body = widgets.VBox(
            [*rows, self._line, buttons, self._progress, self._alert, self._frame, self._news,
             self._sentence, self._links]
        )  # fmt: skip
        self._body.add_class("dnilab-sweep")
        self._built = True
        self._opened()
        return [self._heading, self._body]

    def _opened(self, _: object = None) -> None:
        shown = self._heading.value
        self._heading.icon = "caret-down" if shown else "caret-right"
        self._heading.tooltip = f"Sweep: {'hide' if shown else 'show'} it"
        self._body.layout.display = None if shown else "none"
        self.follow()

    def follow(self) -> None:
        """Bring up to date what hangs on the playground's controls and on its last run."""
        with self._lock:
            if not self._built or not self._heading.value:
                return
            try:
                self.line = self._plan_words(self.plan())
            except ValueError as fault:
                self.line = f"{fault}."
            _show(self._line, f"<p>{html.escape(self.line)}</p><p>{html.escape(HINT)}</p>")
            if self.map is not None:
                self._draw_map()

    def _moved(self, name: str) -> None:
        if self._linking:
            return
        if name in ("across", "up"):
            self._range_around(name)
        self.follow()

    def _range_around(self, at: str) -> None:
        """Begin with a range around the value that the playground's control has."""
        chosen = self.controls[at].value
        low, high = around(chosen, self._values()[chosen])
        self._linking = True
        try:
            self.controls[f"{at} from"].value = f"{low:g}"
            self.controls[f"{at} to"].value = f"{high:g}"
        finally:
            self._linking = False

    def _plan_words(self, plan: Plan) -> str:
        across, up = (
            f"{one.label}: {', '.join(f'{value:g}' for value in one.values)}."
            for one in (plan.across, plan.up)
        )
        runs = plan.runs
        size = f"{len(plan.across.values)} × {len(plan.up.values)} settings"
        seeds = f"{plan.seeds} seed{'s' * (plan.seeds > 1)}"
        says = [across, up, f"{size} with {seeds} each: {runs} run{'s' * (runs != 1)}."]
        refused = sum(cell.settings is None for cell in plan.cells.values())
        if refused:
            says.append(f"{refused} of the settings cannot be run and will say why.")
        if self.rows:
            there = sum(self._there(key) for keys in plan.keys.values() for key in keys)
            if there:
                says.append(f"{there} of the runs are there already.")
        seconds = self._seconds(plan)
        if seconds:
            cores = min(workers_here(), runs)
            on = f"{cores} core{'s' * (cores > 1)}"
            says.append(f"Judging by the last run, roughly {_duration(seconds / cores)} on {on}.")
        return " ".join(says)

    def _seconds(self, plan: Plan) -> float:
        """What the runs that are missing take one after another, by the last run; 0: unknown."""
        last = self._last()
        if last is None:
            return 0.0
        line, settings = last.lines[last.main], last.lineup.settings
        if not line.epoch.size or not line.epoch[-1] > 0 or not line.seconds[-1] > 0:
            return 0.0
        per_work = line.seconds[-1] / (line.epoch[-1] / settings.epochs * work(settings))
        total = 0.0
        for place, cell in plan.cells.items():
            if cell.settings is not None:
                if cell.settings.task != settings.task:
                    return 0.0
                missing = plan.seeds
                if self.rows:
                    missing -= sum(self._there(key) for key in plan.keys[place])
                total += missing * work(cell.settings)
        return float(total * per_work)

    def _new_map(self, plan: Plan) -> None:
        if not self._built:
            return
        old, self.map = self.map, Map(plan, self.click)
        self._frame.children = (self.map.grid,)
        if old is not None:
            close_tree(old.grid)
        self._said("")
        self._links.layout.display = "none"

    def _draw(self, said: str = "") -> None:
        """Map, sentence and progress.  The lock is held."""
        going = self._thread is not None
        self.progress = said or self._progress_words()
        if not self._built or self.map is None:
            return
        self._button.description = "Stop" if going else "Start"
        self._button.icon = "stop" if going else "play"
        self._progress.layout.display = None
        self._bar.value = self._went / self._todo if self._todo else 1.0
        # Read out at the start and at the end only: a screen reader would not come to an end.
        self._left.value = f'<span aria-live="{"polite" if said else "off"}">{self.progress}</span>'
        self._draw_map()

    def _draw_map(self) -> None:
        plan = self.shown
        if plan is None or self.map is None:
            return
        what = self.controls["show"].value
        every = all_found(plan, self.rows, what, going=self._thread is not None)
        self.map.show(every, what, self._here(plan))
        self.sentence = sentence(plan, every, what)
        if any(one.kind == REFUSED for one in every.values()):
            why = next(cell.refused for cell in plan.cells.values() if cell.refused)
            self.sentence += f" Refused, for instance: {why.rstrip('.')}."
        _show(self._sentence, f"<p>{html.escape(self.sentence)}</p>")

    def _here(self, plan: Plan) -> Place | None:
        """The setting that the playground's controls stand at."""
        values = self._values()
        names = [name for name in LOADED if name != "seeds"]
        for place, cell in plan.cells.items():
            if all(cell.values[name] == values[name] for name in names):
                return place
        return None

    def _progress_words(self) -> str:
        words = f"{self._went} of {self._todo} runs"
        spent = time.perf_counter() - self._began
        if self._went < 2 or self._went == self._todo:
            return words
        return f"{words}, about {_duration(spent / self._went * (self._todo - self._went))} left"

    def _tell(self, message: str, error: BaseException | None = None) -> None:
        """Say what went wrong."""
        with self._lock:
            self.message = message.rstrip(".") + "." if message else ""
            self.error = error
            if self._built:
                words = f'<p role="alert">{html.escape(self.message)}</p>' if message else ""
                _show(self._alert, words)

    def _said(self, words: str) -> None:
        """Say what a click did."""
        with self._lock:
            self.news = words
            if self._built:
                _show(self._news, f'<p aria-live="polite">{html.escape(words)}</p>' * bool(words))


def _text(name: str) -> widgets.HTML:
    text = widgets.HTML()
    text.add_class(name)
    text.layout.display = "none"
    return text


def _show(text: widgets.HTML, words: str) -> None:
    text.value = words
    text.layout.display = None if words else "none"


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
        return "A process of the sweep was killed. What is there is kept; Start runs the rest"
    return f"The sweep stopped with {type(fault).__name__}: {fault}. What is there is kept"
