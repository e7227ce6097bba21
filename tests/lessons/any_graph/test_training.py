"""Training on a graph: without generators backpropagation, with them nobody waits."""

from __future__ import annotations

import numpy as np
import pytest
from dnilab.lessons.any_graph.training.graph import GraphTrainer, Said

from dnilab.lessons.any_graph.experiments import branching, generators_for
from dnilab.lessons.any_graph.network.graph import Graph, Part
from dnilab.network import SGD, Adam, Dense, Generator, SoftmaxCrossEntropy, relative_error
from dnilab.network.joins import Add

LOSS = SoftmaxCrossEntropy()


def small(seed: int = 0) -> Graph:
    return branching(np.random.default_rng(seed), width=5, inputs=4, outputs=3)


def data(seed: int = 0, batch: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((batch, 4)), np.eye(3)[rng.integers(0, 3, batch)]


def test_without_generators_it_is_backprop_to_the_last_bit():
    trained, by_hand = small(), small()
    trainer = GraphTrainer(trained, LOSS, Adam(1e-2))
    update = Adam(1e-2).start(by_hand.thetas)
    for seed in range(5):
        x, y = data(seed)
        step = trainer.step(x, y)
        output, pullback = by_hand(x)
        *_, grads = pullback(LOSS.gradient(output, y))
        update(grads, len(x))
        assert step.output.tobytes() == output.tobytes()
    assert [t.tobytes() for t in trained.thetas] == [t.tobytes() for t in by_hand.thetas]
    assert trained.thetas[0].tobytes() != small().thetas[0].tobytes()


class Known:
    """Guesses, for one batch, exactly the true gradient: it has looked it up."""

    context = ("h",)

    def __init__(self, graph: Graph, name: str, x: np.ndarray, y: np.ndarray) -> None:
        said, pullbacks = graph.values(x)
        self.g = graph.gradients(pullbacks, LOSS.gradient(said["top"], y)).at[name]
        self.width = graph.widths[name]
        self.thetas = [np.zeros(1)]

    def __call__(self, h, x=None, y=None):
        return self.g.copy(), lambda error, want_dx: (None, [np.zeros(1)])


def test_with_perfect_guesses_it_is_backprop_too():
    """The same gradients at every node, though each acted before it was told."""
    graph, twin = small(), small()
    x, y = data()
    names = list(generators_for(graph, ("h",), 3))
    known = {name: Known(graph, name, x, y) for name in names}
    step = GraphTrainer(graph, LOSS, SGD(0.1), known).step(x, y)
    GraphTrainer(twin, LOSS, SGD(0.1)).step(x, y)
    for name in names:
        assert relative_error(step.used[name], step.told[name]) < 1e-12
    for a, b in zip(graph.thetas, twin.thetas, strict=True):
        assert relative_error(a, b) < 1e-12


def test_the_target_is_the_sum_of_what_the_users_say_of_their_own_guesses():
    graph = small()
    x, y = data()
    generators = generators_for(graph, ("h", "y"), 3)
    rng = np.random.default_rng(7)
    for generator in generators.values():
        for theta in generator.thetas:
            theta[:] = 0.1 * rng.standard_normal(theta.size)
    said, pullbacks = graph.values(x)
    guess = {n: g(said[n], x, y)[0] for n, g in generators.items()}
    weights = {n: [t.copy() for t in g.thetas] for n, g in generators.items()}
    fits = {n: g(said[n], x, y)[1] for n, g in generators.items()}
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
    step = GraphTrainer(graph, LOSS, SGD(0.1), generators).step(x, y)
    assert set(generators) == set(told)
    for name, target in told.items():
        assert relative_error(step.told[name], target) < 1e-14
        assert np.array_equal(step.used[name], guess[name])
        for theta, before, grad in zip(
            generators[name].thetas, weights[name], fitted[name], strict=True
        ):
            assert relative_error(theta - before, -0.1 / len(x) * grad) < 1e-12


def acted_before(log: tuple[Said, ...], name: str, other: str) -> bool:
    """Whether ``name`` sent its first message down before ``other`` first spoke."""
    down = min(i for i, s in enumerate(log) if s.kind == "down" and s.sender == name)
    up = [i for i, s in enumerate(log) if s.kind == "up" and s.sender == other]
    return down < min(up)


def test_who_waits_for_whom():
    x, y = data()
    graph = small()
    coupled = GraphTrainer(graph, LOSS, SGD(0.1)).step(x, y).log
    free = GraphTrainer(graph, LOSS, SGD(0.1), generators_for(graph, ("h",), 3)).step(x, y).log
    # left, with its guess, tells eye before deep has even spoken; without, it has to wait
    assert acted_before(free, "left", "deep")
    assert not acted_before(coupled, "left", "deep")
    for log in (coupled, free):  # each edge carries one message up and one down
        edges = sorted((s.sender, s.to) for s in log if s.kind == "up")
        assert edges == sorted((s.to, s.sender) for s in log if s.kind == "down")
        assert len(edges) == 8
    assert sorted(s.sender for s in free if s.kind == "guess") == ["deep", "eye", "left", "right"]


def test_some_nodes_guess_and_others_wait():
    graph = small()
    x, y = data()
    one = {"deep": generators_for(graph, ("h",), 3)["deep"]}
    said, pullbacks = graph.values(x)
    true = graph.gradients(pullbacks, LOSS.gradient(said["top"], y)).at
    step = GraphTrainer(graph, LOSS, SGD(0.1), one).step(x, y)
    assert np.array_equal(step.used["right"], true["right"])
    assert not step.used["deep"].any()  # the guess of a new generator
    assert not step.used["left"].any()  # waited, and was told what deep made of its guess
    assert np.array_equal(step.told["deep"], true["deep"])
    assert step.used["eye"].any()


def test_learning_of_some_nodes_only():
    graph = small()
    before = {p.name: [t.copy() for t in p.node.thetas] for p in graph.parts}
    x, y = data()
    GraphTrainer(graph, LOSS, SGD(0.1), learn=("top",)).step(x, y)
    changed = {
        p.name
        for p in graph.parts
        if any(not np.array_equal(a, b) for a, b in zip(p.node.thetas, before[p.name], strict=True))
    }
    assert changed == {"top"}


@pytest.mark.parametrize("context", [("h", "y"), ("x", "y")])
def test_it_learns(context):
    """The decoupled graph brings the loss down on data it has to fit."""
    graph = small()
    x, y = data(batch=12)
    generators = {
        name: Generator(graph.widths[name], context, inputs=4, outputs=3)
        for name in generators_for(graph, ("h",), 3)
    }
    trainer = GraphTrainer(graph, LOSS, Adam(1e-2), generators)
    first = LOSS.per_row(trainer.step(x, y).output, y).mean()
    for _ in range(300):
        last = trainer.step(x, y).output
    assert LOSS.per_row(last, y).mean() < 0.2 * first


class TestRefused:
    def test_a_generator_at_the_output(self):
        with pytest.raises(ValueError, match=r"generators has node 'top'.*true gradient"):
            GraphTrainer(small(), LOSS, SGD(0.1), {"top": Generator(3)})

    def test_a_generator_at_no_node(self):
        with pytest.raises(ValueError, match="generators has node 'x'; it accepts 'eye'"):
            GraphTrainer(small(), LOSS, SGD(0.1), {"x": Generator(4)})

    def test_a_generator_of_another_width(self):
        with pytest.raises(ValueError, match="generator at node 'eye' has width 4; it accepts 5"):
            GraphTrainer(small(), LOSS, SGD(0.1), {"eye": Generator(4)})

    def test_a_generator_that_sees_one_of_two_inputs(self):
        rng = np.random.default_rng(0)
        parts = [Part("a", Add(3), ("x", "z")), Part("b", Dense(3, 2, rng), ("a",))]
        graph = Graph({"x": 3, "z": 3}, parts, "b")
        with pytest.raises(ValueError, match="generator at node 'a' sees x, and the graph has 2"):
            GraphTrainer(graph, LOSS, SGD(0.1), {"a": Generator(3, ("x",), inputs=3)})

    def test_shared_weights(self):
        shared = Dense(4, 4, np.random.default_rng(0))
        graph = Graph({"x": 4}, [Part("a", shared, ("x",)), Part("b", shared, ("a",))], "b")
        with pytest.raises(ValueError, match="node 'b' is the same object as 'a'"):
            GraphTrainer(graph, LOSS, SGD(0.1))

    def test_an_unknown_node_to_learn(self):
        with pytest.raises(ValueError, match="learn is 'nose'; it accepts one of 'eye'"):
            GraphTrainer(small(), LOSS, SGD(0.1), learn=("nose",))
