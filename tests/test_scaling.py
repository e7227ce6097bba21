"""The scaling guide: what it tells people to type is what there is."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest
import yaml

from dnilab.lessons.playground.experiments.needs import MINUTES, SHARE, Room

ROOT = Path(__file__).resolve().parent.parent
GUIDE = (ROOT / "docs" / "scaling.md").read_text("utf-8")
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
SERVERS = ("voila.py", "jupyter_server_config.py")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    found = [text for kind, text in BLOCKS if kind == language]
    assert found
    return found


def test_its_python_asks_for_what_there_is() -> None:
    asked = 0
    for text in blocks("python"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module or "")
                assert [a.name for a in node.names if not hasattr(module, a.name)] == []
                asked += len(node.names)
    assert asked >= 6


def test_the_hub_sets_what_binder_sets() -> None:
    (text,) = blocks("yaml")
    told = yaml.safe_load(text)["singleuser"]
    start = (ROOT / "binder" / "start").read_text("utf-8")
    assert told["extraEnv"] == dict(re.findall(r"([A-Z]+_NUM_THREADS)=(\d+)", start))
    assert set(told["memory"]) == set(told["cpu"]) == {"guarantee", "limit"}


def test_the_course_is_copied_from_where_the_image_has_it() -> None:
    (text,) = blocks("yaml")
    (build,) = (text for text in blocks("") if "repo2docker" in text)
    target = re.search(r"--target-repo-dir (\S+)", build)[1]
    command = yaml.safe_load(text)["singleuser"]["lifecycleHooks"]["postStart"]["exec"]["command"]
    assert f"{target}/notebooks" in command[-1]


def test_its_links_lead_somewhere() -> None:
    local = [link for link in re.findall(r"\]\(([^)\s]+)\)", GUIDE) if "://" not in link]
    assert local
    assert [link for link in local if not (ROOT / "docs" / link).exists()] == []


def test_what_it_says_of_the_page_is_what_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MINUTES, raising=False)
    told = [(ROOT / "tools/jupyter/etc" / name).read_text("utf-8") for name in SERVERS]
    page, lab = (int(re.search(r"cull_idle_timeout = (\d+)", text)[1]) for text in told)
    words = " ".join(GUIDE.split())
    assert (page, lab) == (5 * 60, 20 * 60)
    assert "five minutes later" in words
    assert "goes after twenty minutes" in words
    assert f"sets that to {re.search(r'DNILAB_MINUTES:-([0-9]+)', MAKEFILE)[1]};" in words
    assert f"in a notebook it is {Room.here().seconds / 60:g}." in words
    assert (SHARE, MINUTES in GUIDE) == (0.75, True)
    assert all((ROOT / path).is_dir() for path in re.findall(r"=(tools/jupyter/\w+)", GUIDE))
