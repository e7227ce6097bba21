"""Layers of images without parameters: pooling, and between rows and images."""

from __future__ import annotations

import numpy as np

from dnilab.checks import whole_number
from dnilab.lessons.convolutions.network.layers import (
    add_windows,
    check_image,
    cut_windows,
    windows_along,
)
from dnilab.network.layers import Back, Layer, Pullback, check_width


class _Pool2D(Layer):
    """What both ways of pooling have in common.

    Shapes: x (batch, height, width, channels), y (batch, rows, columns, channels) with rows =
    (height - size) // stride + 1; pixels that no window reaches are dropped.

    ``stride`` is ``size`` if None: windows side by side.  Raises ValueError for sizes below 1, and
    at the call for images smaller than a window.
    """

    def __init__(self, size: int = 2, *, stride: int | None = None) -> None:
        self.size = whole_number("size", size, 1)
        self.stride = self.size if stride is None else whole_number("stride", stride, 1)

    def output_shape(self, height: int, width: int, channels: int) -> tuple[int, int, int]:
        """(rows, columns, channels) of y for images of this shape."""
        rows, columns = (windows_along(n, self.size, self.stride) for n in (height, width))
        return rows, columns, channels

    def predict(self, x: np.ndarray) -> np.ndarray:
        """y alone."""
        raise NotImplementedError


class MeanPool2D(_Pool2D):
    __doc__ = f"""The mean of each window.\n{_Pool2D.__doc__}"""

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Pullback]:
        y = self.predict(x)
        height, width = x.shape[1:3]

        def pullback(dy: np.ndarray, want_dx: bool = True) -> Back:
            if not want_dx:
                return None, []
            batch, rows, columns, channels = dy.shape
            shares = np.broadcast_to(
                (dy / self.size**2)[:, :, :, None, None],
                (batch, rows, columns, self.size, self.size, channels),
            )
            return add_windows(shares, height, width, self.stride), []

        return y, pullback

    def predict(self, x: np.ndarray) -> np.ndarray:
        """y alone."""
        mean: np.ndarray = cut_windows(x, self.size, self.stride).mean(axis=(3, 4))
        return mean


class MaxPool2D(_Pool2D):
    __doc__ = f"""The largest number of each window and channel; the first of several equals.\n{
        _Pool2D.__doc__
    }"""

    def _flat(self, x: np.ndarray) -> np.ndarray:
        """Windows (batch, rows, columns, size^2, channels)."""
        windows = cut_windows(x, self.size, self.stride)
        return windows.reshape(*windows.shape[:3], self.size**2, -1)

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Pullback]:
        flat = self._flat(x)
        height, width = x.shape[1:3]
        first = flat.argmax(axis=3)[:, :, :, None]
        y = np.take_along_axis(flat, first, axis=3)[:, :, :, 0]

        def pullback(dy: np.ndarray, want_dx: bool = True) -> Back:
            if not want_dx:
                return None, []
            windows = np.zeros(flat.shape, dy.dtype)
            np.put_along_axis(windows, first, dy[:, :, :, None], axis=3)
            windows = windows.reshape(*dy.shape[:3], self.size, self.size, dy.shape[3])
            return add_windows(windows, height, width, self.stride), []

        return y, pullback

    def predict(self, x: np.ndarray) -> np.ndarray:
        """y alone."""
        largest: np.ndarray = self._flat(x).max(axis=3)
        return largest


class Flatten(Layer):
    """From images to rows: x (batch, height, width, channels), y (batch, their product).

    Raises ValueError, naming x, for anything that is not a batch of images.
    """

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Pullback]:
        y = self.predict(x)

        def pullback(dy: np.ndarray, want_dx: bool = True) -> Back:
            return (dy.reshape(x.shape) if want_dx else None), []

        return y, pullback

    def predict(self, x: np.ndarray) -> np.ndarray:
        """y alone."""
        check_image("x", x)
        return x.reshape(len(x), -1)


class ToImage(Layer):
    """From rows to images: x (batch, height * width * channels), y (batch, height, width,
    channels).

    Raises ValueError for a size below 1, and at the call for an x of another width.
    """

    def __init__(self, height: int, width: int, channels: int = 1) -> None:
        self.shape = (
            whole_number("height", height, 1),
            whole_number("width", width, 1),
            whole_number("channels", channels, 1),
        )

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Pullback]:
        y = self.predict(x)

        def pullback(dy: np.ndarray, want_dx: bool = True) -> Back:
            return (dy.reshape(len(dy), -1) if want_dx else None), []

        return y, pullback

    def predict(self, x: np.ndarray) -> np.ndarray:
        """y alone."""
        check_width("x", x, int(np.prod(self.shape)))
        return x.reshape(len(x), *self.shape)
