"""Lesson 09: the gradient of a convolution's weights, and labels as channels."""

from __future__ import annotations

import numpy as np

from dnilab.exercises import Function, NotYet, Verdict, ask, checker, judge, judge_call, shape_of
from dnilab.lessons.convolutions.network.layers import cut_windows

BATCH, HEIGHT, WIDTH, C_IN, C_OUT, SIZE, STRIDE = 7, 8, 6, 2, 3, 3, 2  # a wrong shape shows
ROWS, COLUMNS = 3, 2  # of dz
OUTPUTS = 5


@checker
def check_kernel_gradient(kernel_gradient: Function) -> Verdict:
    """Check ``kernel_gradient(x, dz, size, stride)`` -> dW of a convolution without padding.

    Shapes: x (batch, height, width, c_in), dz (batch, rows, columns, c_out); answer (size, size,
    c_in, c_out), summed over the batch.
    """
    rng = np.random.default_rng(9)
    x = rng.normal(size=(BATCH, HEIGHT, WIDTH, C_IN))
    dz = rng.normal(size=(BATCH, ROWS, COLUMNS, C_OUT))
    windows = cut_windows(x, SIZE, STRIDE)
    right = np.einsum("brcijk,brco->ijko", windows, dz)
    close_by = cut_windows(x, SIZE, 1)[:, :ROWS, :COLUMNS]
    call = "kernel_gradient(x, dz, size, stride)"
    try:
        got = ask(call, kernel_gradient, x, dz, SIZE, STRIDE)
    except NotYet as stop:
        if _right_at_stride_1(kernel_gradient):
            raise NotYet(
                f"{call} is right for stride 1 alone. Windows are stride pixels apart: take every "
                "stride-th row and column of them, and there are as many as in dz."
            ) from stop
        raise
    if shape_of(got) == (SIZE * SIZE * C_IN, C_OUT):
        raise NotYet(f"{call} is a matrix with a row for each place in a window. Reshape it to W.")
    if shape_of(got) == (C_IN, SIZE, SIZE, C_OUT):
        raise NotYet(
            f"{call} has the channels first. sliding_window_view puts the places in a window "
            "last: move the channels behind them."
        )
    factors = {
        "sum over the batch; only the step divides by its size": BATCH,
        "sum over the places of the image, for each of them uses the same W": ROWS * COLUMNS,
        "sum over the batch and over the places of the image": BATCH * ROWS * COLUMNS,
    }
    mistakes = {
        "windows must be stride pixels apart: every one is taken here.": np.einsum(
            "brcijk,brco->ijko", close_by, dz
        ),
        "rows and columns of the window are mixed up.": right.transpose(1, 0, 2, 3),
        "the window is flipped. Here W is not flipped in the forward pass, so neither is dW.": (
            right[::-1, ::-1]
        ),
        "when you reshape, the channels stand before the places in a window. Move them on.": (
            right.transpose(2, 0, 1, 3).reshape(right.shape)
        ),
    }
    return judge(call, got, right, mistakes, factors)


def _right_at_stride_1(kernel_gradient: Function) -> bool:
    """Whether it would be right if the windows were one pixel apart."""
    rng = np.random.default_rng(11)
    x = rng.normal(size=(BATCH, HEIGHT, WIDTH, C_IN))
    windows = cut_windows(x, SIZE, 1)
    dz = rng.normal(size=(*windows.shape[:3], C_OUT))
    right = np.einsum("brcijk,brco->ijko", windows, dz)
    try:
        return bool(judge_call("kernel_gradient", kernel_gradient, (x, dz, SIZE, 1), right))
    except NotYet:
        return False


@checker
def check_with_labels(with_labels: Function) -> Verdict:
    """Check ``with_labels(h, y)`` -> h, and behind its channels each label as a constant plane.

    Shapes: h (batch, height, width, channels), y (batch, outputs); answer (batch, height, width,
    channels + outputs).
    """
    rng = np.random.default_rng(10)
    # Batch, height and width are equal on purpose: then only the meaning tells the axes apart.
    h = rng.normal(size=(OUTPUTS, OUTPUTS, OUTPUTS, C_OUT))
    y = np.eye(OUTPUTS)[rng.permutation(OUTPUTS)] + 0.1 * rng.normal(size=(OUTPUTS, OUTPUTS))
    whole = (OUTPUTS, OUTPUTS, OUTPUTS, OUTPUTS)
    planes = np.broadcast_to(y[:, None, None, :], whole)

    def joined(other: np.ndarray) -> np.ndarray:
        return np.concatenate([h, np.broadcast_to(other, whole)], axis=3)

    mistakes = {
        "the labels stand before the channels of h. Put them behind.": np.concatenate(
            [planes, h], axis=3
        ),
        "each image has the labels of all images, one for each row of pixels. Give y two axes "
        "between batch and outputs: y[:, None, None, :].": joined(y[None, :, None, :]),
        "each image has the labels of all images, one for each column of pixels. Give y two "
        "axes between batch and outputs: y[:, None, None, :].": joined(y[None, None, :, :]),
        "the labels are there in one pixel only. Every window must see them.": (
            joined(np.pad(y[:, None, None, :], ((0, 0), (0, 4), (0, 4), (0, 0))))
        ),
    }
    return judge_call("with_labels(h, y)", with_labels, (h, y), joined(planes), mistakes)
