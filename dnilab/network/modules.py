"""Modules: a body, and the signal that tells it its gradient; and networks of them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np

from dnilab import checks
from dnilab.network.layers import (
    Chain,
    Dense,
    FixedFeedbackDense,
    Layer,
    Loss,
    Pullback,
    ReLU,
    add_up,
)
from dnilab.network.layers import activation as activation_named
from dnilab.network.normalisation import BatchNorm, normalise

CONTEXTS = ("h", "y", "x", "h_norm")
"""What a generator may see: the activation, the label, the network's input, h normalised."""


def check_context(context: Sequence[str]) -> tuple[str, ...]:
    """Return ``context`` as a tuple; raise ValueError unless it is a mix of ``CONTEXTS``."""
    accepts = f"one or more of {', '.join(CONTEXTS)}, each once"
    parts = [context] if isinstance(context, str) else checks.several("context", context, accepts)
    if not parts or any(part not in CONTEXTS for part in parts) or len(set(parts)) < len(parts):
        checks.refuse("context", context, accepts)
    return tuple(map(str, parts))


def joined_context(
    context: Sequence[str], h: np.ndarray, x: np.ndarray | None, y: np.ndarray | None
) -> np.ndarray:
    """The parts of the context side by side, (batch, sum of widths); h alone is not copied."""
    if tuple(context) == ("h",):
        return h
    parts = []
    for part in context:
        known = {"h": h, "x": x, "y": y}
        given = normalise(h)[0] if part == "h_norm" else known.get(part)
        if given is None:
            check_context(context)
            raise ValueError(f"{part} is None, but the generator's context {context} asks for it")
        parts.append(given)
    try:
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
    except ValueError:
        shapes = ", ".join(str(np.shape(part)) for part in parts)
        accepts = "(batch, width) of one batch"
        raise ValueError(
            f"the parts of context {context} are {shapes}; they accept {accepts}"
        ) from None


Rows = np.ndarray | None
Guess = tuple[np.ndarray, Pullback]


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

    def __call__(self, h: Any, x: Rows = None, y: Rows = None, error: Rows = None) -> Guess:
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
    for n in checks.whole_numbers("hidden", hidden, 1):
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
        self.width = checks.whole_number("width", width, 1)
        self.context = check_context(context)
        widths = {"h": width, "h_norm": width, "x": inputs, "y": outputs}
        size = 0
        for part in self.context:
            name = {"x": "inputs", "y": "outputs"}.get(part, "width")
            size += checks.whole_number(name, widths[part], 1)
        self.body = from_zero(size, hidden, width, rng, dtype)

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]  # it follows from the context
        """What it must be handed beside h."""
        return tuple(part for part in ("x", "y") if part in self.context)

    def __call__(self, h: Any, x: Rows = None, y: Rows = None, error: Rows = None) -> Guess:
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
        layers, size = hidden_layers(checks.whole_number("width", width, 1), hidden, rng, dtype)
        outputs = checks.whole_number("outputs", outputs, 1)
        self.body = Chain([*layers, Dense(size, outputs, rng, dtype=dtype)])
        self.loss = loss

    def __call__(self, h: Any, x: Rows = None, y: Rows = None, error: Rows = None) -> Guess:
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
        size = checks.whole_number("outputs", outputs, 1), checks.whole_number("width", width, 1)
        drawn = checks.random_generator("rng", rng).standard_normal(size)
        self.B = (drawn / np.sqrt(outputs)).astype(checks.float_type("dtype", dtype))

    @property
    def thetas(self) -> list[np.ndarray]:
        """None: B stays as it is."""
        return []

    def __call__(self, h: Any, x: Rows = None, y: Rows = None, error: Rows = None) -> Guess:
        if error is None:
            raise ValueError("error is None; feedback accepts that of the top, (batch, outputs)")
        checks.shaped("error", error, "batch", len(self.B))
        return error.dot(self.B), lambda error=None, want_dx=False: (None, [])

    def copy(self, dtype: Any = None) -> Self:
        """An independent copy, in another dtype if one is given."""
        other = copy.copy(self)
        other.B = self.B.astype(self.B.dtype if dtype is None else dtype)
        return other


Heard = tuple[tuple[tuple[int, int], ...], ...]
"""For each module, whom it hears and how many batches late; module 0 is the network's input."""


