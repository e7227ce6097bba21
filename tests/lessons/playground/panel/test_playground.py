"""The playground, kernel-side: values are set, buttons clicked, plain state is asserted."""

import datetime
import gc
import html
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from dnilab.experiments import Settings, run
from dnilab.lessons.playground.experiments import needs
from dnilab.lessons.playground.experiments.comparison import (
    BESIDE,
    FIRST,
    LOOK_AT,
    PRESETS,
    Lineup,
)
from dnilab.lessons.playground.experiments.saved_runs import Pin
from dnilab.lessons.playground.panel.choices import (
    COME_AND_GO,
    FIRST_GROUP,
    GROUPS,
    SHOWN,
    in_labels,
    lineup_of,
    specs,
    unreachable,
    values_of,
    widths_of,
    with_depth,
)
from dnilab.lessons.playground.panel.intro import NOTEBOOKS, TIPS, TOUR, WORDS
from dnilab.lessons.playground.panel.panel import YOURS, playground
from dnilab.network.modules import CONTEXTS
from dnilab.widgets.panel import MEASURING

HANG = 60.0
ROOT = Path(__file__).resolve().parents[4]
TINY = Lineup(
    Settings(
        bits=8, examples=300, test_examples=500, hidden=(8, 6), epochs=2, batch_size=20,
        dtype="float32",
    ),
    2,
    ("backprop",),
)  # fmt: skip
PNG = b"\x89PNG"


@pytest.fixture
def make(nothing_left):
    def make(settings=TINY, **more):
        play = playground(settings, **more)
        nothing_left.append(play)
        play.start()
        return play

    return make


def done(play):
    play.wait(HANG)
    return play


# -- choices ---------------------------------------------------------------------------------


def test_every_control_has_its_place_and_every_preset_its_controls():
    names = set(specs(TINY, own=True)) | set(SHOWN)
    placed = [name for group in GROUPS.values() for name in group] + list(SHOWN)
    assert sorted(placed) == sorted(names)
    for name, preset in PRESETS.items():
        assert unreachable(preset) == "", name
        again = lineup_of(values_of(preset))
        assert values_of(again) == values_of(preset)
        assert [e.label for e in again.entries()] == [e.label for e in preset.entries()]


def test_values_become_settings():
    values = values_of(TINY) | {"sees y": False, "sees x": True, "generator": "hidden layer"}
    values |= {"generator_width": 9, "generator_rate": 0.5, "ordering": "pipeline", "staleness": 3}
    settings = lineup_of(values).settings
    assert settings.context == ("x", "h")
    assert settings.generator_hidden == (9,)
    assert settings.generator_rate == 0.5
    assert (settings.ordering, settings.staleness) == ("pipeline", 3)


def test_without_a_generator_only_the_last_layer_learns():
    values = values_of(TINY) | {"generator": "none"}
    assert lineup_of(values).settings.ordering == "last layer only"
    assert lineup_of(values | {"ordering": "backprop"}).settings.ordering == "backprop"
    with pytest.raises(ValueError, match="'pipeline' accepts 'linear'"):
        lineup_of(values | {"ordering": "pipeline"})
    with pytest.raises(ValueError, match="sees nothing"):
        lineup_of(values | {f"sees {part}": False for part in CONTEXTS})


def test_what_changes_nothing_stays_at_its_default():
    values = values_of(TINY) | {"beside backprop": False, "workers": 3, "staleness": 9, "p": 0.1}
    assert lineup_of(values).settings == TINY.settings.but(test_examples=500)
    alone = lineup_of(values | {"ordering": "backprop", "sees y": False, "generator_rate": 1.0})
    assert alone.settings == TINY.settings.but(ordering="backprop")
    compared = values | {"ordering": "backprop", "sees y": False, "beside Red Box": True}
    assert lineup_of(compared).settings.context == ("h",)  # it matters there
    digits = lineup_of(values | {"task": "digits"}).settings
    assert (digits.bits, digits.examples) == (Settings.bits, Settings.examples)
    # What cannot be told from the string changes nothing, and is no reason to refuse it.
    assert unreachable(Lineup(Settings(task="digits", bits=9, staleness=3, p=0.2))) == ""
    assert "input_hidden is (3,)" in unreachable(Lineup(Settings(input_hidden=(3,))))


