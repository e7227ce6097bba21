"""Any acyclic graph of modules: a value goes up along each edge, a gradient comes down it.

The protocol (Jaderberg et al. 2016, section 2) needs one sentence: who hears something says
something, and hands back what each thing that it heard was worth.

    value, pullback = node(*heard)
    *down, grads = pullback(gradient)

``value`` is the message up.  ``down`` are the messages down, one for each thing heard, in the same
order.  ``grads`` is the node's own business.  Layers, chains and modules keep it with one thing
heard, a recurrent cell with two (its state and its input), a join with as many as it joins, and a
whole graph with as many as it has inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any, Protocol, runtime_checkable

import numpy as np

from dnilab.checks import one_of, whole_number
from dnilab.lessons.any_graph.network.joins import check_heard
from dnilab.network.layers import Layer, Loss, Pullback, add_up
from dnilab.network.modules import Generator, Module, Stack


@runtime_checkable
class Node(Protocol):
    """Anything that takes part: ``value, pullback = node(*heard)``.

    Shapes: each thing heard is (batch, its width), value is (batch, width of the node).
    ``*down, grads = pullback(gradient)``: gradient like value, down like the things heard.

    ``grads`` is a list with one flat array for each entry of ``thetas``.
    Nothing is cached on the node: each pullback belongs to its own call.
    """

    @property
    def thetas(self) -> list[np.ndarray]: ...

    def __call__(self, *heard: Any, **options: Any) -> tuple[np.ndarray, Pullback]: ...


@dataclass(frozen=True, eq=False)
class Part:
    """A node with its name, and the names of the nodes or inputs that it hears, in order."""

    name: str
    node: Node
    heard: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Gradients:
    """What a backward pass through a graph gives.

    ``at[name]``: the gradient of the summed loss with respect to the value of that node or input,
    (batch, width).  ``grads[name]``: those of the node's parameter vectors.
    ``messages[name]``: what each user of that value sent down, by (name of the user, place among
    the things it hears); ``at[name]`` is their sum.
    """

    at: dict[str, np.ndarray]
    grads: dict[str, list[np.ndarray]]
    messages: dict[str, dict[tuple[str, int], np.ndarray]]


class Graph(Layer):
    """Nodes that hear each other, without a cycle.

    ``inputs``: name and width of what comes from outside.  ``parts``: the nodes, in any order.
    ``output``: the name of the node whose value is the value of the graph.

    A graph is a node: ``value, pullback = graph(*inputs)``; ``*down, grads = pullback(g)``, with
    ``grads`` one flat gradient for each entry of ``thetas``.

    One node object may stand at several places (shared weights); its gradients are then listed at
    each of them.

    Raises ValueError, naming the node, for a name used twice, something heard that is not there, a
    cycle, a node that leads to no output, and widths that do not fit: the last are found by one
    forward pass of zeros.
    """

    def __init__(self, inputs: Mapping[str, int], parts: Sequence[Part], output: str) -> None:
        if not inputs:
            raise ValueError("inputs is empty; it accepts one name and width or more")
        self.inputs = {name: whole_number(f"inputs[{name!r}]", w, 1) for name, w in inputs.items()}
        named: dict[str, Part] = {}
        for part in parts:
            if part.name in named or part.name in self.inputs:
                raise ValueError(f"node {part.name!r} is there twice; each name is accepted once")
            if isinstance(part.heard, str) or not part.heard:
                raise ValueError(
                    f"node {part.name!r} hears {part.heard!r}; it accepts one name or more, "
                    "as a tuple"
                )
            named[part.name] = part
        one_of("output", output, tuple(named))
        known = [*self.inputs, *named]
        for part in named.values():
            for name in part.heard:
                if name not in known:
                    raise ValueError(
                        f"node {part.name!r} hears {name!r}, which is not there; it accepts "
                        + ", ".join(repr(other) for other in known if other != part.name)
                    )
        self.output = output
        self.parts = tuple(named[name] for name in _in_order(named, self.inputs))
        self._refuse_unheard()
        self.widths = self._measure()

    def _refuse_unheard(self) -> None:
        """Raise ValueError for a node or an input from which no way leads to the output."""
        wanted = {self.output}
        for part in reversed(self.parts):
            if part.name not in wanted:
                raise ValueError(
                    f"node {part.name!r} leads nowhere: no gradient would ever come down to it; "
                    f"a graph accepts nodes that the output {self.output!r} depends on"
                )
            wanted.update(part.heard)
        for name in self.inputs:
            if name not in wanted:
                raise ValueError(f"input {name!r} is heard by no node; leave it out")

    def _measure(self) -> dict[str, int]:
        """The width of every value, by sending zeros through."""
        values = {name: np.zeros((2, width)) for name, width in self.inputs.items()}
        for part in self.parts:
            heard = [values[name] for name in part.heard]
            try:
                value, _ = part.node(*heard)
            except (ValueError, TypeError, AttributeError) as error:
                got = ", ".join(f"{name!r} of width {values[name].shape[1]}" for name in part.heard)
                raise ValueError(f"node {part.name!r} cannot hear {got}: {error}") from error
            if np.ndim(value) != 2 or len(value) != 2:
                raise ValueError(
                    f"node {part.name!r} gives shape {np.shape(value)} for a batch of 2; a graph "
                    "accepts values of shape (batch, width)"
                )
            values[part.name] = value
        return {name: value.shape[1] for name, value in values.items()}

    @property
    def thetas(self) -> list[np.ndarray]:
        """The parameter vectors of all nodes, from the inputs to the output."""
        return [theta for part in self.parts for theta in part.node.thetas]

    def values(self, *inputs: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, Pullback]]:
        """Everything that is said, and the pullback of each node, by name."""
        check_heard(inputs, tuple(self.inputs.values()))
        said = dict(zip(self.inputs, inputs, strict=True))
        pullbacks = {}
        for part in self.parts:
            said[part.name], pullbacks[part.name] = part.node(*(said[n] for n in part.heard))
        return said, pullbacks

    def gradients(self, pullbacks: Mapping[str, Pullback], g: np.ndarray) -> Gradients:
        """Backpropagation, from ``g`` at the output down to the inputs; nothing is changed."""
        told: dict[str, dict[tuple[str, int], np.ndarray]] = {name: {} for name in self.widths}
        at: dict[str, np.ndarray] = {self.output: g}
        grads: dict[str, list[np.ndarray]] = {}

        def total(name: str) -> np.ndarray:
            # of several users the first comes first, as in training: equal sums to the last bit
            return add_up(list(told[name].values())[::-1])

        for part in reversed(self.parts):
            if part.name != self.output:  # nobody hears the output
                at[part.name] = total(part.name)
            *down, grads[part.name] = pullbacks[part.name](at[part.name])
            for place in reversed(range(len(down))):
                told[part.heard[place]][part.name, place] = down[place]
        return Gradients(at | {name: total(name) for name in self.inputs}, grads, told)

    def __call__(self, *inputs: np.ndarray) -> tuple[np.ndarray, Pullback]:
        said, pullbacks = self.values(*inputs)

        def pullback(g: np.ndarray, want_dx: bool = True) -> tuple[Any, ...]:
            found = self.gradients(pullbacks, g)
            own = [grad for part in self.parts for grad in found.grads[part.name]]
            return (*(found.at[name] if want_dx else None for name in self.inputs), own)

        return said[self.output], pullback

    def predict(self, *inputs: np.ndarray) -> np.ndarray:
        """The value in evaluation mode."""
        check_heard(inputs, tuple(self.inputs.values()))
        said = dict(zip(self.inputs, inputs, strict=True))
        for part in self.parts:
            node: Any = part.node
            said[part.name] = node.predict(*(said[name] for name in part.heard))
        return said[self.output]

    def stack(self, loss: Loss, generators: Mapping[str, Generator] | None = None) -> Stack:
        """The same nodes as the modules of a network that can be trained, numbered as ``parts``.

        ``generators``: by the name of a node, the generator at its output; nodes that are not
        named wait for their users.

        Raises ValueError, naming the node, for a graph with several inputs, a generator at the
        output, at a node that is not there or of another width, and for a node object that
        stands at two places: the first of its two updates would change the weights that the
        other one still needs.
        """
        generators = dict(generators or {})
        if len(self.inputs) > 1:
            named = ", ".join(repr(name) for name in self.inputs)
            raise ValueError(f"graph has the inputs {named}; training accepts graphs with one")
        names = [part.name for part in self.parts]
        for name, generator in generators.items():
            if name not in names or name == self.output:
                accepted = ", ".join(repr(n) for n in names if n != self.output)
                raise ValueError(
                    f"generators has node {name!r}; it accepts {accepted or 'none'}: the output "
                    "has the true gradient"
                )
            if generator.width != self.widths[name]:
                raise ValueError(
                    f"the generator at node {name!r} has width {generator.width}; it accepts "
                    f"{self.widths[name]}, the width of the node"
                )
        places: dict[int, str] = {}
        for part in self.parts:
            if part.node.thetas and id(part.node) in places:
                raise ValueError(
                    f"node {part.name!r} is the same object as {places[id(part.node)]!r}; "
                    "training accepts each node with parameters at one place"
                )
            places[id(part.node)] = part.name
        number = {name: k for k, name in enumerate([next(iter(self.inputs)), *names])}
        heard = tuple(tuple((number[name], 0) for name in part.heard) for part in self.parts)
        modules = [Module(part.node, generators.get(part.name)) for part in self.parts]
        return Stack(modules, loss, heard)

    def copy(self, dtype: Any = None) -> Graph:
        """An independent copy, in another dtype if one is given; what was shared stays shared."""
        copies: dict[int, Any] = {}
        parts = []
        for part in self.parts:
            node: Any = part.node
            if id(node) not in copies:
                copies[id(node)] = node.copy(dtype)
            parts.append(Part(part.name, copies[id(node)], part.heard))
        return Graph(self.inputs, parts, self.output)


def _in_order(parts: Mapping[str, Part], inputs: Mapping[str, int]) -> list[str]:
    """The names, each after all that it hears."""
    heard = {name: [n for n in part.heard if n not in inputs] for name, part in parts.items()}
    try:
        return list(TopologicalSorter(heard).static_order())
    except CycleError as error:
        around = " -> ".join(repr(name) for name in error.args[1])
        raise ValueError(
            f"node {error.args[1][0]!r} hears itself around a cycle: {around}; a graph accepts "
            "none. A loop through time is cut into steps: give each step a name of its own"
        ) from None
