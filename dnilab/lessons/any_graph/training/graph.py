"""Train a graph of modules, each with or without a guess of what its message is worth.

There is one rule.  A node that knows a gradient at its output acts: it pulls back once, sends a
message down to everyone it heard, and updates.  The output knows it from the loss.  A node with a
generator has a guess as soon as it has spoken, so it acts at once.  A node without one waits until
all its users have sent their messages down, and takes their sum.

With generators nowhere, this is backpropagation.  With generators everywhere, no node waits for
another one above it (Jaderberg et al. 2016, section 2).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from dnilab.checks import one_of
from dnilab.lessons.any_graph.network.graph import Graph
from dnilab.network import Generator, Loss, Optimiser
from dnilab.network.joins import add_up
from dnilab.network.layers import Pullback


@dataclass(frozen=True)
class Said:
    """One message: ``kind`` is "up" (a value), "guess" (of a node's own generator) or "down".

    "act" is none: the node that is ``sender`` and ``to`` has a gradient and uses it.
    """

    kind: str
    sender: str
    to: str


@dataclass(frozen=True, eq=False)
class Step:
    """What happened in one step.

    ``output``: the value of the graph, (batch, outputs), before the update.
    ``used[name]``: the gradient with which the node was updated, true or guessed;
    ``told[name]``: the sum of the messages that came down to it.  Both (batch, width).
    ``log``: the messages in the order in which they were sent.
    """

    output: np.ndarray
    used: dict[str, np.ndarray]
    told: dict[str, np.ndarray]
    log: tuple[Said, ...]


class GraphTrainer:
    """Trains ``graph`` in place; ``step(x, y)`` is one update of every node.

    ``generators``: by the name of a node, the generator at its output; nodes that are not named
    wait for their users.  A generator may see "h", "y", and "x" if the graph has one input.
    ``learn``: the names of the nodes that are updated; all of them if None.

    Raises ValueError, naming the node, for a generator at the output, at a node that is not there
    or of another width, and for a node object that stands at two places: the first of its two
    updates would change the weights that the other one still needs.
    """

    def __init__(
        self,
        graph: Graph,
        loss: Loss,
        optimiser: Optimiser,
        generators: Mapping[str, Generator] | None = None,
        generator_optimiser: Optimiser | None = None,
        learn: Collection[str] | None = None,
    ) -> None:
        self.graph, self.loss = graph, loss
        self.generators = dict(generators or {})
        names = [part.name for part in graph.parts]
        self.learn = frozenset(names if learn is None else learn)
        for name in self.learn:
            one_of("learn", name, names)
        for name, generator in self.generators.items():
            if name not in names or name == graph.output:
                accepted = ", ".join(repr(n) for n in names if n != graph.output)
                raise ValueError(
                    f"generators has node {name!r}; it accepts {accepted or 'none'}: the output "
                    "has the true gradient"
                )
            if generator.width != graph.widths[name]:
                raise ValueError(
                    f"the generator at node {name!r} has width {generator.width}; it accepts "
                    f"{graph.widths[name]}, the width of the node"
                )
            if "x" in generator.context and len(graph.inputs) > 1:
                raise ValueError(
                    f"the generator at node {name!r} sees x, and the graph has "
                    f"{len(graph.inputs)} inputs; it accepts that of a graph with one"
                )
        places: dict[int, str] = {}
        for part in graph.parts:
            if part.node.thetas and id(part.node) in places:
                raise ValueError(
                    f"node {part.name!r} is the same object as {places[id(part.node)]!r}; "
                    "training accepts each node with parameters at one place"
                )
            places[id(part.node)] = part.name
        self._updates = {p.name: optimiser.start(p.node.thetas) for p in graph.parts}
        for_generators = optimiser if generator_optimiser is None else generator_optimiser
        self._fits = {n: for_generators.start(g.thetas) for n, g in self.generators.items()}

    def step(self, x: np.ndarray | tuple[np.ndarray, ...], y: np.ndarray) -> Step:
        """One batch: x, or a tuple with one array for each input; y (batch, outputs)."""
        inputs = x if isinstance(x, tuple) else (x,)
        return _Step(self, inputs, y).run()


class _Step:
    """One batch on its way: the mailboxes."""

    def __init__(
        self, trainer: GraphTrainer, inputs: tuple[np.ndarray, ...], y: np.ndarray
    ) -> None:
        self.of, self.graph, self.y = trainer, trainer.graph, y
        self.said = dict(zip(self.graph.inputs, inputs, strict=True))
        self.x = inputs[0] if len(inputs) == 1 else None
        self.parts = {part.name: part for part in self.graph.parts}
        self.users = self.graph.users
        self.pullbacks: dict[str, Pullback] = {}
        self.fits: dict[str, Pullback] = {}
        self.boxes: dict[str, dict[tuple[str, int], np.ndarray]] = {n: {} for n in self.parts}
        self.used: dict[str, np.ndarray] = {}
        self.told: dict[str, np.ndarray] = {}
        self.log: list[Said] = []

    def run(self) -> Step:
        for name in self.parts:
            self._speak(name)
        return Step(self.said[self.graph.output], self.used, self.told, tuple(self.log))

    def _speak(self, name: str) -> None:
        part = self.parts[name]
        heard = [self.said[other] for other in part.heard]
        value, self.pullbacks[name] = part.node(*heard)
        self.said[name] = value
        self.log += [Said("up", name, user) for user, _ in self.users[name]]
        if name in self.of.generators:
            guess, self.fits[name] = self.of.generators[name](value, self.x, self.y)
            self.log.append(Said("guess", name, name))
            self._act(name, guess)
        elif name == self.graph.output:
            self._act(name, self.of.loss.gradient(value, self.y))

    def _act(self, name: str, g: np.ndarray) -> None:
        """Pull back, tell everyone who was heard, update."""
        self.used[name] = g
        self.log.append(Said("act", name, name))
        *down, grads = self.pullbacks[name](g)
        if name in self.of.learn:
            self.of._updates[name](grads, len(g))
        for place, (other, message) in enumerate(zip(self.parts[name].heard, down, strict=True)):
            if other in self.parts:
                self.log.append(Said("down", name, other))
                self._deliver(other, (name, place), message)

    def _deliver(self, name: str, user: tuple[str, int], message: np.ndarray) -> None:
        """Put it into the box; once all users have written, add up and use it."""
        box = self.boxes[name]
        box[user] = message
        if len(box) < len(self.users[name]):
            return
        # in the order of the users, whoever came first: equal messages give equal bits
        total = self.told[name] = add_up([box[one] for one in self.users[name]])
        if name in self.of.generators:
            guess = self.used[name]
            _, grads = self.fits[name](guess - total, want_dx=False)
            self.of._fits[name](grads, len(total))
        else:
            self._act(name, total)