def test_widths():
    assert widths_of(" 128,64 ,3") == (128, 64, 3)
    assert with_depth("128, 64", 4) == "128, 64, 64, 64"
    assert with_depth("128, 64", 1) == "128"
    assert with_depth("what?", 2) == "64, 64"
    for text in ("", "a", "0", "-3", "1.5", "3 4 5 6 7 8 9 10 11", "99999999999", "9" * 5000):
        with pytest.raises(ValueError, match="Width of each"):
            widths_of(text)


# -- a run -----------------------------------------------------------------------------------


def test_it_trains_what_the_controls_say(make):
    play = done(make())
    assert play.message == ""
    assert play.snapshot.done == 1.0
    assert play.snapshot.lineup.settings == TINY.settings
    right = play.snapshot.lines[play.snapshot.main].values["right"]
    for seed in range(2):
        assert right[seed, -1] == run(TINY.settings.but(seed=seed)).final("bit_accuracy")
    assert play.png.startswith(PNG)
    assert play.others[1][0].startswith(PNG)
    assert "backprop" in play.sentence
    assert "DNI(h, y)" in play.sentence
    assert "Cosine" in play.others[1][1]
    assert play.others[0][0].startswith(PNG)
    assert "network of DNI(h, y) at epoch 2" in play.others[0][1]


def test_a_moved_control_makes_another_run(make):
    play = done(make())
    before = play.sentence
    play.controls["batch_size"].parts[0].value = 50
    done(play)
    assert play.snapshot.lineup.settings.batch_size == 50
    assert play.sentence != before


def test_a_control_that_only_redraws_leaves_the_run_alone(make):
    play = done(make())
    snapshot, png, detail = play.snapshot, play.png, play.others[1][0]
    play.controls["over"].value = "seconds"
    play.controls["show"].value = "loss"
    done(play)
    assert play.snapshot is snapshot
    assert play.png != png
    assert "seconds of training" in play.sentence
    assert "Training loss" in play.sentence
    for below, said in (("timeline", "Measured timeline"), ("network", "moment 6")):
        play.controls["below"].value = below
        done(play)
        assert play.others[1][0].startswith(PNG)
        assert play.others[1][0] != detail
        assert said in play.others[1][1]
    play.controls["moment"].value = 7
    done(play)
    assert "moment 7" in play.others[1][1]
    play.controls["below"].value = "nothing"
    done(play)
    assert play.others[1] == (b"", "")
    assert play._others[1].children[0].layout.display == "none"


def test_until_there_is_a_new_network_the_old_one_stays_dimmed(make):
    play = done(make())
    shown = play.others[0]
    play.reset()
    image, _ = play._others[0].children
    play._show_other(0, None, "The network comes with the first report.")
    assert play.others[0] == shown
    assert image.layout.display == ""
    done(play)
    assert play.others[0] != shown
    assert "epoch 0" in play.others[0][1]
    assert MEASURING not in play._others[0]._dom_classes


def test_redrawing_while_it_runs_does_not_restart(make):
    play = make(Lineup(TINY.settings.but(epochs=200, examples=15_000), 2))
    job = play._job
    for n in range(10):
        play.controls["over"].value = "seconds" if n % 2 else "epochs"
        play.controls["moment"].value = 1 + n
    assert play._job is job
    assert play.running
    play.pause()
    done(play)
    shown = play.snapshot
    play.controls["show"].value = "loss"
    done(play)
    assert play.snapshot is shown  # still paused
    assert min(line.epoch.size for line in shown.lines[:1]) > 0
    assert "Training loss" in play.sentence