@dataclass(frozen=True, eq=False)
class Module:
    """One module: what lies between two cuts, and the signal that tells it its gradient.

    ``body``: its layers, or anything else that keeps the contract of a layer.  ``signal`` is None
    for the top module, which has the true gradient of the loss, and wherever the truth comes down
    from above.  ``input_model`` predicts the module's input from the network's input x, (batch,
    inputs) -> (batch, width in); it is None except where the forward pass is unlocked too.
    """

    body: Any
    signal: Signal | None = None
    input_model: Chain | None = None

    def __call__(self, *heard: Any) -> tuple[np.ndarray, Pullback]:
        """``h, pullback = module(x)``: the body's contract."""
        called: tuple[np.ndarray, Pullback] = self.body(*heard)
        return called

    @property
    def generator(self) -> Generator | None:
        """The generator, if a generator is what tells it its gradient."""
        return self.signal if isinstance(self.signal, Generator) else None

    @property
    def thetas(self) -> list[np.ndarray]:
        """The parameter vectors of all parts."""
        return [theta for thetas in self.parts.values() for theta in thetas]

    @property
    def parts(self) -> dict[str, list[np.ndarray]]:
        """The parameter vectors of "body", of its "generator" or "readout", and "input model"."""
        parts = {"body": self.body.thetas}
        if self.signal is not None and self.signal.thetas:
            parts[self.signal.kind] = self.signal.thetas
        if self.input_model is not None:
            parts["input model"] = self.input_model.thetas
        return parts

    def copy(self, dtype: Any = None) -> Module:
        """An independent copy, in another dtype if one is given."""
        return Module(
            self.body.copy(dtype),
            self.signal.copy(dtype) if self.signal else None,
            self.input_model.copy(dtype) if self.input_model else None,
        )


@dataclass(frozen=True, eq=False)
class Probe:
    """The gradients at one module's output on one batch, all (batch, width).

    ``true``: g, of the summed loss, by backpropagation through the modules above.
    ``guess``: g_hat, from the generator.
    ``told``: what the module above sends down, which is what the generator is fitted to.
    """

    true: np.ndarray
    guess: np.ndarray
    told: np.ndarray


def _input_model(
    widths: Sequence[int], rng: np.random.Generator, batch_norm: bool, dtype: Any
) -> Chain:
    """A network that predicts a module's input from x; it starts by predicting 0."""
    layers: list[Layer] = []
    for n_in, n_out in pairwise(widths[:-1]):
        layers.append(Dense(n_in, n_out, rng, gain=ReLU.gain, dtype=dtype))
        if batch_norm:
            layers.append(BatchNorm(n_out, dtype=dtype))
        layers.append(ReLU())
    return Chain([*layers, Dense(widths[-2], widths[-1], gain=0, dtype=dtype)])


