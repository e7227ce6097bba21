"""Readouts and feedback: what they say, what they learn from, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnilab.network import (
    SGD,
    BinaryCrossEntropy,
    Feedback,
    Readout,
    Signal,
    SoftmaxCrossEntropy,
    SquaredError,
)
from dnilab.network.layers import LOSSES
from tests.learned import Learned
from tests.network import cases, contract
from tests.network.contract import Case, same

H = np.array([[1.0, 2.0], [3.0, -1.0]])
BITS = np.array([[1.0], [0.0]])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# ---- the readout ---------------------------------------------------------------------------------


def test_a_linear_readout_by_hand() -> None:
    readout = Readout(2, 1, SquaredError(), rng=rng())
    readout.thetas[0][:] = [2, -1, 3]  # A, then a
    g_hat, pullback = readout(H, None, BITS)
    # z = (2 - 2 + 3, 6 + 1 + 3) = (3, 10); z - y = (2, 10); times A^T
    assert g_hat.tolist() == [[4, -2], [20, -10]]
    _, (grad,) = pullback()
    assert grad.tolist() == [1 * 2 + 3 * 10, 2 * 2 - 1 * 10, 2 + 10]


def test_a_linear_readout_of_a_cross_entropy_is_the_formula() -> None:
    # g_hat = (p - y) A^T
    readout = Readout(2, 3, SoftmaxCrossEntropy(), rng=rng())
    A, a = readout.thetas[0][:6].reshape(2, 3), readout.thetas[0][6:]
    y = np.eye(3)[[2, 0]]
    z = H @ A + a
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(readout(H, None, y)[0], (p - y) @ A.T, rtol=1e-12)


@pytest.mark.parametrize("case", cases.READOUTS, ids=str)
def test_what_it_says_is_the_gradient_of_its_own_loss(case: Case) -> None:
    contract.own_loss(case)


@given(
    width=st.integers(1, 5),
    outputs=st.integers(1, 4),
    hidden=st.lists(st.integers(1, 5), max_size=2),
    loss=st.sampled_from(sorted(LOSSES)),
    batch=st.integers(1, 5),
    seed=st.integers(0, 1000),
)
def test_at_any_size(
    width: int, outputs: int, hidden: list[int], loss: str, batch: int, seed: int
) -> None:
    def make(_: np.random.Generator) -> Readout:
        return Readout(width, outputs, LOSSES[loss](), hidden=hidden, rng=rng(seed))

    def inputs(draw: np.random.Generator, rows: int) -> tuple[np.ndarray, ...]:
        y = np.eye(outputs)[draw.integers(0, outputs, rows)]
        return draw.standard_normal((rows, width)), y, y, y

    contract.own_loss(Case("drawn", make, inputs, batch=batch), 1e-8)  # a saturated output cancels


class TurnedRound(Readout):
    def __call__(self, h: Any, x: Any = None, y: Any = None, error: Any = None) -> Any:
        g_hat, pullback = super().__call__(h, x, y, error)
        return -g_hat, pullback


class WithoutTheLabel(Readout):
    """What the readout is worth, in the place of what its loss is."""

    def __call__(self, h: Any, x: Any = None, y: Any = None, error: Any = None) -> Any:
        z, back = self.body(h)
        g_hat, grads = back(z)
        return g_hat, lambda error=None, want_dx=False: (None, grads)


class MeanOfTheBatch(Readout):
    def __call__(self, h: Any, x: Any = None, y: Any = None, error: Any = None) -> Any:
        g_hat, pullback = super().__call__(h, x, y, error)
        return g_hat, lambda error=None: (None, [g / len(h) for g in pullback()[-1]])


class FittedToTheGuess(Readout):
    """Learns as a generator does, from an error of g_hat."""

    def __call__(self, h: Any, x: Any = None, y: Any = None, error: Any = None) -> Any:
        g_hat, _ = super().__call__(h, x, y, error)
        _, back = self.body(h)
        return g_hat, lambda error=None: back(g_hat[:, : y.shape[1]])


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (TurnedRound, "g_hat is off"),
        (WithoutTheLabel, "g_hat is off"),
        (MeanOfTheBatch, "grad is off"),
        (FittedToTheGuess, "grad is off"),
    ],
)
@pytest.mark.parametrize("hidden", [(), (5,)])
def test_a_planted_derivative_is_caught(
    kind: type[Readout], says: str, hidden: tuple[int, ...]
) -> None:
    case = cases.readout(BinaryCrossEntropy(), cases.some_bits, hidden, kind)
    with pytest.raises(AssertionError, match=f"^{says}"):
        contract.own_loss(case)


@pytest.mark.parametrize("hidden", [(), (8,)])
def test_following_it_goes_downhill(hidden: tuple[int, ...], seed: int, learned: Learned) -> None:
    """Both h along -g_hat and the readout along -grads lower its loss."""
    loss = BinaryCrossEntropy()
    readout = Readout(2, 1, loss, hidden=hidden, rng=rng(seed))
    update = SGD(0.1).start(readout.thetas)
    h, losses = H.copy(), []
    for _ in range(50):
        losses.append(float(loss.per_row(readout.body(h)[0], BITS).sum()))
        g_hat, pullback = readout(h, None, BITS)
        update(pullback()[-1], len(h))
        h -= 0.05 * g_hat
    assert losses == sorted(losses, reverse=True)
    learned("loss left", losses[-1] / losses[0], below=0.5)


def test_unlike_a_generator_it_knows_something_at_once() -> None:
    assert Readout(2, 1, BinaryCrossEntropy(), rng=rng())(H, None, BITS)[0].any()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"width": 0}, "width is 0"),
        ({"outputs": 0}, "outputs is 0"),
        ({"hidden": (0,)}, "hidden is 0"),
        ({"hidden": 3}, "hidden is 3"),
        ({"rng": None}, "rng is None"),
    ],
)
def test_what_is_wrong_with_a_readout_is_named(arguments: dict[str, Any], says: str) -> None:
    good = {"width": 2, "outputs": 1, "loss": SquaredError(), "rng": rng()}
    with pytest.raises(ValueError, match=f"^{says}"):
        Readout(**{**good, **arguments})


def test_labels_that_it_cannot_use() -> None:
    readout = Readout(2, 3, SoftmaxCrossEntropy(), rng=rng())
    for y in (BITS, np.eye(3)[[0]], np.array([1.0, 2.0])):
        with pytest.raises(ValueError, match=r"^y has shape .*; it accepts .*\(2, 3\)"):
            readout(H, None, y)
    with pytest.raises(ValueError, match=r"^y is None; a readout accepts labels"):
        readout(H)


# ---- feedback ------------------------------------------------------------------------------------


def test_feedback_by_hand() -> None:
    feedback = Feedback(2, 1, rng=rng())
    feedback.B[:] = [[2, -1]]
    g_hat, pullback = feedback(H, error=np.array([[3.0], [-1.0]]))
    assert g_hat.tolist() == [[6, -3], [-2, 1]]
    assert pullback(g_hat) == (None, [])  # nothing to learn
    assert feedback.thetas == []
    # it has never looked at h
    assert same([feedback(None, error=np.array([[3.0], [-1.0]]))[0]], [g_hat])


def test_a_copy_keeps_the_matrix() -> None:
    feedback = Feedback(4, 3, rng=rng())
    twin = feedback.copy()
    assert same([twin.B], [feedback.B])
    twin.B += 1
    assert same([feedback.B], [Feedback(4, 3, rng=rng()).B])
    single = feedback.copy(np.float32)
    assert same([single.B], [feedback.B.astype(np.float32)])


def test_the_matrix_is_drawn_once_and_keeps_the_spread_of_the_error() -> None:
    feedback = Feedback(400, 300, rng=rng())
    assert feedback.B.shape == (300, 400)
    assert feedback.B.std() == pytest.approx(1 / np.sqrt(300), rel=0.02)
    assert abs(feedback.B.mean()) < 1e-3
    error = rng(1).standard_normal((50, 300))
    first = feedback(None, error=error)[0]
    assert first.std() == pytest.approx(1, rel=0.05)
    assert same([feedback(None, error=error)[0]], [first])


def test_what_feedback_refuses() -> None:
    with pytest.raises(ValueError, match=r"^error is None; feedback accepts that of the top"):
        Feedback(2, 1, rng=rng())(H, H, BITS)
    with pytest.raises(ValueError, match=r"^error has shape \(2, 2\); .* \(batch, 1\)"):
        Feedback(2, 1, rng=rng())(None, error=H)
    with pytest.raises(ValueError, match=r"^width is 0"):
        Feedback(0, 1, rng=rng())
    with pytest.raises(ValueError, match=r"^outputs is 0"):
        Feedback(2, 0, rng=rng())


# ---- planted mistakes: the clauses of a signal must catch each of them ---------------------------


class DrawsAgain(Feedback):
    """A new matrix for every copy."""

    draws = rng(9)

    def copy(self, dtype: Any = None) -> Any:
        other = super().copy(dtype)
        other.B = self.draws.standard_normal(self.B.shape).astype(other.B.dtype)
        return other


class LooksAtTheLabel(Feedback):
    def __call__(self, h: Any, x: Any = None, y: Any = None, error: Any = None) -> Any:
        g_hat, pullback = super().__call__(h, x, y, error)
        return (g_hat if y is None else g_hat + y[:, :1]), pullback


class Remembers(Readout):
    """One pullback for all: that of the latest call."""

    def __call__(self, h: Any, x: Any = None, y: Any = None, error: Any = None) -> Any:
        g_hat, self.latest = super().__call__(h, x, y, error)
        return g_hat, lambda error=None, want_dx=False: self.latest(error, want_dx)


class SharesItsReadout(Readout):
    def copy(self, dtype: Any = None) -> Any:
        return self if dtype is None else super().copy(dtype)


class BareGradient(Readout):
    def __call__(self, h: Any, x: Any = None, y: Any = None, error: Any = None) -> Any:
        g_hat, pullback = super().__call__(h, x, y, error)
        return g_hat, lambda error=None, want_dx=False: (None, pullback()[-1][0])


class TooWide(Feedback):
    def __call__(self, h: Any, x: Any = None, y: Any = None, error: Any = None) -> Any:
        g_hat, pullback = super().__call__(h, x, y, error)
        return np.hstack([g_hat, g_hat]), pullback


def planted(kind: Any) -> Case:
    if issubclass(kind, Readout):
        return cases.readout(BinaryCrossEntropy(), cases.some_bits, (), kind)
    return cases.signal(
        kind.__name__,
        lambda draw: kind(cases.N_IN, cases.OUTPUTS, rng=draw),
        cases.some_bits,
    )


@pytest.mark.parametrize(
    ("kind", "clause"),
    [
        (DrawsAgain, contract.signal_copy_is_independent),
        (LooksAtTheLabel, contract.signal_needs_what_it_says),
        (Remembers, contract.signal_two_in_flight),
        (Remembers, contract.signal_keeps_what_it_is_handed),
        (SharesItsReadout, contract.signal_copy_is_independent),
        (BareGradient, contract.signal_shapes_and_dtypes),
        (TooWide, contract.signal_shapes_and_dtypes),
    ],
)
def test_a_planted_mistake_is_caught(kind: type[Signal], clause: Any) -> None:
    with pytest.raises(AssertionError):
        clause(planted(kind))
