"""The panel's machinery, kernel-side: values are set, plain state is asserted.

Waits have generous time-outs that only tell a hang from work; nothing asserts how long it took.
"""

import gc
import io
import re
import threading
import weakref

import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances as live_widgets
from matplotlib.figure import Figure
from PIL import Image

from dnilab.lessons.playground.panel.player import Player
from dnilab.pictures import LiveCurves, Picture, Redrawn, Series, curves
from dnilab.pictures.style import encode_png
from dnilab.widgets import Choice, Panel, Slider, Toggle
from dnilab.widgets import panel as panel_module
from dnilab.widgets.panel import MEASURING, STALE, Budget

HANG = 20.0
PNG = encode_png(np.full((400, 700, 4), 255, np.uint8))


class TextView:
    """Shows a snapshot as the bytes of its repr, behind a white picture."""

    def update(self, snapshot):
        return PNG + repr(snapshot).encode()  # what follows a picture's end is not looked at

    def picture(self, snapshot):
        return Picture(700, 400, sentence=self.sentence(snapshot))

    def sentence(self, snapshot):
        return f"This is {snapshot}."


def shown(png):
    return bytes(png)[len(PNG) :].decode()


def count_up(values):
    for n in range(values.get("n", 3)):
        yield (values["a"], n)


@pytest.fixture
def make(nothing_left):
    def make(run=count_up, view=None, *, cls=Panel, controls=None, title="Test", **more):
        controls = controls or {"a": Slider(0, 99, 1, 1), "n": Slider(1, 50, 1, 3)}
        panel = cls(controls, run, view or TextView(), title=title, **more)
        nothing_left.append(panel)
        return panel

    return make


def test_it_runs_and_shows_the_last_snapshot(make):
    panel = make()
    panel.start()
    panel.wait(HANG)
    assert shown(panel.png) == "(1, 2)"
    assert panel.snapshot == (1, 2)
    assert panel.sentence == "This is (1, 2)."
    assert bytes(panel._image.value) == panel.png
    assert "This is (1, 2)." in panel._sentence.value
    assert panel.message == ""
    assert not panel.running


def test_a_control_runs_it_again(make):
    panel = make()
    panel.start()
    panel.wait(HANG)
    panel.controls["a"].value = 7
    panel.wait(HANG)
    assert shown(panel.png) == "(7, 2)"
    panel.controls["a"].parts[0].value = 8  # as the browser does it
    panel.wait(HANG)
    assert shown(panel.png) == "(8, 2)"
    assert panel.values == {"a": 8, "n": 3}


def test_a_list_of_one_is_a_run_too(make):
    panel = make(lambda values: [values["a"] * 10])
    panel.start()
    panel.wait(HANG)
    assert shown(panel.png) == "10"


def test_nothing_runs_before_it_is_shown(make):
    panel = make()
    panel.controls["a"].value = 5
    assert panel.png == b""
    panel.start()
    panel.wait(HANG)
    assert shown(panel.png) == "(5, 2)"


class Chosen(TextView):
    """Shows a snapshot in the way that was chosen."""

    def choose(self, values):
        self.how = values["how"]

    def update(self, snapshot):
        return super().update((snapshot, self.how))


def test_a_control_that_changes_the_view_alone_runs_nothing_again(make):
    runs = []

    def run(values):
        runs.append(values["a"])
        yield values["a"]

    controls = {"a": Slider(0, 99, 1, 1), "how": Choice(["thick", "thin"], "thick")}
    panel = make(run, Chosen(), controls=controls, redraw=["how"])
    panel.start()
    panel.wait(HANG)
    assert shown(panel.png) == "(1, 'thick')"
    panel.controls["how"].value = "thin"
    assert MEASURING not in panel._frame._dom_classes
    panel.wait(HANG)
    assert (shown(panel.png), runs) == ("(1, 'thin')", [1])


def test_a_control_without_use_is_greyed_out(make):
    panel = make(idle=lambda values: ["n"] if values["a"] < 5 else [])
    assert [control.enabled for control in panel.controls.values()] == [True, False]
    panel.controls["a"].value = 7
    assert panel.controls["n"].enabled
    panel.controls["a"].value = 2
    assert not panel.controls["n"].enabled
    assert panel.controls["a"].enabled


