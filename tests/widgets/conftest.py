"""No panel test may leave a thread or a widget behind."""

import threading

import pytest
from ipywidgets.widgets.widget import _instances as live_widgets


def panel_threads():
    return [t for t in threading.enumerate() if t.name.startswith("dnilab-panel")]


@pytest.fixture(autouse=True)
def nothing_left():
    threads, before = threading.active_count(), set(live_widgets)
    opened = []
    yield opened
    for panel in opened:
        panel.close()
    assert panel_threads() == []
    assert threading.active_count() <= threads
    if opened:
        assert set(live_widgets) <= before
