"""Lesson 14: which way is ahead?  A decision for each case, and why another one loses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dnilab.exercises import NotYet, Verdict, checker
from dnilab.lessons.race.experiments.contestants import IN_LINE
from dnilab.lessons.race.experiments.decisions import CASES, WAYS, Case


@checker
def check_decisions(answers: Any) -> Verdict:
    """Check a dict with one of ``WAYS`` for each case: the way that reaches an accuracy first."""
    if not isinstance(answers, Mapping):
        kind = type(answers).__name__
        raise NotYet(f"answers is {kind}; it should be a dict with a way for each case.")
    unknown = [name for name in answers if name not in CASES]
    if unknown:
        raise NotYet(f"answers has {unknown[0]!r}; the cases are {', '.join(CASES)}.")
    for name, case in CASES.items():
        _judge(name, case, answers.get(name))
    return Verdict(True, "your answers agree with the ideal timeline in all four cases.")


def _judge(name: str, case: Case, answer: Any) -> None:
    if answer is None or answer == "":
        raise NotYet(f"case {name} has no answer. Take one of {', '.join(WAYS)}.")
    way = " ".join(answer.split()).lower() if isinstance(answer, str) else answer
    by_name = {one.lower(): one for one in WAYS}
    if way not in by_name:
        raise NotYet(f"case {name}: {answer!r} is not in the race. Take one of {', '.join(WAYS)}.")
    way = by_name[way]
    if way != case.ahead:
        at = case.speeds[way]
        raise NotYet(
            f"case {name}: {_why(way, case)} That makes its speed {at:.2f}, and another way has "
            f"{case.speeds[case.ahead]:.2f}."
        )


def _why(way: str, case: Case) -> str:
    """Why this way is behind."""
    more = case.more.get(way, 1.0)
    if way == IN_LINE:
        return f"in line {case.machines - 1} of {case.machines} machines have nothing to do."
    if way == "1F1B":
        return (
            f"1F1B waits for {2 * (case.machines - 1)} messages in each batch, one after the other."
        )
    if case.of_a_batch[way] < 1:
        late = "1 batch" if case.staleness == 1 else f"{case.staleness} batches"
        return f"the messages are on their way for longer than {late}, so the machines wait."
    quick = f"a batch of the {way} is quick ({case.of_a_batch[way]:.2f})"
    return f"{quick}, but it needs {more:g} times the batches."
