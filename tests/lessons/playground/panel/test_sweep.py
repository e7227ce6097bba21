"""A sweep from the playground: planned, run, stopped, shown as a map, loaded by a click."""

import base64
import gc
import re
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children

import pytest
from ipywidgets.widgets.widget import _instances as live_widgets

from dnilab.experiments import Settings, run
from dnilab.lessons.playground.experiments import needs
from dnilab.lessons.playground.experiments.comparison import Lineup
from dnilab.lessons.playground.experiments.records import Record
from dnilab.lessons.playground.panel import sweep as part_of_panel
from dnilab.lessons.playground.panel.panel import playground
from dnilab.lessons.playground.sweeps import read_sweep
from dnilab.lessons.playground.sweeps.running import SweepInterrupted

HANG = 60.0
TINY = Lineup(
    Settings(
        bits=8, examples=200, test_examples=500, hidden=(8, 6), epochs=1, batch_size=20,
        dtype="float32",
    ),
    1,
)  # fmt: skip


def choose(part, across=("rate", "0.001", "0.1", 2), up=("batch_size", "10", "40", 2), seeds=1):
    for at, (name, low, high, count) in (("across", across), ("up", up)):
        part.controls[at].value = name
        part.controls[f"{at} from"].value = low
        part.controls[f"{at} to"].value = high
        part.controls[f"{at} count"].value = count
    part.controls["seeds"].value = seeds


@pytest.fixture
def make(nothing_left, monkeypatch):
    """A playground that is paused, with its sweep open, on threads in the place of processes."""
    monkeypatch.setattr(part_of_panel, "process_pool", ThreadPoolExecutor)

    def make(settings=TINY, **more):
        play = playground(settings, play=False, **more)
        nothing_left.append(play)
        play.start()
        play.wait(HANG)
        play.sweep._heading.value = True
        choose(play.sweep)
        return play

    return make


@pytest.fixture
def processes(make, monkeypatch):
    """Real processes, which other tests do without: they take their time to begin."""
    monkeypatch.undo()


@pytest.fixture
def rows_come(monkeypatch):
    """A function that puts another source of rows in the place of the sweep."""

    @contextmanager
    def no_pool(workers):
        yield None

    def put(source):
        monkeypatch.setattr(part_of_panel, "process_pool", no_pool)
        monkeypatch.setattr(part_of_panel, "beating", lambda jobs, pool, runner: source(jobs))

    return put


def swept(play):
    play.sweep.start()
    play.sweep.wait(HANG)
    return play.sweep


def texts(part):
    return {place: cell.lines[0] for place, cell in part.map.cells.items()}


def ended(job, status="done", message="", right=0.5):
    return Record(job, status, message, {"right": (right,), "test_loss": (1.0,)})


class Slow:
    """A source that gives a row when it is let, and says when it was closed."""

    def __init__(self, let=0):
        self.may, self.closed = threading.Semaphore(let), threading.Event()

    def __call__(self, jobs):
        try:
            for job in jobs:
                while not self.may.acquire(timeout=0.01):
                    yield None
                yield ended(job)
        finally:
            self.closed.set()


def until(condition):
    waiting = threading.Event()
    for _ in range(int(HANG / 0.01)):
        if condition():
            return
        waiting.wait(0.01)
    raise AssertionError("it never came")


# -- a sweep ---------------------------------------------------------------------------------


def test_the_map_has_the_numbers_that_the_runs_have(make):
    play = make(Lineup(TINY.settings, 3, ("backprop",)))
    choose(play.sweep, seeds=2)
    assert "2 × 2 settings with 2 seeds each: 8 runs." in play.sweep.line
    part = swept(play)
    assert part.message == ""
    assert part.sentence.startswith("Done: 8 runs. Right on unseen rows (%), mean of 2 seeds, by ")
    for (i, j), text in texts(part).items():
        settings = TINY.settings.but(
            rate=(0.001, 0.1)[i], generator_rate=0.003, batch_size=(10, 40)[j]
        )
        ends = [run(settings.but(seed=seed)).final("bit_accuracy") for seed in (0, 1)]
        assert text == f"{50 * sum(ends):.1f}"
    best = max(texts(part).values(), key=float)
    assert f"Best is {best} ± " in part.sentence
    assert "; worst is " in part.sentence
    assert part.png.startswith(b"\x89PNG")


