"""What is said about the project agrees with itself: address, version, workflows, forms, links."""

from __future__ import annotations

import json
import re
import shutil
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools import address, check_links, check_project
from tools.lite.build import SITE as LITE
from tools.site.build import SITE
from tools.site.pages import ways, ways_in

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[0-9]*.yml"))


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def workflow(path: Path) -> dict[Any, Any]:
    """A workflow as GitHub reads it; YAML takes its key `on` for True."""
    return yaml.safe_load(path.read_text("utf-8"))


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in workflow(path)["jobs"].values() for step in job["steps"]]


class TestAddress:
    def test_all_agree(self):
        if shutil.which("git") is None or not (ROOT / ".git").exists():
            pytest.skip("the files of the project are those that git knows")
        assert address.faults() == []

    def test_it_stands_where_readers_look(self):
        slug = address.slug_in(read("pyproject.toml"))
        for url in PROJECT["urls"].values():
            assert url.startswith(f"https://github.com/{slug}")
        citation = yaml.safe_load(read("CITATION.cff"))
        assert citation["repository-code"] == PROJECT["urls"]["Repository"]
        for name in ("README.md", "SECURITY.md", "CODE_OF_CONDUCT.md"):
            assert f"github.com/{slug}" in read(name) or f"gh/{slug}" in read(name)

    OLD = (
        "https://github.com/dnilab/dnilab/issues https://mybinder.org/v2/gh/dnilab/dnilab/HEAD?x "
        "https://dnilab.github.io/dnilab/lite `dnilab` github.com/joblib/dnilab-extras"
    )

    def test_moving_writes_every_form_and_nothing_else(self):
        new = address.moved(self.OLD, "dnilab/dnilab", "school/course")
        assert new == (
            "https://github.com/school/course/issues "
            "https://mybinder.org/v2/gh/school/course/HEAD?x "
            "https://school.github.io/course/lite `dnilab` github.com/joblib/dnilab-extras"
        )  # fmt: skip
        assert address.moved(new, "school/course", "dnilab/dnilab") == self.OLD

    @pytest.mark.parametrize(
        "stray",
        ["mybinder.org/v2/gh/other/thing", "github.com/fork/dnilab", "fork.github.io/dnilab"],
    )
    def test_an_address_of_another_time_is_found(self, stray: str):
        assert address.strays(f"{self.OLD} (https://{stray}/x)", "dnilab/dnilab") == [stray]
        assert address.strays(self.OLD, "dnilab/dnilab") == []

    @pytest.mark.parametrize("home", ["https://gitlab.com/a/b", "https://github.com/a"])
    def test_another_kind_of_address_is_refused(self, home: str):
        with pytest.raises(ValueError, match=r"accepts https://github\.com/OWNER/NAME"):
            address.slug_in(f'[project.urls]\nRepository = "{home}"\n')


class TestVersion:
    def test_the_changelog_begins_with_it(self):
        import dnilab

        assert address.latest(read("CHANGELOG.md"))[0] == dnilab.__version__

    def test_the_changelog_goes_back_in_order(self):
        found = re.findall(r"^## \[(\d+)\.(\d+)\.(\d+)[^\]]*\]", read("CHANGELOG.md"), re.MULTILINE)
        numbers = [tuple(map(int, one)) for one in found]
        assert numbers == sorted(numbers, reverse=True)
        assert numbers[-1] == (1, 0, 0)
        kinds = set(re.findall(r"^### (.+)$", read("CHANGELOG.md"), re.MULTILINE))
        assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}

    @pytest.mark.parametrize(
        ("tag", "version", "date", "why"),
        [
            ("v2.0.0", "2.0.0", "2026-12-01", ""),
            ("v2.0.1", "2.0.0", "2026-12-01", "the tag is v2.0.1"),
            ("v2.0.0.dev0", "2.0.0.dev0", "2026-12-01", "no version to release"),
            ("v2.0.0", "2.0.0", "unreleased", "dates 2.0.0 'unreleased'"),
        ],
    )
    def test_what_may_be_released(self, tag: str, version: str, date: str, why: str):
        said = address.refusal(tag, version, date)
        assert why in said
        assert bool(said) == bool(why)

    def test_a_changelog_without_versions_is_refused(self):
        with pytest.raises(ValueError, match="has no heading"):
            address.latest("# What has changed\n")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
