"""The examples in the docstrings are true."""

import doctest
import importlib

import pytest

CORE = ("curves", "live", "style", "timeline")
NAMES = [
    *(f"dnilab.pictures.{name}" for name in CORE),
    "dnilab.lessons.convolutions.pictures",
    "dnilab.lessons.shared.diagram",
    "dnilab.lessons.synthetic_gradients.pictures.shapes",
]


@pytest.mark.parametrize("name", NAMES)
def test_docstrings(name):
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert failed == 0
    assert tried > 0 or name.endswith("timeline")
