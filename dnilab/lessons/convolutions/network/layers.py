"""Convolution, as matrix products of windows, and batch normalisation over channels.

Images are (batch, height, width, channels).  The whole of convolution is two linear maps that are
each other's transpose: ``cut_windows`` copies every window out of an image, ``add_windows`` adds
windows back to where they came from.  What lies between them is a dense layer on windows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from dnilab.checks import shaped, whole_number
from dnilab.network.layers import Back, Dense, Layer, Pullback
from dnilab.network.normalisation import BatchNorm


def check_image(name: str, x: np.ndarray, channels: int | None = None) -> None:
    """Raise ValueError unless x is a (batch, height, width, channels) array."""
    shaped(name, x, "batch", "height", "width", channels or "channels")


def cut_windows(x: np.ndarray, size: int, stride: int = 1, padding: int = 0) -> np.ndarray:
    """Every window of size by size pixels, ``stride`` pixels apart, in a frame of zeros.

    Shapes: x (batch, height, width, channels); returns (batch, rows, columns, size, size,
    channels), a view that must not be written to.

    Raises ValueError, naming x, if no window fits.
    """
    check_image("x", x)
    if min(x.shape[1:3]) + 2 * padding < size:
        raise ValueError(
            f"x has images of {x.shape[1]} x {x.shape[2]} pixels; with padding={padding} a window "
            f"of {size} x {size} accepts {max(size - 2 * padding, 1)} or more each way"
        )
    if padding:
        batch, height, width, channels = x.shape
        framed = np.zeros((batch, height + 2 * padding, width + 2 * padding, channels), x.dtype)
        framed[:, padding:-padding, padding:-padding] = x  # np.pad takes several times as long
        x = framed
    every = sliding_window_view(x, (size, size), axis=(1, 2))
    return every[:, ::stride, ::stride].transpose(0, 1, 2, 4, 5, 3)


def add_windows(
    windows: np.ndarray, height: int, width: int, stride: int = 1, padding: int = 0
) -> np.ndarray:
    """Add windows up, each where ``cut_windows`` would have cut it: the transpose of cutting.

    Shapes: windows (batch, rows, columns, size, size, channels); returns (batch, height, width,
    channels).
    """
    batch, rows, columns, size, _, channels = windows.shape
    shape = (batch, height + 2 * padding, width + 2 * padding, channels)
    framed = np.zeros(shape, windows.dtype)
    # One addition for each place in a window, of all windows at once: windows overlap, so the
    # pixels of different places may coincide, but those of one place never do.
    down, right = stride * (rows - 1) + 1, stride * (columns - 1) + 1
    for i in range(size):
        for j in range(size):
            framed[:, i : i + down : stride, j : j + right : stride] += windows[:, :, :, i, j]
    return framed[:, padding : padding + height, padding : padding + width]


class Conv2D(Layer):
    """A convolution: one dense layer, applied to every window of an image.

    Shapes: x (batch, height, width, channels_in), W (size, size, channels_in, channels_out),
    b (channels_out,), y (batch, rows, columns, channels_out) with rows =
    (height + 2 padding - size) // stride + 1, and columns likewise.

    As usual in this field, W is not flipped: strictly it is a cross-correlation.

    W is drawn with standard deviation ``gain / sqrt(size^2 channels_in)``, as in ``Dense``; b
    starts at zero.  With ``gain=0`` the whole layer starts at zero.

    Raises ValueError, naming the argument, for sizes out of range, and at the call for an x with
    other channels or too small for a window.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        size: int = 3,
        rng: np.random.Generator | None = None,
        *,
        stride: int = 1,
        padding: int = 0,
        gain: float = 1.0,
        dtype: Any = np.float64,
    ) -> None:
        self.channels_in = whole_number("channels_in", channels_in, 1)
        self.channels_out = whole_number("channels_out", channels_out, 1)
        self.size = whole_number("size", size, 1)
        self.stride = whole_number("stride", stride, 1)
        # A wider frame would make windows that see zeros only.
        self.padding = whole_number("padding", padding, 0, self.size - 1)
        fan_in = self.size**2 * self.channels_in
        self._hold(Dense(fan_in, self.channels_out, rng, gain=gain, dtype=dtype).theta)

    def _hold(self, theta: np.ndarray) -> None:
        """Keep ``theta``, with W and b as views into it."""
        self.theta = theta
        self.of_windows = Dense(self.size**2 * self.channels_in, self.channels_out, gain=0)
        self.of_windows._hold(theta)
        self.W = self.of_windows.W.reshape(self.size, self.size, self.channels_in, -1)
        self.b = self.of_windows.b

    def _windows(self, x: np.ndarray) -> tuple[np.ndarray, tuple[int, ...]]:
        """The windows of x as rows of a matrix, and their number each way: batch, rows, columns."""
        check_image("x", x, self.channels_in)
        view = cut_windows(x, self.size, self.stride, self.padding)
        # The one copy: windows overlap, so the matrix is larger than the image.
        return view.reshape(-1, self.of_windows.n_in), view.shape[:3]

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Pullback]:
        X, places = self._windows(x)
        y, back = self.of_windows(X)
        height, width = x.shape[1:3]

        def pullback(dy: np.ndarray, want_dx: bool = True) -> Back:
            dX, grads = back(dy.reshape(-1, self.channels_out), want_dx)
            if dX is None:
                return None, grads
            windows = dX.reshape(*places, self.size, self.size, self.channels_in)
            return add_windows(windows, height, width, self.stride, self.padding), grads

        return y.reshape(*places, -1), pullback

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Evaluation mode: y alone."""
        X, places = self._windows(x)
        return self.of_windows.predict(X).reshape(*places, -1)


class ChannelNorm(BatchNorm):
    """Batch normalisation of images: one mean, variance, gamma and beta for each channel.

    Shapes: x and y (batch, height, width, channels); gamma and beta (channels,).

    Mean and variance go over batch, height and width, so that a channel is treated alike wherever
    a window lies (arXiv 1502.03167, section 3.2).  All else is as in ``BatchNorm``.
    """

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Pullback]:
        check_image("x", x, self.width)
        y, flat_pullback = super().__call__(x.reshape(-1, self.width))

        def pullback(dy: np.ndarray, want_dx: bool = True) -> Back:
            dx, grads = flat_pullback(dy.reshape(-1, self.width), want_dx)
            return (None if dx is None else dx.reshape(x.shape)), grads

        return y.reshape(x.shape), pullback

    def calibrate(self, x: np.ndarray) -> None:
        """Take mean and variance for evaluation from the images of x."""
        check_image("x", x, self.width)
        super().calibrate(x.reshape(-1, self.width))

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Evaluation mode, with the population's mean and variance."""
        check_image("x", x, self.width)
        return super().predict(x.reshape(-1, self.width)).reshape(x.shape)
