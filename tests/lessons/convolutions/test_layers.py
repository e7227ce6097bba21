"""Convolutions against sums that are written out, errors, and planted mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnilab.lessons.convolutions.network.layers import ChannelNorm, Conv2D, add_windows, cut_windows
from dnilab.lessons.convolutions.network.pooling import Flatten, MaxPool2D, MeanPool2D, ToImage
from dnilab.network import BatchNorm, Chain, Dense, relative_error
from dnilab.network.layers import Pullback
from tests.network import cases, contract
from tests.network.spoilt import Spoilt


def by_hand(x: np.ndarray, W: np.ndarray, b: np.ndarray, stride: int, padding: int) -> np.ndarray:
    """The definition of a convolution, one output pixel at a time."""
    batch, height, width, _ = x.shape
    size = len(W)
    framed = np.zeros((batch, height + 2 * padding, width + 2 * padding, x.shape[3]))
    framed[:, padding : padding + height, padding : padding + width] = x
    rows = range(0, framed.shape[1] - size + 1, stride)
    columns = range(0, framed.shape[2] - size + 1, stride)
    y = np.empty((batch, len(rows), len(columns), W.shape[3]))
    for r, top in enumerate(rows):
        for c, left in enumerate(columns):
            window = framed[:, top : top + size, left : left + size]
            y[:, r, c] = np.einsum("bijc,ijco->bo", window, W) + b
    return y


@given(
    height=st.integers(1, 7),
    width=st.integers(1, 7),
    size=st.integers(1, 4),
    stride=st.integers(1, 4),
    padding=st.integers(0, 3),
    seed=st.integers(0, 99),
)
def test_it_is_the_sum_of_the_definition(
    height: int, width: int, size: int, stride: int, padding: int, seed: int
) -> None:
    padding = min(padding, size - 1)
    if min(height, width) + 2 * padding < size:
        return
    rng = np.random.default_rng(seed)
    conv = Conv2D(2, 3, size, rng, stride=stride, padding=padding)
    conv.b[:] = rng.standard_normal(3)
    x = rng.standard_normal((2, height, width, 2))
    y, _ = conv(x)
    expected = by_hand(x, conv.W, conv.b, stride, padding)
    assert y.shape == expected.shape
    assert relative_error(y, expected) < 1e-13
    assert contract.same([conv.predict(x)], [y])


@given(
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    size=st.integers(1, 3),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
)
def test_adding_is_the_transpose_of_cutting(
    height: int, width: int, size: int, stride: int, padding: int
) -> None:
    if min(height, width) + 2 * padding < size:
        return
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, height, width, 2))
    windows = cut_windows(x, size, stride, padding)
    d = rng.standard_normal(windows.shape)
    there = float(np.sum(windows * d))
    back = float(np.sum(x * add_windows(d, height, width, stride, padding)))
    assert there == pytest.approx(back, rel=1e-12, abs=1e-12)


def test_a_window_as_large_as_the_image_is_a_dense_layer() -> None:
    rng = np.random.default_rng(1)
    conv = Conv2D(2, 3, 4, rng)
    dense = Dense(32, 3, rng)
    dense.theta[:] = conv.theta
    x = rng.standard_normal((5, 4, 4, 2))
    assert relative_error(conv(x)[0].reshape(5, 3), dense(x.reshape(5, 32))[0]) < 1e-13


def test_windows_are_not_copied() -> None:
    x = np.zeros((2, 5, 5, 1))
    windows = cut_windows(x, 3)
    assert np.shares_memory(windows, x)
    assert not windows.flags.writeable


def test_the_spread_of_the_weights() -> None:
    conv = Conv2D(8, 500, 3, np.random.default_rng(2), gain=2.0)
    assert conv.W.std() == pytest.approx(2.0 / np.sqrt(72), rel=0.02)
    assert not conv.b.any()
    assert not Conv2D(2, 3, 3, gain=0).theta.any()


class TestPooling:
    x = np.arange(16.0).reshape(1, 4, 4, 1)

    def test_mean(self) -> None:
        assert MeanPool2D(2)(self.x)[0].ravel().tolist() == [2.5, 4.5, 10.5, 12.5]

    def test_max(self) -> None:
        y, pullback = MaxPool2D(2)(self.x)
        assert y.ravel().tolist() == [5, 7, 13, 15]
        dx, _ = pullback(np.array([1.0, 2, 3, 4]).reshape(1, 2, 2, 1))
        assert {int(i): float(dx.ravel()[i]) for i in np.flatnonzero(dx)} == {
            5: 1, 7: 2, 13: 3, 15: 4,
        }  # fmt: skip

    def test_the_first_of_equals_gets_the_gradient(self) -> None:
        _, pullback = MaxPool2D(2)(np.zeros((1, 2, 2, 1)))
        assert pullback(np.ones((1, 1, 1, 1)))[0].ravel().tolist() == [1, 0, 0, 0]

    def test_what_no_window_reaches_gets_nothing(self) -> None:
        y, pullback = MeanPool2D(2)(np.ones((1, 3, 5, 2)))
        assert y.shape == (1, 1, 2, 2)
        dx, _ = pullback(np.ones_like(y))
        assert dx[:, 2].any() == dx[:, :, 4].any() == False  # noqa: E712


class TestChannelNorm:
    def test_it_is_batch_norm_of_the_pixels(self) -> None:
        rng = np.random.default_rng(3)
        x = rng.standard_normal((4, 3, 2, 5)) + 2
        images, rows = ChannelNorm(5), BatchNorm(5)
        y, _ = images(x)
        assert relative_error(y.reshape(-1, 5), rows(x.reshape(-1, 5))[0]) < 1e-13
        assert abs(y.mean(axis=(0, 1, 2))).max() < 1e-13

    def test_evaluation_needs_a_population(self) -> None:
        norm = ChannelNorm(2)
        x = np.random.default_rng(4).standard_normal((50, 3, 3, 2)) * 3
        with pytest.raises(RuntimeError, match="call calibrate"):
            norm.predict(x)
        Chain([norm]).calibrate(x)
        assert norm.predict(x).std() == pytest.approx(1, rel=0.01)
        twin = norm.copy(np.float32)
        assert type(twin) is ChannelNorm
        assert twin.predict(x.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Conv2D(0, 1), "channels_in is 0"),
        (lambda: Conv2D(1, 1.5), "channels_out is 1.5"),
        (lambda: Conv2D(1, 1, 0), "size is 0"),
        (lambda: Conv2D(1, 1, 3, gain=0, stride=0), "stride is 0"),
        (lambda: Conv2D(1, 1, 3, gain=0, padding=3), "padding is 3; it accepts 0 to 2"),
        (lambda: Conv2D(1, 1, 3), "rng is None"),
        (lambda: Conv2D(1, 1, 3, 5), "rng is 5"),
        (lambda: MaxPool2D(0), "size is 0"),
        (lambda: MeanPool2D(2, stride=0), "stride is 0"),
        (lambda: ToImage(8, 0), "width is 0"),
        (lambda: ChannelNorm(0), "width is 0"),
    ],
)
def test_arguments(make: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()


RNG = np.random.default_rng(0)
WRONG_INPUTS = [
    (Conv2D(2, 3, 3, RNG), (5, 4, 4), r"\(batch, height, width, 2\)"),
    (Conv2D(2, 3, 3, RNG), (5, 4, 4, 3), r"\(batch, height, width, 2\)"),
    (Conv2D(2, 3, 3, RNG), (5, 2, 4, 2), "images of 2 x 4 pixels.*accepts 3 or more"),
    (MaxPool2D(3), (5, 2, 2, 1), "accepts 3 or more"),
    (MeanPool2D(3), (5, 9), "height, width, channels"),
    (ChannelNorm(2), (5, 4, 4, 3), r"\(batch, height, width, 2\)"),
    (Flatten(), (5, 9), "height, width, channels"),
    (ToImage(2, 2), (5, 9), r"\(batch, 4\)"),
]


@pytest.mark.parametrize(("layer", "shape", "says"), WRONG_INPUTS)
def test_inputs(layer: Any, shape: tuple[int, ...], says: str) -> None:
    for call in (layer, layer.predict):
        with pytest.raises(ValueError, match="^x has " + ".*" + says):
            call(np.ones(shape))


# ---- planted mistakes --------------------------------------------------------------------------


class Planted(Spoilt, Conv2D):
    """A convolution to spoil."""


class Overwrites(Planted):
    """Writes windows back instead of adding them where they overlap."""

    def spoil(self, x: Any, dy: Any, dx: Any, grad: Any) -> tuple[Any, Any]:
        dX = np.einsum("brco,ijko->brcijk", dy, self.W)
        dx = np.zeros((len(x), x.shape[1] + 2, x.shape[2] + 2, x.shape[3]), dy.dtype)
        for r in range(dy.shape[1]):
            for c in range(dy.shape[2]):
                dx[:, 2 * r : 2 * r + 3, 2 * c : 2 * c + 3] = dX[:, r, c]
        return dx[:, 1:-1, 1:-1], grad


class FlippedKernel(Planted):
    def spoil(self, x: Any, dy: Any, dx: Any, grad: Any) -> tuple[Any, Any]:
        shape = dy.shape[:3]
        dX = (dy.reshape(-1, 3) @ self.W[::-1, ::-1].reshape(-1, 3).T).reshape(*shape, 3, 3, -1)
        return add_windows(dX, *x.shape[1:3], 2, 1), grad


class ForgetsTheBiasOfPixels(Planted):
    """The bias gradient as a mean over pixels."""

    def spoil(self, x: Any, dy: Any, dx: Any, grad: Any) -> tuple[Any, Any]:
        grad[-3:] /= dy.shape[1] * dy.shape[2]
        return dx, grad


class MixesKernelRowsAndColumns(Planted):
    def spoil(self, x: Any, dy: Any, dx: Any, grad: Any) -> tuple[Any, Any]:
        grad[:-3] = grad[:-3].reshape(self.W.shape).transpose(1, 0, 2, 3).ravel()
        return dx, grad


class NormPerPixel(ChannelNorm):
    """Holds the mean over pixels for a constant."""

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Pullback]:
        y, sound = super().__call__(x)
        spread = np.sqrt((abs(x - x.mean(axis=(0, 1, 2))) ** 2).mean(axis=(0, 1, 2)))

        def pullback(dy: np.ndarray, want_dx: bool = True) -> tuple[Any, Any]:
            _, grads = sound(dy)
            return (dy * (self.gamma / spread).real.astype(dy.dtype) if want_dx else None), grads

        return y, pullback


def planted(kind: type) -> contract.Case:
    return cases.images(
        kind.__name__, lambda rng: kind(2, 3, 3, rng, stride=2, padding=1), (3, 2, 3)
    )


def test_the_planting_itself_breaks_nothing() -> None:
    for clause in contract.CLAUSES:
        clause(planted(Planted))


@pytest.mark.parametrize(
    "case",
    [
        planted(Overwrites),
        planted(FlippedKernel),
        planted(ForgetsTheBiasOfPixels),
        planted(MixesKernelRowsAndColumns),
        cases.images("NormPerPixel", lambda rng: NormPerPixel(2), (5, 4, 2)),
    ],
    ids=str,
)
def test_a_planted_mistake_is_caught(case: contract.Case) -> None:
    for clause in (contract.derivatives_by_complex_step, contract.derivatives_by_differences):
        with pytest.raises(AssertionError, match="is off by"):
            clause(case)
