"""What an ordering keeps at once: tiny programs by hand."""

from __future__ import annotations

from typing import Any

import pytest

from dnilab.lessons.race.orderings import Memory, kept_sizes, memory
from dnilab.lessons.shared.rivals import gpipe, late_truth, one_forward_one_backward, zero_bubble
from dnilab.orderings import Program, backprop, local_loss

TWO = ((1,), (2,))


def unit(program: Program) -> dict[tuple[str, int], float]:
    """Every step takes as long, and an update or a fit nothing."""
    instant = ("update", "fit")
    return {(step.op, step.module): float(step.op not in instant) for step in program.steps()}


def kept(program: Program, sizes: Any, **how: Any) -> Memory:
    return memory(program, unit(program), sizes, {1: 100, 2: 9}, **how)


def test_two_micro_batches_by_hand() -> None:
    # worker 1   F0 F1 .  .  B1 B0        from 0 to 6
    # worker 2   .  F0 F1 B1 B0 .
    # pullbacks of module 1: 0-6, 1-5; of module 2: 1-5, 2-4.  h of module 1: 1-2, 2-3; of
    # module 2, for the loss: 2-5, 3-4.  messages: 4-5, 5-6.
    program = gpipe(TWO, 2)
    sizes = {("pullback", 1): 3, ("pullback", 2): 5, ("h", 2): 11, ("message", 2): 13}
    # from 2 to 3: two and two pullbacks, one h of each; 3 to 4: two h of module 2; 4 to 5: a
    # message, an h and a pullback less
    assert kept(program, {**sizes, ("h", 1): 7}) == Memory(2 * 3 + 2 * 5 + 2 * 11, 0)
    assert kept(program, {**sizes, ("h", 1): 20}) == Memory(2 * 3 + 2 * 5 + 20 + 11, 0)
    assert kept(program, {**sizes, ("message", 2): 50}) == Memory(2 * 3 + 5 + 11 + 50, 0)


def test_weights_are_kept_for_as_long_as_the_pullback() -> None:
    # worker 1 takes batch t up before it pulls t - 1 back: then it has two pullbacks
    sizes = {("pullback", 1): 3, ("pullback", 2): 5}
    assert kept(late_truth(TWO, staleness=1), sizes) == Memory(2 * 3 + 5, 2 * 100)
    assert kept(late_truth(TWO, staleness=3), sizes) == Memory(4 * 3 + 5, 4 * 100)
    today = late_truth(TWO, staleness=1, keep_weights=False)
    assert kept(today, sizes) == Memory(2 * 3 + 5, 0)
    # on one core they take turns: module 2 is through before batch t + 1 goes up
    assert kept(late_truth(TWO, staleness=0), sizes, cores=1) == Memory(3 + 5, 0)


def test_what_goes_up_and_down_in_one_step_is_kept_meanwhile() -> None:
    sizes = {("pullback", 1): 3, ("pullback", 2): 5, ("h", 1): 7}
    # module 2 works on batch t, and module 1 on t + 1
    assert kept(local_loss(TWO), sizes) == Memory(3 + 5 + 7, 0)
    assert kept(local_loss(((1, 2),)), sizes) == Memory(5 + 7, 0)  # one after the other


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_schedules_keep_what_the_papers_say(workers: int) -> None:
    groups = tuple((k,) for k in range(1, workers + 1))
    sizes = {(kind, k): 1.0 for (k,) in groups for kind in ("pullback", "owed")}

    def most(program: Program) -> float:
        return memory(program, unit(program), sizes, {}).activations

    assert most(gpipe(groups, 8)) == 8 * workers
    assert most(one_forward_one_backward(groups, 8)) <= workers * (workers + 1) / 2
    assert most(zero_bubble(groups, 8)) <= workers**2


def test_kept_sizes_by_hand() -> None:
    sizes, parameters = kept_sizes((4, 6, 5, 2), (2,))
    assert parameters == {1: (4 + 1) * 6 + (6 + 1) * 5, 2: (5 + 1) * 2}
    assert sizes == {
        ("pullback", 1): 6 + 5,
        ("owed", 1): 2 * (6 + 5),
        ("h", 1): 5,
        ("guess", 1): 5,
        ("message", 1): 4,
        ("pullback", 2): 2,
        ("owed", 2): 2 * 2,
        ("h", 2): 2,
        ("guess", 2): 2,
        ("message", 2): 5,
    }


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^times has no entry for \('forward', 1\)"):
        memory(backprop(1), {}, {}, {})
    with pytest.raises(ValueError, match=r"^cores is 0"):
        kept(backprop(1), {("pullback", 1): 1.0}, cores=0)
