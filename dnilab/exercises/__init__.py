"""Exercises: for each lesson a checker that says what is wrong, not just that it is.

    from dnilab.lessons.synthetic_gradients import lesson01
    lesson01.check_...(my_function)

A checker calls what the learner wrote on small random arrays and compares.  It never raises for a
wrong answer: an error inside the learner's function becomes a sentence too.
"""

from dnilab.exercises.feedback import Verdict, judge
