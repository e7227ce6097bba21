"""Synthetic gradient generators: a generator is a network (paper, section 2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dnilab.checks import refuse, several, whole_number, whole_numbers
from dnilab.network.activations import ReLU
from dnilab.network.chain import Chain
from dnilab.network.layers import Dense, Layer, Pullback
from dnilab.network.normalisation import normalise

CONTEXTS = ("h", "y", "x", "h_norm")
"""What a generator may see: the activation, the label, the network's input, h normalised."""


def check_context(context: Sequence[str]) -> tuple[str, ...]:
    """Return ``context`` as a tuple; raise ValueError unless it is a mix of ``CONTEXTS``."""
    accepts = f"one or more of {', '.join(CONTEXTS)}, each once"
    parts = [context] if isinstance(context, str) else several("context", context, accepts)
    if not parts or any(part not in CONTEXTS for part in parts) or len(set(parts)) < len(parts):
        refuse("context", context, accepts)
    return tuple(map(str, parts))


def joined_context(
    context: Sequence[str], h: np.ndarray, x: np.ndarray | None, y: np.ndarray | None
) -> np.ndarray:
    """The parts of the context side by side, (batch, sum of widths); h alone is not copied."""
    if context == ("h",):
        return h
    parts = []
    for part in context:
        given = {"h": h, "x": x, "y": y}[part] if part != "h_norm" else normalise(h)[0]
        if given is None:
            raise ValueError(f"{part} is None, but the generator's context {context} asks for it")
        parts.append(given)
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


class Generator:
    """M: guesses the gradient of the loss with respect to h from what is known at once.

    ``g_hat, pullback = generator(h, x, y)``; ``_, grads = pullback(error)``, where error is
    g_hat - g, row by row and never divided by the batch size: then grads is the gradient of
    the summed squared error |g_hat - g|^2 / 2 (paper, section 2: the L2 loss of M).

    Shapes: h, g_hat and error (batch, width); x (batch, inputs); y (batch, outputs).

    ``context``: what M sees, any mix of "h", "y", "x", "h_norm".  Seeing y makes it the
    conditional generator (cDNI) of the paper.
    ``hidden``: widths of hidden ReLU layers; none makes M linear.

    The last layer starts at zero: the first guesses are 0, so the first updates do no harm.

    Raises ValueError for an unknown part of a context, or one that the call does not hand over.
    """

    def __init__(
        self,
        width: int,
        context: Sequence[str] = ("h",),
        *,
        inputs: int = 0,
        outputs: int = 0,
        hidden: Sequence[int] = (),
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        self.width = whole_number("width", width, 1)
        self.context = check_context(context)
        widths = {"h": width, "h_norm": width, "x": inputs, "y": outputs}
        size = 0
        for part in self.context:
            name = {"x": "inputs", "y": "outputs"}.get(part, "width")
            size += whole_number(name, widths[part], 1)
        layers: list[Layer] = []
        for n in whole_numbers("hidden", hidden, 1):
            layers += [Dense(size, n, rng, gain=ReLU.gain, dtype=dtype), ReLU()]
            size = n
        layers.append(Dense(size, width, gain=0, dtype=dtype))
        self.body = Chain(layers)

    @property
    def thetas(self) -> list[np.ndarray]:
        """The parameter vectors of M."""
        return self.body.thetas

    def __call__(
        self, h: np.ndarray, x: np.ndarray | None = None, y: np.ndarray | None = None
    ) -> tuple[np.ndarray, Pullback]:
        return self.body(joined_context(self.context, h, x, y))

    def copy(self, dtype: Any = None) -> Generator:
        """An independent copy, in another dtype if one is given."""
        other = object.__new__(Generator)
        other.width, other.context = self.width, self.context
        other.body = self.body.copy(dtype)
        return other