def heights_while_it_runs(make, cls):
    """How high the picture is after each snapshot of two runs, and how high at the end."""
    drawn, go_on = threading.Semaphore(0), threading.Semaphore(0)

    def run(values):
        for height in [300] if values["a"] == 1 else [100, 200, 150]:
            yield height
            drawn.release()  # asked for the next one: this one is shown
            assert go_on.acquire(timeout=HANG)

    def draw(height):
        return Picture(200, height, sentence=f"{height} high")

    def height():
        return Image.open(io.BytesIO(panel._image.value)).height

    panel = make(run, Redrawn(draw), cls=cls, rate=1e6, share=1.0, name=cls.__name__)
    panel.start()
    found = []
    for a, snapshots in ((1, 1), (2, 3)):
        panel.controls["a"].value = a
        for _ in range(snapshots):
            assert drawn.acquire(timeout=HANG)
            found.append(height())
            go_on.release()
        panel.wait(HANG)
    return found, height()


class Jumps(Panel):
    """Planted fault: each picture is as high as it happens to be."""

    steady = False


def test_what_is_below_a_picture_does_not_jump_while_it_runs(make):
    assert heights_while_it_runs(make, Panel) == ([300, 300, 300, 300], 150)
    assert min(heights_while_it_runs(make, Jumps)[0]) < 300


# -- stale runs ------------------------------------------------------------------------------


class Frames:
    """Everything that the panel ever showed, picture and sentence, in order."""

    def __init__(self, panel):
        self.all = []
        _ = panel.widget
        panel._image.observe(lambda c: self.all.append(shown(c["new"])), names="value")
        panel._sentence.observe(lambda c: self.all.append(c["new"]), names="value")


def frames_after_a_change(make, cls, *, where):
    """What is shown after a control changed while the old run computes, or while it draws."""
    reached, go_on = threading.Event(), threading.Event()
    closed = []

    def block():
        reached.set()
        assert go_on.wait(HANG)

    def run(values):
        try:
            yield (values["a"], 0)
            if where == "run" and values["a"] == 1:
                block()
            yield (values["a"], 1)
        finally:
            closed.append(values["a"])

    class View(TextView):
        def update(self, snapshot):
            if where == "view" and snapshot == (1, 0):
                block()
            return super().update(snapshot)

    panel = make(run, View(), cls=cls, name=f"{cls.__name__} {where}")
    frames = Frames(panel)
    panel.start()
    assert reached.wait(HANG)
    panel.controls["a"].value = 2
    already = len(frames.all)
    go_on.set()
    panel.wait(HANG)
    return frames.all[already:], closed


@pytest.mark.parametrize("where", ["run", "view"])
def test_nothing_of_a_stale_run_is_shown_and_its_generator_is_closed(make, where):
    frames, closed = frames_after_a_change(make, Panel, where=where)
    assert frames
    assert all("(2, " in frame for frame in frames)
    assert closed == [1, 2]


class ShowsStaleFrames(Panel):
    """Planted fault: forgets to ask whether a picture's run is still the current one."""

    def _is_current(self, job):
        return True


def test_the_test_above_catches_a_panel_that_shows_stale_frames(make):
    frames, _ = frames_after_a_change(make, ShowsStaleFrames, where="view")
    assert any("(1, " in frame for frame in frames)


def shows_its_last_snapshot(make, view):
    panel = make(lambda values: iter(range(40)), view, name=type(view).__name__)
    panel.start()
    panel.wait(HANG)
    return shown(panel.png) == "39"


class LateView(TextView):
    """Planted fault: draws the snapshot before the one it is handed."""

    before = None

    def update(self, snapshot):
        late, self.before = self.before, snapshot
        return super().update(late)


def test_the_last_snapshot_is_always_drawn_and_a_late_view_is_noticed(make):
    assert shows_its_last_snapshot(make, TextView())
    assert not shows_its_last_snapshot(make, LateView())


def test_a_new_run_does_not_wait_for_the_frame_budget(make):
    panel = make(rate=1e-3)  # a frame every 1,000 s
    frames = Frames(panel)
    panel.start()
    panel.wait(HANG)
    panel.controls["a"].value = 4
    panel.wait(HANG)
    assert [frame for frame in frames.all if not frame.startswith("<")] == [
        "(1, 0)",
        "(1, 2)",
        "(4, 0)",
        "(4, 2)",
    ]


