"""The checkers of lesson 07: planted mistakes, and what is said to each."""

from __future__ import annotations

import pytest

from dnilab.lessons.update_orderings.lesson07 import check_reached, check_sparse_turn, reached_share
from dnilab.orderings import Step, sparse, sparse_backprop
from dnilab.orderings.programs import SparseProgram


def turn(modules, chosen):
    steps = [Step("forward_guess", k) for k in range(1, modules)] + [Step("forward", modules)]
    pulled = set()

    def pull(k):
        if k not in pulled:
            pulled.add(k)
            steps.append(Step("backward" if k == modules else "pull", k))

    for k in chosen:
        pull(k)
        steps.append(Step("update", k))
        if k < modules:
            pull(k + 1)
            steps.append(Step("fit", k))
    return steps


def without(op, module=None):
    def changed(modules, chosen):
        return [s for s in turn(modules, chosen) if s.op != op or (module and s.module != module)]

    return changed


def with_more(*more):
    return lambda modules, chosen: [*turn(modules, chosen), *more]


class TestSparseTurn:
    def test_right(self):
        assert check_sparse_turn(turn)

    def test_other_orders_are_right_as_well(self):
        def pull_first(modules, chosen):
            needed = {*chosen, *(k + 1 for k in chosen if k < modules)}
            steps = [Step("forward_guess", k) for k in range(1, modules)]
            steps.append(Step("forward", modules))
            steps += [Step("backward" if k == modules else "pull", k) for k in sorted(needed)]
            steps += [Step("update", k) for k in chosen]
            return steps + [Step("fit", k) for k in chosen if k < modules]

        assert check_sparse_turn(pull_first)

    @pytest.mark.parametrize("p", [0.1, 0.5, 1.0])
    def test_the_package_draws_such_turns(self, p):
        program = sparse(4, p=p, seed=1)
        assert isinstance(program, SparseProgram)
        for number in range(20):
            (steps,) = program.turn(number)
            assert list(steps) == turn(4, [s.module for s in steps if s.op == "update"])

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (lambda modules, chosen: None, "is None"),
            (lambda modules, chosen: [("forward", 1)], "list of steps"),
            (lambda modules, chosen: 3, "list of steps"),
            (lambda modules, chosen: 1 / 0, "stopped with ZeroDivisionError"),
            (lambda modules, chosen: [Step("forward", 1, 1)], "another batch"),
            (with_more(Step("forward_guess", 1)), "forward_guess of module 1 twice"),
            (with_more(Step("forward_update", 1)), "several things at once"),
            (without("forward"), "lets module 4 rest altogether"),
            (without("forward_guess"), "lets module 1 rest altogether"),
            (
                lambda modules, chosen: [
                    Step("forward", s.module) if s.op == "forward_guess" else s
                    for s in turn(modules, chosen)
                ],
                "without a guess",
            ),
            (with_more(Step("forward", 6)), "above the top one"),
            (without("update"), "updates the modules []; drawn were [2]"),
            (with_more(Step("update", 1)), "updates the modules [2, 1]; drawn were [2]"),
            (with_more(Step("fit", 1)), "fits the generator of module 1, though it was not drawn"),
            (with_more(Step("fit", 4)), "fits the generator of module 4, though it is the top"),
            (without("fit"), "does not fit the generator of module 2"),
            (without("pull"), "can't run. "),
            (without("backward"), "can't run. "),
            (
                lambda modules, chosen: [
                    s for s in turn(modules, chosen) if not (s.op == "pull" and s.module == 3)
                ],
                "message of module 3",
            ),
            (lambda modules, chosen: turn(modules, sorted(chosen)), "in the order [1, 3]"),
            (
                lambda modules, chosen: [
                    Step("pull", s.module) if s.op == "backward" else s
                    for s in turn(modules, chosen)
                ],
                "which has the true gradient: backward",
            ),
            (
                lambda modules, chosen: [
                    Step("backward", s.module) if s.op == "pull" else s
                    for s in turn(modules, chosen)
                ],
                "it has its own guess to pull",
            ),
            (with_more(Step("pull", 1)), "pulls a gradient through module 1"),
        ],
    )
    def test_wrong(self, answer, said):
        verdict = check_sparse_turn(answer)
        assert not verdict
        assert said in verdict.message


class TestReached:
    def test_right(self):
        assert check_reached(lambda k, modules, p: p ** (modules - k + 1))

    def test_it_is_what_the_program_does(self):
        program, turns = sparse_backprop(3, p=0.5, seed=2), 4000
        counts = dict.fromkeys((1, 2, 3), 0)
        for number in range(turns):
            for step in program.turn(number)[0]:
                if step.op == "update":
                    counts[step.module] += 1
        for k, count in counts.items():
            assert count / turns == pytest.approx(reached_share(k, 3, 0.5), abs=0.03)

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (lambda k, modules, p: None, "is None"),
            (lambda k, modules: p, "stopped with TypeError"),  # noqa: F821
            (lambda k, modules, p: p, "p for every module"),
            (lambda k, modules, p: p**k, "wrong end"),
            (lambda k, modules, p: p ** (modules - k), "itself has to take part"),
            (lambda k, modules, p: p ** (modules - k + 2), "one module too many"),
            (lambda k, modules, p: p**modules, "those below k as well"),
            (lambda k, modules, p: p * (modules - k + 1), "multiply each other"),
            (lambda k, modules, p: p / (modules - k + 1), "divides p"),
            (lambda k, modules, p: 1 - (1 - p) ** (modules - k + 1), "at least one"),
            (lambda k, modules, p: 1 - p, "differs from"),
        ],
    )
    def test_wrong(self, answer, said):
        verdict = check_reached(answer)
        assert not verdict
        assert said in verdict.message

    @pytest.mark.parametrize(("k", "modules", "p"), [(0, 3, 0.5), (4, 3, 0.5), (1, 3, 1.5)])
    def test_out_of_range(self, k, modules, p):
        with pytest.raises(ValueError, match=r"it accepts"):
            reached_share(k, modules, p)
