"""Stacks of convolutions, and the generators that guess a gradient that is an image."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from dnilab.checks import float_type, one_of, random_generator, true_or_false, whole_numbers
from dnilab.lessons.convolutions.network.layers import ChannelNorm, Conv2D, check_image
from dnilab.lessons.convolutions.network.pooling import Flatten, MaxPool2D, MeanPool2D, ToImage
from dnilab.network.layers import Chain, Dense, Layer, Pullback, ReLU
from dnilab.network.layers import activation as activation_named
from dnilab.network.losses import Loss
from dnilab.network.normalisation import normalise
from dnilab.network.signals import Generator, check_context, joined_context
from dnilab.network.stack import Module, Stack

Shape = tuple[int, int, int]  # height, width, channels

DOWNSAMPLING: dict[str, type[MaxPool2D | MeanPool2D] | None] = {
    "stride": None,
    "max": MaxPool2D,
    "mean": MeanPool2D,
}
"""How a module halves an image: by windows two pixels apart, or by pooling after them."""


def check_shape(name: str, shape: Any) -> Shape:
    """Return ``shape`` as (height, width, channels); raise ValueError if it is anything else."""
    numbers = whole_numbers(name, shape, 1)
    if len(numbers) != 3:
        raise ValueError(
            f"{name} is {numbers}; it accepts three numbers, height, width and channels"
        )
    return numbers[0], numbers[1], numbers[2]


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
    """

    shape: Shape

    def joined(
        self, h: np.ndarray, x: np.ndarray | None = None, y: np.ndarray | None = None
    ) -> np.ndarray:
        """The context as the first layer sees it."""
        raise NotImplementedError

    def _check(self, h: np.ndarray) -> None:
        if h.shape[1:] != self.shape:
            wanted = ", ".join(map(str, self.shape))
            raise ValueError(
                f"h has shape {h.shape}; it accepts an array of shape (batch, {wanted})"
            )

    def __call__(
        self,
        h: np.ndarray,
        x: np.ndarray | None = None,
        y: np.ndarray | None = None,
        error: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Pullback]:
        return self.body(self.joined(h, x, y))


