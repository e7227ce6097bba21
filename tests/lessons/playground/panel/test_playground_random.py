"""A machine that does what readers do, in any order, and looks at what it leaves."""

import threading

from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    rule,
)

from dnilab.experiments.settings import ORDERINGS
from dnilab.lessons.playground.experiments.comparison import BESIDE
from dnilab.lessons.playground.panel.choices import SHOWN, lineup_of
from dnilab.lessons.playground.panel.panel import playground
from tests.lessons.playground.panel.reader import HANG, Reader, in_short, start_of

START = start_of(examples=300, epochs=2, batch_size=30)
MOVES = {
    "ordering": st.sampled_from(ORDERINGS),
    "generator": st.sampled_from(["none", "linear", "hidden layer"]),
    "depth": st.integers(1, 4),
    "widths": st.sampled_from(["4", "5, 3", "6 6 6", "bad", ""]),
    "workers": st.integers(1, 4),
    "staleness": st.integers(0, 4),
    "p": st.sampled_from([0.05, 0.5, 1.0]),
    "batch_norm": st.booleans(),
    "batch_size": st.sampled_from([1, 30, 300, 400]),
    "rate": st.sampled_from([1e-3, 10.0]),
    "optimiser": st.sampled_from(["sgd", "adam"]),
    "epochs": st.integers(1, 4),
    "seeds": st.integers(1, 2),
    "bits": st.sampled_from([4, 8]),
    "sees h": st.booleans(),
    "sees y": st.booleans(),
    "over": st.sampled_from(["epochs", "seconds"]),
    "show": st.sampled_from(["right", "loss", "test loss"]),
    "below": st.sampled_from(["cosine", "timeline", "network", "nothing"]),
    "moment": st.integers(1, 12),
    **{f"beside {name}": st.booleans() for name in BESIDE},
}
moves = st.sampled_from(sorted(MOVES)).flatmap(lambda n: st.tuples(st.just(n), MOVES[n]))


class AnyReader(Reader):
    @initialize(play=st.booleans())
    def open(self, play):
        self.play = playground(START, name="machine", play=play)
        self.play.start()

    @rule(move=moves)
    def move(self, move):
        name, value = move
        self.play.controls[name].value = value

    @rule(move=moves)
    def move_in_the_browser(self, move):
        name, value = move
        self.play.controls[name].parts[-1].value = value

    @rule(button=st.sampled_from(["_play_button", "_step_button", "_reset_button"]))
    def click(self, button):
        getattr(self.play, button).click()

    @rule()
    def pin(self):
        self.play._pin_buttons[0].click()

    @rule()
    def pin_all(self):
        if len(self.play.pins) < 8:
            self.play.pin_all()

    @rule()  # with no precondition: when there are pins depends on the machine's speed
    def remove(self):
        self.play._remove_button.click()

    @rule(text=st.sampled_from([START.text, "dnilab(epochs=0)", "what?"]))
    def paste(self, text):
        self.play.string.parts[0].value = text

    @rule()
    def wait(self):
        self.play.wait(HANG)
        self.look()

    def look(self):
        """At rest, what is shown is what the controls say."""
        play = self.play
        try:
            lineup = lineup_of(play.values)
        except ValueError as error:
            said = str(error)
        else:
            said = ""
        if said:
            assert said.rstrip(".") in play.message
            return
        assert play.text == lineup.text
        if not play.error:
            assert play.snapshot.lineup == lineup
            assert play.png.startswith(b"\x89PNG")
            assert play.sentence

    @invariant()
    def few_threads(self):
        names = [t.name for t in threading.enumerate() if t.name == "dnilab-panel-machine"]
        assert len(names) <= 2  # one at work, one that may be ending

    @invariant()
    def parts_agree(self):
        if hasattr(self, "play"):
            for control in self.play.controls.values():
                for part in control.parts[1:]:
                    assert part.value == control.value


AnyReader.TestCase.settings = in_short(15)
test_any_sequence = AnyReader.TestCase
assert set(MOVES) >= set(SHOWN)