@pytest.mark.usefixtures("processes")
def test_the_same_numbers_from_processes_and_a_click_that_loads_them(make):
    play = make()
    assert play.controls["generator_rate"].value == 0.003
    part = swept(play)
    assert part.message == ""
    assert {row.worker.split(",")[0] for row in part.rows.values()} != {""}
    workers = {row.worker for row in part.rows.values()}
    ends = texts(part)
    part._buttons[1, 0].click()
    assert (play.controls["rate"].value, play.controls["batch_size"].value) == (0.1, 10)
    assert part.news.startswith("Loaded: learning rate 0.1, batch size 10, 1 seed.")
    play.play()
    play.wait(HANG)
    line = play.snapshot.lines[play.snapshot.main]
    assert f"{100 * line.values['right'][0, -1]:.1f}" == ends[1, 0]
    again = make(name="again")
    assert texts(swept(again)) == ends
    assert workers.isdisjoint(row.worker for row in again.sweep.rows.values())


def test_a_click_marks_where_the_controls_stand_and_keeps_what_is_beside(make):
    play = make(Lineup(TINY.settings, 3, ("backprop",)))
    part = swept(play)
    assert not any("are set to this" in b.tooltip for b in part._buttons.values())
    part._buttons[0, 1].click()
    assert play.lineup.beside == ("backprop",)
    assert play.lineup.seeds == 1
    here = [place for place, b in part._buttons.items() if "are set to this" in b.tooltip]
    assert here == [(0, 1)]
    assert "dnilab-here" in part._buttons[0, 1]._dom_classes
    play.controls["rate"].value = 0.5
    assert not any("are set to this" in b.tooltip for b in part._buttons.values())
    assert not any("dnilab-here" in b._dom_classes for b in part._buttons.values())


def test_a_click_shows_the_runs_of_a_setting(make):
    play = make()
    choose(play.sweep, seeds=3)
    part = swept(play)
    part._buttons[0, 0].click()
    cell = part.shown.cells[0, 0]
    rows = [part.rows[job.key] for job in cell.jobs]
    assert part._news.value.count("<tr>") == 4
    for row in rows:
        assert f"<td>{row.score('right'):.6g}</td>" in part._news.value


def test_the_buttons_lie_on_the_cells_of_the_picture(make):
    play = make()
    choose(play.sweep, across=("rate", "0.001", "0.1", 5))
    part = swept(play)
    layout, (width, _) = part._cells.layout, part.map.pixels
    assert layout.grid_template_columns == "repeat(5, 1fr)"
    assert float(layout.left[:-1]) == pytest.approx(100 * part.map.margins["left"] / width, abs=0.1)
    assert list(part._buttons) == [(i, j) for j in (1, 0) for i in range(5)]
    assert part._cells.children == tuple(part._buttons.values())


def test_depth_is_swept_and_loaded_with_its_widths(make):
    play = make()
    choose(play.sweep, up=("depth", "1", "3", 2))
    part = swept(play)
    assert {len(row.settings.hidden) for row in part.rows.values()} == {1, 3}
    part._buttons[0, 1].click()
    assert play.controls["widths"].value == "8, 6, 6"
    assert play.lineup.settings.hidden == (8, 6, 6)


def test_another_score_is_shown_without_running_again(make):
    play = make()
    part = swept(play)
    rows = dict(part.rows)
    part.controls["show"].value = "test_loss"
    part.wait(HANG)
    assert part.rows == rows
    losses = {f"{row.scores['test_loss']:.2f}" for row in rows.values()}
    assert set(texts(part).values()) == losses
    assert "Test loss, by learning rate" in part.sentence
    assert f"Best is {min(losses)}" in part.sentence