@pytest.mark.parametrize("below", ["cosine", "timeline", "network"])
@pytest.mark.parametrize(
    "ordering",
    [
        "backprop", "sequential", "blue box", "pipeline", "sparse", "complete unlock",
        "sparse backprop", "last layer only",
    ],
)  # fmt: skip
def test_every_ordering_in_every_picture(make, ordering, below):
    play = make(Lineup(TINY.settings.but(ordering=ordering, epochs=1), 1))
    play.controls["below"].value = below
    done(play)
    assert play.message == ""
    assert play.others[1][1]
    has_picture = below != "cosine" or play.lineup.settings.decoupled
    assert bool(play.others[1][0]) == has_picture


def test_a_step_moves_every_line(make):
    play = make(Lineup(TINY.settings.but(epochs=200), 3, ("backprop", "DNI(h)")), play=False)
    for size in (1, 2, 3):
        done(play)
        assert [line.epoch.size for line in play.snapshot.lines] == [size] * 3
        play._step_button.click()
    play.reset()
    done(play)
    assert [line.epoch.size for line in play.snapshot.lines] == [1] * 3


def test_play_pause_step_reset(make):
    play = make(Lineup(TINY.settings.but(epochs=200), 1), play=False)
    done(play)
    assert play.snapshot.done < 0.01
    play._step_button.click()
    done(play)
    one = play.snapshot.done
    play._step_button.click()
    done(play)
    assert one < play.snapshot.done < 0.1
    play._reset_button.click()
    done(play)
    assert play.snapshot.done < one or play.snapshot.done < 0.01
    play._play_button.click()
    assert play.playing
    play._play_button.click()
    assert not play.playing
    done(play)


# -- what goes wrong -------------------------------------------------------------------------


def test_divergence_is_a_sentence(make):
    play = make(Lineup(TINY.settings.but(optimiser="sgd", rate=1e1, activation="relu"), 2))
    done(play)
    play.controls["generator_rate"].value = 10.0
    play.controls["rate"].value = 10.0
    done(play)
    assert "diverged" in play.sentence
    assert "Lower" in play.sentence
    play.controls["rate"].value = play.controls["generator_rate"].value = 0.01
    play.controls["optimiser"].value = "adam"
    done(play)
    assert "diverged" not in play.sentence


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("widths", "none", "Width of each"),
        ("batch_size", 1000, "Batch size is 1000"),
        ("bits", 4, "bits=4"),
        ("sees y", False, "sees nothing"),
    ],
)
def test_an_impossible_setting_is_a_sentence_and_the_next_one_works(make, name, value, said):
    play = make(Lineup(TINY.settings.but(context=("y",)), 1))
    done(play)
    before = play.controls[name].value
    play.controls[name].value = value
    done(play)
    assert said in play.message
    play.controls["over"].value = "seconds"  # a redrawing does not hide what is wrong
    done(play)
    assert said in play.message
    play.controls[name].value = before
    done(play)
    assert play.message == ""
    assert play.snapshot.done == 1.0


def test_an_error_in_a_worker_is_a_sentence(make, monkeypatch):
    from dnilab.training.worker import Worker

    play = done(make(Lineup(TINY.settings.but(ordering="pipeline"), 1)))
    advance = Worker.advance

    def broken(self, stop):
        if self.index == 1:
            raise RuntimeError("the cat walked over it")
        return advance(self, stop)

    monkeypatch.setattr(Worker, "advance", broken)
    play.controls["epochs"].value = 3
    done(play)
    assert "the cat walked over it" in play.message
    assert "worker 2" in play.message
    monkeypatch.setattr(Worker, "advance", advance)
    play.play()
    done(play)
    assert play.message == ""
    assert play.snapshot.done == 1.0


# -- what moves what -------------------------------------------------------------------------


def test_depth_and_widths_follow_each_other(make):
    play = make()
    play.controls["depth"].parts[0].value = 4
    assert play.controls["widths"].value == "8, 6, 6, 6"
    play.controls["widths"].parts[0].value = "30"
    assert play.controls["depth"].value == 1
    done(play)
    assert play.snapshot.lineup.settings.hidden == (30,)


