"""Lesson 00: whether the machine is ready, and one exercise, to see how exercises work."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

import numpy as np
from threadpoolctl import threadpool_info

from dnilab.exercises import Function, Verdict, checker, judge_call
from dnilab.here import threads_start
from dnilab.lessons.synthetic_gradients.exercises import in_plain_words

PACKAGES = ("numpy", "matplotlib", "ipywidgets", *(["jupyterlab"] if threads_start() else []))


def machine() -> dict[str, str | int]:
    """What the course runs on: versions, cores, and the threads that BLAS multiplies with.

    "cores" counts those that this process may use: on a shared machine fewer than there are.
    "BLAS threads" is 0 where nobody can tell.
    """
    asked = getattr(os, "sched_getaffinity", None)
    blas = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    return {
        "Python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
        "cores": len(asked(0)) if asked else os.cpu_count() or 1,
        "BLAS threads": max(blas, default=0),
    }


@checker
def check_weighted_sum(weighted_sum: Function) -> Verdict:
    """Check ``weighted_sum(x, W, b)``: x (batch, n_in), W (n_in, n_out), b (n_out,) -> x W + b."""
    rng = np.random.default_rng(0)
    x, W, b = rng.normal(size=(5, 3)), rng.normal(size=(3, 4)), rng.normal(size=4)
    mistakes = {
        "b is missing: add it to each row.": x @ W,
        "b is subtracted: add it.": x @ W - b,
        "b goes through the weights too: multiply x by W first, then add b.": x @ (W + b),
    }
    call = "weighted_sum(x, W, b)"
    return judge_call(call, in_plain_words(weighted_sum), (x, W, b), x @ W + b, mistakes)
