"""JupyterLab and Voila, started as `make` starts them, and always stopped."""

from __future__ import annotations

import os
import secrets
import shlex
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

ROOT = Path(__file__).resolve().parent.parent.parent
START_TIMEOUT = 90  # seconds, for it to answer
STOP_TIMEOUT = 20  # seconds, for it and its kernels to go by themselves


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab: where it is, its token, the folder that it serves, its processes."""

    url: str
    token: str
    folder: Path
    group: int

    def link(self, notebook: str) -> str:
        """The address of a notebook, named as seen from the folder; other tabs are closed."""
        return f"{self.url}/lab/tree/{notebook}?reset&token={self.token}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def private_settings(folder: Path) -> dict[str, str]:
    """Environment variables that keep the visitor's own Jupyter out, and ours out of theirs."""
    return {
        name: str(folder / name.lower())
        for name in (
            "JUPYTER_CONFIG_DIR",
            "JUPYTER_DATA_DIR",
            "JUPYTER_RUNTIME_DIR",
            "JUPYTERLAB_SETTINGS_DIR",
            "JUPYTERLAB_WORKSPACES_DIR",
            "IPYTHONDIR",
        )
    }


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return reply.status == 200
    except (URLError, ConnectionError, TimeoutError):
        return False


def alive(group: int) -> bool:
    """Whether any process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def stop(server: subprocess.Popen[bytes]) -> None:
    """Stop make, JupyterLab and its kernels: politely, then at once."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if alive(server.pid):
            os.killpg(server.pid, number)
        deadline = time.monotonic() + STOP_TIMEOUT
        while time.monotonic() < deadline:
            server.poll()  # a child that has ended counts as alive until it is asked
            if not alive(server.pid):
                return
            time.sleep(0.1)


@contextmanager
def made(
    target: str, variable: str, arguments: list[str], private: Path, up: Callable[[str], bool]
) -> Iterator[int]:
    """`make target`, until the caller is done; the number of its process group.

    ``variable``: of the Makefile, which hands the arguments on.  ``up``: whether it answers, given
    what it has said so far.
    """
    log = private / "server.log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            ["make", target, f"{variable}={' '.join(arguments)}"],
            cwd=ROOT,
            env={**os.environ, **private_settings(private)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + START_TIMEOUT
            while not up(said := log.read_text("utf-8", "replace")):
                if server.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"`make {target}` did not start:\n{said}")
                time.sleep(0.2)
            yield server.pid
        finally:
            stop(server)


@contextmanager
def running_lab(folder: Path, private: Path) -> Iterator[Lab]:
    """`make lab`, serving `folder`, until the caller is done."""
    port, token = free_port(), secrets.token_hex(16)
    url = f"http://localhost:{port}"
    arguments = [
        "--no-browser",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={shlex.quote(str(folder))}",
        "--LabApp.expose_app_in_browser=True",  # the tests ask it whether a kernel is idle
    ]

    def up(_: str) -> bool:
        return answers(f"{url}/api/status?token={token}")

    with made("lab", "LAB_ARGS", arguments, private, up) as group:
        yield Lab(url, token, folder, group)


@contextmanager
def running_playground(private: Path) -> Iterator[str]:
    """`make playground`, until the caller is done; its address."""
    with running_page(private) as page:
        yield page.url


@dataclass(frozen=True)
class PublicPage:
    """A running `make playground`: where it is, and its processes."""

    url: str
    group: int


@contextmanager
def running_page(private: Path, *arguments: str) -> Iterator[PublicPage]:
    """`make playground` with more arguments for Voila, until the caller is done."""
    port = free_port()

    def up(said: str) -> bool:
        return "Voilà is running at" in said  # asking for the page would start a kernel each time

    given = ["--no-browser", f"--port={port}", *arguments]
    with made("playground", "VOILA_ARGS", given, private, up) as group:
        yield PublicPage(f"http://localhost:{port}/", group)