def test_what_is_there_is_not_run_again(make, monkeypatch):
    play = make()
    part = swept(play)
    before = dict(part.rows)
    assert "4 of the runs are there already" in part.line
    ran = []
    beating = part_of_panel.beating

    def watched(jobs, pool, runner):
        ran.extend(jobs)
        return beating(jobs, pool, runner=runner)

    monkeypatch.setattr(part_of_panel, "beating", watched)
    assert swept(play).sentence.startswith("All of its runs were there already.")
    assert ran == []
    choose(part, up=("batch_size", "10", "70", 3))
    swept(play)
    assert {job.settings.batch_size for job in ran} == {70}
    assert all(part.rows[key] is row for key, row in before.items())
    assert len(part._buttons) == 6
    assert "waiting" not in texts(part).values()


def test_own_arrays_are_swept(make):
    points = [[(n * 7 % 11) / 11, (n * 3 % 13) / 13] for n in range(120)]
    labels = [n % 2 for n in range(120)]
    part = swept(make(data=(points, labels)))
    assert part.message == ""
    assert {row.status for row in part.rows.values()} == {"done"}
    assert all(float(text) <= 100 for text in texts(part).values())


# -- while it runs ---------------------------------------------------------------------------


def test_the_map_fills_and_stop_keeps_what_is_there(make, rows_come):
    slow = Slow(let=2)
    rows_come(slow)
    play = make()
    part = play.sweep
    part._button.click()
    until(lambda: len(part.rows) == 2)
    assert part.running
    assert part._button.description == "Stop"
    until(lambda: part._bar.value == 0.5)
    assert sorted(texts(part).values()) == ["50.0", "50.0", "waiting", "waiting"]
    assert part._left.value.startswith("50 %")
    assert part.sentence == "Started."  # or a screen reader would read one a run
    part.controls["show"].value = "test_loss"  # it does not have to wait for a row
    until(lambda: "1.00" in texts(part).values())
    part.controls["show"].value = "right"
    play.controls["epochs"].value = 2  # the playground stays usable
    play.wait(HANG)
    assert play.snapshot.lineup.settings.epochs == 2
    part._button.click()
    part.wait(HANG)
    assert slow.closed.is_set()
    assert sorted(texts(part).values()) == ["50.0", "50.0", "not run", "not run"]
    assert part.sentence.startswith("Stopped. 2 of 4 runs are missing; Start runs them. Right on ")
    assert part._button.description == "Start"
    play.controls["epochs"].value = 1
    slow.may.release(2)
    assert swept(play).sentence.startswith("Done: 4 runs.")


@pytest.mark.usefixtures("processes")
def test_stop_does_not_wait_for_the_runs(make):
    play = make(Lineup(TINY.settings.but(examples=10_000, bits=12), 1))
    play.controls["epochs"].value = 200  # a minute and more
    part = play.sweep
    threads = threading.active_count()
    part.start()
    until(active_children)  # a run begins
    part.stop()
    part.wait(HANG)
    assert part.rows == {}
    assert part.message == ""
    assert "4 of 4 runs are missing" in part.sentence
    assert active_children() == []
    assert threading.active_count() <= threads


def test_a_closed_playground_ends_its_sweep(make, rows_come):
    slow = Slow(let=1)
    rows_come(slow)
    play = make()
    play.sweep.start()
    until(lambda: play.sweep.rows)
    make()  # of the same name
    assert slow.closed.is_set()
    assert not play.sweep.running
    play.sweep.start()
    play.sweep.stop()
    play.sweep.click((0, 0))
    assert not play.sweep.running


def test_nothing_is_left_of_maps(make, nothing_left):
    play = make()
    part = swept(play)
    widgets = len(live_widgets)
    for _ in range(3):
        swept(play)
        assert len(live_widgets) == widgets
    play.close()
    gone = weakref.ref(part)
    nothing_left.clear()
    del play, part
    gc.collect()
    assert gone() is None


# -- what goes wrong -------------------------------------------------------------------------


