"""The file of a sweep: nothing done is run again, whatever ended the sweep before."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnilab.experiments import Run, Settings, run
from dnilab.lessons.playground.sweeps import read_sweep, sweep, sweep_plan
from dnilab.lessons.playground.sweeps.file import sealed, writing
from tests.lessons.playground.sweep_jobs import TINY, odd_seeds_fail
from tests.lessons.playground.test_sweep import InLine, by_job

FIRST_EDITION = Path(__file__).parent / "first_edition"
# Seven that are done, two that diverge and two that cannot be.
PLAN = [
    *sweep_plan(TINY, {"rate": (0.001, 0.1 + 0.2, 1e9, -1)}, seeds=(0, 1)),
    *sweep_plan([TINY.but(context=("h",)), TINY.but(loss="squared error"), TINY.but(hidden=())]),
][:11]


class Counted:
    """Runs, and remembers what it ran."""

    def __init__(self) -> None:
        self.ran: list[Settings] = []

    def __call__(self, settings: Settings) -> Run:
        self.ran.append(settings)
        return run(settings)


def go(file: Path, plan: Any = PLAN, runner: Any = run) -> list[Any]:
    return list(sweep(plan, InLine(), file=file, progress=False, runner=runner))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[Any]]:
    """The file of a sweep that came to its end, and its rows."""
    file = tmp_path_factory.mktemp("sweep") / "whole.jsonl"
    rows = go(file)
    assert {row.status for row in rows} == {"done", "diverged", "refused"}
    return file.read_bytes(), rows


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("resumed") / "sweep.jsonl"


def settings_of(rows: Any) -> set[Settings]:
    return {row.settings for row in rows if row.settings is not None}


# ---- resuming ------------------------------------------------------------------------------------


@given(data=st.data())
def test_only_what_is_missing_is_run(whole: Any, place: Path, data: st.DataObject) -> None:
    content, rows = whole
    heading, *lines = content.splitlines(keepends=True)
    kept = data.draw(st.lists(st.integers(0, len(lines) - 1), unique=True))
    place.write_bytes(heading + b"".join(lines[n] for n in kept))
    counted = Counted()
    again = go(place, runner=counted)
    assert by_job(again) == by_job(rows)
    missing = [row for n, row in enumerate(rows) if n not in kept]
    assert len(counted.ran) == len(settings_of(missing))
    assert set(counted.ran) == settings_of(missing)
    # Those that were kept come back with their times and workers, too.
    for n in kept:
        assert rows[n] in again
    assert by_job(read_sweep(place)) == by_job(rows)
    assert len(place.read_bytes().splitlines()) == len(lines) + 1


@given(data=st.data())
def test_a_file_that_ends_anywhere(whole: Any, place: Path, data: st.DataObject) -> None:
    content, rows = whole
    cut = data.draw(st.integers(0, len(content)))
    place.write_bytes(content[:cut])
    torn = cut > 0 and content[cut - 1 : cut] != b"\n"
    counted = Counted()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        readable = read_sweep(place)
        assert place.read_bytes() == content[:cut]  # reading changes nothing
        again = go(place, runner=counted)
    assert len([w for w in said if "is torn" in str(w.message)]) == 2 * torn == len(said)
    # lines that are whole, without the heading
    assert len(readable) == max(0, content[:cut].count(b"\n") - 1)
    assert len(set(counted.ran)) == len(settings_of(rows)) - len(settings_of(readable))
    assert by_job(again) == by_job(rows)
    assert by_job(read_sweep(place)) == by_job(rows)


def test_the_sentence_about_a_torn_line(whole: Any, tmp_path: Path) -> None:
    file = tmp_path / "torn.jsonl"
    file.write_bytes(whole[0][:-7])
    with pytest.warns(UserWarning, match=r"^The last line of .*torn\.jsonl is torn: .* run again"):
        go(file)
    assert by_job(go(file)) == by_job(whole[1])


def test_rows_survive_to_the_last_bit(whole: Any, tmp_path: Path) -> None:
    file = tmp_path / "same.jsonl"
    file.write_bytes(whole[0])
    assert sorted(read_sweep(file), key=repr) == sorted(whole[1], key=repr)


def test_what_failed_is_run_again_and_what_diverged_is_not(tmp_path: Path) -> None:
    plan = sweep_plan(TINY, {"rate": (0.1, 1e9)}, seeds=(0, 1))
    file = tmp_path / "sweep.jsonl"
    first = go(file, plan, odd_seeds_fail)
    assert sorted(row.status for row in first) == ["diverged", "done", "failed", "failed"]
    counted = Counted()
    second = go(file, plan, counted)
    assert {s.seed for s in counted.ran} == {1}
    assert sorted(row.status for row in second) == ["diverged", "diverged", "done", "done"]
    # The failures are still in the file; of each job the last line counts.
    assert len(file.read_bytes().splitlines()) == 1 + 4 + 2
    assert by_job(read_sweep(file)) == by_job(second)


def test_a_plan_that_grows_keeps_what_it_had(tmp_path: Path) -> None:
    file = tmp_path / "sweep.jsonl"
    go(file, sweep_plan(TINY, seeds=(0, 1)))
    counted = Counted()
    rows = go(file, sweep_plan(TINY, seeds=(1, 2)), counted)
    assert sorted(row.seed for row in rows) == [1, 2]
    assert [settings.seed for settings in counted.ran] == [2]
    assert len(read_sweep(file)) == 3


def test_a_row_is_in_the_file_when_it_is_handed_out(tmp_path: Path) -> None:
    file = tmp_path / "sweep.jsonl"
    rows = sweep(sweep_plan(TINY), InLine(), file=file, progress=False)
    for count, row in enumerate(rows, start=1):
        assert file.read_bytes().endswith(b"\n")
        assert read_sweep(file)[-1] == row
        assert len(read_sweep(file)) == count


def test_closing_early_keeps_what_there_was(tmp_path: Path) -> None:
    file = tmp_path / "sweep.jsonl"
    rows = sweep(sweep_plan(TINY), InLine(), file=file, progress=False)
    first = next(rows)
    assert read_sweep(file) == [first]
    rows.close()  # type: ignore[attr-defined]
    assert read_sweep(file)[0] == first
    assert len(read_sweep(file)) == 3  # this executor had run them all by then
    assert len(go(file, sweep_plan(TINY))) == 3  # and it is free again


def test_the_file_says_what_made_it(whole: Any) -> None:
    heading = json.loads(whole[0].splitlines()[0])
    assert heading["format"] == "dnilab runs"
    assert heading["version"] == 2
    assert set(heading) == {"format", "version", "dnilab", "numpy", "python", "machine"}


def test_a_file_that_another_version_began(whole: Any, tmp_path: Path) -> None:
    file = tmp_path / "old.jsonl"
    heading, *lines = whole[0].splitlines(keepends=True)
    old = {**json.loads(heading), "numpy": "1.26.4"}
    file.write_bytes(json.dumps(old).encode() + b"\n" + b"".join(lines))
    assert by_job(read_sweep(file)) == by_job(whole[1])
    with pytest.warns(UserWarning, match=r"was begun with numpy 1\.26\.4, and is gone on with by"):
        assert by_job(go(file)) == by_job(whole[1])


# ---- files that a sweep does not touch -----------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\x89PNG\r\n\x1a\n\x00", "which holds no runs"),
        (b"my notes", "which holds no runs"),
        (b"my notes\n", "which holds no runs"),
        (b'{"format": "dnilab pins", "version": 1}\n', "which holds no runs"),
        (b"[" * 100_000 + b"\n", "which holds no runs"),
        (b"[]\n", "which holds no runs"),
        (b'{"format": "dnilab sweep", "version": 2}\n', "of version 2; this dnilab accepts ver"),
        (b'{"format": "dnilab runs", "version": 3}\n', "of version 3; this dnilab accepts ver"),
        (b'{"format": "dnilab sweep", "version": 1}\n{}\n', "line 2 is damaged: 'scores' is miss"),
        (b'{"format": "dnilab sweep", "version": 1}\n3\n', "line 2 is damaged"),
        (b'{"format": "dnilab sweep", "version": 1}\n{"se\n', "line 2 is damaged"),
    ],
)
def test_another_file_is_left_as_it_is(content: bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    for attempt in (
        lambda: sweep([TINY], InLine(), file=file, progress=False),  # at once, not at the first row
        lambda: read_sweep(file),
        lambda: writing(file).__enter__(),
    ):
        with pytest.raises(ValueError, match=says):
            attempt()
        assert file.read_bytes() == content


def test_a_row_with_another_setting_than_there_is(whole: Any, tmp_path: Path) -> None:
    heading, *lines = whole[0].splitlines()
    row = next(row for row in map(json.loads, lines) if row["status"] == "done")
    del row["sum"]
    for change, says in (
        ({"settings": {**row["settings"], "colour": "blue"}}, "colour"),
        ({"settings": {**row["settings"], "rate": -3}, "status": "done"}, "rate is -3"),
        ({"status": "fine"}, "status is 'fine'"),
        ({"curves": {"right": [10**400]}}, "too large"),
        ({"curves": {"right": ["much"]}}, "number"),
        ({"curves": 3}, "items"),
    ):
        file = tmp_path / "file"
        file.write_bytes(heading + b"\n" + sealed({**row, **change}))
        with pytest.raises(ValueError, match=f"its line 2 is damaged: .*{says}"):
            read_sweep(file)


# ---- bits that have turned over ------------------------------------------------------------------


@given(data=st.data())
def test_a_bit_that_has_turned_over_is_noticed(
    whole: Any, place: Path, data: st.DataObject
) -> None:
    content, rows = bytearray(whole[0]), whole[1]
    begin = content.index(b"\n") + 1  # the first line holds no numbers
    at = data.draw(st.integers(begin, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    place.write_bytes(content)
    if at == len(content) - 1:  # the end of the last line: it looks torn
        with pytest.warns(UserWarning, match="is torn"):
            assert len(read_sweep(place)) == len(rows) - 1
    else:
        with pytest.raises(ValueError, match=r"its line \d+ is damaged"):
            read_sweep(place)


def test_every_digit_of_a_row_counts(whole: Any, tmp_path: Path) -> None:
    file = tmp_path / "file"
    heading, line, *_ = whole[0].splitlines()
    for at, letter in enumerate(line):
        if chr(letter).isdigit():
            other = line[:at] + (b"5" if letter != ord("5") else b"6") + line[at + 1 :]
            file.write_bytes(heading + b"\n" + other + b"\n")
            with pytest.raises(ValueError, match="its line 2 is damaged"):
                read_sweep(file)


# ---- files of the first edition ------------------------------------------------------------------


def test_a_file_of_the_first_edition_is_read_and_gone_on_with(tmp_path: Path) -> None:
    file = tmp_path / "old.jsonl"
    shutil.copy(FIRST_EDITION / "sweep.jsonl", file)
    old = {(row.asked["rate"], row.seed): row for row in read_sweep(file)}
    assert {row.status for row in old.values()} == {"done", "diverged", "failed", "refused"}
    done = old[0.01, 0]
    assert done.score("right") == 0.425
    assert done.curve == (0.475, 0.4625, 0.425)
    assert done.weights
    counted = Counted()
    plan = sweep_plan(TINY, {"rate": (0.01, 1e9, -1)}, seeds=(0, 1))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* was begun with")  # other versions, on other machines
        again = go(file, plan, counted)
    assert {(settings.rate, settings.seed) for settings in counted.ran} == {(0.01, 1), (1e9, 1)}
    # (A refused row of then may lack a setting that there is now.)
    assert by_job(read_sweep(file)).items() >= by_job(again).items()
    assert done in again


def test_two_sweeps_at_once(tmp_path: Path) -> None:
    file = tmp_path / "sweep.jsonl"
    first = sweep(sweep_plan(TINY), InLine(), file=file, progress=False)
    next(first)
    with pytest.raises(ValueError, match=r"another sweep is writing it; a sweep accepts a file of"):
        go(file, sweep_plan(TINY))
    assert len(list(first)) == 2
    assert len(read_sweep(file)) == 3


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="it accepts a file in a folder that exists"):
        sweep([TINY], InLine(), file=tmp_path / "nowhere" / "sweep.jsonl")