def test_controls_that_change_nothing_are_greyed_out(make):
    play = make()
    assert not play.controls["workers"].enabled
    assert play.controls["workers"].parts[0].disabled
    play.controls["ordering"].value = "pipeline"
    assert play.controls["workers"].enabled
    assert not play.controls["workers"].parts[0].disabled
    assert not play.controls["p"].enabled
    play.controls["task"].value = "digits"
    assert not play.controls["bits"].enabled


def test_controls_of_one_choice_are_there_only_while_it_is_chosen(make):
    play = make()

    def there():
        return {n for n in COME_AND_GO if play.controls[n].widget.layout.display != "none"}

    assert there() == {"bits", "examples"}
    play.controls["ordering"].value = "pipeline"
    assert there() == {"bits", "examples", "workers", "staleness"}
    play.controls["task"].value = "digits"
    play.controls["generator"].value = "hidden layer"
    play.controls["below"].value = "network"
    assert there() == {"workers", "staleness", "generator_width", "moment"}


def test_presets_and_the_string_follow_the_controls(make):
    play = make(FIRST, play=False)
    assert play.preset == FIRST
    play.controls["epochs"].value = 3
    assert play.preset == YOURS
    assert Lineup.from_text(play.text).settings.epochs == 3
    skips = "Can a module skip seven updates out of ten?"
    play.presets.parts[0].value = skips
    assert play.controls["ordering"].value == "sparse"
    assert play.controls["p"].value == 0.3
    assert play.preset == skips


def test_a_pasted_string_sets_the_controls_and_runs(make):
    play = done(make())
    text = Lineup(TINY.settings.but(epochs=1, context=("h",)), 3, ("backprop",)).text
    play.string.parts[0].value = text
    done(play)
    assert play.lineup.settings.context == ("h",)
    assert play.snapshot.lines[0].seeds == 3
    assert play.text == text
    other = make(name="another")
    other.text = text
    assert other.lineup == play.lineup


def test_your_own_mix_is_a_name_and_no_choice(make):
    play = make(FIRST, play=False)
    listed = play.presets.parts[0]
    assert list(listed.options) == list(PRESETS)
    play.controls["epochs"].value = 3
    assert list(listed.options) == [YOURS, *PRESETS]
    assert listed.value == YOURS
    listed.value = FIRST
    assert list(listed.options) == list(PRESETS)
    assert play.preset == listed.value == FIRST


def test_while_a_setting_is_refused_there_is_no_string_to_copy(make):
    play = done(make())
    play.controls["batch_size"].value = 1000
    done(play)
    assert play.text == play.string.value == ""
    assert play._share.value.count("disabled") == 2
    play.controls["batch_size"].value = 20
    assert play.text == TINY.text
    assert "disabled" not in play._share.value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dnilab(seed=3)", "seed is 3, and here seeds 0 to 4 are run"),
        ("dnilab(test_examples=100)", "test_examples is 100, and here 500"),
        ("dnilab(dtype='float64')", "dtype is 'float64', and here 'float32'"),
        ("dnilab(task='digits', test_examples=100)", ""),  # which changes nothing there
        ("dnilab(p=0.1, workers=1)", ""),
        ("dnilab(rate=0.01, generator_rate=0.01)", ""),
        ("dnilab(epochs=3, seeds=2, beside=('backprop',), dtype='float32')", ""),
    ],
)
def test_what_a_string_asks_for_and_does_not_get_is_said(make, text, said):
    play = make(play=False)
    play.string.parts[0].value = text
    assert said in play.told["string"]
    assert bool(said) == bool(play.told["string"])


def test_what_would_add_no_line_is_greyed_out(make):
    play = make(Lineup(TINY.settings, 1), play=False)
    for name in ("DNI(h, y)", "Red Box"):  # the setting itself
        assert not play.controls[f"beside {name}"].enabled
        assert play.controls[f"beside {name}"].parts[0].disabled
    assert play.controls["beside DNI(h)"].enabled
    play.controls["ordering"].value = "backprop"
    assert not play.controls["beside backprop"].enabled
    assert play.controls["beside Red Box"].enabled
    play.controls["beside Red Box"].value = True
    assert play.controls["beside Red Box"].enabled  # or it could not be taken away
    assert not play.controls["beside DNI(h, y)"].enabled  # it is there as the Red Box
    assert len(play.lineup.entries()) == 2


