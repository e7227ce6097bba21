"""What a learner has answered: kept on the learner's own machine, shown, and asked again.

    from dnilab.lessons.progress import ask_again, progress
    progress()     # the table of notebook 00
    ask_again()    # runs all answers in the notebooks again, as at the end of notebook 14

``python -m dnilab.lessons.progress [folder]`` asks again from a terminal.  Nothing is sent
anywhere.
"""

from dnilab.lessons.progress.report import Progress, ask_again, progress

__all__ = ["Progress", "ask_again", "progress"]
