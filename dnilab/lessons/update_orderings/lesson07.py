"""Lesson 07: a turn in which only some modules update, and how often a module is reached."""

from __future__ import annotations

from typing import Any

from dnilab.checks import real_number, whole_number
from dnilab.exercises import Function, NotYet, Verdict, ask, checker, judge_numbers
from dnilab.orderings import IllegalProgram, Program, Step, check

TURNS = ((4, (2,)), (4, (3, 1)), (4, (1, 2)), (5, (5, 3, 4)), (3, ()), (4, (4, 1, 3, 2)))
"""Modules, and which of them update, in which order."""


@checker
def check_sparse_turn(sparse_turn: Function) -> Verdict:
    """Check ``sparse_turn(modules, chosen)`` -> the steps of a turn, a list of ``Step``.

    All modules go forward; those below the top guess.  Each module in ``chosen`` updates once, in
    that order, and those below the top fit their generator.  No module does anything else, but
    that the module above a fit answers with its message.
    """
    for modules, chosen in TURNS:
        got = ask("sparse_turn", sparse_turn, modules, chosen)
        wrong = _what_is_wrong(got, modules, chosen)
        if wrong:
            raise NotYet(f"sparse_turn({modules}, {chosen}) {wrong}")
    return Verdict(True, "every turn can run, and does what was drawn and nothing else.")


def _what_is_wrong(got: Any, modules: int, chosen: tuple[int, ...]) -> str:
    """What is wrong with the steps of a turn, in words; "" if nothing is."""
    if got is None:
        return "is None. Replace it with your own code, then run again."
    if not isinstance(got, (list, tuple)) or not all(isinstance(step, Step) for step in got):
        return "should be a list of steps, as Step('forward_guess', 1)."
    if any(step.batch != 0 or step.alone for step in got):
        return "has a step of another batch, or one that runs alone; no step needs that here."
    pairs = [(step.op, step.module) for step in got]
    if len(set(pairs)) < len(pairs):
        twice = next(pair for pair in pairs if pairs.count(pair) > 1)
        return (
            f"runs {twice[0]} of module {twice[1]} twice. A message that was pulled once is there."
        )
    unknown = {op for op, _ in pairs} - {
        *("forward", "forward_guess", "pull", "backward", "update", "fit")
    }
    if unknown:
        return f"has {sorted(unknown)[0]}, which does several things at once; take it apart."
    went = {k for op, k in pairs if op in ("forward", "forward_guess")}
    silent = [k for k in range(1, modules + 1) if k not in went]
    if silent:
        return f"lets module {silent[0]} rest altogether. All modules go forward."
    deaf = [k for k in range(1, modules) if ("forward_guess", k) not in pairs]
    if deaf:
        return f"lets module {deaf[0]} go forward without a guess: use forward_guess."
    if any(step.module > modules for step in got):
        return f"has a module above the top one, which is {modules}."
    if ("pull", modules) in pairs:
        return f"pulls a guess through module {modules}, which has the true gradient: backward."
    waiting = [k for op, k in pairs if op == "backward" and k < modules]
    if waiting:
        return f"sends module {waiting[0]} backward from a message; it has its own guess to pull."
    updated = [k for op, k in pairs if op == "update"]
    if sorted(updated) != sorted(chosen):
        return f"updates the modules {updated}; drawn were {list(chosen)}."
    fitted = {k for op, k in pairs if op == "fit"}
    wanted = {k for k in chosen if k < modules}
    if fitted - wanted:
        why = "it is the top one" if modules in fitted else "it was not drawn"
        return f"fits the generator of module {max(fitted - wanted)}, though {why}."
    if wanted - fitted:
        return f"does not fit the generator of module {min(wanted - fitted)}, which was drawn."
    try:
        check(Program("yours", modules, (tuple(got),)))
    except IllegalProgram as error:
        return f"can't run. {error}. Who makes it, and when?"
    if updated != list(chosen):
        return f"updates in the order {updated}; drawn was {list(chosen)}."
    asked = wanted | set(chosen) | {k + 1 for k in wanted}
    pulled = {k for op, k in pairs if op in ("pull", "backward")}
    if pulled - asked:
        return f"pulls a gradient through module {min(pulled - asked)}, and nobody asked for it."
    return ""


def reached_share(k: int, modules: int, p: float) -> float:
    """Share of batches on which module k of K = ``modules`` updates, in sparse backpropagation.

    The gradient has to come through all of k, k + 1, ..., K, each with probability p.
    """
    whole_number("k", k, 1, whole_number("modules", modules, 1))
    return real_number("p", p, 0, 1) ** (modules - k + 1)


@checker
def check_reached(reached: Function) -> Verdict:
    """Check ``reached(k, modules, p)``, the share of batches on which module k updates."""
    cases = [(k, modules, p) for modules in (4, 5) for p in (0.1, 0.3) for k in range(1, modules)]

    def rule(k: int, modules: int, p: float) -> tuple[float, dict[str, float]]:
        through = modules - k + 1
        return reached_share(k, modules, p), {
            "it is p for every module. That is so with synthetic gradients; here the gradient "
            "has to come down through the modules above.": p,
            "it counts from the wrong end: the gradient comes from the top.": p**k,
            "it forgets that module k itself has to take part.": p ** (through - 1),
            "it counts one module too many.": p ** (through + 1),
            "it asks that all modules take part, those below k as well.": p**modules,
            "it multiplies p by the number of modules: probabilities of independent draws "
            "multiply each other.": p * through,
            "it divides p by the number of modules: probabilities of independent draws multiply "
            "each other.": p / through,
            "it is the chance that at least one of the modules takes part. All of them have to.": 1
            - (1 - p) ** through,
        }

    return judge_numbers("reached(k, modules, p)", reached, cases, rule)
