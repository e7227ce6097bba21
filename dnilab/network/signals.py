"""Signals: what tells a module its gradient, in the place of the modules above it.

    g_hat, pullback = signal(h, x, y, error)
    _, grads = pullback(error of the guess)

Three kinds: a generator guesses it (paper, section 2.1), a readout has a loss of its own, and
feedback carries the error at the top down at random.  A module without any is told the truth.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from dnilab.checks import refuse, several, whole_number, whole_numbers
from dnilab.network.layers import Chain, Dense, Layer, Pullback, ReLU, check_width
from dnilab.network.losses import Loss
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


class Signal:
    """What the signals have in common.

    ``kind``: one of ``orderings.SIGNALS``.  ``needs``: what it must be handed beside h, of "x",
    "y" and "error", the gradient at the top's output.

    ``g_hat, pullback = signal(h, x, y, error)``: h and g_hat (batch, width), the others (batch,
    inputs) and (batch, outputs).  ``_, grads = pullback(e)``: what it learns, where e is the error
    of its guess; readouts and feedback have no use for e.

    ``body``: its layers.
    """

    kind: str
    needs: tuple[str, ...] = ()
    body: Chain

    @property
    def thetas(self) -> list[np.ndarray]:
        """The parameter vectors that it learns."""
        return self.body.thetas

    def __call__(
        self,
        h: Any,
        x: np.ndarray | None = None,
        y: np.ndarray | None = None,
        error: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Pullback]:
        raise NotImplementedError

    def copy(self, dtype: Any = None) -> Self:
        """An independent copy, in another dtype if one is given."""
        other = copy.copy(self)
        other.body = self.body.copy(dtype)
        return other


def hidden_layers(
    size: int, hidden: Sequence[int], rng: np.random.Generator | None, dtype: Any
) -> tuple[list[Layer], int]:
    """Dense layers with ReLUs of these widths, for an input of ``size``; the width they end at."""
    layers: list[Layer] = []
    for n in whole_numbers("hidden", hidden, 1):
        layers += [Dense(size, n, rng, gain=ReLU.gain, dtype=dtype), ReLU()]
        size = n
    return layers, size


def from_zero(
    size: int, hidden: Sequence[int], width: int, rng: np.random.Generator | None, dtype: Any
) -> Chain:
    """A network whose last layer starts at zero, so that it says 0 until it has learned."""
    layers, size = hidden_layers(size, hidden, rng, dtype)
    return Chain([*layers, Dense(size, width, gain=0, dtype=dtype)])


class Generator(Signal):
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

    kind = "generator"

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
        self.needs = tuple(part for part in ("x", "y") if part in self.context)
        self.body = from_zero(size, hidden, width, rng, dtype)

    def __call__(
        self,
        h: np.ndarray,
        x: np.ndarray | None = None,
        y: np.ndarray | None = None,
        error: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Pullback]:
        return self.body(joined_context(self.context, h, x, y))


class Readout(Signal):
    """A loss of the module's own: a readout of h, judged by the label.

    The readout z of h is trained by ``loss``, and its pullback says what h was worth to it:
    g_hat = (p - y) A^T for a linear readout z = h A + a and a cross-entropy.  So nothing has to
    come from above (Mostafa et al. 2018, arXiv 1711.06756; the predictors of Nokland and Eidnes
    2019, arXiv 1901.06656).

    ``g_hat, pullback = readout(h, None, y)``; ``_, grads = pullback()``.
    Shapes: h and g_hat (batch, width), y (batch, outputs).
    ``hidden``: widths of hidden ReLU layers; none makes the readout linear.

    Raises ValueError for sizes below 1, and at the call for labels that the loss can't use.
    """

    kind = "readout"
    needs = ("y",)

    def __init__(
        self,
        width: int,
        outputs: int,
        loss: Loss,
        *,
        hidden: Sequence[int] = (),
        rng: np.random.Generator,
        dtype: Any = np.float64,
    ) -> None:
        layers, size = hidden_layers(whole_number("width", width, 1), hidden, rng, dtype)
        outputs = whole_number("outputs", outputs, 1)
        self.body = Chain([*layers, Dense(size, outputs, rng, dtype=dtype)])
        self.loss = loss

    def __call__(
        self,
        h: np.ndarray,
        x: np.ndarray | None = None,
        y: np.ndarray | None = None,
        error: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Pullback]:
        if y is None:
            raise ValueError("y is None; a readout accepts labels, (batch, outputs)")
        z, back = self.body(h)
        g_hat, grads = back(self.loss.gradient(z, y))

        def pullback(error: np.ndarray | None = None, want_dx: bool = False) -> tuple[Any, ...]:
            return None, grads

        return g_hat, pullback


class Feedback(Signal):
    """Direct feedback alignment: the error at the top, through a fixed random matrix.

    g_hat = e B, where e is the gradient of the loss with respect to the network's output, and B is
    drawn once, with standard deviation 1 / sqrt(outputs) (Nokland 2016, arXiv 1609.01596).

    Shapes: e (batch, outputs), B (outputs, width), g_hat (batch, width).  It learns nothing.
    """

    kind = "feedback"
    needs = ("error",)

    def __init__(
        self, width: int, outputs: int, *, rng: np.random.Generator, dtype: Any = np.float64
    ) -> None:
        width, outputs = whole_number("width", width, 1), whole_number("outputs", outputs, 1)
        drawn = rng.standard_normal((outputs, width))
        self.B = (drawn / np.sqrt(outputs)).astype(dtype)

    @property
    def thetas(self) -> list[np.ndarray]:
        """None: B stays as it is."""
        return []

    def __call__(
        self,
        h: Any,
        x: np.ndarray | None = None,
        y: np.ndarray | None = None,
        error: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Pullback]:
        if error is None:
            raise ValueError("error is None; feedback accepts that of the top, (batch, outputs)")
        check_width("error", error, len(self.B))
        return error.dot(self.B), lambda error=None, want_dx=False: (None, [])

    def copy(self, dtype: Any = None) -> Self:
        """An independent copy, in another dtype if one is given."""
        other = copy.copy(self)
        other.B = self.B.astype(self.B.dtype if dtype is None else dtype)
        return other