def test_messages_speak_of_controls_as_they_are_called():
    said = "batch_size is 5000; it accepts 1 to 2000, the number of examples"
    assert in_labels(said) == said.replace("batch_size", "Batch size")
    said = "examples is 3 and test_examples is 4; with bits=4 they accept 64 together"
    assert in_labels(said).startswith("Training sums is 3 and unseen sums is 4; with bits=4")


@pytest.mark.parametrize(
    ("typed", "taken"), [(3.7, 4), (12.0, 12), (1000.0, 200), (-5.0, 1), (2.5, 2)]
)
def test_a_box_of_whole_numbers_takes_what_is_typed(make, typed, taken):
    play = make(play=False)
    box = play.controls["epochs"].parts[1]
    box.set_state({"value": typed})  # as the browser sends it
    assert play.controls["epochs"].value == taken
    assert isinstance(play.controls["epochs"].value, int)
    assert box.value == taken
    assert play.message == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rm -rf", "settings string"),
        ("dnilab(**{'epochs': 3})", "settings string"),
        ("dnilab(epochs=0)", "epochs is 0"),
        ("dnilab(epochs=1" + 400 * "0" + ")", "epochs is 1000"),
        ("dnilab(beside=5)", "beside is 5"),
        ("dnilab(beside=[[1]])", "beside is [1]"),
        ("dnilab(self=1)", "self"),
        ("dnilab(epochs=5000)", "epochs is 5000; it accepts 1 to 200"),
        ("dnilab(input_hidden=(3,))", "input_hidden"),
        ("dnilab(generator_hidden=(8, 4))", "generator_hidden"),
        ("dnilab(task='own arrays')", "arrays of your own"),
    ],
)
def test_a_pasted_string_that_cannot_be_taken_says_why(make, text, said):
    play = done(make())
    before = play.lineup
    play.string.parts[0].value = text
    done(play)
    assert said in play.told["string"]
    assert html.escape(said) in play._told["string"].value
    assert play.message == ""
    assert play.lineup == before
    assert play.controls["epochs"].value == 2


def test_what_is_wrong_with_the_run_stays_said(nothing_left):
    play = playground(TINY, play=False)
    nothing_left.append(play)
    play.controls["bits"].value = 4  # of which there are fewer sums than examples
    play.start()
    refused = done(play).message
    assert "more different sums" in refused
    for _ in range(2):
        play._pin_buttons[0].click()
        assert play.told["pin"] == "There is no run to pin yet: press Play."
    play.string.parts[0].value = "dnilab(epochs=0)"
    assert "epochs is 0" in play.told["string"]
    assert play.message == refused
    assert isinstance(play.error, ValueError)
    play.controls["bits"].value = 8
    assert done(play).message == ""
    assert set(play.told.values()) == {""}
    assert {text.layout.display for text in play._told.values()} == {"none"}


def test_a_mistake_stays_said_while_a_run_goes_on(make):
    play = make(Lineup(TINY.settings.but(epochs=200, examples=15_000), 2))
    play.string.parts[0].value = "rm -rf"
    told = threading.Event()
    for _ in range(2):
        shown = play.snapshot
        while play.snapshot is shown:
            told.wait(0.01)
    assert play.running
    assert "settings string" in play.told["string"]
    play.controls["epochs"].value = 1
    done(play)
    assert play.told["string"] == ""


# -- the first minute ------------------------------------------------------------------------


def test_the_task_is_named_and_what_to_look_at(make):
    play = make(FIRST, play=False)
    assert "add two binary numbers. 24 bits go in" in play._intro.value
    assert "04_generator_context.ipynb" in play._intro.value
    play.controls["bits"].value = 9
    assert "18 bits go in" in play._intro.value
    assert "00_start_here.ipynb" in play._intro.value
    play.controls["task"].value = "digits"
    assert "64 pixels" in play._intro.value


