"""A network with a fast clock: it looks at each step, and speaks once every T steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from dnilab.checks import shaped
from dnilab.lessons.shared.cells import GRU
from dnilab.network.layers import Back, Chain, Dense, Layer, Pullback, Tanh


class Watcher(Layer):
    """Sees T images, names each of them, and sends one message about all of them.

    At each step: features f = tanh(x W + b), the name as logits f V + c, and a recurrent core (a
    GRU) that hears f.  After T steps: the message m = s U + d, made of the state s.  Then the
    state starts again from zero.

    ``message, pullback = watcher(xs)``; ``dxs, grads = pullback(dmessage)``: as a node of a graph
    (``network.graph.Node``) whose own clock goes T times as fast as that of whoever hears it.
    ``message, names, pullback = watcher.watch(xs)`` shows the names as well, and
    ``pullback(dmessage, dnames)`` takes the gradient of a loss on them; either may be None.

    Shapes: xs (T, batch, inputs), message (batch, message_width), names (T, batch, classes).

    Raises ValueError for a size below 1, and at the call for an xs of another shape.
    """

    def __init__(
        self,
        inputs: int,
        classes: int,
        message_width: int,
        rng: np.random.Generator,
        *,
        features: int = 64,
        width: int = 64,
        dtype: Any = np.float64,
    ) -> None:
        self.eye = Chain([Dense(inputs, features, rng, dtype=dtype), Tanh()])
        self.namer = Dense(features, classes, rng, dtype=dtype)
        self.core = GRU(features, width, rng, gate_bias=1.0, dtype=dtype)
        self.speaker = Dense(width, message_width, rng, dtype=dtype)

    @property
    def thetas(self) -> list[np.ndarray]:
        """The parameter vectors of eye, namer, core and speaker."""
        return [*self.eye.thetas, *self.namer.thetas, *self.core.thetas, *self.speaker.thetas]

    def watch(self, xs: np.ndarray) -> tuple[np.ndarray, np.ndarray, Pullback]:
        """Message, names, and one pullback for both."""
        shaped("xs", xs, "steps", "batch", self.eye.layers[0].n_in)
        core, speaker = self.core, self.speaker
        steps, batch = xs.shape[:2]
        flat, through_eye = self.eye(xs.reshape(steps * batch, -1))
        names, through_namer = self.namer(flat)
        seen = flat.reshape(steps, batch, -1)
        states, through_time = core.unroll(core.start(batch), seen)
        message, through_speaker = speaker(states[-1])

        def pullback(
            dmessage: np.ndarray | None,
            dnames: np.ndarray | None = None,
            want_dx: bool = True,
        ) -> Back:
            if dnames is None:
                dnames = np.zeros_like(names)
            dflat, of_namer = through_namer(dnames.reshape(steps * batch, -1))
            of_core, of_speaker = [np.zeros_like(core.theta)], [np.zeros_like(speaker.theta)]
            if dmessage is not None:
                dstates = np.zeros_like(states)
                dstates[-1], of_speaker = through_speaker(dmessage)
                _, dseen, of_core = through_time(dstates)
                assert dseen is not None  # it was wanted
                dflat = dflat + dseen.reshape(flat.shape)
            dx, of_eye = through_eye(dflat, want_dx)
            return (
                None if dx is None else dx.reshape(xs.shape),
                [*of_eye, *of_namer, *of_core, *of_speaker],
            )

        return message, names.reshape(steps, batch, -1), pullback

    def __call__(self, xs: np.ndarray) -> tuple[np.ndarray, Pullback]:
        message, _, pullback = self.watch(xs)
        return message, pullback

    def copy(self, dtype: Any = None) -> Watcher:
        """An independent copy, in another dtype if one is given."""
        other = object.__new__(Watcher)
        other.eye, other.namer = self.eye.copy(dtype), self.namer.copy(dtype)
        other.core, other.speaker = self.core.copy(dtype), self.speaker.copy(dtype)
        return other
