"""A panel: controls, a run that they set off, and a picture with a sentence that follows it.

Who runs where:

- The thread that handles the controls (in JupyterLab 4 with ipykernel 7 not the thread of the
  cell) only puts a new job in the place of the old one; it never computes or draws.
- One worker thread a panel, alive only while there is work, pulls snapshots from the run and
  draws them, one at a time.  It publishes a picture only after checking, under the panel's lock,
  that its job is still the current one.  So nothing of an old run shows up afterwards.  In a
  browser, where no thread can start, ``Turns`` stand in for it.
- Only the worker writes the output widgets, only the reader and ``Control.value`` the controls.

There is no ``with output:`` anywhere: it redirects by thread and cell, and loses text from both.
"""

from __future__ import annotations

import contextlib
import html
import math
import os
import threading
import time
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import ipywidgets as widgets

from dnilab.checks import instance_of, one_of, real_number
from dnilab.here import threads_start
from dnilab.pictures import Picture, show, tables_of
from dnilab.pictures.style import no_lower
from dnilab.widgets.controls import Control, Spec
from dnilab.widgets.still import hiding, still_html, tables_html
from dnilab.widgets.turns import Turns

S = TypeVar("S")
S_contra = TypeVar("S_contra", contravariant=True)

STYLE = Path(__file__).with_name("panel.css").read_text("utf-8")
SCRIPT = Path(__file__).with_name("panel.js").read_text("utf-8")
HEAD = (  # a style sheet tells when it is in the page; a script would not run there
    f'<style onload="{html.escape(f"({SCRIPT})")}'
    "(this.closest('.widget-html').parentElement)\">"
    f"{STYLE}</style>"
)
MEASURING = "dnilab-measuring"  # the class of a picture that is not yet of the setting as it is
STALE = "dnilab-stale"  # and of numbers that will change

STATIC = "DNILAB_STATIC"
"""Environment variable: when set (and not "0"), a panel shows a still picture, no widgets."""


@runtime_checkable
class View(Protocol[S_contra]):
    """Turns a snapshot into a picture and into words."""

    def update(self, snapshot: S_contra) -> bytes:
        """PNG bytes of the picture."""

    def picture(self, snapshot: S_contra) -> Picture:
        """The picture, with its sentence, for the still form of a panel: at twice the pixels."""

    def sentence(self, snapshot: S_contra) -> str:
        """What the picture shows, in words."""