def test_refused_settings_say_so_and_are_not_loaded(make):
    play = make()
    choose(play.sweep, up=("batch_size", "100", "400", 2))
    assert "4 settings" not in play.sweep.line
    assert "2 of the settings cannot be run" in play.sweep.line
    assert "2 runs." in play.sweep.line
    part = swept(play)
    assert [texts(part)[i, 1] for i in (0, 1)] == ["refused", "refused"]
    assert part.sentence.startswith("Done: 2 runs.")
    assert "Refused: learning rate 0.001 and batch size 400; learning rate 0.1" in part.sentence
    assert "Refused, for instance: Batch size is 400" in part.sentence
    assert "refused: Batch size is 400" in part._buttons[0, 1].tooltip
    assert "Click" not in part._buttons[0, 1].tooltip
    part._buttons[0, 1].click()
    assert play.controls["batch_size"].value == 20
    assert part.news.startswith("Not loaded")
    assert "Batch size is 400" in part.news


def test_a_map_of_nothing_but_refused_settings(make):
    play = make()
    choose(play.sweep, up=("batch_size", "300", "400", 2))
    part = swept(play)
    assert set(texts(part).values()) == {"refused"}
    assert part.message == ""
    assert part._links.value == ""


def test_diverged_and_failed_runs_say_so(make, rows_come):
    def odd(jobs):
        for job in jobs:
            rate, size = job.settings.rate, job.settings.batch_size
            status = {(0.1, 10): "diverged", (0.1, 40): "failed"}.get((rate, size), "done")
            if job.seed == 0:
                status = "done"
            yield ended(job, status, status.upper() if status != "done" else "")

    rows_come(odd)
    play = make()
    choose(play.sweep, seeds=2)
    part = swept(play)
    assert texts(part) == {
        (0, 0): "50.0", (0, 1): "50.0", (1, 0): "diverged", (1, 1): "failed",
    }  # fmt: skip
    assert "diverged (1 of 2): DIVERGED." in part._buttons[1, 0].tooltip
    assert "Diverged: learning rate 0.1 and batch size 10." in part.sentence
    assert "Failed: learning rate 0.1 and batch size 40." in part.sentence
    assert "3 of the runs" not in part.line
    assert "7 of the runs are there already" in part.line  # what failed is tried again
    part._buttons[1, 0].click()
    assert play.controls["rate"].value == 0.1


def test_without_processes_it_says_so(make, monkeypatch):
    def forbidden(*_, **more):
        raise PermissionError("no processes here")

    play = make()
    monkeypatch.setattr(part_of_panel, "process_pool", forbidden)
    part = swept(play)
    assert "The sweep stopped with PermissionError: no processes here. What is" in part.message
    assert isinstance(part.error, PermissionError)
    assert set(texts(part).values()) == {"not run"}
    monkeypatch.setattr(part_of_panel, "process_pool", ThreadPoolExecutor)
    swept(play)
    assert part.message == ""
    assert "not run" not in texts(part).values()


def test_a_killed_process_is_a_sentence_and_what_is_there_is_kept(make, rows_come):
    def broken(jobs):
        yield ended(jobs[0])
        raise SweepInterrupted("A worker was killed", [], jobs[1:])

    rows_come(broken)
    part = swept(make())
    assert "was killed" in part.message
    assert isinstance(part.error, SweepInterrupted)
    assert sorted(texts(part).values()) == ["50.0", "not run", "not run", "not run"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("across from", "much", "Learning rate: from is 'much'; it accepts a number from 1e-05"),
        ("across to", "11", "to is '11'; it accepts a number from 1e-05 to 10"),
        ("across to", "0.0001", "it accepts a range that rises"),
        ("up from", "1.5", "Batch size: from is '1.5'; it accepts a whole number from 1 to 1000"),
        ("up from", "inf", "from is 'inf'"),
        ("up from", "nan", "from is 'nan'"),
        ("up", "rate", "two different controls"),
        ("up", "staleness", "Staleness changes nothing as the other controls stand"),
    ],
)
def test_a_plan_that_cannot_be_is_a_sentence(make, name, value, said):
    part = make().sweep
    part.controls[name].value = value
    assert said in part.line
    part.start()
    assert not part.running
    assert said in part.message
    assert part.map is None


def test_what_runs_beside_does_not_count_for_what_can_be_swept(make):
    play = make(Lineup(TINY.settings.but(ordering="backprop"), 1, ("DNI(h, y)",)))
    assert play.controls["generator_rate"].enabled
    play.sweep.controls["up"].value = "generator_rate"
    assert "changes nothing" in play.sweep.line