class TestWorkflows:
    def test_nobody_has_more_rights_than_needed(self, path: Path):
        assert workflow(path)["permissions"] == {}
        for name, job in workflow(path)["jobs"].items():
            wide = {right for right, how in job.get("permissions", {}).items() if how == "write"}
            publishes = {"publish": {"pages", "id-token"}, "announce": {"contents"}}
            assert wide <= publishes.get(name, set())

    def test_every_action_is_githubs_own_and_one_commit(self, path: Path):
        for line in re.findall(r"uses: (.*)", path.read_text("utf-8")):
            assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line

    def test_no_job_goes_on_for_ever_or_keeps_a_token(self, path: Path):
        for job in workflow(path)["jobs"].values():
            assert job["timeout-minutes"] <= 120
        for step in steps(path):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False

    def test_it_asks_make_for_what_there_is(self, path: Path):
        made = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
        for step in steps(path):
            for words in re.findall(r"^\s*make (.*)$", step.get("run", ""), re.MULTILINE):
                assert {word for word in words.split() if "=" not in word} <= made


def test_one_commit_for_each_action():
    used = {line for path in WORKFLOWS for line in re.findall(r"uses: (.*)", path.read_text())}
    assert len({line.split("@")[0] for line in used}) == len(used)


def test_workflows_run_every_python_that_is_supported():
    prefix = "Programming Language :: Python :: "
    supported = [
        line.removeprefix(prefix) for line in PROJECT["classifiers"] if line.startswith(prefix)
    ]
    jobs = workflow(ROOT / ".github" / "workflows" / "tests.yml")["jobs"]
    for name in ("make", "windows"):
        assert jobs[name]["strategy"]["matrix"]["python"] == supported
    (in_ci,) = re.findall(r"^for version in (.*); do$", read(".ci/run"), re.MULTILINE)
    assert in_ci.split() == supported
    systems = [*jobs["make"]["strategy"]["matrix"]["system"], jobs["windows"]["runs-on"]]
    assert systems == ["ubuntu-latest", "macos-latest", "windows-latest"]


def test_what_is_built_is_where_the_release_looks():
    release = (ROOT / ".github" / "workflows" / "release.yml").read_text("utf-8")
    assert f"path: {check_project.PACKAGES.relative_to(ROOT).as_posix()}\n" in release


def test_what_is_published_is_the_site_with_the_browser_edition_inside():
    run = [step.get("run", "") for step in steps(ROOT / ".github" / "workflows" / "site.yml")]
    assert any({"test-site", "lite", "SITE_ARGS=--all-pages"} <= set(one.split()) for one in run)
    site, lite = (folder.relative_to(ROOT).as_posix() for folder in (SITE, LITE))
    assert f"cp -R {lite} {site}/lite\n" in "".join(run)
    published = (ROOT / ".github" / "workflows" / "site.yml").read_text("utf-8")
    assert f"path: {site}\n" in published
    assert all(way[0][1].startswith(("lite/", "../lite/")) for way in (ways("x"), ways_in()))


def test_there_is_a_form_for_each_thing_that_a_reader_may_have():
    forms = [yaml.safe_load(path.read_text("utf-8")) for path in FORMS]
    names = ["This sentence is wrong", "My number differs", "We taught it"]
    assert [form["name"] for form in forms] == names
    for form in forms:
        asked = [part for part in form["body"] if part["type"] != "markdown"]
        assert sum(part.get("validations", {}).get("required", False) for part in asked) >= 2
        assert len({part["id"] for part in asked}) == len(asked)


