"""Freed memory is kept where glibc is the allocator, and nothing breaks elsewhere."""

from __future__ import annotations

import platform
import resource
import sys

import numpy as np
import pytest

from dnilab.training.one_thread import keep_freed_memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_temporaries_cost_no_page_faults() -> None:
    assert keep_freed_memory()

    def work() -> None:
        one = np.ones(200_000)  # 1.6 MB each: several of them, freed together
        two = one * 2
        three = two + one
        del one, two, three

    for _ in range(3):
        work()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        work()
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    assert faults < 20 * 100  # three arrays are about 1200 pages


def test_elsewhere_it_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory.__wrapped__() is False