class Stack:
    """Modules, and the loss at the top.

    ``stack.modules[k - 1]`` is module k; the last one is the top.  Each hears the one below it,
    unless ``heard`` says otherwise.  Read ``Stack.build`` for the usual way to make one.

    Raises ValueError for no modules, or a ``heard`` of another length.
    """

    def __init__(self, modules: Sequence[Module], loss: Loss, heard: Heard | None = None) -> None:
        self.modules = tuple(modules)
        if not self.modules:
            raise ValueError("modules is empty; it accepts one module or more")
        self.loss = loss
        self.heard = tuple(((k, 0),) for k in range(len(self.modules))) if heard is None else heard
        checks.has_entries("heard", self.heard, len(self.modules), ", one for each module")

    @classmethod
    def build(
        cls,
        widths: Sequence[int],
        loss: Loss,
        rng: np.random.Generator,
        *,
        activation: str = "tanh",
        batch_norm: bool = False,
        cuts: Sequence[int] | None = None,
        signals: str | Sequence[str] | None = None,
        context: Sequence[str] | None = None,
        generator_hidden: Sequence[int] = (),
        readout_hidden: Sequence[int] = (),
        input_hidden: Sequence[int] | None = None,
        fixed_feedback: bool = False,
        frozen: int = 0,
        dtype: Any = np.float64,
    ) -> Stack:
        """A stack of dense layers, cut into modules; ``widths`` (24, 128, 64, 12) has three layers.

        Every layer but the top one is Dense, then BatchNorm if asked for, then the activation;
        the top one is Dense alone, for its output goes into the loss as logits.

        ``cuts``: the numbers of the layers above which the stack is cut, from 1; None: all, which
        makes every layer a module.  ``signals``: what tells each module below the top its
        gradient, one for all or one for each: "generator", "readout", "feedback", or "truth", for
        nothing of its own.  None: generators if there is a ``context``, which is what they see.
        With ``input_hidden``, each module but the first gets an input model with hidden layers of
        these widths (normalised if ``batch_norm``); its last layer starts at zero.
        ``fixed_feedback``: gradients go back through fixed random matrices (feedback alignment).
        ``frozen``: so many modules, from the first on, keep their random start; the top is none.

        The bodies draw from ``rng`` before all else does, so the same seed gives the same weights
        whatever the cuts and signals.

        Raises ValueError, naming the argument, for sizes below 1, fewer than two widths, a cut
        that is above no layer, an unknown activation, signal, context or dtype.
        """
        widths = checks.whole_numbers("widths", widths, 1)
        if len(widths) < 2:
            raise ValueError(f"widths is {widths}; it accepts two numbers or more, input to output")
        checks.random_generator("rng", rng)
        dtype = checks.float_type("dtype", dtype)
        checks.true_or_false("batch_norm", batch_norm)
        checks.true_or_false("fixed_feedback", fixed_feedback)
        edges = [0, *check_cuts(cuts, len(widths) - 1), len(widths) - 1]
        layers = _dense_layers(widths, activation, batch_norm, rng, dtype)
        if fixed_feedback:
            layers = [[_with_fixed_feedback(one, rng) for one in of] for of in layers]
        checks.whole_number("frozen", frozen, 0, len(edges) - 2)
        bodies = [
            Chain([one for of in layers[a:b] for one in of], frozen=k < frozen)
            for k, (a, b) in enumerate(pairwise(edges))
        ]
        ends = [widths[edge] for edge in edges[1:-1]]  # the widths at the cuts
        if signals is None:
            signals = "truth" if context is None else "generator"
        accepts = "one for all cuts, or one for each"
        one = isinstance(signals, str)
        kinds = (signals,) * len(ends) if one else checks.several("signals", signals, accepts)
        checks.has_entries("signals", kinds, len(ends), ", one for each cut")

        def signal(kind: str, width: int) -> Signal | None:
            match checks.one_of("signals", kind, ("generator", "readout", "feedback", "truth")):
                case "generator":
                    sizes = {"inputs": widths[0], "outputs": widths[-1], "dtype": dtype}
                    seen = ("h",) if context is None else context
                    return Generator(width, seen, hidden=generator_hidden, rng=rng, **sizes)
                case "readout":
                    hidden = checks.whole_numbers("readout_hidden", readout_hidden, 1)
                    return Readout(width, widths[-1], loss, hidden=hidden, rng=rng, dtype=dtype)
                case "feedback":
                    return Feedback(width, widths[-1], rng=rng, dtype=dtype)
            return None

        generator_hidden = checks.whole_numbers("generator_hidden", generator_hidden, 1)
        made = [*(signal(*pair) for pair in zip(kinds, ends, strict=True)), None]
        input_models: list[Chain | None] = [None] * len(bodies)
        if input_hidden is not None:
            hidden = checks.whole_numbers("input_hidden", input_hidden, 1)
            for k, width in enumerate(ends, start=1):
                input_models[k] = _input_model((widths[0], *hidden, width), rng, batch_norm, dtype)
        parts = zip(bodies, made, input_models, strict=True)
        return cls([Module(*three) for three in parts], loss)

    def __len__(self) -> int:
        return len(self.modules)

    @property
    def signals(self) -> tuple[str, ...]:
        """What tells each module its gradient: see ``orderings.SIGNALS``."""
        return tuple(
            getattr(module.body, "signal", "truth") if module.signal is None else module.signal.kind
            for module in self.modules
        )

    @property
    def decoupled(self) -> bool:
        """Whether every module below the top has a generator."""
        return all(module.generator is not None for module in self.modules[:-1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the parameters."""
        dtype: np.dtype[Any] = self.thetas[0].dtype
        return dtype

    @property
    def thetas(self) -> list[np.ndarray]:
        """All parameter vectors, module by module, body before signal."""
        return [theta for module in self.modules for theta in module.thetas]

    def copy(self, dtype: Any = None) -> Stack:
        """An independent copy, in another dtype if one is given."""
        return Stack([module.copy(dtype) for module in self.modules], self.loss, self.heard)

    def _through(self, x: Any, say: Callable[..., Any]) -> list[Any]:
        """What each module says of one batch alone, by ``say(body, *heard)``.

        Of the batches before it hears nothing.
        """
        said = [x]
        for module, ears in zip(self.modules, self.heard, strict=True):
            said.append(say(module.body, *[None if k and late else said[k] for k, late in ears]))
        return said[1:]

    @property
    def normalises(self) -> bool:
        """Whether there is batch normalisation in it."""
        bodies = [getattr(module.body, "layers", ()) for module in self.modules]
        return any(isinstance(layer, BatchNorm) for layers in bodies for layer in layers)

    def calibrate(self, x: np.ndarray) -> None:
        """Set what batch normalisation uses in evaluation mode, from the rows of x."""

        def say(body: Any, *heard: Any) -> Any:
            body.calibrate(*heard)
            return body.predict(*heard)

        if self.normalises:
            self._through(x, say)

    def outputs(self, x: np.ndarray) -> np.ndarray:
        """The output of the top module, in evaluation mode: x (rows, inputs) -> (rows, outputs).

        Raises ValueError unless x is a matrix of finite numbers.
        """
        return self.evaluate(checks.matrix("x", x))

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        """``outputs``, of rows that are known to be sound."""
        output: np.ndarray = self._through(x, lambda body, *heard: body.predict(*heard))[-1]
        return output

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The output in the units of y, for instance probabilities."""
        return self.loss.prediction(self.outputs(x))

    def forward(self, x: np.ndarray) -> tuple[list[np.ndarray], list[Pullback]]:
        """What each module says of one batch, in training mode, and the pullbacks."""
        pullbacks: list[Pullback] = []

        def say(body: Any, *heard: Any) -> Any:
            h, pullback = body(*heard)
            pullbacks.append(pullback)
            return h

        return self._through(x, say), pullbacks

    def gradients(
        self, x: np.ndarray, y: np.ndarray
    ) -> tuple[list[np.ndarray], list[list[np.ndarray]]]:
        """Backpropagation through the whole network, in training mode; nothing is changed.

        Returns, module by module, the gradient g of the summed loss with respect to h, and the
        gradients of the body's parameter vectors.
        """
        said, pullbacks = self.forward(x)
        told: list[list[np.ndarray]] = [[] for _ in self.modules]
        told[-1] = [self.loss.gradient(said[-1], y)]
        at_outputs, of_parameters = [], []
        for k in range(len(self.modules), 0, -1):
            # of several users the first comes first, as in training: equal sums to the last bit
            g = add_up(told[k - 1][::-1] or [np.zeros_like(said[k - 1])])
            *down, grads = pullbacks[k - 1](g)
            at_outputs.append(g)
            of_parameters.append(grads)
            for (module, late), message in reversed(
                list(zip(self.heard[k - 1], down, strict=True))
            ):
                if module and not late:
                    told[module - 1].append(message)
        return at_outputs[::-1], of_parameters[::-1]

    def probe(self, x: np.ndarray, y: np.ndarray) -> list[Probe]:
        """True, guessed and passed-down gradients at modules 1 to K - 1; nothing is changed.

        Raises ValueError if a module has no signal that says something at once.
        """
        if not self.probed:
            raise ValueError("this stack has no generators; probe accepts a decoupled stack")
        true, _ = self.gradients(x, y)
        said, pullbacks = self.forward(x)
        guesses, told = [], []
        for k, (module, h, pullback) in enumerate(zip(self.modules, said, pullbacks, strict=True)):
            if module.signal is None:
                g = self.loss.gradient(h, y)
            else:
                g, _ = module.signal(h, x, y)
                guesses.append(g)
            if k > 0:
                told.append(pullback(g)[0])
        return [Probe(*three) for three in zip(true[:-1], guesses, told, strict=True)]

    @property
    def probed(self) -> bool:
        """Whether ``probe`` can compare: a chain in which all below the top guess at once."""
        kinds = {module.signal.kind if module.signal else "" for module in self.modules[:-1]}
        in_chain = all(ears == ((k, 0),) for k, ears in enumerate(self.heard))
        return len(self.modules) > 1 and in_chain and kinds <= {"generator", "readout"}


def check_cuts(cuts: Sequence[int] | None, layers: int) -> tuple[int, ...]:
    """``cuts`` as numbers of layers, None being all but the top one; else ValueError."""
    if cuts is None:
        return tuple(range(1, layers))
    numbers = checks.whole_numbers("cuts", cuts, 1)
    for cut in numbers:
        checks.whole_number("cuts", cut, 1, layers - 1)
    if list(numbers) != sorted(set(numbers)):
        raise ValueError(f"cuts is {numbers}; it accepts numbers of layers in order, each once")
    return numbers


def _dense_layers(
    widths: Sequence[int], activation: str, batch_norm: bool, rng: np.random.Generator, dtype: Any
) -> list[list[Layer]]:
    """The dense layers from input to output, each with what belongs to it."""
    squash = activation_named(activation)
    made: list[list[Layer]] = []
    for n_in, n_out in pairwise(widths[:-1]):
        layers: list[Layer] = [Dense(n_in, n_out, rng, gain=squash.gain, dtype=dtype)]
        if batch_norm:
            layers.append(BatchNorm(n_out, dtype=dtype))
        made.append([*layers, squash])
    return [*made, [Dense(widths[-2], widths[-1], rng, dtype=dtype)]]


def _with_fixed_feedback(layer: Layer, rng: np.random.Generator) -> Layer:
    return FixedFeedbackDense.of(layer, rng) if isinstance(layer, Dense) else layer
