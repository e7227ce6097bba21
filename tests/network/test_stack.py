"""A stack: how it is built and cut, its gradients in any wiring, and what a probe finds."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnilab.lessons.any_graph.network.joins import Add, Concatenate
from dnilab.network import (
    BatchNorm,
    BinaryCrossEntropy,
    Chain,
    Dense,
    Feedback,
    FixedFeedbackDense,
    Generator,
    Module,
    Readout,
    ReLU,
    SoftmaxCrossEntropy,
    SquaredError,
    Stack,
    Tanh,
    complex_step,
    relative_error,
)
from tests.network.contract import frozen, same
from tests.wirings import dags

WIDTHS = (4, 5, 3, 2)


def build(widths: tuple[int, ...] = WIDTHS, seed: int = 0, **options: Any) -> Stack:
    loss = options.pop("loss", BinaryCrossEntropy())
    return Stack.build(widths, loss, np.random.default_rng(seed), **options)


def batch(rows: int = 6, widths: tuple[int, ...] = WIDTHS) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    return rng.standard_normal((rows, widths[0])), np.eye(widths[-1])[
        rng.integers(0, widths[-1], rows)
    ]


def randomised(stack: Stack, seed: int = 3) -> Stack:
    """The same stack with every parameter drawn, generators too."""
    rng = np.random.default_rng(seed)
    for theta in stack.thetas:
        theta[:] = rng.standard_normal(theta.size)
    return stack


def test_what_is_built() -> None:
    stack = build(batch_norm=True, activation="relu", context=("h", "y"), generator_hidden=(7,))
    kinds = [[type(layer) for layer in module.body.layers] for module in stack.modules]
    assert kinds == [[Dense, BatchNorm, ReLU], [Dense, BatchNorm, ReLU], [Dense]]
    assert [m.body.layers[0].theta.size for m in stack.modules] == [25, 18, 8]  # n (m + 1)
    assert [m.generator is None for m in stack.modules] == [False, False, True]
    # context h and y, then 7, then the width of h: weights and biases
    assert [m.generator.thetas[0].size for m in stack.modules[:2] if m.generator] == [56, 42]
    assert [m.generator.thetas[1].size for m in stack.modules[:2] if m.generator] == [40, 24]
    assert len(stack) == 3
    assert stack.decoupled
    assert not build().decoupled
    assert build((4, 2)).decoupled  # one module, the top one: nothing is missing
    assert [type(layer) for layer in build().modules[0].body.layers] == [Dense, Tanh]


@pytest.mark.parametrize("dtype", ["float32", "float64", np.float32])
def test_dtype(dtype: Any) -> None:
    stack = build(dtype=dtype, batch_norm=True, context=("h",))
    assert stack.dtype == np.dtype(dtype)
    assert {theta.dtype for theta in stack.thetas} == {np.dtype(dtype)}


@pytest.mark.parametrize("hidden", [(), (6,)])
@pytest.mark.parametrize("context", [("h",), ("x", "y", "h")])
def test_the_same_seed_gives_the_same_bodies_with_and_without_generators(
    context: tuple[str, ...], hidden: tuple[int, ...]
) -> None:
    plain = build(batch_norm=True)
    decoupled = build(batch_norm=True, context=context, generator_hidden=hidden)
    for one, other in zip(plain.modules, decoupled.modules, strict=True):
        assert same(one.body.thetas, other.body.thetas)
    assert not same(plain.thetas, build(seed=1, batch_norm=True).thetas)


@given(
    widths=st.lists(st.integers(1, 5), min_size=2, max_size=5).map(tuple),
    activation=st.sampled_from(["tanh", "sigmoid", "relu", "identity"]),
    batch_norm=st.booleans(),
    loss=st.sampled_from([SquaredError(), BinaryCrossEntropy(), SoftmaxCrossEntropy()]),
)
def test_gradients_through_the_whole_stack(
    widths: tuple[int, ...], activation: str, batch_norm: bool, loss: Any
) -> None:
    stack = randomised(build(widths, activation=activation, batch_norm=batch_norm, loss=loss))
    x, y = batch(4, widths)
    before = frozen(stack.thetas)
    at_outputs, of_parameters = stack.gradients(x, y)
    assert frozen(stack.thetas) == before
    probe = stack.copy(complex)

    def summed(start: int, h: np.ndarray) -> complex:
        """The summed loss, from the output of module ``start`` on."""
        for module in probe.modules[start:]:
            h, _ = module(h)
        return probe.loss.per_row(h, y).sum()

    h = x
    for k, module in enumerate(stack.modules):
        h, _ = module(h)
        measured = complex_step(lambda v, k=k: summed(k + 1, v), h)
        np.testing.assert_allclose(at_outputs[k], measured, rtol=1e-9, atol=1e-12)
        for theta, grad in zip(probe.modules[k].body.thetas, of_parameters[k], strict=True):
            kept = theta.copy()

            def of_theta(value: np.ndarray, theta: np.ndarray = theta) -> complex:
                theta[:] = value
                return summed(0, x)

            measured = complex_step(of_theta, kept.real)
            theta[:] = kept
            np.testing.assert_allclose(grad, measured, rtol=1e-9, atol=1e-10)


def test_the_gradient_of_a_row_does_not_depend_on_the_batch_size() -> None:
    # that of the summed loss: what DESIGN calls g is never divided by the batch size
    stack = randomised(build())
    x, y = batch(6)
    for whole, alone in zip(
        stack.gradients(x, y)[0], stack.gradients(x[2:3], y[2:3])[0], strict=True
    ):
        np.testing.assert_allclose(whole[2:3], alone, rtol=1e-12)


def test_probe_against_direct_computation() -> None:
    stack = randomised(build(context=("h", "y"), batch_norm=True))
    x, y = batch()
    before = frozen(stack)
    probes = stack.probe(x, y)
    assert frozen(stack) == before
    assert len(probes) == 2
    h1, _ = stack.modules[0](x)
    h2, pull2 = stack.modules[1](h1)
    output, pull3 = stack.modules[2](h2)
    g2 = pull3(stack.loss.gradient(output, y))[0]
    M1, M2 = stack.modules[0].generator, stack.modules[1].generator
    assert M1 is not None
    assert M2 is not None
    guess1, guess2 = M1(h1, x, y)[0], M2(h2, x, y)[0]
    assert same([probes[0].guess, probes[1].guess], [guess1, guess2])
    # the top module sends down the true gradient, the others what they make of their guess
    assert same([probes[0].told, probes[1].told], [pull2(guess2)[0], g2])
    assert same([probes[1].true], [g2])
    assert same([probes[0].true], [pull2(g2)[0]])
    assert relative_error(probes[0].true, probes[0].told) > 0.1


def test_probe_needs_generators() -> None:
    with pytest.raises(ValueError, match="this stack has no generators"):
        build().probe(*batch())


def test_outputs_and_predict_run_in_evaluation_mode() -> None:
    stack = build(batch_norm=True)
    x, _ = batch(20)
    with pytest.raises(RuntimeError, match=r"call calibrate\(x\) first"):
        stack.outputs(x)
    stack.calibrate(x)
    outputs = stack.outputs(x)
    assert outputs.shape == (20, 2)
    np.testing.assert_allclose(stack.outputs(x[:1]), outputs[:1], rtol=1e-12)
    np.testing.assert_array_equal(stack.predict(x), stack.loss.prediction(outputs))
    # calibration goes module by module: each is in evaluation mode for the next one
    h = stack.modules[0].body.predict(x)
    second = stack.modules[1].body.layers
    assert isinstance(second[1], BatchNorm)
    assert second[1].population is not None
    np.testing.assert_allclose(second[1].population[0], second[0].predict(h).mean(axis=0))


def test_a_copy_is_independent() -> None:
    stack = build(context=("h",), batch_norm=True)
    x, y = batch()
    twin = stack.copy()
    assert same(twin.thetas, stack.thetas)
    for theta in twin.thetas:
        theta += 1
    assert all((a != b).all() for a, b in zip(twin.thetas, stack.thetas, strict=True))
    assert twin.loss is stack.loss
    single = stack.copy(np.float32)
    assert single.dtype == np.float32
    assert single.gradients(x.astype(np.float32), y.astype(np.float32))[0][0].dtype == np.float32


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"widths": (4,)}, r"widths is \(4,\); it accepts two numbers or more"),
        ({"widths": (4, 0, 2)}, "widths is 0"),
        ({"widths": (4, 2.5)}, "widths is 2.5"),
        ({"widths": 4}, "widths is 4; it accepts"),
        ({"activation": "gelu"}, "activation is 'gelu'"),
        ({"batch_norm": "yes"}, "batch_norm is 'yes'"),
        ({"context": ("h", "w")}, "context is"),
        ({"generator_hidden": (0,), "context": ("h",)}, "generator_hidden is 0"),
        ({"dtype": "float16"}, "dtype is 'float16'; it accepts float32 or float64"),
        ({"dtype": "float99"}, "dtype is 'float99'"),
        ({"rng": 0}, "rng is 0"),
        ({"fixed_feedback": 1}, "fixed_feedback is 1"),
        ({"signals": "guess"}, "signals is 'guess'; it accepts one of 'generator', 'readout'"),
        ({"signals": ("truth", None)}, "signals is None; it accepts one of"),
        ({"signals": ("truth",)}, "signals has 1 entries; it accepts 2, one for each cut"),
        ({"signals": ("truth",) * 3}, "signals has 3 entries; it accepts 2"),
        ({"signals": "truth", "cuts": (1, 1)}, "cuts is"),
        ({"signals": "readout", "readout_hidden": (0,)}, "readout_hidden is 0"),
        ({"signals": "readout", "readout_hidden": 4}, "readout_hidden is 4"),
        ({"input_hidden": (0,)}, "input_hidden is 0"),
    ],
)
def test_what_is_wrong_is_named(arguments: dict[str, Any], says: str) -> None:
    good = {"widths": WIDTHS, "loss": SquaredError(), "rng": np.random.default_rng(0)}
    with pytest.raises(ValueError, match=f"^{says}"):
        Stack.build(**good | arguments)


def test_arrays_of_the_wrong_shape_are_named() -> None:
    stack = build()
    x, y = batch()
    for wrong in (x[:, :3], x[0]):
        with pytest.raises(ValueError, match=r"^x has shape"):
            stack.gradients(wrong, y)
        with pytest.raises(ValueError, match=r"^x has shape"):
            stack.outputs(wrong)
    for wrong in (y[:, :1], y[:3], y[0]):
        with pytest.raises(ValueError, match=r"^y has shape"):
            stack.gradients(x, wrong)
    x[1, 2] = np.nan
    with pytest.raises(ValueError, match=r"^x has nan at row 1, column 2"):
        stack.outputs(x)
    with pytest.raises(ValueError, match=r"^modules is empty"):
        Stack([], SquaredError())


def test_a_module_is_its_body() -> None:
    chain = Chain([Dense(4, 3, np.random.default_rng(0)), Tanh()])
    x, _ = batch()
    assert same([Module(chain)(x)[0]], [chain(x)[0]])
    assert same(Module(chain).thetas, chain.thetas)


# ---- cuts ----------------------------------------------------------------------------------------

DEEP = (4, 5, 3, 6, 2)  # four layers: cuts above the first three
ALL_CUTS = [cuts for size in range(4) for cuts in combinations((1, 2, 3), size)]


@pytest.mark.parametrize("cuts", ALL_CUTS, ids=str)
def test_the_same_weights_whatever_the_cuts(cuts: tuple[int, ...]) -> None:
    plain = build(DEEP, batch_norm=True)
    cut = build(DEEP, batch_norm=True, cuts=cuts, context=("h", "y"), input_hidden=(4,))
    assert len(cut) == len(cuts) + 1
    bodies = [theta for module in cut.modules for theta in module.body.thetas]
    assert same(bodies, plain.thetas)


@pytest.mark.parametrize("cuts", ALL_CUTS, ids=str)
def test_the_layers_of_each_module(cuts: tuple[int, ...]) -> None:
    stack = build(DEEP, cuts=cuts, activation="relu", batch_norm=True, context=("h",))
    edges = [0, *cuts, 4]
    for module, (low, high) in zip(stack.modules, pairwise(edges), strict=True):
        kinds = [Dense, BatchNorm, ReLU] * (high - low)
        if high == 4:
            del kinds[-2:]  # the top layer is dense alone
        assert [type(layer) for layer in module.body.layers] == kinds
        dense = [layer for layer in module.body.layers if isinstance(layer, Dense)]
        assert [(one.n_in, one.n_out) for one in dense] == [*pairwise(DEEP)][low:high]
    # a generator is as wide as what comes out below its cut
    widths = [module.generator.width for module in stack.modules if module.generator]
    assert widths == [DEEP[cut] for cut in cuts]


def test_no_cuts_named_are_all_of_them() -> None:
    assert len(build(DEEP)) == len(build(DEEP, cuts=(1, 2, 3))) == 4
    assert len(build(DEEP, cuts=())) == 1
    assert len(build((4, 2))) == len(build((4, 2), cuts=())) == 1
    assert len(build(DEEP, cuts=np.array([1, 3]))) == 3  # type: ignore[arg-type]
    assert len(build(DEEP, cuts=[2])) == 2


@pytest.mark.parametrize("cuts", ALL_CUTS, ids=str)
def test_a_cut_changes_no_gradient(cuts: tuple[int, ...]) -> None:
    x, y = batch(6, DEEP)
    whole = build(DEEP)
    cut = build(DEEP, cuts=cuts)
    at_outputs, grads = cut.gradients(x, y)
    all_at_outputs, all_grads = whole.gradients(x, y)
    assert same([g for of in grads for g in of], [g for of in all_grads for g in of])
    assert same(at_outputs, [all_at_outputs[edge - 1] for edge in (*cuts, 4)])
    assert same([cut.outputs(x)], [whole.outputs(x)])


@pytest.mark.parametrize(
    ("cuts", "says"),
    [
        ((0,), "cuts is 0; it accepts a whole number of at least 1"),
        ((-1, 2), "cuts is -1; it accepts"),
        ((1, 5), "cuts is 5; it accepts 1 to 3"),
        ((4,), "cuts is 4; it accepts 1 to 3"),  # above the top layer nothing is left
        ((2, 1), r"cuts is \(2, 1\); it accepts numbers of layers in order, each once"),
        ((2, 2), r"cuts is \(2, 2\); it accepts numbers of layers in order, each once"),
        ((1.5,), "cuts is 1.5; it accepts"),
        ((True,), "cuts is True; it accepts"),
        (2, "cuts is 2; it accepts several whole numbers"),
        ("2", "cuts is '2'; it accepts several whole numbers"),
    ],
)
def test_a_cut_that_is_above_no_layer(cuts: Any, says: str) -> None:
    with pytest.raises(ValueError, match=f"^{says}"):
        build(DEEP, cuts=cuts)


# ---- signals -------------------------------------------------------------------------------------


def test_what_tells_each_module_its_gradient() -> None:
    stack = build(
        (4, 5, 3, 6, 4, 2),
        signals=("generator", "readout", "feedback", "truth"),
        context=("h", "y"),
        generator_hidden=(7,),
        readout_hidden=(8, 9),
    )
    assert stack.signals == ("generator", "readout", "feedback", "truth", "truth")
    generator, readout, feedback = (module.signal for module in stack.modules[:3])
    assert isinstance(generator, Generator)
    assert (generator.width, generator.context) == (5, ("h", "y"))
    assert isinstance(readout, Readout)
    assert readout.loss is stack.loss
    assert [layer.n_out for layer in readout.body.layers if isinstance(layer, Dense)] == [8, 9, 2]
    assert isinstance(feedback, Feedback)
    assert feedback.B.shape == (2, 6)
    assert [module.signal for module in stack.modules[3:]] == [None, None]
    assert [module.generator for module in stack.modules] == [generator, None, None, None, None]
    assert not stack.decoupled
    names = [list(module.parts) for module in stack.modules]
    assert names == [["body", "generator"], ["body", "readout"], ["body"], ["body"], ["body"]]
    assert same(stack.modules[1].thetas, [*stack.modules[1].body.thetas, *readout.thetas])


@pytest.mark.parametrize("kind", ["generator", "readout", "feedback", "truth"])
def test_one_word_for_all(kind: str) -> None:
    stack = build(DEEP, signals=kind)
    assert stack.signals == (kind, kind, kind, "truth")
    assert stack.decoupled == (kind == "generator")
    assert stack.probed == (kind in ("generator", "readout"))


def test_nothing_said_about_signals() -> None:
    assert build().signals == ("truth",) * 3
    assert build(context=("h",)).signals == ("generator", "generator", "truth")
    # and a generator of which nothing is said sees h
    by_word = build(signals="generator").modules[0].generator
    assert by_word is not None
    assert by_word.context == ("h",)
    assert build((4, 2), signals="generator").signals == ("truth",)  # there is no cut


KINDS = st.sampled_from(["generator", "readout", "feedback", "truth"])


@given(kinds=st.tuples(KINDS, KINDS), seed=st.integers(0, 99), fixed=st.booleans())
def test_the_same_bodies_whatever_the_signals(
    kinds: tuple[str, str], seed: int, fixed: bool
) -> None:
    plain = build(seed=seed)
    told = build(seed=seed, signals=kinds, fixed_feedback=fixed, readout_hidden=(3,))
    for one, other in zip(plain.modules, told.modules, strict=True):
        assert same(one.body.thetas, other.body.thetas)
    assert same(told.copy().thetas, told.thetas)
    assert told.copy().signals == told.signals


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_signals_have_the_dtype_of_the_stack(dtype: str) -> None:
    stack = build(signals=("readout", "feedback"), dtype=dtype, fixed_feedback=True)
    assert {theta.dtype for theta in stack.thetas} == {np.dtype(dtype)}
    feedback = stack.modules[1].signal
    assert isinstance(feedback, Feedback)
    assert feedback.B.dtype == np.dtype(dtype)
    assert stack.modules[0].body.layers[0].B.dtype == np.dtype(dtype)


def test_fixed_feedback_is_in_every_dense_layer_of_the_bodies() -> None:
    stack = build(DEEP, cuts=(2,), fixed_feedback=True, context=("h",), generator_hidden=(4,))
    kinds = [[type(layer) for layer in module.body.layers] for module in stack.modules]
    assert kinds == [
        [FixedFeedbackDense, Tanh, FixedFeedbackDense, Tanh],
        [FixedFeedbackDense, Tanh, FixedFeedbackDense],
    ]
    generator = stack.modules[0].generator
    assert generator is not None
    assert [type(layer) for layer in generator.body.layers] == [Dense, ReLU, Dense]
    # what goes down goes through B; what is learned, by the derivative
    x, y = batch(6, DEEP)
    truth, grads = build(DEEP, cuts=(2,)).gradients(x, y)
    told, fed_back = stack.gradients(x, y)
    assert same([told[1], *fed_back[1][1:]], [truth[1], *grads[1][1:]])  # of the top layer
    assert relative_error(told[0], truth[0]) > 0.1


def test_probe_where_a_readout_guesses() -> None:
    stack = randomised(build(signals=("readout", "generator")))
    x, y = batch()
    first, second = stack.probe(x, y)
    h1, _ = stack.modules[0](x)
    signal = stack.modules[0].signal
    assert signal is not None
    assert same([first.guess], [signal(h1, None, y)[0]])
    assert first.told.shape == first.true.shape == (6, 5)
    assert second.true.shape == (6, 3)
    for kinds in (("feedback", "generator"), ("truth", "generator")):
        with pytest.raises(ValueError, match=r"probe accepts a decoupled stack"):
            build(signals=kinds).probe(x, y)


# ---- wirings -------------------------------------------------------------------------------------


def body(width: int, heard: int, seed: int) -> Chain:
    """Hears so many things of ``width`` and is as wide."""
    rng = np.random.default_rng(seed)
    first = [Add(width, heard)] if seed % 2 else [Concatenate((width,) * heard)]
    n_in = width if seed % 2 else width * heard
    return Chain([*first, Dense(n_in, width, rng), Tanh()])


def wired(heard: Any, width: int = 3) -> Stack:
    modules = [Module(body(width, len(ears), k)) for k, ears in enumerate(heard)]
    return randomised(Stack(modules, SquaredError(), heard))


BRANCHES = (
    ((0, 0),),
    ((1, 0),),
    ((1, 0), (0, 0)),
    ((2, 0), (3, 0), (1, 0)),  # a join of two branches, and a way around both
)


def check_gradients(stack: Stack) -> None:
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((4, 3)), rng.standard_normal((4, 3))
    before = frozen(stack.thetas)
    at_outputs, of_parameters = stack.gradients(x, y)
    assert frozen(stack.thetas) == before
    probe = stack.copy(complex)

    def summed(nudged: int = -1, by: Any = 0) -> complex:
        """The summed loss, with something added to what module ``nudged`` (from 0) says."""
        said: list[np.ndarray] = []
        for k, module in enumerate(probe.modules):
            ears = probe.heard[k]
            h, _ = module(*[x if m == 0 else said[m - 1] if not late else None for m, late in ears])
            said.append(h + by if k == nudged else h)
        return probe.loss.per_row(said[-1], y).sum()

    for k, module in enumerate(probe.modules):
        measured = complex_step(lambda v, k=k: summed(k, v), np.zeros_like(at_outputs[k]))
        np.testing.assert_allclose(at_outputs[k], measured, rtol=1e-9, atol=1e-12)
        for theta, grad in zip(module.body.thetas, of_parameters[k], strict=True):
            kept = theta.copy()

            def of_theta(value: np.ndarray, theta: np.ndarray = theta) -> complex:
                theta[:] = value
                return summed()

            measured = complex_step(of_theta, kept.real)
            theta[:] = kept
            np.testing.assert_allclose(grad, measured, rtol=1e-9, atol=1e-11)


def test_gradients_where_ways_part_and_join() -> None:
    check_gradients(wired(BRANCHES))


@given(heard=dags())
def test_gradients_in_any_wiring(heard: Any) -> None:
    check_gradients(wired(heard))


def test_what_is_heard_twice_counts_twice() -> None:
    check_gradients(wired((((0, 0),), ((1, 0), (1, 0)))))


def test_what_is_heard_late_only_gets_no_gradient_of_this_batch() -> None:
    stack = wired((((0, 0),), ((0, 0), (1, 1))))
    check_gradients(stack)
    at_outputs, (of_first, _) = stack.gradients(np.ones((2, 3)), np.ones((2, 3)))
    assert not at_outputs[0].any()
    assert not of_first[0].any()


def test_a_module_that_hears_itself_late_hears_nothing_of_one_batch() -> None:
    check_gradients(wired((((0, 0), (1, 1)), ((1, 0),))))


def test_outputs_and_calibration_go_along_the_wiring() -> None:
    rng = np.random.default_rng(0)
    first, second = Chain([Dense(3, 2, rng), BatchNorm(2)]), Chain([Dense(3, 2, rng)])
    top = Chain([Concatenate((2, 2)), Dense(4, 1, rng), BatchNorm(1)])
    heard = (((0, 0),), ((0, 0),), ((2, 0), (1, 0)))
    stack = Stack([Module(first), Module(second), Module(top)], SquaredError(), heard)
    x = rng.standard_normal((20, 3))
    stack.calibrate(x)
    wanted = top.predict(second.predict(x), first.predict(x))
    assert same([stack.outputs(x)], [wanted])
    np.testing.assert_allclose(wanted.mean(axis=0), 0, atol=1e-12)


def test_a_copy_keeps_the_wiring() -> None:
    stack = wired(BRANCHES)
    assert stack.copy().heard == stack.heard == BRANCHES
    assert wired((((0, 0),), ((1, 0),))).heard == build((4, 3, 2)).heard  # a chain is one too


def test_a_probe_is_for_chains() -> None:
    stack = wired(BRANCHES)
    assert not stack.probed
    with pytest.raises(ValueError, match=r"probe accepts a decoupled stack"):
        stack.probe(np.ones((2, 3)), np.ones((2, 3)))


def test_a_wiring_of_another_length() -> None:
    chain = Chain([Dense(3, 3, np.random.default_rng(0))])
    with pytest.raises(ValueError, match=r"^heard has 2 entries; it accepts 1, one for each"):
        Stack([Module(chain)], SquaredError(), (((0, 0),), ((1, 0),)))
