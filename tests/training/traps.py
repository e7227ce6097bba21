"""A layer that does something at one batch, in whatever process it is."""

from __future__ import annotations

import copy
import os
import signal
import time
from typing import Any

import numpy as np

from dnilab.network import Chain, Layer, Module, Stack
from tests.training.planted import Planted


class Trap(Layer):
    """A layer that changes nothing; its forward of batch ``at``, from 0, does ``what``.

    ``what``: "raise", "exit", "kill" (the process), "sleep", or "nothing".
    """

    def __init__(self, what: str, at: int) -> None:
        self.what, self.at = what, at
        self.calls = -1  # train() tries every layer once before it begins

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        if self.calls == self.at:
            match self.what:
                case "raise":
                    raise Planted("no more")
                case "exit":
                    raise SystemExit("bye")
                case "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                case "sleep":
                    time.sleep(0.5)
        self.calls += 1
        return x, lambda dy, want_dx=True: (dy, [])

    def predict(self, x: np.ndarray) -> np.ndarray:
        return x

    def copy(self, dtype: Any = None) -> Trap:
        return copy.copy(self)


def trapped(stack: Stack, k: int, what: str, at: int) -> Stack:
    """The same stack with a trap at the input of module k."""
    modules = list(stack.modules)
    body = Chain([Trap(what, at), *modules[k - 1].body.layers])
    modules[k - 1] = Module(body, modules[k - 1].signal)
    return Stack(modules, stack.loss)
