"""Whole runs end with the weights of an interpreter that knows nothing but PyTorch.

A program's steps are read as ``OPERATIONS`` describes them.  Each graph of autograd is kept with
the parameters of its time: a later update makes new ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

from dnilab.data import Dataset
from dnilab.lessons.any_graph.network.graph import Graph, Part
from dnilab.lessons.any_graph.network.joins import Add, Concatenate
from dnilab.lessons.convolutions.network.build import build_convolutional
from dnilab.lessons.shared.trainer import Trainer
from dnilab.network import (
    SGD,
    Adam,
    BatchNorm,
    BinaryCrossEntropy,
    Chain,
    Dense,
    Generator,
    Momentum,
    SoftmaxCrossEntropy,
    SquaredError,
    Stack,
    Tanh,
)
from dnilab.orderings import (
    Program,
    Step,
    backprop,
    blue_box,
    complete_unlock,
    direct_feedback,
    last_layer_only,
    local_loss,
    pipeline,
    sequential,
    sparse,
    sparse_backprop,
)
from dnilab.training import train, wiring_of
from tests.parity.in_torch import (
    LOSSES,
    Learner,
    Tensor,
    assert_derivatives_agree,
    assert_same,
    dense,
    loss_gradient,
    of_generator,
    of_layer,
    tensor,
    torch,
)
from tests.parity.test_layers import with_random_parameters

ROWS = 33


class Interpreter:
    """Modules one above the other, and what each operation does to one of them on one batch."""

    def __init__(self, stack: Stack, program: Program, how: Any, generators: Any) -> None:
        self.loss, self.top, self.program = stack.loss.name, len(stack), program
        self.bodies, self.signals, self.inputs = {}, {}, {}
        self.feedback, self.kinds = {}, {}
        for k, module in enumerate(stack.modules, start=1):
            self.bodies[k] = Learner(of_layer(module.body), module.body.thetas, how)
            signal = module.signal
            self.kinds[k] = "truth" if signal is None else signal.kind
            if self.kinds[k] == "generator":
                self.signals[k] = Learner(of_generator(signal), signal.thetas, generators)
            elif self.kinds[k] == "readout":
                self.signals[k] = Learner(of_layer(signal.body), signal.thetas, generators)
            elif self.kinds[k] == "feedback":
                self.feedback[k] = tensor(signal.B, leaf=False)
            if module.input_model is not None:
                model = module.input_model
                self.inputs[k] = Learner(of_layer(model), model.thetas, generators)
        self.known: dict[Any, Any] = {}

    def can(self, step: Step, batch: int) -> bool:
        """Whether what the step needs is there, of this batch."""
        k = step.module
        above = ("error", self.top) if self.kinds[k] == "feedback" else ("message", k + 1)
        told = set() if k == self.top else {above}
        h = {("h", k - 1)} if k > 1 else set()
        needs: set[tuple[str, int]] = {
            "forward": h,
            "forward_update": h,
            "forward_guess": h,
            "unlocked_update": set(),
            "backward": told | {("pull", k)},
            "pull": {("pull", k), ("guess", k)},
            "update": {("grads", k)},
            "fit": {("guess", k)} | (set() if self.kinds[k] == "readout" else told),
            "late_fit": {("guess", k)} | told,
            "fit_input": {("prediction", k)} | h,
            "late_fit_input": {("prediction", k)} | h,
        }[step.op]
        return all((*one, batch) in self.known for one in needs)

    def do(self, step: Step, t: int, x: Tensor, y: Tensor) -> None:
        """One step on batch ``t``."""
        getattr(self, step.op)(step.module, t, x, y)

    def forward(self, k: int, t: int, x: Tensor, y: Tensor, heard: Tensor = None) -> None:
        if heard is None:
            heard = x if k == 1 else self.known["h", k - 1, t]
        heard = heard.detach().requires_grad_()
        h, thetas = self.bodies[k](heard), self.bodies[k].thetas
        self.known["h", k, t] = h.detach()
        self.known["pull", k, t] = partial(self._pulled, k, t, h, heard, thetas)

    def _pulled(self, k: int, t: int, h: Tensor, heard: Tensor, thetas: Any, g: Tensor) -> None:
        down, *grads = torch.autograd.grad((h * g).sum(), [heard, *thetas])
        self.known["message", k, t], self.known["grads", k, t] = down, grads

    def guess(self, k: int, t: int, x: Tensor, y: Tensor) -> Tensor:
        """What module k knows of its gradient at once."""
        h = self.known["h", k, t]
        if k == self.top:
            self.known["error", k, t] = loss_gradient(self.loss, h, y)
            return self.known["error", k, t]
        signal = self.signals[k]
        if self.kinds[k] == "generator":
            said = signal(h, x, y)
            self.known["guess", k, t] = said, signal.thetas
            return said.detach()
        h = h.clone().requires_grad_()
        g, *grads = torch.autograd.grad(
            LOSSES[self.loss](signal(h), y), [h, *signal.thetas]
        )  # of a loss of its own
        self.known["guess", k, t] = g, grads
        return g

    def forward_guess(self, k: int, t: int, x: Tensor, y: Tensor) -> None:
        self.forward(k, t, x, y)
        self.guess(k, t, x, y)

    def forward_update(self, k: int, t: int, x: Tensor, y: Tensor) -> None:
        self.forward(k, t, x, y)
        self.known["pull", k, t](self.guess(k, t, x, y))
        self.update(k, t, x, y)

    def unlocked_update(self, k: int, t: int, x: Tensor, y: Tensor) -> None:
        heard = x
        if k in self.inputs:
            heard = self.inputs[k](x)
            self.known["prediction", k, t] = heard, self.inputs[k].thetas
        self.forward(k, t, x, y, heard)
        self.known["pull", k, t](self.guess(k, t, x, y))
        self.update(k, t, x, y)

    def backward(self, k: int, t: int, x: Tensor, y: Tensor) -> None:
        if k == self.top:
            g = self.guess(k, t, x, y)
        elif k in self.feedback:
            g = self.known["error", self.top, t] @ self.feedback[k]
        else:
            g = self.known["message", k + 1, t]
        self.known["pull", k, t](g)

    def pull(self, k: int, t: int, x: Tensor, y: Tensor) -> None:
        self.known["pull", k, t](self.known["guess", k, t][0].detach())

    def update(self, k: int, t: int, x: Tensor, y: Tensor) -> None:
        self.bodies[k].update(self.known["grads", k, t], len(y))

    def fit(self, k: int, t: int, x: Tensor, y: Tensor) -> None:
        said, by = self.known["guess", k, t]
        if self.kinds[k] == "readout":
            self.signals[k].update(by, len(y))
        else:
            self._towards(self.signals[k], said, self.known["message", k + 1, t], by)

    def late_fit(self, k: int, t: int, x: Tensor, y: Tensor) -> None:
        self.guess(k, t, x, y)
        self.fit(k, t, x, y)

    def fit_input(self, k: int, t: int, x: Tensor, y: Tensor) -> None:
        said, by = self.known["prediction", k, t]
        self._towards(self.inputs[k], said, self.known["h", k - 1, t], by)

    def late_fit_input(self, k: int, t: int, x: Tensor, y: Tensor) -> None:
        said, by = self.inputs[k](x), self.inputs[k].thetas
        self._towards(self.inputs[k], said, self.known["h", k - 1, t], by)

    @staticmethod
    def _towards(learner: Learner, said: Tensor, truth: Tensor, by: Any) -> None:
        error = ((said - truth) ** 2).sum() / 2
        learner.update(torch.autograd.grad(error, by), len(said))

    def run(self, batches: list[tuple[Tensor, Tensor]]) -> None:
        """All turns: every worker in its order, whoever can go on."""
        program, count = self.program, len(batches)
        for turn in range(-(-(count + program.lag) // program.batches_per_turn)):
            first = turn * program.batches_per_turn
            queues = [
                [(step, first + step.batch) for step in steps if 0 <= first + step.batch < count]
                for steps in program.turn(turn)
            ]
            while any(queues):
                moved = False
                for queue in queues:
                    while queue and self.can(*queue[0]):
                        step, t = queue.pop(0)
                        self.do(step, t, *batches[t])
                        moved = True
                assert moved

    @property
    def thetas(self) -> Iterator[Tensor]:
        for k in self.bodies:
            yield from self.bodies[k].thetas
            for learner in (self.signals.get(k), self.inputs.get(k)):
                if learner is not None:
                    yield from learner.thetas


def in_batches(data: Dataset, size: int, epochs: int, seed: int) -> list[tuple[Tensor, Tensor]]:
    """The training rows in the order that the seed shuffles them to, again in each epoch."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(epochs):
        order = rng.permutation(len(data.x_train))
        for start in range(0, len(order) - size + 1, size):
            rows = order[start : start + size]
            pair = data.x_train[rows], data.y_train[rows]
            found.append(tuple(tensor(one, leaf=False) for one in pair))
    return found


