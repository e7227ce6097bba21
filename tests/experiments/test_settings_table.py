"""The table of settings: what follows from a row, and values that are not what they seem."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pytest

from dnilab.checks import plain, whole_number, whole_numbers
from dnilab.experiments import Settings
from dnilab.experiments.settings_table import Table, among, or_none, setting, whole
from dnilab.lessons.any_graph.experiments import ClockSettings
from dnilab.lessons.convolutions.experiments import ConvolutionSettings
from dnilab.lessons.playground.experiments.comparison import Lineup
from dnilab.lessons.playground.panel.words import Whole, spec_of
from dnilab.lessons.through_time.experiments import RecurrentSettings
from dnilab.widgets.controls import Choice, Toggle

EVERY = [Settings, ConvolutionSettings, RecurrentSettings, ClockSettings]


@pytest.mark.parametrize("kind", [*EVERY, Lineup])
def test_every_field_has_a_row_and_every_condition_names_a_setting(kind: type[Table]) -> None:
    assert list(kind.rows()) == [one.name for one in fields(kind)]
    for row in kind.rows().values():
        assert set(row.when) <= set(kind.rows())


@pytest.mark.parametrize("kind", EVERY)
def test_what_is_not_at_its_default(kind: type[Table]) -> None:
    assert kind().changed() == {}
    other = kind().but(seed=7, rate=0.5, generator_hidden=(4, 3))
    assert other.changed() == {"generator_hidden": (4, 3), "rate": 0.5, "seed": 7}
    assert kind().but(**other.changed()) == other
    with pytest.raises(ValueError, match=f"^speed is not a setting; {kind.__name__} accepts "):
        kind().but(speed=3)


def test_another_default_keeps_the_row_of_the_class_below() -> None:
    assert ConvolutionSettings().rate == 2e-3
    assert ConvolutionSettings.rows()["rate"] is Settings.rows()["rate"]
    with pytest.raises(ValueError, match="rate is 0; it accepts a number above 0"):
        ConvolutionSettings(rate=0)


def test_a_setting_applies_where_the_others_let_it() -> None:
    assert not Settings().applies("staleness")
    assert Settings(ordering="pipeline").applies("staleness")
    assert Settings().applies("rate")
    assert not Settings(ordering="backprop").applies("context")
    assert not Settings(task="digits").applies("bits")


def _stops(name: str, value: Any) -> Any:
    one = isinstance(plain(value), int)
    return whole_number(name, value, 1) if one else whole_numbers(name, value, 1)


VOICES = {"a whisper": "low", "a shout": "high"}


@dataclass(frozen=True)
class Newer(Settings):
    """Settings to come are a line each."""

    stops: int | tuple[int, ...] | None = setting(None, or_none(_stops))
    voice: str = setting("low", among(VOICES.values()), "Voice", VOICES)
    loudness: int = setting(64, whole(1), "Loudness", (4, 512, 1), {"voice": ("high",)}, "dB")


def test_a_new_setting_is_one_line() -> None:
    newer = Newer(stops=np.array([1, 3]), voice=np.str_("high"))
    assert repr(newer.changed()) == "{'stops': (1, 3), 'voice': 'high'}"
    assert (newer.applies("loudness"), Newer().applies("loudness")) == (True, False)
    assert Newer(stops=2).changed() == {"stops": 2}
    for wrong in ({"stops": 0}, {"stops": "2"}, {"voice": "hoarse"}, {"loudness": 1.5}):
        with pytest.raises(ValueError, match=rf"^{next(iter(wrong))} is .*; it accepts "):
            Newer(**wrong)
    loud = spec_of(Newer.rows()["loudness"], 70)
    assert loud == Whole(4, 512, 1, 70, "Loudness", "dB")
    assert spec_of(Newer.rows()["voice"], "low") == Choice(VOICES, "low", "Voice")
    assert spec_of(Newer.rows()["batch_norm"], True) == Toggle(True, "Batch normalisation")
    assert spec_of(Newer.rows()["rate"], 0.1).log


# -- values that are not what they seem ------------------------------------------------------


def test_numpys_words_and_arrays_become_plain_and_can_be_pasted() -> None:
    odd = Settings(
        activation=np.str_("relu"),
        context=np.array(["h"]),
        hidden=np.array([5, 6], np.uint8),
        optimiser=np.str_("sgd"),
    )
    same = Settings(activation="relu", context=("h",), hidden=(5, 6), optimiser="sgd")
    assert repr(odd) == repr(same)
    text = Lineup(odd).text
    assert text == "dnilab(hidden=(5, 6), activation='relu', context=('h',), optimiser='sgd')"
    assert Lineup.from_text(text).settings == odd
    assert Lineup(beside=np.array(["backprop"])).text == "dnilab(beside=('backprop',))"
    assert Lineup(seeds=np.int8(3)).text == "dnilab(seeds=3)"


@pytest.mark.parametrize("name", ["hidden", "context"])
@pytest.mark.parametrize(
    "value",
    [np.array(5), np.array("z"), np.array([["h", "y"]]), np.zeros((2, 2), int), [np.zeros(3)],
     b"ab", bytearray(b"ab"), np.array([5], "m8[ns]"), (np.timedelta64(5),)],
    ids=repr,
)  # fmt: skip
def test_arrays_of_another_form_bytes_and_spans_of_time_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name} is .*; it accepts "):
        Settings(**{name: value})


@pytest.mark.parametrize("name", ["seed", "epochs", "bits", "rate", "p", "hidden", "task", "dtype"])
def test_a_number_of_more_digits_than_python_writes_is_refused_by_name(name: str) -> None:
    for value in (16**5000, (16**5000,)):
        with pytest.raises(ValueError, match=rf"^{name} is .*; it accepts "):
            Settings(**{name: value})
    with pytest.raises(ValueError, match=rf"^{name} is .*; it accepts "):
        Lineup.from_text(f"dnilab({name}=0x1{'0' * 5000})")


def test_whole_numbers_end_where_sixty_three_bits_do() -> None:
    most = 2**63 - 1
    assert Settings(seed=most).seed == most
    with pytest.raises(ValueError, match=rf"^seed is {most + 1}; it accepts 0 to {most}$"):
        Settings(seed=most + 1)


def test_what_an_error_repeats_is_shortened() -> None:
    for make in (
        lambda: Settings(task="x" * 10**6),
        lambda: Settings(hidden=["x" * 10**6]),
        lambda: Lineup(beside="x" * 10**6),
        lambda: Lineup.from_text("x" * 10_000),
        lambda: Settings(rate=10**4000),
    ):
        with pytest.raises(ValueError, match="accepts") as caught:
            make()
        assert len(str(caught.value)) < 400
