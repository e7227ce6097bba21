"""The checkers of lesson 01: planted mistakes, and what is said to each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from dnilab.lessons.synthetic_gradients.lesson01 import (
    BATCH,
    check_gradient_of_W2,
    check_gradient_sent_below,
    check_my_forward,
    check_my_gradients,
    check_my_step,
)
from dnilab.network import complex_step, relative_error


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


class TestGradientOfW2:
    def test_right(self):
        verdict = check_gradient_of_W2(lambda h1, h2, g2: h1.T @ (g2 * h2 * (1 - h2)))
        assert verdict
        assert "agrees" in verdict.message

    def test_its_truth_is_the_derivative(self):
        """The formula that the checker compares with, against a derivative that is measured."""
        rng = np.random.default_rng(5)
        h1, W2, c = rng.normal(size=(7, 5)), rng.normal(size=(5, 3)), rng.normal(size=(7, 3))
        measured = complex_step(lambda W: (c * sigmoid(h1 @ W)).sum(), W2)
        h2 = sigmoid(h1 @ W2)
        assert relative_error(measured, h1.T @ (c * h2 * (1 - h2))) < 1e-12

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (lambda h1, h2, g2: None, "is None"),
            (lambda h1, h2, g2: "later", "is str"),
            (lambda h1, h2, g2: -h1.T @ (g2 * h2 * (1 - h2)), "wrong sign"),
            (lambda h1, h2, g2: (g2 * h2 * (1 - h2)).T @ h1, "Transpose it?"),
            (lambda h1, h2, g2: g2 * h2 * (1 - h2), "should be (5, 3)"),
            (lambda h1, h2, g2: h1.T @ (g2 * h2 * (1 - h2)) / len(h1), "too small by a factor 7"),
            (lambda h1, h2, g2: h1.T @ (g2 * h2 * (1 - h2)) * len(h1), "too large by a factor 7"),
            (lambda h1, h2, g2: 4 * h1.T @ (g2 * h2 * (1 - h2)), "4 times too large"),
            (lambda h1, h2, g2: h1.T @ g2, "the slope of the sigmoid, is missing"),
            (lambda h1, h2, g2: h1.T @ (g2 * (1 - h2**2)), "that of tanh"),
            (
                lambda h1, h2, g2: h1.T @ (g2 * sigmoid(h2) * (1 - sigmoid(h2))),
                "takes the sigmoid of h;",
            ),
            (lambda h1, h2, g2: h1.T @ (g2 * h2), "the factor (1 - h) is missing"),
            (lambda h1, h2, g2: h1.T @ (h2 * (1 - h2)), "one of the three factors is missing: g"),
            (lambda h1, h2, g2: h1.T @ (g2 * (1 - h2)), "differs from the true value"),
            (lambda h1, h2, g2: h1 @ g2, "A has 5 columns and B has 7 rows"),
            (lambda h1, h2, g2: np.log(-1.0 * h2**0) @ g2.T, "stopped with RuntimeWarning"),
            (7, "should be a function"),
        ],
    )
    def test_wrong(self, answer, said):
        verdict = check_gradient_of_W2(answer)
        assert not verdict
        assert said in verdict.message

    def test_writes_into_g2(self):
        def careless(h1, h2, g2):
            g2 *= h2 * (1 - h2)
            return h1.T @ g2

        assert "argument number 3 in place" in check_gradient_of_W2(careless).message


class TestGradientSentBelow:
    def test_right(self):
        assert check_gradient_sent_below(lambda h2, g2, W2: (g2 * h2 * (1 - h2)) @ W2.T)

    def test_its_truth_is_the_derivative(self):
        rng = np.random.default_rng(6)
        h1, W2, c = rng.normal(size=(7, 5)), rng.normal(size=(5, 3)), rng.normal(size=(7, 3))
        measured = complex_step(lambda h: (c * sigmoid(h @ W2)).sum(), h1)
        h2 = sigmoid(h1 @ W2)
        assert relative_error(measured, (c * h2 * (1 - h2)) @ W2.T) < 1e-12

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (lambda h2, g2, W2: None, "is None"),
            (lambda h2, g2, W2: -(g2 * h2 * (1 - h2)) @ W2.T, "wrong sign"),
            (lambda h2, g2, W2: W2 @ (g2 * h2 * (1 - h2)).T, "Transpose it?"),
            (lambda h2, g2, W2: (g2 * h2 * (1 - h2)) @ W2, "W2 is not transposed"),
            (lambda h2, g2, W2: g2, "it is g2 itself"),
            (lambda h2, g2, W2: g2 * h2 * (1 - h2), "it is the gradient at a2"),
            (lambda h2, g2, W2: (h2 * (1 - h2)) @ W2.T, "one of the three factors is missing: g"),
            (lambda h2, g2, W2: (g2 * h2) @ W2.T, "the factor (1 - h) is missing"),
            (lambda h2, g2, W2: g2 @ W2.T, "the slope of the sigmoid, is missing"),
            (lambda h2, g2, W2: (g2 * (1 - h2**2)) @ W2.T, "that of tanh"),
            (lambda h2, g2, W2: (g2 @ W2.T) * h2 * (1 - h2), "comes too late"),
            (lambda h2, g2, W2: (g2 * h2 * (1 - h2)) @ W2.T / BATCH, "too small by a factor 7"),
            # right for a square W2 alone
            (
                lambda h2, g2, W2: (g2 * h2 * (1 - h2)) @ W2.T[:, :3],
                "should be (7, 5)",
            ),
        ],
    )
    def test_wrong(self, answer, said):
        verdict = check_gradient_sent_below(answer)
        assert not verdict
        assert said in verdict.message


# ---- the whole step: one learner, of whom one habit may be wrong -------------------------------


def in_the_packages_order(a):
    return 0.5 * (1 + np.tanh(0.5 * a))


@dataclass(frozen=True)
class Learner:
    """How somebody writes the step; the defaults are right, in the package's order."""

    unit: Any = in_the_packages_order
    top_unit: Any = lambda a: a
    bias: bool = True
    top: Any = lambda z, y: in_the_packages_order(z) - y
    down: Any = lambda da, W: da @ W.T
    through: Any = lambda g, h, k: g * (h[k] * (1 - h[k]))
    weights: Any = lambda h, da: h.T @ da
    biases: Any = lambda da: da.sum(axis=0)
    change: Any = lambda grad, rate, rows: grad * (rate / rows)
    layers: tuple[int, ...] = (1, 2, 3)

    def forward(self, x, W, b):
        h = [x]
        for k in (1, 2, 3):
            a = h[-1] @ W[k] + (b[k] if self.bias else 0)
            h.append(self.unit(a) if k < 3 else self.top_unit(a))
        return h

    def gradients(self, h, y, W):
        dW, db, da = [None] * 4, [None] * 4, self.top(h[3], y)
        for k in (3, 2, 1):
            dW[k], db[k] = self.weights(h[k - 1], da), self.biases(da)
            if k > 1:
                da = self.through(self.down(da, W[k]), h, k - 1)
        return dW, db

    def step(self, x, y, W, b, rate):
        dW, db = self.gradients(self.forward(x, W, b), y, W)
        for k in self.layers:
            W[k] -= self.change(dW[k], rate, len(x))
            b[k] -= self.change(db[k], rate, len(x))