def random_data(rng: np.random.Generator, loss: Any, inputs: int, outputs: int) -> Dataset:
    x = rng.standard_normal((ROWS, inputs))
    if isinstance(loss, SoftmaxCrossEntropy):
        y = np.eye(outputs)[rng.integers(0, outputs, ROWS)]
        return Dataset("random", "classes", x, y, x[:2], y[:2])
    y = rng.integers(0, 2, (ROWS, outputs)).astype(float)
    return Dataset("random", "bits", x, y, x[:2], y[:2])


def assert_run_agrees(
    stack: Stack, program: Program, data: Dataset, rng: np.random.Generator, executor: str
) -> None:
    """Train both, by the same optimisers on the same batches, and compare all weights."""
    for module in stack.modules:  # a generator that starts at zero says nothing for a while
        if module.generator is not None:
            for theta in module.generator.thetas:
                theta += 0.1 * rng.standard_normal(theta.size)
    optimisers = (SGD(0.05), Momentum(0.02, 0.7), Adam(3e-3))
    layers = [one for module in stack.modules for one in module.body.layers]
    # A bias below a normalisation has the gradient 0, but for rounding, which Adam would blow up.
    normalised = any(isinstance(layer, BatchNorm) for layer in layers)
    how, generators = (optimisers[i] for i in rng.integers(0, 2 if normalised else 3, 2))
    theirs = Interpreter(stack, program, how, generators)
    size, seed = int(rng.integers(2, 9)), int(rng.integers(0, 99))
    both = {"optimiser": how, "generator_optimiser": generators}
    shuffled = {"batch_size": size, "epochs": 2, "seed": seed}
    *_, last = train(stack, data, program, **both, **shuffled, executor=executor)
    assert not hasattr(last, "message"), "it diverged"
    theirs.run(in_batches(data, size, 2, seed))
    for number, (mine, its) in enumerate(zip(stack.thetas, theirs.thetas, strict=True)):
        assert_same(f"parameter vector {number}", mine, its)


