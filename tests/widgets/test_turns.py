"""A panel where no thread can start: its worker takes turns with the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from dnilab.widgets import Panel, Slider
from tests.conftest import panel_threads
from tests.widgets.test_panel import HANG, TextView, count_up, shown

pytestmark = pytest.mark.usefixtures("in_a_browser")
Make = Callable[..., Panel[Any]]


@pytest.fixture
def make(nothing_left: list[Any]) -> Make:
    def make(run: Any = count_up, **more: Any) -> Panel[Any]:
        controls = {"a": Slider(0, 99, 1, 1), "n": Slider(1, 50, 1, 3)}
        panel: Panel[Any] = Panel(controls, run, TextView(), title="Test", **more)
        nothing_left.append(panel)
        return panel

    return make


async def at_rest(panel: Panel[Any]) -> None:
    """Let the event loop go round until the panel has nothing to do."""
    async with asyncio.timeout(HANG):
        while panel.running:
            await asyncio.sleep(0)


def test_it_runs_while_the_event_loop_goes_round_and_follows_its_controls(make: Make) -> None:
    async def visit() -> None:
        panel = make()
        panel.start()
        assert panel.png == b""  # it has not had its turn
        await at_rest(panel)
        assert (shown(panel.png), panel.sentence) == ("(1, 2)", "This is (1, 2).")
        assert panel._image.value == panel.png
        panel.controls["a"].value = 7
        await at_rest(panel)
        assert shown(panel.png) == "(7, 2)"
        assert panel_threads() == []
        panel.close()

    asyncio.run(visit())


def test_others_have_their_turn_between_two_snapshots(make: Make) -> None:
    heard: list[tuple[int, int]] = []

    async def visit() -> None:
        panel = make()

        async def reader() -> None:
            while not panel.running:
                await asyncio.sleep(0)
            panel.controls["n"].value = 50  # stale from here on
            while panel.running:
                heard.append(panel.snapshot)
                await asyncio.sleep(0)

        reading = asyncio.ensure_future(reader())
        panel.start()
        await reading
        assert shown(panel.png) == "(1, 49)"
        panel.close()

    asyncio.run(visit())
    assert len(heard) > 50


def test_to_wait_for_it_is_to_do_what_is_left(make: Make) -> None:
    async def visit() -> None:
        panel = make()
        panel.start()
        panel.wait(HANG)
        assert shown(panel.png) == "(1, 2)"
        assert not panel.running
        panel.controls["a"].value = 5
        panel.wait(HANG)
        await at_rest(panel)  # its task ends by itself
        assert shown(panel.png) == "(5, 2)"
        panel.close()

    asyncio.run(visit())


def test_waiting_ends_in_time(make: Make) -> None:
    def for_ever(values: dict[str, Any]) -> Any:
        while True:
            yield values["a"]

    async def visit() -> None:
        panel = make(for_ever)
        panel.start()
        with pytest.raises(TimeoutError, match="still runs after"):
            panel.wait(0.2)
        assert shown(panel.png) == "1"
        panel.close()
        assert not panel.running

    asyncio.run(visit())


def test_closing_it_closes_its_run(make: Make) -> None:
    closed: list[int] = []

    def run(values: dict[str, Any]) -> Any:
        try:
            yield from range(10**9)
        finally:
            closed.append(values["a"])

    async def visit() -> None:
        panel = make(run)
        panel.start()
        while panel.snapshot is None:
            await asyncio.sleep(0)
        panel.controls["a"].value = 2
        while closed != [1]:
            await asyncio.sleep(0)
        while panel.snapshot is None or panel.values["a"] != 2:
            await asyncio.sleep(0)
        panel.close()
        assert not panel.running

    asyncio.run(visit())
    assert closed in ([1], [1, 2])  # the second may not have begun


def test_an_error_is_told_and_the_next_change_works(make: Make) -> None:
    def run(values: dict[str, Any]) -> Any:
        if values["a"] == 1:
            raise ValueError("a is 1.")
        return [values["a"]]

    async def visit() -> None:
        panel = make(run)
        panel.start()
        await at_rest(panel)
        assert panel.message.startswith("This setting cannot be run. a is 1.")
        panel.controls["a"].value = 2
        await at_rest(panel)
        assert (panel.message, shown(panel.png)) == ("", "2")
        panel.close()

    asyncio.run(visit())


def test_a_run_that_closes_its_own_panel_does_not_hang(make: Make) -> None:
    panels: list[Panel[Any]] = []

    def run(values: dict[str, Any]) -> Any:
        yield 1
        with pytest.warns(RuntimeWarning, match="will end at its next one"):
            panels[0].close()
        yield 2

    async def visit() -> None:
        panels.append(make(run))
        panels[0].start()
        await at_rest(panels[0])

    asyncio.run(visit())
    assert not panels[0].running
