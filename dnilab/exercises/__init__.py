"""Exercises: for each lesson a checker that says what is wrong, not just that it is.

    from dnilab.lessons.synthetic_gradients import lesson01
    lesson01.check_...(my_function)

A checker calls what the learner wrote on small random arrays and compares.  It never raises for a
wrong answer: an error inside the learner's function becomes a sentence too.

A checker is a function under ``@checker``.  It says what is right, and which wrong answers are
likely; ``judge_call`` does the rest, and ``judge_numbers`` where the answer is one number.
"""

from dnilab.exercises.asking import (
    Function,
    NotYet,
    ask,
    checker,
    judge_call,
    judge_numbers,
    require,
    shape_of,
)
from dnilab.exercises.feedback import Verdict, judge
