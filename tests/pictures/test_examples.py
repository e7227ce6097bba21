"""The examples in the docstrings are true."""

import doctest
import importlib

import pytest

NAMES = ["curves", "diagram", "images", "live", "shapes", "style", "table", "timeline"]


@pytest.mark.parametrize("name", NAMES)
def test_docstrings(name):
    failed, tried = doctest.testmod(importlib.import_module(f"dnilab.pictures.{name}"))
    assert failed == 0
    assert tried > 0 or name in ("table", "timeline")
