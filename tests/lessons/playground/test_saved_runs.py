"""Pinned runs: the table, the files, and files that are not what they seem."""

import csv
import io
import json

import numpy as np
import pytest

from dnilab.experiments import Settings
from dnilab.lessons.playground.experiments.comparison import Lineup
from dnilab.lessons.playground.experiments.growing_lines import Line
from dnilab.lessons.playground.experiments.saved_runs import (
    Pin,
    differing,
    from_json,
    in_order,
    load,
    named,
    save,
    table_of,
    to_csv,
    to_json,
)


def pin(name="a", last=(0.8, 0.9), said=(), seconds=2.0, **changes):
    settings = Settings(dtype="float32").but(**changes)
    right = np.array([[0.5, value] for value in last])
    values = {"right": right, "loss": 1 - right, "test loss": 2 - right}
    cosine = np.full((len(last), 2, len(settings.hidden)), 0.25)
    line = Line(settings.name, settings, 2, np.array([0.0, 4.0]), np.array([0.0, seconds]), values,
                cosine, (), tuple(said))  # fmt: skip
    return Pin(name, line)


def test_table_shows_what_differs_and_the_last_numbers():
    head, body = table_of([pin("a"), pin("b", context=("h",), rate=0.01, last=(0.7,))])
    assert head == (
        "name", "context", "rate", "seeds", "epochs", "right", "test loss", "seconds",
    )  # fmt: skip
    assert body[0] == (
        "a", "h, y", "0.003", "2", "4", "85.0 ± 7.1 %", "1.1500 ± 0.0707", "2.00",
    )  # fmt: skip
    assert body[1] == ("b", "h", "0.01", "1", "4", "70.0 %", "1.3000", "2.00")
    assert differing([pin(), pin("b", seed=3)]) == []


def test_divergence_is_said_and_comes_last():
    broken = pin("z", last=(np.nan, 0.9), said=("Diverged",))
    assert broken.final("right")[0] != broken.final("right")[0]  # NaN
    _, body = table_of([broken])
    assert body[0][1:4] == ("2, 1 diverged", "4", "diverged")
    best = in_order([broken, pin("a"), pin("b", last=(0.99,))], "right, best first")
    assert [p.name for p in best] == ["b", "a", "z"]


def test_orders():
    pins = [pin("b", seconds=3.0), pin("A", seconds=1.0), pin("c", seconds=2.0)]
    names = {by: [p.name for p in in_order(pins, by)] for by in ("pinned", "name")}
    assert names == {"pinned": ["b", "A", "c"], "name": ["A", "b", "c"]}
    assert [p.name for p in in_order(pins, "seconds, shortest first")] == ["A", "c", "b"]
    with pytest.raises(ValueError, match="by is 'beauty'"):
        in_order(pins, "beauty")


def test_names_are_made_and_kept_apart():
    first = named("", pin().line, [])
    assert first.name == "DNI(h, y)"
    second = named("DNI(h, y)", pin().line, [first])
    assert second.name == "DNI(h, y) (2)"
    with pytest.raises(ValueError, match="name"):
        Pin("  ", pin().line)


def test_csv_is_read_back_by_the_csv_module():
    text = to_csv([pin('a, "b"'), pin("=1+1", context=("h",), said=("x",), last=(np.nan,))])
    first, second = csv.DictReader(io.StringIO(text))
    assert first["name"] == 'a, "b"'
    assert float(first["right mean"]) == pytest.approx(0.85)
    assert float(first["right std"]) == pytest.approx(0.0707107)
    assert (first["context"], second["context"]) == ("h, y", "h")
    assert Lineup.from_text(first["settings"]).settings.context == ("h", "y")
    assert second["name"] == "'=1+1"  # a spreadsheet would compute it
    assert (second["right mean"], second["diverged"]) == ("", "1")


def test_json_gives_everything_again(tmp_path):
    pins = [pin("a"), pin("b", last=(np.nan, 0.5), said=("Diverged: é",), hidden=(5, 4, 3))]
    path = save(pins, tmp_path / "runs.json")
    assert "NaN" not in path.read_text("utf-8")
    again = load(path)
    assert [p.name for p in again] == ["a", "b"]
    for old, new in zip(pins, again, strict=True):
        assert new.line.settings == old.line.settings
        assert new.line.said == old.line.said
        assert (new.line.label, new.line.look) == (old.line.label, old.line.look)
        np.testing.assert_array_equal(new.line.epoch, old.line.epoch)
        np.testing.assert_array_equal(new.line.seconds, old.line.seconds)
        np.testing.assert_array_equal(new.line.cosine, old.line.cosine)
        for name, array in old.line.values.items():
            np.testing.assert_array_equal(new.line.values[name], array)
    assert table_of(again) == table_of(pins)


def test_files_are_named_by_their_end(tmp_path):
    assert save([pin()], tmp_path / "a.csv").read_text("utf-8").startswith("name,")
    with pytest.raises(ValueError, match=r"\.csv or \.json"):
        save([pin()], tmp_path / "a.txt")
    with pytest.raises(ValueError, match=r"\.json"):
        load(tmp_path / "a.csv")


def damaged(**changes):
    found = json.loads(to_json([pin()]))
    found["pins"][0].update(changes)
    return json.dumps(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1, 2]", "no pinned runs"),
        ('{"format": "other"}', "no pinned runs"),
        ('{"format": "dnilab pins", "version": 2}', "version is 2"),
        ('{"format": "dnilab pins", "version": 1, "pins": 3}', "damaged"),
        ('{"format": "dnilab pins", "version": 1, "pins": [3]}', "run 1 of the file is damaged"),
        (damaged(settings="rm -rf"), "settings string"),
        (damaged(settings=5), "damaged"),
        (damaged(epoch=[0.0]), "do not fit together"),
        (damaged(epoch=[1.0, 0.0]), "do not fit together"),
        (damaged(seconds=[0.0, None]), "do not fit together"),
        (damaged(values={}), "'right' is missing|'loss' is missing"),
        (damaged(cosine=[[[1.0]]]), "do not fit together"),
        (damaged(name=""), "name"),
        (damaged(look="red"), "damaged"),
    ],
)
def test_files_that_are_not_what_they_seem(text, said):
    with pytest.raises(ValueError, match=said):
        from_json(text)
