"""Numbers that judge: by hand, and the alignment against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from dnilab.network import SquaredError, Stack
from dnilab.training import alignment, scores


def test_bits_by_hand() -> None:
    y = np.array([[0, 1, 1], [1, 0, 0], [1, 1, 1], [0, 0, 0]], float)
    p = np.array([[0.1, 0.9, 0.6], [0.9, 0.6, 0.4], [0.2, 0.3, 0.9], [0.5, 0.4, 0]])
    # 3 right; 2 right; 1 right; 3 right, where exactly 1/2 is read as 0
    assert scores("bits", p, y) == {"bit_accuracy": 9 / 12, "whole_sums": 2 / 4}


def test_classes_by_hand() -> None:
    y = np.eye(3)[[0, 1, 2, 2]]
    p = np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [0.4, 0.5, 0.1]])
    assert scores("classes", p, y) == {"class_error": 2 / 4}


def test_another_kind_of_answer_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^kind is 'bitz'; it accepts one of 'bits', 'classes'$"):
        scores("bitz", np.zeros((2, 2)), np.zeros((2, 2)))


def test_scores_are_plain_floats() -> None:
    one = np.ones((2, 2), np.float32)
    for kind in ("bits", "classes"):
        assert {type(value) for value in scores(kind, one, one).values()} == {float}


def network(seed: int = 0) -> Stack:
    rng = np.random.default_rng(seed)
    return Stack.build((4, 5, 3, 2), SquaredError(), rng, context=("h", "y"))


def batch() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.standard_normal((6, 4)), rng.standard_normal((6, 2))


def test_guesses_of_zero() -> None:
    # 0 for the cosine, and an error of exactly the target's own size
    stack = network()
    cosine, error = alignment(stack, *batch())
    assert cosine == (0.0, 0.0)
    # module 1's target is 0 too, for it is pulled back from module 2's guess of 0
    assert error == (0.0, 1.0)


def test_against_direct_computation() -> None:
    stack, (x, y) = network(), batch()
    rng = np.random.default_rng(2)
    for theta in stack.thetas:
        theta[:] = rng.standard_normal(theta.size)
    h1, _ = stack.modules[0](x)
    h2, pull2 = stack.modules[1](h1)
    output, pull3 = stack.modules[2](h2)
    g2 = pull3(output - y)[0]
    g1 = pull2(g2)[0]
    M1, M2 = stack.modules[0].generator, stack.modules[1].generator
    assert M1 is not None
    assert M2 is not None
    guess1, guess2 = M1(h1, x, y)[0], M2(h2, x, y)[0]
    told1 = pull2(guess2)[0]
    cosine, error = alignment(stack, x, y)

    def angle(a: np.ndarray, b: np.ndarray) -> float:
        a, b = a.ravel(), b.ravel()
        return float(a @ b / np.sqrt((a @ a) * (b @ b)))

    assert cosine == pytest.approx((angle(guess1, g1), angle(guess2, g2)), rel=1e-12)
    assert error == pytest.approx(
        (
            ((guess1 - told1) ** 2).sum() / (told1**2).sum(),
            ((guess2 - g2) ** 2).sum() / (g2**2).sum(),
        ),
        rel=1e-12,
    )
    assert all(-1 <= c <= 1 for c in cosine)


def test_a_perfect_guess() -> None:
    # Squared error on h itself: with a top module that is the identity, g = h - y, which a linear
    # generator on h and y can say exactly.
    rng = np.random.default_rng(0)
    stack = Stack.build((2, 2, 2), SquaredError(), rng, context=("h", "y"))
    stack.modules[1].body.thetas[0][:] = [1, 0, 0, 1, 0, 0]
    generator = stack.modules[0].generator
    assert generator is not None
    generator.thetas[0][:] = np.concatenate([np.vstack([np.eye(2), -np.eye(2)]).ravel(), [0, 0]])
    cosine, error = alignment(stack, rng.standard_normal((5, 2)), rng.standard_normal((5, 2)))
    assert cosine == pytest.approx((1.0,))
    assert error == pytest.approx((0.0,), abs=1e-30)


def test_a_stack_without_generators_is_refused() -> None:
    stack = Stack.build((4, 5, 2), SquaredError(), np.random.default_rng(0))
    with pytest.raises(ValueError, match="no generators"):
        alignment(stack, *batch())
