"""The network with the fast clock as a module: it learns to name by a loss of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from dnilab.lessons.any_graph.data import Window
from dnilab.lessons.any_graph.network.watcher import Watcher
from dnilab.network import SoftmaxCrossEntropy
from dnilab.network.layers import Back, Layer, Pullback


class Naming(Layer):
    """A watcher that is asked for the name of each image that it sees.

    ``message, pullback = naming(window)``; ``_, grads = pullback(dmessage)``: ``grads`` are those
    of the names' summed loss, and of what the message was worth, unless dmessage is None.
    """

    signal = "own loss"  # all that it learns from, if nothing comes down

    def __init__(self, watcher: Watcher) -> None:
        self.watcher, self.loss = watcher, SoftmaxCrossEntropy()

    @property
    def thetas(self) -> list[np.ndarray]:
        """The parameter vectors of the watcher."""
        return self.watcher.thetas

    def __call__(self, window: Window) -> tuple[np.ndarray, Pullback]:
        message, names, through = self.watcher.watch(window.images)
        flat = names.reshape(-1, names.shape[2])
        dnames = self.loss.gradient(flat, window.names.reshape(flat.shape)).reshape(names.shape)

        def pullback(dmessage: np.ndarray | None, want_dx: bool = False) -> Back:
            back: Back = through(dmessage, dnames, want_dx=False)
            return back

        return message, pullback

    def copy(self, dtype: Any = None) -> Naming:
        """An independent copy, in another dtype if one is given."""
        return Naming(self.watcher.copy(dtype))
