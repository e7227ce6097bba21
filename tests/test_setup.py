"""The set-up says the same thing everywhere: pins, licences, Binder, and the Makefile."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import dnilab
from tools import check_python, update_pins

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

needs_make = pytest.mark.skipif(
    shutil.which("make") is None, reason="there is no make here: on Windows conda is used instead"
)


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def pins(lines: list[str]) -> dict[str, str]:
    """{normalised name: version} of `name==version` lines."""
    found = {}
    for line in lines:
        name, version = line.split("==")
        found[canonicalize_name(name)] = version
    return found


CONSTRAINTS = pins(
    [line for line in read("constraints.txt").split("\n") if line and line[0] != "#"]
)
RUNTIME = [Requirement(line) for line in PROJECT["dependencies"]]
CLUSTER = [Requirement(line) for line in PROJECT["optional-dependencies"]["cluster"]]
INSTALLED_BY_MAKE = [Requirement(line) for line in update_pins.requirements(PROJECT)]


def environment() -> tuple[list[str], list[str]]:
    """The conda packages and the pip packages of environment.yml."""
    dependencies = yaml.safe_load(read("environment.yml"))["dependencies"]
    conda = [entry for entry in dependencies if isinstance(entry, str)]
    (pip,) = [entry["pip"] for entry in dependencies if isinstance(entry, dict)]
    return conda, pip


class TestPins:
    def test_binder_has_a_copy_of_the_environment(self):
        # With a folder binder/, repo2docker ignores the environment.yml above it.
        copy = ROOT / "binder" / "environment.yml"
        assert not copy.is_symlink()
        assert copy.read_bytes() == (ROOT / "environment.yml").read_bytes()

    def test_environment_pins_what_the_course_needs_and_nothing_else(self):
        _, pip = environment()
        assert set(pins(pip)) == {canonicalize_name(need.name) for need in RUNTIME + CLUSTER}

    def test_environment_and_constraints_agree(self):
        _, pip = environment()
        for name, version in pins(pip).items():
            assert CONSTRAINTS[name] == version, name

    def test_every_pin_satisfies_pyproject(self):
        for need in INSTALLED_BY_MAKE:
            assert need.specifier.contains(CONSTRAINTS[canonicalize_name(need.name)]), need

    def test_every_dependency_has_a_lower_bound_only(self):
        extras = PROJECT["optional-dependencies"]
        for name, lines in [("", PROJECT["dependencies"]), *extras.items()]:
            # a kernel for browsers goes with one Pyodide
            only = "==" if name == "lite" else ">="
            for need in map(Requirement, lines):
                assert [clause.operator for clause in need.specifier] == [only], need

    def test_every_dependency_has_its_reason_next_to_it(self):
        block = re.search(r"^dependencies = .*?^\[tool", read("pyproject.toml"), re.S | re.M)
        lines = block[0].split("\n")
        for number, line in enumerate(lines):
            if re.match(r'\s+"[a-z0-9-]+>=', line):
                above = lines[number - 1].strip()
                assert "  # " in line or above.startswith("# "), f"no reason next to {line.strip()}"

    def test_environment_names_one_python_that_is_supported(self):
        conda, _ = environment()
        assert "pip" in conda  # conda warns where packages from pip are asked for without it
        (python,) = [entry for entry in conda if entry.startswith("python")]
        version = re.fullmatch(r"python=(3\.\d+)", python)[1]  # repo2docker reads no range
        assert Requirement(f"x{PROJECT['requires-python']}").specifier.contains(version)

    def test_oldest_python_is_the_same_everywhere(self):
        oldest = ".".join(str(part) for part in check_python.OLDEST)
        assert PROJECT["requires-python"] == f">={oldest}"
        assert f"{oldest}.0" == update_pins.OLDEST_PYTHON
        ruff = tomllib.loads(read("pyproject.toml"))["tool"]["ruff"]
        assert ruff["target-version"] == "py" + oldest.replace(".", "")

    def test_updating_replaces_every_pin_and_nothing_else(self):
        text = "  - python=3.12\n  - pip:\n      - NumPy==1.0\n      - scikit_learn==1.0\n"
        found = update_pins.with_pins(text, {"numpy": "2.5", "scikit-learn": "3.0"})
        expected = text.replace("NumPy==1.0", "NumPy==2.5")
        assert found == expected.replace("scikit_learn==1.0", "scikit_learn==3.0")

    def test_no_registry_is_named(self):
        # Where packages come from is the machine's business.
        for name in ("constraints.txt", "environment.yml", "pyproject.toml", "Makefile"):
            for option in ("--index-url", "--extra-index-url", "--find-links", "file://"):
                assert option not in read(name), name


@pytest.fixture(scope="module")
def dockerfile(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What Binder would build, as repo2docker writes it. This needs no Docker engine."""
    if sys.platform == "win32":
        pytest.skip("repo2docker does not run on Windows")
    # Only what decides the build is copied: repo2docker looks into every file it is given.
    folder = tmp_path_factory.mktemp("repository")
    shutil.copytree(ROOT / "binder", folder / "binder")
    for name in ("environment.yml", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug"]
    done = subprocess.run(
        [*command, "--user-id", "1000", "--user-name", "student", str(folder)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


class TestBinder:
    def test_is_a_conda_build_from_our_environment(self, dockerfile: str):
        conda, _ = environment()
        assert f"Building conda environment for {conda[0]}\n" in dockerfile
        assert '--file "binder/environment.yml"' in dockerfile

    def test_runs_our_scripts(self, dockerfile: str):
        assert "\nRUN ./binder/postBuild\n" in dockerfile
        assert '\nENV R2D_ENTRYPOINT="${REPO_DIR}/binder/start"\n' in dockerfile

    def test_environment_is_built_before_the_repository_is_copied(self, dockerfile: str):
        # So that a new notebook does not have everything installed again.
        assert dockerfile.index("env update") < dockerfile.index("COPY --chown=1000:1000 src/ ")

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no execute permission")
    @pytest.mark.parametrize("name", ["postBuild", "start"])
    def test_scripts_can_run(self, name: str):
        path = ROOT / "binder" / name
        assert path.stat().st_mode & stat.S_IXUSR
        assert path.read_bytes().startswith(b"#!/bin/bash\n")
        assert b"\r" not in path.read_bytes()

    @pytest.mark.skipif(sys.platform == "win32", reason="a bash script")
    def test_start_limits_blas_and_hands_over(self):
        program = "import os, sys; print(os.environ['OPENBLAS_NUM_THREADS'], sys.argv[1:])"
        done = subprocess.run(
            [ROOT / "binder" / "start", sys.executable, "-c", program, "two words", "3"],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert done.stdout == "1 ['two words', '3']\n"

    @pytest.mark.skipif(sys.platform == "win32", reason="a bash script")
    def test_post_build_installs_only_ourselves(self, tmp_path: Path):
        done, settings = self.post_build(tmp_path, pip_ends_with=0)
        assert done.returncode == 0, done.stderr
        assert done.stdout == "install --no-cache-dir --no-deps -e .\n"
        ours = ROOT / "tools" / "jupyterlab" / "overrides.json"
        assert settings.read_bytes() == ours.read_bytes()
        # What the servers are told lies where Jupyter looks in an environment.
        told = ROOT / "tools" / "jupyter"
        for part in ("etc", "share"):
            for path in (told / part).rglob("*"):
                copy = tmp_path / part / "jupyter" / path.relative_to(told / part)
                assert path.is_dir() or copy.read_bytes() == path.read_bytes()
        assert len(list((tmp_path / "etc" / "jupyter").glob("*.py"))) == 2

    @pytest.mark.skipif(sys.platform == "win32", reason="a bash script")
    def test_post_build_fails_where_pip_does(self, tmp_path: Path):
        done, settings = self.post_build(tmp_path, pip_ends_with=3)
        assert done.returncode == 3
        assert not settings.exists()

    def post_build(
        self, folder: Path, pip_ends_with: int
    ) -> tuple[subprocess.CompletedProcess[str], Path]:
        """Run postBuild with a pip that only prints; also where JupyterLab's settings go."""
        pip = folder / "pip"
        pip.write_text(f'#!/bin/sh\necho "$@"\nexit {pip_ends_with}\n')
        pip.chmod(0o755)
        done = subprocess.run(
            ["bash", "binder/postBuild"],
            cwd=ROOT,
            env={"PATH": f"{folder}:/usr/bin:/bin", "NB_PYTHON_PREFIX": str(folder)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done, folder / "share" / "jupyter" / "lab" / "settings" / "overrides.json"


class TestPython:
    def test_supported(self):
        assert check_python.complaint((3, 11, 0, "final", 0), True, "linux") is None

    def test_too_old(self):
        message = check_python.complaint((3, 10, 13, "final", 0), True, "darwin")
        assert "needs Python 3.11 or newer" in message
        assert "Python 3.10.13" in message
        assert "make PYTHON=" in message

    @pytest.mark.parametrize(
        ("system", "remedy"), [("linux", "apt install python3-venv"), ("darwin", "python.org")]
    )
    def test_without_venv(self, system: str, remedy: str):
        message = check_python.complaint((3, 12, 1, "final", 0), False, system)
        assert "venv or ensurepip" in message
        assert remedy in message

    def test_this_one_makes_environments(self):
        assert check_python.can_make_environments()

    def test_the_check_reads_well_to_an_old_python(self):
        # An old Python must get as far as the message.
        compile(read("tools/check_python.py"), "check_python.py", "exec")
        assert not re.search(r"\bf\"|^from __future__|\) -> |print ", read("tools/check_python.py"))


def assert_told(words: list[str], folder: Path) -> None:
    """The server finds our folders first, and then those that the visitor has."""
    for word, name, part in zip(words, ("CONFIG_PATH", "PATH"), ("etc", "share"), strict=True):
        place = f"{folder}/tools/jupyter/{part}"
        assert word == f"JUPYTER_{name}={place}${{JUPYTER_{name}:+:$JUPYTER_{name}}}"


@needs_make
class TestMakefile:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A folder as after a fresh clone, with spaces in its name."""
        folder = tmp_path / "a fresh clone"
        (folder / "tools").mkdir(parents=True)
        for name in ("Makefile", "pyproject.toml", "constraints.txt", "tools/check_python.py"):
            shutil.copy(ROOT / name, folder / name)
        return folder

    def make(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", "-C", str(folder), "--no-print-directory", *arguments],
            capture_output=True,
            text=True,
            timeout=60,
        )

    def installed(self, folder: Path, *stamps: str) -> None:
        """Pretend that everything was installed, without installing it."""
        python = folder / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.symlink_to(sys.executable)
        (folder / ".venv" / ".made").write_text(f"{folder}\n")
        for stamp in stamps:
            (folder / ".venv" / stamp).touch()

    def test_help_names_every_command(self, folder: Path):
        phony = re.search(r"^\.PHONY: (.*)$", read("Makefile"), re.M)[1].split()
        shown = self.make(folder).stdout
        for target in set(phony) - {"help", "FORCE"}:
            assert f"make {target} " in shown

    def test_lab_opens_the_first_notebook_and_passes_arguments_on(self, folder: Path):
        self.installed(folder, ".course")
        shown = self.make(folder, "-n", "lab", "LAB_ARGS=--no-browser --port 8899").stdout
        words = shlex.split(shown.replace("\\\n", " "))
        assert_told(words[:2], folder)
        assert words[2:5] == [".venv/bin/python", "-m", "jupyterlab"]
        assert "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb" in words
        # There it finds its settings.
        assert "--LabApp.app_settings_dir=tools/jupyterlab" in words
        assert json.loads(read("tools/jupyterlab/overrides.json"))
        assert words[-3:] == ["--no-browser", "--port", "8899"]
        # It keeps JupyterLab's token, and its address on this machine only.
        assert not re.search(r"token|password|ip=|allow-(?!root)|allow_", shown, re.I)

    def test_playground_serves_one_page_and_passes_arguments_on(self, folder: Path):
        self.installed(folder, ".course")
        shown = self.make(folder, "-n", "playground", "VOILA_ARGS=--no-browser --port 8898").stdout
        page = "pages/playground.ipynb"
        minutes, *words = shlex.split(shown.replace("\\\n", " "))
        assert minutes == "DNILAB_MINUTES=${DNILAB_MINUTES:-10}"
        assert_told(words[:2], folder)
        assert words[2:] == [
            ".venv/bin/python", "-m", "voila", page, "--no-browser", "--port", "8898",
        ]  # fmt: skip
        cells = json.loads(read(page))["cells"]
        assert "".join(cells[-1]["source"]).endswith("playground_page()")
        assert all(cell.get("outputs", []) == [] for cell in cells)  # it is run when it is opened

    def test_set_up_runs_once(self, folder: Path):
        self.installed(folder, ".course", ".test")
        assert "pip install" not in self.make(folder, "-n", "lab", "test").stdout

    @pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
    def test_set_up_runs_again_where_its_source_changed(self, folder: Path, name: str):
        self.installed(folder, ".course")
        later = (folder / ".venv" / ".course").stat().st_mtime + 10
        os.utime(folder / name, (later, later))
        shown = self.make(folder, "-n", "lab").stdout
        assert "pip install" in shown
        assert "-m venv" not in shown

    def test_an_environment_is_made_anew_where_its_folder_was_moved(self, folder: Path):
        self.installed(folder, ".course")
        assert "-m venv" not in self.make(folder, "-n", "lab").stdout
        moved = folder.rename(folder.parent / "moved")
        assert "-m venv .venv" in self.make(moved, "-n", "lab").stdout

    def test_an_environment_is_made_anew_where_its_python_is_gone(self, folder: Path):
        self.installed(folder, ".course")
        python = folder / ".venv" / "bin" / "python"
        python.unlink()
        python.symlink_to(folder / "nothing")
        assert "-m venv .venv" in self.make(folder, "-n", "lab").stdout

    def test_every_set_up_is_held_by_the_constraints(self, folder: Path):
        asked = ("lab", "test", "lint", "check-project", "test-browser", "lite", "site")
        shown = self.make(folder, "-n", *asked, "test-parity").stdout
        installs = [line for line in shown.split("\n") if "pip install" in line]
        assert [line.rsplit(" ", 1)[1] for line in installs] == [
            '".[cluster]"',
            '".[cluster,test]"',
            '".[lint]"',
            '".[project]"',
            '".[browser]"',
            '".[lite]"',
            '".[site]"',
            '".[parity]"',
        ]
        assert all(" -c constraints.txt " in line for line in installs)

    def test_torch_has_one_version_and_it_is_one_that_is_asked_for(self, folder: Path):
        shown = self.make(folder, "-n", "test-parity").stdout
        (version,) = set(re.findall(r" torch==(\S+) ", shown))
        (need,) = map(Requirement, PROJECT["optional-dependencies"]["parity"])
        assert need.name == "torch"
        assert need.specifier.contains(version)
        # A torch that can't be loaded is no reason to skip there.
        assert shown.index('-c "import torch"') < shown.index("-m pytest -n 2 tests/parity")

    def test_a_change_has_to_pass_every_check(self):
        (checks,) = re.findall(r"^for check in (.*); do$", read(".ci/run"), re.M)
        assert checks.split() == [
            "lint",
            "types",
            "check-project",
            "test",
            "test-kernels",
            "test-claims",
            "test-parity",
            "test-browser",
            "test-lite",
            "test-site",
        ]

    def test_a_python_that_is_not_there_is_named(self, folder: Path):
        done = self.make(folder, "lab", "PYTHON=python9.99")
        assert done.returncode != 0
        assert "There is no python9.99 here." in done.stdout
        assert not (folder / ".venv").exists()

    def test_a_python_that_complains_stops_the_set_up(self, folder: Path):
        (folder / "tools" / "check_python.py").write_text("import sys; sys.exit('too old')")
        done = self.make(folder, "lab", f"PYTHON={sys.executable}")
        assert done.returncode != 0
        assert "too old" in done.stderr
        assert not (folder / ".venv").exists()

    def test_nothing_newer_than_make_381_is_used(self):
        # macOS has GNU make 3.81. What came after it: .ONESHELL, !=, ::=, $(file ...), &:
        assert not re.search(r"\.ONESHELL|!=|::=|\$\(file |&:", read("Makefile"))


class TestLicences:
    def test_are_named_and_there(self):
        assert PROJECT["license"] == "BSD-3-Clause AND CC-BY-4.0"
        assert PROJECT["license-files"] == ["LICENSE", "LICENSE-notebooks"]
        assert read("LICENSE").startswith("BSD 3-Clause License\n")
        assert read("LICENSE-notebooks").startswith("Attribution 4.0 International\n")
        assert "Section 8 -- Interpretation." in read("LICENSE-notebooks")

    def test_citation(self):
        citation = yaml.safe_load(read("CITATION.cff"))
        assert citation["cff-version"] == "1.2.0"
        assert citation["license"] == PROJECT["license"].split(" AND ")
        assert Version(str(citation["version"])) == Version(dnilab.__version__)
        assert {"message", "title", "authors"} <= set(citation)
        (paper,) = citation["references"]
        assert paper["url"] == "https://arxiv.org/abs/1608.05343"
