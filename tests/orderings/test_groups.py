"""Groups of modules: the cost model counted by hand, and the most even division."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnilab.orderings import (
    backprop,
    even_groups,
    module_times,
    multiplications,
    pipeline,
    sequential,
)

WIDTHS = (24, 128, 64, 12)


def test_multiplications_of_the_published_network() -> None:
    costs = multiplications(WIDTHS)
    # x W for one row
    assert costs["forward", 1] == 24 * 128 == 3072
    assert costs["forward", 2] == 128 * 64 == 8192
    assert costs["forward", 3] == 64 * 12 == 768
    # dW everywhere, and dx for whoever is below
    assert costs["backward", 1] == costs["pull", 1] == 3072
    assert costs["backward", 2] == costs["pull", 2] == 2 * 8192
    assert costs["backward", 3] == costs["pull", 3] == 2 * 768
    # the guess h M, and later dM, both 128 x 128 and 64 x 64
    assert costs["fit", 1] == 128 * 128 == 16384
    assert costs["fit", 2] == 64 * 64 == 4096
    assert ("fit", 3) not in costs
    assert costs["forward_guess", 1] == 3072 + 16384
    assert costs["forward_update", 1] == 3072 + 16384 + 3072
    assert costs["forward_update", 2] == 8192 + 4096 + 16384
    assert costs["forward_update", 3] == 768 + 1536
    assert all(costs["update", k] == 0 for k in (1, 2, 3))


@pytest.mark.parametrize(
    ("context", "size"),
    [
        (("h",), 128),
        (("h_norm",), 128),
        (("y",), 12),
        (("x",), 24),
        (("h", "y"), 140),
        (("x", "h", "y"), 164),
    ],
)
def test_a_guess_costs_what_its_generator_sees(context: tuple[str, ...], size: int) -> None:
    costs = multiplications(WIDTHS, context)
    assert costs["fit", 1] == size * 128
    assert costs["forward_guess", 1] == 3072 + size * 128


def test_a_generator_with_hidden_layers() -> None:
    costs = multiplications(WIDTHS, ("h", "y"), (50, 20))
    into, through, out = 140 * 50, 50 * 20, 20 * 128
    assert costs["forward_guess", 1] == 3072 + into + through + out
    # dM of all three, and the gradient back through the upper two
    assert costs["fit", 1] == into + through + out + through + out


def test_times_of_modules_are_those_of_their_steps() -> None:
    costs = multiplications(WIDTHS)
    modules = [22528 + 16384, 28672 + 4096, 2304]
    assert module_times(sequential(3), costs) == modules
    assert module_times(pipeline(((1,), (2, 3))), costs) == modules
    # a turn of four batches takes four times as long
    four = pipeline(((1,), (2, 3)), staleness=4, batches_per_turn=4, guess_again=False)
    assert module_times(four, costs) == [4 * time for time in modules]
    # to guess again is to take the product with M once more
    again = pipeline(((1,), (2, 3)), staleness=4)
    assert module_times(again, costs) == [modules[0] + 128 * 128, modules[1] + 64 * 64, modules[2]]
    assert module_times(backprop(3), costs) == [2 * 3072, 3 * 8192, 3 * 768]


def test_the_published_network_in_two_and_three() -> None:
    times = module_times(sequential(3), multiplications(WIDTHS))
    assert even_groups(times, 1) == ((1, 2, 3),)
    assert even_groups(times, 2) == ((1,), (2, 3))
    assert even_groups(times, 3) == ((1,), (2,), (3,))


@given(
    times=st.lists(st.integers(0, 50) | st.floats(0, 50), min_size=1, max_size=8), data=st.data()
)
def test_no_division_is_more_even(times: list[float], data: Any) -> None:
    workers = data.draw(st.integers(1, len(times)))
    groups = even_groups(times, workers)
    assert len(groups) == workers
    assert all(groups)
    assert [k for group in groups for k in group] == list(range(1, len(times) + 1))

    def slowest(cuts: tuple[int, ...]) -> float:
        edges = zip((0, *cuts), (*cuts, len(times)), strict=True)
        return max(sum(times[a:b]) for a, b in edges)

    best = min(slowest(cuts) for cuts in combinations(range(1, len(times)), workers - 1))
    assert max(sum(times[k - 1] for k in group) for group in groups) == best


def test_the_worst_case_for_a_greedy_cut() -> None:
    # filling the first group up to the mean of 6 would leave 9 for the second
    assert even_groups([5, 2, 7, 1, 3], 2) == ((1, 2), (3, 4, 5))
    assert even_groups([1, 1, 1, 9], 2) == ((1, 2, 3), (4,))
    assert even_groups([9, 1, 1, 1], 2) == ((1,), (2, 3, 4))


@pytest.mark.parametrize("workers", [0, 4, -1, 2.0, None])
def test_workers_are_checked(workers: Any) -> None:
    with pytest.raises(ValueError, match=r"^workers is .*; it accepts 1 to 3$"):
        even_groups([1, 2, 3], workers)


@pytest.mark.parametrize("time", [-1, float("nan"), float("inf"), "1", None])
def test_times_are_checked(time: Any) -> None:
    with pytest.raises(ValueError, match=r"^times is"):
        even_groups([1, time, 3], 2)