def test_the_old_picture_says_measuring_until_there_is_a_new_one(make):
    go_on = threading.Semaphore(0)

    def run(values):
        assert go_on.acquire(timeout=HANG)
        if values["a"] == 3:
            raise ValueError("no")
        yield values["a"]

    def measuring():
        return MEASURING in panel._frame._dom_classes

    panel = make(run)
    panel.start()
    for value in (1, 2, 3):
        panel.controls["a"].value = value
        assert measuring()
        go_on.release()
        panel.wait(HANG)
        assert not measuring()
    assert "Measuring" in panel._frame.children[1].value


def test_a_run_is_cancelled_where_it_has_nothing_to_draw_yet(make):
    reached, closed = threading.Event(), []

    def run(values):
        try:
            while values["a"] == 1:  # networks are built, and built
                reached.set()
                yield None
            yield values["a"]
        finally:
            closed.append(values["a"])

    panel = make(run)
    panel.start()
    assert reached.wait(HANG)
    assert (panel.png, panel.message) == (b"", "")
    panel.controls["a"].value = 2
    panel.wait(HANG)
    assert closed == [1, 2]
    assert shown(panel.png) == "2"


# -- what goes wrong -------------------------------------------------------------------------


def test_an_impossible_setting_becomes_a_sentence_and_the_controls_live_on(make):
    def run(values):
        if values["a"] == 13:
            raise ValueError("a: got 13, need another number")
        yield values["a"]

    panel = make(run)
    panel.start()
    panel.wait(HANG)
    panel.controls["a"].value = 13
    panel.wait(HANG)
    assert panel.message == (
        "This setting cannot be run. a: got 13, need another number. Change a control to go on."
    )
    assert 'role="alert"' in panel._alert.value
    assert panel._alert.layout.display == ""
    assert isinstance(panel.error, ValueError)
    assert panel.sentence == ""  # the old picture's words do not describe this setting
    panel.controls["a"].value = 14
    panel.wait(HANG)
    assert (panel.message, panel._alert.value, panel.error) == ("", "", None)
    assert panel._alert.layout.display == "none"
    assert shown(panel.png) == "14"


@pytest.mark.parametrize("error", [RuntimeError("broken <b>"), SystemExit(3), KeyError("x")])
def test_an_error_in_the_middle_of_a_run(make, error):
    def run(values):
        yield 1
        if values["a"] == 1:
            raise error
        yield 2

    panel = make(run)
    panel.start()
    panel.wait(HANG)
    assert type(error).__name__ in panel.message
    assert panel.error is error
    assert "<b>" not in panel._alert.value
    panel.controls["a"].value = 2
    panel.wait(HANG)
    assert shown(panel.png) == "2"


@pytest.mark.parametrize("method", ["update", "sentence"])
def test_an_error_in_the_view_closes_the_run(make, method):
    closed = []

    def run(values):
        try:
            yield values["a"]
            yield values["a"]
        finally:
            closed.append(values["a"])

    class View(TextView):
        pass

    def broken(self, snapshot):
        if snapshot == 1:
            raise ZeroDivisionError("cannot draw")
        return getattr(TextView, method)(self, snapshot)

    setattr(View, method, broken)
    panel = make(run, View())
    panel.start()
    panel.wait(HANG)
    assert panel.message.startswith("The run stopped with ZeroDivisionError: cannot draw.")
    assert closed == [1]
    panel.controls["a"].value = 2
    panel.wait(HANG)
    assert shown(panel.png) == "2"
    assert closed == [1, 2]


def test_an_error_of_a_stale_run_is_not_shown(make):
    reached, go_on = threading.Event(), threading.Event()

    def run(values):
        if values["a"] == 1:
            reached.set()
            assert go_on.wait(HANG)
            raise RuntimeError("too late")
        yield values["a"]

    panel = make(run)
    panel.start()
    alerts = []
    panel._alert.observe(lambda change: alerts.append(change["new"]), names="value")
    assert reached.wait(HANG)
    panel.controls["a"].value = 2
    go_on.set()
    panel.wait(HANG)
    assert (panel.message, shown(panel.png)) == ("", "2")
    assert alerts == []


def test_an_error_in_cancelling_is_not_shown(make):
    reached = threading.Event()

    def run(values):
        try:
            while values["a"] == 1:
                reached.set()
                yield 1
        finally:
            if values["a"] == 1:
                raise RuntimeError("while cleaning up")
        yield 2

    panel = make(run)
    panel.start()
    assert reached.wait(HANG)
    panel.controls["a"].value = 2
    panel.wait(HANG)
    assert (panel.message, shown(panel.png)) == ("", "2")