def test_every_preset_says_what_to_look_at():
    assert list(LOOK_AT) == list(PRESETS)
    for _, number in LOOK_AT.values():
        name, title = NOTEBOOKS[number]
        path = ROOT / f"notebooks/{name}.ipynb"
        assert title in path.read_text("utf-8")


def test_what_is_moved_first_is_live(make):
    for preset in PRESETS:
        play = make(preset, play=False)
        assert all(play.controls[name].enabled for name in GROUPS[FIRST_GROUP])


def test_the_tour_points_at_what_it_speaks_of_and_can_be_left_at_any_stop(make):
    play = make(play=False)
    tour = play.tour

    def pointed():
        panel = [play._widget]
        for one in panel:
            panel += getattr(one, "children", ())
        return ["dnilab-pointed" in one._dom_classes for one in panel].count(True)

    assert tour.widget.layout.display == "none"
    for leave_at in range(len(TOUR)):
        tour.begin.click()
        for stop in range(leave_at + 1):
            assert tour.stop == stop
            assert tour.widget.layout.display == ""
            assert TOUR[stop][1] in html.unescape(tour._text.value)
            assert pointed() == 1
            if stop < leave_at:
                tour._next.click()
        tour._leave.click()
        assert tour.stop == -1
        assert tour.widget.layout.display == "none"
        assert pointed() == 0
    tour.go(len(TOUR) - 1)
    tour._back.click()
    assert tour.stop == len(TOUR) - 2
    tour._next.click()
    tour._next.click()
    assert tour.stop == -1


def test_every_term_of_the_lines_is_explained():
    named = " ".join(WORDS) + " ".join(TIPS)
    for name in BESIDE:
        assert name in named


def test_a_page_of_its_own_begins_with_its_title(make):
    page = make(page=True, play=False)
    assert page._widget.children[1].value.startswith("<h1>")
    assert make(name="cell", play=False)._widget.children[1].value.startswith("<h3>")


# -- own arrays ------------------------------------------------------------------------------


def test_own_arrays(make):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    play = done(make(TINY, data=(x, x[:, 0] > 0)))
    assert play.controls["task"].value == "own arrays"
    assert "unseen answers right".capitalize() in play.sentence
    play.controls["below"].value = "network"
    done(play)
    assert play.others[1][0].startswith(PNG)
    play.controls["task"].value = "addition"
    done(play)
    assert "Unseen bits right" in play.sentence


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="settings string"):
        playground("no such preset")
    with pytest.raises(ValueError, match="two arrays"):
        playground(data=np.zeros(3))
    with pytest.raises(ValueError, match="y has shape"):
        playground(data=(np.zeros((20, 2)), np.zeros(19)))
    with pytest.raises(ValueError, match="epochs"):
        playground("dnilab(epochs=10000)")


# -- pins ------------------------------------------------------------------------------------


def test_pinned_runs_stay_as_reference(make):
    play = done(make())
    play.pin_name.parts[0].value = "first"
    play._pin_buttons[0].click()
    done(play)
    assert [p.name for p in play.pins] == ["first"]
    assert play.pin_name.value == ""
    assert "first (pinned)" in play.sentence
    kept = play.pins[0].line.values["right"].copy()
    play.controls["rate"].value = 0.02
    done(play)
    assert "first (pinned)" in play.sentence
    np.testing.assert_array_equal(play.pins[0].line.values["right"], kept)
    play._pin_buttons[1].click()
    done(play)
    assert [p.name for p in play.pins] == ["first", "backprop", "DNI(h, y)"]
    assert play._table.value.count("<tr>") == 4
    assert ">rate<" in play._table.value
    play._which.value = "first"
    play._remove_button.click()
    done(play)
    assert [p.name for p in play.pins] == ["backprop", "DNI(h, y)"]
    assert "first" not in play.sentence
    assert "first" not in play._table.value


