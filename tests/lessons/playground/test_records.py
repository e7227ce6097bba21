"""A record grows event by event, and says what came out."""

from __future__ import annotations

import math
import pickle

import pytest

from dnilab.experiments import Settings
from dnilab.lessons.playground.experiments.records import Job, Record
from dnilab.training import Diverged, Report

JOB = Job.of(Settings(seed=3))
FIRST = Report(0, 0.0, 0.0, 0.7, 0.8, {"bit_accuracy": 0.5, "whole_sums": 0.0}, (0.1, 0.2))
SECOND = Report(10, 0.5, 0.25, math.inf, 0.6, {"bit_accuracy": 0.75, "whole_sums": 0.1}, (0.3, 0.4))
BROKEN = Diverged(12, 0.6, 1, "body", "Diverged: it grew")


def test_a_record_grows_with_every_event() -> None:
    record = Record(JOB)
    assert (record.status, record.reports, record.scores) == ("unfinished", 0, {})
    assert not record.final
    record = record.after(FIRST).after(SECOND)
    assert record.curves["epoch"] == (0.0, 0.5)
    assert record.curves["right"] == record.curves["bit_accuracy"] == (0.5, 0.75)
    assert record.curves["loss"] == (0.7, None)  # JSON has no word for what is not finite
    assert record.curves["cosine 2"] == (0.2, 0.4)
    assert (record.status, record.seconds, record.seed) == ("unfinished", 0.25, 3)
    assert math.isnan(record.score("right"))
    done = record.after(None)
    assert done.final
    assert done.score("right") == 0.75
    assert done.score("loss") == 0.7  # the last one that was finite
    assert set(done.scores) == {"loss", "test_loss", "bit_accuracy", "whole_sums", "right"}


def test_a_class_error_is_turned_into_a_share_that_is_right() -> None:
    record = Record(JOB).after(Report(0, 0.0, 0.0, 1.0, 1.0, {"class_error": 0.25})).after(None)
    assert record.score("right") == 0.75
    with pytest.raises(ValueError, match="what is 'bit_accuracy'; it accepts one of seconds, loss"):
        record.score("bit_accuracy")


def test_where_it_diverged() -> None:
    record = Record(JOB).after(FIRST).after(BROKEN)
    assert (record.status, record.message) == ("diverged", "Diverged: it grew")
    assert record.final
    assert record.curves["epoch"] == (0.0, 0.6)
    assert record.curve == (0.5,)
    assert record.reports == 2


def test_equal_runs_are_the_same_whatever_their_time() -> None:
    one, other = Record(JOB).after(FIRST), Record(JOB, worker="elsewhere").after(FIRST)
    assert one.same == other.same
    assert one != other
    assert pickle.loads(pickle.dumps(one)) == one
    assert one.same != one.after(SECOND).same