# -- how it is laid out ----------------------------------------------------------------------


def test_it_is_folded_away_at_first_and_opens(make):
    play = playground(TINY, play=False, name="folded")
    try:
        play.start()
        part = play.sweep
        under = part.widget.children[1]
        assert under.layout.display == "none"
        assert part.line == ""
        part._heading.value = True
        assert under.layout.display == ""
        assert "settings with" in part.line
    finally:
        play.close()


def test_the_last_run_tells_how_long(make):
    play = make()
    play.play()
    play.wait(HANG)
    assert "Judging by the last run, roughly 1 s" in play.sweep.line
    play.controls["task"].value = "digits"
    assert "Judging" not in play.sweep.line  # the last run was of another task


def test_a_range_begins_around_the_control(make):
    play = make(Lineup(TINY.settings.but(rate=0.02), 1))
    part = play.sweep
    part.controls["across"].value = "generator_rate"
    part.controls["across"].value = "rate"
    ends = part.controls["across from"].value, part.controls["across to"].value
    assert ends == ("0.002", "0.2")


def test_saved_as_a_table_and_as_rows_that_are_read_again(make, tmp_path):
    play = make()
    choose(play.sweep, up=("batch_size", "100", "400", 2))
    part = swept(play)
    csv, rows = (
        base64.b64decode(data).decode()
        for data in re.findall(r"base64,([\w+/=]+)", part._links.value)
    )
    head, *lines = csv.splitlines()
    assert head.startswith("rate,batch_size,seed,status,right")
    assert len(lines) == 4
    assert sum(",refused," in line for line in lines) == 2
    path = tmp_path / "sweep.jsonl"
    path.write_text(rows, "utf-8")
    assert {row.job.key: row.weights for row in read_sweep(path)} == {
        row.job.key: row.weights for row in part.rows.values()
    }


def test_without_a_kernel_there_is_no_sweep(make, monkeypatch):
    shown = []
    monkeypatch.setenv("DNILAB_STATIC", "1")
    monkeypatch.setattr("dnilab.widgets.panel.show", lambda png, words, **_: shown.append(words))
    before = set(live_widgets)
    play = playground(TINY, name="still")
    play._ipython_display_()
    assert len(shown) == 1
    assert play.sweep.line == ""
    assert set(live_widgets) == before
    play.close()


def test_a_base_with_badly_written_widths_is_refused_everywhere(make):
    play = make()
    play.controls["widths"].value = "what?"
    assert "0 runs. 4 of the settings cannot be run" in play.sweep.line
    part = swept(play)
    assert set(texts(part).values()) == {"refused"}
    assert "Width of each is 'what?'" in part.sentence
    choose(part, up=("depth", "1", "3", 2))
    assert "4 runs." in part.line  # widths of their own, as when the slider is moved


def test_a_sweep_that_there_is_no_room_for_is_refused_in_words(make, monkeypatch):
    play = make()
    monkeypatch.setenv(needs.MINUTES, "0")
    part = swept(play)
    assert part.message.startswith("This sweep would take about")
    assert (part.rows, part.shown) == ({}, None)
    monkeypatch.setenv(needs.MINUTES, "1")
    assert len(swept(play).rows) == 4
    assert part.message == ""


def test_a_map_of_other_settings_says_so(make):
    play = make()
    part = play.sweep
    part.start()
    part.wait(HANG)
    part.follow()
    assert part.stale == ""
    part.click((0, 1))  # which moves only what the map is of
    assert part.stale == ""
    play.controls["epochs"].value = 2
    assert "settings as they were" in part.stale
    assert part.stale in part._old.value
    assert "dnilab-stale-map" in part._map._dom_classes
    part.start()
    part.wait(HANG)
    part.follow()
    assert part.stale == ""
    assert part._old.layout.display == "none"
    assert "dnilab-stale-map" not in part._map._dom_classes
    play.controls["optimiser"].value = "sgd"
    assert part.stale
    play.controls["optimiser"].value = "adam"
    assert part.stale == ""