def test_the_table_is_sorted(make):
    play = done(make())
    play.pin("b")
    play.pin("a")
    assert play._table.value.index(">b<") < play._table.value.index(">a<")
    play.sort.parts[0].value = "name"
    assert play._table.value.index(">a<") < play._table.value.index(">b<")


def test_a_name_is_of_letters_that_can_be_seen_and_not_too_many(make):
    play = done(make())
    play.pin_name.parts[0].value = "\u202eright to left\n" + 3000 * "a"
    play._pin_buttons[0].click()
    (pin,) = play.pins
    assert len(pin.name) == 60
    assert pin.name.startswith("right to left aaa")
    play.add([Pin("\u202e", pin.line)])  # as from a file
    assert play.pins[1].name == "DNI(h, y)"


def test_names_are_shown_as_text(make):
    play = done(make())
    play.pin("<script>alert(1)</script>")
    assert "<script" not in play._table.value


def test_nothing_to_pin_is_said(make):
    play = playground(TINY, name="unseen")
    assert play.pin() is None
    play.pin_all()
    assert play.pins == ()
    play.close()


def test_another_task_is_in_the_table_and_not_in_the_picture(make):
    play = done(make())
    play.pin("sums")
    play.controls["task"].value = "digits"
    play.controls["batch_size"].value = 200
    done(play)
    assert "sums" not in play.sentence
    assert "sums" in play._table.value


def uploaded(content):
    """What the browser sends for one file."""
    head = {"name": "runs.json", "type": "application/json", "size": len(content)}
    when = datetime.datetime.now(datetime.UTC)
    return ({**head, "last_modified": when, "content": memoryview(content)},)


def test_saved_and_loaded(make, tmp_path):
    play = done(make())
    play.pin("kept")
    path = play.save(tmp_path / "runs.json")
    assert (tmp_path / "runs.json") == path
    assert "kept" in play.save(tmp_path / "runs.csv").read_text("utf-8")
    play.load(path)
    assert [p.name for p in play.pins] == ["kept", "kept (2)"]
    play._upload.value = uploaded(path.read_bytes())
    assert [p.name for p in play.pins] == ["kept", "kept (2)", "kept (3)"]
    assert play._upload.value == ()
    play._upload.value = uploaded(b"{")
    assert "file is 'runs.json', which holds no runs" in play.told["file"]
    assert 'download="dnilab-runs.csv"' in play._links.value
    with pytest.raises(ValueError, match="name of a pinned run"):
        play.remove("nobody")


# -- nothing is left -------------------------------------------------------------------------


def test_a_new_one_closes_the_old_and_leaves_nothing(make, nothing_left):
    before = threading.active_count()
    old = make(Lineup(TINY.settings.but(ordering="pipeline", epochs=200), 2))
    new = make()
    assert not old.running
    done(new)
    new.close()
    new.close()
    assert threading.active_count() == before
    gone = weakref.ref(old)
    figures = weakref.ref(new._curves._curves._picture)
    assert isinstance(figures(), Figure)
    nothing_left.clear()
    del old, new
    gc.collect()
    assert gone() is None
    assert figures() is None


def test_without_a_kernel_a_still_picture(make, monkeypatch, capsys):
    shown = []
    monkeypatch.setenv("DNILAB_STATIC", "1")
    monkeypatch.setattr("dnilab.widgets.panel.show", lambda png, words, **_: shown.append(words))
    play = playground(TINY, name="still")
    play._ipython_display_()
    (words,) = shown
    assert "DNI(h, y)" in words
    assert TINY.text in words
    assert play._widget is None
    play.close()


def test_a_run_that_there_is_no_room_for_is_refused_in_words(make, monkeypatch):
    play = done(make())
    monkeypatch.setattr(needs, "free_memory", lambda: 1e4)
    play.controls["seeds"].value = 3
    done(play)
    said = "This setting cannot be run. This comparison would need about"
    assert play.message.startswith(said)
    assert play.message.endswith("or fewer or narrower layers. Change a control to go on.")
    monkeypatch.undo()
    play.controls["seeds"].value = 2
    done(play)
    assert play.message == ""
    assert play.snapshot.done == 1