RIGHT = Learner()


class TestMyForward:
    def test_right(self):
        assert check_my_forward(RIGHT.forward)
        assert check_my_forward(lambda x, W, b: tuple(RIGHT.forward(x, W, b)))

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (lambda x, W, b: None, "is None"),
            (lambda x, W, b: RIGHT.forward(x, W, b)[3], "a list of four arrays"),
            (lambda x, W, b: RIGHT.forward(x, W, b)[1:], "a list of four arrays"),
            (Learner(unit=np.tanh).forward, "h[1] is not right yet: the hidden units are"),
            (Learner(unit=lambda a: a).forward, "the function of the hidden layers is missing"),
            (Learner(top_unit=sigmoid).forward, "h[3] is not right yet: the top layer has"),
            (Learner(bias=False).forward, "the biases are missing"),
            (lambda x, W, b: [x, W[1] @ x, x, x], "A has 5 columns and B has 7 rows"),
            (lambda x, W, b: [x, RIGHT.forward(x, W, b)[1].T, x, x], "h[1] has shape (5, 7)"),
        ],
    )
    def test_wrong(self, answer, said):
        verdict = check_my_forward(answer)
        assert not verdict
        assert said in verdict.message


# Mistakes of a gradient, which are found in a step too.
MISTAKES = [
    (Learner(top=lambda z, y: z - y), "p = sigmoid(h3); the sigmoid is missing"),
    (
        Learner(top=lambda z, y: (sigmoid(z) - y) * sigmoid(z) * (1 - sigmoid(z))),
        "the gradient at the top is p - y alone",
    ),
    (Learner(down=lambda da, W: da @ W), "the weights are not transposed"),
    (Learner(down=lambda da, W: da), "does not go through the weights"),
    (Learner(through=lambda g, h, k: g), "W[2] is not right yet: the middle factor, the"),
    (Learner(through=lambda g, h, k: g * (1 - h[k] ** 2)), "the middle factor is that of tanh"),
    (Learner(through=lambda g, h, k: g * h[k]), "the factor (1 - h) is missing"),
    (
        Learner(through=lambda g, h, k: g * sigmoid(h[k]) * (1 - sigmoid(h[k]))),
        "takes the sigmoid of h;",
    ),
    (Learner(through=lambda g, h, k: g * h[k + 1] * (1 - h[k + 1])), "the wrong layer's h"),
    (Learner(through=lambda g, h, k: h[k] * (1 - h[k])), "one of the three factors is missing: g"),
    (Learner(weights=lambda h, da: da.T @ h), "W[3] is not right yet: it is transposed"),
    (Learner(biases=lambda da: da), "does not go into one of shape (5,)"),
    (Learner(biases=lambda da: da.mean(axis=0)), "b[3] is too small by a factor 7: the batch size"),
]


