"""Layers of images without parameters: pooling, and between rows and images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dnilab.checks import shaped, whole_number
from dnilab.lessons.convolutions.network.layers import add_windows, check_image, cut_windows
from dnilab.network.layers import Back, Layer, Pullback

Shares = Callable[[np.ndarray], np.ndarray]
"""From dy to what each pixel of each window has of it, shaped like the windows."""


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

    def _pooled(self, windows: np.ndarray) -> tuple[np.ndarray, Shares]:
        """y, (batch, rows, columns, channels), and the way back to the windows."""
        raise NotImplementedError

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Pullback]:
        y, shares_of = self._pooled(cut_windows(x, self.size, self.stride))
        height, width = x.shape[1:3]

        def pullback(dy: np.ndarray, want_dx: bool = True) -> Back:
            if not want_dx:
                return None, []
            return add_windows(shares_of(dy), height, width, self.stride), []

        return y, pullback


class MeanPool2D(_Pool2D):
    __doc__ = f"""The mean of each window.\n{_Pool2D.__doc__}"""

    def _pooled(self, windows: np.ndarray) -> tuple[np.ndarray, Shares]:
        def shares_of(dy: np.ndarray) -> np.ndarray:
            return np.broadcast_to((dy / self.size**2)[:, :, :, None, None], windows.shape)

        return windows.mean(axis=(3, 4)), shares_of


class MaxPool2D(_Pool2D):
    __doc__ = f"""The largest number of each window and channel; the first of several equals.\n{
        _Pool2D.__doc__
    }"""

    def _pooled(self, windows: np.ndarray) -> tuple[np.ndarray, Shares]:
        flat = windows.reshape(*windows.shape[:3], self.size**2, -1)
        first = flat.argmax(axis=3)[:, :, :, None]

        def shares_of(dy: np.ndarray) -> np.ndarray:
            shares = np.zeros(flat.shape, dy.dtype)
            np.put_along_axis(shares, first, dy[:, :, :, None], axis=3)
            return shares.reshape(windows.shape)

        return np.take_along_axis(flat, first, axis=3)[:, :, :, 0], shares_of


class _Reshaped(Layer):
    """The same numbers in another shape, which ``predict`` gives them."""

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Pullback]:
        def pullback(dy: np.ndarray, want_dx: bool = True) -> Back:
            return (dy.reshape(x.shape) if want_dx else None), []

        return self.predict(x), pullback


class Flatten(_Reshaped):
    """From images to rows: x (batch, height, width, channels), y (batch, their product).

    Raises ValueError, naming x, for anything that is not a batch of images.
    """

    def predict(self, x: np.ndarray) -> np.ndarray:
        """y alone."""
        check_image("x", x)
        return x.reshape(len(x), -1)


class ToImage(_Reshaped):
    """From rows to images: x (batch, height * width * channels), y (batch, height, width,
    channels).

    Raises ValueError for a size below 1, and at the call for an x of another width.
    """

    def __init__(self, height: int, width: int, channels: int = 1) -> None:
        sizes = {"height": height, "width": width, "channels": channels}
        self.shape = tuple(whole_number(name, size, 1) for name, size in sizes.items())

    def predict(self, x: np.ndarray) -> np.ndarray:
        """y alone."""
        shaped("x", x, "batch", int(np.prod(self.shape)))
        return x.reshape(len(x), *self.shape)
