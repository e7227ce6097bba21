"""What a stranger can do to the page of `make playground`, and to a page inside JupyterLab."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import nbformat
import psutil
import pytest
import websocket
from jupyter_server.services.kernels.connection.base import (
    deserialize_msg_from_ws_v1,
    serialize_msg_to_ws_v1,
)
from playwright.sync_api import Browser, Page, expect

from tests.browser.server import ROOT, Lab, PublicPage, running_page

SCRIPT = 'x"><img src=q onerror="alert(document.domain)">'
PROTOCOL = "v1.kernel.websocket.jupyter.org"
IDLE = 10  # seconds, after which the kernel of a closed tab goes
PATIENCE = 180_000  # milliseconds, for a page to be there
GONE = 60  # seconds, within which it has gone


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PublicPage]:
    """The page, which ends kernels sooner than it does for readers."""
    sooner = f"--MappingKernelManager.cull_idle_timeout={IDLE}"
    more = "--MappingKernelManager.cull_interval=1"
    with running_page(tmp_path_factory.mktemp("public"), sooner, more) as page:
        yield page


def kernels(server: PublicPage | Lab) -> set[int]:
    """The processes of a server that are kernels."""
    found = set()
    for one in psutil.Process(server.group).children(recursive=True):
        try:
            if "ipykernel_launcher" in one.cmdline():
                found.add(one.pid)
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            pass
    return found


def wait_until(condition: Callable[[], bool], seconds: float = GONE) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.2)
    return condition()


def asked(address: str) -> str:
    """What a server answers: the whole page, so that its notebook has been run."""
    with urllib.request.urlopen(address, timeout=120) as reply:
        return reply.read().decode("utf-8")


@pytest.fixture(scope="module")
def in_lab(course: Lab) -> str:
    """The address of a page inside JupyterLab; it wants its parameters behind it."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("'hello'")])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, course.folder / "hello.ipynb")
    return f"{course.url}/voila/render/hello.ipynb?token={course.token}&"


@pytest.mark.parametrize("where", ["public", "in_lab"])
@pytest.mark.parametrize("name", ["theme", "template"])
def test_an_address_does_not_choose_how_the_page_is_built(
    request: pytest.FixtureRequest, where: str, name: str
):
    place = request.getfixturevalue(where)
    base = place.url + "?" if where == "public" else place
    page = asked(f"{base}{name}={quote(SCRIPT)}")
    assert "onerror" not in page
    assert 'data-jp-theme-name="JupyterLab Light"' in page
    assert "</html>" in page


def test_the_pages_themselves_ask_no_other_site(public: PublicPage, in_lab: str):
    for address in (public.url, in_lab):
        fetched = re.findall(r"""(?:src|href)=["']?(https?:[^"' >]*)""", asked(address))
        assert fetched == []


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Callable[[], Page]]:
    """A function that opens a window of its own; all are closed at the end, however it comes."""
    contexts = []

    def visitor() -> Page:
        contexts.append(browser.new_context())
        return contexts[-1].new_page()

    yield visitor
    for context in contexts:
        context.close()


def go_to_the_panel(page: Page, address: str) -> None:
    page.goto(address, timeout=PATIENCE)
    expect(page.locator(".dnilab-picture").first).to_be_visible(timeout=PATIENCE)


def test_a_visit_asks_no_other_site_and_shows_the_icons(
    visitor: Callable[[], Page], public: PublicPage
):
    page = visitor()
    hosts: set[str] = set()
    page.on("request", lambda one: hosts.add(one.url.split("/")[2]))
    refused: list[str] = []
    page.on("console", lambda one: refused.append(one.text) if one.type == "error" else None)
    go_to_the_panel(page, public.url)
    assert {host for host in hosts if host} == {public.url.split("/")[2]}
    assert [text for text in refused if "Content Security Policy" in text] == []
    icon = page.locator(".dnilab-buttons i").first
    look = icon.evaluate("one => getComputedStyle(one, '::before').content")
    family = icon.evaluate("one => getComputedStyle(one).fontFamily")
    assert look not in ("none", "normal", "")
    assert "Font" in family
    assert page.evaluate("document.fonts.ready.then(() => document.fonts.size)") > 0


