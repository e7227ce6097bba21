"""One step of a network of 2-2-1, worked on paper.

All numbers are halves, quarters and eighths, so the step must come out exactly.

    x, y of two rows     a = (1, 2), y = 1          b = (2, -1), y = 0
    module 1             W = [[1, -1], [1/2, 1]]    bias (0, 1/2)      ReLU
    module 2             W = [[1], [-2]]            bias 0             loss (output - y)^2 / 2
    generator of 1       sees h, y:  [[1/2, 0], [0, -1], [1, 1]]       bias (0, 1)
    rates                1/2 for the modules, 1/4 for the generator: plain SGD, over two rows
"""

from __future__ import annotations

import numpy as np
import pytest

from dnilab.data import Dataset
from dnilab.network import SGD, SquaredError, Stack
from dnilab.orderings import Program, backprop, last_layer_only, sequential
from dnilab.training import train

X = np.array([[1.0, 2.0], [2.0, -1.0]])
Y = np.array([[1.0], [0.0]])
W1, B1 = [[1, -1], [0.5, 1]], [0, 0.5]
W2, B2 = [[1], [-2]], [0]
M, BM = [[0.5, 0], [0, -1], [1, 1]], [0, 1]


def network(dtype: type, context: tuple[str, ...] | None = ("h", "y")) -> Stack:
    stack = Stack.build(
        (2, 2, 1),
        SquaredError(),
        np.random.default_rng(0),
        activation="relu",
        context=context,
        dtype=dtype,
    )
    for layer, weights, bias in [(0, W1, B1), (1, W2, B2)]:
        dense = stack.modules[layer].body.layers[0]
        dense.theta[:] = np.concatenate([np.ravel(weights), bias])
    if context:
        generator = stack.modules[0].generator
        assert generator is not None
        generator.thetas[0][:] = np.concatenate([np.ravel(M), BM])
    return stack


def step(stack: Stack, program: Program) -> list[list[float]]:
    """One batch of both rows; the parameters after it."""
    data = Dataset("paper", "bits", X, Y, X, Y).astype(stack.dtype)
    rates = {"optimiser": SGD(1 / 2), "generator_optimiser": SGD(1 / 4)}
    list(train(stack, data, program, batch_size=2, epochs=1, **rates))
    return [theta.tolist() for theta in stack.thetas]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_sequential_decoupled_step(dtype: type) -> None:
    # Module 1 forward.
    #   a: (1 + 2/2, -1 + 2) + (0, 1/2) = (2, 3/2)          h = (2, 3/2)
    #   b: (2 - 1/2, -2 - 1) + (0, 1/2) = (3/2, -5/2)       h = (3/2, 0)
    # The generator sees (2, 3/2, 1) and (3/2, 0, 0):
    #   a: (2/2 + 1, -3/2 + 1 + 1) = (2, 1/2)
    #   b: (3/4, 0 + 1) = (3/4, 1)
    # Through the ReLU, where h is 0 nothing passes: a (2, 1/2), b (3/4, 0).
    #   dW1 = [[1*2 + 2*3/4, 1*1/2], [2*2 - 1*3/4, 2*1/2]] = [[7/2, 1/2], [13/4, 1]]
    #   db1 = (11/4, 1/2)
    # Update with 1/2 over 2 rows = 1/4:
    #   W1 = [[1 - 7/8, -1 - 1/8], [1/2 - 13/16, 1 - 1/4]],  b1 = (-11/16, 3/8)
    body1 = [0.125, -1.125, -0.3125, 0.75, -0.6875, 0.375]
    # Module 2 forward, with the h from before the update:
    #   a: 2 - 3 = -1      b: 3/2       so g = output - y: a -2, b 3/2
    # Its message to module 1 is g W2^T: a (-2, 4), b (3/2, -3).
    #   dW2 = (2*-2 + 3/2*3/2, 3/2*-2 + 0) = (-7/4, -3),   db2 = -1/2
    #   W2 = (1 + 7/16, -2 + 3/4),   b2 = 1/8
    body2 = [1.4375, -1.25, 0.125]
    # The fit: guess less message is a (2 + 2, 1/2 - 4) = (4, -7/2), b (3/4 - 3/2, 1 + 3) =
    # (-3/4, 4). The generator saw h, y = a (2, 3/2, 1), b (3/2, 0, 0):
    #   h1: (2*4 - 3/2*3/4, -2*7/2 + 3/2*4) = (55/8, -1)
    #   h2: (3/2*4, -3/2*7/2) = (6, -21/4)
    #   y:  (4, -7/2)          bias: (13/4, 1/2)
    # Update with 1/4 over 2 rows = 1/8:
    #   [[1/2 - 55/64, 1/8], [-3/4, -1 + 21/32], [1 - 1/2, 1 + 7/16]], bias (-13/32, 1 - 1/16)
    generator1 = [-0.359375, 0.125, -0.75, -0.34375, 0.5, 1.4375, -0.40625, 0.9375]
    assert step(network(dtype), sequential(2)) == [body1, generator1, body2]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_backprop_step(dtype: type) -> None:
    # Module 2 as above. The true gradient at h is its message, a (-2, 4) and b (3/2, -3), of
    # which the ReLU lets pass a (-2, 4) and b (3/2, 0).
    #   dW1 = [[-2 + 2*3/2, 4], [2*-2 - 3/2, 2*4]] = [[1, 4], [-11/2, 8]],   db1 = (-1/2, 4)
    #   W1 = [[1 - 1/4, -1 - 1], [1/2 + 11/8, 1 - 2]],   b1 = (1/8, 1/2 - 1)
    body1 = [0.75, -2, 1.875, -1, 0.125, -0.5]
    body2 = [1.4375, -1.25, 0.125]
    assert step(network(dtype, context=None), backprop(2)) == [body1, body2]


def test_only_the_last_layer() -> None:
    body1, body2 = step(network(np.float64, context=None), last_layer_only(2))
    assert body1 == [1, -1, 0.5, 1, 0, 0.5]
    assert body2 == [1.4375, -1.25, 0.125]
