"""Controls: specs are checked when made, sliders and number boxes follow each other."""

import pytest

from dnilab.widgets import Choice, Slider, Toggle
from dnilab.widgets.controls import Control


def make(spec, name="rate"):
    heard = []
    return Control(name, spec, heard.append), heard


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((1, 1, 1, 1), "max is 1; it accepts a number above 1"),
        ((0, 1, 0, 0), "step is 0; it accepts a number above 0"),
        ((0, 1, 0.1, 2), "value is 2; it accepts a number of at least 0 and at most 1"),
        ((0, float("nan"), 1, 0), "max is nan"),
        ((0, 10, 1, True), "value is True"),
        ((0, "10", 1, 1), "max is '10'"),
    ],
)
def test_a_slider_that_cannot_be_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        Slider(*arguments)


def test_a_log_slider_starts_above_zero():
    with pytest.raises(ValueError, match=r"min is 0\.0; it accepts a number above 0"):
        Slider(0.0, 1.0, 0.1, 0.5, log=True)


def test_a_choice_names_its_options():
    with pytest.raises(ValueError, match="value is 'c'; it accepts one of 'a', 'b'"):
        Choice(["a", "b"], "c")
    with pytest.raises(ValueError, match=r"options is \[\]; it accepts at least one option"):
        Choice([], "c")


def test_a_toggle_is_a_bool():
    with pytest.raises(ValueError, match="value is 1; it accepts True or False"):
        Toggle(1)


def test_the_box_follows_the_slider_and_the_slider_the_box():
    control, heard = make(Slider(1, 100, 1, 10))
    slider, box = control.parts
    slider.value = 20
    assert (control.value, box.value) == (20, 20)
    box.value = 37
    assert (control.value, slider.value) == (37, 37)
    assert heard == ["rate", "rate"]


def test_each_move_is_heard_once_and_a_repeated_value_not_at_all():
    control, heard = make(Slider(0.0, 1.0, 0.1, 0.5))
    control.value = 0.7
    control.value = 0.7
    control.parts[0].value = 0.7
    assert heard == ["rate"]


def test_types_are_those_of_the_spec():
    whole, _ = make(Slider(1, 5, 1, 2))
    real, _ = make(Slider(0.0, 1.0, 0.25, 0.5))
    whole.value = 3
    assert type(whole.value) is int
    real.value = 1
    assert type(real.value) is float
    real.parts[0].value = 0.25
    assert type(real.value) is float


def test_a_log_slider_gives_tidy_numbers_and_its_box_exact_ones():
    control, _ = make(Slider(1e-4, 1e-1, 1e-4, 1e-2, log=True))
    slider, box = control.parts
    slider.value = 0.00125892541
    assert control.value == box.value == 0.0013
    box.value = 0.00123
    assert control.value == 0.00123
    slider.value = 1e-4
    assert control.value == 1e-4


def test_the_ends_of_a_log_slider_stay_within_its_bounds():
    control, _ = make(Slider(0.003, 0.7, 0.1, 0.01, log=True))
    slider, _box = control.parts
    slider.value = slider.base**slider.max
    assert control.value == 0.7
    slider.value = slider.base**slider.min
    assert control.value == 0.003


def test_a_value_from_code_is_checked():
    control, heard = make(Slider(1, 5, 1, 2))
    with pytest.raises(ValueError, match="rate is 9; it accepts 1 to 5"):
        control.value = 9
    with pytest.raises(ValueError, match=r"rate is 2\.5; it accepts a whole number from 1 to 5"):
        control.value = 2.5
    assert control.value == 2
    assert heard == []


def test_a_choice_gives_the_value_behind_the_words():
    control, heard = make(Choice({"h": ("h",), "h, y": ("h", "y")}, ("h",), "Sees"), "context")
    (dropdown,) = control.parts
    dropdown.label = "h, y"
    assert control.value == ("h", "y")
    assert control.words == "Sees h, y"
    control.value = ("h",)
    assert dropdown.label == "h"
    assert heard == ["context", "context"]
    with pytest.raises(ValueError, match="context is 'x'; it accepts one of"):
        control.value = "x"


def test_a_toggle():
    control, heard = make(Toggle(False, "Normalise"), "norm")
    control.parts[0].value = True
    assert control.value is True
    assert control.words == "Normalise yes"
    assert heard == ["norm"]


def test_a_value_set_before_the_widget_is_there_is_in_it():
    control, _ = make(Slider(1, 5, 1, 2))
    control.value = 4
    assert [part.value for part in control.parts] == [4, 4]


def test_every_control_has_its_label_where_a_screen_reader_looks():
    control, _ = make(Slider(1, 5, 1, 2, "Batch size", unit="rows"))
    slider, box = control.parts
    assert slider.description == "Batch size (rows)"
    assert "Batch size (rows)" in box.description
    assert control.words == "Batch size 2 rows"
