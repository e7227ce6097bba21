"""Line-ups: what runs beside what, and the string that carries one to a classmate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnilab.experiments import Settings
from dnilab.lessons.playground.experiments.comparison import BESIDE, PRESETS, Lineup, distinct


def test_entries_differ_from_the_main_one_in_one_thing():
    base = Settings(hidden=(32, 16), rate=0.01)
    entries = Lineup(base, 3, ("backprop", "DNI(h)")).entries()
    assert [e.label for e in entries] == ["backprop", "DNI(h)", "DNI(h, y)"]
    assert entries[0].settings == base.but(ordering="backprop")
    assert entries[1].settings == base.but(context=("h",))
    assert entries[2].settings == base
    assert len({e.look for e in entries}) == 3


def test_what_is_the_main_one_already_is_not_there_twice():
    lineup = Lineup(Settings(ordering="backprop"), 1, ("backprop", "Red Box"))
    assert [e.label for e in lineup.entries()] == ["DNI(h, y)", "backprop"]
    assert lineup.main.label == "backprop"


def test_a_context_beside_backprop_makes_it_the_red_box():
    (other, _) = Lineup(Settings(ordering="backprop"), 1, ("DNI(h)",)).entries()
    assert (other.settings.ordering, other.settings.context) == ("sequential", ("h",))


def test_a_context_beside_a_pipeline_stays_a_pipeline():
    (other, _) = Lineup(Settings(ordering="pipeline"), 1, ("DNI(h)",)).entries()
    assert (other.settings.ordering, other.settings.context) == ("pipeline", ("h",))


def test_names_are_told_apart():
    lineup = Lineup(Settings(), 1, ("batch norm the other way",))
    assert [e.label for e in lineup.entries()] == ["DNI(h, y), batch norm", "DNI(h, y)"]


@given(
    beside=st.sets(st.sampled_from(sorted(BESIDE))),
    ordering=st.sampled_from(["backprop", "sequential", "pipeline", "sparse", "blue box"]),
    norm=st.booleans(),
    hidden=st.lists(st.integers(1, 99), min_size=1, max_size=4),
    seeds=st.integers(1, 20),
    rate=st.floats(1e-5, 10),
)
def test_text_and_back(beside, ordering, norm, hidden, seeds, rate):
    settings = Settings(ordering=ordering, batch_norm=norm, hidden=tuple(hidden), rate=rate)
    lineup = Lineup(settings, seeds, tuple(beside))
    assert Lineup.from_text(lineup.text) == lineup
    assert Lineup.from_text(f"  {lineup.text}\n") == lineup
    labels = [e.label for e in lineup.entries()]
    assert len(set(labels)) == len(labels)
    assert len({e.settings for e in lineup.entries()}) == len(labels)


@pytest.mark.parametrize("name", PRESETS)
def test_presets(name):
    lineup = PRESETS[name]
    assert Lineup.from_text(lineup.text) == lineup
    assert len(lineup.entries()) >= 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "settings string"),
        ("hello", "settings string"),
        ("print('x')", "settings string"),
        ("dnilab(1)", "settings string"),
        ("dnilab(epochs=__import__('os').getpid())", "settings string"),
        ("dnilab(epochs=[1 for _ in (1,)])", "settings string"),
        ("dnilab(**{'epochs': 3})", "settings string|not a setting"),
        ("dnilab(epochs=3); dnilab()", "settings string"),
        ("(" * 3000, "settings string"),
        ("dnilab(colour='red')", "colour is not a setting"),
        ("dnilab(epochs=0)", "epochs is 0"),
        ("dnilab(seeds=0)", "seeds is 0"),
        ("dnilab(seeds=2.5)", "seeds is 2.5"),
        ("dnilab(beside=('everything',))", "beside is 'everything'"),
    ],
)
def test_a_string_that_is_none(text, said):
    with pytest.raises(ValueError, match=said):
        Lineup.from_text(text)


def test_distinct():
    assert distinct(["a", "a", "a (2)", "a"]) == ["a", "a (2)", "a (2) (2)", "a (3)"]