class TestMyGradients:
    @pytest.mark.parametrize(
        "style",
        [
            RIGHT.gradients,
            lambda h, y, W: tuple(each[1:] for each in RIGHT.gradients(h, y, W)),
            lambda h, y, W: tuple(dict(enumerate(each)) for each in RIGHT.gradients(h, y, W)),
            Learner(through=lambda g, h, k: g * h[k] * (1 - h[k])).gradients,
            Learner(weights=lambda h, da: np.einsum("im,in->mn", h, da)).gradients,
        ],
    )
    def test_right(self, style):
        assert check_my_gradients(style)

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (lambda h, y, W: None, "is None"),
            (lambda h, y, W: RIGHT.gradients(h, y, W)[0], "should return two lists"),
            (lambda h, y, W: ([None], [None]), "dW should be a list"),
            (lambda h, y, W: [each[:0:-1] for each in RIGHT.gradients(h, y, W)], "upside down"),
            *[(learner.gradients, said) for learner, said in MISTAKES if "go into" not in said],
            (Learner(biases=lambda da: da).gradients, "db[3] has shape (7, 5); it should be (5,)"),
            (Learner(top=lambda z, y: y - sigmoid(z)).gradients, "dW[3] has the wrong sign"),
            # right for square weights alone
            (
                Learner(down=lambda da, W: da @ (W.T if W.shape == (5, 5) else W)).gradients,
                "A has ",
            ),
        ],
    )
    def test_wrong(self, answer, said):
        verdict = check_my_gradients(answer)
        assert not verdict
        assert said in verdict.message

    def test_writes_into_h(self):
        def careless(h, y, W):
            h[3] -= y
            return RIGHT.gradients(h, y, W)

        assert "changes h in place" in check_my_gradients(careless).message


def early(x, y, W, b, rate):
    """Each layer is updated as soon as its gradient is there."""
    h = RIGHT.forward(x, W, b)
    da = RIGHT.top(h[3], y)
    for k in (3, 2, 1):
        dW, db = h[k - 1].T @ da, da.sum(axis=0)
        W[k] -= dW * (rate / len(x))
        b[k] -= db * (rate / len(x))
        if k > 1:
            da = RIGHT.through(da @ W[k].T, h, k - 1)


