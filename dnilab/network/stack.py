"""A stack of decoupled modules, numbered from 1 at the input to K at the output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from dnilab.checks import float_type, matrix, random_generator, true_or_false, whole_numbers
from dnilab.network.activations import ReLU
from dnilab.network.activations import activation as activation_named
from dnilab.network.chain import Chain
from dnilab.network.generators import Generator
from dnilab.network.layers import Dense, Layer, Pullback
from dnilab.network.losses import Loss
from dnilab.network.normalisation import BatchNorm


@dataclass(frozen=True, eq=False)
class Module:
    """One module: its layers, and the generator that guesses the gradient at its output.

    ``generator`` is None for the top module, which has the true gradient of the loss, and in
    networks that are trained without synthetic gradients.  ``input_model`` predicts the module's
    input from the network's input x, (batch, inputs) -> (batch, width in); it is None except
    where the forward pass is unlocked too.
    """

    body: Chain
    generator: Generator | None = None
    input_model: Chain | None = None

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Pullback]:
        """``h, pullback = module(x)``: the body's contract."""
        return self.body(x)

    @property
    def thetas(self) -> list[np.ndarray]:
        """The parameter vectors of all parts."""
        return [theta for thetas in self.parts.values() for theta in thetas]

    @property
    def parts(self) -> dict[str, list[np.ndarray]]:
        """The parameter vectors of "body", "generator" and "input model", as far as there are."""
        parts = {"body": self.body.thetas}
        if self.generator is not None:
            parts["generator"] = self.generator.thetas
        if self.input_model is not None:
            parts["input model"] = self.input_model.thetas
        return parts

    def copy(self, dtype: Any = None) -> Module:
        """An independent copy, in another dtype if one is given."""
        return Module(
            self.body.copy(dtype),
            self.generator.copy(dtype) if self.generator else None,
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
    """Modules one above the other, and the loss at the top.

    ``stack.modules[k - 1]`` is module k.  Read ``Stack.build`` for the usual way to make one.
    """

    def __init__(self, modules: Sequence[Module], loss: Loss) -> None:
        if not modules:
            raise ValueError("modules is empty; it accepts one module or more")
        self.modules = tuple(modules)
        self.loss = loss

    @classmethod
    def build(
        cls,
        widths: Sequence[int],
        loss: Loss,
        rng: np.random.Generator,
        *,
        activation: str = "tanh",
        batch_norm: bool = False,
        context: Sequence[str] | None = None,
        generator_hidden: Sequence[int] = (),
        input_hidden: Sequence[int] | None = None,
        dtype: Any = np.float64,
    ) -> Stack:
        """A stack of dense modules; ``widths`` (24, 128, 64, 12) makes three.

        Every module but the top one is Dense, then BatchNorm if asked for, then the activation;
        the top one is Dense alone, for its output goes into the loss as logits.  With a
        ``context``, each module but the top one gets a generator that sees it.  With
        ``input_hidden``, each module but the first gets an input model with hidden layers of
        these widths (normalised if ``batch_norm``); its last layer starts at zero.

        The bodies draw from ``rng`` before generators and input models do, so the same seed gives
        the same weights with and without them.

        Raises ValueError, naming the argument, for sizes below 1, fewer than two widths, an
        unknown activation, context or dtype.
        """
        widths = whole_numbers("widths", widths, 1)
        generator_hidden = whole_numbers("generator_hidden", generator_hidden, 1)
        if len(widths) < 2:
            raise ValueError(f"widths is {widths}; it accepts two numbers or more, input to output")
        random_generator("rng", rng)
        dtype = float_type("dtype", dtype)
        true_or_false("batch_norm", batch_norm)
        squash = activation_named(activation)
        bodies = []
        for n_in, n_out in pairwise(widths[:-1]):
            layers: list[Layer] = [Dense(n_in, n_out, rng, gain=squash.gain, dtype=dtype)]
            if batch_norm:
                layers.append(BatchNorm(n_out, dtype=dtype))
            bodies.append(Chain([*layers, squash]))
        bodies.append(Chain([Dense(widths[-2], widths[-1], rng, dtype=dtype)]))
        generators: list[Generator | None] = [None] * len(bodies)
        if context is not None:
            for k, width in enumerate(widths[1:-1]):
                generators[k] = Generator(
                    width,
                    context,
                    inputs=widths[0],
                    outputs=widths[-1],
                    hidden=generator_hidden,
                    rng=rng,
                    dtype=dtype,
                )
        input_models: list[Chain | None] = [None] * len(bodies)
        if input_hidden is not None:
            hidden = whole_numbers("input_hidden", input_hidden, 1)
            for k, width in enumerate(widths[1:-1], start=1):
                input_models[k] = _input_model((widths[0], *hidden, width), rng, batch_norm, dtype)
        parts = zip(bodies, generators, input_models, strict=True)
        return cls([Module(*three) for three in parts], loss)

    def __len__(self) -> int:
        return len(self.modules)

    @property
    def decoupled(self) -> bool:
        """Whether every module below the top has a generator."""
        return all(module.generator is not None for module in self.modules[:-1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the parameters."""
        return self.modules[0].body.thetas[0].dtype

    @property
    def thetas(self) -> list[np.ndarray]:
        """All parameter vectors, module by module, body before generator."""
        return [theta for module in self.modules for theta in module.thetas]

    def copy(self, dtype: Any = None) -> Stack:
        """An independent copy, in another dtype if one is given."""
        return Stack([module.copy(dtype) for module in self.modules], self.loss)

    def calibrate(self, x: np.ndarray) -> None:
        """Set what batch normalisation uses in evaluation mode, from the rows of x."""
        layers = (layer for module in self.modules for layer in module.body.layers)
        if not any(isinstance(layer, BatchNorm) for layer in layers):
            return
        for module in self.modules:
            x = module.body.calibrate(x)

    def outputs(self, x: np.ndarray) -> np.ndarray:
        """The output of the top module, in evaluation mode: x (rows, inputs) -> (rows, outputs)."""
        x = matrix("x", x)
        for module in self.modules:
            x = module.body.predict(x)
        return x

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The output in the units of y, for instance probabilities."""
        return self.loss.prediction(self.outputs(x))

    def gradients(
        self, x: np.ndarray, y: np.ndarray
    ) -> tuple[list[np.ndarray], list[list[np.ndarray]]]:
        """Backpropagation through the whole stack, in training mode; nothing is changed.

        Returns, module by module, the gradient g of the summed loss with respect to h, and the
        gradients of the body's parameter vectors.
        """
        h, pullbacks = x, []
        for module in self.modules:
            h, pullback = module(h)
            pullbacks.append(pullback)
        g = self.loss.gradient(h, y)
        at_outputs, of_parameters = [], []
        for pullback in reversed(pullbacks):
            at_outputs.append(g)
            g, grads = pullback(g)
            of_parameters.append(grads)
        return at_outputs[::-1], of_parameters[::-1]

    def probe(self, x: np.ndarray, y: np.ndarray) -> list[Probe]:
        """True, guessed and passed-down gradients at modules 1 to K - 1; nothing is changed.

        Raises ValueError if a module has no generator.
        """
        if not self.decoupled:
            raise ValueError("this stack has no generators; probe accepts a decoupled stack")
        true, _ = self.gradients(x, y)
        h, guesses, told = x, [], []
        for k, module in enumerate(self.modules):
            h, pullback = module(h)
            if module.generator is None:
                g = self.loss.gradient(h, y)
            else:
                g, _ = module.generator(h, x, y)
                guesses.append(g)
            if k > 0:
                told.append(pullback(g)[0])
        return [Probe(*three) for three in zip(true[:-1], guesses, told, strict=True)]
