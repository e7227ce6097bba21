"""Local losses, feedback, cuts and mixes of signals: steps worked by hand, executors alike."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnilab.data import Dataset
from dnilab.lessons.any_graph.network.joins import Concatenate
from dnilab.lessons.method import shuffled
from dnilab.network import (
    SGD,
    Adam,
    BinaryCrossEntropy,
    Chain,
    Dense,
    Feedback,
    FixedFeedbackDense,
    Generator,
    Module,
    Readout,
    SoftmaxCrossEntropy,
    SquaredError,
    Stack,
    Tanh,
    optimiser_named,
)
from dnilab.orderings import (
    Program,
    Step,
    Wiring,
    backprop,
    chain,
    direct_feedback,
    last_layer_only,
    local_loss,
    pipeline,
    sequential,
)
from dnilab.training import Diverged, Report, wiring_of
from tests.learned import Learned
from tests.lessons.many_machines.kept import train
from tests.training.by_hand import bits, small_data
from tests.training.planted import nothing_left
from tests.training.test_threads import divisions, numbers
from tests.wirings import told

WIDTHS = (4, 6, 5, 2)
HOW: dict[str, Any] = {"batch_size": 4, "epochs": 2, "seed": 5}
RATE, RATE_OF_SIGNALS = 0.3, 0.7
PLAIN: dict[str, Any] = {
    "optimiser": SGD(RATE),
    "generator_optimiser": SGD(RATE_OF_SIGNALS),
    **HOW,
}


def build(widths: Sequence[int] = WIDTHS, seed: int = 0, **options: Any) -> Stack:
    loss = options.pop("loss", BinaryCrossEntropy())
    return Stack.build(widths, loss, np.random.default_rng(seed), **options)


def trained(stack: Stack, program: Program, data: Dataset | None = None, **how: Any) -> Stack:
    data = small_data() if data is None else data
    events = list(train(stack, data, program, **{**PLAIN, **how}))
    assert all(isinstance(event, Report) for event in events)
    return stack


# ---- one step after the other, by hand -----------------------------------------------------------


def weights(stack: Stack) -> list[tuple[np.ndarray, np.ndarray]]:
    """Copies of W and b of every dense layer of the bodies."""
    layers = [layer for module in stack.modules for layer in module.body.layers]
    return [(one.W.copy(), one.b.copy()) for one in layers if isinstance(one, Dense)]


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def descend(pair: tuple[np.ndarray, np.ndarray], x: Any, dz: Any, rate: float) -> None:
    """One step of plain gradient descent for z = x W + b, over the rows of the batch."""
    W, b = pair
    W -= rate * (x.T @ dz) / len(x)
    b -= rate * dz.sum(axis=0) / len(x)


def batches_by_hand() -> Any:
    data = small_data()
    return shuffled(data.x_train, data.y_train, HOW["batch_size"], HOW["epochs"], HOW["seed"])


def assert_close(stack: Stack, layers: Any, signals: Any = ()) -> None:
    found = weights(stack)
    for module in stack.modules:
        if isinstance(module.signal, Readout):
            (dense,) = module.signal.body.layers
            found.append((dense.W, dense.b))
    for (W, b), (W_by_hand, b_by_hand) in zip(found, [*layers, *signals], strict=True):
        np.testing.assert_allclose(W, W_by_hand, rtol=0, atol=1e-12)
        np.testing.assert_allclose(b, b_by_hand, rtol=0, atol=1e-12)


@pytest.mark.parametrize("groups", [[(1, 2, 3)], [(1,), (2, 3)], [(1,), (2,), (3,)]], ids=str)
def test_local_loss_by_hand(groups: Any) -> None:
    stack = build(signals="readout")
    layers = weights(stack)
    readouts = []
    for module in stack.modules[:2]:
        assert isinstance(module.signal, Readout)
        (dense,) = module.signal.body.layers
        readouts.append((dense.W.copy(), dense.b.copy()))
    for x, y in batches_by_hand():
        h = x
        for layer, readout in zip(layers[:2], readouts, strict=True):
            below, h = h, np.tanh(h @ layer[0] + layer[1])
            e = sigmoid(h @ readout[0] + readout[1]) - y  # of the readout's own loss
            g = e @ readout[0].T
            descend(layer, below, g * (1 - h * h), RATE)
            descend(readout, h, e, RATE_OF_SIGNALS)
        e = sigmoid(h @ layers[2][0] + layers[2][1]) - y
        descend(layers[2], h, e, RATE)
    trained(stack, local_loss(groups))
    assert_close(stack, layers, readouts)


def test_direct_feedback_by_hand() -> None:
    stack = build(signals="feedback")
    layers = weights(stack)
    B = [module.signal.B.copy() for module in stack.modules[:2]]  # type: ignore[union-attr]
    for x, y in batches_by_hand():
        h1 = np.tanh(x @ layers[0][0] + layers[0][1])
        h2 = np.tanh(h1 @ layers[1][0] + layers[1][1])
        e = sigmoid(h2 @ layers[2][0] + layers[2][1]) - y
        descend(layers[2], h2, e, RATE)
        descend(layers[1], h1, (e @ B[1]) * (1 - h2 * h2), RATE)
        descend(layers[0], x, (e @ B[0]) * (1 - h1 * h1), RATE)
    trained(stack, direct_feedback(3))
    assert_close(stack, layers)
    kept = [module.signal.B for module in stack.modules[:2]]  # type: ignore[union-attr]
    assert [b.tobytes() for b in kept] == [b.tobytes() for b in B]  # it learns nothing


def test_feedback_alignment_by_hand() -> None:
    stack = build(fixed_feedback=True)
    layers = weights(stack)
    B = [module.body.layers[0].B.copy() for module in stack.modules]
    for x, y in batches_by_hand():
        h1 = np.tanh(x @ layers[0][0] + layers[0][1])
        h2 = np.tanh(h1 @ layers[1][0] + layers[1][1])
        e = sigmoid(h2 @ layers[2][0] + layers[2][1]) - y
        dz2 = (e @ B[2]) * (1 - h2 * h2)
        dz1 = (dz2 @ B[1]) * (1 - h1 * h1)
        for layer, seen, dz in zip(layers, (x, h1, h2), (dz1, dz2, e), strict=True):
            descend(layer, seen, dz, RATE)
    trained(stack, backprop(3))
    assert_close(stack, layers)
    kept = [module.body.layers[0].B for module in stack.modules]
    assert [b.tobytes() for b in kept] == [b.tobytes() for b in B]


def test_a_loop_through_time_by_hand() -> None:
    """Module 1 hears x and itself, one batch ago; the top hears it, now and two batches ago."""
    rng = np.random.default_rng(0)
    generator = Generator(5, ("h",))
    generator.thetas[0][:] = 0.3 * rng.standard_normal(30)
    below = Chain([Concatenate((4, 5)), Dense(9, 5, rng), Tanh()])
    above = Chain([Concatenate((5, 5)), Dense(10, 2, rng)])
    heard = (((0, 0), (1, 1)), ((1, 0), (1, 2)))
    stack = Stack([Module(below, generator), Module(above)], BinaryCrossEntropy(), heard)
    first, top = weights(stack)
    M = generator.body.layers[0].W.copy(), generator.body.layers[0].b.copy()
    hs: list[np.ndarray] = []
    guesses: list[np.ndarray] = []
    told: list[np.ndarray] = []  # what has come down about each h
    for t, (x, y) in enumerate(batches_by_hand()):
        nothing = np.zeros((len(x), 5))
        seen = np.hstack([x, hs[t - 1] if t else nothing])
        h = np.tanh(seen @ first[0] + first[1])
        guess = h @ M[0] + M[1]
        dz = guess * (1 - h * h)
        hs.append(h)
        guesses.append(guess)
        told.append(nothing)
        if t >= 1:
            told[t - 1] = told[t - 1] + (dz @ first[0].T)[:, 4:]
        descend(first, seen, dz, RATE)
        seen = np.hstack([h, hs[t - 2] if t >= 2 else nothing])
        e = sigmoid(seen @ top[0] + top[1]) - y
        down = e @ top[0].T
        told[t] = told[t] + down[:, :5]
        if t >= 2:
            told[t - 2] = told[t - 2] + down[:, 5:]
            # by now all three ears have told what they heard two batches ago
            descend(M, hs[t - 2], guesses[t - 2] - told[t - 2], RATE_OF_SIGNALS)
        descend(top, seen, e, RATE)
    trained(stack, sequential(wiring_of(stack)))
    assert_close(stack, [first, top])
    np.testing.assert_allclose(generator.body.layers[0].W, M[0], rtol=0, atol=1e-12)


def test_feedback_through_the_weights_themselves_is_the_truth() -> None:
    """For one step, and the module below the top: with B = W^T both rules are the chain rule."""
    how = {"batch_size": 13, "epochs": 1}
    truth = trained(build(WIDTHS[1:]), backprop(2), small_data(inputs=6), **how)
    direct = build(WIDTHS[1:], signals="feedback")
    assert isinstance(direct.modules[0].signal, Feedback)
    direct.modules[0].signal.B[:] = direct.modules[1].body.layers[0].W.T
    aligned = build(WIDTHS[1:], fixed_feedback=True)
    for module in aligned.modules:
        layer = module.body.layers[0]
        assert isinstance(layer, FixedFeedbackDense)
        layer.B[:] = layer.W.T
    for stack, program in ((direct, direct_feedback(2)), (aligned, backprop(2))):
        trained(stack, program, small_data(inputs=6), **how)
        for one, other in zip(stack.thetas, truth.thetas, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


def test_by_a_local_loss_nobody_notices_who_is_above() -> None:
    tall = build((4, 6, 5, 3, 2), signals="readout")
    short = Stack([*tall.copy().modules[:2], Module(Chain([Dense(5, 2, gain=0)]))], tall.loss)
    trained(tall, local_loss([(1, 2), (3, 4)]))
    trained(short, local_loss([(1, 2, 3)]))
    for one, other in zip(tall.modules[:2], short.modules[:2], strict=True):
        assert [v.tobytes() for v in one.thetas] == [v.tobytes() for v in other.thetas]


@pytest.mark.parametrize(
    ("signals", "program"),
    [
        ("readout", local_loss([(1,), (2, 3)])),
        ("feedback", direct_feedback(3)),
        ("truth", backprop(3)),
    ],
)
@pytest.mark.parametrize("kind", ["bits", "classes"])
def test_every_method_learns(
    signals: str, program: Program, kind: str, seed: int, learned: Learned
) -> None:
    options: dict[str, Any] = {"signals": signals, "fixed_feedback": signals == "truth"}
    options["loss"] = BinaryCrossEntropy() if kind == "bits" else SoftmaxCrossEntropy()
    stack = build((4, 16, 16, 2), seed, **options)
    how = {"optimiser": Adam(0.01), "batch_size": 5, "epochs": 300, "report_every": 1000}
    first, *_, last = train(stack, small_data(kind, seed=seed), program, seed=seed, **how)
    assert isinstance(first, Report)
    assert isinstance(last, Report)
    learned("loss left", last.loss / first.loss, below=0.2)


# ---- cuts ----------------------------------------------------------------------------------------

DEEP = (4, 6, 5, 3, 2)
ALL_CUTS = [cuts for size in range(4) for cuts in combinations((1, 2, 3), size)]


def layers_of(stack: Stack) -> list[bytes]:
    """The parameters of the layers, whatever the modules."""
    return [theta.tobytes() for module in stack.modules for theta in module.body.thetas]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cuts", ALL_CUTS, ids=str)
def test_backprop_does_not_see_cuts(cuts: tuple[int, ...], dtype: str) -> None:
    data = small_data(dtype=dtype)
    how = {"optimiser": Adam(0.01), "batch_size": 4}
    whole, cut = (build(DEEP, batch_norm=True, dtype=dtype, cuts=c) for c in (None, cuts))
    start = layers_of(whole)
    trained(whole, backprop(4), data, **how)
    trained(cut, backprop(len(cuts) + 1), data, **how)
    assert layers_of(cut) == layers_of(whole)
    assert all(a != b for a, b in zip(layers_of(whole), start, strict=True))


@pytest.mark.parametrize("signal", ["generator", "readout", "feedback"])
def test_a_module_of_many_layers_is_a_chain_of_them(signal: str) -> None:
    """A stack with cuts, and the same put together by hand, layer by layer."""
    programs = {
        "generator": sequential(2),
        "readout": local_loss([(1, 2)]),
        "feedback": direct_feedback(2),
    }
    cut = build(DEEP, cuts=(2,), signals=signal, context=("h", "y"))
    plain = build(DEEP)
    first, second, third, fourth = (module.body.layers for module in plain.modules)
    below = Module(Chain([*first, *second]), cut.modules[0].signal.copy())  # type: ignore[union-attr]
    by_hand = Stack([below, Module(Chain([*third, *fourth]))], plain.loss)
    start = bits(cut)
    assert bits(by_hand) == start
    trained(cut, programs[signal])
    trained(by_hand, programs[signal])
    assert bits(by_hand) == bits(cut)
    assert bits(cut) != start


def test_cuts_are_not_without_effect_where_modules_guess() -> None:
    results = {
        tuple(layers_of(trained(build(DEEP, cuts=cuts, context=("h",)), sequential(len(cuts) + 1))))
        for cuts in ((1,), (2,), (1, 3), ())
    }
    assert len(results) == 4


# ---- any mix of signals --------------------------------------------------------------------------


def wired_stack(wiring: Wiring, seed: int, dtype: str) -> Stack:
    """A network of this wiring; its generators start away from zero, so that bits can differ."""
    rng = np.random.default_rng(seed)
    widths = [4, *rng.integers(2, 6, wiring.modules - 1).tolist(), 2]
    loss = BinaryCrossEntropy()
    modules = []
    for k, (ears, kind) in enumerate(zip(wiring.heard, wiring.signals, strict=True), start=1):
        seen, width = [widths[ear.module] for ear in ears], widths[k]
        layers = [Concatenate(seen), Dense(sum(seen), width, rng, dtype=dtype)]
        body = Chain([*layers, Tanh()] if k < wiring.modules else layers)
        signal: Generator | Readout | Feedback | None = None
        if kind == "generator":
            signal = Generator(width, ("h", "y"), outputs=2, dtype=dtype)
            for theta in signal.thetas:
                theta[:] = 0.1 * rng.standard_normal(theta.size)
        elif kind == "readout":
            signal = Readout(width, 2, loss, rng=rng, dtype=dtype)
        elif kind == "feedback":
            signal = Feedback(width, 2, rng=rng, dtype=dtype)
        modules.append(Module(body, signal))
    return Stack(modules, loss, wiring.heard)


def on_workers(program: Program, owner: Sequence[int]) -> Program:
    """The same steps, module k on worker ``owner[k - 1]``."""
    steps = list(program.steps())
    lists = [tuple(s for s in steps if owner[s.module - 1] == w) for w in sorted(set(owner))]
    return replace(program, workers=tuple(worker for worker in lists if worker))


def same_on_threads(stack: Stack, one: Program, many: Program, dtype: str, seed: int) -> None:
    """One worker, several on one thread, and as many threads: equal events, equal bits."""
    data = small_data(dtype=dtype, seed=seed)
    how = {"optimiser": optimiser_named("adam", 0.01), "seed": seed}
    results = []
    for program, executor in ((one, "one thread"), (many, "one thread"), (many, "threads")):
        twin = stack.copy()
        events = list(train(twin, data, program, **{**PLAIN, **how, "executor": executor}))
        said = numbers(replace(event, spans=()) for event in events)  # type: ignore[call-arg]
        results.append((bits(twin), said))
    assert results[0] == results[1] == results[2]
    assert results[0][0] != bits(stack)


@settings(max_examples=60)
@given(
    wiring=told(),
    data=st.data(),
    seed=st.integers(0, 99),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_mixed_signals_on_threads(
    wiring: Wiring, data: st.DataObject, seed: int, dtype: str
) -> None:
    stack = wired_stack(wiring, seed, dtype)
    assert wiring_of(stack) == wiring
    program = sequential(wiring)
    owner = data.draw(st.lists(st.integers(0, 2), min_size=wiring.modules, max_size=wiring.modules))
    before = threading.active_count()
    same_on_threads(stack, program, on_workers(program, owner), dtype, seed)
    assert threading.active_count() == before


@settings(max_examples=60)
@given(
    wiring=told(late=True),
    data=st.data(),
    seed=st.integers(0, 99),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_delays_on_threads(wiring: Wiring, data: st.DataObject, seed: int, dtype: str) -> None:
    stack = wired_stack(wiring, seed, dtype)
    program = sequential(wiring)
    owner = data.draw(st.lists(st.integers(0, 2), min_size=wiring.modules, max_size=wiring.modules))
    same_on_threads(stack, program, on_workers(program, owner), dtype, seed)


@settings(max_examples=40)
@given(
    kinds=st.lists(st.sampled_from(["generator", "readout"]), min_size=1, max_size=4),
    data=st.data(),
    staleness=st.integers(0, 4),
    per_turn=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_a_pipeline_of_generators_and_readouts_on_threads(
    kinds: list[str], data: st.DataObject, staleness: int, per_turn: int, seed: int
) -> None:
    wiring = chain(len(kinds) + 1, tuple(kinds))
    stack = wired_stack(wiring, seed, "float64")
    groups = data.draw(divisions(wiring.modules))
    late = staleness + (per_turn if per_turn > 1 else 0)  # parcels are as late as they are long
    how = {"staleness": late, "batches_per_turn": per_turn, "wiring": wiring}
    one = pipeline([range(1, wiring.modules + 1)], **how)
    same_on_threads(stack, one, pipeline(groups, **how), "float64", seed)


def with_feedback(*ops: str, signals: tuple[str, ...]) -> Program:
    steps = tuple(Step(op, int(k)) for op, k in (words.split() for words in ops))
    return Program("mixed", 4, (steps,), wiring=chain(4, signals))


FEEDBACK_MIXES = [
    # module 1 is told by feedback, those above it guess
    with_feedback(
        *("forward 1", "forward_update 2", "forward_update 3", "fit 2", "forward_update 4"),
        *("fit 3", "backward 1", "update 1"),
        signals=("feedback", "generator", "readout"),
    ),
    # the other way round: what feedback sends down fits the generator below it
    with_feedback(
        *("forward_update 1", "forward 2", "forward 3", "forward_update 4"),
        *("backward 3", "update 3", "backward 2", "update 2", "fit 1"),
        signals=("generator", "feedback", "truth"),
    ),
    # the error reaches two of them, by way of a top that is pulled back on its own
    with_feedback(
        *("forward 1", "forward_update 2", "fit 2", "forward 3", "forward 4"),
        *("backward 4", "update 4", "backward 3", "update 3", "backward 1", "update 1"),
        signals=("feedback", "readout", "feedback"),
    ),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("owner", [(0, 1, 2, 3), (0, 0, 1, 1), (1, 0, 1, 0)], ids=str)
@pytest.mark.parametrize(
    "program", FEEDBACK_MIXES, ids=lambda program: " ".join(program.wires.signals)
)
def test_feedback_among_others_on_threads(
    program: Program, owner: tuple[int, ...], dtype: str
) -> None:
    stack = wired_stack(program.wires, 3, dtype)
    with nothing_left():
        same_on_threads(stack, program, on_workers(program, owner), dtype, 3)


@pytest.mark.parametrize("owner", [(0, 1, 2), (0, 0, 1)], ids=str)
def test_direct_feedback_on_threads(owner: tuple[int, ...]) -> None:
    stack = build(signals="feedback")
    program = direct_feedback(3)
    same_on_threads(stack, program, on_workers(program, owner), "float64", 0)


@given(wiring=told(), seed=st.integers(0, 99))
def test_backprop_in_any_wiring_is_a_loop_over_its_gradients(wiring: Wiring, seed: int) -> None:
    stack = wired_stack(wiring, seed, "float64")
    loop, data, rate = stack.copy(), small_data(), Adam(0.01)
    updates = [rate.start(module.body.thetas) for module in loop.modules]
    for x, y in shuffled(data.x_train, data.y_train, 4, 2, 5):
        for update, grads in zip(updates, loop.gradients(x, y)[1], strict=True):
            update(grads, len(x))
    trained(stack, backprop(wiring), data, optimiser=rate)
    assert bits(stack) == bits(loop)


@pytest.mark.parametrize("signals", ["generator", "readout", "feedback"])
@pytest.mark.parametrize("program", [backprop(3), last_layer_only(3)], ids=lambda p: p.name)
def test_what_asks_no_signal_trains_any_stack(signals: str, program: Program) -> None:
    plain, told_otherwise = build(), build(signals=signals)
    trained(plain, program)
    trained(told_otherwise, program)
    assert layers_of(told_otherwise) == layers_of(plain)


# ---- what does not go together -------------------------------------------------------------------

MIXED = chain(3, ("readout", "generator"))
LOCAL_LOSS = local_loss([(1, 2, 3)])


@pytest.mark.parametrize(
    ("signals", "program", "says"),
    [
        (
            "readout",
            sequential(3),
            "stack has a readout, and no generator at module 1; program 'sequential' accepts",
        ),
        ("readout", pipeline([(1,), (2, 3)]), "stack has a readout, and no generator at module 1"),
        ("generator", LOCAL_LOSS, "stack has a generator, and no readout at module 1"),
        (
            "truth",
            LOCAL_LOSS,
            "stack has no readout at module 1; program 'local loss'",
        ),
        ("feedback", LOCAL_LOSS, "stack has a feedback, and no readout at module 1"),
        (
            "truth",
            direct_feedback(3),
            "stack has no feedback at module 2; program 'direct feedback' accepts stacks with a",
        ),
        ("readout", direct_feedback(3), "stack has a readout, and no feedback at module 2"),
        (("readout", "readout"), sequential(MIXED), "stack has a readout, and no generator at mod"),
        (("truth", "generator"), sequential(MIXED), "stack has no readout at module 1"),
        (
            ("feedback", "generator"),
            sequential(chain(3, ("generator", "generator"))),
            "stack has a feedback, and no generator at module 1",
        ),
        ("readout", local_loss([(1, 2)]), "program is written for 2 modules; this stack has 3"),
    ],
)
@pytest.mark.parametrize("executor", ["one thread", "threads"])
def test_the_wrong_signal_is_refused_before_anything_runs(
    signals: Any, program: Program, says: str, executor: str
) -> None:
    stack = build(signals=signals)
    before = bits(stack)
    with pytest.raises(ValueError, match=f"^{says}"):
        train(stack, small_data(), program, **PLAIN, executor=executor)
    assert bits(stack) == before


def test_a_wiring_of_another_network_is_refused() -> None:
    fan = Wiring((((0, 0),), ((1, 0),), ((1, 0), (2, 0))), ("generator", "generator", "truth"))
    with pytest.raises(
        ValueError,
        match=r"^program is written for a module 3 that hears module 1 and module 2; in this stack"
        r" it hears module 2$",
    ):
        train(build(context=("h",)), small_data(), sequential(fan), **PLAIN)
    loop = Wiring((((0, 0), (1, 2)), ((1, 0),)), ("generator", "truth"))
    with pytest.raises(
        ValueError, match=r"hears x and module 1, 2 batches late; in this stack it hears x$"
    ):
        train(build((4, 6, 2), context=("h",)), small_data(), sequential(loop), **PLAIN)


@pytest.mark.parametrize(
    ("signals", "program", "says"),
    [
        (
            "readout",
            local_loss([(1, 2, 3)]),
            r"stack has a readout at module 1 that does not fit: y has shape \(4, 3\); it accepts "
            r".*\(4, 2\)",
        ),
        (
            "feedback",
            direct_feedback(3),
            r"stack has a feedback at module 1 that does not fit: error has shape \(4, 3\); it acc",
        ),
        (
            ("readout", "generator"),
            sequential(MIXED),
            r"stack has a readout at module 1 that does not fit: y has shape",
        ),
    ],
)
def test_labels_that_a_signal_can_not_use(signals: Any, program: Program, says: str) -> None:
    stack = build(signals=signals)
    before = bits(stack)
    with pytest.raises(ValueError, match=f"^{says}"):
        train(stack, small_data(outputs=3), program, **PLAIN)
    assert bits(stack) == before


def test_a_readout_of_another_width() -> None:
    stack = build(signals="readout")
    other = Module(stack.modules[0].body, Readout(7, 2, stack.loss, rng=np.random.default_rng(0)))
    wrong = Stack([other, *stack.modules[1:]], stack.loss)
    with pytest.raises(ValueError, match=r"^stack has a readout at module 1 that does not fit: x"):
        train(wrong, small_data(), local_loss([(1, 2, 3)]), **PLAIN)


# ---- reports, divergence, checkpoints ------------------------------------------------------------


def test_a_readout_that_diverges_is_named(seed: int, learned: Learned) -> None:
    stack = build(seed=seed, signals="readout", loss=SquaredError(), activation="relu")
    events = list(
        train(
            stack,
            small_data(rows=40, seed=seed),
            local_loss([(1, 2), (3,)]),
            **{**PLAIN, "generator_optimiser": SGD(50.0), "optimiser": SGD(1e-9), "epochs": 20},
        )
    )
    assert isinstance(events[-1], Diverged)
    learned("batches until it diverges", events[-1].batch, below=200)
    assert (events[-1].module, events[-1].part) == (1, "readout")
    assert "the readout of module 1 grew without bound" in events[-1].message


def test_reports_of_stacks_without_generators_have_no_cosine() -> None:
    for signals, program in (("readout", LOCAL_LOSS), ("feedback", direct_feedback(3))):
        reports = list(train(build(signals=signals), small_data(), program, **PLAIN, probe_rows=5))
        assert all(isinstance(r, Report) and r.cosine is None for r in reports)


METHODS: dict[str, tuple[dict[str, Any], Callable[[], Program]]] = {
    "local loss": ({"signals": "readout"}, lambda: local_loss([(1,), (2, 3)])),
    "mixed, late": (
        {"signals": ("readout", "generator"), "context": ("h", "y")},
        lambda: pipeline([(1,), (2, 3)], staleness=3, wiring=MIXED),
    ),
    "mixed, one late": (
        {"signals": ("generator", "readout"), "context": ("h", "y")},
        lambda: pipeline([(1,), (2, 3)], wiring=chain(3, ("generator", "readout"))),
    ),
    "direct feedback": ({"signals": "feedback"}, lambda: direct_feedback(3)),
    "feedback alignment": ({"fixed_feedback": True}, lambda: backprop(3)),
    "cuts": ({"cuts": (2,), "context": ("h",)}, lambda: pipeline([(1,), (2,)])),
}


@pytest.mark.parametrize("method", METHODS)
def test_a_run_of_any_method_goes_on_from_its_checkpoint(method: str, tmp_path: Path) -> None:
    options, make = METHODS[method]
    whole = trained(build(**options), make(), epochs=6)
    path = tmp_path / "run.npz"
    stack = build(**options)
    events = train(stack, small_data(), make(), **{**PLAIN, "epochs": 6}, checkpoint=path)
    for _ in range(3):
        next(events)
    events.close()  # type: ignore[attr-defined]
    again = trained(build(**options), make(), epochs=6, resume=path)
    assert bits(again) == bits(whole)


@pytest.mark.parametrize("method", METHODS)
def test_all_that_a_run_depends_on_is_in_the_file_or_compared(method: str, tmp_path: Path) -> None:
    options, make = METHODS[method]
    path = tmp_path / "run.npz"
    whole = trained(build(**options), make(), epochs=6)
    events = train(
        build(**options), small_data(), make(), **{**PLAIN, "epochs": 6}, checkpoint=path
    )
    for _ in range(3):
        next(events)
    events.close()  # type: ignore[attr-defined]
    other = build(**options, seed=1)
    if "feedback" in method:  # its fixed matrices are those of the stack, and others than these
        with pytest.raises(ValueError, match=r"of a run with another stack"):
            trained(other, make(), epochs=6, resume=path)
    else:
        assert bits(trained(other, make(), epochs=6, resume=path)) == bits(whole)
