"""Networks in plain NumPy, built on one contract: forward returns its own backward.

    y, pullback = f(x)          # f is a layer, a chain, a module, a generator
    dx, grads = pullback(dy)    # dy is the gradient of the summed loss with respect to y

Nothing is cached on f: two batches may be in flight at once, and each pullback belongs to the
call that made it.  (It reads the weights as they are when it is called: pull back before you
update.)  Arrays are (batch, width), or (batch, height, width, channels) after a convolution;
float32 or float64.
"""

from dnilab.network.activations import Identity, ReLU, Sigmoid, Tanh, activation
from dnilab.network.cells import GRU, LSTM, Cell, TanhCell, cell_named
from dnilab.network.chain import Chain
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
from dnilab.network.stack import Module, Stack