def test_a_run_that_gives_nothing_says_so(make):
    panel = make(lambda values: [])
    panel.start()
    panel.wait(HANG)
    assert panel.message == (
        "This setting cannot be run. It gave nothing to show. Change a control to go on."
    )


def test_wrong_arguments_are_refused_before_a_widget_is_made():
    spec = {"a": Toggle(True)}
    before = len(live_widgets)
    with pytest.raises(ValueError, match="run is 3; it accepts a function"):
        Panel(spec, 3, TextView(), title="x")
    with pytest.raises(ValueError, match=r"view is .*; it accepts what has the methods update"):
        Panel(spec, count_up, object(), title="x")
    with pytest.raises(ValueError, match="title is empty"):
        Panel(spec, count_up, TextView(), title="")
    with pytest.raises(ValueError, match="redraw is 'b'; it accepts one of 'a'"):
        Panel(spec, count_up, TextView(), title="x", redraw=["b"])
    with pytest.raises(TypeError, match="no method choose"):
        Panel(spec, count_up, TextView(), title="x", redraw=["a"])
    with pytest.raises(ValueError, match=r"controls\['a'\] is 5; it accepts Slider"):
        Panel({"a": 5}, count_up, TextView(), title="x")
    assert len(live_widgets) == before


# -- buttons ---------------------------------------------------------------------------------


def test_step_reset_and_play(make):
    panel = make(cls=Player, play=False)
    panel.start()
    panel.wait(HANG)
    assert (shown(panel.png), panel._play_button.description) == ("(1, 0)", "Play")
    panel._step_button.click()
    panel.wait(HANG)
    assert shown(panel.png) == "(1, 1)"
    panel._play_button.click()
    panel.wait(HANG)
    assert (shown(panel.png), panel._play_button.description) == ("(1, 2)", "Play again")
    panel._reset_button.click()
    panel.wait(HANG)
    assert shown(panel.png) == "(1, 0)"
    assert not panel.playing


def test_pause_holds_the_run_without_a_thread_and_play_goes_on(make):
    steps = threading.Semaphore(0)
    made = []

    def run(values):
        made.append(values["a"])
        for n in range(5):
            assert steps.acquire(timeout=HANG)
            yield n

    panel = make(run, cls=Player)
    panel.start()
    assert panel._play_button.description == "Pause"
    panel._play_button.click()
    for _ in range(5):
        steps.release()
    panel.wait(HANG)
    assert not panel.running
    assert panel.snapshot < 4
    panel._play_button.click()
    panel.wait(HANG)
    assert panel.snapshot == 4
    assert made == [1]  # it went on, it did not begin again


def test_a_control_moved_while_paused_shows_the_first_snapshot_of_the_new_setting(make):
    panel = make(cls=Player, play=False)
    panel.start()
    panel.step()
    panel.wait(HANG)
    panel.controls["a"].value = 9
    panel.wait(HANG)
    assert shown(panel.png) == "(9, 0)"


def test_progress(make):
    panel = make(progress=lambda snapshot: (snapshot[1] + 1) / 3)
    panel.start()
    panel.wait(HANG)
    assert panel._bar.value == 1
    assert panel._left.value == "100 %"


# -- closing and showing ---------------------------------------------------------------------


@pytest.fixture
def displayed(monkeypatch):
    """What would be put on the page."""
    outputs = []

    def display(*objects, metadata=None, raw=False, display_id=None):
        outputs.extend(objects)

    def update_display(output, *, raw, display_id):
        assert f'class="{display_id}"' in output["text/html"]
        outputs.append(output)

    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr("IPython.display.update_display", update_display)
    return outputs


def views(outputs):
    """The widgets among what is put on the page, by their number."""
    kind = "application/vnd.jupyter.widget-view+json"
    return [one[kind]["model_id"] for one in outputs if kind in one]


def test_close_cancels_a_run_without_end(make):
    began, closed = threading.Event(), threading.Event()

    def run(values):
        try:
            while True:
                began.set()
                yield 1
        finally:
            closed.set()

    panel = make(run)
    panel.start()
    assert began.wait(HANG)
    panel.close()
    assert closed.is_set()
    assert not panel.running
    panel.close()  # twice does no harm
    with pytest.raises(RuntimeError, match="closed"):
        panel._ipython_display_()


def test_close_ends_a_paused_run(make):
    closed = []

    def run(values):
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    panel = make(run, cls=Player, play=False)
    panel.start()
    panel.wait(HANG)
    panel.close()
    assert closed == [True]


