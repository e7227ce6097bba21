"""Groups of modules: the cost model counted by hand, and the most even division."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnilab.orderings import (
    backprop,
    direct_feedback,
    even_cuts,
    even_groups,
    local_loss,
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
    old_errors = pipeline(((1,), (2, 3)), guess_again=False)
    assert module_times(old_errors, costs) == modules
    # a turn of four batches takes four times as long
    four = pipeline(((1,), (2, 3)), staleness=4, batches_per_turn=4, guess_again=False)
    assert module_times(four, costs) == [4 * time for time in modules]
    # to guess again is to take the product with M once more
    again = pipeline(((1,), (2, 3)), staleness=1)
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


# ---- cuts and signals ----------------------------------------------------------------------------


def test_layers_between_two_cuts_are_one_module() -> None:
    costs = multiplications(WIDTHS, cuts=(2,))
    assert costs["forward", 1] == 24 * 128 + 128 * 64
    assert costs["backward", 1] == 24 * 128 + 2 * 128 * 64  # dW of both, and dx between them
    assert costs["fit", 1] == 64 * 64
    assert costs["forward", 2] == 64 * 12
    assert costs["backward", 2] == 2 * 64 * 12
    assert ("fit", 2) not in costs
    assert ("forward", 3) not in costs
    assert multiplications(WIDTHS, cuts=(1, 2)) == multiplications(WIDTHS)


def test_without_cuts_it_is_one_module_that_guesses_nothing() -> None:
    costs = multiplications(WIDTHS, cuts=())
    products = 24 * 128 + 128 * 64 + 64 * 12
    assert costs["forward", 1] == products
    assert costs["backward", 1] == 2 * products - 24 * 128
    assert costs["forward_update", 1] == costs["forward", 1] + costs["backward", 1]
    assert ("fit", 1) not in costs


@pytest.mark.parametrize("cuts", [None, (1,), (2,), ()])
def test_cuts_change_nothing_about_backpropagation(cuts: tuple[int, ...] | None) -> None:
    modules = 3 if cuts is None else len(cuts) + 1
    work = sum(module_times(backprop(modules), multiplications(WIDTHS, cuts=cuts)))
    assert work == sum(module_times(backprop(3), multiplications(WIDTHS)))


def test_what_a_signal_costs() -> None:
    readout = multiplications(WIDTHS, signal="readout", readout_hidden=(32,))
    assert readout["forward_guess", 1] == 24 * 128 + 3 * (128 * 32 + 32 * 12)
    assert readout["fit", 1] == 0  # the gradient is there already
    feedback = multiplications(WIDTHS, signal="feedback")
    # nobody below is told anything by a module: there is no dx of its first layer
    assert feedback["backward", 2] == 128 * 64 + 12 * 64  # e B
    assert feedback["backward", 3] == 64 * 12  # the top has the error itself
    assert feedback["forward_update", 3] == 2 * 64 * 12
    truth = multiplications(WIDTHS, signal="truth")
    assert truth["forward_guess", 1] == 24 * 128
    assert not any(op == "fit" for op, _ in {**truth, **feedback})
    with pytest.raises(ValueError, match=r"^signal is 'guess'; it accepts one of 'truth'"):
        multiplications(WIDTHS, signal="guess")


@pytest.mark.parametrize(
    ("signal", "program"),
    [
        ("generator", sequential(3)),
        ("readout", local_loss([(1,), (2, 3)])),
        ("feedback", direct_feedback(3)),
        ("truth", backprop(3)),
    ],
)
def test_every_step_of_a_method_has_a_cost(signal: str, program: Any) -> None:
    assert all(time > 0 for time in module_times(program, multiplications(WIDTHS, signal=signal)))


@given(
    widths=st.lists(st.integers(1, 40), min_size=2, max_size=7),
    data=st.data(),
    signal=st.sampled_from(["generator", "readout", "truth"]),
)
def test_even_cuts_against_all_of_them(widths: list[int], data: st.DataObject, signal: str) -> None:
    layers = len(widths) - 1
    modules = data.draw(st.integers(1, layers))

    def slowest(cuts: tuple[int, ...]) -> float:
        costs = multiplications(widths, cuts=cuts, signal=signal)
        # the input of the first module is x: that makes it cheaper, wherever it ends
        return max(
            costs["forward_update", k] + costs.get(("fit", k), 0) for k in range(1, modules + 1)
        )

    cuts = even_cuts(widths, modules, signal=signal)
    assert len(cuts) == modules - 1
    assert slowest(cuts) == min(map(slowest, combinations(range(1, layers), modules - 1)))


def test_even_cuts_of_equal_layers() -> None:
    assert even_cuts([8] * 9, 1) == ()
    assert even_cuts([8] * 9, 8) == (1, 2, 3, 4, 5, 6, 7)
    assert even_cuts([8] * 9, 2, signal="truth") == (4,)
    for modules in (0, 9, 2.0):
        with pytest.raises(ValueError, match=rf"^cuts is {modules}; it accepts 1 to 8"):
            even_cuts([8] * 9, modules)  # type: ignore[arg-type]