def returns_new_ones(x, y, W, b, rate):
    dW, db = RIGHT.gradients(RIGHT.forward(x, W, b), y, W)
    new = [
        [old[k] - grads[k] * (rate / len(x)) for k in (1, 2, 3)]
        for old, grads in ((W, dW), (b, db))
    ]
    return new[0], new[1]


def binds_new_ones(x, y, W, b, rate):
    W[1:], b[1:] = returns_new_ones(x, y, W, b, rate)
    return "done"


def in_single_precision(x, y, W, b, rate):
    dW, db = RIGHT.gradients(RIGHT.forward(x, W, b), y, W)
    for k in (1, 2, 3):
        W[k] -= (dW[k] * (rate / len(x))).astype(np.float32)
        b[k] -= (db[k] * (rate / len(x))).astype(np.float32)


class TestMyStep:
    @pytest.mark.parametrize("style", [RIGHT.step, returns_new_ones, binds_new_ones])
    def test_equal_to_the_last_bit(self, style):
        verdict = check_my_step(style)
        assert verdict
        assert "to the last bit." in verdict.message

    @pytest.mark.parametrize(
        "learner",
        [
            Learner(unit=sigmoid, top=lambda z, y: sigmoid(z) - y),
            Learner(through=lambda g, h, k: g * h[k] * (1 - h[k])),
            Learner(change=lambda grad, rate, rows: rate * grad / rows),
        ],
    )
    def test_right_in_another_order(self, learner):
        verdict = check_my_step(learner.step)
        assert verdict
        assert "not equal to the last bit, because you round in another order" in verdict.message

    def test_a_product_without_the_sign_for_it(self):
        """Whether these bits are BLAS's is up to the processor; right it is on each."""
        assert check_my_step(Learner(weights=lambda h, da: np.einsum("im,in->mn", h, da)).step)

    @pytest.mark.parametrize(
        ("step", "said"),
        [
            (lambda x, y, W, b, rate: None, "changes neither W nor b"),
            *[(learner.step, said) for learner, said in MISTAKES],
            (early, "the change of W[2] is not right yet: the layer above was updated too"),
            (Learner(change=lambda grad, rate, rows: rate * grad).step, "too large by a factor 7"),
            (Learner(change=lambda grad, rate, rows: grad / rows).step, "the learning rate, 1/4"),
            (
                Learner(
                    top=lambda z, y: (sigmoid(z) - y) / len(y),
                    change=lambda grad, rate, rows: grad * (rate / rows),
                ).step,
                "the change of W[3] is too small by a factor 7: the batch size. Divide by B once",
            ),
            (Learner(top=lambda z, y: y - sigmoid(z)).step, "it goes uphill"),
            (Learner(layers=(1, 3)).step, "change of W[2] is not right yet: it is zero"),
            (Learner(unit=np.tanh).step, "in the forward pass the hidden units are sigmoids here"),
            (Learner(bias=False).step, "in the forward pass the biases are missing"),
            (in_single_precision, "away from those of the package"),
        ],
    )
    def test_wrong(self, step, said):
        verdict = check_my_step(step)
        assert not verdict
        assert said in verdict.message

    def test_the_label_is_changed_in_place(self):
        def careless(x, y, W, b, rate):
            y -= 1

        assert "argument number 2 in place" in check_my_step(careless).message

    def test_remembers_the_weights_of_the_first_batch(self):
        """Right in the first of the real batches, and wrong from there on."""
        first = {}

        def forgetful(x, y, W, b, rate):
            kept = first.setdefault(W[1].shape, [value.copy() for value in W[1:]])
            dW, db = RIGHT.gradients(RIGHT.forward(x, [None, *kept], b), y, W)
            for k in (1, 2, 3):
                W[k] -= dW[k] * (rate / len(x))
                b[k] -= db[k] * (rate / len(x))

        assert "Does anything from outside the function enter" in check_my_step(forgetful).message
