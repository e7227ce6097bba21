"""The wheel, as a release builds it, in an environment of its own: it has all that it needs."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import warnings
import zipfile
from pathlib import Path

import pytest

from tools.check_project import tracked, wheel_faults

ROOT = Path(__file__).resolve().parent.parent
NO_INDEX = "No matching distribution found for hatchling"

# Runs in the new environment, away from the sources.
TRIED = """
import importlib.metadata, pathlib, sys
import dnilab
from dnilab.experiments import Settings, run
from dnilab.lessons.playground.panel.panel import playground

place = pathlib.Path(dnilab.__file__)
assert pathlib.Path(sys.prefix) in place.parents, place
assert importlib.metadata.version("dnilab") == dnilab.__version__
small = Settings(bits=6, examples=200, test_examples=50, hidden=(8,), epochs=1)
assert run(small).reports
panel = playground(play=False)
panel.start()
panel.wait()
assert panel.png and not panel.message, panel.message
panel.close()
print("works")
"""


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command], cwd=folder, capture_output=True, text=True, timeout=300
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by pip, which fetches the build backend from the package index."""
    folder = tmp_path_factory.mktemp("wheel")
    build = (sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-cache-dir", "--retries=1")
    done = run(*build, "--wheel-dir", folder, ROOT, folder=ROOT)
    if NO_INDEX in done.stderr:
        reason = "THE WHEEL IS NOT TESTED: pip reaches no package index here"
        warnings.filterwarnings("default", message=reason)
        warnings.warn(reason, UserWarning, stacklevel=1)  # the end of the run says it, too
        pytest.skip(reason)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("dnilab-*.whl")
    return built


def test_it_holds_the_package_and_its_licences_and_nothing_else(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        assert wheel_faults(set(archive.namelist()), tracked()) == []


def test_it_works_where_only_it_and_its_dependencies_are(wheel: Path, tmp_path: Path):
    place = tmp_path / "environment"
    assert run(sys.executable, "-m", "venv", place, folder=tmp_path).returncode == 0
    python = place / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    done = run(python, "-m", "pip", "install", "--no-deps", "--no-index", wheel, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    # The dependencies are those that the tests run with: installing them again takes minutes.
    # An editable dnilab among them is not seen, since such a folder's own .pth files are not read.
    asked = (python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    packages = Path(run(*asked, folder=tmp_path).stdout.strip())
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    done = run(python, "-I", "-W", "error", "-c", TRIED, folder=tmp_path)
    assert (done.stdout, done.returncode) == ("works\n", 0), done.stderr
