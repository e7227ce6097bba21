"""The rivals of decoupling as programs: backpropagation that waits, but cleverly.

Micro-batches are the batches of these programs, and a turn has ``micro_batches`` of them and one
update at its end.  So every schedule finds the same mean gradient, added up in the same order, and
ends with the same weights, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from dnilab.checks import true_or_false, whole_number
from dnilab.doors import open_doors
from dnilab.orderings.groups import Groups, check_groups
from dnilab.orderings.steps import Program, Step, chain


def micro_batched(modules: int, micro_batches: int) -> Program:
    """Backpropagation in line over micro-batches: gradients are added up, then one update.

    ``modules``: how many.  Raises ValueError for less than one module or micro-batch.
    """
    modules = whole_number("modules", modules, 1)
    everything = (tuple(range(1, modules + 1)),)
    return replace(one_forward_one_backward(everything, micro_batches), name="micro-batches")


def gpipe(groups: Sequence[Sequence[int]], micro_batches: int) -> Program:
    """GPipe: all micro-batches go up, then all come down, last first (Huang et al. 2019,
    arXiv 1811.06965).

    A worker for each group of modules.  Each keeps the pullbacks of all micro-batches.
    Raises ValueError if ``groups`` are not modules 1 to K in order, or for no micro-batch.
    """
    checked, count = _checked(groups, micro_batches)
    workers = [
        [
            *(step for m in range(count) for step in _each("forward", group, m)),
            *(step for m in reversed(range(count)) for step in _each("backward", group[::-1], m)),
            *_updates(group, count),
        ]
        for group in checked
    ]
    return _flushed("GPipe", workers, checked, count)


def one_forward_one_backward(groups: Sequence[Sequence[int]], micro_batches: int) -> Program:
    """1F1B: as soon as a micro-batch can come down it does (Narayanan et al. 2019, PipeDream;
    with a flush: 2021, arXiv 2006.09503).

    Worker w of W takes W - w + 1 micro-batches up before the first comes down, and then one up
    and one down by turns: it keeps that many pullbacks, however many micro-batches there are.
    Raises ValueError as ``gpipe``.
    """

    def down(place: int, group: Sequence[int], m: int) -> list[Step]:
        return _each("backward", group, m)

    return _one_up_one_down("1F1B", groups, micro_batches, down)


def zero_bubble(groups: Sequence[Sequence[int]], micro_batches: int) -> Program:
    """Zero bubble, ZB-H1: what goes down is found first, a worker's own gradients when it would
    wait (Qi et al. 2023, arXiv 2401.10241, section 2).

    As 1F1B, with backward in two halves.  Worker w puts its second halves off by w - 1
    micro-batches, so that at the end, when it waits for nobody any more, it has as many left.
    Each keeps what belongs to W micro-batches at most: the worker at the bottom does so anyway.

    Raises ValueError as ``gpipe``.
    """

    def down(place: int, group: Sequence[int], m: int) -> list[Step]:
        until = m - place + 1 if m < micro_batches - 1 else micro_batches
        own = range(max(0, m - place), until)
        return [
            *_each("backward_input", group, m),
            *(step for n in own for step in _each("backward_weights", group, n)),
        ]

    return _one_up_one_down("zero bubble", groups, micro_batches, down)


def late_truth(
    groups: Sequence[Sequence[int]], *, staleness: int = 1, keep_weights: bool = True
) -> Program:
    """True gradients that come late: nobody waits for the batch that is on its way.

    A worker for each group of modules.  Each takes a batch up, and pulls an earlier one back:
    ``staleness`` batches earlier for the worker below the last, twice that for the one below, and
    so on; the last one is prompt.  Every batch has its update.

    ``keep_weights``: pull back with the parameters that went up, kept for so long (Narayanan et
    al. 2019, PipeDream's weight stashing).  Else with those of today (delayed gradients).

    Raises ValueError if ``groups`` are not modules 1 to K in order, or ``staleness`` is below 0.
    """
    checked, _ = _checked(groups, 1)
    late = whole_number("staleness", staleness, 0)
    kept = true_or_false("keep_weights", keep_weights)
    workers = []
    for place, group in enumerate(checked):
        behind = late * (len(checked) - 1 - place)
        up = "forward_keep" if kept and behind else "forward"
        workers.append([*(Step(up, k) for k in group), *_down_and_update(group, -behind)])
    name = "late truth" if kept else "late truth, weights of today"
    return _program(name, workers, checked)


def late_feedback(groups: Sequence[Sequence[int]], *, staleness: int = 1) -> Program:
    """Direct feedback alignment with a worker for each group: the top's error comes late.

    All below the last worker take a batch up, and then pull an earlier one back, ``staleness``
    batches earlier for each worker between them and the last.

    Raises ValueError if ``groups`` are not modules 1 to K in order, or ``staleness`` is below 0.
    """
    return replace(
        late_truth(groups, staleness=staleness, keep_weights=False),
        name="direct feedback",
        wiring=chain(sum(len(group) for group in groups), "feedback"),
    )


def _checked(groups: Sequence[Sequence[int]], micro_batches: int) -> tuple[Groups, int]:
    checked = check_groups(groups, sum(len(group) for group in groups))
    return checked, whole_number("micro_batches", micro_batches, 1, 1000)


def _one_up_one_down(
    name: str,
    groups: Sequence[Sequence[int]],
    micro_batches: int,
    down: Callable[[int, Sequence[int], int], list[Step]],
) -> Program:
    """1F1B, where ``down(place, modules, m)`` is what a worker does when micro-batch m comes down.

    ``place``: that of the worker, from 0 at the bottom.  ``modules``: its own, highest first.
    """
    checked, count = _checked(groups, micro_batches)
    workers = []
    for place, group in enumerate(checked):
        ahead = min(len(checked) - place, count)
        steps = [step for m in range(ahead) for step in _each("forward", group, m)]
        for m in range(count):
            steps += down(place, group[::-1], m)
            if m + ahead < count:
                steps += _each("forward", group, m + ahead)
        workers.append([*steps, *_updates(group, count)])
    return _flushed(name, workers, checked, count)


def _each(op: str, modules: Sequence[int], batch: int) -> list[Step]:
    return [Step(op, k, batch) for k in modules]


def _down_and_update(group: Sequence[int], batch: int) -> list[Step]:
    return [Step(op, k, batch) for k in reversed(group) for op in ("backward", "update")]


def _updates(group: Sequence[int], count: int) -> list[Step]:
    """One update of each module, by the gradients of all micro-batches of the turn."""
    return [Step("update", k, count - 1, over=count) for k in reversed(group)]


def _flushed(name: str, workers: list[list[Step]], groups: Groups, count: int) -> Program:
    return replace(_program(name, workers, groups), batches_per_turn=count)


def _program(name: str, workers: list[list[Step]], groups: Groups) -> Program:
    wiring = chain(sum(map(len, groups)), "truth")
    return Program(name, wiring.modules, tuple(map(tuple, workers)), wiring=wiring)


open_doors(__name__)