class DenseImageGenerator(ImageGenerator):
    """A dense generator of images: h as a row, with y and x beside it.

    Every pixel of the guess has weights of its own to every part of the context.  ``hidden``:
    widths of hidden ReLU layers; none makes it linear.  The last layer starts at zero.

    Raises ValueError as ``Generator`` does, and at the call for an h of another shape.
    """

    def __init__(
        self,
        shape: Shape,
        context: Sequence[str] = ("h",),
        *,
        inputs: int = 0,
        outputs: int = 0,
        hidden: Sequence[int] = (),
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        self.shape = check_shape("shape", shape)
        super().__init__(
            int(np.prod(self.shape)),
            context,
            inputs=inputs,
            outputs=outputs,
            hidden=hidden,
            rng=rng,
            dtype=dtype,
        )
        self.body = Chain([*self.body.layers, ToImage(*self.shape)])

    def joined(
        self, h: np.ndarray, x: np.ndarray | None = None, y: np.ndarray | None = None
    ) -> np.ndarray:
        """The parts of the context side by side, (batch, sum of widths)."""
        self._check(h)
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

    Raises ValueError, naming the argument, for what does not fit.
    """

    def __init__(
        self,
        shape: Shape,
        context: Sequence[str] = ("h",),
        *,
        image: Shape | None = None,
        outputs: int = 0,
        hidden: Sequence[int] = (),
        size: int = 3,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        self.shape = check_shape("shape", shape)
        self.context = check_context(context)
        self.image = None if image is None else check_shape("image", image)
        self.width = int(np.prod(self.shape))
        self.size = size
        height, width, channels = self.shape
        planes = 0
        for part in self.context:
            if part == "y":
                planes += whole_numbers("outputs", (outputs,), 1)[0]
            elif part == "x":
                if self.image is None:
                    raise ValueError(
                        "image is None; the context 'x' accepts (height, width, channels)"
                    )
                planes += fold(np.zeros((1, *self.image)), height, width).shape[3]
            else:
                planes += channels
        if size % 2 == 0:
            raise ValueError(f"size is {size}; it accepts odd numbers: the guess keeps h's size")
        layers: list[Layer] = []
        for n in whole_numbers("hidden", hidden, 1):
            layers.append(
                Conv2D(planes, n, size, rng, padding=size // 2, gain=ReLU.gain, dtype=dtype)
            )
            layers.append(ReLU())
            planes = n
        layers.append(Conv2D(planes, channels, size, padding=size // 2, gain=0, dtype=dtype))
        self.needs = tuple(part for part in ("x", "y") if part in self.context)
        self.body = Chain(layers)

    def joined(
        self, h: np.ndarray, x: np.ndarray | None = None, y: np.ndarray | None = None
    ) -> np.ndarray:
        """The planes of the context, (batch, height, width, sum of channels)."""
        self._check(h)
        if self.context == ("h",):
            return h
        height, width, channels = self.shape
        planes = []
        for part in self.context:
            if part == "h":
                planes.append(h)
            elif part == "h_norm":
                planes.append(normalise(h.reshape(-1, channels))[0].reshape(h.shape))
            elif part == "y" and y is not None:
                planes.append(label_planes(y, height, width))
            elif part == "x" and x is not None and self.image is not None:
                planes.append(fold(x.reshape(len(x), *self.image), height, width))
            else:
                raise ValueError(
                    f"{part} is None, but the generator's context {self.context} asks for it"
                )
        return np.concatenate(planes, axis=3)


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

    Raises ValueError, naming the argument, for what is out of range or leaves no image to pool.
    """
    image = check_shape("image", image)
    channels = whole_numbers("channels", channels, 1)
    if not channels:
        raise ValueError("channels is (); it accepts one number or more")
    if whole_numbers("size", (size,), 1)[0] % 2 == 0:
        raise ValueError(f"size is {size}; it accepts odd numbers")
    pool = DOWNSAMPLING[one_of("downsampling", downsampling, tuple(DOWNSAMPLING))]
    one_of("generator", generator, GENERATORS)
    random_generator("rng", rng)
    dtype = float_type("dtype", dtype)
    true_or_false("batch_norm", batch_norm)
    squash = activation_named(activation)
    shapes: list[Shape] = [image]
    bodies: list[Chain] = []
    for c_in, c_out in pairwise((image[2], *channels)):
        conv = Conv2D(
            c_in,
            c_out,
            size,
            rng,
            stride=2 if pool is None else 1,
            padding=size // 2,
            gain=squash.gain,
            dtype=dtype,
        )
        layers: list[Layer] = [] if bodies else [ToImage(*image)]
        layers.append(conv)
        if batch_norm:
            layers.append(ChannelNorm(c_out, dtype=dtype))
        layers.append(squash)
        shape = conv.output_shape(*shapes[-1][:2])
        if pool is not None:
            if min(shape[:2]) < 2:
                raise ValueError(
                    f"channels is {channels}; images of {image[0]} x {image[1]} pixels can be "
                    f"halved {len(bodies)} times by pooling"
                )
            layers.append(pool(2))
            shape = pool(2).output_shape(*shape)
        shapes.append(shape)
        bodies.append(Chain(layers))
    bodies.append(Chain([Flatten(), Dense(int(np.prod(shapes[-1])), outputs, rng, dtype=dtype)]))
    generators: list[Generator | None] = [None] * len(bodies)
    if context is not None:
        for k, shape in enumerate(shapes[1:]):
            if generator == "dense":
                generators[k] = DenseImageGenerator(
                    shape,
                    context,
                    inputs=int(np.prod(image)),
                    outputs=outputs,
                    hidden=generator_hidden,
                    rng=rng,
                    dtype=dtype,
                )
            else:
                generators[k] = ConvGenerator(
                    shape,
                    context,
                    image=image,
                    outputs=outputs,
                    hidden=generator_hidden,
                    size=size,
                    rng=rng,
                    dtype=dtype,
                )
    return Stack([Module(*pair) for pair in zip(bodies, generators, strict=True)], loss)