def test_ruff_is_the_same_before_a_commit_and_in_the_tests():
    (pin,) = re.findall(r"^(ruff==.*)$", read("constraints.txt"), re.MULTILINE)
    hooks = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"][0]["hooks"]
    asked = [one for hook in hooks for one in hook.get("additional_dependencies", [])]
    assert asked == [pin, pin]


def test_the_container_makes_what_make_makes():
    container = json.loads(read(".devcontainer/devcontainer.json"))
    for stamp in container["postCreateCommand"].split()[1:]:
        assert stamp.replace(".venv", "$(VENV)") in read("Makefile")
    start = read("binder/start")
    assert all(f"{name}={one}" in start for name, one in container["containerEnv"].items())


class TestLinks:
    def test_those_between_our_pages_lead_somewhere(self):
        links = check_links.collected()
        assert len(links) > 100
        assert check_links.lost(links) == []

    def test_what_counts_as_a_link(self, tmp_path: Path):
        text = "[a](b.md#c) ![d](e.png) <https://f.g> `[h]`\n```\n[i](j.md)\n```\n[k](l%20m.md 'n')"
        assert check_links.links_in(text)[:3] == ["b.md#c", "e.png", "https://f.g"]
        assert "j.md" not in check_links.links_in(text)
        cells = [
            {"cell_type": "markdown", "source": ["[one]", "(there.md)"]},
            {"cell_type": "code", "source": ["[two](code.md)"]},
        ]
        folder = tmp_path / "notebooks"
        folder.mkdir()
        (folder / "x.ipynb").write_text(json.dumps({"cells": cells}))
        (tmp_path / "README.md").write_text("[x](notebooks/x.ipynb) [y](https://y.z) [q](#here)")
        found = check_links.collected(tmp_path)
        assert sorted(link for _, link in found) == [
            "#here", "https://y.z", "notebooks/x.ipynb", "there.md",
        ]  # fmt: skip
        assert check_links.lost(found) == ["x.ipynb: there.md"]

    @pytest.fixture
    def site(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str]]]:
        """A site on this machine, and what it was asked for."""
        asked: list[str] = []

        class Pages(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response({"/there": 200, "/shy": 403}.get(self.path, 404))
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        monkeypatch.setattr(check_links.time, "sleep", lambda _: None)
        server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()
        server.server_close()

    def test_an_address_that_is_gone_is_named_after_three_tries(self, site: tuple[str, list[str]]):
        home, asked = site
        assert check_links.answer(f"{home}/there") == ""
        assert check_links.answer(f"{home}/shy") == ""  # it refuses programs, not people
        assert asked == ["/there", "/shy"]
        assert "404" in check_links.answer(f"{home}/gone")
        assert asked[2:] == ["/gone"] * 3


class TestPackages:
    WANTED = frozenset({"dnilab/__init__.py", "dnilab/py.typed", "dnilab/widgets/panel.css"})
    LICENCES = frozenset(
        {f"dnilab-1.dist-info/licenses/{name}" for name in ("LICENSE", "LICENSE-notebooks")}
    )

    def test_a_good_wheel(self):
        assert check_project.wheel_faults({*self.WANTED, *self.LICENCES}, {*self.WANTED}) == []

    @pytest.mark.parametrize("name", sorted(WANTED))
    def test_a_file_that_is_missing(self, name: str):
        names = {*self.WANTED, *self.LICENCES} - {name}
        assert check_project.wheel_faults(names, {*self.WANTED}) == [f"{name} is missing"]

    def test_a_file_that_should_not_be_there(self):
        names = {*self.WANTED, *self.LICENCES, "tests/test_x.py"}
        (fault,) = check_project.wheel_faults(names, {*self.WANTED})
        assert fault == "tests/test_x.py is in it and should not be"

    def test_a_licence_that_is_missing(self):
        (fault,) = check_project.wheel_faults({*self.WANTED, min(self.LICENCES)}, {*self.WANTED})
        assert fault == "LICENSE-notebooks is missing"
