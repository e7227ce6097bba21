"""The scaling guide: what it tells people to type is what there is."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
GUIDE = (ROOT / "docs" / "scaling.md").read_text("utf-8")
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