def halves(modules: int) -> list[range]:
    middle = (modules + 1) // 2
    return [part for part in (range(1, middle + 1), range(middle + 1, modules + 1)) if part]


DECOUPLED = {"context": ("h", "y")}
RUNS: dict[str, tuple[Callable[[int], Program], dict[str, Any]]] = {
    "backprop": (backprop, {}),
    "feedback alignment": (backprop, {"fixed_feedback": True}),
    "sequential": (sequential, DECOUPLED),
    "sequential, hidden": (sequential, {"context": ("h", "x"), "generator_hidden": (4,)}),
    "sequential, normalised": (sequential, {"context": ("h_norm",), "batch_norm": True}),
    "blue box, in line": (blue_box, DECOUPLED),
    "last layer only": (last_layer_only, {}),
    "pipeline, prompt": (lambda n: pipeline(halves(n), staleness=0), DECOUPLED),
    "pipeline, 1 late": (lambda n: pipeline(halves(n), staleness=1), DECOUPLED),
    "pipeline, 3 late": (lambda n: pipeline(halves(n), staleness=3), DECOUPLED),
    "pipeline, 3 late, guesses of then": (
        lambda n: pipeline(halves(n), staleness=3, guess_again=False),
        DECOUPLED,
    ),
    "pipeline, parcels": (
        lambda n: pipeline(halves(n), staleness=4, batches_per_turn=2),
        {"context": ("h",), "generator_hidden": (4,)},
    ),
    "complete unlock": (
        lambda n: complete_unlock(halves(n), staleness=2),
        {**DECOUPLED, "input_hidden": (5,)},
    ),
    "complete unlock, guesses of then": (
        lambda n: complete_unlock(halves(n), guess_again=False),
        {**DECOUPLED, "input_hidden": ()},
    ),
    "sparse": (lambda n: sparse(n, p=0.6, seed=n), DECOUPLED),
    "sparse backprop": (lambda n: sparse_backprop(n, p=0.6, seed=n), {}),
    "local loss": (
        lambda n: local_loss(halves(n)),
        {"signals": "readout", "readout_hidden": (4,)},
    ),
    "direct feedback": (direct_feedback, {"signals": "feedback"}),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_run(name: str) -> None:
    make, parts = RUNS[name]
    for seed in range(3):
        rng = np.random.default_rng([seed, len(name)])
        loss = (BinaryCrossEntropy(), SoftmaxCrossEntropy(), SquaredError())[seed]
        widths = tuple(int(n) for n in rng.integers(2, 7, int(rng.integers(3, 6))))
        squash = str(rng.choice(["tanh", "relu", "sigmoid"]))
        stack = Stack.build(widths, loss, rng, activation=squash, **parts)
        program = make(len(stack))
        threads = len(program.workers) > 1 and seed == 2
        data = random_data(rng, loss, widths[0], widths[-1])
        executor = "threads" if threads else "one thread"
        assert_run_agrees(stack, program, data, rng, executor)


@pytest.mark.parametrize("downsampling", ["stride", "max", "mean"])
@pytest.mark.parametrize("generator", ["dense", "convolutional"])
def test_a_run_of_convolutions(downsampling: str, generator: str) -> None:
    rng, loss = np.random.default_rng(len(downsampling)), SoftmaxCrossEntropy()
    parts = {"context": ("h", "y"), "generator": generator, "downsampling": downsampling}
    stack = build_convolutional((8, 8, 1), (2, 3), 3, loss, rng, generator_hidden=(2,), **parts)
    data = random_data(rng, loss, 64, 3)
    for program in (sequential(3), pipeline([(1,), (2, 3)], staleness=2)):
        assert_run_agrees(stack, program, data, rng, "one thread")


# ---- graphs --------------------------------------------------------------------------------------

EDGES = {"eye": 4, "left": 3, "right": 3, "top": 2}


def branches(rng: np.random.Generator) -> Graph:
    """x -> eye -> left, right; left + right = sum; sum beside eye = join -> top."""
    parts = [
        Part("eye", Chain([Dense(5, 4, rng), Tanh()]), ("x",)),
        Part("left", Chain([Dense(4, 3, rng), Tanh()]), ("eye",)),
        Part("right", Dense(4, 3, rng), ("eye",)),
        Part("sum", Add(3), ("left", "right")),
        Part("join", Concatenate((3, 4)), ("sum", "eye")),
        Part("top", Dense(7, 2, rng), ("join",)),
    ]
    return Graph({"x": 5}, parts, "top")


FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "eye": lambda thetas, x: torch.tanh(dense(thetas[0], x, 5, 4)),
    "left": lambda thetas, eye: torch.tanh(dense(thetas[0], eye, 4, 3)),
    "right": lambda thetas, eye: dense(thetas[0], eye, 4, 3),
    "top": lambda thetas, both: dense(thetas[0], both, 7, 2),
}