def test_a_closed_tab_ends_its_kernel_and_an_open_one_keeps_it(
    visitor: Callable[[], Page], public: PublicPage
):
    assert wait_until(lambda: not kernels(public)), "kernels of other tests are left"
    reading, leaving = visitor(), visitor()
    go_to_the_panel(reading, public.url)
    (kept,) = kernels(public)
    go_to_the_panel(leaving, public.url)
    assert len(kernels(public)) == 2
    leaving.close(run_before_unload=True)
    assert wait_until(lambda: kernels(public) == {kept})
    time.sleep(3 * IDLE)  # nothing happens in the open tab, and nothing happens to it
    assert kernels(public) == {kept}
    reading.context.close()
    assert wait_until(lambda: not kernels(public))


def test_a_visit_that_is_cut_off_leaves_no_kernel(public: PublicPage):
    assert wait_until(lambda: not kernels(public)), "kernels of other tests are left"
    asked(public.url)  # the page came, and nobody ever connects to its kernel
    assert kernels(public)
    assert wait_until(lambda: not kernels(public))


def connection(public: PublicPage, *protocols: str) -> websocket.WebSocket:
    """To the kernel of a visit of its own."""
    kernel = re.search(r'"kernelId": "([0-9a-f-]+)"', asked(public.url))[1]
    address = f"{public.url.replace('http', 'ws')}api/kernels/{kernel}/channels"
    return websocket.create_connection(address, timeout=30, subprotocols=list(protocols))


def test_a_connection_of_old_is_refused(public: PublicPage):
    # Voila 0.5.13 would take its messages for others, and never serve anybody again.
    for protocols in ((), ("something else",)):
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            connection(public, *protocols)
        assert refused.value.status_code == 400
    assert "</html>" in asked(public.url)


def test_nothing_that_is_sent_names_a_file_of_the_server(public: PublicPage):
    line = connection(public, PROTOCOL)
    heard: list[bytes] = []

    def say(kind: str, content: dict[str, object]) -> None:
        header = {
            "msg_id": uuid4().hex, "username": "", "session": uuid4().hex, "version": "5.3",
            "msg_type": kind, "date": "2026-01-01T00:00:00Z",
        }  # fmt: skip
        parts = [json.dumps(part).encode() for part in (header, {}, {}, content)]
        line.send_binary(serialize_msg_to_ws_v1(parts, "shell"))

    def hear(kind: str) -> dict[str, object]:
        while True:
            heard.append(line.recv())
            _, parts = deserialize_msg_from_ws_v1(heard[-1])
            if json.loads(parts[0])["msg_type"] == kind:
                return json.loads(parts[3])

    say("comm_info_request", {"target_name": "jupyter.widget"})
    widgets = list(hear("comm_info_reply")["comms"])
    assert len(widgets) > 100
    for widget in widgets:  # no widget takes all of these
        state = {"value": {"no": "value"}, "layout": 3, "max": "x", "options": 7, "icon": []}
        say("comm_msg", {"comm_id": widget, "data": {"method": "update", "state": state}})
    say("comm_info_request", {"target_name": "jupyter.widget"})
    hear("comm_info_reply")
    line.close()
    sent = b"".join(heard)
    assert str(ROOT).encode() not in sent
    assert b"site-packages" not in sent
    assert b"Traceback" not in sent


def test_what_is_not_sent_is_in_the_log_of_the_server(tmp_path: Path):
    with running_page(tmp_path) as page:
        line = connection(page, PROTOCOL)
        header = {"msg_id": "1", "username": "", "session": "1", "version": "5.3"}
        header |= {"msg_type": "comm_msg", "date": "2026-01-01T00:00:00Z"}
        content = {"comm_id": "none", "data": {}}
        parts = [json.dumps(part).encode() for part in (header, {}, {}, content)]
        line.send_binary(serialize_msg_to_ws_v1(parts, "shell"))
        log = tmp_path / "server.log"
        assert wait_until(lambda: "Not sent to the visitor" in log.read_text("utf-8"))
        line.close()
