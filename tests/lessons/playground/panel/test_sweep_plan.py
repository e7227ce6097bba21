"""The pure parts of a sweep: what can be swept, and axes."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnilab.lessons.playground.panel.sweep_plan import SWEPT, around, axis


def test_what_can_be_swept():
    assert {"rate", "generator_rate", "batch_size", "depth", "staleness", "p", "epochs"} < set(
        SWEPT
    )
    assert not {"seeds", "moment"} & set(SWEPT)


def test_a_log_control_is_spaced_by_ratios_and_others_evenly():
    assert axis("rate", "0.001", "0.1", 5).values == (0.001, 0.0032, 0.01, 0.032, 0.1)
    assert axis("batch_size", "10", "40", 4).values == (10, 20, 30, 40)
    assert axis("p", "0.1", "0.5", 3).values == (0.1, 0.3, 0.5)
    assert axis("depth", "1", "3", 8).values == (1, 2, 3)  # whole numbers: there are no more
    assert axis("rate", "0.00105", "0.00109", 5).values == (0.00105, 0.00109)  # none between
    staleness = axis("staleness", "0", "4", 2)
    assert (staleness.name, staleness.words) == ("staleness", ["0 batches", "4 batches"])


@given(
    name=st.sampled_from(sorted(SWEPT)),
    ends=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    count=st.integers(2, 8),
)
def test_every_axis_rises_from_its_first_to_its_last_within_the_control(name, ends, count):
    spec = SWEPT[name]
    low, high = sorted(spec.tidy(spec.min + share * (spec.max - spec.min)) for share in ends)
    if low == high:
        with pytest.raises(ValueError, match="a range that rises"):
            axis(name, repr(low), repr(high), count)
        return
    values = axis(name, repr(low), repr(high), count).values
    assert (values[0], values[-1]) == (low, high)
    assert 2 <= len(values) <= count
    assert all(a < b for a, b in pairwise(values))
    assert all(spec.check(name, value) == value for value in values)


@given(name=st.sampled_from(sorted(SWEPT)), share=st.floats(0, 1))
def test_a_first_range_is_one_that_is_accepted(name, share):
    spec = SWEPT[name]
    value = spec.tidy(spec.min + share * (spec.max - spec.min))
    low, high = around(name, value)
    assert low <= value <= high
    axis(name, f"{low:g}", f"{high:g}", 3)
