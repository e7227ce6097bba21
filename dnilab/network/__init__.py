"""Networks in plain NumPy, built on one contract: forward returns its own backward.

    y, pullback = f(x)          # f is a layer, a chain, a module, a generator
    dx, grads = pullback(dy)    # dy is the gradient of the summed loss with respect to y

grads is a list with one array for each entry of ``f.thetas``.  What hears several things sends
several gradients down: ``*down, grads = pullback(dy)``.

Nothing is cached on f: two batches may be in flight at once, and each pullback belongs to the
call that made it.  (It reads the weights as they are when it is called: pull back before you
update.)  Arrays are (batch, width), or (batch, height, width, channels) after a convolution;
float32 or float64.
"""

from dnilab.doors import open_doors
from dnilab.network.gradcheck import complex_step, finite_difference, relative_error
from dnilab.network.layers import (
    BinaryCrossEntropy,
    Chain,
    Dense,
    FixedFeedbackDense,
    Identity,
    Layer,
    Loss,
    ReLU,
    Sigmoid,
    SoftmaxCrossEntropy,
    SquaredError,
    Tanh,
    activation,
    loss_named,
)
from dnilab.network.modules import (
    CONTEXTS,
    Feedback,
    Generator,
    Module,
    Readout,
    Signal,
    Stack,
    joined_context,
)
from dnilab.network.normalisation import BatchNorm
from dnilab.network.optimisers import SGD, Adam, Momentum, Optimiser, optimiser_named

open_doors(__name__)
