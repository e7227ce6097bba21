"""Training on a graph: without generators backpropagation, with them nobody waits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dnilab.data import Dataset
from dnilab.lessons.any_graph.experiments import branching, generators_for
from dnilab.lessons.any_graph.network.graph import Graph, Part
from dnilab.lessons.any_graph.network.joins import Add
from dnilab.lessons.shared.trainer import Trainer
from dnilab.lessons.update_orderings.critical_path import critical_path
from dnilab.network import (
    SGD,
    Adam,
    Chain,
    Dense,
    Generator,
    SoftmaxCrossEntropy,
    Tanh,
    relative_error,
)
from dnilab.orderings import (
    Program,
    Step,
    backprop,
    check,
    last_layer_only,
    locks,
    needs_and_makes,
    sequential,
)
from dnilab.training import wiring_of
from tests.learned import Learned
from tests.lessons.many_machines.kept import train

LOSS = SoftmaxCrossEntropy()
NAMES = ("eye", "left", "right", "deep", "sum", "join", "top")  # modules 1 to 7


def small(seed: int = 0) -> Graph:
    return branching(np.random.default_rng(seed), width=5, inputs=4, outputs=3)


def data(seed: int = 0, batch: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((batch, 4)), np.eye(3)[rng.integers(0, 3, batch)]


def program_of(graph: Graph, generators: Any = None, ordering: Any = sequential) -> Program:
    return ordering(wiring_of(graph.stack(LOSS, generators)))


def trainer_of(
    graph: Graph, optimiser: Any, generators: Any = None, ordering: Any = sequential
) -> Trainer:
    stack = graph.stack(LOSS, generators)
    return Trainer(stack, ordering(wiring_of(stack)), optimiser)


@pytest.mark.parametrize("ordering", [backprop, sequential])
def test_without_generators_it_is_backprop_to_the_last_bit(ordering: Any):
    trained, by_hand = small(), small()
    trainer = trainer_of(trained, Adam(1e-2), ordering=ordering)
    update = Adam(1e-2).start(by_hand.thetas)
    for seed in range(5):
        x, y = data(seed)
        trainer.turn(x, y)
        output, pullback = by_hand(x)
        *_, grads = pullback(LOSS.gradient(output, y))
        update(grads, len(x))
        assert [t.tobytes() for t in trained.thetas] == [t.tobytes() for t in by_hand.thetas]
    assert trained.thetas[0].tobytes() != small().thetas[0].tobytes()


class Watched:
    """A node that notes the gradient with which it is pulled back."""

    def __init__(self, node: Any) -> None:
        self.node, self.thetas = node, node.thetas
        self.used = np.empty(0)

    def __call__(self, *heard: np.ndarray) -> tuple[np.ndarray, Any]:
        value, back = self.node(*heard)

        def pullback(g: np.ndarray, want_dx: bool = True) -> Any:
            self.used = g
            return back(g, want_dx)

        return value, pullback


class Listening(Generator):
    """A generator that notes what its guess was, and what it is told in the end."""

    def __call__(self, h: Any, x: Any = None, y: Any = None, error: Any = None) -> Any:
        self.guess, back = super().__call__(h, x, y)

        def pullback(error: np.ndarray, want_dx: bool = True) -> Any:
            self.told = self.guess - error
            return back(error, want_dx)

        return self.guess, pullback


def watched(graph: Graph) -> tuple[Graph, dict[str, Watched]]:
    """The same graph, with nodes that take notes."""
    notes = {part.name: Watched(part.node) for part in graph.parts}
    parts = [Part(part.name, notes[part.name], part.heard) for part in graph.parts]
    return Graph(graph.inputs, parts, graph.output), notes


def listening(graph: Graph, *names: str, context: tuple[str, ...] = ("h",)) -> dict[str, Listening]:
    return {name: Listening(graph.widths[name], context, outputs=3) for name in names}


class Known(Listening):
    """Guesses, for one batch, exactly the true gradient: it has looked it up."""

    g: np.ndarray

    def __call__(self, h: Any, x: Any = None, y: Any = None, error: Any = None) -> Any:
        _, pullback = super().__call__(h)
        self.guess = self.g.copy()
        return self.guess, pullback


def true_gradients(graph: Graph, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    said, pullbacks = graph.values(x)
    return graph.gradients(pullbacks, LOSS.gradient(said["top"], y)).at


def test_with_perfect_guesses_it_is_backprop_too():
    """The same gradients at every node, though each acted before it was told."""
    graph, notes = watched(small())
    twin = small()
    x, y = data()
    true = true_gradients(graph, x, y)
    known = {}
    for name in generators_for(graph, ("h",), 3):
        known[name] = Known(graph.widths[name])
        known[name].g = true[name]
    trainer_of(graph, SGD(0.1), known).turn(x, y)
    trainer_of(twin, SGD(0.1)).turn(x, y)
    for name, generator in known.items():
        assert relative_error(notes[name].used, generator.told) < 1e-12
    for a, b in zip(graph.thetas, twin.thetas, strict=True):
        assert relative_error(a, b) < 1e-12


def test_the_target_is_the_sum_of_what_the_users_say_of_their_own_guesses():
    graph, notes = watched(small())
    x, y = data()
    generators = listening(graph, *generators_for(graph, ("h",), 3), context=("h", "y"))
    rng = np.random.default_rng(7)
    for generator in generators.values():
        for theta in generator.thetas:
            theta[:] = 0.1 * rng.standard_normal(theta.size)
    said, pullbacks = graph.values(x)
    guess = {n: g(said[n], x, y)[0] for n, g in generators.items()}
    weights = {n: [t.copy() for t in g.thetas] for n, g in generators.items()}
    fits = {n: g.copy()(said[n], x, y)[1] for n, g in generators.items()}
    g_top = LOSS.gradient(said["top"], y)
    of_join, _ = pullbacks["top"](g_top)
    of_sum, of_eye, _ = pullbacks["join"](of_join)
    of_left = pullbacks["left"](guess["left"])[0]
    of_right = pullbacks["right"](guess["right"])[0]
    told = {
        "eye": of_left + of_right + of_eye,
        "left": pullbacks["deep"](guess["deep"])[0],
        "deep": of_sum,
        "right": of_sum,
    }
    fitted = {n: fits[n](guess[n] - told[n])[1] for n in told}
    trainer_of(graph, SGD(0.1), generators).turn(x, y)
    assert set(generators) == set(told)
    for name, target in told.items():
        assert relative_error(generators[name].told, target) < 1e-14
        assert np.array_equal(notes[name].used, guess[name])
        for theta, before, grad in zip(
            generators[name].thetas, weights[name], fitted[name], strict=True
        ):
            assert relative_error(theta - before, -0.1 / len(x) * grad) < 1e-12


def speaks_at(program: Program, name: str) -> int:
    """The place, among all steps, of the one in which this node speaks."""
    ups = ("forward", "forward_update")
    steps = [(step.op in ups, step.module) for step in program.steps()]
    return steps.index((True, NAMES.index(name) + 1))


def acts_at(program: Program, name: str) -> int:
    """The place, among all steps, of the one in which this node pulls back."""
    downs = ("backward", "forward_update")
    steps = [(step.op in downs, step.module) for step in program.steps()]
    return steps.index((True, NAMES.index(name) + 1))


def edges(program: Program, kind: str) -> list[tuple[int, int]]:
    """Who made, and who needs, each value of this kind: "h" or "message"."""
    both = {step: needs_and_makes(step, program.wires) for step in program.steps()}
    maker = {value: step.module for step, (_, makes) in both.items() for value in makes}
    return sorted(
        (maker[value], step.module)
        for step, (needs, _) in both.items()
        for value in needs
        if value.kind.split()[0] == kind and maker[value] != step.module
    )


def test_who_waits_for_whom():
    graph = small()
    assert tuple(part.name for part in graph.parts) == NAMES
    coupled, free = program_of(graph), program_of(graph, generators_for(graph, ("h",), 3))
    # left, with its guess, tells eye before deep has even spoken; without, it has to wait
    assert acts_at(free, "left") < speaks_at(free, "deep")
    assert not acts_at(coupled, "left") < speaks_at(coupled, "deep")
    for program in (coupled, free):  # each edge carries one message up and one down
        check(program)
        ups = edges(program, "h")
        assert len(ups) == 8
        assert ups == sorted((to, sender) for sender, to in edges(program, "message"))
    fits = sorted(NAMES[step.module - 1] for step in free.steps() if step.op == "fit")
    assert fits == ["deep", "eye", "left", "right"]
    assert not [step for step in coupled.steps() if step.op == "fit"]


def test_the_locks_of_a_graph():
    """Joins go on waiting, since nobody guesses for them; where all guess, one lock is left."""
    graph = small()
    held = {"forward": True, "update": True, "backward": True}
    assert locks(program_of(graph)) == locks(program_of(graph, ordering=backprop)) == held
    some = generators_for(graph, ("h",), 3)
    assert locks(program_of(graph, some)) == held
    all_guess = {name: Generator(graph.widths[name]) for name in NAMES[:-1]}
    free = program_of(graph, all_guess)
    assert locks(free) == {"forward": True, "update": False, "backward": False}


def test_the_longest_way_through_the_graph():
    """Up and down the four that stand above one another; with guesses, up alone."""
    graph = small()
    ticks = {(op, k): 1.0 for op in ("forward", "backward", "forward_update") for k in range(1, 8)}
    ticks |= {(op, k): 0.0 for op in ("update", "fit") for k in range(1, 8)}
    path = [s.module for s in critical_path(program_of(graph), ticks) if s.op != "update"]
    longest = [1, 2, 4, 5, 6, 7]
    assert path == [*longest, *longest[-2::-1]]
    all_guess = {name: Generator(graph.widths[name]) for name in NAMES[:-1]}
    path = critical_path(program_of(graph, all_guess), ticks)
    assert [step for step in path if step.op != "fit"] == [
        Step("forward_update", k, path[0].batch) for k in longest
    ]


def test_some_nodes_guess_and_others_wait():
    graph, notes = watched(small())
    x, y = data()
    one = listening(graph, "deep")
    true = true_gradients(graph, x, y)
    trainer_of(graph, SGD(0.1), one).turn(x, y)
    used = {name: node.used for name, node in notes.items()}
    assert np.array_equal(used["right"], true["right"])
    assert not used["deep"].any()  # the guess of a new generator
    assert not used["left"].any()  # waited, and was told what deep made of its guess
    assert np.array_equal(one["deep"].told, true["deep"])
    assert used["eye"].any()


def test_learning_of_the_output_only():
    graph = small()
    before = {p.name: [t.copy() for t in p.node.thetas] for p in graph.parts}
    x, y = data()
    trainer_of(graph, SGD(0.1), ordering=last_layer_only).turn(x, y)
    changed = {
        p.name
        for p in graph.parts
        if any(not np.array_equal(a, b) for a, b in zip(p.node.thetas, before[p.name], strict=True))
    }
    assert changed == {"top"}


@pytest.mark.parametrize("context", [("h", "y"), ("x", "y")])
def test_it_learns(context: tuple[str, ...], seed: int, learned: Learned):
    """The decoupled graph brings the loss down on data it has to fit."""
    graph = small(seed)
    x, y = data(seed)
    generators = {
        name: Generator(graph.widths[name], context, inputs=4, outputs=3)
        for name in generators_for(graph, ("h",), 3)
    }
    trainer = trainer_of(graph, Adam(1e-2), generators)
    first = LOSS.per_row(graph.predict(x), y).mean()
    for _ in range(600):
        trainer.turn(x, y)
    learned("loss left", LOSS.per_row(graph.predict(x), y).mean() / first, below=0.2)


def test_a_graph_is_trained_as_a_part_of_another():
    """By the same bits as with its nodes in the open."""
    rng = np.random.default_rng(3)
    eye = Chain([Dense(4, 5, rng), Tanh()])
    inner = [Part("a", Dense(5, 3, rng), ("h",)), Part("b", Dense(5, 3, rng), ("h",))]
    both = Part("both", Add(3), ("a", "b"))
    inside = Graph(
        {"x": 4},
        [Part("eye", eye, ("x",)), Part("net", Graph({"h": 5}, [*inner, both], "both"), ("eye",))],
        "net",
    ).copy()
    heard = [Part(part.name, part.node, ("eye",)) for part in inner]
    outside = Graph({"x": 4}, [Part("eye", eye, ("x",)), *heard, both], "both")
    for graph in (inside, outside):
        trainer = trainer_of(graph, Adam(1e-2))
        for seed in range(3):
            trainer.turn(*data(seed))
    assert [t.tobytes() for t in inside.thetas] == [t.tobytes() for t in outside.thetas]


def divided(program: Program, *groups: tuple[int, ...]) -> Program:
    """The same steps, with a worker for each group of nodes."""
    workers = tuple(tuple(s for s in program.steps() if s.module in own) for own in groups)
    return replace(program, workers=workers)


GROUPS = {
    "one worker": [(1, 2, 3, 4, 5, 6, 7)],
    "three": [(1,), (2, 4), (3, 5, 6, 7)],
    "as they come": [(7, 1), (2, 5), (3,), (4, 6)],
}


@pytest.mark.parametrize("guesses", [False, True])
def test_every_division_has_the_same_bits_on_one_thread_and_on_many(guesses: bool, tmp_path: Any):
    """Joins and branches may lie between workers; a run may be resumed with another division."""
    saved = tmp_path / "graph.npz"
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 4)), np.eye(3)[rng.integers(0, 3, 40)]
    rows = Dataset("rows", "classes", x[:30], y[:30], x[30:], y[30:])

    def end(groups: str, executor: str = "one thread", until: int = 24, **more: Any) -> list[bytes]:
        graph = small()
        generators = generators_for(graph, ("h", "y"), 3) if guesses else None
        stack = graph.stack(LOSS, generators)
        program = divided(sequential(wiring_of(stack)), *GROUPS[groups])
        more |= {"optimiser": Adam(1e-2), "batch_size": 5, "epochs": 4, "executor": executor}
        for event in (events := train(stack, rows, program, **more)):
            if event.batch >= until:
                break
        events.close()
        return [theta.tobytes() for theta in stack.thetas]

    one = end("one worker")
    for groups in GROUPS:
        assert end(groups) == end(groups, "threads") == one
    assert end("one worker", until=12, checkpoint=saved, checkpoint_every=10) != one
    assert end("three", resume=saved) == end("three", "threads", resume=saved) == one


class TestRefused:
    def test_a_generator_at_the_output(self):
        with pytest.raises(ValueError, match=r"generators has node 'top'.*true gradient"):
            small().stack(LOSS, {"top": Generator(3)})

    def test_a_generator_at_no_node(self):
        with pytest.raises(ValueError, match="generators has node 'x'; it accepts 'eye'"):
            small().stack(LOSS, {"x": Generator(4)})

    def test_a_generator_of_another_width(self):
        with pytest.raises(ValueError, match="generator at node 'eye' has width 4; it accepts 5"):
            small().stack(LOSS, {"eye": Generator(4)})

    @pytest.mark.parametrize("generators", [None, {"a": Generator(3, ("x",), inputs=3)}])
    def test_several_inputs(self, generators: Any):
        rng = np.random.default_rng(0)
        parts = [Part("a", Add(3), ("x", "z")), Part("b", Dense(3, 2, rng), ("a",))]
        graph = Graph({"x": 3, "z": 3}, parts, "b")
        with pytest.raises(ValueError, match=r"graph has the inputs 'x', 'z'; training accepts gr"):
            graph.stack(LOSS, generators)

    def test_shared_weights(self):
        shared = Dense(4, 4, np.random.default_rng(0))
        graph = Graph({"x": 4}, [Part("a", shared, ("x",)), Part("b", shared, ("a",))], "b")
        with pytest.raises(ValueError, match="node 'b' is the same object as 'a'"):
            graph.stack(LOSS)

    def test_an_ordering_for_another_graph(self):
        graph = small()
        chain = Graph(
            {"x": 4}, [Part(n, Add(4, 1), (b,)) for b, n in zip("xabcdef", "abcdefg", strict=True)],
            "g",
        )  # fmt: skip
        program = program_of(chain)
        with pytest.raises(ValueError, match=r"module 3 that hears module 2; in this stack it he"):
            Trainer(graph.stack(LOSS), program, SGD(0.1))

    @pytest.mark.parametrize("optimisers", [("adam",), (None,), (SGD(0.1), 0.1)])
    def test_what_is_no_optimiser(self, optimisers: tuple[Any, ...]):
        stack = small().stack(LOSS)
        with pytest.raises(ValueError, match=r"optimiser is .*; it accepts an optimiser, as Adam"):
            Trainer(stack, backprop(wiring_of(stack)), *optimisers)

    def test_an_ordering_that_asks_for_a_guess_nobody_makes(self):
        graph = small()
        program = program_of(graph, generators_for(graph, ("h",), 3))
        with pytest.raises(ValueError, match="stack has no generator at module 1; program 'seq"):
            Trainer(graph.stack(LOSS), program, SGD(0.1))
