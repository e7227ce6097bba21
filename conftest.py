"""What holds for every test, and for every notebook that is run as one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

# One BLAS thread, as in the Makefile: said before anything loads NumPy, and kernels inherit it.
for _name in (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
):
    os.environ.setdefault(_name, "1")

# What a checker finds right is kept beside the notebooks; tests write nothing there.
os.environ["DNILAB_PROGRESS"] = "off"

# pytest's own filter does not reach into a notebook's kernel. Warnings that come from a cell or
# from our code are errors there too; those among IPython's own parts are not ours to mend.
_STARTUP = r"""
import warnings
warnings.filterwarnings("error", module=r"(__main__|dnilab|benchmarks)(\.|$)")
"""


def pytest_configure(config: pytest.Config) -> None:
    """Give kernels a fresh IPython folder: nobody's own start-up files, and ours instead."""
    # A hook, since nbval's cells ask for no fixtures.
    folder = tempfile.TemporaryDirectory(prefix="ipython-", ignore_cleanup_errors=True)
    config.add_cleanup(folder.cleanup)
    startup = Path(folder.name, "profile_default", "startup", "warnings_are_errors.py")
    startup.parent.mkdir(parents=True)
    startup.write_text(_STARTUP, "utf-8")
    os.environ["IPYTHONDIR"] = folder.name
