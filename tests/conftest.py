"""What holds for all tests: how Hypothesis draws, and readable assertions in shared helpers."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# Few examples each, so that the whole suite stays quick, and no deadline: a slow or busy machine
# is not a failure.  In CI every run draws the same examples; at home each run draws new ones.
settings.register_profile("course", max_examples=25, deadline=None)
settings.register_profile("ci", parent=settings.get_profile("course"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "course")

# Helpers are not test files, so pytest has to be told to explain their assertions too.
pytest.register_assert_rewrite("tests.network.contract", "tests.training.by_hand")
