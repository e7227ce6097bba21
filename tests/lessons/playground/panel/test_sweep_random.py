"""A machine that sweeps, stops, clicks and moves in any order, and looks at what it leaves."""

import threading
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import patch

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from dnilab.lessons.playground.panel.panel import playground
from dnilab.lessons.playground.panel.sweep import SweepPart
from dnilab.lessons.playground.panel.sweep_plan import LOADED, SWEPT
from tests.lessons.playground.panel.reader import HANG, Reader, in_short, start_of

START = start_of(examples=200, epochs=1, batch_size=40)
CHOICES = {
    "across": st.sampled_from(["rate", "batch_size", "depth", "staleness"]),
    "up": st.sampled_from(["generator_rate", "rate", "p", "workers"]),
    "across from": st.sampled_from(["1", "0.1", "", "x"]),
    "across to": st.sampled_from(["2", "10", "9999"]),
    "across count": st.integers(2, 3),
    "up count": st.integers(2, 3),
    "seeds": st.integers(1, 2),
    "show": st.sampled_from(["right", "test_loss"]),
}
MOVES = {
    "ordering": st.sampled_from(["sequential", "backprop", "pipeline", "sparse"]),
    "widths": st.sampled_from(["4", "5, 3", "bad"]),
    "batch_size": st.sampled_from([1, 40, 400]),
    "rate": st.sampled_from([1e-3, 10.0]),
    "optimiser": st.sampled_from(["sgd", "adam"]),
    "over": st.sampled_from(["epochs", "seconds"]),
}


def drawn(kinds):
    return st.sampled_from(sorted(kinds)).flatmap(lambda n: st.tuples(st.just(n), kinds[n]))


class Sweeper(Reader):
    def __init__(self):
        super().__init__()
        # In the place of processes, which take their time to begin.
        self.pool = patch(f"{SweepPart.__module__}.process_pool", ThreadPoolExecutor)
        self.pool.start()

    @initialize()
    def open(self):
        self.play = playground(START, name="sweeper", play=False)
        self.play.start()
        self.part = self.play.sweep
        self.part._heading.value = True
        for at in ("across count", "up count"):
            self.part.controls[at].value = 2

    @rule(move=drawn(CHOICES))
    def choose(self, move):
        name, value = move
        self.part.controls[name].parts[0].value = value

    @rule(move=drawn(MOVES))
    def move(self, move):
        name, value = move
        self.play.controls[name].value = value

    @rule()
    def button(self):
        self.part._button.click()

    @rule()
    def start(self):
        self.part.start()

    @rule()
    def fold(self):
        self.part._heading.value = not self.part._heading.value

    # With no precondition, and no drawing from the map: what is on it hangs on the machine's speed.
    @rule(place=st.tuples(st.integers(0, 2), st.integers(0, 2)))
    def click(self, place):
        if self.part.shown is None or place not in self.part.shown.cells:
            return
        self.part._buttons[place].click()
        cell = self.part.shown.cells[place]
        if not cell.refused:
            now = self.play.values
            assert {name: now[name] for name in LOADED} == dict(cell.values)

    @rule()
    def wait(self):
        self.part.wait(HANG)
        self.look()

    @rule()
    def open_another(self):
        self.play.close()
        self.open()

    def look(self):
        """At rest, the map shows what is there."""
        part = self.part
        assert not part.running
        assert part._button.description == "Start"
        if part.shown is None:
            return
        assert not part.message or part.error is None, part.message
        for place, drawn in part.map.cells.items():
            cell = part.shown.cells[place]
            there = sum(job.key in part.rows for job in cell.jobs)
            if cell.refused:  # one that was stopped at once has not come to it
                assert drawn.words in ("refused", "not run")
            elif there == 0:
                assert drawn.words == "not run"
            elif there < part.shown.seeds:
                assert "of" in drawn.words

    @invariant()
    def few_threads(self):
        names = [t.name for t in threading.enumerate() if t.name.endswith("sweeper-sweep")]
        assert len(names) <= 1 + (not self.part.running if hasattr(self, "part") else 0)

    def end(self):
        self.part.stop()
        self.part.wait(HANG)
        self.look()

    def teardown(self):
        try:
            super().teardown()
        finally:
            self.pool.stop()


Sweeper.TestCase.settings = in_short(8)
test_any_sequence = Sweeper.TestCase
assert set(SWEPT) >= {"rate", "batch_size", "depth", "staleness", "p", "workers"}
