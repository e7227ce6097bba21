"""Stacks of convolutions, and the generators that guess a gradient that is an image."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from dnilab.checks import shaped, whole_numbers
from dnilab.lessons.convolutions.network.layers import ChannelNorm, Conv2D, check_image
from dnilab.lessons.convolutions.network.pooling import Flatten, MaxPool2D, MeanPool2D, ToImage
from dnilab.network.layers import Chain, Dense, Layer, Loss, ReLU
from dnilab.network.layers import activation as activation_named
from dnilab.network.modules import (
    Generator,
    Guess,
    Module,
    Rows,
    Stack,
    check_context,
    joined_context,
)

Shape = tuple[int, int, int]  # height, width, channels

DOWNSAMPLING: dict[str, type[MaxPool2D | MeanPool2D] | None] = {
    "stride": None,
    "max": MaxPool2D,
    "mean": MeanPool2D,
}
"""How a module halves an image: by windows two pixels apart, or by pooling after them."""


def label_planes(y: np.ndarray, height: int, width: int) -> np.ndarray:
    """Each label as a constant image: y (batch, outputs) -> (batch, height, width, outputs)."""
    return np.broadcast_to(y[:, None, None, :], (len(y), height, width, y.shape[1]))


def fold(x: np.ndarray, height: int, width: int) -> np.ndarray:
    """A larger image at a smaller size, nothing lost: each block of pixels becomes channels.

    Shapes: x (batch, a height, b width, channels); returns (batch, height, width, a b channels).
    Raises ValueError, naming x, unless the blocks come out even.
    """
    check_image("x", x)
    batch, high, wide, channels = x.shape
    if high % height or wide % width:
        raise ValueError(
            f"x has images of {high} x {wide} pixels; beside an h of {height} x {width} it accepts "
            "whole multiples of both"
        )
    a, b = high // height, wide // width
    blocks = x.reshape(batch, height, a, width, b, channels).transpose(0, 1, 3, 2, 4, 5)
    return blocks.reshape(batch, height, width, a * b * channels)


class ImageGenerator(Generator):
    """What both generators after a convolution share: h, g_hat and error are images.

    ``shape``: (height, width, channels) of h.  As with every generator, ``g_hat, pullback =
    generator(h, x, y)`` with x (batch, inputs) and y (batch, outputs) as rows, and ``_, grads =
    pullback(error)``.

    Raises ValueError, naming h, at the call for an h of another shape.
    """

    shape: Shape

    def joined(self, h: np.ndarray, x: Rows = None, y: Rows = None) -> np.ndarray:
        """The context as the first layer sees it."""
        raise NotImplementedError

    def __call__(self, h: Any, x: Rows = None, y: Rows = None, error: Rows = None) -> Guess:
        shaped("h", h, "batch", *self.shape)
        return self.body(self.joined(h, x, y))


class DenseImageGenerator(ImageGenerator):
    """A dense generator of images: h as a row, with y and x beside it.

    Every pixel of the guess has weights of its own to every part of the context.  All arguments
    but ``shape`` are those of ``Generator``, and it raises ValueError as ``Generator`` does.
    """

    def __init__(self, shape: Shape, context: Sequence[str] = ("h",), **options: Any) -> None:
        self.shape = shape
        super().__init__(int(np.prod(self.shape)), context, **options)
        self.body = Chain([*self.body.layers, ToImage(*self.shape)])

    def joined(self, h: np.ndarray, x: Rows = None, y: Rows = None) -> np.ndarray:
        """The parts of the context side by side, (batch, sum of widths)."""
        return joined_context(self.context, h.reshape(len(h), -1), x, y)


class ConvGenerator(ImageGenerator):
    """A convolutional generator: images in, an image of the same height and width out.

    Its input are planes: the channels of h; each label as a constant image, which makes it a
    conditional generator; the network's input x folded to the size of h.  The same small window
    makes the guess for every pixel, so it needs far fewer parameters than a dense generator, and
    a pixel of the guess depends on its neighbourhood alone.

    ``hidden``: channels of hidden layers, each a convolution and a ReLU.  ``size``: of all
    windows; odd, with padding so that the image keeps its size.  ``image``: (height, width,
    channels) of the network's input, for the context "x"; ``h_norm`` is h with each channel
    normalised.  The last layer starts at zero: the first guesses are 0.

    Raises ValueError for an ``image`` that can't be folded evenly to the size of h.
    """

    def __init__(
        self,
        shape: Shape,
        context: Sequence[str] = ("h",),
        *,
        image: Shape = (1, 1, 1),
        outputs: int = 0,
        hidden: Sequence[int] = (),
        size: int = 3,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        self.shape, self.image = shape, image
        self.context = check_context(context)
        one_x = np.zeros((1, int(np.prod(image))))
        planes = self.joined(np.zeros((1, *self.shape)), one_x, np.zeros((1, outputs))).shape[3]
        same = {"padding": size // 2, "dtype": dtype}  # the image keeps its size
        layers: list[Layer] = []
        for n in whole_numbers("hidden", hidden, 1):
            layers += [Conv2D(planes, n, size, rng, gain=ReLU.gain, **same), ReLU()]
            planes = n
        self.body = Chain([*layers, Conv2D(planes, self.shape[2], size, gain=0, **same)])

    def joined(self, h: np.ndarray, x: Rows = None, y: Rows = None) -> np.ndarray:
        """The planes of the context, (batch, height, width, sum of channels)."""
        height, width, _ = self.shape
        if "x" in self.needs and x is not None:
            x = as_rows(fold(x.reshape(len(x), *self.image), height, width))
        if "y" in self.needs and y is not None:
            y = as_rows(label_planes(y, height, width))
        pixels = joined_context(self.context, as_rows(h), x, y)
        return pixels.reshape(*h.shape[:3], -1)


def as_rows(image: np.ndarray) -> np.ndarray:
    """Every pixel a row: (batch, height, width, channels) -> (their product, channels)."""
    return image.reshape(-1, image.shape[3])


GENERATORS = ("dense", "convolutional")


def build_convolutional(
    image: Shape,
    channels: Sequence[int],
    outputs: int,
    loss: Loss,
    rng: np.random.Generator,
    *,
    size: int = 3,
    downsampling: str = "stride",
    activation: str = "relu",
    batch_norm: bool = True,
    context: Sequence[str] | None = None,
    generator: str = "dense",
    generator_hidden: Sequence[int] = (),
    dtype: Any = np.float64,
) -> Stack:
    """A stack of convolutions for rows of pixels, with a dense module on top.

    ``image``: (height, width, channels) of a row of x.  Each number of ``channels`` makes a
    module: convolution, then ChannelNorm if asked for, then the activation; it halves the image,
    by a stride of 2 or, after a stride of 1, by pooling ("max" or "mean").  ``size`` of the
    windows is odd.  The top module flattens what is left and is Dense alone.

    With a ``context``, each module but the top one gets a generator that sees it; ``generator``
    says which kind, and ``generator_hidden`` its hidden widths or channels.

    The bodies draw from ``rng`` before the generators do, so the same seed gives the same weights
    with and without them.

    ``ConvolutionSettings`` makes all that goes in here, and checks it.
    """
    pool = DOWNSAMPLING[downsampling]
    squash = activation_named(activation)
    how: dict[str, Any] = {"padding": size // 2, "gain": squash.gain, "dtype": dtype}
    inputs = int(np.prod(image))
    h = np.zeros((2, inputs), dtype)  # goes through, to see the shapes
    shapes: list[Shape] = []
    bodies: list[Chain] = []
    for c_in, c_out in pairwise((image[2], *channels)):
        layers: list[Layer] = [] if bodies else [ToImage(*image)]
        layers.append(Conv2D(c_in, c_out, size, rng, stride=2 if pool is None else 1, **how))
        if batch_norm:
            layers.append(ChannelNorm(c_out, dtype=dtype))
        layers.append(squash)
        if pool is not None:
            layers.append(pool(2))
        bodies.append(Chain(layers))
        h, _ = bodies[-1](h)
        shapes.append(h.shape[1:])
    top = Module(Chain([Flatten(), Dense(h[0].size, outputs, rng, dtype=dtype)]))

    def signal(shape: Shape) -> ImageGenerator | None:
        given = {"outputs": outputs, "hidden": generator_hidden, "rng": rng, "dtype": dtype}
        if context is None:
            return None
        if generator == "dense":
            return DenseImageGenerator(shape, context, inputs=inputs, **given)
        return ConvGenerator(shape, context, image=image, size=size, **given)

    pairs = zip(bodies, shapes, strict=True)
    return Stack([*(Module(body, signal(shape)) for body, shape in pairs), top], loss)
