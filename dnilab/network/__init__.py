"""Networks in plain NumPy, built on one contract: forward returns its own backward.

    y, pullback = f(x)          # f is a layer, a chain, a module, a generator
    dx, grads = pullback(dy)    # dy is the gradient of the summed loss with respect to y

Nothing is cached on f: two batches may be in flight at once, and each pullback belongs to the
call that made it.  (It reads the weights as they are when it is called: pull back before you
update.)  Arrays are (batch, width), or (batch, height, width, channels) after a convolution;
float32 or float64.
"""

from dnilab.network.activations import Identity, ReLU, Sigmoid, Tanh, activation
from dnilab.network.chain import Chain
from dnilab.network.convolution import ChannelNorm, Conv2D, add_windows, cut_windows
from dnilab.network.convolutional import (
    ConvGenerator,
    DenseImageGenerator,
    build_convolutional,
    label_planes,
)
from dnilab.network.generators import CONTEXTS, Generator, joined_context
from dnilab.network.gradcheck import complex_step, finite_difference, relative_error
from dnilab.network.layers import Dense, Layer
from dnilab.network.losses import (
    BinaryCrossEntropy,
    Loss,
    SoftmaxCrossEntropy,
    SquaredError,
    loss_named,
)
from dnilab.network.normalisation import BatchNorm
from dnilab.network.optimisers import SGD, Adam, Momentum, Optimiser, optimiser_named
from dnilab.network.pooling import Flatten, MaxPool2D, MeanPool2D, ToImage
from dnilab.network.recurrent import GRU, LSTM, Cell, RecurrentNet, TanhCell, cell_named
from dnilab.network.stack import Module, Stack

__all__ = [
    "CONTEXTS",
    "GRU",
    "LSTM",
    "SGD",
    "Adam",
    "BatchNorm",
    "BinaryCrossEntropy",
    "Cell",
    "Chain",
    "ChannelNorm",
    "Conv2D",
    "ConvGenerator",
    "Dense",
    "DenseImageGenerator",
    "Flatten",
    "Generator",
    "Identity",
    "Layer",
    "Loss",
    "MaxPool2D",
    "MeanPool2D",
    "Module",
    "Momentum",
    "Optimiser",
    "ReLU",
    "RecurrentNet",
    "Sigmoid",
    "SoftmaxCrossEntropy",
    "SquaredError",
    "Stack",
    "Tanh",
    "TanhCell",
    "ToImage",
    "activation",
    "add_windows",
    "build_convolutional",
    "cell_named",
    "complex_step",
    "cut_windows",
    "finite_difference",
    "joined_context",
    "label_planes",
    "loss_named",
    "optimiser_named",
    "relative_error",
]