class Budget:
    """How often to draw: at most ``rate`` frames a second and ``share`` of the time.

    A frame that took d seconds is followed by a pause until d / share seconds after its start.
    """

    def __init__(
        self,
        rate: float = 20.0,
        share: float = 0.25,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._period = 1 / real_number("rate", rate, 0, above=True)
        self._share = real_number("share", share, 0, 1, above=True)
        self._clock = clock
        self._next = -math.inf

    def due(self) -> bool:
        """Whether a frame may be drawn now."""
        return self._clock() >= self._next

    def reset(self) -> None:
        """Let the next frame be drawn at once: the first one after a changed control."""
        self._next = -math.inf

    def __enter__(self) -> Budget:
        self._start = self._clock()
        return self

    def __exit__(self, *exc: object) -> None:
        cost = self._clock() - self._start
        self._next = self._start + max(self._period, cost / self._share)


@dataclass(eq=False)
class _Job:
    """One run of one setting.

    ``pulled``: how many snapshots there were; it goes on while they are fewer than ``until``.
    ``undrawn``, ``unsaid``: the last one is to be drawn, and its sentence to be shown.
    ``seconds``: time spent running, for the estimate of what is left.
    """

    values: dict[str, Any]
    steps: Iterator[Any] | None = None
    last: Any = None
    pulled: int = 0
    until: float = math.inf
    undrawn: bool = False
    unsaid: bool = False
    over: bool = False
    seconds: float = 0.0

    @property
    def goes_on(self) -> bool:
        """Whether another snapshot is to be pulled."""
        return not self.over and self.pulled < self.until

    def close(self) -> None:
        steps, self.steps = self.steps, None
        if isinstance(steps, Generator):
            steps.close()


_open_panels: weakref.WeakValueDictionary[str, Panel[Any]] = weakref.WeakValueDictionary()


class Panel(Generic[S]):
    """Controls beside a picture that follows them.

    Parameters
    ----------
    controls:
        Name -> :class:`Slider`, :class:`Choice` or :class:`Toggle`, in the order shown.
    run:
        ``run(values)`` gets ``{name: value}`` and gives snapshots: a generator, or a list of one
        for a panel that only computes. It runs on the panel's worker thread. It is cancelled
        between two snapshots, so it should give one at least every 50 ms or so, or None where
        there is nothing to draw yet; a generator is closed when it is cancelled (``finally``
        blocks run).
    view:
        Draws a snapshot: see :class:`View`. :class:`dnilab.pictures.LiveCurves` and
        :class:`dnilab.pictures.Redrawn` are views.
    title:
        Shown above the controls.
    name:
        A new panel closes the open panel of the same name, so that running a cell again leaves
        nothing of the old one behind. By default the title.
    progress:
        ``progress(snapshot)`` gives the fraction done, 0 to 1; adds a progress bar.
    rate, share:
        At most so many frames a second, and so large a share of the time for drawing.
    redraw:
        Names of controls that change only how a snapshot is shown: the run goes on, and what is
        there is drawn again. ``view.choose(values)`` is told their values before each drawing.
    idle:
        ``idle(values)`` names the controls that change nothing with these values: they are greyed
        out.

    A view's ``shown`` may be the picture drawn last: its numbers are offered as a table. When the
    run is at rest, the notebook keeps a still picture and its words, for when no kernel runs.

    Plain state, for tests: ``controls[name].value`` (settable), ``values``, ``snapshot``,
    ``png``, ``sentence``, ``message`` (what the panel says went wrong, or ""), ``error`` (the
    exception behind it), ``running``.
    """

    steady = True
    """Whether pictures of a run keep at least the height of the one before, until it is at rest."""

    def __init__(
        self,
        controls: Mapping[str, Spec],
        run: Callable[[dict[str, Any]], Iterable[S | None]],
        view: View[S],
        *,
        title: str,
        name: str | None = None,
        progress: Callable[[S], float] | None = None,
        rate: float = 20.0,
        share: float = 0.25,
        redraw: Iterable[str] = (),
        idle: Callable[[dict[str, Any]], Collection[str]] = lambda values: (),
    ) -> None:
        instance_of("run", run, Callable, "a function of the values")  # type: ignore[arg-type]
        instance_of("view", view, View, "what has the methods update, picture and sentence")
        if not title:
            raise ValueError("title is empty; it accepts a few words")
        # Names are checked before any widget exists, so that an error leaves none behind.
        for key, spec in controls.items():
            instance_of(f"controls[{key!r}]", spec, Spec, "Slider, Choice or Toggle")
        self._redrawing, self._idle = frozenset(redraw), idle
        for key in self._redrawing:
            one_of("redraw", key, controls)
        if self._redrawing and not callable(getattr(view, "choose", None)):
            raise TypeError(f"view is {view!r}, which has no method choose")
        self.title = title
        self.name = name or title
        self._run, self._view, self._progress = run, view, progress
        self._budget = Budget(rate, share)
        # One lock for the run, the widgets and the controls, of which one may move another.
        self._lock = threading.RLock()
        self._job: _Job | None = None
        self._stale: list[_Job] = []
        self._worker: threading.Thread | Turns | None = None
        self._closed = False
        self._said_at = -math.inf
        self.snapshot: S | None = None
        self.png = b""
        self.sentence = self.message = self._failure = self._still = ""
        self._resting = True
        self.error: BaseException | None = None

        old = _open_panels.get(self.name)
        if old is not None:
            old.close()
        self.controls = {
            key: Control(key, spec, self._moved, self._lock) for key, spec in controls.items()
        }
        self._widget: widgets.VBox | None = None
        self._grey_out()
        _open_panels[self.name] = self

    # -- what a reader sees ------------------------------------------------------------------

    @property
    def widget(self) -> widgets.VBox:
        """The whole panel, made when it is first asked for.

        A still panel never asks: a notebook that is executed for its pages then holds no widget
        state.
        """
        with self._lock:
            if self._widget is None:
                if self._closed:
                    raise RuntimeError(f"The panel {self.title!r} is closed; make a new one.")
                self._widget = self._build()
            return self._widget

    def _build(self) -> widgets.VBox:
        hidden = {"display": "none"}
        style = widgets.HTML().add_class("dnilab-style")
        self._keeps_as = f"dnilab-still-{style.model_id}"
        style.value = HEAD + hiding(self._keeps_as)
        title = widgets.HTML(f"<h3>{html.escape(self.title)}</h3>").add_class("dnilab-title")
        parts = [control.widget for control in self.controls.values()]
        rows: list[Any] = [style, title, widgets.Box(parts).add_class("dnilab-controls")]
        # No tooltip: ipywidgets 8.1 fails to show an Image that is made with one.
        # Hidden at first: an image without data shows as broken.
        self._image = widgets.Image(format="png", layout=hidden).add_class("dnilab-picture")
        status = widgets.HTML('<p role="status">Measuring…</p>').add_class("dnilab-status")
        self._frame = widgets.Box([self._image, status]).add_class("dnilab-frame")
        self._sentence = widgets.HTML().add_class("dnilab-sentence")
        self._numbers = widgets.HTML()
        self._said = widgets.VBox([self._sentence, self._numbers]).add_class("dnilab-said")
        self._alert = widgets.HTML(layout=hidden).add_class("dnilab-alert")
        rows += self._more_rows()
        if self._progress is not None:
            self._bar = widgets.FloatProgress(min=0, max=1, value=0)
            self._left = widgets.HTML()
            rows.append(widgets.Box([self._bar, self._left]).add_class("dnilab-progress"))
        rows += [self._alert, self._frame, self._said]
        return widgets.VBox(rows).add_class("dnilab-panel")

    def _more_rows(self) -> list[Any]:
        """What stands between the controls and the picture."""
        return []

    def _ipython_display_(self) -> None:
        if self._closed:
            raise RuntimeError(f"The panel {self.title!r} is closed; make a new one to show it.")
        if os.environ.get(STATIC, "0") not in ("", "0"):
            self.show_still()
            return
        from IPython.display import display

        instead = {"text/plain": f"{self.title}: its controls need a kernel"}
        display(self.widget._repr_mimebundle_() | instead, raw=True)
        self._still = self._still or f'<div class="{self._keeps_as}"></div>'
        display({"text/html": self._still}, raw=True, display_id=self._keeps_as)
        self.start()

    def show_still(self) -> None:
        """Run the setting as it is to its end, here, and show its last picture and sentence.

        For a page without a kernel. Errors of the run or the view are raised.
        """
        values = self.values
        ended = deque((s for s in self._run(values) if s is not None), maxlen=1)
        if not ended:
            raise RuntimeError(f"The run of panel {self.title!r} gave no snapshot for {values}.")
        self._tell_view()
        picture, setting = self._view.picture(ended[0]), self.setting_words
        sentence = picture.sentence
        if setting:
            sentence += f" Setting shown: {setting}. In a running notebook these are controls."
        width, height = picture.pixels
        alt = f"{self.title}: still picture, described in the text that follows"
        show(picture.page_png(), sentence, alt=alt, width=width, height=height)

    # -- plain state -------------------------------------------------------------------------

    @property
    def values(self) -> dict[str, Any]:
        """The value of every control."""
        return {name: control.value for name, control in self.controls.items()}

    @property
    def setting_words(self) -> str:
        """The setting in words, for a page without controls."""
        return "; ".join(control.words for control in self.controls.values())

    @property
    def running(self) -> bool:
        """Whether the worker is at it."""
        return self._worker is not None

    @property
    def playing(self) -> bool:
        """Whether the run is going on."""
        with self._lock:
            return self._job is not None and self._job.goes_on

    def wait(self, timeout: float = 30.0) -> None:
        """Block until the panel is idle: finished, paused, stopped by an error, or closed.

        Raises
        ------
        TimeoutError
            If it still runs after ``timeout`` seconds.
        """
        end = time.monotonic() + timeout
        while (thread := self._worker) is not None and thread is not threading.current_thread():
            thread.join(max(0.0, end - time.monotonic()))
            if thread.is_alive():
                raise TimeoutError(f"The panel {self.title!r} still runs after {timeout} s.")

    # -- what a reader or a test does --------------------------------------------------------

    def start(self) -> None:
        """Make the widgets and begin, if it has not begun; displaying the panel does this."""
        with self._lock:
            if self._job is None:
                self._restart()

    def close(self) -> None:
        """Cancel the run, join the worker, close every widget and its comm. May be called twice."""
        with self._lock:
            if self._closed:
                return
            self._drop_job()
            if self._stale:
                self._wake()
            self._closed = True
        try:
            self.wait(10.0)
        except TimeoutError:
            said = f"The run of panel {self.title!r} gave no snapshot for 10 s and could not be "
            said += "cancelled. It will end at its next one."
            warnings.warn(said, RuntimeWarning, stacklevel=2)
        if _open_panels.get(self.name) is self:
            del _open_panels[self.name]
        if self._widget is not None:
            close_tree(self._widget)

    # -- the machinery -----------------------------------------------------------------------

    def _moved(self, name: str) -> None:
        """A control has a new value: what runs is stale, or how it is shown."""
        with self._lock:
            self._grey_out()
            if name in self._redrawing:
                self.redraw()
            elif self._job is not None:
                self._restart()

    def _grey_out(self) -> None:
        idle = self._idle(self.values)
        for name, control in self.controls.items():
            control.enabled = name not in idle

    def redraw(self) -> None:
        """Draw again what is there, as when something else is to be shown beside it."""
        with self._lock:
            if self._job is not None and self._job.pulled:
                self._job.undrawn = self._job.unsaid = True
                self._soon()
                self._wake()

    def _soon(self) -> None:
        """Let the next picture be drawn, and its sentence shown, at once."""
        self._budget.reset()
        self._said_at = -math.inf

    def _tell_view(self) -> None:
        if self._redrawing:
            values = {name: self.controls[name].value for name in self._redrawing}
            self._view.choose(values)  # type: ignore[attr-defined]  # it was asked for at first

    def _drop_job(self) -> None:
        """Make the current job stale at once; the worker closes it. The lock is held."""
        if self._job is not None and not self._job.over:
            self._stale.append(self._job)
        self._job = None

    def _restart(self) -> None:
        """A new job for the values as they are. The lock is held."""
        if self._closed:
            return
        _ = self.widget  # there is something to show it in
        self._drop_job()
        self._show_message("", None)  # what was said meanwhile stays until now
        self._frame.add_class(MEASURING)
        self._said.add_class(STALE)
        self._job = _Job(self.values)
        self._allow(self._job)

    def _allow(self, job: _Job) -> None:
        """Let ``job`` go on. The lock is held."""
        self._label_play()
        self._wake()

    def _wake(self) -> None:
        """See that a worker is there. The lock is held."""
        if self._worker is None:
            name = f"dnilab-panel-{self.name}"
            worker: threading.Thread | Turns = Turns(self._work())
            if threads_start():
                worker = threading.Thread(None, deque, name, (self._work(), 0), daemon=True)
            worker.start()  # before anybody can wait for it
            self._worker = worker

    def _work(self) -> Generator[None]:
        """The worker: close what is stale, advance what is current, end when there is neither."""
        while True:
            with self._lock:
                stale, self._stale = self._stale, []
                job = current = self._job
                if job is not None and not (job.goes_on or job.unsaid):
                    job = None
                rest = job is None and not stale
                if rest and (self._resting or self._closed):
                    self._worker = None
                    return
                pull = job is not None and job.goes_on
            for old in stale:
                # An error in the clean-up of a run that nobody looks at any more is not shown.
                with contextlib.suppress(Exception):
                    old.close()
            try:
                if rest:
                    self._rest()
                elif job is not None:
                    self._advance(job, pull)
            except BaseException as error:  # also SystemExit: the controls stay alive
                if current is not None:
                    self._fail(current, error)
            yield

    def _rest(self) -> None:
        """Nothing else is to do: show the numbers, and renew what the notebook keeps."""
        self._resting = True
        shown: Picture | None = getattr(self._view, "shown", None)
        tables = tables_html(tables_of(shown)) if shown else ""
        with self._lock:
            self._image.value = self.png
            self._numbers.value = tables
            self._said.remove_class(STALE)
        if self._still:
            from IPython.display import update_display

            self._still = still_html(self._keeps_as, self.title, self.png, self.sentence, tables)
            update_display({"text/html": self._still}, raw=True, display_id=self._keeps_as)

    def _is_current(self, job: _Job) -> bool:
        """Whether ``job`` may still show anything. The lock is held."""
        return job is self._job

    def _advance(self, job: _Job, pull: bool) -> None:
        """Draw the job's last snapshot if it is time for it, else pull the next one."""
        began = time.perf_counter()
        if not pull or (job.undrawn and self._budget.due()):
            self._draw(job, last=not pull)
        else:
            self._pull(job)
        job.seconds += time.perf_counter() - began
        if job.over and not job.unsaid:
            self._finish(job)

    def _pull(self, job: _Job) -> None:
        """Ask the run for a snapshot; the first one of a run is drawn at once."""
        if job.steps is None:
            self._soon()
            job.steps = iter(self._run(dict(job.values)))
        for snapshot in job.steps:
            if snapshot is None:
                return
            with self._lock:
                job.last, job.undrawn, job.unsaid = snapshot, True, True
                job.pulled += 1
            return
        job.over = True
        if not job.pulled:
            raise ValueError("It gave nothing to show.")

    def _draw(self, job: _Job, *, last: bool) -> None:
        """Draw the job's latest snapshot and publish it, if the job is still the current one."""
        snapshot = job.last
        # A screen reader reads every new sentence out, so it changes at most twice a second.
        speak = last or time.perf_counter() - self._said_at >= 0.5
        job.undrawn, job.unsaid = False, not speak  # before it is drawn: redraw() may come now
        self._resting = False
        with self._budget:
            self._tell_view()
            png = self._view.update(snapshot)
            sentence = self._view.sentence(snapshot) if speak else self.sentence
            done = self._progress(snapshot) if self._progress is not None else None
        with self._lock:
            if not self._is_current(job):
                return
            self.snapshot, self.png, self.sentence = snapshot, png, sentence
            # What is below must not jump while it runs: white keeps the place of a taller picture.
            self._image.value = no_lower(png, self._image.value) if self.steady else png
            self._image.layout.display = ""  # None would not arrive in a browser's own Python
            self._image.remove_class("dnilab-old")
            self._frame.remove_class(MEASURING)
            self._sentence.value = f'<p aria-live="polite">{html.escape(sentence)}</p>'
            if speak:
                self._said_at = time.perf_counter()
            if done is not None:
                self._show_progress(job, done)
        self._drawn(job, snapshot, last=last)

    def _drawn(self, job: _Job, snapshot: S, *, last: bool) -> None:
        """A picture was shown: here a panel with more to show adds it. On the worker's thread."""

    def _show_progress(self, job: _Job, done: float) -> None:
        done = min(max(float(done), 0.0), 1.0)
        self._bar.value = done
        if done >= 1 or job.seconds < 0.5 or done <= 0:
            self._left.value = f"{100 * done:.0f} %"
        else:
            left = job.seconds * (1 - done) / done
            self._left.value = f"{100 * done:.0f} %, about {max(left, 1):.0f} s left"

    def _show_message(self, message: str, error: BaseException | None) -> None:
        self.error = error
        if message != self.message:
            self.message = message
            self._alert.value = f'<p role="alert">{html.escape(message)}</p>' if message else ""
            self._alert.layout.display = "" if message else "none"

    def _finish(self, job: _Job) -> None:
        with self._lock:
            if self._is_current(job):
                self._label_play()

    def _fail(self, job: _Job, error: BaseException) -> None:
        """Say in the panel what went wrong; the next change of a control works again."""
        with contextlib.suppress(Exception):  # the first error is the one to tell
            job.close()
        with self._lock:
            job.over, job.pulled, job.unsaid = True, 0, False  # it is not drawn again
            self._resting = True
            if not self._is_current(job):
                return
            what = str(error) or type(error).__name__
            if isinstance(error, ValueError):
                message = f"This setting cannot be run. {what}"
            else:
                message = f"The run stopped with {type(error).__name__}: {what}"
            self._failure = message.rstrip(".") + ". Change a control to go on."
            self._show_message(self._failure, error)
            self.sentence = ""
            self._sentence.value = ""
            self._image.add_class("dnilab-old")
            self._frame.remove_class(MEASURING)
            if self._progress is not None:
                self._bar.value, self._left.value = 0.0, ""
            self._label_play()

    def _label_play(self) -> None:
        """Here a panel with buttons says on them whether it is playing. The lock is held."""


def button(description: str, icon: str, clicked: Callable[[], Any]) -> widgets.Button:
    """A button that calls ``clicked()``."""
    made = widgets.Button(description=description, icon=icon)
    made.on_click(lambda _: clicked())
    return made


def button_row(*buttons: widgets.Button) -> widgets.Box:
    """Buttons side by side."""
    return widgets.Box(buttons).add_class("dnilab-buttons")


def close_tree(widget: widgets.Widget) -> None:
    """Close a widget, its children, layouts and styles, so that no comm stays open."""
    for name in widget.keys:
        value = getattr(widget, name, None)
        for part in value if isinstance(value, tuple | list) else (value,):
            if isinstance(part, widgets.Widget) and part.comm is not None:
                close_tree(part)
    widget.close()
