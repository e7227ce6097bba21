"""What a student takes: memory and processor time, for docs/scaling.md.

    python -m benchmarks.footprint [--json] [--idle SECONDS] [--notebooks]

Four kinds of process, each on its own: a JupyterLab server with nobody on it; a kernel that runs
NumPy and nothing else, to compare with; a kernel that imports the course, opens the playground
and lets its first comparison run to the end; and a worker of a sweep, after one run, in a pool
and on a Dask cluster.  With --notebooks also the kernel of each notebook, run from its first cell
to its last, which takes some minutes.

Memory is resident, in megabytes (10^6 bytes): "now" when it was looked at, "peak" the most so
far.  What processes share, such as the code of libraries, is counted in each.  The figures are
read from /proc, so this runs on Linux.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import URLError

from jupyter_client.manager import start_new_kernel

from benchmarks.harness import finish, options
from dnilab.experiments import Settings, run
from dnilab.lessons.many_machines.training import cluster
from dnilab.lessons.playground.sweeps import process_pool

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 120  # seconds for a server to answer, or for a cell to end
ENVIRONMENT = {  # as binder/start sets it
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
NUMPY = "import numpy as np; np.ones(2) @ np.ones(2)"
PLAYGROUND = """
from dnilab.lessons.playground.panel.panel import playground
play = playground()
play.start()
play.wait()
assert play.message == "", play.message
"""
SMALL = Settings(examples=2000, epochs=2)
TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def memory(pid: int | str = "self") -> dict[str, float]:
    """Resident memory of a process in MB: "now" and "peak".

    Raises ValueError where there is no /proc.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines()
    except FileNotFoundError:
        raise ValueError(
            f"pid is {pid!r}; memory accepts a process that runs, on a system with /proc"
        ) from None
    told = dict(line.split(":", 1) for line in lines)

    def megabytes(name: str) -> float:
        return int(told[name].split()[0]) * 1024 / 1e6  # "123456 kB", which are of 1024 bytes

    return {"now MB": megabytes("VmRSS"), "peak MB": megabytes("VmHWM")}


def processor_seconds(pid: int | str = "self") -> float:
    """Processor time that a process has taken so far, its children's that have ended as well."""
    # The name of the command, in brackets, may hold anything: count from behind it.
    fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS


def of_kernel(*cells: str, folder: Path = ROOT) -> dict[str, float]:
    """Start a kernel in ``folder``, run cells, and look at it; it is ended afterwards.

    Raises RuntimeError with what the cell said, if it fails.
    """
    manager, client = start_new_kernel(
        kernel_name="python3",
        cwd=str(folder),
        env={**os.environ, **ENVIRONMENT},
        stderr=subprocess.DEVNULL,  # a kernel of its own says that it is not encrypted
    )
    try:
        for code in cells:
            reply = client.execute_interactive(
                code, timeout=PATIENCE, output_hook=lambda message: None, allow_stdin=False
            )["content"]
            if reply["status"] != "ok":
                raise RuntimeError(f"the cell failed: {reply['ename']}: {reply['evalue']}")
        provisioner = manager.provisioner
        assert provisioner is not None
        pid = provisioner.pid  # type: ignore[attr-defined]
        return {**memory(pid), "processor s": processor_seconds(pid)}
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def of_server(idle: float) -> dict[str, float]:
    """Start JupyterLab, wait until it answers, leave it alone for ``idle`` seconds, and look.

    "idle cores": the processor time that it takes meanwhile, in cores.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    with tempfile.TemporaryDirectory() as private:
        own = {
            name: str(Path(private) / name.lower())
            for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
        }
        command = [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1"),
            *(f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}"),
            *(f"--ServerApp.root_dir={ROOT}", "--allow-root"),
        ]
        server = subprocess.Popen(
            command,
            env={**os.environ, **ENVIRONMENT, **own},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}/api/status?token={token}", server)
            before = processor_seconds(server.pid)
            time.sleep(idle)
            after = processor_seconds(server.pid)
            return {
                **memory(server.pid),
                "processor s": before,
                "idle cores": (after - before) / idle,
            }
        finally:
            server.terminate()
            server.wait(PATIENCE)


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (URLError, ConnectionError, TimeoutError):
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("JupyterLab did not start") from None
            time.sleep(0.2)


def of_notebook(path: Path) -> dict[str, float]:
    """The kernel of a notebook, when its last cell has run; the panels as still pictures."""
    notebook = json.loads(path.read_text("utf-8"))
    cells = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    still = "import os; os.environ['DNILAB_STATIC'] = '1'"
    return of_kernel(still, *cells, folder=path.parent)


def after_a_run(settings: Settings) -> dict[str, float]:
    """What the process that runs this takes, once it has made a run."""
    run(settings)
    return {**memory(), "processor s": processor_seconds()}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--idle", type=float, default=10.0, help="seconds of doing nothing")
    parser.add_argument("--notebooks", action="store_true", help="run all notebooks as well")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = [
        {"process": "JupyterLab server, idle", **of_server(arguments.idle)},
        {"process": "kernel with NumPy", **of_kernel(NUMPY)},
        {"process": "kernel with the playground", **of_kernel(PLAYGROUND)},
    ]
    with process_pool(1) as pool:
        rows.append({"process": "worker of a pool", **pool.submit(after_a_run, SMALL).result()})
    with cluster(workers=1) as client:
        found = client.submit(after_a_run, SMALL, pure=False).result()
        rows.append({"process": "worker of a cluster", **found})
    student = sum(rows[n]["peak MB"] for n in (0, 2))
    if arguments.notebooks:
        for path in sorted(ROOT.glob("notebooks/*.ipynb")):
            rows.append({"process": f"kernel of notebook {path.stem[:2]}", **of_notebook(path)})
    summary = {"a student: server and playground, peak MB": student}
    if arguments.json:
        finish(arguments, {"footprint": rows, **summary}, [])
        return
    for row in rows:
        row.setdefault("idle cores", "")
    finish(arguments, {}, rows)
    print(json.dumps(summary)[1:-1].replace('"', ""))


if __name__ == "__main__":
    main()
