"""Images of handwritten digits: those that come with the package, and MNIST, fetched once."""

from __future__ import annotations

import os
import tempfile
import warnings
from functools import cache
from http.client import HTTPException
from pathlib import Path

import numpy as np

from dnilab.data.dataset import Dataset

SCANNED = Path(__file__).with_name("digits.npz")  # digits.md, beside it, has source and licence
TEST_ROWS = 360  # a fifth of the 1797 images
_SPLIT_SEED = 0  # the split is part of the data: the same for every run and every reader


@cache
def _arrays(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (n, pixels) and names (n,), both as bytes."""
    with np.load(path) as arrays:
        return arrays["pixels"], arrays["names"]


def digits() -> Dataset:
    """The digits, with a fixed split of 1437 training and 360 test images.

    Shapes: x (n, 64), y (n, 10) one-hot.  Pixels, 0 to 16 in the source, are scaled to -1 to 1.
    Source: Alpaydin and Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine
    Learning Repository, doi 10.24432/C50P49: its test set, in its order.
    """
    pixels, names = _arrays(SCANNED)
    x = pixels / 8.0 - 1.0
    y = np.eye(10)[names]
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(x))
    test, train = order[:TEST_ROWS], order[TEST_ROWS:]
    return Dataset("scanned digits", "classes", x[train], y[train], x[test], y[test])


NAME, VERSION = "mnist_784", 1  # on openml.org; version 1 is the original set in its own order
TEST_PART = 7  # one row in seven is for testing: the last 10,000 of 70,000, as they were published


def mnist(folder: str | os.PathLike[str] | None = None) -> Dataset:
    """MNIST, with the published split of 60,000 training and 10,000 test images.

    Shapes: x (n, 784) in float32, y (n, 10) one-hot.  Pixels, 0 to 255 in the source, are scaled
    to -1 to 1, as those of ``digits``.

    The first call needs a network and a minute or two.  The images are then kept in ``folder``
    (None: scikit-learn's own, ``~/scikit_learn_data``), and later calls are quick and offline.

    Raises, saying what to do, if they are not kept yet: ConnectionError if they can't be fetched,
    and ModuleNotFoundError without scikit-learn, which comes with the extra ``dnilab[mnist]``.
    Source: ``sklearn.datasets.fetch_openml`` (LeCun, Bottou, Bengio and Haffner, 1998).
    """
    home = folder or os.environ.get("SCIKIT_LEARN_DATA", "~/scikit_learn_data")
    kept = Path(home).expanduser() / f"{NAME}.npz"
    if not kept.exists():
        _keep(kept, *_fetch(kept.parent))
    pixels, names = _arrays(kept)
    x = pixels.astype(np.float32)
    x /= 127.5
    x -= 1
    y = np.eye(10, dtype=np.float32)[names]
    test = len(x) // TEST_PART
    return Dataset("MNIST", "classes", x[:-test], y[:-test], x[-test:], y[-test:])


def _fetch(home: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        from sklearn.datasets import fetch_openml  # here alone: it takes a second to load
    except ModuleNotFoundError as missing:
        how = "pip install scikit-learn, or use the digits: dnilab.data.digits(), task='digits'"
        raise ModuleNotFoundError(f"MNIST is fetched by scikit-learn: {how}") from missing
    try:
        with warnings.catch_warnings():
            # The error says it as well, and one warning more would only hide it.
            warnings.filterwarnings("ignore", "A network error occurred", UserWarning)
            pixels, names = fetch_openml(
                NAME,
                version=VERSION,
                data_home=str(home),
                return_X_y=True,
                as_frame=False,
                parser="liac-arff",  # the other parser needs pandas
                n_retries=1,
                delay=0.1,  # seconds
            )
    except (OSError, HTTPException) as error:
        raise ConnectionError(
            f"MNIST can't be fetched from openml.org ({error}). The first call needs a network; "
            f"what it fetches is then kept in {home}. Without a network, use the digits that "
            "come with the package: dnilab.data.digits(), or task='digits'."
        ) from error
    return pixels.astype(np.uint8), names.astype(np.uint8)


def _keep(path: Path, pixels: np.ndarray, names: np.ndarray) -> None:
    """Write the arrays beside what scikit-learn keeps: it would parse 120 MB of text each time.

    Elsewhere first, so that a run that is ended halfway leaves no half file.
    """
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        part = Path(folder, path.name)
        np.savez_compressed(part, pixels=pixels, names=names)
        part.replace(path)
