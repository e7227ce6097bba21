"""Pinned runs: the table, the files, and files that are not what they seem."""

import csv
import errno
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest

from dnilab.experiments import Settings
from dnilab.lessons.playground.experiments import saved_runs
from dnilab.lessons.playground.experiments.comparison import Lineup
from dnilab.lessons.playground.experiments.growing_lines import Line
from dnilab.lessons.playground.experiments.records import Job, Record, differing
from dnilab.lessons.playground.experiments.saved_runs import (
    Pin,
    in_order,
    load,
    named,
    pins_in,
    save,
    table_of,
    to_csv,
    to_lines,
)
from dnilab.lessons.playground.sweeps import sweep, sweep_plan
from dnilab.lessons.playground.sweeps.file import sealed
from tests.lessons.playground.sweep_jobs import TINY, odd_seeds_fail
from tests.lessons.playground.test_sweep import InLine

FIRST_EDITION = Path(__file__).parent / "first_edition"


def pin(name="a", last=(0.8, 0.9), said=(), seconds=2.0, **changes):
    settings = Settings(dtype="float32").but(**changes)
    records = []
    for seed, right in enumerate(last):
        broken = np.isnan(right)
        curves = {"epoch": (0.0, 4.0), "seconds": (0.0, seconds)}
        finals = {"right": (0.5, right), "loss": (0.5, 1 - right), "test_loss": (1.5, 2 - right)}
        finals |= {f"cosine {k}": (0.25, 0.25) for k in range(1, len(settings.hidden) + 1)}
        curves |= {n: curve[:1] if broken else curve for n, curve in finals.items()}
        status = ("diverged", said[0]) if broken else ("done", "")
        records.append(Record(Job.of(settings.but(seed=seed)), *status, curves))
    return Pin(name, Line(settings.name, 2, tuple(records)))


def test_table_shows_what_differs_and_the_last_numbers():
    head, body = table_of([pin("a"), pin("b", context=("h",), rate=0.01, last=(0.7,))])
    assert head == (
        "name", "context", "rate", "seeds", "epochs", "right", "test loss", "seconds",
    )  # fmt: skip
    assert body[0] == (
        "a", "h, y", "0.003", "2", "4", "85.0 ± 7.1 %", "1.1500 ± 0.0707", "2.00",
    )  # fmt: skip
    assert body[1] == ("b", "h", "0.01", "1", "4", "70.0 %", "1.3000", "2.00")
    assert differing([pin().line.records[0], pin("b", seed=3).line.records[0]]) == []


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
    broken = pin("=1+1", context=("h",), said=("x",), last=(np.nan,))
    first, second = csv.DictReader(io.StringIO(to_csv([pin('a, "b"'), broken]).decode()))
    assert first["name"] == 'a, "b"'
    assert float(first["right mean"]) == pytest.approx(0.85)
    assert float(first["right std"]) == pytest.approx(0.0707107)
    assert (first["context"], second["context"]) == ("h, y", "h")
    assert Lineup.from_text(first["settings"]).settings.context == ("h", "y")
    assert second["name"] == "'=1+1"  # a spreadsheet would compute it
    assert (second["right mean"], second["diverged"]) == ("", "1")


@pytest.mark.parametrize("ending", ["json", "jsonl"])
def test_a_file_gives_everything_again(tmp_path, ending):
    pins = [pin("a"), pin("b", last=(np.nan, 0.5), said=("Diverged: é",), hidden=(5, 4, 3))]
    path = save(pins, tmp_path / f"runs.{ending}")
    assert "NaN" not in path.read_text("utf-8")
    again = load(path)
    assert [p.name for p in again] == ["a", "b"]
    for old, new in zip(pins, again, strict=True):
        assert new.line.settings == old.line.settings
        assert new.line.said == old.line.said
        assert new.line.label == new.name
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


