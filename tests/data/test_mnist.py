"""MNIST: fetched, parsed, kept, and refused in words offline.

Only the wire is played: openml.org's answers for a set of 14 images, in its own formats.
Everything that scikit-learn and we do with them is the real code.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import Request

import numpy as np
import pytest
import sklearn.datasets._openml as openml

from dnilab.data import Dataset, mnist
from dnilab.data.images import _arrays
from dnilab.experiments import Settings, run
from dnilab.lessons.update_orderings.experiments.depth import by_depth

ROWS = 14
PIXELS = np.random.default_rng(0).integers(0, 256, (ROWS, 784))
PIXELS[0, :2] = 0, 255
NAMES = np.arange(ROWS) % 10
API = "/api/v1/json/data"  # www.openml.org, or api.openml.org: releases of scikit-learn differ


def arff() -> bytes:
    """The set as openml.org writes it."""
    columns = [f"@ATTRIBUTE pixel{i} REAL" for i in range(1, 785)]
    rows = [
        ",".join([*map(str, row), f"'{name}'"]) for row, name in zip(PIXELS, NAMES, strict=True)
    ]
    names = "@ATTRIBUTE class {0,1,2,3,4,5,6,7,8,9}"
    lines = ["% a comment", "@RELATION mnist_784", "", *columns, names, "", "@DATA", *rows]
    return ("\n".join(lines) + "\n").encode()


def feature(index: int, name: str, kind: str, target: bool) -> dict[str, object]:
    return {
        "index": str(index),
        "name": name,
        "data_type": kind,
        "is_target": str(target).lower(),
        "is_ignore": "false",
        "is_row_identifier": "false",
        "number_of_missing_values": "0",
    }


def answers() -> dict[str, bytes]:
    """What openml.org answers, by the beginning of the path in its address."""
    data = arff()
    described = {
        "id": "554",
        "name": "mnist_784",
        "version": "1",
        "description": "MNIST",
        "format": "ARFF",
        "status": "active",
        "file_id": "52667",
        "url": "https://www.openml.org/data/v1/download/52667/mnist_784.arff",
        "md5_checksum": hashlib.md5(data, usedforsecurity=False).hexdigest(),
    }
    features = [feature(i, f"pixel{i + 1}", "numeric", False) for i in range(784)]
    features.append(feature(784, "class", "nominal", True))
    qualities = [{"name": "NumberOfInstances", "value": f"{ROWS}.0"}]
    found = {"did": 554, "name": "mnist_784", "version": 1, "status": "active"}
    spoken = {
        f"{API}/list/data_name/mnist_784": {"data": {"dataset": [found]}},
        f"{API}/features/554": {"data_features": {"feature": features}},
        f"{API}/qualities/554": {"data_qualities": {"quality": qualities}},
        f"{API}/554": {"data_set_description": described},
    }
    written = {address: json.dumps(answer).encode() for address, answer in spoken.items()}
    return {**written, "/data/v1/download/": data}


class Response(io.BytesIO):
    """An answer as urlopen gives it."""

    def info(self) -> dict[str, str]:
        return {"Content-Encoding": "gzip"}


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    _arrays.cache_clear()
    yield
    _arrays.cache_clear()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that were asked for; openml.org answers with the small set."""
    known, addresses = answers(), []

    def urlopen(request: Request) -> Response:
        addresses.append(request.full_url)
        for beginning, answer in known.items():
            if urlsplit(request.full_url).path.startswith(beginning):
                return Response(gzip.compress(answer))
        raise URLError(f"nothing at {request.full_url}")

    monkeypatch.setattr(openml, "urlopen", urlopen)
    return addresses


def no_network(request: Request) -> Response:
    raise URLError("no route to host")


def pixels_of(data: Dataset) -> np.ndarray:
    return np.vstack([data.x_train, data.x_test])


@pytest.mark.usefixtures("asked")
def test_shapes_scale_names_and_the_split_in_the_published_order(tmp_path: Path) -> None:
    data = mnist(tmp_path)
    assert (data.x_train.shape, data.x_test.shape) == ((12, 784), (2, 784))
    assert data.x_train.dtype == data.y_test.dtype == np.float32
    assert (data.x_train[0, 0], data.x_train[0, 1]) == (-1, 1)
    np.testing.assert_allclose((pixels_of(data) + 1) * 127.5, PIXELS, atol=1e-4)
    np.testing.assert_array_equal(np.vstack([data.y_train, data.y_test]), np.eye(10)[NAMES])
    assert data.kind == "classes"


def test_kept_after_the_first_call(
    tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = mnist(tmp_path)
    assert asked
    monkeypatch.setattr(openml, "urlopen", no_network)
    _arrays.cache_clear()  # as in a new process
    again = mnist(tmp_path)
    np.testing.assert_array_equal(again.x_train, first.x_train)
    np.testing.assert_array_equal(again.y_test, first.y_test)
    # what scikit-learn has kept is enough as well
    (tmp_path / "mnist_784.npz").unlink()
    _arrays.cache_clear()
    np.testing.assert_array_equal(mnist(tmp_path).x_test, first.x_test)


@pytest.mark.usefixtures("asked")
def test_who_writes_into_their_copy_spoils_nobody_elses(tmp_path: Path) -> None:
    mine = mnist(tmp_path)
    mine.x_train[:] = 7
    assert mnist(tmp_path).x_train.max() == 1


def test_offline_says_what_to_do_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openml, "urlopen", no_network)
    with pytest.raises(ConnectionError, match=r"no route to host.*needs a network.*task='digits'"):
        mnist(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_without_scikit_learn_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install scikit-learn.*task='digits'"):
        mnist(tmp_path)


def test_what_is_kept_needs_no_scikit_learn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    first = mnist(tmp_path)
    assert asked
    _arrays.cache_clear()
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    np.testing.assert_array_equal(mnist(tmp_path).x_train, first.x_train)


@pytest.mark.usefixtures("asked")
def test_a_file_that_could_not_be_written_is_not_left_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **arrays: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="disk full"):
        mnist(tmp_path)
    assert list(tmp_path.glob("*.npz")) == []


@pytest.mark.usefixtures("asked")
def test_a_setting_that_everything_trains_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    settings = Settings(task="mnist", hidden=(8, 8), epochs=1, batch_size=4, rate=1e-3)
    assert settings.data().x_train.dtype == np.float64
    done = run(settings)
    assert done.diverged is None
    assert done.stack.modules[0].body.layers[0].W.shape == (784, 8)
    assert 0 <= done.final("class_error") <= 1
    # and the table of notebook 07
    table = by_depth(task="mnist", depths=(3,), seeds=(0,), width=8, epochs=1, batch_size=4)
    assert all(0 <= columns[3][0] <= 1 for columns in table.values())
