"""Graphs: who keeps the protocol, gradients by complex step, and graphs that are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dnilab.lessons.any_graph.network.graph import Graph, Node, Part
from dnilab.lessons.any_graph.network.joins import Add, Concatenate
from dnilab.lessons.any_graph.network.watcher import Watcher
from dnilab.lessons.shared.cells import GRU
from dnilab.lessons.through_time.network.cells import LSTM, TanhCell
from dnilab.network import (
    BatchNorm,
    Chain,
    Dense,
    Module,
    ReLU,
    Sigmoid,
    Tanh,
    complex_step,
    relative_error,
)
from dnilab.network.layers import add_up
from tests.network.contract import EXACT, like, same


def chain(rng: np.random.Generator, n_in: int, n_out: int) -> Chain:
    return Chain([Dense(n_in, n_out, rng), Tanh()])


def diamond(rng: np.random.Generator) -> Graph:
    """Branches, both joins, a shortcut, two inputs, and a node that is heard twice by one other."""
    return Graph(
        {"x": 4, "z": 3},
        [
            Part("top", Dense(10, 2, rng), ("join",)),  # given out of order, on purpose
            Part("eye", chain(rng, 4, 5), ("x",)),
            Part("left", chain(rng, 5, 3), ("eye",)),
            Part("right", chain(rng, 5, 3), ("eye",)),
            Part("deep", chain(rng, 3, 3), ("left",)),
            Part("sum", Add(3, 3), ("deep", "right", "deep")),
            Part("core", GRU(5, 2, rng), ("state", "eye")),
            Part("state", chain(rng, 3, 2), ("z",)),
            Part("join", Concatenate((3, 5, 2)), ("sum", "eye", "core")),
        ],
        "top",
    )


class Counted(Chain):
    """A chain that counts how often it is pulled back."""

    pulled = 0

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        y, back = super().__call__(x)

        def pullback(dy: np.ndarray, want_dx: bool = True) -> tuple[Any, ...]:
            self.pulled += 1
            return back(dy, want_dx)

        return y, pullback


NODES = {
    "Dense": (lambda rng: Dense(4, 3, rng), (4,)),
    "ReLU": (lambda rng: ReLU(), (4,)),
    "Sigmoid": (lambda rng: Sigmoid(), (4,)),
    "BatchNorm": (lambda rng: BatchNorm(4), (4,)),
    "Chain": (lambda rng: chain(rng, 4, 3), (4,)),
    "Module": (lambda rng: Module(chain(rng, 4, 3)), (4,)),
    "TanhCell": (lambda rng: TanhCell(4, 3, rng), (3, 4)),
    "GRU": (lambda rng: GRU(4, 3, rng), (3, 4)),
    "LSTM": (lambda rng: LSTM(4, 3, rng), (6, 4)),
    "Concatenate": (lambda rng: Concatenate((2, 4, 1)), (2, 4, 1)),
    "Add": (lambda rng: Add(4, 3), (4, 4, 4)),
    "Graph": (diamond, (4, 3)),
    "Graph of a graph": (
        lambda rng: Graph(
            {"a": 4, "b": 3},
            [
                Part("inner", diamond(rng), ("a", "b")),
                Part("out", Add(2), ("inner", "inner")),
            ],
            "out",
        ),
        (4, 3),
    ),
}


@pytest.mark.parametrize("name", NODES)
class TestProtocol:
    """Whoever hears something says something, and hands back what it was worth."""

    def drawn(self, name: str) -> tuple[Any, list[np.ndarray]]:
        make, widths = NODES[name]
        rng = np.random.default_rng(0)
        return make(rng), [rng.standard_normal((6, width)) for width in widths]

    def test_a_message_down_for_each_thing_heard(self, name: str):
        node, heard = self.drawn(name)
        assert isinstance(node, Node)
        value, pullback = node(*heard)
        *down, grads = pullback(like(value))
        assert [d.shape for d in down] == [h.shape for h in heard]
        assert [g.shape for g in grads] == [t.shape for t in node.thetas]

    def test_messages_are_derivatives(self, name: str):
        node, heard = self.drawn(name)
        twin = node.copy(complex)
        value, pullback = node(*heard)
        dy = like(value)
        *down, _ = pullback(dy)
        for place, message in enumerate(down):

            def of_heard(h: np.ndarray, place: int = place) -> Any:
                said = [*heard[:place], h, *heard[place + 1 :]]
                return (dy * twin(*(a.astype(complex) for a in said))[0]).sum()

            assert relative_error(message, complex_step(of_heard, heard[place])) < EXACT

    def test_nothing_is_cached(self, name: str):
        node, heard = self.drawn(name)
        other = [h[::-1] + 0.5 for h in heard]
        value, pullback = node(*heard)
        dy = like(value)
        *down, grads = pullback(dy)
        kept = [d.copy() for d in down] + [g.copy() for g in grads]
        _, first = node(*heard)
        node(*other)
        *down, grads = first(dy)
        assert same([*down, *grads], kept)


def test_gradients_of_parameters_by_complex_step():
    rng = np.random.default_rng(1)
    graph = diamond(rng)
    inputs = rng.standard_normal((5, 4)), rng.standard_normal((5, 3))
    value, pullback = graph(*inputs)
    dy = like(value)
    *_, grads = pullback(dy)
    twin = graph.copy(complex)
    assert len(grads) == len(graph.thetas) == 7  # a chain for eye, left, right, deep, state; core
    for theta, grad in zip(twin.thetas, grads, strict=True):
        kept = theta.copy()

        def of_theta(value: np.ndarray, theta: np.ndarray = theta) -> Any:
            theta[:] = value
            return (dy * twin(*inputs)[0]).sum()

        assert relative_error(grad, complex_step(of_theta, kept.real)) < EXACT
        theta[:] = kept


def test_a_copy_is_independent_and_keeps_what_is_shared():
    rng = np.random.default_rng(8)
    shared = Dense(3, 3, rng)
    graph = Graph({"x": 3}, [Part("a", shared, ("x",)), Part("b", shared, ("a",))], "b")
    x = rng.standard_normal((4, 3))
    y = graph(x)[0]
    twin = graph.copy()
    assert same([twin(x)[0]], [y])
    assert twin.parts[0].node is twin.parts[1].node
    twin.thetas[0][:] = 0
    assert same([graph(x)[0]], [y])
    assert not twin(x)[0].any()


def test_messages_of_several_users_add_up():
    rng = np.random.default_rng(2)
    graph = diamond(rng)
    inputs = rng.standard_normal((5, 4)), rng.standard_normal((5, 3))
    said, pullbacks = graph.values(*inputs)
    g = like(said["top"])
    found = graph.gradients(pullbacks, g)
    told = found.messages["eye"]
    assert set(told) == {("left", 0), ("right", 0), ("core", 1), ("join", 1)}
    # the value of eye, nudged: what all users together make of it
    from_eye = Graph({"eye": 5, "z": 3}, [p for p in graph.parts if p.name != "eye"], "top")

    twin = from_eye.copy(complex)

    def of_eye(h: np.ndarray) -> Any:
        return (g * twin(h, inputs[1])[0]).sum()

    measured = complex_step(of_eye, said["eye"])
    assert relative_error(found.at["eye"], measured) < EXACT
    for user, message in told.items():  # none of them could be left out
        assert relative_error(found.at["eye"] - message, measured) > 1e-3, user


def test_without_dx_nothing_comes_down():
    rng = np.random.default_rng(2)
    graph = diamond(rng)
    value, pullback = graph(rng.standard_normal((5, 4)), rng.standard_normal((5, 3)))
    *_, grads = pullback(like(value))
    *nothing, same_grads = pullback(like(value), want_dx=False)
    assert nothing == [None, None]
    assert same(same_grads, grads)


def test_each_node_is_pulled_back_once():
    """However many ways lead from a node to the output."""
    rng = np.random.default_rng(3)
    eye = Counted([Dense(2, 2, rng)])
    parts = [Part("0", eye, ("x",))]
    for k in range(1, 12):  # 2^11 ways from the first node to the last
        parts.append(Part(str(k), Add(2), (str(k - 1), str(k - 1))))
    graph = Graph({"x": 2}, parts, "11")
    value, pullback = graph(np.ones((3, 2)))
    eye.pulled = 0
    *_, grads = pullback(np.ones_like(value))
    assert eye.pulled == 1
    assert grads[0][-1] == 3 * 2**11


def test_a_chain_as_a_graph_has_the_same_bits():
    rng = np.random.default_rng(4)
    layers = [Dense(4, 6, rng), Tanh(), Dense(6, 2, rng)]
    whole = Chain(layers)
    names = ["x", "a", "b", "c"]
    graph = Graph(
        {"x": 4},
        [Part(n, f, (b,)) for b, n, f in zip(names[:-1], names[1:], layers, strict=True)],
        "c",
    )
    x = rng.standard_normal((7, 4))
    (y, back), (same_y, same_back) = whole(x), graph(x)
    dx, grads = back(like(y))
    same_dx, same_grads = same_back(like(y))
    assert same([y, dx, *grads], [same_y, same_dx, *same_grads])
    assert same([graph.predict(x)], [whole.predict(x)])


def test_a_cell_unrolled_as_a_graph():
    """Shared weights: the gradients of the places add up to that of backprop through time."""
    rng = np.random.default_rng(5)
    cell = GRU(3, 4, rng)
    xs = rng.standard_normal((3, 5, 3))
    graph = Graph(
        {"s0": 4, "x1": 3, "x2": 3, "x3": 3},
        [Part(f"s{t}", cell, (f"s{t - 1}", f"x{t}")) for t in (1, 2, 3)],
        "s3",
    )
    state = rng.standard_normal((5, 4))
    value, pullback = graph(state, *xs)
    dstate, *dxs, grads = pullback(like(value))
    states, back = cell.unroll(state, xs)
    dstates = np.zeros_like(states)
    dstates[-1] = like(value)
    true_dstate, true_dxs, true_grad = back(dstates)
    assert relative_error(value, states[-1]) < 1e-15
    assert relative_error(dstate, true_dstate) < EXACT
    assert relative_error(np.array(dxs), true_dxs) < EXACT
    assert relative_error(sum(grads), true_grad) < EXACT


def test_watcher_is_a_node_with_a_faster_clock():
    rng = np.random.default_rng(6)
    watcher = Watcher(4, 3, 2, rng, features=3, width=3)
    xs = rng.standard_normal((3, 2, 4))
    message, pullback = watcher(xs)
    assert isinstance(watcher, Node)
    assert message.shape == (2, 2)
    dm = like(message)
    dxs, grads = pullback(dm)

    twin = watcher.copy(complex)

    def of_xs(value: np.ndarray) -> Any:
        return (dm * twin(value)[0]).sum()

    assert relative_error(dxs, complex_step(of_xs, xs)) < EXACT
    assert [g.shape for g in grads] == [t.shape for t in watcher.thetas]
    assert same(watcher.watch(xs)[2](dm)[1], grads)


def test_watcher_adds_what_names_and_message_tell():
    rng = np.random.default_rng(7)
    watcher = Watcher(4, 3, 2, rng, features=3, width=3)
    xs = rng.standard_normal((3, 2, 4))
    message, names, pullback = watcher.watch(xs)
    assert names.shape == (3, 2, 3)
    dm, dn = like(message), like(names, 2)
    dxs, grads = pullback(dm, dn)
    twin = watcher.copy(complex)

    def loss(at: np.ndarray) -> Any:
        message, names, _ = twin.watch(at)
        return (dm * message).sum() + (dn * names).sum()

    assert relative_error(dxs, complex_step(loss, xs)) < EXACT
    for theta, grad in zip(twin.thetas, grads, strict=True):
        kept = theta.copy()

        def of_theta(value: np.ndarray, theta: np.ndarray = theta) -> Any:
            theta[:] = value
            return loss(xs.astype(complex))

        assert relative_error(grad, complex_step(of_theta, kept.real)) < EXACT
        theta[:] = kept
    nothing, same_grads = pullback(dm, dn, want_dx=False)
    assert nothing is None
    assert same(same_grads, grads)
    with pytest.raises(ValueError, match=r"xs has shape \(2, 4\)"):
        watcher(xs[0])


def test_add_up_keeps_the_order():
    a, b, c = (np.array([[v]]) for v in (1e16, 1.0, -1e16))
    assert add_up([a, b, c])[0, 0] == 0.0
    assert add_up([a, c, b])[0, 0] == 1.0
    assert a[0, 0] == 1e16


class TestRefused:
    def graph(self, *parts: Part, output: str = "c", **inputs: int) -> Graph:
        return Graph(inputs or {"x": 4}, parts, output)

    rng = np.random.default_rng(0)
    a = Part("a", Dense(4, 3, rng), ("x",))
    b = Part("b", Dense(4, 3, rng), ("x",))

    def test_a_cycle(self):
        with pytest.raises(ValueError, match=r"node '[ac]' hears itself around a cycle.*'a'.*'c'"):
            self.graph(
                Part("a", Add(4), ("x", "c")), self.b, Part("c", Dense(4, 4, self.rng), ("a",))
            )

    def test_a_node_that_hears_itself(self):
        with pytest.raises(ValueError, match="node 'c' hears itself around a cycle: 'c' -> 'c'"):
            self.graph(Part("c", Add(4), ("x", "c")))

    def test_an_unknown_node(self):
        with pytest.raises(ValueError, match=r"node 'c' hears 'd', which is not there.*'x', 'a'$"):
            self.graph(self.a, Part("c", Add(3), ("a", "d")))

    def test_widths_that_do_not_fit(self):
        with pytest.raises(ValueError, match=r"node 'c' cannot hear 'a' of width 3: x has shape"):
            self.graph(self.a, Part("c", Dense(4, 2, self.rng), ("a",)))

    def test_a_sum_of_different_widths(self):
        with pytest.raises(ValueError, match="node 'c' cannot hear 'a' of width 3, 'x' of width 4"):
            self.graph(self.a, Part("c", Add(3), ("a", "x")))

    def test_another_number_of_things_heard(self):
        with pytest.raises(ValueError, match=r"node 'c' cannot hear .*heard has 2 values; it acc"):
            self.graph(self.a, self.b, Part("c", Concatenate((3,)), ("a", "b")))
        with pytest.raises(ValueError, match="node 'c' cannot hear 'a' of width 3, 'b' of width 3"):
            self.graph(self.a, self.b, Part("c", Dense(3, 2, self.rng), ("a", "b")))

    def test_a_name_used_twice(self):
        with pytest.raises(ValueError, match="node 'a' is there twice"):
            self.graph(self.a, self.a, output="a")
        with pytest.raises(ValueError, match="node 'x' is there twice"):
            self.graph(Part("x", self.a.node, ("x",)), output="x")

    def test_a_node_that_leads_nowhere(self):
        with pytest.raises(ValueError, match="node 'b' leads nowhere"):
            self.graph(self.a, self.b, output="a")
        with pytest.raises(ValueError, match="node 'c' leads nowhere"):  # nor does b: c hears it
            self.graph(self.a, self.b, Part("c", Add(3, 1), ("b",)), output="a")

    def test_an_input_that_nobody_hears(self):
        with pytest.raises(ValueError, match="input 'z' is heard by no node"):
            self.graph(self.a, output="a", x=4, z=2)

    def test_a_node_that_hears_nothing(self):
        with pytest.raises(ValueError, match=r"node 'c' hears \(\)"):
            self.graph(Part("c", Add(4), ()))
        with pytest.raises(ValueError, match="node 'c' hears 'x'"):
            self.graph(Part("c", Add(4), "x"))  # type: ignore[arg-type]

    def test_hearing_the_output(self):
        with pytest.raises(ValueError, match="node 'late' leads nowhere"):
            self.graph(self.a, Part("late", Add(3), ("a",)), output="a")

    def test_an_unknown_output(self):
        with pytest.raises(ValueError, match="output is 'd'; it accepts one of 'a'"):
            self.graph(self.a, output="d")

    def test_no_inputs(self):
        with pytest.raises(ValueError, match="inputs is empty"):
            Graph({}, [self.a], "a")

    def test_inputs_of_another_width_at_the_call(self):
        graph = self.graph(self.a, output="a")
        with pytest.raises(ValueError, match=r"heard\[0\] has shape \(2, 5\)"):
            graph(np.ones((2, 5)))
        with pytest.raises(ValueError, match="heard has 2 values; it accepts 1"):
            graph.predict(np.ones((2, 4)), np.ones((2, 4)))

    def test_a_node_that_does_not_keep_the_batch(self):
        with pytest.raises(ValueError, match=r"node 'c' gives shape \(1, 4\) for a batch of 2"):
            self.graph(Part("c", lambda x: (x[:1], None), ("x",)))  # type: ignore[arg-type]
