"""A panel: controls, a run that they set off, and a picture with a sentence that follows it.

Who runs where:

- The thread that handles the controls (in JupyterLab 4 with ipykernel 7 not the thread of the
  cell) only counts up the run number and leaves a job behind; it never computes or draws.
- One worker thread a panel, alive only while there is work, pulls snapshots from the run and
  draws them. It publishes a picture only after checking, under the lock that guards the run
  number, that its job is still the current one. So nothing of an old run shows up afterwards.
- Only the worker writes the output widgets, only the reader and ``Control.value`` the controls.

There is no ``with output:`` anywhere: it redirects by thread and cell, and loses text from both.
"""

from __future__ import annotations

import contextlib
import html
import math
import os
import struct
import threading
import time
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import ipywidgets as widgets

from dnilab.checks import one_of, real_number
from dnilab.pictures import Picture, show
from dnilab.widgets.controls import Control, Spec

S = TypeVar("S")
S_contra = TypeVar("S_contra", contravariant=True)

STATIC = "DNILAB_STATIC"
"""Environment variable: when set (and not "0"), a panel shows a still picture, no widgets."""


class View(Protocol[S_contra]):
    """Turns a snapshot into a picture and into words.

    A view may also have ``picture(snapshot) -> Picture``; the still form of a panel then uses
    that, at twice the pixels, instead of a live frame. And ``choose(values)``, which is told the
    values of the panel's controls that only redraw before each drawing.
    """

    def update(self, snapshot: S_contra) -> bytes:
        """PNG bytes of the picture."""

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

    ``allowed``: snapshots that may still be pulled; infinity while playing, 0 when paused.
    ``pulled``, ``drawn``: whether one was asked for, and shown.  ``unsaid``: the last one is not
    drawn yet, or its sentence not shown.  ``redraw``: a control changed how it is shown.
    ``seconds``: time spent running, for the estimate of what is left.
    """

    values: dict[str, Any]
    allowed: float = math.inf
    steps: Iterator[Any] | None = None
    last: Any = None
    pulled: bool = False
    drawn: bool = False
    unsaid: bool = False
    redraw: bool = False
    over: bool = False
    seconds: float = 0.0

    @property
    def waits(self) -> bool:
        """Whether there is something to pull, or to draw again."""
        return (self.redraw and self.drawn) or (not self.over and self.allowed > 0)

    def close(self) -> None:
        close = getattr(self.steps, "close", None)
        self.steps = None
        if close is not None:
            close()


_open_panels: weakref.WeakValueDictionary[str, Panel[Any]] = weakref.WeakValueDictionary()


class Panel(Generic[S]):
    """Controls beside a picture that follows them.

    Parameters
    ----------
    controls:
        Name -> :class:`Slider`, :class:`Choice`, :class:`Toggle` or :class:`Words`, in the order
        shown.
    run:
        ``run(values)`` gets ``{name: value}`` and gives snapshots: a generator, or a list of one
        for a panel that only computes. It runs on the panel's worker thread. It is cancelled
        between two snapshots, so it should give one at least every 50 ms or so; a generator
        is closed when it is cancelled (``finally`` blocks run).
    view:
        Draws a snapshot: see :class:`View`. :class:`dnilab.pictures.LiveCurves` and
        :class:`dnilab.pictures.Redrawn` are views.
    title:
        Shown above the controls.
    name:
        A new panel closes the open panel of the same name, so that running a cell again leaves
        nothing of the old one behind. By default the title.
    player:
        Add the buttons play/pause, step and reset.
    play:
        Whether the run goes on by itself when the panel is first shown. If not, its first
        snapshot is shown and the buttons take it from there (needs ``player``).
    progress:
        ``progress(snapshot)`` gives the fraction done, 0 to 1; adds a progress bar.
    redraw:
        Names of controls that change only how a snapshot is shown: the run goes on, and what is
        there is drawn again. ``view.choose(values)`` is told their values before each drawing.
    rate, share:
        At most so many frames a second, and so large a share of the time for drawing.

    Plain state, for tests: ``controls[name].value`` (settable), ``values``, ``snapshot``,
    ``png``, ``sentence``, ``message`` (what the panel says went wrong, or ""), ``error`` (the
    exception behind it), ``running``.
    """

    def __init__(
        self,
        controls: Mapping[str, Spec],
        run: Callable[[dict[str, Any]], Iterable[S]],
        view: View[S],
        *,
        title: str,
        name: str | None = None,
        player: bool = False,
        play: bool = True,
        progress: Callable[[S], float] | None = None,
        redraw: Iterable[str] = (),
        rate: float = 20.0,
        share: float = 0.25,
    ) -> None:
        self._redrawing = frozenset(redraw)
        if not callable(run):
            raise TypeError(f"run is {run!r}; it accepts a function of the values")
        for method in ("update", "sentence", "choose")[: 3 if self._redrawing else 2]:
            if not callable(getattr(view, method, None)):
                raise TypeError(f"view is {view!r}, which has no method {method}")
        if not title:
            raise ValueError("title is empty; it accepts a few words")
        if not play and not player:
            raise ValueError("play is False; without player=True nothing could start it")
        # Names are checked before any widget exists, so that an error leaves none behind.
        for key, spec in controls.items():
            if not isinstance(spec, Spec):
                accepts = "Slider, Choice, Toggle or Words"
                raise TypeError(f"controls[{key!r}] is {spec!r}; it accepts {accepts}")
        for key in self._redrawing:
            one_of("redraw", key, controls)
        self.title = title
        self.name = name or title
        self._run, self._view, self._progress = run, view, progress
        self._player = player
        self._playing = play
        self._budget = Budget(rate, share)
        # One lock for the run, the widgets and the controls, of which one may move another.
        self._lock = threading.RLock()
        self._drawing = threading.Lock()
        self._job: _Job | None = None
        self._stale: list[_Job] = []
        self._worker: threading.Thread | None = None
        self._closed = False
        self._said_at = -math.inf
        self.snapshot: S | None = None
        self.png = b""
        self.sentence = self.message = self._failure = ""
        self.error: BaseException | None = None

        old = _open_panels.get(self.name)
        if old is not None:
            old.close()
        self.controls = {
            key: Control(key, spec, self._moved, self._lock) for key, spec in controls.items()
        }
        self._widget: widgets.VBox | None = None
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
        style = widgets.HTML(f"<style>{STYLE}</style>").add_class("dnilab-style")
        title = widgets.HTML(f"<h3>{html.escape(self.title)}</h3>").add_class("dnilab-title")
        parts = [control.widget for control in self.controls.values()]
        rows: list[Any] = [style, title, widgets.Box(parts).add_class("dnilab-controls")]
        # No tooltip: ipywidgets 8.1 fails to show an Image that is made with one.
        # Hidden at first: an image without data shows as broken.
        self._image = widgets.Image(format="png", layout=hidden).add_class("dnilab-picture")
        self._sentence = widgets.HTML().add_class("dnilab-sentence")
        self._alert = widgets.HTML(layout=hidden).add_class("dnilab-alert")
        if self._player:
            self._play_button = widgets.Button(icon="play", description="Play")
            self._step_button = widgets.Button(icon="step-forward", description="Step")
            self._reset_button = widgets.Button(icon="undo", description="Reset")
            self._play_button.on_click(lambda _: self.pause() if self.playing else self.play())
            self._step_button.on_click(lambda _: self.step())
            self._reset_button.on_click(lambda _: self.reset())
            buttons = [self._play_button, self._step_button, self._reset_button]
            rows.append(widgets.Box(buttons).add_class("dnilab-buttons"))
        if self._progress is not None:
            self._bar = widgets.FloatProgress(min=0, max=1, value=0)
            self._left = widgets.HTML()
            rows.append(widgets.Box([self._bar, self._left]).add_class("dnilab-progress"))
        rows += [self._alert, self._image, self._sentence]
        return widgets.VBox(rows).add_class("dnilab-panel")

    def _ipython_display_(self) -> None:
        if self._closed:
            raise RuntimeError(f"The panel {self.title!r} is closed; make a new one to show it.")
        if os.environ.get(STATIC, "0") not in ("", "0"):
            self.show_still()
            return
        from IPython.display import display

        display(self.widget)
        self.start()

    def show_still(self) -> None:
        """Run the setting as it is to its end, here, and show its last picture and sentence.

        For a page without a kernel. Errors of the run or the view are raised.
        """
        values = self.values
        ended = deque(self._run(values), maxlen=1)
        if not ended:
            raise RuntimeError(f"The run of panel {self.title!r} gave no snapshot for {values}.")
        last = ended[0]
        with self._drawing:
            self._tell_view()
            setting = self.setting_words
            note = f" Setting shown: {setting}. In a running notebook these are controls."
            picture = getattr(self._view, "picture", None)
            if picture is not None:
                drawn: Picture = picture(last)
                width, height = drawn.pixels
                png, sentence = drawn.page_png(), drawn.sentence
            else:
                png, sentence = self._view.update(last), self._view.sentence(last)
                width, height = struct.unpack(">II", png[16:24])
        alt = f"{self.title}: still picture, described in the text that follows"
        show(png, sentence + (note if setting else ""), alt=alt, width=width, height=height)

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
        with self._lock:
            return self._worker is not None

    @property
    def playing(self) -> bool:
        """Whether the run is going on by itself, neither paused nor over."""
        with self._lock:
            return self._job is not None and not self._job.over and self._job.allowed > 0

    def wait(self, timeout: float = 30.0) -> None:
        """Block until the panel is idle: finished, paused, stopped by an error, or closed.

        Raises
        ------
        TimeoutError
            If it still runs after ``timeout`` seconds.
        """
        end = time.monotonic() + timeout
        while (thread := self._worker) is not None:
            thread.join(max(0.0, end - time.monotonic()))
            if thread.is_alive():
                raise TimeoutError(f"The panel {self.title!r} still runs after {timeout} s.")

    # -- what a reader or a test does --------------------------------------------------------

    def start(self) -> None:
        """Make the widgets and begin, if it has not begun; displaying the panel does this."""
        _ = self.widget
        with self._lock:
            if self._job is None:
                self._restart()

    def play(self) -> None:
        """Go on; from the beginning if the run is over."""
        self._go_on(playing=True)

    def step(self) -> None:
        """One step further, then pause; a step is one snapshot unless ``_step_size`` says more."""
        self._go_on(playing=False)

    def _go_on(self, *, playing: bool) -> None:
        _ = self.widget
        with self._lock:
            self._playing = playing
            if self._job is None or self._job.over:
                self._restart()
            else:
                self._allow(self._job)

    def pause(self) -> None:
        """Stop after the snapshot that is being computed; :meth:`play` goes on from there.

        The first snapshot of a setting is always shown, or there would be nothing to look at.
        """
        with self._lock:
            self._playing = False
            if self._job is not None:
                self._job.allowed = 0 if self._job.pulled else 1
            self._label_play()

    def reset(self) -> None:
        """Back to the first snapshot, and pause there."""
        _ = self.widget
        with self._lock:
            self._playing = False
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
            thread = self._worker
        if thread is not None and thread is not threading.current_thread():
            thread.join(10.0)
            if thread.is_alive():
                warnings.warn(
                    f"The run of panel {self.title!r} gave no snapshot for 10 s and could not be "
                    "cancelled. It will end at its next one.",
                    RuntimeWarning,
                    stacklevel=2,
                )
        if _open_panels.get(self.name) is self:
            del _open_panels[self.name]
        if self._widget is not None:
            close_tree(self._widget)

    # -- the machinery -----------------------------------------------------------------------

    def _moved(self, name: str) -> None:
        """A control has a new value: what runs is stale."""
        with self._lock:
            if self._job is not None:
                if name in self._redrawing:
                    self.redraw()
                else:
                    self._restart()

    def redraw(self) -> None:
        """Draw again what is there, as when something else is to be shown beside it."""
        with self._lock:
            if self._job is not None and not self._closed:
                self._job.redraw = True
                self._budget.reset()
                self._wake()

    def _tell_view(self) -> None:
        """Tell the view how to show a snapshot."""
        if self._redrawing:
            values = {name: self.controls[name].value for name in self._redrawing}
            self._view.choose(values)  # type: ignore[attr-defined]

    def _drop_job(self) -> None:
        """Make the current job stale at once; the worker closes it. The lock is held."""
        if self._job is not None and not self._job.over:
            self._stale.append(self._job)
        self._job = None

    def _restart(self) -> None:
        """A new job for the values as they are. The lock is held."""
        if self._closed:
            return
        self._drop_job()
        self._show_message("", None)  # what was said meanwhile stays until now
        self._job = _Job(self.values)
        self._allow(self._job)

    def _allow(self, job: _Job) -> None:
        """Let ``job`` go on, to its end or for one step. The lock is held."""
        job.allowed = math.inf if self._playing else self._step_size(job)
        self._label_play()
        self._wake()

    def _step_size(self, job: _Job) -> int:
        """How many snapshots make a step of ``job``, which may not have begun. Lock held."""
        return 1

    def _wake(self) -> None:
        """See that a worker is there. The lock is held."""
        if self._worker is None and not self._closed:
            name = f"dnilab-panel-{self.name}"
            worker = threading.Thread(target=self._work, name=name, daemon=True)
            worker.start()  # before anybody can wait for it
            self._worker = worker

    def _work(self) -> None:
        """The worker: close what is stale, advance what is current, end when there is neither."""
        while True:
            with self._lock:
                stale, self._stale = self._stale, []
                job = self._job if self._job is not None and self._job.waits else None
                if job is None and not stale:
                    self._worker = None
                    return
            for old in stale:
                # An error in the clean-up of a run that nobody looks at any more is not shown.
                with contextlib.suppress(Exception):
                    old.close()
            if job is not None:
                try:
                    self._advance(job)
                except BaseException as error:  # also SystemExit: the controls stay alive
                    self._fail(job, error)

    def _is_current(self, job: _Job) -> bool:
        """Whether ``job`` may still show anything. The lock is held."""
        return job is self._job and not self._closed

    def _advance(self, job: _Job) -> None:
        """Pull and draw snapshots until the job is stale, paused or over."""
        began, before = time.perf_counter(), job.seconds
        if job.steps is None and not job.over:
            self._budget.reset()
            self._said_at = -math.inf
            job.steps = iter(self._run(dict(job.values)))
        while True:
            with self._lock:
                if not self._is_current(job):
                    return
                again, job.redraw = job.redraw, False
                more = not job.over and job.allowed > 0
                if more:
                    job.allowed -= 1
                    job.pulled = True
            if again and job.drawn:
                self._draw(job, last=True)
            if not more:
                break
            assert job.steps is not None
            try:
                job.last = next(job.steps)
            except StopIteration:
                job.over = True
                break
            job.unsaid = True
            job.seconds = before + time.perf_counter() - began
            if self._budget.due():
                self._draw(job, last=False)
        if job.unsaid:
            self._draw(job, last=True)
        if job.over and not job.drawn:
            raise ValueError("It gave nothing to show.")
        if job.over and more:
            self._finish(job)

    def _draw(self, job: _Job, *, last: bool) -> None:
        """Draw the job's latest snapshot and publish it, if the job is still the current one."""
        snapshot = job.last
        # A screen reader reads every new sentence out, so it changes at most twice a second.
        speak = last or time.perf_counter() - self._said_at >= 0.5
        with self._drawing, self._budget:
            self._tell_view()
            png = self._view.update(snapshot)
            sentence = self._view.sentence(snapshot) if speak else None
            done = self._progress(snapshot) if self._progress is not None else None
        with self._lock:
            if not self._is_current(job):
                return
            job.drawn = True
            self.snapshot = snapshot
            self.png = self._image.value = png
            self._image.layout.display = None
            self._image.remove_class("dnilab-old")
            if sentence is not None:
                job.unsaid = False
                self._said_at = time.perf_counter()
                self.sentence = sentence
                self._sentence.value = f'<p aria-live="polite">{html.escape(sentence)}</p>'
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
            self._alert.layout.display = None if message else "none"

    def _finish(self, job: _Job) -> None:
        with self._lock:
            if self._is_current(job):
                self._label_play()

    def _fail(self, job: _Job, error: BaseException) -> None:
        """Say in the panel what went wrong; the next change of a control works again."""
        with contextlib.suppress(Exception):  # the first error is the one to tell
            job.close()
        with self._lock:
            job.over, job.drawn = True, False  # it is not drawn again
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
            if self._progress is not None:
                self._bar.value, self._left.value = 0.0, ""
            self._label_play()

    def _label_play(self) -> None:
        if self._player and not self._closed and self._widget is not None:
            over = self._job is not None and self._job.over
            words = "Pause" if self.playing and self._playing else "Play again" if over else "Play"
            self._play_button.description = words
            self._play_button.icon = "pause" if words == "Pause" else "play"