def order_of(graph: Graph) -> list[str]:
    return [part.name for part in graph.parts if part.name in FUNCTIONS]


def test_the_gradients_of_a_graph() -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        graph = with_random_parameters(branches(rng), rng)
        names = order_of(graph)

        def theirs(thetas: Any, x: Tensor, names: list[str] = names) -> Tensor:
            of = {name: [theta] for name, theta in zip(names, thetas, strict=True)}
            eye = FUNCTIONS["eye"](of["eye"], x)
            both = FUNCTIONS["left"](of["left"], eye) + FUNCTIONS["right"](of["right"], eye)
            return FUNCTIONS["top"](of["top"], torch.cat([both, eye], dim=1))

        assert_derivatives_agree(graph, [rng.standard_normal((6, 5))], theirs, rng)


def test_dni_on_a_graph() -> None:
    """Each node learns from a guess at its output; its target is the sum of what its users say."""
    rng = np.random.default_rng(0)
    graph, loss = branches(rng), SoftmaxCrossEntropy()
    generators = {name: Generator(EDGES[name], ("h", "y"), outputs=2) for name in order_of(graph)
                  if name != "top"}  # fmt: skip
    stack = graph.stack(loss, generators)
    trainer = Trainer(stack, sequential(wiring_of(stack)), Adam(0.01), SGD(0.1))
    nodes = {part.name: part.node for part in graph.parts if part.name in FUNCTIONS}
    bodies = {name: Learner(FUNCTIONS[name], node.thetas, Adam(0.01))
              for name, node in nodes.items()}  # fmt: skip
    guesses = {name: Learner(of_generator(of), of.thetas, SGD(0.1))
               for name, of in generators.items()}  # fmt: skip
    for _ in range(12):
        x = rng.standard_normal((6, 5))
        y = np.eye(2)[rng.integers(0, 2, 6)]
        trainer.turn(x, y)
        label = tensor(y, leaf=False)
        said: dict[str, Tensor] = {}
        down: dict[str, Tensor] = {}

        def learn(name: str, heard: Tensor, label: Tensor = label, down: Any = down,
                  said: Any = said) -> Tensor:  # fmt: skip
            heard = heard.detach().requires_grad_()
            h = bodies[name](heard)
            if name == "top":
                g = loss_gradient(loss.name, h, label)
            else:
                said[name] = guesses[name](h.detach(), None, label)
                g = said[name].detach()
            message, *grads = torch.autograd.grad((h * g).sum(), [heard, *bodies[name].thetas])
            bodies[name].update(grads, 6)
            down[name] = message
            return h.detach()

        eye = learn("eye", tensor(x, leaf=False))
        both = {name: learn(name, eye) for name in ("left", "right")}
        learn("top", torch.cat([both["left"] + both["right"], eye], dim=1))
        to_sum, to_eye = down["top"][:, :3], down["top"][:, 3:]
        targets = {"left": to_sum, "right": to_sum, "eye": down["left"] + down["right"] + to_eye}
        for name, target in targets.items():
            error = ((said[name] - target) ** 2).sum() / 2
            guesses[name].update(torch.autograd.grad(error, guesses[name].thetas), 6)
        for name, learner in bodies.items():
            assert_same(name, nodes[name].thetas[0], learner.thetas[0])
        for name, learner in guesses.items():
            assert_same(f"guess at {name}", generators[name].thetas[0], learner.thetas[0])
