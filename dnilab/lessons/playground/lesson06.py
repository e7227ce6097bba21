"""Lesson 06: a fair comparison."""

from __future__ import annotations

import numpy as np

from dnilab.exercises import Function, NotYet, Verdict, ask, checker, shape_of

FIRST_GOAL = 0.8  # asked for first: None here means that nothing has been written yet


@checker
def check_epochs_to_reach(epochs_to_reach: Function) -> Verdict:
    """Check ``epochs_to_reach(epoch, right, goal)`` -> the first epoch at which the goal is met.

    Shapes: epoch (n,), right (n,), goal one number; NaN if the goal is never met.
    """
    epoch = np.array([0.0, 0.5, 1.0, 2.5, 4.0])
    right = np.array([0.5, 0.79, 0.9, 0.78, 0.95])
    early = np.array([0.5, 0.85, 0.6, 0.7, 0.9])  # falls below the goal for long
    name = "epochs_to_reach(epoch, right, goal)"
    mistakes = {
        2.0: "it is the place in the list, not the epoch: look it up in epoch.",
        0.9: "it is the share that is right, not the epoch.",
        0.5: "the curve has come close to the goal there, and has not reached it.",
        2.5: "it is one report late.",
        4.0: "it is the last epoch that meets the goal. The curve met it before, and fell again.",
        float(np.interp(FIRST_GOAL, right[1:3], epoch[1:3])): (
            "it lies between two reports. Give the first report that meets the goal."
        ),
    }

    def at(goal: float, right: np.ndarray = right) -> float:
        answer = ask("epochs_to_reach", epochs_to_reach, epoch, right, goal)
        if answer is None and goal == FIRST_GOAL:
            raise NotYet(f"{name} is None. Replace it with your own code, then run again.")
        if shape_of(answer) != () or np.asarray(answer).dtype.kind not in "iuf":
            should = "one number, which is NaN where the goal is never met"
            raise NotYet(f"{name} is {answer!r} for the goal {goal}; it should be {should}.")
        return float(answer)

    got = at(FIRST_GOAL)
    if got != 1.0:
        hint = mistakes.get(got, "find the first epoch at which right is at least goal.")
        raise NotYet(f"{name} gives {got:g} where 1 is right: {hint}")
    got = at(FIRST_GOAL, early)
    if got != 0.5:
        hint = "A search by halves, as np.searchsorted does, works on a list that only rises."
        raise NotYet(
            f"{name} gives {got:g} where 0.5 is right, for a curve that falls again after it has "
            f"met the goal. {hint}"
        )
    if at(0.9) != 1.0:
        raise NotYet(f"{name}: a curve that is exactly at the goal has reached it.")
    if at(0.1) != 0.0:
        raise NotYet(f"{name}: the first report counts too.")
    never = at(0.99)
    if not np.isnan(never):
        raise NotYet(f"{name}: return NaN where the goal is never met; yours is {never:g}.")
    return Verdict(True, f"{name} finds the first epoch, and says NaN where there is none.")