def close_tree(widget: widgets.Widget) -> None:
    """Close a widget, its children, layouts and styles, so that no comm stays open."""
    for name in widget.keys:
        value = getattr(widget, name, None)
        for part in value if isinstance(value, tuple | list) else (value,):
            if isinstance(part, widgets.Widget) and part.comm is not None:
                close_tree(part)
    widget.close()


# ipywidgets lays a label beside its slider and gives it a fixed width; in a narrow window that
# leaves no slider. Here the label stands above, and the cells wrap. The label of a number box
# repeats the slider's: it is kept for screen readers and hidden from view. The colours of the
# text are the theme's; only the alert brings its own, since it brings its own ground.
STYLE = """
.dnilab-panel { max-width: 720px; padding: 4px 2px 8px; overflow: hidden; }
.dnilab-panel .dnilab-style { display: none; }
.dnilab-panel .dnilab-title h3 { margin: 0 0 6px; font-size: 1.15em; line-height: 1.3; }
.dnilab-panel .dnilab-controls {
  display: flex; flex-flow: row wrap; gap: 8px 28px; overflow: visible; align-items: flex-end;
}
.dnilab-panel .dnilab-control {
  flex: 1 1 280px; max-width: 346px; min-width: 0;
  display: flex; align-items: flex-end; gap: 8px; overflow: visible;
}
.dnilab-panel .dnilab-control > * { margin: 0; min-width: 0; }
.dnilab-panel .dnilab-control .widget-label {
  text-align: left; margin: 0; line-height: 1.4; height: auto; min-height: 0;
}
.dnilab-panel .dnilab-control > .widget-slider,
.dnilab-panel .dnilab-control > .widget-dropdown {
  flex: 1 1 auto; width: auto; height: auto; flex-flow: row wrap;
}
.dnilab-panel .dnilab-control > .widget-slider > .widget-label,
.dnilab-panel .dnilab-control > .widget-dropdown > .widget-label {
  flex: 1 0 100%; max-width: 100%; white-space: normal;
}
.dnilab-panel .dnilab-control > .widget-slider > .slider-container {
  flex: 1 1 60px; height: 28px; margin-right: 6px; display: flex; align-items: center;
}
.dnilab-panel .dnilab-control .slider-container > .slider { flex: 1 1 auto; margin: 0 8px; }
.dnilab-panel .dnilab-control > .widget-dropdown > select {
  flex: 1 1 100%; width: 100%; height: 28px; min-height: 28px;
}
.dnilab-panel .dnilab-control > .widget-text { flex: 0 0 84px; width: 84px; }
.dnilab-panel .dnilab-control > .widget-text > .widget-label {
  position: absolute; width: 1px !important; height: 1px; overflow: hidden;
  clip-path: inset(50%); white-space: nowrap;
}
.dnilab-panel .dnilab-words > .widget-text {
  flex: 1 1 auto; width: auto; height: auto; flex-flow: row wrap;
}
.dnilab-panel .dnilab-words > .widget-text > .widget-label {
  position: static; width: auto !important; height: auto; clip-path: none; white-space: normal;
  flex: 1 0 100%; max-width: 100%;
}
.dnilab-panel .dnilab-words > .widget-text > input { flex: 1 1 100%; }
.dnilab-panel .dnilab-control > .widget-checkbox { width: auto; }
.dnilab-panel .dnilab-control .widget-checkbox label {
  display: flex; align-items: center; gap: 6px;
}
.dnilab-panel .dnilab-control :focus-visible,
.dnilab-panel .noUi-handle:focus-visible { outline: 2px solid #0072B2; outline-offset: 1px; }
.dnilab-panel .dnilab-buttons { display: flex; flex-flow: row wrap; gap: 6px; margin: 10px 0 0; }
.dnilab-panel .dnilab-buttons > button { margin: 0; width: 112px; flex: 0 0 auto; }
.dnilab-panel .dnilab-progress {
  display: flex; align-items: center; gap: 10px; margin: 6px 0 0; overflow: visible;
}
.dnilab-panel .dnilab-progress > .widget-hprogress {
  flex: 1 1 120px; max-width: 348px; min-width: 0; width: auto; height: 10px; margin: 0;
}
.dnilab-panel .dnilab-progress .progress { height: 10px; min-height: 10px; margin: 0; }
.dnilab-panel .dnilab-progress > .widget-html { width: auto; margin: 0; white-space: nowrap; }
.dnilab-panel .dnilab-picture {
  max-width: 100%; height: auto; margin: 10px 0 0; border-radius: 3px;
}
.dnilab-panel .dnilab-picture.dnilab-old { opacity: 0.35; }
.dnilab-panel .dnilab-sentence p { margin: 4px 0 0; line-height: 1.45; max-width: 700px; }
.dnilab-panel .dnilab-alert p {
  margin: 8px 0 0; padding: 6px 10px; line-height: 1.45; max-width: 680px;
  border-left: 4px solid #D55E00; background: #FFF4EC; color: #222222;
}
"""
