"""What the machines that play a reader share: a small run, and what they must leave behind."""

import threading

from hypothesis import Phase, settings
from hypothesis.stateful import RuleBasedStateMachine
from ipywidgets.widgets.widget import _instances as live_widgets

from dnilab.experiments import Settings
from dnilab.lessons.playground.experiments.comparison import Lineup

HANG = 60.0


def start_of(**changes):
    """The line-up that a machine begins with."""
    small = Settings(bits=8, test_examples=500, hidden=(6, 5), dtype="float32")
    return Lineup(small.but(**changes), 1)


class Reader(RuleBasedStateMachine):
    """Opens a panel as ``self.play``; at the end no thread and no widget of it may be left."""

    def __init__(self):
        super().__init__()
        self.threads = threading.active_count()
        self.widgets = set(live_widgets)

    def end(self):
        """Come to rest, and look for the last time."""
        self.play.wait(HANG)
        self.look()

    def teardown(self):
        if hasattr(self, "play"):
            self.end()
            self.play.close()
        assert threading.active_count() <= self.threads
        assert set(live_widgets) <= self.widgets


def in_short(examples):
    """Not made shorter where one fails: each run of a sequence takes seconds."""
    return settings(
        max_examples=examples,
        stateful_step_count=20,
        deadline=None,
        phases=(Phase.explicit, Phase.reuse, Phase.generate),
    )