def test_a_closed_panel_ignores_its_controls(make):
    panel = make()
    panel.start()
    panel.wait(HANG)
    panel.close()
    panel.controls["a"].value = 50
    assert shown(panel.png) == "(1, 2)"
    assert not panel.running


def test_closing_closes_every_widget(make):
    before = set(live_widgets)
    panel = make(
        cls=Player,
        progress=lambda snapshot: 0.5,
        controls={
            "a": Slider(1e-3, 1.0, 0.1, 0.5, log=True),
            "b": Choice(["x", "y"], "x"),
            "c": Toggle(True),
            "d": Slider(0.0, 1.0, 0.1, 0.5),
        },
    )
    panel.start()
    panel.wait(HANG)
    assert len(live_widgets) > len(before) + 20
    panel.close()
    assert set(live_widgets) == before


def test_running_the_cell_again_closes_the_old_panel(make):
    began, closed = threading.Event(), threading.Event()

    def endless(values):
        try:
            while True:
                began.set()
                yield 1
        finally:
            closed.set()

    old = make(endless, name="cell")
    old.start()
    assert began.wait(HANG)
    new = make(name="cell")
    assert closed.is_set()
    assert old._closed
    new.start()
    new.wait(HANG)
    assert shown(new.png) == "(1, 2)"
    other = make(name="another cell")
    assert not new._closed
    other.close()


def test_the_register_does_not_keep_a_panel_alive():
    panel = Panel({"a": Toggle(True)}, count_up, TextView(), title="forgotten")
    gone = weakref.ref(panel)
    del panel
    gc.collect()
    assert gone() is None


def test_showing_it_twice_runs_it_once(make, displayed, monkeypatch):
    monkeypatch.delenv("DNILAB_STATIC", raising=False)
    runs = []

    def run(values):
        runs.append(values)
        yield 1

    panel = make(run)
    panel._ipython_display_()
    panel._ipython_display_()
    panel.wait(HANG)
    assert views(displayed) == [panel.widget.model_id] * 2
    assert len(runs) == 1
    assert "dnilab-panel" in panel.widget._dom_classes
    assert "dnilab-sentence" in panel._sentence._dom_classes


@pytest.mark.parametrize("value", ["1", "yes"])
def test_the_still_form_has_picture_and_words_and_makes_no_widget(
    make, displayed, monkeypatch, value
):
    monkeypatch.setenv("DNILAB_STATIC", value)
    before = len(live_widgets)
    panel = make()
    panel._ipython_display_()
    image, words = displayed
    assert set(image) == {"image/png", "text/plain"}
    assert words["text/plain"] == (
        "This is (1, 2). Setting shown: a 1; n 3. In a running notebook these are controls."
    )
    assert len(live_widgets) == before
    assert not panel.running


def test_zero_means_live(make, displayed, monkeypatch):
    monkeypatch.setenv("DNILAB_STATIC", "0")
    panel = make()
    panel._ipython_display_()
    panel.wait(HANG)
    assert views(displayed) == [panel.widget.model_id]


LINE = Redrawn(
    lambda y: curves([Series("one", [0, 1], [0.5, y])], xlabel="epoch", ylabel="loss", title="<b>")
)


def test_the_notebook_keeps_a_still_picture_that_the_live_panel_hides(make, displayed, monkeypatch):
    monkeypatch.delenv("DNILAB_STATIC", raising=False)
    panel = make(lambda values: [values["a"] / 8], LINE, title="A & B")
    panel._ipython_display_()
    panel.wait(HANG)
    live, empty, still = displayed
    (mark,) = re.findall(r'<div class="([^"]*)"></div>', empty["text/html"])
    assert f".{mark}" in panel.widget.children[0].value
    assert live["text/plain"] == "A & B: its controls need a kernel"
    assert f'<div class="{mark}">' in still["text/html"]
    assert "A still picture. Run this cell to have the panel back." in still["text/html"]
    assert f"<p>{panel.sentence}</p>" in still["text/html"]
    assert 'alt="A &amp; B: still picture' in still["text/html"]
    panel.controls["a"].value = 4
    panel.wait(HANG)
    assert "goes from 0.5 to 0.5." not in still["text/html"]
    assert "goes from 0.5 to 0.5." in displayed[-1]["text/html"]
    panel._ipython_display_()  # shown again, it is kept again
    assert displayed[-1] == displayed[-3]


