"""Line-ups: what runs beside what, and the string that carries one to a classmate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnilab.experiments import Settings
from dnilab.lessons.playground.experiments.comparison import (
    BESIDE,
    LONGEST,
    PRESETS,
    Lineup,
    distinct,
)


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


# -- texts that are not what they seem -------------------------------------------------------


def test_a_text_has_an_end_and_is_not_parsed_beyond_it(monkeypatch: pytest.MonkeyPatch) -> None:
    fits = f"dnilab(hidden=({'1,' * 9000}))"
    assert len(fits) < LONGEST
    assert len(Lineup.from_text(fits).settings.hidden) == 9000
    longer = f"dnilab(hidden=({'1,' * 10_000}))"

    def parse(*_: object, **__: object) -> None:
        raise AssertionError("it was parsed")

    monkeypatch.setattr("ast.parse", parse)
    for text in (longer, " " * 30_000 + "x" * 30_000):
        with pytest.raises(ValueError, match=r"of at most 20,000 characters$"):
            Lineup.from_text(text)


@pytest.mark.parametrize("text", [5, None, b"dnilab()", ["dnilab()"]])
def test_what_is_no_text_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"^the settings string is .*; it accepts a text such"):
        Lineup.from_text(text)


def test_the_text_that_an_error_suggests_is_accepted() -> None:
    with pytest.raises(ValueError, match="a text such as dnilab") as caught:
        Lineup.from_text("hello")
    Lineup.from_text(str(caught.value).split("a text such as ")[1])


def test_a_setting_that_is_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^bits stands twice in .*; it accepts one value$"):
        Lineup.from_text("dnilab(bits=8, bits=12)")


@pytest.mark.parametrize("name", ["ｄｎｉｌａｂ", "𝒹nilab", "Dnilab", "x.dnilab", "dnilab2"])
def test_only_the_plain_name_is_one(name: str) -> None:
    with pytest.raises(ValueError, match=r"^the settings string is"):
        Lineup.from_text(f"{name}(bits=8)")