def test_a_sweep_is_loaded_too(tmp_path):
    file = tmp_path / "sweep.jsonl"
    plan = sweep_plan(TINY, {"rate": (0.01, 1e9, -1)}, seeds=(0, 1, 2))
    list(sweep(plan, InLine(), file=file, progress=False, runner=odd_seeds_fail))
    slow, wild = sorted(load(file), key=lambda pin: pin.line.settings.rate)
    assert (slow.name, slow.line.settings.rate, slow.line.seeds) == ("DNI(h, y)", 0.01, 2)
    assert (wild.diverged, wild.line.seeds) == (2, 2)
    many = list(sweep(sweep_plan(TINY, seeds=range(25)), InLine(), file=file, progress=False))
    (many,) = (pin for pin in load(file) if pin.line.seeds == 25)
    assert Lineup.from_text(many.text).seeds == 20  # as many as the playground has


# ---- a file that is there is not lost ------------------------------------------------------------


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_full_disk_leaves_the_old_file_whole(tmp_path, monkeypatch, ending):
    path = save([pin("old")], tmp_path / f"runs.{ending}")
    before = path.read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save([pin("new")], path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_name_that_cannot_be_written_does_no_harm(tmp_path):
    path = save([pin("half \ud800 of a letter")], tmp_path / "runs.csv")
    assert "half ? of a letter" in path.read_text("utf-8")
    again = load(save([pin("half \ud800 of a letter")], tmp_path / "runs.jsonl"))
    assert again[0].name == "half \ud800 of a letter"


# ---- files that are not what they seem -----------------------------------------------------------


def damaged(**changes):
    heading, line, *rest = to_lines([pin()]).splitlines(keepends=True)
    found = json.loads(line)
    del found["sum"]
    return heading + sealed({**found, **changes}) + b"".join(rest)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no runs"),
        (b"{", "holds no runs"),
        (b"\xff\xfe\x00", "holds no runs"),
        (b"[" * 100_000, "holds no runs"),
        (b"[1, 2]", "holds no runs"),
        (b'{"format": "other"}', "holds no runs"),
        (b'{"format": "dnilab runs", "version": 3}\n', "version 3; this dnilab accepts version 2"),
        (to_lines([]), "holds no runs"),
        (to_lines([pin()])[:-9], "holds no runs"),
        (to_lines([pin()]).replace(b"0.8", b"0.9", 1), "line 2 is damaged: its checksum"),
        (damaged(settings={"task": "rm -rf"}), "line 2 is damaged: task is 'rm -rf'"),
        (damaged(settings=5), "line 2 is damaged"),
        (damaged(curves={"epoch": ["soon"]}), "line 2 is damaged"),
        (damaged(status="fine"), "line 2 is damaged: status is 'fine'"),
        (damaged(colour="red"), "line 2 is damaged: .*'colour'"),
    ],
)  # fmt: skip
def test_files_that_are_not_what_they_seem(content, said):
    with pytest.raises(ValueError, match=said):
        pins_in(content)


def test_files_of_the_first_edition_are_refused_in_words():
    with pytest.raises(ValueError, match=r"of the first edition .* can be pasted and run again"):
        load(FIRST_EDITION / "runs.json")
    with pytest.raises(ValueError, match="whose runs have no curves to be shown"):
        load(FIRST_EDITION / "sweep.jsonl")


def test_a_file_that_is_too_long_is_not_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(saved_runs, "MOST_BYTES", 1000)
    path = save([pin()], tmp_path / "runs.jsonl")
    with pytest.raises(ValueError, match=r"of 1,001 bytes or more; it accepts 1,000"):
        load(path)
    with pytest.raises(ValueError, match="bytes or more; it accepts 1,000"):
        pins_in(path.read_bytes())
    monkeypatch.undo()
    monkeypatch.setattr(saved_runs, "MOST_PINS", 1)
    with pytest.raises(ValueError, match="of 2 pins; it accepts 1"):
        pins_in(to_lines([pin("a"), pin("b")]))