def test_the_numbers_of_a_picture_are_a_table_once_it_is_at_rest(make):
    panel = make(lambda values: [values["a"] / 8], LINE)
    panel.start()
    panel.wait(HANG)
    table = panel._numbers.value
    assert table.startswith('<details class="dnilab-numbers"><summary>Show as a table</summary>')
    assert '<th scope="col">epoch</th><th scope="col">one</th>' in table
    assert '<tr><th scope="row">1</th><td>0.125</td></tr>' in table
    assert STALE not in panel._said._dom_classes
    panel.close()
    plain = make(title="no numbers")
    plain.start()
    assert STALE in plain._said._dom_classes
    plain.wait(HANG)
    assert plain._numbers.value == ""


def test_what_goes_wrong_at_rest_is_told(make):
    class View(TextView):
        shown = property(lambda self: 1 / 0)

    panel = make(view=View())
    panel.start()
    panel.wait(HANG)
    assert "ZeroDivisionError" in panel.message


def test_the_still_form_of_curves_is_a_whole_picture(make, displayed, monkeypatch):
    monkeypatch.setenv("DNILAB_STATIC", "1")
    view = LiveCurves(xlabel="epoch", ylabel="loss", better="lower")
    make(lambda v: [[Series("a", [0, 1], [1.0, 0.5])]], view)._ipython_display_()
    image, words = displayed
    assert len(image["image/png"]) > 5000
    assert words["text/plain"].startswith("Loss against epoch, from 0 to 1. a goes from 1 to 0.5.")


def test_the_still_form_raises_what_goes_wrong(make, displayed, monkeypatch):
    monkeypatch.setenv("DNILAB_STATIC", "1")
    with pytest.raises(RuntimeError, match="gave no snapshot"):
        make(lambda v: [])._ipython_display_()
    with pytest.raises(ZeroDivisionError):
        make(lambda v: [1 / 0])._ipython_display_()


def test_waiting_for_a_run_that_hangs_ends(make):
    go_on = threading.Event()

    def run(values):
        go_on.wait(HANG)
        yield 1

    panel = make(run)
    panel.start()
    with pytest.raises(TimeoutError, match="still runs"):
        panel.wait(0.01)
    go_on.set()
    panel.wait(HANG)


# -- memory ----------------------------------------------------------------------------------


def figures_alive():
    gc.collect()
    return sum(isinstance(one, Figure) for one in gc.get_objects())


@pytest.mark.parametrize("kind", ["live", "redrawn"])
def test_figures_do_not_pile_up(make, kind):
    def picture_of(series):
        picture = Picture(200, 100, sentence="a small picture")
        picture.text(0.5, 0.5, str(series[0].y[0, -1]))
        return picture

    if kind == "live":
        view = LiveCurves(xlabel="step", ylabel="loss", size=(300, 240))
    else:
        view = Redrawn(picture_of)

    def run(values):
        for n in range(1, 4):
            yield [Series("a", np.arange(n), np.full(n, float(values["a"] + 1)))]

    panel = make(run, view, rate=1e6)
    panel.start()
    panel.wait(HANG)
    before, widgets = figures_alive(), len(live_widgets)
    for value in range(30):
        panel.controls["a"].value = value
        panel.wait(HANG)
    assert figures_alive() <= before + 1
    assert len(live_widgets) == widgets


# -- the frame budget ------------------------------------------------------------------------


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def simulate(budget, clock, *, cost, seconds):
    """Frames drawn, and time spent drawing, when asked every millisecond."""
    frames, spent, end = 0, 0.0, clock.now + seconds
    while clock.now < end:
        if budget.due():
            with budget:
                clock.now += cost
            frames += 1
            spent += cost
        clock.now += 0.001
    return frames, spent


def test_cheap_frames_come_at_the_rate():
    clock = Clock()
    frames, _ = simulate(Budget(20, 0.25, clock), clock, cost=0.005, seconds=10)
    assert 190 <= frames <= 201


def test_dear_frames_take_their_share_of_the_time():
    clock = Clock()
    _, spent = simulate(Budget(20, 0.25, clock), clock, cost=0.1, seconds=40)
    assert 9.0 <= spent <= 10.1


def test_a_budget_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="rate is 0"):
        Budget(0)
    with pytest.raises(ValueError, match=r"share is 1\.5"):
        Budget(20, 1.5)


def test_the_style_sheet_reaches_the_page(make):
    panel = make()
    panel.start()
    panel.wait(HANG)
    assert panel_module.STYLE in panel.widget.children[0].value
