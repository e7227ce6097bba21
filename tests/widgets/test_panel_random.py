"""Any sequence of what a reader can do ends in the state that the controls say."""

import threading

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dnilab.lessons.playground.panel.player import Player
from dnilab.widgets import Panel, Slider, Toggle
from tests.widgets.test_panel import PNG, shown

HANG = 20.0
BAD_RUN, BAD_VIEW, LONG = 13, 17, 9


class Broken(RuntimeError):
    pass


class View:
    def update(self, snapshot):
        if snapshot[0] == BAD_VIEW:
            raise Broken("view")
        return PNG + repr(snapshot).encode()

    def picture(self, snapshot):
        raise AssertionError("only the still form asks for a whole picture")

    def sentence(self, snapshot):
        return repr(snapshot)


actions = st.lists(
    st.one_of(
        st.tuples(st.just("a"), st.sampled_from([0, 1, 2, LONG, BAD_RUN, BAD_VIEW])),
        st.tuples(st.just("slider"), st.integers(0, 20)),
        st.tuples(st.just("flag"), st.booleans()),
        st.tuples(st.sampled_from(["play", "pause", "step", "reset", "start", "wait"])),
    ),
    max_size=25,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(actions=actions, kind=st.sampled_from([Panel, Player]))
def test_any_sequence_of_control_events(nothing_left, actions, kind):
    opened, closed = [], []

    def run(values):
        opened.append(values)
        try:
            for n in range(200 if values["a"] == LONG else 3):
                if values["a"] == BAD_RUN and n == 1:
                    raise ValueError("thirteen")
                yield (values["a"], values["flag"], n)
        finally:
            closed.append(values)

    controls = {"a": Slider(0, 20, 1, 0), "flag": Toggle(False)}
    panel = kind(controls, run, View(), title="Random")
    nothing_left.append(panel)
    panel.start()
    playing = True
    for name, *value in actions:
        if name == "a":
            panel.controls["a"].value = value[0]
        elif name == "slider":
            panel.controls["a"].parts[0].value = value[0]
        elif name == "flag":
            panel.controls["flag"].value = value[0]
        elif name == "wait":
            panel.wait(HANG)
        elif hasattr(panel, name):
            getattr(panel, name)()
            playing = name == "play" or (playing and name == "start")
        workers = [t for t in threading.enumerate() if t.name == "dnilab-panel-Random"]
        assert sum(t.is_alive() for t in workers) <= 2  # one at work, one that may be ending
    panel.wait(HANG)

    a, flag = panel.values["a"], panel.values["flag"]
    assert panel.controls["a"].parts[0].value == panel.controls["a"].parts[1].value == a
    if a == BAD_VIEW:
        assert "Broken: view" in panel.message
    elif a == BAD_RUN and playing:
        assert "thirteen" in panel.message
    elif a != BAD_RUN:
        assert panel.message == ""
        assert panel.snapshot[:2] == (a, flag)
        assert shown(panel.png) == repr(panel.snapshot)
        assert panel.sentence == repr(panel.snapshot)
        if playing:
            assert panel.snapshot[2] == (199 if a == LONG else 2)
    panel.close()
    nothing_left.clear()
    assert not panel.running
    assert len(closed) == len(opened)
